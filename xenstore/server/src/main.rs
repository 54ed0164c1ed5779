//! `xenstored`: the xenstore daemon, for clients on a UNIX socket and guests on their rings.
//!
//! What the store does is in `xenstore-store`, and what a hypervisor does for it in
//! `xenstore-hypervisor`; here are the command line, the socket and the loop.

mod daemon;
mod guests;
mod listener;
mod options;
mod output;
mod peer;
mod pid_file;
mod readiness;
mod server;
mod transport;
mod waiting;
mod wakeups;

use std::error::Error;
use std::iter;
use std::process::ExitCode;

use daemon::DaemonError;
use guests::Guests;
use listener::{ListenerError, Named};
use options::{Command, Options, USAGE};
use pid_file::{PidFile, PidFileError};
use readiness::ReadinessError;
use server::{Server, ServerError};
use xenstore_hypervisor::{Handles, HypervisorError, Privcmd, Xen};

/// There is nothing to be done.
const EXIT_GOOD: u8 = 0;
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
    #[error("serve guests; without a hypervisor, say -D")]
    Hypervisor(#[from] HypervisorError),
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
            match run(&options) {
                Ok(()) => (),
                // A toolstack starts a store without knowing whether one runs.
                Err(Failure::Listener(served @ ListenerError::Served { .. })) => {
                    return complain(&served, EXIT_GOOD);
                }
                Err(error) => return complain(&error, EXIT_FAILED),
            }
        }
    }
    ExitCode::SUCCESS
}

/// What a hypervisor lends, unless sockets alone are served.
fn guests(options: &Options) -> Result<Option<Guests>, Failure> {
    if options.sockets_only {
        return Ok(None);
    }
    let lives = Privcmd::open().map_err(HypervisorError::Lives)?;
    let xen = Xen::new(Handles::open()?, Box::new(lives))?;
    Ok(Some(Guests::new(Box::new(xen))?))
}

/// Goes to the background where asked to, listens, says that it is there, and serves until told to
/// stop. Who can connect finds the whole process id in its file.
fn run(options: &Options) -> Result<(), Failure> {
    let named = Named::bind(&listener::path_from_environment()?, options.uids)?;
    let parent = if options.fork { Some(daemon::leave_foreground()?) } else { None };
    let _pid_file = options.pid_file.as_deref().map(PidFile::write).transpose()?;
    let server = Server::new(Some(named.listen()?), guests(options)?, options.limits)?;
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
