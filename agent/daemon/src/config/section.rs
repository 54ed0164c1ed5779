//! Keys taken from a parsed document, one by one; what nobody took is unknown.
//!
//! Taking a key is what makes it known: there is no second list of keys to keep in step.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults};

/// Bytes of a value that an error repeats.
const QUOTED_MAX: usize = 40;

/// A document whose sections are taken one by one.
pub(super) struct Document<'t> {
    text: &'t str,
    table: DeTable<'t>,
    sections: Vec<&'static str>,
    faults: Vec<Fault>,
}

/// One section, while its keys are taken.
pub(super) struct Keys<'d, 't> {
    section: &'static str,
    table: Option<&'d DeTable<'t>>,
    taken: Vec<&'static str>,
    faults: Vec<Fault>,
    /// Where the section's name stands.
    span: Range<usize>,
}

impl<'t> Document<'t> {
    pub(super) fn parse(text: &'t str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let faults = errors
            .iter()
            .map(|error| Fault::at(error.span().unwrap_or(0..0), error.message().to_owned()))
            .collect();
        Self { text, table: table.into_inner(), sections: Vec::new(), faults }
    }

    /// Takes a section by taking its keys.
    pub(super) fn section<T>(
        &mut self,
        name: &'static str,
        take: impl FnOnce(&mut Keys<'_, 't>) -> T,
    ) -> T {
        self.sections.push(name);
        let found = self.table.iter().find(|(key, _)| key.get_ref() == name);
        let mut keys =
            Keys { section: name, table: None, taken: Vec::new(), faults: Vec::new(), span: 0..0 };
        if let Some((key, value)) = found {
            keys.span = key.span();
            match value.get_ref() {
                DeValue::Table(table) => keys.table = Some(table),
                other => {
                    let text = format!("`{name}` is a section, not {}", kind(other));
                    keys.faults.push(Fault::at(key.span(), text).cure(format!("[{name}]")));
                }
            }
        }
        let taken = take(&mut keys);
        keys.refuse_unknown();
        let faults = keys.faults;
        self.faults.extend(faults);
        taken
    }

    /// What was taken, if everything in the document was, and nothing was wrong.
    pub(super) fn finish<T>(mut self, path: &Path, taken: T) -> Result<T, Faults> {
        for (key, value) in &self.table {
            let name: &str = key.get_ref();
            if !self.sections.contains(&name) {
                let what = if value.get_ref().is_table() { "section" } else { "key" };
                let text = format!("unknown {what} `{}`", quoted(name));
                let mut fault = Fault::at(key.span(), text);
                fault.meant = nearest(name, &self.sections);
                self.faults.push(fault);
            }
        }
        if self.faults.is_empty() {
            return Ok(taken);
        }
        Err(Faults::new(path, self.text, self.faults))
    }
}

impl<'d, 't> Keys<'d, 't> {
    /// A number within a range.
    pub(super) fn number<N>(
        &mut self,
        name: &'static str,
        default: N,
        range: RangeInclusive<N>,
    ) -> N
    where
        N: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let Some((span, value)) = self.take(name) else { return default };
        let DeValue::Integer(integer) = value else {
            self.refuse(name, format!("`{name}` is a number, not {}", kind(value)), None);
            return default;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix());
        match number.ok().and_then(|number| N::try_from(number).ok()) {
            Some(number) if range.contains(&number) => number,
            Some(_) | None => {
                let (low, high) = (range.start(), range.end());
                let text = format!("`{name}` is from {low} to {high}");
                self.faults.push(Fault::at(span, text));
                default
            }
        }
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.take(name) {
            None => default,
            Some((_, DeValue::Boolean(flag))) => *flag,
            Some((_, value)) => {
                self.refuse(name, format!("`{name}` is true or false, not {}", kind(value)), None);
                default
            }
        }
    }

    /// An absolute path.
    pub(super) fn path(&mut self, name: &'static str, default: &str) -> PathBuf {
        match self.text(name) {
            None => default.into(),
            Some((_, text)) if text.starts_with('/') => text.into(),
            Some((span, text)) => {
                let text =
                    format!("`{name}` is an absolute path, and \"{}\" is none", quoted(&text));
                self.faults.push(Fault::at(span, text));
                default.into()
            }
        }
    }

    /// A text, as it is.
    pub(super) fn words(&mut self, name: &'static str, default: &str) -> String {
        self.text(name).map_or_else(|| default.to_owned(), |(_, text)| text)
    }

    /// A text; an empty one is none.
    pub(super) fn optional(&mut self, name: &'static str) -> Option<String> {
        self.text(name).map(|(_, text)| text).filter(|text| !text.is_empty())
    }

    /// Says that a key's value will not do, and what would.
    pub(super) fn refuse(&mut self, name: &'static str, text: String, cure: Option<String>) {
        let span = self.find(name).map_or(self.span.clone(), |(span, _)| span);
        let mut fault = Fault::at(span, text);
        fault.cure = cure;
        self.faults.push(fault);
    }

    fn text(&mut self, name: &'static str) -> Option<(Range<usize>, String)> {
        let (span, value) = self.take(name)?;
        if let DeValue::String(text) = value {
            return Some((span, text.to_string()));
        }
        self.refuse(name, format!("`{name}` is a text, not {}", kind(value)), None);
        None
    }

    fn take(&mut self, name: &'static str) -> Option<(Range<usize>, &'d DeValue<'t>)> {
        self.taken.push(name);
        self.find(name)
    }

    fn find(&self, name: &str) -> Option<(Range<usize>, &'d DeValue<'t>)> {
        let (_, value) = self.table?.iter().find(|(key, _)| key.get_ref() == name)?;
        Some((value.span(), value.get_ref()))
    }

    fn refuse_unknown(&mut self) {
        let Some(table) = self.table else { return };
        for (key, _) in table {
            let name: &str = key.get_ref();
            if self.taken.contains(&name) {
                continue;
            }
            let mut fault = Fault::at(key.span(), format!("unknown key `{}`", quoted(name)));
            fault.meant = nearest(name, &self.taken);
            if fault.meant.is_none() {
                fault.cure = Some(format!("[{}] has {}", self.section, self.taken.join(", ")));
            }
            self.faults.push(fault);
        }
    }
}

/// The known name that was meant, if one is near enough.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let distance = |known: &&&'static str| strsim::damerau_levenshtein(name, known);
    // Names as far apart as half their length have nothing to do with each other.
    known.iter().min_by_key(distance).filter(|near| distance(near) * 2 <= near.len()).copied()
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a yes or no",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_MAX).flat_map(char::escape_debug).collect()
}
