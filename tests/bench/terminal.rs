//! A pty as xenconsoled makes it: raw, its slave kept open, the guest at the master.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;

use crate::Failure;

/// The two ends.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The guest's end.
    pub(crate) guest: File,
    /// The end that a converter opens by name; kept open, so that it never hangs up.
    pub(crate) slave: File,
    /// Its name.
    pub(crate) name: PathBuf,
}

impl Terminal {
    /// Makes one.
    pub(crate) fn open() -> Result<Self, Failure> {
        let OpenptyResult { master, slave } = openpty(None, None)?;
        let mut settings = tcgetattr(&slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&slave, SetArg::TCSANOW, &settings)?;
        let name = ttyname(&slave)?;
        Ok(Self { guest: master.into(), slave: slave.into(), name })
    }

    /// The slave, opened again as an agent opens it for a converter.
    pub(crate) fn slave_for_converter(&self) -> Result<OwnedFd, Failure> {
        let flags = libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let opened = File::options().read(true).write(true).custom_flags(flags).open(&self.name)?;
        Ok(opened.into())
    }

    /// Prints `payload`, then asks where the cursor is and waits for the answer: by then all of
    /// it was parsed.
    pub(crate) fn print_and_settle(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.guest.write_all(payload)?;
        self.guest.write_all(b"\x1b[0m\x1b[6n")?;
        let mut byte = [0];
        while byte != *b"R" {
            self.guest.read_exact(&mut byte)?;
        }
        Ok(())
    }
}
