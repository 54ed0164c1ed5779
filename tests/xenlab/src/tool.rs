//! Debian's own tools, run to their end; one that crashes is told apart from one that fails.
//!
//! The emulated processor may break a process now and then, which says nothing about xenwarden.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, exit};

use acceptance::deadline::Deadline;
use acceptance::program::{Finished, run};

/// The exit code of a scenario in which a tool crashed: it is tried once more.
pub(crate) const CRASHED: u8 = 75;
/// How long a tool may take on a busy machine, in seconds.
const TOOL_S: u64 = 120;
/// The signals by which a process ends that was broken, not told to end: ILL, ABRT, BUS, FPE, SEGV.
const CRASHES: [i32; 5] = [4, 6, 7, 8, 11];

/// Runs a tool to its end, and shows what it says.
pub(crate) fn tool(name: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
    let mut command = Command::new(name);
    command.args(words);
    println!("+ {command:?}");
    let finished = run(&mut command, Deadline::seconds(TOOL_S));
    for text in [&finished.output, &finished.errors] {
        if !text.is_empty() {
            println!("{text}");
        }
    }
    if has_crashed(&finished) {
        println!("{command:?} crashed: {}", finished.status);
        exit(i32::from(CRASHED));
    }
    finished
}

/// Runs a tool to its end, between scenarios: nothing is shown, and a crash is its failure.
pub(crate) fn quiet<const N: usize>(name: &str, words: [&str; N]) -> Finished {
    run(Command::new(name).args(words), Deadline::seconds(TOOL_S))
}

fn has_crashed(finished: &Finished) -> bool {
    let status = finished.status;
    // A shell and xl's helpers pass a signal on as 128 and its number.
    let signal = status.signal().or(status.code().map(|code| code - 128));
    signal.is_some_and(|signal| CRASHES.contains(&signal))
}

/// Runs a tool that must succeed; returns its standard output.
///
/// # Panics
/// When it fails.
pub(crate) fn must(name: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let finished = tool(name, words);
    assert!(finished.status.success(), "{name} failed: {}", finished.status);
    finished.output
}
