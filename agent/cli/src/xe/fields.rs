//! Records as `xe` knows them: named fields in a fixed order, read by name, filtered by value.

use std::collections::BTreeMap;

use crate::xe::XeError;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A word or a number.
    Text(String),
    /// Several words.
    Set(Vec<String>),
    /// Keys and their values.
    Map(BTreeMap<String, String>),
}

impl Value {
    /// The value in one line.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Set(members) => members.join("; "),
            Self::Map(map) => {
                let pairs: Vec<String> =
                    map.iter().map(|(key, value)| format!("{key}: {value}")).collect();
                pairs.join("; ")
            }
        }
    }

    /// What stands after a field's name.
    pub(crate) fn suffix(&self, writable: bool) -> &'static str {
        match (self, writable) {
            (Self::Text(_), false) => " ( RO)",
            (Self::Text(_), true) => " ( RW)",
            (Self::Set(_), false) => " (SRO)",
            (Self::Set(_), true) => " (SRW)",
            (Self::Map(_), false) => " (MRO)",
            (Self::Map(_), true) => " (MRW)",
        }
    }
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Whether users may write it.
    pub(crate) writable: bool,
    /// What it holds.
    pub(crate) value: Value,
}

/// An object's fields, in the order that they are printed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record(Vec<Field>);

/// What a name on the command line means to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// A whole field.
    Whole(&'a Field),
    /// A key of a map, or a word such as `contains` of a set.
    Part(&'a Field, &'a str),
}

impl Record {
    /// A record of these fields.
    pub(crate) fn new(fields: Vec<Field>) -> Self {
        Self(fields)
    }

    /// The fields.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.0
    }

    /// The field of a name.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|field| field.name == name)
    }

    /// The field of a name that must be one.
    pub(crate) fn known_field(&self, name: &str) -> Result<&Field, XeError> {
        self.field(name).ok_or_else(|| XeError::NoSuchParameter(name.to_owned()))
    }

    /// What a name means: `field`, `field:key`, or `field-key` as of old.
    pub(crate) fn meaning<'a>(&'a self, name: &'a str) -> Result<Meaning<'a>, XeError> {
        let unknown = || XeError::Failed(format!("Unknown field '{name}'"));
        if let Some(field) = self.field(name) {
            return Ok(Meaning::Whole(field));
        }
        if let Some((of, key)) = name.split_once(':') {
            let field = self.field(of).ok_or_else(unknown)?;
            return match field.value {
                Value::Set(_) | Value::Map(_) => Ok(Meaning::Part(field, key)),
                Value::Text(_) => Err(XeError::Failed(format!("Field '{of}' is not a set or map"))),
            };
        }
        // Maps before sets, and the longest name first: `other-config-x` is a key of
        // `other-config` even if there were a map `other`.
        let part_of = |is_map: bool| {
            let candidates = self.0.iter().filter(move |field| match field.value {
                Value::Map(_) => is_map,
                Value::Set(_) => !is_map,
                Value::Text(_) => false,
            });
            candidates
                .filter_map(|field| {
                    Some((field, name.strip_prefix(field.name)?.strip_prefix('-')?))
                })
                .max_by_key(|(field, _)| field.name.len())
        };
        let (field, key) = part_of(true).or_else(|| part_of(false)).ok_or_else(unknown)?;
        Ok(Meaning::Part(field, key))
    }

    /// Whether the record passes one filter.
    fn passes(&self, name: &str, wanted: &str) -> Result<bool, XeError> {
        Ok(match self.meaning(name)? {
            Meaning::Whole(field) => field.value.text() == wanted,
            Meaning::Part(Field { value: Value::Map(map), .. }, key) => {
                map.get(key).is_some_and(|value| value == wanted)
            }
            Meaning::Part(Field { value: Value::Set(members), .. }, "contains") => {
                members.iter().any(|member| member == wanted)
            }
            Meaning::Part(Field { value: Value::Set(_) | Value::Text(_), .. }, _) => {
                return Err(XeError::Failed(
                    "Invalid syntax for set filtering (should be set-param:contains=key)"
                        .to_owned(),
                ));
            }
        })
    }
}

/// The records that pass every filter; a filter on no record is never wrong.
pub(crate) fn filtered<'a>(
    mut records: Vec<Record>,
    filters: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Vec<Record>, XeError> {
    for (name, wanted) in filters {
        let mut left = Vec::new();
        for record in records {
            if record.passes(name, wanted)? {
                left.push(record);
            }
        }
        records = left;
    }
    Ok(records)
}

/// The fields that `params` names, in the records' own order; names that no record has are
/// nothing. `all` is every field, an absent `params` is `usual`.
pub(crate) fn selected(records: Vec<Record>, params: Option<&str>, usual: &[&str]) -> Vec<Record> {
    let names: Vec<&str> = match params {
        Some("all") => return records,
        Some(params) => params.split(',').collect(),
        None => usual.to_vec(),
    };
    records
        .into_iter()
        .map(|Record(fields)| {
            Record(fields.into_iter().filter(|field| names.contains(&field.name)).collect())
        })
        .collect()
}
