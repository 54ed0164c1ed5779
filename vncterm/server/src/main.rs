//! `vncterm`: serves a text console as a VNC screen, from a process that can do nothing else.
//!
//! Started by the agent it is a converter: it enters its plan first, and serves what it was handed.
//! Started by a person, or by a toolstack in the manner of XenServer's vncterm, it opens the console
//! itself, starts a converter of its own, and stays behind it only to tidy up.

mod args;
mod command;
mod console;
mod control;
mod converter;
mod history;
mod keeper;
mod log;
mod memory;
mod ports;
mod rfb_viewer;
mod say;
mod screen_file;
mod selection;
mod stand_alone;
mod state_file;
mod text_viewer;
mod tty;
mod view;
mod viewers;
mod xenstore;

use std::process::ExitCode;

use args::Request;
use say::{print, say};

/// Exit codes, as in every program of this project.
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1).collect()) {
        Ok(Request::Help) => {
            print(args::HELP);
            ExitCode::SUCCESS
        }
        Ok(Request::Version) => {
            print(concat!("vncterm (xenwarden) ", env!("CARGO_PKG_VERSION"), "\n"));
            ExitCode::SUCCESS
        }
        Ok(Request::Converter(start)) => outcome(converter::run(&start)),
        Ok(Request::StandAlone(wanted)) => outcome(stand_alone::run(wanted)),
        Err(usage) => {
            say(format_args!("vncterm: {usage}; see vncterm --help"));
            ExitCode::from(WRONG_USAGE)
        }
    }
}

/// Success, or one line that names what failed and why.
fn outcome<E: std::error::Error>(result: Result<(), E>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut line = format!("vncterm: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    say(line);
    ExitCode::from(FAILED)
}
