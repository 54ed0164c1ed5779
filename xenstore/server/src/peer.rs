//! One client's connection: bytes come in, messages come out one at a time, answers go back.
//!
//! Whose turn it is, and what the answers are, is decided elsewhere.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use xenstore_store::ConnectionId;
use xenstore_wire::{Decoder, Message, PAYLOAD_MAX, Progress};

use crate::output::{Output, PAUSE_BYTES};
use crate::wakeups::Interest;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    pub(crate) output: Output,
    /// What the kernel was asked to wake us for.
    pub(crate) interest: Interest,
    /// It is in the line of those who get a turn.
    pub(crate) in_line: bool,
    socket: UnixStream,
    decoder: Decoder,
    /// Bytes that were read and are not decoded yet, from `decoded` on.
    input: Vec<u8>,
    decoded: usize,
    /// A request that waits for its tokens: nothing after it is looked at.
    held: Option<Message>,
    /// The client sends nothing more.
    ended: bool,
}

/// What a peer has to say next.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Message),
    /// Nothing now: more has to be read, or written, first.
    Nothing,
    /// What it says makes no sense and never will.
    Broken,
}

impl Peer {
    pub(crate) fn new(socket: UnixStream, id: ConnectionId) -> Self {
        Self {
            id,
            output: Output::default(),
            interest: Interest::READ,
            in_line: false,
            socket,
            decoder: Decoder::new(PAYLOAD_MAX),
            input: Vec::new(),
            decoded: 0,
            held: None,
            ended: false,
        }
    }

    /// Reads once, if all that was read before is decoded.
    pub(crate) fn fill(&mut self, scratch: &mut [u8]) -> io::Result<()> {
        if self.ended || self.is_waiting() || self.decoded < self.input.len() {
            return Ok(());
        }
        match self.socket.read(scratch) {
            Ok(0) => self.ended = true,
            Ok(size) => {
                self.input.clear();
                self.input.extend_from_slice(scratch.get(..size).unwrap_or_default());
                self.decoded = 0;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => (),
                _ => return Err(error),
            },
        }
        Ok(())
    }

    /// The next request: the one that waited, else one that is whole. While too much waits to be
    /// written there is none, except that one that waited is not made to wait for that too.
    pub(crate) fn next_message(&mut self) -> Next {
        if let Some(held) = self.held.take() {
            return Next::Message(held);
        }
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

    /// Keeps a request until its tokens are there.
    pub(crate) fn hold(&mut self, message: Message) {
        self.held = Some(message);
    }

    /// A request waits for its tokens.
    pub(crate) fn is_waiting(&self) -> bool {
        self.held.is_some()
    }

    /// There may be another request in what was read.
    pub(crate) fn has_more(&self) -> bool {
        !self.is_paused() && self.decoded < self.input.len()
    }

    fn is_paused(&self) -> bool {
        self.output.len() > PAUSE_BYTES
    }

    /// Nothing more comes, and nothing is left to be done or written.
    pub(crate) fn is_finished(&self) -> bool {
        self.ended
            && self.held.is_none()
            && self.decoded == self.input.len()
            && self.output.len() == 0
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.output.write_to(&mut self.socket)
    }

    /// What the kernel should wake us for now.
    pub(crate) fn wanted_interest(&self) -> Interest {
        Interest {
            read: !self.ended && !self.is_waiting() && !self.is_paused(),
            write: self.output.len() > 0,
        }
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
