//! One client's connection: bytes come in, messages come out one at a time, answers go back.
//!
//! Whose turn it is, and what the answers are, is decided elsewhere.

use std::io;
use std::os::unix::net::UnixStream;

use xenstore_hypervisor::Trouble;
use xenstore_store::ConnectionId;
use xenstore_wire::{Decoder, Header, Message, PAYLOAD_MAX, Progress};

use crate::ledger::{Kind, Ledger};
use crate::output::{Output, PAUSE_BYTES};
use crate::resuming::Reached;
use crate::transport::{Counted, Heard, Noted, Seat, Transport};
use crate::wakeups::Interest;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) output: Output,
    /// What the kernel was asked to wake us for.
    pub(crate) interest: Interest,
    /// It is in the line of those who get a turn.
    pub(crate) in_line: bool,
    pub(crate) transport: Transport,
    decoder: Decoder,
    /// Bytes that were read and are not decoded yet, from `decoded` on.
    input: Vec<u8>,
    decoded: usize,
    /// What waits for its tokens: nothing after it is looked at.
    held: Option<Held>,
    /// Bytes of messages that are done with, and not yet noted as such.
    done: u32,
    /// How it is reached was noted.
    pub(crate) is_noted: bool,
    /// The parent's number of its socket.
    pub(crate) parents: Option<u64>,
    /// The client sends nothing more.
    ended: bool,
    /// With so many messages on their way, it is not asked for more; none is no limit.
    outstanding_max: Option<usize>,
}

/// What waits for tokens.
#[derive(Debug)]
pub(crate) enum Held {
    /// A request.
    Request(Message),
    /// A kick that brought no whole request.
    Kick,
}

/// What a peer has to say next.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Message),
    /// A kick that is to be paid for.
    Kick,
    /// Nothing now: more has to be read, or written, first.
    Nothing,
    /// What it says makes no sense and never will.
    Broken,
}

impl Peer {
    /// A client on a socket that doesn't block.
    pub(crate) fn on_socket(socket: UnixStream, id: ConnectionId) -> Self {
        Self::new(Transport::Socket(socket), id)
    }

    /// A guest on its ring.
    pub(crate) fn on_ring(seat: Seat, id: ConnectionId) -> Self {
        Self::new(Transport::Ring(seat), id)
    }

    fn new(transport: Transport, id: ConnectionId) -> Self {
        Self {
            id,
            output: Output::default(),
            interest: Interest::READ,
            in_line: false,
            transport,
            decoder: Decoder::new(PAYLOAD_MAX),
            input: Vec::new(),
            decoded: 0,
            held: None,
            done: 0,
            is_noted: false,
            parents: None,
            ended: false,
            outstanding_max: None,
        }
    }

    /// Reads once, if all that was read before is decoded.
    pub(crate) fn fill(
        &mut self,
        scratch: &mut [u8],
        ledger: &mut Option<Ledger>,
    ) -> Result<(), Trouble> {
        if self.ended || self.is_waiting() || self.decoded < self.input.len() {
            return Ok(());
        }
        self.input.clear();
        self.decoded = 0;
        let number = self.id.number();
        if let (Some(ledger), Transport::Socket(socket)) = (&mut *ledger, &self.transport) {
            return match ledger.receive(socket, number, &mut self.input) {
                Ok(heard) => {
                    self.ended = heard == Heard::End;
                    Ok(())
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
                    _ => Err(Trouble::Communication),
                },
            };
        }
        let mut kept = true;
        let heard = self.transport.read(scratch, &mut self.input, |came| {
            if let Some(ledger) = ledger.as_mut().filter(|_| !came.is_empty()) {
                kept = ledger.append(Kind::Came, number, came).is_ok();
                ledger.publish();
            }
        })?;
        self.ended = heard == Heard::End;
        if kept { Ok(()) } else { Err(Trouble::Communication) }
    }

    /// What comes next: what waited, else a request that is whole. While too much waits to be
    /// written there is none, except that one that waited is not made to wait for that too.
    pub(crate) fn next(&mut self) -> Next {
        match self.held.take() {
            Some(Held::Request(message)) => return Next::Message(message),
            Some(Held::Kick) => return Next::Kick,
            None => (),
        }
        match self.next_message() {
            Next::Message(message) => {
                if let Some(seat) = self.transport.seat() {
                    seat.kicked = false;
                }
                Next::Message(message)
            }
            Next::Nothing => {
                let kicked = self.transport.seat().is_some_and(|seat| seat.kicked);
                if kicked { Next::Kick } else { Next::Nothing }
            }
            next @ (Next::Kick | Next::Broken) => next,
        }
    }

