//! What `xe` prints, byte for byte as the original: records for people, one line for scripts.

use crate::xe::fields::Record;

/// What a command has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Printed {
    /// Nothing: the command has done something.
    Nothing,
    /// One value.
    Value(String),
    /// Selected fields of records.
    Records(Vec<Record>),
}

impl Printed {
    /// The text for standard output.
    pub(crate) fn text(&self, minimal: bool) -> String {
        match (self, minimal) {
            (Self::Nothing, false) => String::new(),
            (Self::Nothing, true) => "\n".to_owned(),
            (Self::Value(value), false) => format!("{value}\n"),
            (Self::Value(value), true) => format!("{}\n", escaped(value)),
            (Self::Records(records), false) => records.iter().map(record).collect(),
            (Self::Records(records), true) => first_fields(records),
        }
    }
}

/// A record: its first name at the left, the others at the right of a column that is four wider
/// than the longest; two empty lines after it.
fn record(record: &Record) -> String {
    let names: Vec<String> = record
        .fields()
        .iter()
        .map(|field| format!("{}{}", field.name, field.value.suffix(field.writable)))
        .collect();
    let width = 4 + names.iter().map(String::len).max().unwrap_or_default();
    let mut lines = Vec::new();
    for (index, (name, field)) in names.iter().zip(record.fields()).enumerate() {
        let value = field.value.text();
        lines.push(match index {
            0 => format!("{name:<width$}: {value}"),
            _ => format!("{name:>width$}: {value}"),
        });
    }
    lines.join("\n") + "\n\n\n"
}

/// The first selected field of every record, with commas between.
fn first_fields(records: &[Record]) -> String {
    let values: Vec<String> = records
        .iter()
        .filter_map(|record| record.fields().first())
        .map(|field| escaped(&field.value.text()))
        .collect();
    values.join(",") + "\n"
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace(',', r"\,")
}
