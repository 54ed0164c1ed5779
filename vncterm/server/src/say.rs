//! Lines for people, on standard output and standard error.
//!
//! Nobody may be there to read them: a converter outlives the agent that holds the other end of its
//! log, and a pipe may be closed at any time. That never ends a console.

use std::fmt::Display;
use std::io::{Write as _, stderr, stdout};

/// Says one line on standard error.
pub(crate) fn say(line: impl Display) {
    // There is no other place to say that this failed.
    let _ = writeln!(stderr(), "{line}");
}

/// Prints what was asked for on standard output.
pub(crate) fn print(text: impl Display) {
    // Whoever closed it has read enough.
    let _ = write!(stdout(), "{text}");
}
