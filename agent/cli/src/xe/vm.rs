//! `xe vm-list` and `xe vm-param-...`.

use std::collections::BTreeMap;

use xenwarden_model::{Ask, Vm, VmMap};

use crate::agent::{Agent, vms};
use crate::xe::fields::{Field, Meaning, Record, Value, filtered, selected};
use crate::xe::format::Printed;
use crate::xe::{Call, XeError, refused, vm_of};

/// What a list shows where nothing else is asked for.
const USUAL: [&str; 3] = ["name-label", "uuid", "power-state"];

/// The domain number of a VM that has no domain.
const NO_DOMAIN: &str = "-1";

/// A map's name on the command line, its name in the API, and the map.
const MAPS: [(&str, &str, VmMap); 2] = [
    ("other-config", "other_config", VmMap::OtherConfig),
    ("xenstore-data", "xenstore_data", VmMap::XenstoreData),
];

/// Every VM that passes the filters.
pub(super) fn list(call: &Call, vms: &[Vm]) -> Result<Printed, XeError> {
    let all: Vec<Record> = vms.iter().map(record).collect();
    let records = filtered(all.clone(), call.others(&["params"]))?;
    let shown = if call.is_set("all") { all } else { records };
    Ok(Printed::Records(selected(shown, call.value("params"), &USUAL)))
}

/// Every field of one VM.
pub(super) fn param_list(call: &Call, vms: &[Vm]) -> Result<Printed, XeError> {
    Ok(Printed::Records(vec![record(vm_of(call, vms)?)]))
}

/// One field of one VM, or one key of it.
pub(super) fn param_get(call: &Call, vms: &[Vm]) -> Result<Printed, XeError> {
    call.required("uuid")?;
    let name = call.required("param-name")?;
    let record = record(vm_of(call, vms)?);
    let value = &record.known_field(name)?.value;
    match (value, call.value("param-key")) {
        (Value::Map(map), Some(key)) => match map.get(key) {
            Some(value) => Ok(Printed::Value(value.clone())),
            None => Err(XeError::Failed(format!("Key {key} not found in map"))),
        },
        (value, _) => Ok(Printed::Value(value.text())),
    }
}

/// Sets fields and keys, from left to right; what was set before an error stays set.
pub(super) fn param_set(call: &Call, agent: &mut impl Agent) -> Result<Printed, XeError> {
    let vms = vms(agent)?;
    let vm = vm_of(call, &vms)?;
    let record = record(vm);
    for (name, value) in call.others(&["uuid"]) {
        let ask = match record.meaning(name)? {
            Meaning::Part(Field { value: Value::Set(_), .. }, _) => {
                return Err(XeError::Failed("Cannot param-set on set fields".to_owned()));
            }
            Meaning::Part(field, key) => set_key(vm, map_of(field)?, key, value),
            Meaning::Whole(field) => set_field(vm, field, value)?,
        };
        agent.ask(&ask).map_err(|error| refused(error, vm.uuid))?;
    }
    Ok(Printed::Nothing)
}

/// Adds keys that aren't there to a map.
pub(super) fn param_add(call: &Call, agent: &mut impl Agent) -> Result<Printed, XeError> {
    call.required("uuid")?;
    let name = call.required("param-name")?;
    let vms = vms(agent)?;
    let vm = vm_of(call, &vms)?;
    let record = record(vm);
    let field = record.known_field(name)?;
    let map = match (&field.value, field.writable) {
        (Value::Map(map), true) => map,
        (Value::Map(_) | Value::Set(_), _) => {
            return Err(XeError::Failed("Parameter is read-only".to_owned()));
        }
        (Value::Text(_), _) => {
            return Err(XeError::Failed(
                "Can only add to parameters of type Set or Map".to_owned(),
            ));
        }
    };
    let (api_name, which) = map_of(field)?;
    for (key, value) in call.others(&["uuid", "param-name", "param-key"]) {
        if map.contains_key(key) {
            let key = key.to_owned();
            return Err(XeError::DuplicateKey { map: api_name, vm: vm.uuid, key });
        }
        let ask = set_key(vm, (api_name, which), key, value);
        agent.ask(&ask).map_err(|error| refused(error, vm.uuid))?;
    }
    Ok(Printed::Nothing)
}

/// Removes one key of a map.
pub(super) fn param_remove(call: &Call, agent: &mut impl Agent) -> Result<Printed, XeError> {
    call.required("uuid")?;
    let name = call.required("param-name")?;
    let key = call.required("param-key")?;
    let vms = vms(agent)?;
    let vm = vm_of(call, &vms)?;
    let record = record(vm);
    let field = record.known_field(name)?;
    match (&field.value, field.writable) {
        (Value::Map(map), true) if map.contains_key(key) => {}
        (Value::Map(_), true) => {
            return Err(XeError::Failed(format!("Key {key} is not in map")));
        }
        (Value::Map(_) | Value::Set(_), _) => {
            return Err(XeError::Failed("Cannot remove parameters from read-only map".to_owned()));
        }
        (Value::Text(_), _) => {
            return Err(XeError::Failed(
                "Can only remove from parameters of type Set or Map".to_owned(),
            ));
        }
    }
    let (_, map) = map_of(field)?;
    let ask = Ask::RemoveKey { vm: vm.uuid, map, key: key.to_owned() };
    agent.ask(&ask).map_err(|error| refused(error, vm.uuid))?;
    Ok(Printed::Nothing)
}

fn set_key(vm: &Vm, (_, map): (&str, VmMap), key: &str, value: &str) -> Ask {
    Ask::SetKey { vm: vm.uuid, map, key: key.to_owned(), value: value.to_owned() }
}

fn set_field(vm: &Vm, field: &Field, value: &str) -> Result<Ask, XeError> {
    let name = field.name;
    match (&field.value, field.writable) {
        (Value::Map(_) | Value::Set(_), true) => Err(XeError::Failed(format!(
            "Field '{name}' is a map or set. use the 'name:key=value' syntax."
        ))),
        (Value::Text(_), true) => Ok(Ask::SetName { vm: vm.uuid, name: value.to_owned() }),
        (Value::Text(_) | Value::Map(_) | Value::Set(_), false) => {
            Err(XeError::Failed(format!("Field '{name}' is read-only.")))
        }
    }
}

/// The map that a field stands for.
fn map_of(field: &Field) -> Result<(&'static str, VmMap), XeError> {
    MAPS.iter()
        .find(|(name, _, _)| *name == field.name)
        .map(|(_, api_name, map)| (*api_name, *map))
        .ok_or_else(|| XeError::Failed(format!("Map field '{}' is read-only.", field.name)))
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
