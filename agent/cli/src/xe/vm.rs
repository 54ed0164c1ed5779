//! VMs, as `xe` has them.

use std::collections::BTreeMap;

use uuid::Uuid;
use xenwarden_model::{Ask, Vm, VmMap};

use crate::agent::{Agent, AgentError, vms};
use crate::xe::XeError;
use crate::xe::fields::{Field, Record, Value};
use crate::xe::params::Object;

/// The domain number of a VM that has no domain.
const NO_DOMAIN: &str = "-1";
/// The name of the other map on the command line.
const XENSTORE_DATA: &str = "xenstore-data";

impl Object for Vm {
    const CLASS: &'static str = "VM";
    const USUAL: &'static [&'static str] = &["name-label", "uuid", "power-state"];
    const MAPS: &'static [(&'static str, &'static str)] =
        &[("other-config", "other_config"), (XENSTORE_DATA, "xenstore_data")];

    fn all(agent: &mut impl Agent) -> Result<Vec<Self>, AgentError> {
        vms(agent)
    }

    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn record(&self) -> Record {
        record(self)
    }

    fn change_key(&self, map: &str, key: &str, value: Option<&str>) -> Ask {
        let (vm, key) = (self.uuid, key.to_owned());
        let map = if map == XENSTORE_DATA { VmMap::XenstoreData } else { VmMap::OtherConfig };
        match value {
            Some(value) => Ask::SetKey { vm, map, key, value: value.to_owned() },
            None => Ask::RemoveKey { vm, map, key },
        }
    }

    fn set_field(&self, _: &Field, value: &str) -> Result<Ask, XeError> {
        Ok(Ask::SetName { vm: self.uuid, name: value.to_owned() })
    }
}

/// A VM's fields, in the order of the original's records.
fn record(vm: &Vm) -> Record {
    let read_only = |name, value| Field { name, writable: false, value };
    let writable = |name, value| Field { name, writable: true, value };
    let text = |text: &str| Value::Text(text.to_owned());
    let map = |map: &BTreeMap<String, String>| Value::Map(map.clone());
    let consoles = vm.consoles.iter().map(|console| console.uuid.to_string()).collect();
    let domid = vm.domid.map_or_else(|| NO_DOMAIN.to_owned(), |domid| domid.to_string());
    Record::new(vec![
        read_only("uuid", Value::Text(vm.uuid.to_string())),
        writable("name-label", text(&vm.name_label)),
        // There are no templates and no snapshots here; scripts filter on both.
        read_only("is-a-template", text("false")),
        read_only("is-a-snapshot", text("false")),
        read_only("is-control-domain", Value::Text(vm.is_control_domain.to_string())),
        read_only("power-state", text(vm.power_state.word())),
        read_only("console-uuids", Value::Set(consoles)),
        writable("other-config", map(&vm.other_config)),
        read_only("dom-id", Value::Text(domid)),
        writable("xenstore-data", map(&vm.xenstore_data)),
    ])
}
