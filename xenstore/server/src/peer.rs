//! One client's connection: bytes come in, messages come out one at a time, answers go back.
//!
//! Whose turn it is, and what the answers are, is decided elsewhere.

use std::os::unix::net::UnixStream;

use xenstore_hypervisor::Trouble;
use xenstore_store::ConnectionId;
use xenstore_wire::{Decoder, Message, PAYLOAD_MAX, Progress};

use crate::output::{Output, PAUSE_BYTES};
use crate::transport::{Heard, Seat, Transport};
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
            ended: false,
            outstanding_max: None,
        }
    }

    /// Reads once, if all that was read before is decoded.
    pub(crate) fn fill(&mut self, scratch: &mut [u8]) -> Result<(), Trouble> {
        if self.ended || self.is_waiting() || self.decoded < self.input.len() {
            return Ok(());
        }
        self.input.clear();
        self.decoded = 0;
        self.ended = self.transport.read(scratch, &mut self.input)? == Heard::End;
        Ok(())
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

    pub(crate) fn flush(&mut self) -> Result<(), Trouble> {
        self.output.write_to(&mut self.transport).map_err(|_| match &self.transport {
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