    fn next_message(&mut self) -> Next {
        if self.is_paused() {
            return Next::Nothing;
        }
        let (taken, progress) =
            self.decoder.feed(self.input.get(self.decoded..).unwrap_or_default());
        self.decoded += taken;
        if self.decoded == self.input.len() {
            self.input = Vec::new();
            self.decoded = 0;
        }
        match progress {
            Progress::Message(message) => Next::Message(message),
            Progress::Need(_) => Next::Nothing,
            Progress::Refused(_) => Next::Broken,
        }
    }

    /// Keeps something until its tokens are there.
    pub(crate) fn hold(&mut self, held: Held) {
        self.held = Some(held);
    }

    /// Something waits for its tokens.
    pub(crate) fn is_waiting(&self) -> bool {
        self.held.is_some()
    }

    /// There may be another request in what was read, or in the ring.
    pub(crate) fn has_more(&self) -> bool {
        !self.is_paused() && (self.decoded < self.input.len() || self.transport.has_more())
    }

    fn is_paused(&self) -> bool {
        self.output.len() > PAUSE_BYTES
            || self.outstanding_max.is_some_and(|max| self.output.messages() >= max)
    }

    /// Bounds the messages on their way from now on.
    pub(crate) fn limit_outstanding(&mut self, max: Option<u32>) {
        self.outstanding_max = max.and_then(|max| usize::try_from(max).ok());
    }

    /// Nothing more comes, and nothing is left to be done or written.
    pub(crate) fn is_finished(&self) -> bool {
        self.ended
            && self.held.is_none()
            && self.decoded == self.input.len()
            && self.output.len() == 0
    }

    /// Notes what was done and what is due since it was noted last.
    pub(crate) fn note(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        let number = self.id.number();
        if !self.is_noted {
            self.is_noted = true;
            ledger.append(Kind::Peer, number, &self.reached())?;
        }
        match std::mem::take(&mut self.done) {
            0 => (),
            done => ledger.append(Kind::Done, number, &done.to_le_bytes())?,
        }
        match self.output.unnoted() {
            [] => Ok(()),
            due => ledger.append(Kind::Due, number, due),
        }
    }

    /// Notes all that a later store has to know of it.
    pub(crate) fn note_whole(&mut self, ledger: &mut Ledger) -> io::Result<()> {
        let number = self.id.number();
        (self.is_noted, self.done) = (true, 0);
        self.output.unnoted();
        let mut came = match &self.held {
            Some(Held::Request(message)) => bytes_of(message),
            Some(Held::Kick) | None => Vec::new(),
        };
        came.extend_from_slice(self.decoder.held());
        came.extend_from_slice(self.input.get(self.decoded..).unwrap_or_default());
        ledger.append(Kind::Came, number, &came)?;
        ledger.append(Kind::Due, number, self.output.unsent())?;
        // Last: its indices are those after all of this came.
        ledger.append(Kind::Peer, number, &self.reached())
    }

    fn reached(&self) -> Vec<u8> {
        Reached::of(&self.transport, self.parents).encode()
    }

    /// Goes on with what an earlier store had of it.
    pub(crate) fn resume(&mut self, came: Vec<u8>, due: &[u8], parents: Option<u64>) {
        (self.input, self.parents) = (came, parents);
        self.output.resume(due);
    }

    /// A message was done with: it won't be done again.
    pub(crate) fn finish(&mut self, message: &Message) {
        let length = u32::try_from(Header::SIZE + message.payload.len()).unwrap_or(u32::MAX);
        self.done = self.done.saturating_add(length);
    }

    pub(crate) fn flush(&mut self, ledger: &mut Option<Ledger>) -> Result<(), Trouble> {
        let number = self.id.number();
        if let (Some(ledger), Transport::Socket(socket)) = (&mut *ledger, &self.transport) {
            let mut writer = Counted { ledger, socket, number };
            return self.output.write_to(&mut writer).map_err(|_| Trouble::Communication);
        }
        let mut kept = Ok(());
        let note = |sent: usize| {
            if let Some(ledger) = ledger {
                let sent = u32::try_from(sent).unwrap_or(u32::MAX).to_le_bytes();
                kept = ledger.append(Kind::Sent, number, &sent);
                ledger.publish();
            }
        };
        let written = self.output.write_to(&mut Noted { transport: &mut self.transport, note });
        written.and(kept).map_err(|_| match &self.transport {
            Transport::Socket(_) => Trouble::Communication,
            Transport::Ring(_) => Trouble::Indices,
        })
    }

    /// What the kernel should wake us for now.
    pub(crate) fn wanted_interest(&self) -> Interest {
        Interest {
            read: !self.ended && !self.is_waiting() && !self.is_paused(),
            write: self.output.len() > 0,
        }
    }
}

/// A message as it came.
fn bytes_of(message: &Message) -> Vec<u8> {
    let length = u32::try_from(message.payload.len()).unwrap_or(u32::MAX);
    let fields = [message.number, message.request_id, message.transaction.0, length];
    let mut bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
    bytes.extend_from_slice(&message.payload);
    bytes
}
