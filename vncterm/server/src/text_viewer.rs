//! A viewer of plain text: the guest's bytes as they come, and what is typed, both ways raw.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};

/// Bytes that wait for a viewer who does not read. Above this the queue is thrown away, and the
/// viewer gets the screen as it then is: the latest state, never an unbounded past.
const OUTPUT_MAX: usize = 256 * 1024;

/// One connection.
#[derive(Debug)]
pub(crate) struct TextViewer {
    socket: OwnedFd,
    /// Whether the socket may have something to read.
    sent: bool,
    output: VecDeque<u8>,
    /// The queue was thrown away; the screen is sent when there is room.
    behind: bool,
    /// Whether it counts the guest's bytes: then none may be left out.
    counts: bool,
    /// When the socket last took something, or the viewer came.
    moved_at: Instant,
}

/// What was typed.
#[derive(Debug, PartialEq)]
pub(crate) enum Typed {
    /// This many bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The viewer is gone.
    Gone,
}

impl TextViewer {
    /// Takes a connected socket; `replay` repaints the screen as it is now.
    pub(crate) fn new(socket: OwnedFd, replay: Vec<u8>, now: Instant) -> Self {
        Self {
            socket,
            sent: true,
            output: replay.into(),
            behind: false,
            counts: false,
            moved_at: now,
        }
    }

    /// The same for a viewer that counts the guest's bytes: one that falls behind, or whose screen
    /// jumps, is let go, and comes again where it was.
    pub(crate) fn reader(socket: OwnedFd, begin: Vec<u8>, now: Instant) -> Self {
        Self { counts: true, ..Self::new(socket, begin, now) }
    }

    /// Whether it counts the guest's bytes.
    pub(crate) fn counts(&self) -> bool {
        self.counts
    }

    /// Whether it has sent something, or left; to be noted before a turn.
    pub(crate) fn has_sent(&mut self) -> &mut bool {
        &mut self.sent
    }

    /// Queues what the guest printed.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        if self.behind {
            return;
        }
        if self.output.len() + bytes.len() > OUTPUT_MAX {
            self.output.clear();
            self.behind = true;
        } else {
            self.output.extend(bytes);
        }
    }

    /// Whether something waits to be sent.
    pub(crate) fn wants_write(&self) -> bool {
        self.behind || !self.output.is_empty()
    }

    /// Since when nothing moved, while something waits.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        if self.wants_write() { Some(self.moved_at) } else { None }
    }

    /// Sends what the socket has room for; `replay` is asked for a viewer that was behind.
    /// Says whether the viewer is still there.
    pub(crate) fn write(&mut self, replay: impl FnOnce() -> Vec<u8>, now: Instant) -> bool {
        if self.behind && self.counts {
            return false;
        }
        if self.behind && self.output.is_empty() {
            self.output = replay().into();
            self.behind = false;
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        loop {
            let (front, _) = self.output.as_slices();
            if front.is_empty() {
                return true;
            }
            match send(self.socket.as_raw_fd(), front, flags) {
                Ok(sent) => {
                    self.output.drain(..sent);
                    self.moved_at = now;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Reads what was typed.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Typed {
        if !self.sent {
            return Typed::Nothing;
        }
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Typed::Gone,
            Ok(length) => Typed::Bytes(length),
            Err(Errno::EAGAIN | Errno::EINTR) => Typed::Nothing,
            Err(_) => Typed::Gone,
        }
    }

    /// Whether the viewer has left, without reading what it typed before.
    pub(crate) fn left(&self) -> bool {
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
        let found = poll(&mut polled, PollTimeout::ZERO).is_ok();
        let flags = polled[0].revents().filter(|_| found).unwrap_or(PollFlags::empty());
        flags.intersects(PollFlags::POLLHUP | PollFlags::POLLERR)
    }

    /// Whether the viewer will type no more, though what it has typed may not be read yet.
    pub(crate) fn has_hung_up(&self) -> bool {
        // nix does not know this flag of Linux by name, and says so when poll has found it.
        let hung_up = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut polled = [PollFd::new(self.socket.as_fd(), hung_up)];
        poll(&mut polled, PollTimeout::ZERO).is_ok() && polled[0].any() != Some(false)
    }
}

impl AsFd for TextViewer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_viewer_sees_the_screen_and_then_every_byte() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let now = Instant::now();
        let mut viewer = TextViewer::new(near.into(), b"screen ".to_vec(), now);
        viewer.show(b"more");
        assert!(viewer.write(|| unreachable!(), now));
        let mut seen = [0; 11];
        far.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"screen more");
    }

    #[test]
    fn a_viewer_that_does_not_read_gets_the_latest_screen_in_bounded_memory() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let now = Instant::now();
        let mut viewer = TextViewer::new(near.into(), Vec::new(), now);
        for _ in 0..1000 {
            viewer.show(&[b'x'; 4096]);
            assert!(viewer.output.len() <= OUTPUT_MAX);
            assert!(viewer.write(|| b"<screen now>".to_vec(), now));
        }
        far.set_nonblocking(true).unwrap();
        let mut seen = Vec::new();
        while viewer.wants_write() {
            let mut buffer = [0; 65536];
            let length = far.read(&mut buffer).unwrap_or(0);
            seen.extend_from_slice(&buffer[..length]);
            assert!(viewer.write(|| b"<screen now>".to_vec(), now));
        }
        let mut rest = Vec::new();
        drop(viewer);
        far.set_nonblocking(false).unwrap();
        far.read_to_end(&mut rest).unwrap();
        seen.extend(rest);
        assert!(seen.windows(12).any(|window| window == b"<screen now>"));
    }

    #[test]
    fn a_viewer_that_hangs_up_is_known_before_what_it_typed_is_read() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut viewer = TextViewer::new(near.into(), Vec::new(), Instant::now());
        far.write_all(b"typed").unwrap();
        assert!(!viewer.has_hung_up());
        far.shutdown(Shutdown::Write).unwrap();
        assert!(viewer.has_hung_up());
        assert!(!viewer.left());
        assert_eq!(viewer.read(&mut [0; 8]), Typed::Bytes(5));
    }

    #[test]
    fn a_viewer_that_leaves_is_noticed() {
        let (near, far) = UnixStream::pair().unwrap();
        let mut viewer = TextViewer::new(near.into(), Vec::new(), Instant::now());
        assert_eq!(viewer.read(&mut [0; 4]), Typed::Nothing);
        drop(far);
        assert_eq!(viewer.read(&mut [0; 4]), Typed::Gone);
        viewer.show(b"late");
        assert!(!viewer.write(Vec::new, Instant::now()));
    }
}
