//! Going to the background: the process that was started ends when clients can connect, or with
//! the error that keeps them from it.
#![allow(unsafe_code, reason = "fork is unsafe, for it copies one thread of many")]

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe, setsid};

/// The process that was started, which waits to hear how it goes.
#[derive(Debug)]
pub(crate) struct Parent {
    pipe: File,
}

/// What kept the process in the foreground.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("make a pipe to the background process")]
    Pipe(#[source] Errno),
    #[error("fork into the background")]
    Fork(#[source] Errno),
    #[error("leave the terminal's session")]
    Session(#[source] Errno),
    #[error("close standard input and output")]
    Null(#[source] io::Error),
    #[error("enter the root folder")]
    Root(#[source] io::Error),
    #[error("tell the foreground process that all is well")]
    Tell(#[source] io::Error),
}

/// Goes on in a child process of a session of its own, with the parent waiting.
pub(crate) fn leave_foreground() -> Result<Parent, DaemonError> {
    let (reader, writer) = pipe().map_err(DaemonError::Pipe)?;
    // SAFETY: the process has one thread: nothing has been started yet that makes others.
    let forked = unsafe { fork() }.map_err(DaemonError::Fork)?;
    match forked {
        ForkResult::Parent { child } => {
            drop(writer);
            let mut word = Vec::new();
            let well = File::from(reader).read_to_end(&mut word).is_ok_and(|size| size > 0);
            if well {
                process::exit(0);
            }
            match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, code)) => process::exit(code),
                Ok(_) | Err(_) => process::exit(i32::from(super::EXIT_FAILED)),
            }
        }
        ForkResult::Child => {
            drop(reader);
            setsid().map_err(DaemonError::Session)?;
            env::set_current_dir("/").map_err(DaemonError::Root)?;
            Ok(Parent { pipe: File::from(writer) })
        }
    }
}

impl Parent {
    /// Lets it end well; from here on nobody reads what is printed.
    pub(crate) fn let_go(mut self) -> Result<(), DaemonError> {
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.map_err(DaemonError::Null)?;
        let null_error = |errno: Errno| DaemonError::Null(errno.into());
        dup2_stdin(&null).map_err(null_error)?;
        dup2_stdout(&null).map_err(null_error)?;
        dup2_stderr(&null).map_err(null_error)?;
        self.pipe.write_all(b"!").map_err(DaemonError::Tell)
    }
}
