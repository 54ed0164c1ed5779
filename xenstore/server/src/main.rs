//! `xenstored`: the xenstore daemon, for clients on a UNIX socket.
//!
//! What the store does is in `xenstore-store`; here are the command line, the socket and the loop.
//! Guest rings, and with them everything that needs a hypervisor, are not part of this version.

mod daemon;
mod listener;
mod options;
mod output;
mod peer;
mod pid_file;
mod readiness;
mod server;
mod waiting;
mod wakeups;

use std::error::Error;
use std::iter;
use std::process::ExitCode;

use daemon::DaemonError;
use listener::{ListenerError, Named};
use options::{Command, Options, USAGE};
use pid_file::{PidFile, PidFileError};
use readiness::ReadinessError;
use server::{Server, ServerError};

/// Something went wrong.
const EXIT_FAILED: u8 = 1;
/// The command line makes no sense.
const EXIT_USAGE: u8 = 2;

/// What ends the daemon, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    #[error(transparent)]
    Readiness(#[from] ReadinessError),
    #[error(transparent)]
    Server(#[from] ServerError),
}

fn main() -> ExitCode {
    let command = match Options::parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    match command {
        Command::Help => print!("{USAGE}"),
        Command::Version => println!("xenstored {}", env!("CARGO_PKG_VERSION")),
        Command::Serve(options) => {
            if let Err(error) = run(&options) {
                return complain(&error, EXIT_FAILED);
            }
        }
    }
    ExitCode::SUCCESS
}

/// Goes to the background where asked to, listens, says that it is there, and serves until told to
/// stop. Who can connect finds the whole process id in its file.
fn run(options: &Options) -> Result<(), Failure> {
    let named = Named::bind(&listener::path_from_environment()?, options.uids)?;
    let parent = if options.fork { Some(daemon::leave_foreground()?) } else { None };
    let _pid_file = options.pid_file.as_deref().map(PidFile::write).transpose()?;
    let server = Server::new(named.listen()?, options.limits)?;
    readiness::announce()?;
    if let Some(parent) = parent {
        parent.let_go()?;
    }
    server.serve()?;
    Ok(())
}

/// Writes an error and its causes on one line.
fn complain(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    let causes = iter::successors(error.source(), |cause| (*cause).source());
    let line = causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"));
    eprintln!("xenstored: {line}");
    ExitCode::from(code)
}
