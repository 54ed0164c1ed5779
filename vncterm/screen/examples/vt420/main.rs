//! A VT420 for conformance suites: this crate's screen, and beside it the reports that the converter
//! must never give: checksums of the screen, titles, settings, colours and the window.
//!
//! `cargo run --release -p vncterm-screen --example vt420 -- COMMAND...` runs a command on a pty of
//! 80 x 25 and ends with it. Nothing is shown. The screen gets everything that is not answered here,
//! so that the suite looks at the released terminal.

mod host;
mod sequences;

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Command, ExitCode, Stdio};

use host::Host;
use nix::pty::{OpenptyResult, Winsize, openpty};

fn main() -> io::Result<ExitCode> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words.is_empty() {
        eprintln!("usage: vt420 COMMAND...");
        return Ok(ExitCode::from(2));
    }
    let size = Winsize { ws_row: host::ROWS, ws_col: host::COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None)?;
    // `setsid` makes the pty the command's controlling terminal.
    let mut child = Command::new("setsid")
        .args(["--ctty", "--wait"])
        .args(words)
        .env("TERM", "xterm")
        .stdin(Stdio::from(slave.try_clone()?))
        .stdout(Stdio::from(slave.try_clone()?))
        .stderr(Stdio::from(slave))
        .spawn()?;
    let mut terminal = File::from(master);
    let mut host = Host::default();
    let mut buffer = [0; 4096];
    // The pty's other end closes with the command, which reads as an error.
    while let Ok(length @ 1..) = terminal.read(&mut buffer) {
        host.feed(buffer.get(..length).unwrap_or_default());
        terminal.write_all(&host.take_answers())?;
    }
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
