//! One VM record, as it is kept, and a change to it.
//!
//! Who gets one, and when it goes, is for the book.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xenwarden_model::VmMap;

use crate::domain::Wanted;

/// The key whose presence, whatever its value, switches a VM's console off.
const CONSOLE_OFF: &str = "disable_pv_vnc";

/// One VM, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The name that people call it by.
    pub(crate) name: String,
    /// Whether it is the control domain.
    #[serde(default)]
    pub(crate) is_control_domain: bool,
    /// `other_config`
    #[serde(default)]
    pub(crate) other_config: BTreeMap<String, String>,
    /// `xenstore_data`
    #[serde(default)]
    pub(crate) xenstore_data: BTreeMap<String, String>,
    /// Its network interfaces, by number.
    #[serde(default)]
    pub(crate) vifs: BTreeMap<u16, VifRecord>,
    /// Whether a person or program made or changed it: such a record goes only when told to.
    pub(crate) touched: bool,
    /// Whether its domains come with a new uuid each time: it was registered without one, or made
    /// for a domain whose name a halted record with another uuid had.
    pub(crate) uuid_changes: bool,
    /// The uuid that its last domain came with.
    pub(crate) domain_uuid: Uuid,
    /// When it was last seen, in milliseconds since 1970.
    pub(crate) seen_ms: u64,
    /// The domain that it was last seen with.
    pub(crate) tie: Option<Tie>,
}

/// A VM's network interface, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VifRecord {
    /// The address that it was last seen with.
    pub(crate) mac: Option<String>,
    /// The bridge that it was last seen at.
    pub(crate) network: Option<String>,
    /// `other_config`
    #[serde(default)]
    pub(crate) other_config: BTreeMap<String, String>,
}

/// A domain, and what was decided when it was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tie {
    /// Its number.
    pub(crate) domid: u16,
    /// The boot of the host that the number belongs to.
    pub(crate) boot: Uuid,
    /// Whether its console was off.
    pub(crate) console_off: bool,
}

impl Record {
    /// Whether the console of its next domain is wanted.
    pub(crate) fn wanted(&self) -> Wanted {
        if self.other_config.contains_key(CONSOLE_OFF) { Wanted::Off } else { Wanted::On }
    }

    /// One of the maps that users write.
    pub(crate) fn map(&self, map: VmMap) -> &BTreeMap<String, String> {
        match map {
            VmMap::OtherConfig => &self.other_config,
            VmMap::XenstoreData => &self.xenstore_data,
        }
    }

    /// The same, to be written.
    pub(crate) fn map_mut(&mut self, map: VmMap) -> &mut BTreeMap<String, String> {
        match map {
            VmMap::OtherConfig => &mut self.other_config,
            VmMap::XenstoreData => &mut self.xenstore_data,
        }
    }
}

/// One record's change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The record is as given from now on.
    Put(Uuid, Box<Record>),
    /// The record goes.
    Delete(Uuid),
}
