//! How long a converter takes to start, beside a bare fork and exec of the same program.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::converter::program;
use crate::launched::Launcher;
use crate::reach::Reach;
use crate::{Failure, median};

/// How many are started.
const STARTS: u16 = 41;

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    let launcher = Launcher::new()?;
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for index in 0..STARTS {
        bare.push(milliseconds(bare_start()?));
        ours.push(milliseconds(launcher.launch(index)?.took));
    }
    let (bare, ours) = (median(bare), median(ours));
    println!("\nStart, milliseconds, median of {STARTS}");
    println!("  bare fork and exec {bare:.2}, until confined and serving {ours:.2}");
    Reach::AtMost(8.0).judge("times a bare fork and exec", ours / bare);
    Ok(())
}

/// A fork and exec of the program that does nothing but end.
fn bare_start() -> Result<Duration, Failure> {
    let mut command = Command::new(program()?);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status()?;
    if status.success() { Ok(began.elapsed()) } else { Err(format!("--version: {status}").into()) }
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
