//! `xe ...-list` and `xe ...-param-...`: the same for every class of objects.
//!
//! Which fields an object has, and what sets them, is the class's own.

use uuid::Uuid;
use xenwarden_model::{Ask, RefusalCode};

use crate::agent::{Agent, AgentError};
use crate::xe::fields::{Field, Meaning, Record, Value, filtered, selected};
use crate::xe::format::Printed;
use crate::xe::{Call, XeError};

/// An object of some class.
pub(super) trait Object: Sized {
    /// The class's name in the API.
    const CLASS: &'static str;
    /// What a list shows where nothing else is asked for.
    const USUAL: &'static [&'static str];
    /// Maps that may be written: a map's name on the command line, and its name in the API.
    const MAPS: &'static [(&'static str, &'static str)];

    /// Every one.
    fn all(agent: &mut impl Agent) -> Result<Vec<Self>, AgentError>;
    /// Its uuid.
    fn uuid(&self) -> Uuid;
    /// Its fields, in the order of the original's records.
    fn record(&self) -> Record;
    /// What sets a key of a map that may be written (`Some`), or removes it.
    fn change_key(&self, map: &str, key: &str, value: Option<&str>) -> Ask;
    /// What sets a field that may be written.
    fn set_field(&self, field: &Field, value: &str) -> Result<Ask, XeError>;
}

/// The object of the parameter `uuid`.
fn object_of<T: Object>(call: &Call, agent: &mut impl Agent) -> Result<T, XeError> {
    let text = call.required("uuid")?;
    let unknown = || XeError::UnknownUuid { class: T::CLASS, uuid: text.to_owned() };
    let uuid = Uuid::try_parse(text).map_err(|_| unknown())?;
    T::all(agent)?.into_iter().find(|object| object.uuid() == uuid).ok_or_else(unknown)
}

/// A refusal, in the original's words where it has some.
fn refused<T: Object>(error: AgentError, uuid: Uuid) -> XeError {
    match error {
        AgentError::Refused(refusal)
            if matches!(refusal.code, RefusalCode::UnknownVm | RefusalCode::UnknownNic) =>
        {
            XeError::UnknownUuid { class: T::CLASS, uuid: uuid.to_string() }
        }
        other => other.into(),
    }
}

/// Every object that passes the filters.
pub(super) fn list<T: Object>(call: &Call, agent: &mut impl Agent) -> Result<Printed, XeError> {
    let all: Vec<Record> = T::all(agent)?.iter().map(Object::record).collect();
    let records = filtered(all.clone(), call.others(&["params"]))?;
    let shown = if call.is_set("all") { all } else { records };
    Ok(Printed::Records(selected(shown, call.value("params"), T::USUAL)))
}

/// Every field of one.
pub(super) fn param_list<T: Object>(
    call: &Call,
    agent: &mut impl Agent,
) -> Result<Printed, XeError> {
    Ok(Printed::Records(vec![object_of::<T>(call, agent)?.record()]))
}

/// One field of one, or one key of it.
pub(super) fn param_get<T: Object>(
    call: &Call,
    agent: &mut impl Agent,
) -> Result<Printed, XeError> {
    call.required("uuid")?;
    let name = call.required("param-name")?;
    let record = object_of::<T>(call, agent)?.record();
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
pub(super) fn param_set<T: Object>(
    call: &Call,
    agent: &mut impl Agent,
) -> Result<Printed, XeError> {
    let object = object_of::<T>(call, agent)?;
    let record = object.record();
    for (name, value) in call.others(&["uuid"]) {
        let ask = match record.meaning(name)? {
            Meaning::Part(Field { value: Value::Set(_), .. }, _) => {
                return Err(XeError::Failed("Cannot param-set on set fields".to_owned()));
            }
            Meaning::Part(field, key) => {
                api_name::<T>(field)?;
                object.change_key(field.name, key, Some(value))
            }
            Meaning::Whole(field) => set_field(&object, field, value)?,
        };
        agent.ask(&ask).map_err(|error| refused::<T>(error, object.uuid()))?;
    }
    Ok(Printed::Nothing)
}

/// Adds keys that aren't there to a map.
pub(super) fn param_add<T: Object>(
    call: &Call,
    agent: &mut impl Agent,
) -> Result<Printed, XeError> {
    call.required("uuid")?;
    let name = call.required("param-name")?;
    let object = object_of::<T>(call, agent)?;
    let record = object.record();
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
    let api_name = api_name::<T>(field)?;
    for (key, value) in call.others(&["uuid", "param-name", "param-key"]) {
        if map.contains_key(key) {
            let (class, uuid, key) = (T::CLASS, object.uuid(), key.to_owned());
            return Err(XeError::DuplicateKey { class, map: api_name, uuid, key });
        }
        let ask = object.change_key(field.name, key, Some(value));
        agent.ask(&ask).map_err(|error| refused::<T>(error, object.uuid()))?;
    }
    Ok(Printed::Nothing)
}

/// Removes one key of a map.
pub(super) fn param_remove<T: Object>(
    call: &Call,
    agent: &mut impl Agent,
) -> Result<Printed, XeError> {
    call.required("uuid")?;
    let name = call.required("param-name")?;
    let key = call.required("param-key")?;
    let object = object_of::<T>(call, agent)?;
    let record = object.record();
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
    api_name::<T>(field)?;
    let ask = object.change_key(field.name, key, None);
    agent.ask(&ask).map_err(|error| refused::<T>(error, object.uuid()))?;
    Ok(Printed::Nothing)
}

fn set_field<T: Object>(object: &T, field: &Field, value: &str) -> Result<Ask, XeError> {
    let name = field.name;
    match (&field.value, field.writable) {
        (Value::Map(_) | Value::Set(_), true) => Err(XeError::Failed(format!(
            "Field '{name}' is a map or set. use the 'name:key=value' syntax."
        ))),
        (Value::Text(_), true) => object.set_field(field, value),
        (Value::Text(_) | Value::Map(_) | Value::Set(_), false) => Err(read_only(field)),
    }
}

/// A field that is not to be set.
pub(super) fn read_only(field: &Field) -> XeError {
    XeError::Failed(format!("Field '{}' is read-only.", field.name))
}

/// The name in the API of the map that a field stands for.
fn api_name<T: Object>(field: &Field) -> Result<&'static str, XeError> {
    let map = T::MAPS.iter().find(|(name, _)| *name == field.name);
    map.map(|(_, api_name)| *api_name)
        .ok_or_else(|| XeError::Failed(format!("Map field '{}' is read-only.", field.name)))
}
