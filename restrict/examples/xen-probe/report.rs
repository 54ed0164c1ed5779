//! The rows: what was tried, what was expected, and what came of it.

use std::fmt::Display;
use std::process::ExitCode;

use nix::errno::Errno;

/// Counts what differs.
#[derive(Default)]
pub(crate) struct Report {
    rows: usize,
    wrong: usize,
}

impl Report {
    /// One row. `expected` has every outcome that is as it should be.
    pub(crate) fn row(&mut self, name: impl Display, expected: &[&str], got: impl Display) {
        let got = got.to_string();
        let holds = expected.contains(&got.as_str());
        self.rows += 1;
        self.wrong += usize::from(!holds);
        let verdict = if holds { "ok" } else { "FAILED" };
        println!("{verdict} {name}: expected {}, got {got}", expected.join(" or "));
    }

    pub(crate) fn end(&self) -> ExitCode {
        println!("{} rows, {} failed", self.rows, self.wrong);
        ExitCode::from(u8::from(self.wrong > 0))
    }
}

/// `OK`, or the error's name.
pub(crate) fn outcome<T>(result: Result<T, Errno>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(errno) => format!("{errno:?}"),
    }
}

/// `OK`, or an error and its causes.
pub(crate) fn shown<T>(result: &Result<T, impl std::error::Error>) -> String {
    let Err(error) = result else { return "OK".to_owned() };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
