//! Cuts a stream of bytes into messages, however the stream was cut before.
//!
//! What a payload means is not decided here, nor whether the operation is known.

use alloc::vec::Vec;

use crate::{Header, Operation, TransactionId};

/// One message, whole: what its header said and its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The operation's number, which need not be one that is known.
    pub number: u32,
    /// Chosen by the client, echoed in the reply.
    pub request_id: u32,
    /// The transaction that the message belongs to.
    pub transaction: TransactionId,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Message {
    /// The operation, where the number is a known one.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        Operation::from_number(self.number)
    }
}

/// Where a decoder stands after it was fed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This many more bytes, at least, come before anything can be said.
    Need(usize),
    /// A message is whole.
    Message(Message),
    /// The stream is broken for good; every later feed says the same.
    Refused(DecodeRefusal),
}

/// Why a stream can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeRefusal {
    /// A header claims more payload than the decoder was made for.
    #[error("a header claims {length} bytes of payload, above the limit of {limit}")]
    TooLong {
        /// The length that the header claims.
        length: u32,
        /// The most that would have been taken.
        limit: usize,
    },
}

/// A stream of bytes on its way to becoming messages.
///
/// It holds at most one header and the payload bytes that have come, never more than its limit.
#[derive(Clone, Debug)]
pub struct Decoder {
    limit: usize,
    held: Vec<u8>,
}

impl Decoder {
    /// A decoder at the start of a stream whose payloads may have `limit` bytes.
    ///
    /// Servers pass [`PAYLOAD_MAX`](crate::PAYLOAD_MAX); a client may bear more from servers that
    /// are known to send more.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, held: Vec::new() }
    }

    /// The bytes that have come of the next message.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// True between two messages: nothing has come of the next one.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes bytes up to the end of one message; says how many were taken.
    ///
    /// Call it again with the rest for as long as it returns messages.
    pub fn feed(&mut self, bytes: &[u8]) -> (usize, Progress) {
        if self.held.is_empty() {
            return self.start(bytes);
        }
        let mut taken = self.hold(bytes, Header::SIZE);
        let header = match self.header() {
            Ok(header) => header,
            Err(progress) => return (taken, progress),
        };
        let whole = Header::SIZE + header.1;
        taken += self.hold(bytes.get(taken..).unwrap_or_default(), whole);
        if self.held.len() < whole {
            return (taken, Progress::Need(whole - self.held.len()));
        }
        let mut payload = core::mem::take(&mut self.held);
        payload.drain(..Header::SIZE);
        (taken, Progress::Message(message(header.0, payload)))
    }

    /// Reads a message straight from the input where it is whole there, and holds it otherwise.
    fn start(&mut self, bytes: &[u8]) -> (usize, Progress) {
        let Some((first, rest)) = bytes.split_first_chunk::<{ Header::SIZE }>() else {
            self.held.extend_from_slice(bytes);
            return (bytes.len(), Progress::Need(Header::SIZE - bytes.len()));
        };
        let header = Header::parse(first);
        let length = match self.bearable(header) {
            Ok(length) => length,
            Err(refusal) => {
                self.held.extend_from_slice(first);
                return (Header::SIZE, Progress::Refused(refusal));
            }
        };
        match rest.get(..length) {
            Some(payload) => {
                (Header::SIZE + length, Progress::Message(message(header, payload.to_vec())))
            }
            None => {
                self.held.extend_from_slice(bytes);
                (bytes.len(), Progress::Need(length - rest.len()))
            }
        }
    }

    /// Holds bytes until `size` are held; says how many were taken.
    fn hold(&mut self, bytes: &[u8], size: usize) -> usize {
        let missing = size.saturating_sub(self.held.len()).min(bytes.len());
        self.held.extend_from_slice(bytes.get(..missing).unwrap_or_default());
        missing
    }

    /// The held header and its bearable length.
    fn header(&self) -> Result<(Header, usize), Progress> {
        let Some(first) = self.held.first_chunk::<{ Header::SIZE }>() else {
            return Err(Progress::Need(Header::SIZE - self.held.len()));
        };
        let header = Header::parse(first);
        self.bearable(header).map(|length| (header, length)).map_err(Progress::Refused)
    }

    /// The claimed length, compared before it is believed.
    fn bearable(&self, header: Header) -> Result<usize, DecodeRefusal> {
        match usize::try_from(header.length) {
            Ok(length) if length <= self.limit => Ok(length),
            Ok(_) | Err(_) => {
                Err(DecodeRefusal::TooLong { length: header.length, limit: self.limit })
            }
        }
    }
}

