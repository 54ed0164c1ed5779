//! `xenstored`: the xenstore daemon, for clients on a UNIX socket and guests on their rings.
//!
//! What the store does is in `xenstore-store`, and what a hypervisor does for it in
//! `xenstore-hypervisor`; here are the command line, the socket and the loop.
//!
//! Started by root it is two processes: a small parent that stays root, and the store, which keeps
//! nothing but what it serves with. Started by a user it is one, for it has nothing to give up.
//!
//! It is a library for its fuzz targets' sake.

mod census;
mod confinement;
mod daemon;
mod door;
#[cfg(test)]
mod faults;
mod guests;
mod handover;
mod installed;
mod ledger;
mod listener;
mod live_update;
mod options;
mod output;
mod parent;
mod peer;
mod pid_file;
mod predecessor;
mod readiness;
mod resuming;
mod server;
mod store_process;
mod succession;
mod transport;
mod waiting;
mod wakeups;

use std::error::Error;
use std::iter;
use std::os::fd::RawFd;
use std::process::{self, ExitCode};

use daemon::DaemonError;
use door::Door;
use listener::{ListenerError, Named};
use nix::unistd::geteuid;
use options::{Command, Options, USAGE};
use parent::{Parent, ParentError};
use pid_file::{PidFile, PidFileError};
use predecessor::{Predecessor, PredecessorError};
use readiness::ReadinessError;
#[cfg(feature = "fuzz")]
pub use server::fuzz;
use server::{Server, ServerError};
use store_process::StoreError;

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
    #[error(transparent)]
    Parent(#[from] ParentError),
    #[error(transparent)]
    Predecessor(#[from] PredecessorError),
    #[error(
        "root alone can serve guests, or go on for another xenstored: say -D to serve sockets only"
    )]
    NotRoot,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let command = match Options::parse(lexopt::Parser::from_env()) {
        Ok(command) => command,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    match command {
        Command::Help => print!("{USAGE}"),
        Command::Version => println!("xenstored {}", env!("CARGO_PKG_VERSION")),
        Command::Store(options) => {
            if let Err(error) = store_process::run(&options) {
                return complain(&error, EXIT_FAILED);
            }
        }
        Command::Try(options) => {
            if let Err(error) = store_process::try_to_go_on(&options) {
                return complain(&error, EXIT_FAILED);
            }
        }
        Command::GoOn(options, left) => {
            if let Err(error) = go_on(&options, left) {
                return complain(&error, EXIT_FAILED);
            }
        }
        Command::TakeOver(options) => {
            if let Err(error) = take_over(&options) {
                return complain(&error, EXIT_FAILED);
            }
        }
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

/// Goes to the background where asked to, listens, says that it is there, and serves until told to
/// stop. Who can connect finds the whole process id in its file, and a store behind the socket.
fn run(options: &Options) -> Result<(), Failure> {
    let named = Named::bind(&listener::path_from_environment()?, options.uids)?;
    let starter = if options.fork { Some(daemon::leave_foreground()?) } else { None };
    let pid_file = options.pid_file.as_deref().map(PidFile::write).transpose()?;
    if options.print_pid {
        println!("{}", process::id());
    }
    let is_root = geteuid().is_root();
    if !is_root && !options.sockets_only {
        return Err(Failure::NotRoot);
    }
    let parent = if is_root { Some(Parent::start(options)?) } else { None };
    let listener = named.listen()?;
    readiness::announce()?;
    if let Some(starter) = starter {
        starter.let_go()?;
    }
    match parent {
        Some(parent) => parent.serve(&listener, options, pid_file.as_ref())?,
        None => {
            let server = Server::new(Some(Door::Listener(listener)), None, options.limits, None)?;
            server.stop_at_signals()?.serve()?;
        }
    }
    Ok(())
}

/// Goes on in the process of a parent of another program, with all that it had.
fn go_on(options: &Options, left: RawFd) -> Result<(), Failure> {
    let left = succession::take(left).map_err(ParentError::Succession)?;
    let (parent, listener, pid_file) = Parent::succeed(left.into(), options)?;
    parent.serve(&listener, options, pid_file.as_ref())?;
    Ok(())
}

/// Goes on where a xenstored of another make ended, in its process. It is in the background already,
/// if it is anywhere.
fn take_over(options: &Options) -> Result<(), Failure> {
    if !geteuid().is_root() {
        return Err(Failure::NotRoot);
    }
    let left = Predecessor::find()?;
    let (parent, listener) = Parent::take_over(left, options)?;
    let pid_file = options.pid_file.as_deref().map(PidFile::write).transpose()?;
    readiness::announce()?;
    parent.serve(&listener, options, pid_file.as_ref())?;
    Ok(())
}

/// Writes an error and its causes on one line.
fn complain(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    eprintln!("xenstored: {}", on_one_line(error));
    ExitCode::from(code)
}

/// An error and its causes.
fn on_one_line(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
