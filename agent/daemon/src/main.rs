//! xenwardend: the control domain's host agent.
//!
//! It keeps privilege, so it reads only short bounded values of guests: screens, viewers and
//! keystrokes are the converters'.

mod answer;
mod args;
mod book;
mod causes;
mod clock;
mod config;
mod console;
mod console_lock;
mod converter;
mod database;
mod domain;
mod doubt;
mod effect;
mod event;
mod finish;
mod front;
mod graphics;
mod hear;
mod host;
mod host_console;
mod journal;
mod nic;
mod notify;
mod paths;
mod perform;
mod ready;
mod record;
mod records;
mod run;
mod serve;
mod sighting;
mod status;
mod store;
mod store_audit;
mod vm_data;

use std::process::ExitCode;

use clap::Parser;
use nix::sys::stat::{Mode, umask};
use tokio::task::LocalSet;

use crate::args::Args;
use crate::causes::causes;
use crate::config::{Config, ConfigError};
use crate::run::RunError;

/// Why the program ends without having done what it was started for.
#[derive(Debug, thiserror::Error)]
enum MainError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("xenwardend runs as root: it opens consoles and starts confined processes")]
    NotRoot,
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
}

/// The exit code of a wrong command line.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(wrong) if wrong.use_stderr() => {
            let text = wrong.to_string();
            let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            eprintln!("xenwardend: {line}; see xenwardend --help");
            return ExitCode::from(WRONG_USAGE);
        }
        Err(help) => {
            // Whoever closed standard output has read enough.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        // These name their file themselves, and have a look of their own.
        Err(MainError::Config(ConfigError::Faults(faults))) => {
            eprintln!("{faults}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xenwardend: {}", causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args) -> Result<(), MainError> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::load_installed()?,
    };
    if args.check_config {
        let path = args.config.as_deref().unwrap_or(config::INSTALLED.as_ref());
        println!("{}: good", path.display());
        return Ok(());
    }
    if !nix::unistd::Uid::effective().is_root() {
        return Err(MainError::NotRoot);
    }
    journal::open();
    // What the agent makes is root's alone until it says otherwise.
    umask(Mode::from_bits_truncate(0o077));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(MainError::Runtime)?;
    let tasks = LocalSet::new();
    Ok(tasks.block_on(&runtime, run::run(config))?)
}
