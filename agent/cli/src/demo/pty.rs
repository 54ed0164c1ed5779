//! Pairs of pseudo-terminals: a guest's own, and the one that stands for its Xen console.
#![allow(unsafe_code, reason = "window sizes and polled descriptors have no safe interface")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tokio::io::unix::AsyncFd;

/// Columns and rows of a guest's console.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub(super) struct Pty {
    /// The end of whoever plays the terminal: non-blocking.
    pub(super) master: OwnedFd,
    /// The end of whoever uses it.
    pub(super) slave: File,
    /// The slave's path.
    pub(super) name: String,
}

impl Pty {
    /// A terminal that changes no byte, as xenconsoled makes it for a guest's console ring. The
    /// slave is kept open, so that readers may come and go.
    pub(super) fn raw() -> io::Result<Self> {
        let pty = Self::cooked()?;
        let mut settings = tcgetattr(&pty.slave)?;
        cfmakeraw(&mut settings);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &settings)?;
        Ok(pty)
    }

    /// A terminal with the usual line discipline, as a guest's own.
    pub(super) fn cooked() -> io::Result<Self> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname_r(&master)?;
        let slave =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&name)?;
        set_size(&slave)?;
        let master = OwnedFd::from(master);
        let flags = OFlag::from_bits_retain(fcntl(&master, FcntlArg::F_GETFL)?);
        fcntl(&master, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self { master, slave, name })
    }
}

/// Lets a runtime wait for a master.
pub(super) fn polled(master: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is one open descriptor, always the same, until it is dropped; the AsyncFd
    // owns it from here.
    Ok(unsafe { AsyncFd::register(master) }?)
}

fn set_size(terminal: &File) -> io::Result<()> {
    nix::ioctl_write_ptr_bad!(set_window_size, libc::TIOCSWINSZ, libc::winsize);
    let size = libc::winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize, and `size` is one.
    unsafe { set_window_size(terminal.as_raw_fd(), &raw const size) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_raw_pair_changes_no_byte() {
        let mut pty = Pty::raw().expect("a pty");
        assert!(pty.name.starts_with("/dev/pts/"), "{}", pty.name);
        let bytes = b"\x03\x04\r\n\x11\x13\xff\x1a\x7f";
        nix::unistd::write(&pty.master, bytes).expect("it takes them");
        let mut found = [0; 9];
        pty.slave.read_exact(&mut found).expect("they arrive");
        assert_eq!(&found, bytes);
        pty.slave.write_all(b"a\nb").expect("it takes them");
        let mut found = [0; 16];
        let count = nix::unistd::read(&pty.master, &mut found).expect("they arrive");
        assert_eq!(&found[..count], b"a\nb");
    }
}
