//! The guest's console: what it prints, and what is typed into it.

#![allow(unsafe_code, reason = "a terminal is told its size by ioctl, which has no safe form")]

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::pty::Winsize;
use nix::unistd::{read, write};
use vncterm_screen::Paste;

/// Bytes of keys and replies that wait for a guest that does not read; more are dropped, whole.
const KEYS_MAX: usize = 4096;

/// Bytes of pasted text written at once: a terminal's line discipline holds 4096, and a guest's
/// console ring 1024, so what is typed meanwhile is never far behind.
const PASTE_STEP: usize = 256;

/// Keys that break a paste off: Ctrl+C and Escape, which stop most else too.
const BREAK_OFF: [&[u8]; 2] = [b"\x03", b"\x1b"];

nix::ioctl_write_ptr_bad!(
    /// Tells a terminal its size, and thereby the programs that run in it.
    set_size,
    libc::TIOCSWINSZ,
    Winsize
);

/// One open console.
#[derive(Debug)]
pub(crate) struct Tty {
    descriptor: OwnedFd,
    keys: VecDeque<u8>,
    paste: Option<Paste>,
}

/// What a read found.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    /// This many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The other end is gone.
    HungUp,
}

impl Tty {
    /// Takes an open, non-blocking terminal.
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self { descriptor, keys: VecDeque::new(), paste: None }
    }

    /// Reads what the guest printed.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Output {
        loop {
            return match read(&self.descriptor, buffer) {
                Ok(0) => Output::HungUp,
                Ok(length) => Output::Bytes(length),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => Output::Nothing,
                // EIO is how a terminal says that its other end is closed.
                Err(_) => Output::HungUp,
            };
        }
    }

    /// Types `bytes`, all of them or, when the guest has not read for long, none.
    pub(crate) fn type_keys(&mut self, bytes: &[u8]) {
        if self.keys.len() + bytes.len() <= KEYS_MAX {
            self.keys.extend(bytes);
        }
    }

    /// Types a key that a person pressed. One that breaks a paste off does so first; what is still
    /// to be sent then is the bracket that ends it.
    pub(crate) fn press(&mut self, bytes: &[u8]) {
        if BREAK_OFF.contains(&bytes)
            && let Some(mut paste) = self.paste.take()
        {
            paste.cancel();
            self.keys.extend(paste.rest());
        }
        self.type_keys(bytes);
    }

    /// How many more bytes of keys fit.
    pub(crate) fn room(&self) -> usize {
        KEYS_MAX.saturating_sub(self.keys.len())
    }

    /// Tells the terminal its size. Only programs that run in it hear of it; a guest has a terminal
    /// of its own.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // A terminal that takes no size has programs that ask for none.
        // SAFETY: the descriptor is open, and the kernel reads one Winsize that outlives the call.
        let _ = unsafe { set_size(self.descriptor.as_raw_fd(), &raw const size) };
    }

    /// Types a paste behind the keys. One is under way at a time; a further one is not begun.
    pub(crate) fn paste(&mut self, paste: Paste) {
        self.paste.get_or_insert(paste);
    }

    /// Whether something waits to be typed.
    pub(crate) fn wants_write(&self) -> bool {
        !self.keys.is_empty() || self.paste.is_some()
    }

    /// Types what the guest has room for: keys first.
    pub(crate) fn write(&mut self) {
        // A terminal that takes nothing now is asked again when poll says so; one that is gone is
        // found by the next read.
        let (keys, _) = self.keys.as_slices();
        if !keys.is_empty() {
            if let Ok(written) = write(&self.descriptor, keys) {
                self.keys.drain(..written);
            }
        } else if let Some(paste) = &mut self.paste {
            let rest = paste.rest();
            let step = rest.get(..rest.len().min(PASTE_STEP)).unwrap_or(rest);
            if let Ok(written) = write(&self.descriptor, step) {
                paste.take(written);
            }
            if paste.rest().is_empty() {
                self.paste = None;
            }
        }
    }
}

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::OFlag;
    use nix::unistd::pipe2;
    use vncterm_screen::Brackets;

    /// A tty whose guest never reads, and the end that such a guest would read from.
    fn deaf() -> (OwnedFd, Tty) {
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
        (reader, Tty::new(writer))
    }

    #[test]
    fn keys_for_a_guest_that_does_not_read_are_dropped_whole() {
        let (_reader, mut tty) = deaf();
        for _ in 0..3000 {
            tty.type_keys(b"\x1b[A");
        }
        assert!(KEYS_MAX - tty.keys.len() < 3);
        assert_eq!(tty.keys.len() % 3, 0);
    }

    fn read_all(reader: &OwnedFd) -> Vec<u8> {
        let mut buffer = [0; 4096];
        let length = read(reader, &mut buffer).unwrap_or(0);
        buffer[..length].to_vec()
    }

    #[test]
    fn keys_overtake_a_paste() {
        let (reader, mut tty) = deaf();
        tty.paste(Paste::new("pasted", Brackets::Unwanted));
        tty.type_keys(b"typed ");
        tty.write();
        assert_eq!(read_all(&reader), b"typed ");
        tty.write();
        assert_eq!(read_all(&reader), b"pasted");
        assert!(!tty.wants_write());
    }

    #[test]
    fn a_long_paste_goes_in_steps_with_room_for_keys_between() {
        let (reader, mut tty) = deaf();
        tty.paste(Paste::new(&"x".repeat(PASTE_STEP + 1), Brackets::Unwanted));
        tty.write();
        assert_eq!(read_all(&reader).len(), PASTE_STEP);
        tty.type_keys(b"y");
        tty.write();
        tty.write();
        assert_eq!(read_all(&reader), b"yx");
        assert!(!tty.wants_write());
    }

    #[test]
    fn ctrl_c_and_escape_break_a_paste_off_and_close_its_bracket_first() {
        for key in BREAK_OFF {
            let (reader, mut tty) = deaf();
            tty.paste(Paste::new(&"x".repeat(2 * PASTE_STEP), Brackets::Wanted));
            tty.write();
            read_all(&reader);
            tty.press(b"a");
            tty.press(key);
            while tty.wants_write() {
                tty.write();
            }
            assert_eq!(read_all(&reader), [b"a\x1b[201~", key].concat());
        }
    }

    #[test]
    fn other_keys_leave_a_paste_alone() {
        let (reader, mut tty) = deaf();
        tty.paste(Paste::new("pasted", Brackets::Unwanted));
        tty.press(b"\x1b[A");
        tty.write();
        tty.write();
        assert_eq!(read_all(&reader), b"\x1b[Apasted");
    }

    #[test]
    fn a_closed_other_end_is_a_hang_up() {
        let (reader, writer) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).unwrap();
        let tty = Tty::new(reader);
        let mut buffer = [0; 8];
        assert_eq!(tty.read(&mut buffer), Output::Nothing);
        drop(writer);
        assert_eq!(tty.read(&mut buffer), Output::HungUp);
    }
}