fn message(header: Header, payload: Vec<u8>) -> Message {
    let Header { number, request_id, transaction, length: _ } = header;
    Message { number, request_id, transaction, payload }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::PAYLOAD_MAX;

    fn bytes_of(message: &Message) -> Vec<u8> {
        let length = u32::try_from(message.payload.len()).expect("a small payload");
        [message.number, message.request_id, message.transaction.0, length]
            .iter()
            .flat_map(|field| field.to_le_bytes())
            .chain(message.payload.iter().copied())
            .collect()
    }

    /// Feeds every piece to the end; collects messages until the end or a refusal.
    fn feed_all(decoder: &mut Decoder, pieces: &[&[u8]]) -> Result<Vec<Message>, DecodeRefusal> {
        let mut messages = vec![];
        for piece in pieces {
            let mut rest = *piece;
            loop {
                let (taken, progress) = decoder.feed(rest);
                rest = &rest[taken..];
                match progress {
                    Progress::Need(missing) => {
                        assert!(missing > 0, "waiting for nothing");
                        assert!(rest.is_empty(), "bytes left behind");
                        break;
                    }
                    Progress::Message(message) => messages.push(message),
                    Progress::Refused(refusal) => return Err(refusal),
                }
            }
        }
        Ok(messages)
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let payload = prop::collection::vec(any::<u8>(), 0..40);
        (any::<u32>(), any::<u32>(), any::<u32>(), payload).prop_map(
            |(number, request_id, transaction, payload)| Message {
                number,
                request_id,
                transaction: TransactionId(transaction),
                payload,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_cutting_of_the_bytes_gives_the_same_messages(
            messages in prop::collection::vec(any_message(), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream: Vec<u8> = messages.iter().flat_map(bytes_of).collect();
            let mut ends: Vec<usize> =
                cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            ends.push(stream.len());
            ends.sort_unstable();
            let mut start = 0;
            let mut pieces = vec![];
            for end in ends {
                pieces.push(&stream[start..end]);
                start = end;
            }
            prop_assert_eq!(feed_all(&mut Decoder::new(PAYLOAD_MAX), &pieces), Ok(messages));
        }

        #[test]
        fn no_bytes_make_it_hold_more_than_its_limit(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..16),
        ) {
            let mut decoder = Decoder::new(32);
            for piece in &pieces {
                let outcome = feed_all(&mut decoder, &[piece]);
                prop_assert!(decoder.held.len() < Header::SIZE + 32);
                if outcome.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn refuses_a_length_above_the_limit_while_only_the_header_is_held() {
        for length in [4097, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            let mut decoder = Decoder::new(PAYLOAD_MAX);
            let mut header = vec![2_u8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
            header.extend_from_slice(&u32::to_le_bytes(length));
            let refusal = DecodeRefusal::TooLong { length, limit: PAYLOAD_MAX };
            assert_eq!(decoder.feed(&header), (Header::SIZE, Progress::Refused(refusal)));
            assert_eq!(decoder.held.capacity(), Header::SIZE);
            assert_eq!(decoder.feed(b"more"), (0, Progress::Refused(refusal)));
        }
    }

    #[test]
    fn refuses_the_same_length_when_the_header_comes_in_two_pieces() {
        let mut decoder = Decoder::new(PAYLOAD_MAX);
        let header = [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0, 0];
        assert_eq!(decoder.feed(&header[..7]), (7, Progress::Need(9)));
        let refusal = DecodeRefusal::TooLong { length: 4097, limit: PAYLOAD_MAX };
        assert_eq!(decoder.feed(&header[7..]), (9, Progress::Refused(refusal)));
    }

    #[test]
    fn takes_a_payload_of_exactly_the_limit() {
        let whole = Message {
            number: 11,
            request_id: 1,
            transaction: TransactionId::NONE,
            payload: vec![b'x'; PAYLOAD_MAX],
        };
        let bytes = bytes_of(&whole);
        let mut decoder = Decoder::new(PAYLOAD_MAX);
        assert_eq!(feed_all(&mut decoder, &[&bytes]), Ok(vec![whole.clone()]));
        assert_eq!(feed_all(&mut decoder, &[&bytes[..100], &bytes[100..]]), Ok(vec![whole]));
    }

    #[test]
    fn a_message_without_payload_is_whole_with_its_header() {
        let empty = Message {
            number: 21,
            request_id: 9,
            transaction: TransactionId::NONE,
            payload: vec![],
        };
        let bytes = bytes_of(&empty);
        let mut decoder = Decoder::new(PAYLOAD_MAX);
        assert_eq!(decoder.feed(&bytes[..15]), (15, Progress::Need(1)));
        assert_eq!(decoder.feed(&bytes[15..]), (1, Progress::Message(empty)));
        assert!(decoder.is_idle());
    }
}
