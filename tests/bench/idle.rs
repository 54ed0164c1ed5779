//! Wake-ups of an idle converter: its context switches while nothing happens.

use std::time::Duration;
use std::{fs, thread};

use crate::Failure;
use crate::converter::Converter;
use crate::reach::Reach;
use crate::viewer::{Encoding, Pixels, Viewer};

/// How long nothing happens.
const WATCHED: Duration = Duration::from_secs(60);

/// What was begun is over by then.
const SETTLED: Duration = Duration::from_millis(100);

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    let mut alone = Converter::start(40)?;
    let mut watched = Converter::start(41)?;
    for converter in [&mut alone, &mut watched] {
        converter.terminal.print_and_settle(b"login: ")?;
    }
    let mut viewer = Viewer::connect(watched.port, Encoding::Zrle, Pixels::True)?;
    viewer.request(false)?;
    viewer.update()?;
    viewer.request(true)?;
    thread::sleep(SETTLED);
    let pids = [alone.pid, watched.pid];
    let before = [switches(pids[0])?, switches(pids[1])?];
    thread::sleep(WATCHED);
    let [alone, watched] = [switches(pids[0])? - before[0], switches(pids[1])? - before[1]];
    println!("\nContext switches of an idle converter in {} s", WATCHED.as_secs());
    for (name, count) in [("no viewer", alone), ("with a viewer", watched)] {
        Reach::AtMost(0.0).judge(name, f64::from(u32::try_from(count)?));
    }
    Ok(())
}

fn switches(pid: i32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:\t"));
    Ok(counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum())
}
