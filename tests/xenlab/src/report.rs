//! What a person reads afterwards: one line a scenario, and what failed in its own words.

use std::fs::{self, File};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::scenario::Scenario;

/// Where everything that is brought back is put.
pub(crate) const OUT: &str = "/lab/out";
/// The end of a failed scenario's log that the report shows.
const TAIL_LINES: usize = 25;

/// What a scenario came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it holds.
    Passed,
    /// Something does not hold.
    Failed(String),
    /// A tool of the system crashed in it: nothing is known.
    Crashed,
}

/// The report of one run.
#[derive(Debug)]
pub(crate) struct Report {
    file: Option<File>,
    passed: u32,
    failed: u32,
}

impl Report {
    pub(crate) fn begin() -> Self {
        Self { file: File::create(format!("{OUT}/report.txt")).ok(), passed: 0, failed: 0 }
    }

    /// A line of its own.
    pub(crate) fn note(&mut self, line: &str) {
        println!("{line}");
        if let Some(file) = &mut self.file {
            // The run's outcome does not hang on the report's file: the machine's console has it.
            let _full = writeln!(file, "{line}");
        }
    }

    pub(crate) fn add(&mut self, scenario: &Scenario, outcome: Outcome, time: Duration) {
        let Scenario { name, shows, .. } = scenario;
        let seconds = time.as_secs();
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                self.note(&format!("test {name} ... ok ({seconds} s): {shows}"));
                for line in facts(name) {
                    self.note(&format!("     {line}"));
                }
            }
            Outcome::Failed(how) => self.fail(name, seconds, &how),
            Outcome::Crashed => self.fail(name, seconds, "a tool of the system crashed twice"),
        }
    }

    fn fail(&mut self, name: &str, seconds: u64, how: &str) {
        self.failed += 1;
        self.note(&format!("test {name} ... FAILED ({seconds} s): {how}"));
        for line in log_of(name).iter().rev().take(TAIL_LINES).rev() {
            self.note(&format!("     {line}"));
        }
    }

    /// Ends the report; `whole` where every wanted scenario was run.
    pub(crate) fn end(mut self, whole: bool) -> ExitCode {
        let (passed, failed) = (self.passed, self.failed);
        let all_well = whole && failed == 0 && passed > 0;
        let word = if all_well { "ok" } else { "FAILED" };
        self.note(&format!("test result: {word}. {passed} passed; {failed} failed;"));
        if all_well && File::create(format!("{OUT}/passed")).is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// Prints a figure or a finding that the report shows beside the scenario.
pub(crate) fn fact(line: &str) {
    println!("fact: {line}");
}

fn facts(name: &str) -> Vec<String> {
    let lines = log_of(name).into_iter();
    lines.filter_map(|line| line.strip_prefix("fact: ").map(str::to_owned)).collect()
}

/// The lines of a scenario's last attempt.
fn log_of(name: &str) -> Vec<String> {
    let last =
        (1..=2).rev().find_map(|attempt| fs::read(format!("{OUT}/{name}.{attempt}.log")).ok());
    let text = last.unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}
