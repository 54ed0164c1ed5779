//! The record of a network interface: a guest's, or the host's own.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::object::Map;

/// A network interface, as the agent tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nic {
    /// Its uuid: the same for a VM and number, or for a card of the host, however often either
    /// starts again.
    pub uuid: Uuid,
    /// Whose it is.
    pub owner: NicOwner,
    /// The device in the control domain, where there is one now.
    pub device: Option<String>,
    /// Its address.
    pub mac: Option<String>,
    /// The bridge that it is, or was last, connected to.
    pub network: Option<String>,
    /// The largest packet that the device takes now, in bytes.
    pub mtu: Option<u32>,
    /// The largest MTU that the device takes.
    pub mtu_max: Option<u32>,
    /// Free keys; `ethtool-tx`, `promiscuous`, `mtu` and their like are settings.
    pub other_config: Map,
    /// What came of each setting.
    pub keys: Vec<NicKey>,
}

/// Whose an interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "of", deny_unknown_fields)]
pub enum NicOwner {
    /// A guest's: a VIF.
    Vm {
        /// The VM.
        vm: Uuid,
        /// Its name.
        name_label: String,
        /// Its number among the VM's.
        device: u16,
    },
    /// The host's: a PIF.
    Host,
}

impl NicOwner {
    /// The Management API's name for such interfaces.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Vm { .. } => "VIF",
            Self::Host => "PIF",
        }
    }
}

/// What came of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NicKey {
    /// The key in `other_config`.
    pub key: String,
    /// What is wanted.
    pub wanted: String,
    /// What is so; absent where there is no device, or it has no word for it.
    pub active: Option<String>,
    /// Why not, where it isn't as wanted.
    pub reason: Option<String>,
}

/// Namespace of guests' interfaces' uuids.
const VIFS: Uuid = Uuid::from_u128(0x7c1d_9a0e_3b52_4c6f_8a41_6f0d_92e5_b013);

impl Nic {
    /// The uuid of a VM's interface of some number.
    #[must_use]
    pub fn uuid_of_vif(vm: Uuid, device: u16) -> Uuid {
        Uuid::new_v5(&VIFS, &[vm.as_bytes().as_slice(), &device.to_be_bytes()].concat())
    }

    /// The uuid of a host's interface, by what it is known by.
    #[must_use]
    pub fn uuid_of_pif(host: Uuid, known_by: &str) -> Uuid {
        Uuid::new_v5(&host, format!("pif/{known_by}").as_bytes())
    }
}
