//! The console record.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A way to see a VM's console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// The console's own uuid: the same for a VM and protocol, however often it restarts.
    pub uuid: Uuid,
    /// What it speaks.
    pub protocol: ConsoleProtocol,
    /// Where it is: a URI that a viewer on this host can open now.
    pub location: String,
}

/// What a console speaks (`enum console_protocol` of the Management API).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleProtocol {
    /// A screen, by the remote framebuffer protocol.
    Rfb,
    /// A terminal's bytes.
    Vt100,
}

impl ConsoleProtocol {
    /// The word that `xe` prints.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rfb => "RFB",
            Self::Vt100 => "VT100",
        }
    }
}

/// Namespace of console uuids: version 5 of the VM's uuid and the protocol's word.
const CONSOLE_NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_0a4e_52a1_4b52_9c3e_2f2a_7d1c_9b10);

impl Console {
    /// The uuid of the console that `vm` has for `protocol`.
    #[must_use]
    pub fn uuid_of(vm: Uuid, protocol: ConsoleProtocol) -> Uuid {
        let name = [vm.as_bytes().as_slice(), protocol.word().as_bytes()].concat();
        Uuid::new_v5(&CONSOLE_NAMESPACE, &name)
    }
}
