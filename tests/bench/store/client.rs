//! A client under our own control: it says when bytes go out and reads whatever has come at once.
//!
//! It knows no more of xenstore than its header. What is asked, and how fast, is the measures'.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::Failure;

/// A server that says nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// A header: number, request, transaction, length.
const HEADER: usize = 16;
/// Bytes read at once: more than any measure has on its way on one connection.
const READ_BYTES: usize = 256 << 10;

/// Operations by their numbers on the wire.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Ask {
    Read = 2,
    Watch = 4,
    TransactionStart = 6,
    TransactionEnd = 7,
    Write = 11,
    Rm = 13,
}

const EVENT: u32 = 15;
const ERROR: u32 = 16;

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
    output: Vec<u8>,
    input: Vec<u8>,
    /// Where the bytes begin that are not looked at yet, and where they end.
    begin: usize,
    end: usize,
}

/// One message that came, by its number, and its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    number: u32,
    payload: &'a [u8],
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        Ok(Self { stream, output: Vec::new(), input: vec![0; READ_BYTES], begin: 0, end: 0 })
    }

    /// Adds a request to what is sent next.
    pub(crate) fn ask(&mut self, ask: Ask, transaction: u32, payload: &[&[u8]]) {
        let length: usize = payload.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        for word in [ask as u32, 0, transaction, length] {
            self.output.extend_from_slice(&word.to_le_bytes());
        }
        for part in payload {
            self.output.extend_from_slice(part);
        }
    }

    /// Sends all that was asked, at once.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Waits for so many replies and so many events.
    pub(crate) fn expect(&mut self, mut replies: usize, mut events: usize) -> Result<(), Failure> {
        while replies > 0 || events > 0 {
            match self.hear()?.number {
                EVENT => events = events.checked_sub(1).ok_or("an event that nobody asked for")?,
                _ => replies = replies.checked_sub(1).ok_or("a reply that nobody asked for")?,
            }
        }
        Ok(())
    }

    /// Sends what was asked and waits for its replies, and for nothing else.
    pub(crate) fn exchange(&mut self, replies: usize) -> Result<(), Failure> {
        self.send()?;
        self.expect(replies, 0)
    }

    /// Opens a transaction; its number.
    pub(crate) fn begin(&mut self) -> Result<u32, Failure> {
        self.ask(Ask::TransactionStart, 0, &[b"\0"]);
        self.send()?;
        self.begun()
    }

    /// The number of the transaction that was asked for.
    pub(crate) fn begun(&mut self) -> Result<u32, Failure> {
        let text = self.hear()?.payload;
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        Ok(std::str::from_utf8(text)?.parse()?)
    }

    /// The next message, which must be no error.
    fn hear(&mut self) -> Result<Heard<'_>, Failure> {
        loop {
            if let Some((number, length)) = self.header() {
                let start = self.begin + HEADER;
                if start + length <= self.end {
                    self.begin = start + length;
                    let payload = self.input.get(start..self.begin).unwrap_or_default();
                    if number == ERROR {
                        let error = payload.escape_ascii();
                        return Err(format!("the store says {error}").into());
                    }
                    return Ok(Heard { number, payload });
                }
            }
            self.read()?;
        }
    }

    fn header(&self) -> Option<(u32, usize)> {
        let header = self.input.get(self.begin..self.end)?.first_chunk::<HEADER>()?;
        let word = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        Some((word(0)?, usize::try_from(word(12)?).ok()?))
    }

    fn read(&mut self) -> Result<(), Failure> {
        self.input.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        match self.stream.read(self.input.get_mut(self.end..).unwrap_or_default())? {
            0 => Err("the store has hung up".into()),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }
}
