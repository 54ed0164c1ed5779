//! The VM record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::console::Console;

/// A VM, as the agent keeps it: by uuid, through reboots and while it is halted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vm {
    /// The VM's uuid.
    pub uuid: Uuid,
    /// The name that people call it by.
    pub name_label: String,
    /// Whether it runs.
    pub power_state: PowerState,
    /// Its domain on this host, while it runs.
    pub domid: Option<u16>,
    /// Whether it is the control domain.
    pub is_control_domain: bool,
    /// Free keys of the toolstack and of users; `disable_pv_vnc` is one.
    pub other_config: BTreeMap<String, String>,
    /// What is written below the guest's `vm-data` when it is created.
    pub xenstore_data: BTreeMap<String, String>,
    /// Its consoles, while there are any.
    pub consoles: Vec<Console>,
    /// What its text console does now.
    pub console_state: ConsoleState,
}

/// Whether a VM runs (`enum vm_power_state` of the Management API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerState {
    /// It has no domain on this host.
    Halted,
    /// It has a domain on this host.
    Running,
}

impl PowerState {
    /// The word that the Management API and `xe` print.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Running => "running",
        }
    }
}

/// What a VM's text console does now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", deny_unknown_fields)]
pub enum ConsoleState {
    /// The VM does not run.
    Halted,
    /// The VM runs and has no text console yet.
    Waiting,
    /// Switched off by `other_config:disable_pv_vnc`.
    Off,
    /// A converter is being started and attested.
    Starting,
    /// A confined converter serves it.
    Serving {
        /// The converter's process.
        pid: i32,
        /// Loopback port of its RFB screen; absent where QEMU serves the picture.
        vnc_port: Option<u16>,
        /// Loopback port of its plain text.
        text_port: u16,
        /// Viewers of either kind.
        viewers: u32,
        /// Milliseconds since the guest's last output.
        quiet_ms: Option<u64>,
        /// The last line of its screen that is not blank: guest text, to be shown escaped.
        last_line: String,
    },
    /// Its converter ended; another is started in a while.
    Restarting {
        /// Milliseconds until the next try.
        in_ms: u64,
    },
    /// There is no converter, and why: its tty was not believed, or confinement failed.
    Refused {
        /// One sentence.
        why: String,
    },
}
