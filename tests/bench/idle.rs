//! Wake-ups of an idle converter: its context switches while nothing happens.

use std::time::Duration;
use std::{fs, thread};

use crate::Failure;
use crate::converter::Converter;
use crate::viewer::{Encoding, Pixels, Viewer};

/// How long nothing happens.
const WATCHED: Duration = Duration::from_secs(10);

/// What was begun is over by then.
const SETTLED: Duration = Duration::from_millis(100);

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    let mut converter = Converter::start(40)?;
    converter.terminal.print_and_settle(b"login: ")?;
    let alone = switches_while_idle(converter.pid)?;
    let mut viewer = Viewer::connect(converter.port, Encoding::Hextile, Pixels::True)?;
    viewer.request(false)?;
    viewer.update()?;
    viewer.request(true)?;
    let watched = switches_while_idle(converter.pid)?;
    println!("\nContext switches of an idle converter in {} s", WATCHED.as_secs());
    println!("  no viewer {alone}, with a viewer {watched}");
    Ok(())
}

fn switches_while_idle(pid: i32) -> Result<u64, Failure> {
    thread::sleep(SETTLED);
    let before = switches(pid)?;
    thread::sleep(WATCHED);
    Ok(switches(pid)? - before)
}

fn switches(pid: i32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:\t"));
    Ok(counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum())
}
