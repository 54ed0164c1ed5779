//! Calls on classes: getters and setters, from the one table of fields, and the few others.

use xenwarden_model::front::Call;
use xenwarden_model::{Map, Object, Reference, Refusal, RefusalCode, Reply, VmMap};

use super::{Args, Caller, Failure, Outcome, event, failure, session, text};
use crate::records::{TABLES, Table, record, table, value};
use crate::value::Value;
use crate::world::World;

/// What a call on a class does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    All,
    AllRecords,
    AllRecordsWhere,
    ByUuid,
    ByName,
    Record,
    Get(&'static str),
    SetMap(VmMap),
    AddTo(VmMap),
    RemoveFrom(VmMap),
    Rename,
    CreateTask,
    DestroyTask,
    /// Power is the toolstack's.
    Power,
}

/// Calls that only a toolstack carries out.
const POWER: [&str; 9] = [
    "start",
    "clean_shutdown",
    "hard_shutdown",
    "clean_reboot",
    "hard_reboot",
    "suspend",
    "resume",
    "pause",
    "unpause",
];

/// Every call on a class.
fn deeds(table: &'static Table) -> Vec<(String, Deed)> {
    let named = |name: &str, deed| (name.to_owned(), deed);
    let mut deeds = vec![
        named("get_all", Deed::All),
        named("get_all_records", Deed::AllRecords),
        named("get_all_records_where", Deed::AllRecordsWhere),
        named("get_by_uuid", Deed::ByUuid),
        named("get_record", Deed::Record),
    ];
    if table.fields.contains(&"name_label") {
        deeds.push(named("get_by_name_label", Deed::ByName));
    }
    deeds.extend(table.fields.iter().map(|field| (format!("get_{field}"), Deed::Get(field))));
    for (field, map) in table.maps {
        deeds.push((format!("set_{field}"), Deed::SetMap(*map)));
        deeds.push((format!("add_to_{field}"), Deed::AddTo(*map)));
        deeds.push((format!("remove_from_{field}"), Deed::RemoveFrom(*map)));
    }
    if table.is_renamed {
        deeds.push(named("set_name_label", Deed::Rename));
    }
    match table.name {
        "task" => {
            deeds.push(named("create", Deed::CreateTask));
            deeds.push(named("destroy", Deed::DestroyTask));
        }
        "VM" => deeds.extend(POWER.map(|name| named(name, Deed::Power))),
        _ => {}
    }
    deeds
}

fn find(method: &str) -> Option<(&'static Table, Deed)> {
    let (class, name) = method.split_once('.')?;
    let table = table(class)?;
    deeds(table).into_iter().find(|(known, _)| known == name).map(|(_, deed)| (table, deed))
}

/// Whether there is such a call, beside the log-in.
pub(super) fn is_known(method: &str) -> bool {
    match method.split_once('.') {
        Some(("session", name)) => session::NAMES.contains(&name),
        Some(("event", name)) => event::NAMES.contains(&name),
        _ => find(method).is_some(),
    }
}

/// Every call's name.
pub(crate) fn names() -> Vec<String> {
    let mut names = vec!["session.login_with_password".to_owned(), "system.listMethods".to_owned()];
    names.extend(session::NAMES.map(|name| format!("session.{name}")));
    names.extend(event::NAMES.map(|name| format!("event.{name}")));
    for table in &TABLES {
        names.extend(deeds(table).into_iter().map(|(name, _)| format!("{}.{name}", table.name)));
    }
    names
}

/// Does a call on a class.
pub(super) async fn call(caller: &Caller, args: &Args<'_>) -> Outcome {
    let Some((table, deed)) = find(args.method) else {
        return Err(Failure::new("MESSAGE_METHOD_UNKNOWN", [args.method]));
    };
    let world = caller.objects.refresh(args.session).await;
    let change = {
        let world = world.map_err(|no| failure(&no, &args.session_text))?;
        match read(&world, table, deed, args, &caller.base)? {
            Read::Answer(value) => return Ok(value),
            Read::Change(change) => change,
        }
    };
    match caller.objects.agent.ask(&change).await {
        Ok(Reply::Reference(made)) => Ok(Value::text(made.to_string())),
        Ok(_) => Ok(Value::Void),
        Err(refusal) => Err(refused(&refusal, table, args)),
    }
}

/// An answer, or what the agent is to do for one.
enum Read {
    Answer(Value),
    Change(Call),
}

