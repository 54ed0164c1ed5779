//! VIFs and PIFs, as `xe` has them.

use uuid::Uuid;
use xenwarden_model::{Ask, Nic, NicOwner};

use crate::agent::{Agent, AgentError};
use crate::nic::nics;
use crate::xe::XeError;
use crate::xe::fields::{Field, Record, Value};
use crate::xe::params::{Object, read_only};

/// A guest's interface.
#[derive(Debug)]
pub(super) struct Vif {
    nic: Nic,
    vm: Uuid,
    vm_name: String,
    number: u16,
}

/// An interface of the host.
#[derive(Debug)]
pub(super) struct Pif(Nic);

const OTHER_CONFIG: &[(&str, &str)] = &[("other-config", "other_config")];

fn change_key(nic: &Nic, key: &str, value: Option<&str>) -> Ask {
    let (nic, key) = (nic.uuid, key.to_owned());
    match value {
        Some(value) => Ask::SetNicKey { nic, key, value: value.to_owned() },
        None => Ask::RemoveNicKey { nic, key },
    }
}

fn text(name: &'static str, value: impl ToString) -> Field {
    Field { name, writable: false, value: Value::Text(value.to_string()) }
}

fn words(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

/// What both have at the end of their records.
fn common(nic: &Nic) -> [Field; 2] {
    let mtu = nic.mtu.map(|mtu| mtu.to_string()).unwrap_or_default();
    let other_config = Value::Map(nic.other_config.clone());
    [text("MTU", mtu), Field { name: "other-config", writable: true, value: other_config }]
}

impl Object for Vif {
    const CLASS: &'static str = "VIF";
    const USUAL: &'static [&'static str] = &["uuid", "vm-uuid", "device", "network-name-label"];
    const MAPS: &'static [(&'static str, &'static str)] = OTHER_CONFIG;

    fn all(agent: &mut impl Agent) -> Result<Vec<Self>, AgentError> {
        let vifs = nics(agent)?.into_iter().filter_map(|nic| match nic.owner.clone() {
            NicOwner::Vm { vm, name_label, device } => {
                Some(Self { nic, vm, vm_name: name_label, number: device })
            }
            NicOwner::Host => None,
        });
        Ok(vifs.collect())
    }

    fn uuid(&self) -> Uuid {
        self.nic.uuid
    }

    fn record(&self) -> Record {
        let [mtu, other_config] = common(&self.nic);
        Record::new(vec![
            text("uuid", self.nic.uuid),
            text("vm-uuid", self.vm),
            text("vm-name-label", &self.vm_name),
            text("MAC", words(self.nic.mac.as_ref())),
            mtu,
            text("currently-attached", self.nic.device.is_some()),
            other_config,
            text("network-name-label", words(self.nic.network.as_ref())),
            text("device", self.number),
        ])
    }

    fn change_key(&self, _: &str, key: &str, value: Option<&str>) -> Ask {
        change_key(&self.nic, key, value)
    }

    fn set_field(&self, field: &Field, _: &str) -> Result<Ask, XeError> {
        Err(read_only(field))
    }
}

impl Object for Pif {
    const CLASS: &'static str = "PIF";
    const USUAL: &'static [&'static str] = &["uuid", "device", "MAC", "currently-attached"];
    const MAPS: &'static [(&'static str, &'static str)] = OTHER_CONFIG;

    fn all(agent: &mut impl Agent) -> Result<Vec<Self>, AgentError> {
        let nics = nics(agent)?.into_iter();
        Ok(nics.filter(|nic| nic.owner == NicOwner::Host).map(Self).collect())
    }

    fn uuid(&self) -> Uuid {
        self.0.uuid
    }

    fn record(&self) -> Record {
        let Self(nic) = self;
        let [mtu, other_config] = common(nic);
        Record::new(vec![
            text("uuid", nic.uuid),
            text("device", words(nic.device.as_ref())),
            text("MAC", words(nic.mac.as_ref())),
            text("currently-attached", nic.device.is_some()),
            mtu,
            text("network-name-label", words(nic.network.as_ref())),
            other_config,
        ])
    }

    fn change_key(&self, _: &str, key: &str, value: Option<&str>) -> Ask {
        change_key(&self.0, key, value)
    }

    fn set_field(&self, field: &Field, _: &str) -> Result<Ask, XeError> {
        Err(read_only(field))
    }
}
