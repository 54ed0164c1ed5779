//! What carries a peer's bytes: a socket, or a ring that a guest shares with us.
//!
//! When bytes are taken and given, and what they mean, is the peer's.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use xenstore_hypervisor::{Port, Ring, Trouble};
use xenstore_store::Introduction;

use crate::ledger::Ledger;

/// Either kind of carrier.
#[derive(Debug)]
pub(crate) enum Transport {
    Socket(UnixStream),
    Ring(Seat),
}

/// A ring, and how it stands with its port.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) ring: Ring,
    pub(crate) port: Port,
    /// Whose it is, by its end of the channel; none of the kernel's that the store runs on.
    pub(crate) remote: Option<Introduction>,
    /// The port was pending and is not unmasked yet.
    pub(crate) masked: bool,
    /// A kick is not paid for yet: no whole request came of it so far.
    pub(crate) kicked: bool,
    /// Bytes moved since the guest was woken last.
    pub(crate) moved: bool,
    /// The guest is not listened to until it begins anew.
    pub(crate) mute: bool,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Bytes, or none for now.
    Bytes,
    /// Nothing, and nothing ever will.
    End,
}

impl Seat {
    /// A ring that is listened to from now on. The guest is woken, to see that it is.
    pub(crate) fn new(ring: Ring, port: Port, remote: Option<Introduction>) -> Self {
        Self { ring, port, remote, masked: false, kicked: false, moved: true, mute: false }
    }
}

impl Transport {
    /// Reads once into an empty buffer.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        into: &mut Vec<u8>,
        note: impl FnOnce(&[u8]),
    ) -> Result<Heard, Trouble> {
        match self {
            Self::Socket(socket) => match socket.read(scratch) {
                Ok(0) => return Ok(Heard::End),
                Ok(size) => {
                    let came = scratch.get(..size).unwrap_or_default();
                    note(came);
                    into.extend_from_slice(came);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => (),
                    _ => return Err(Trouble::Communication),
                },
            },
            Self::Ring(seat) if seat.mute => (),
            Self::Ring(seat) => seat.moved |= seat.ring.receive_noted(into, note)? > 0,
        }
        Ok(Heard::Bytes)
    }

    /// The ring, where it is one.
    pub(crate) fn seat(&mut self) -> Option<&mut Seat> {
        match self {
            Self::Socket(_) => None,
            Self::Ring(seat) => Some(seat),
        }
    }

    /// True when a guest has written more than was read. Whether a socket has, the kernel tells.
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Ring(seat) => !seat.mute && seat.ring.has_requests(),
        }
    }
}

/// A transport that tells how many bytes it has taken, a guest's before the guest can know.
pub(crate) struct Noted<'a, Note> {
    pub(crate) transport: &'a mut Transport,
    pub(crate) note: Note,
}

impl<Note: FnMut(usize)> Write for Noted<'_, Note> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let note = &mut self.note;
        match &mut *self.transport {
            Transport::Socket(socket) => {
                let sent = socket.write(bytes)?;
                note(sent);
                Ok(sent)
            }
            Transport::Ring(seat) => match seat.ring.send_noted(bytes, note) {
                Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
                Ok(sent) => {
                    seat.moved = true;
                    Ok(sent)
                }
                Err(broken) => Err(io::Error::other(broken)),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client's socket, where what is sent counts at once, whatever becomes of this process.
pub(crate) struct Counted<'a> {
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) socket: &'a UnixStream,
    pub(crate) number: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ledger.send(self.socket, self.number, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
