//! `xe console-list`.

use xenwarden_model::{Console, Vm};

use crate::xe::fields::{Field, Record, Value, filtered, selected};
use crate::xe::format::Printed;
use crate::xe::{Call, XeError};

/// What a list shows where nothing else is asked for.
const USUAL: [&str; 5] = ["uuid", "vm-uuid", "vm-name-label", "protocol", "location"];

/// Every console that passes the filters.
pub(super) fn list(call: &Call, vms: &[Vm]) -> Result<Printed, XeError> {
    let all: Vec<Record> = vms
        .iter()
        .flat_map(|vm| vm.consoles.iter().map(move |console| record(vm, console)))
        .collect();
    let records = filtered(all.clone(), call.others(&["params"]))?;
    let shown = if call.is_set("all") { all } else { records };
    Ok(Printed::Records(selected(shown, call.value("params"), &USUAL)))
}

fn record(vm: &Vm, console: &Console) -> Record {
    let field = |name, text| Field { name, writable: false, value: Value::Text(text) };
    Record::new(vec![
        field("uuid", console.uuid.to_string()),
        field("vm-uuid", vm.uuid.to_string()),
        field("vm-name-label", vm.name_label.clone()),
        field("protocol", console.protocol.word().to_owned()),
        field("location", console.location.clone()),
    ])
}