fn read(
    world: &World,
    table: &'static Table,
    deed: Deed,
    args: &Args<'_>,
    base: &str,
) -> Result<Read, Failure> {
    let all = || table.class.into_iter().flat_map(|class| world.of(class));
    let whole = |object: &Object| Value::Map(record(object, world, base));
    let records = || {
        let pair = |object: &Object| (object.reference().to_string(), whole(object));
        Value::Map(all().map(pair).collect())
    };
    let find = |of: &Value| -> Result<&Object, Failure> {
        let invalid = |text: &str| Failure::new("HANDLE_INVALID", [table.name, text]);
        let reference = text(of)?;
        let parsed: Reference = reference.parse().map_err(|_| invalid(reference))?;
        let found = world.get(parsed).filter(|object| Some(object.class()) == table.class);
        found.ok_or_else(|| invalid(reference))
    };
    let session = args.session;
    Ok(match deed {
        Deed::All => {
            args.exactly::<0>()?;
            Read::Answer(Value::texts(all().map(|object| object.reference().to_string())))
        }
        Deed::AllRecords => {
            args.exactly::<0>()?;
            Read::Answer(records())
        }
        Deed::AllRecordsWhere => {
            let [expression] = args.exactly::<1>()?;
            match text(expression)?.trim() {
                "true" => Read::Answer(records()),
                other => return Err(Failure::new("INVALID_VALUE", ["expr", other])),
            }
        }
        Deed::ByUuid => {
            let [uuid] = args.exactly::<1>()?;
            let uuid = text(uuid)?;
            let found = all().find(|object| object.uuid().to_string() == uuid);
            let found = found.ok_or_else(|| Failure::new("UUID_INVALID", [table.name, uuid]))?;
            Read::Answer(Value::text(found.reference().to_string()))
        }
        Deed::ByName => {
            let [name] = args.exactly::<1>()?;
            let name = text(name)?;
            let found = all().filter(|object| object.name_label() == Some(name));
            Read::Answer(Value::texts(found.map(|object| object.reference().to_string())))
        }
        Deed::Record => {
            let [of] = args.exactly::<1>()?;
            Read::Answer(whole(find(of)?))
        }
        Deed::Get(field) => {
            let [of] = args.exactly::<1>()?;
            Read::Answer(value(find(of)?, field, world, base))
        }
        Deed::SetMap(map) => {
            let [of, entries] = args.exactly::<2>()?;
            let object = find(of)?.reference();
            let entries = match entries {
                Value::Map(entries) => entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), text(value)?.to_owned())))
                    .collect::<Result<Map, Failure>>()?,
                _ => return Err(Failure::new("FIELD_TYPE_ERROR", ["a map is expected"])),
            };
            Read::Change(Call::SetMap { session, object, map, entries })
        }
        Deed::AddTo(map) => {
            let [of, key, value] = args.exactly::<3>()?;
            let object = find(of)?.reference();
            let (key, value) = (text(key)?.to_owned(), text(value)?.to_owned());
            Read::Change(Call::SetKey { session, object, map, key, value, new_only: true })
        }
        Deed::RemoveFrom(map) => {
            let [of, key] = args.exactly::<2>()?;
            let (object, key) = (find(of)?.reference(), text(key)?.to_owned());
            Read::Change(Call::RemoveKey { session, object, map, key })
        }
        Deed::Rename => {
            let [of, name] = args.exactly::<2>()?;
            let (object, name) = (find(of)?.reference(), text(name)?.to_owned());
            Read::Change(Call::SetName { session, object, name })
        }
        Deed::CreateTask => {
            let [label, description] = args.exactly::<2>()?;
            let (label, description) = (text(label)?.to_owned(), text(description)?.to_owned());
            Read::Change(Call::CreateTask { session, label, description })
        }
        Deed::DestroyTask => {
            let [of] = args.exactly::<1>()?;
            Read::Change(Call::DestroyTask { session, task: find(of)?.reference() })
        }
        Deed::Power => {
            let why = format!("{}: the toolstack of this host does that", args.method);
            return Err(Failure::new("NOT_IMPLEMENTED", [&why]));
        }
    })
}

/// A refused change, with the words that clients expect of it.
fn refused(refusal: &Refusal, table: &Table, args: &Args<'_>) -> Failure {
    let word =
        |at: usize| args.values.get(at).and_then(|value| text(value).ok()).unwrap_or_default();
    let of = word(0);
    let field = args.method.split_once("_to_").map_or("", |(_, field)| field);
    match refusal.code {
        RefusalCode::Exists => Failure::new("MAP_DUPLICATE_KEY", [table.name, field, of, word(1)]),
        RefusalCode::UnknownObject | RefusalCode::UnknownVm | RefusalCode::UnknownNic => {
            Failure::new("HANDLE_INVALID", [table.name, of])
        }
        RefusalCode::Forbidden => {
            Failure::new("RBAC_PERMISSION_DENIED", [args.method, &refusal.message])
        }
        RefusalCode::Running => Failure::new("VM_BAD_POWER_STATE", [of, "halted", "running"]),
        _ => failure(refusal, &args.session_text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_listed_call_is_known_once() {
        let names = names();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names.iter().skip(2) {
            assert!(is_known(name), "{name}");
        }
        for name in ["VM", "VM.", "VM.fly", "vm.get_all", "session.x", "event.", ""] {
            assert!(!is_known(name), "{name}");
        }
    }
}
