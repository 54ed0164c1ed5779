//! A command on a pty of its own: the other end of a stand-alone console.

#![allow(
    unsafe_code,
    reason = "making a terminal the controlling one happens between fork and exec"
)]

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{OpenptyResult, Winsize, openpty};

/// Why no command runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// No pty.
    #[error("open a pty for {program:?}")]
    Pty {
        /// The command.
        program: OsString,
        /// The cause.
        source: io::Error,
    },
    /// The command does not start.
    #[error("run {program:?}")]
    Run {
        /// The command.
        program: OsString,
        /// The cause.
        source: io::Error,
    },
}

/// Runs `words` on a new pty of the given size, with the terminal type that XenServer's vncterm
/// sets. The pty's master end, non-blocking, is the console.
pub(crate) fn run(words: &[OsString], size: (u16, u16)) -> Result<(Child, OwnedFd), CommandError> {
    let (program, arguments) = match words {
        [program, arguments @ ..] => (program.clone(), arguments),
        [] => (OsString::from("/bin/bash"), words),
    };
    let pty = |errno: nix::errno::Errno| CommandError::Pty {
        program: program.clone(),
        source: errno.into(),
    };
    let (columns, rows) = size;
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let OpenptyResult { master, slave } = openpty(&size, None).map_err(pty)?;
    for end in [&master, &slave] {
        fcntl(end, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).map_err(pty)?;
    }
    fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK)).map_err(pty)?;
    let end = || Ok::<_, io::Error>(Stdio::from(File::from(slave.as_fd().try_clone_to_owned()?)));
    let run = |source| CommandError::Run { program: program.clone(), source };
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env("TERM", "linux")
        .stdin(end().map_err(run)?)
        .stdout(end().map_err(run)?)
        .stderr(end().map_err(run)?);
    // SAFETY: the closure makes two system calls, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(take_terminal) };
    Ok((command.spawn().map_err(run)?, master))
}

/// A command does not run again within so long: one that ends at once must not keep the host busy.
const PAUSE: Duration = Duration::from_secs(1);

/// A command that runs again whenever it has ended.
#[derive(Debug)]
pub(crate) struct Repeated<'a> {
    words: &'a [OsString],
    size: (u16, u16),
    started: Instant,
    /// Those that have closed their terminal and may not have ended yet.
    earlier: Vec<Child>,
}

impl<'a> Repeated<'a> {
    /// One that has just been started.
    pub(crate) fn new(words: &'a [OsString], size: (u16, u16)) -> Self {
        Self { words, size, started: Instant::now(), earlier: Vec::new() }
    }

    /// When it may run again.
    pub(crate) fn due(&self) -> Instant {
        self.started + PAUSE
    }

    /// Runs it again, on a terminal of its own.
    pub(crate) fn run(&mut self) -> Result<OwnedFd, CommandError> {
        // What can't be asked about is not there any more.
        self.earlier.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        let (child, terminal) = run(self.words, self.size)?;
        self.earlier.push(child);
        self.started = Instant::now();
        Ok(terminal)
    }
}

/// Makes standard input the controlling terminal of a new session.
fn take_terminal() -> io::Result<()> {
    nix::unistd::setsid()?;
    // SAFETY: TIOCSCTTY takes a plain number, and 0 is an open descriptor here.
    let taken = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    nix::errno::Errno::result(taken)?;
    Ok(())
}
