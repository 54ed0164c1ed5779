//! Errors of a configuration file as a person reads them: place, line, mark, cure.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Lines shown before the one at fault.
const LINES_BEFORE: usize = 2;
/// Characters of a line that are shown.
const LINE_MAX: usize = 120;
/// Errors that are shown.
const FAULTS_MAX: usize = 20;

/// One error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    span: Range<usize>,
    text: String,
    /// The known name that was meant.
    pub(super) meant: Option<&'static str>,
    /// What to write instead.
    pub(super) cure: Option<String>,
}

impl Fault {
    pub(super) fn at(span: Range<usize>, text: String) -> Self {
        Self { span, text, meant: None, cure: None }
    }

    pub(super) fn cure(mut self, cure: String) -> Self {
        self.cure = Some(cure);
        self
    }
}

/// Every error of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Faults {
    path: PathBuf,
    text: String,
    faults: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(path: &Path, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.start);
        Self { path: path.to_owned(), text: text.to_owned(), faults }
    }

    fn show(&self, fault: &Fault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Place::of(&self.text, &fault.span);
        let (line, column) = (place.line + 1, place.column + 1);
        writeln!(f, "{}:{line}:{column}: {}", self.path.display(), fault.text)?;
        let first = place.line.saturating_sub(LINES_BEFORE);
        let lines = self.text.lines().enumerate().skip(first).take(place.line + 1 - first);
        for (number, line) in lines {
            let line: String = line.chars().take(LINE_MAX).map(printable).collect();
            writeln!(f, "{:>5} | {line}", number + 1)?;
        }
        let mark = "^".repeat(place.width.max(1));
        let meant = fault.meant.map(|meant| format!(" did you mean `{meant}`?"));
        if place.column < LINE_MAX {
            let indent = " ".repeat(place.column);
            writeln!(f, "      | {indent}{mark}{}", meant.unwrap_or_default())?;
        }
        if let Some(cure) = &fault.cure {
            writeln!(f, "      do: {cure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in self.faults.iter().take(FAULTS_MAX) {
            self.show(fault, f)?;
        }
        match self.faults.len() {
            1 => write!(f, "1 error"),
            errors if errors <= FAULTS_MAX => write!(f, "{errors} errors"),
            errors => write!(f, "{errors} errors, the first {FAULTS_MAX} are shown"),
        }
    }
}

impl std::error::Error for Faults {}

/// Where in the text a span begins, counted from 0, in characters; and how wide it is in its line.
struct Place {
    line: usize,
    column: usize,
    width: usize,
}

impl Place {
    fn of(text: &str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let within = text.get(span.clone()).unwrap_or_default();
        Self {
            line: before.matches('\n').count(),
            column: before.get(line_start..).unwrap_or_default().chars().count(),
            width: within.lines().next().unwrap_or_default().chars().count().min(LINE_MAX),
        }
    }
}

fn printable(character: char) -> char {
    if character.is_control() && character != '\t' { '\u{fffd}' } else { character }
}
