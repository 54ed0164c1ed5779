//! What is on its way to one client: replies and events, in order, within bounds.
//!
//! An event that is on its way already and could still be merged is not sent twice.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};

use xenstore_wire::{ErrorCode, Name, Operation, Reply, TransactionId, WatchEvent};

/// With this much on its way, a client is not asked for more: one that doesn't read what it asked
/// for holds no more than this and one reply.
pub(crate) const PAUSE_BYTES: usize = 64 << 10;

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    sent: usize,
    /// How far it was told of with [`Output::unnoted`].
    noted: usize,
    /// Where each message ends that isn't wholly sent.
    ends: VecDeque<usize>,
    /// The events among the bytes, where nothing was sent since they came.
    events: BTreeSet<WatchEvent>,
}

impl Output {
    /// Adds a reply with the ids of its request; one that fits no message becomes an error.
    ///
    /// A new watch's first event is its own: it is not merged with what an earlier watch of the
    /// same name and token had to tell.
    pub(crate) fn reply(&mut self, reply: &Reply, request_id: u32, transaction: TransactionId) {
        if *reply == Reply::Done(Operation::Watch) {
            self.events.clear();
        }
        if reply.encode(request_id, transaction, &mut self.bytes).is_err() {
            let too_big = Reply::Error(ErrorCode::E2big);
            // An error's name always fits.
            let _ = too_big.encode(request_id, transaction, &mut self.bytes);
        }
        self.ends.push_back(self.bytes.len());
    }

    /// Adds an event. One that fits no message is dropped (XSA-324), and so is one that says what
    /// another says that nobody can have read yet: the client will look after both have happened.
    /// Each event about domains is sent, for each may be another domain.
    pub(crate) fn event(&mut self, event: WatchEvent) {
        if self.events.contains(&event) || event.encode(&mut self.bytes).is_err() {
            return;
        }
        self.ends.push_back(self.bytes.len());
        match event.name {
            Name::Absolute(_) | Name::Relative(_) => {
                self.events.insert(event);
            }
            Name::Special(_) | Name::DomainSpecial(_) => (),
        }
    }

    /// What an earlier store had to send and hasn't.
    pub(crate) fn resume(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            self.ends.push_back(self.bytes.len());
            self.noted = self.bytes.len();
        }
    }

    /// What was added since this was asked last.
    pub(crate) fn unnoted(&mut self) -> &[u8] {
        let from = std::mem::replace(&mut self.noted, self.bytes.len());
        self.bytes.get(from..).unwrap_or_default()
    }

    /// What waits.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// How many messages wait, the one that was sent in part included.
    pub(crate) fn messages(&self) -> usize {
        self.ends.len()
    }

    /// Writes as much as goes; more may be left when it returns.
    pub(crate) fn write_to(&mut self, writer: &mut impl Write) -> io::Result<()> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match writer.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.sent += written;
                    while self.ends.front().is_some_and(|end| *end <= self.sent) {
                        self.ends.pop_front();
                    }
                    self.events.clear();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        self.forget_sent();
        Ok(())
    }

    /// Gives back the room of what was sent, when that is all, or most.
    fn forget_sent(&mut self) {
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(PAUSE_BYTES);
            (self.sent, self.noted) = (0, 0);
        } else if self.sent > PAUSE_BYTES {
            self.bytes.drain(..self.sent);
            self.noted = self.noted.saturating_sub(self.sent);
            for end in &mut self.ends {
                *end -= self.sent;
            }
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use xenstore_wire::Token;

    use super::*;

    fn event(name: &str) -> WatchEvent {
        let token = Token::new(b"t").expect("no NUL");
        WatchEvent { name: name.parse().expect("a name"), token }
    }

    /// Takes a few bytes, then none.
    struct Stingy(usize);

    impl Write for Stingy {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.0.min(bytes.len()) {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                taken => {
                    self.0 -= taken;
                    Ok(taken)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn identical_events_that_wait_are_one() {
        let mut output = Output::default();
        output.event(event("/a"));
        let once = output.len();
        output.event(event("/a"));
        assert_eq!(output.len(), once);
        output.event(event("/b"));
        assert_eq!(output.len(), 2 * once);
    }

    #[test]
    fn an_event_that_may_have_been_read_is_sent_again() {
        let mut output = Output::default();
        output.event(event("/a"));
        let once = output.len();
        output.write_to(&mut Stingy(1)).expect("it goes on later");
        output.event(event("/a"));
        assert_eq!(output.len(), 2 * once - 1);
    }

    #[test]
    fn every_new_watch_gets_its_first_event() {
        let mut output = Output::default();
        let watched = Reply::Done(Operation::Watch);
        output.reply(&watched, 1, TransactionId::NONE);
        output.event(event("/a"));
        let once = output.len();
        output.reply(&watched, 2, TransactionId::NONE);
        output.event(event("/a"));
        assert_eq!(output.len(), 2 * once);
    }

    #[test]
    fn each_event_about_domains_is_sent() {
        let mut output = Output::default();
        output.event(event("@releaseDomain"));
        let once = output.len();
        output.event(event("@releaseDomain"));
        assert_eq!(output.len(), 2 * once);
    }

    #[test]
    fn a_reply_that_is_too_long_becomes_an_error() {
        let mut output = Output::default();
        let long = Reply::Value(vec![b'x'; 4097].into());
        output.reply(&long, 7, TransactionId::NONE);
        let mut written = vec![];
        output.write_to(&mut written).expect("memory takes all");
        assert_eq!(&written[..4], Operation::Error.number().to_le_bytes());
        assert_eq!(&written[4..8], 7_u32.to_le_bytes());
        assert_eq!(&written[16..], b"E2BIG\0");
    }

    #[test]
    fn an_event_that_is_too_long_is_dropped() {
        let mut output = Output::default();
        let token = Token::new(&[b't'; 4094]).expect("no NUL");
        let name = "/aa".parse().expect("a name");
        output.event(WatchEvent { name, token });
        assert_eq!(output.len(), 0);
    }

    #[test]
    fn messages_wait_until_their_last_byte_is_sent() {
        let mut output = Output::default();
        for _ in 0..3 {
            output.reply(&Reply::Text(vec![b'x'; 83]), 0, TransactionId::NONE);
        }
        assert_eq!(output.messages(), 3);
        for (bytes, left) in [(99, 3), (1, 2), (199, 1), (1, 0)] {
            output.write_to(&mut Stingy(bytes)).expect("it goes on later");
            assert_eq!(output.messages(), left);
        }
    }

    #[test]
    fn what_was_sent_takes_no_room() {
        let mut output = Output::default();
        for _ in 0..100 {
            let value = Reply::Value(vec![b'x'; 4000].into());
            output.reply(&value, 0, TransactionId::NONE);
        }
        output.write_to(&mut Stingy(399_000)).expect("it goes on later");
        assert!(output.bytes.len() < 4096);
        output.write_to(&mut Stingy(usize::MAX)).expect("all goes");
        assert_eq!(output.len(), 0);
        assert!(output.bytes.capacity() <= PAUSE_BYTES);
    }
}
