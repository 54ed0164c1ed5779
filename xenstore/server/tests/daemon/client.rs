//! A raw client: it sends whatever it is told to and takes what comes, in order.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use xenstore_wire::{Decoder, Message, Operation, PAYLOAD_MAX, Progress};

/// Longer than anything takes that goes well: who waits so long waits for nothing.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
    came: VecDeque<Message>,
    last_request: u32,
}

impl Client {
    pub(crate) fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        Self { stream, decoder: Decoder::new(PAYLOAD_MAX), came: VecDeque::new(), last_request: 0 }
    }

    /// Sends a request; `|` in its payload is a NUL. Returns its id.
    pub(crate) fn send(&mut self, request: &str) -> u32 {
        let bytes = self.encode(request);
        self.stream.write_all(&bytes).expect("the server listens");
        self.last_request
    }

    /// The bytes of the next request.
    pub(crate) fn encode(&mut self, request: &str) -> Vec<u8> {
        self.last_request += 1;
        encode(self.last_request, request)
    }

    /// The next message; none when the server has closed the connection.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.came.pop_front() {
                return Some(message);
            }
            let size = match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(size) => size,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => panic!("nothing comes: {error}"),
            };
            let mut rest = &buffer[..size];
            loop {
                let (taken, progress) = self.decoder.feed(rest);
                rest = &rest[taken..];
                match progress {
                    Progress::Message(message) => self.came.push_back(message),
                    Progress::Need(_) => break,
                    Progress::Refused(refusal) => panic!("the server speaks nonsense: {refusal}"),
                }
            }
        }
    }

    /// The next message's payload, with `|` for NUL, and the request's id.
    pub(crate) fn heard(&mut self) -> (u32, String) {
        let message = self.next().expect("the connection is kept");
        let text = String::from_utf8_lossy(&message.payload).replace('\0', "|");
        match message.operation() {
            Some(Operation::Error) => (message.request_id, text.trim_end_matches('|').to_owned()),
            _ => (message.request_id, text),
        }
    }

    /// Asks one thing and returns the answer.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        let id = self.send(request);
        let (answered, reply) = self.heard();
        assert_eq!(answered, id, "{request}");
        reply
    }

    /// True when the server closes the connection, whatever comes before.
    pub(crate) fn is_closed(&mut self) -> bool {
        while self.next().is_some() {}
        true
    }
}

/// A request's bytes: `OPERATION payload`, or `OPERATION@7 payload` within transaction 7.
pub(crate) fn encode(id: u32, request: &str) -> Vec<u8> {
    let (operation, payload) = request.split_once(' ').unwrap_or((request, ""));
    let (operation, transaction) = match operation.split_once('@') {
        Some((operation, id)) => (operation, id.parse().expect("a number")),
        None => (operation, 0_u32),
    };
    let known = Operation::ALL.iter().find(|known| known.name() == operation);
    let number = known.map_or_else(
        || operation.parse().expect("an operation, or a number"),
        |known| known.number(),
    );
    let payload = payload.replace('|', "\0");
    let length = u32::try_from(payload.len()).expect("a short payload");
    let header = [number, id, transaction, length];
    header.iter().flat_map(|field| field.to_le_bytes()).chain(payload.bytes()).collect()
}
