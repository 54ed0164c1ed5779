//! A watch as its owner named it, and the event that tells of a change.
//!
//! Which watches hear of which change is for the store to say.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::header::append_message;
use crate::path::{Name, PathRefusal};
use crate::strings::Strings;
use crate::{Operation, PayloadTooLong, TransactionId};

/// What the watcher chose to know a watch by: any bytes but NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(Arc<[u8]>);

/// A token that could not cross the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token has a NUL, which would end it")]
pub struct TokenRefusal;

impl Token {
    /// The token of these bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, TokenRefusal> {
        if bytes.contains(&0) { Err(TokenRefusal) } else { Ok(Self(Arc::from(bytes))) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A watch: what is watched, and the watcher's token for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watch {
    /// What is watched.
    pub name: Name,
    /// What the watcher knows it by.
    pub token: Token,
}

/// Tells a watcher that something changed at or below what it watches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchEvent {
    /// What changed; relative where the watch was.
    pub name: Name,
    /// The token of the watch.
    pub token: Token,
}

/// A payload that is no watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchEventRefusal {
    /// A name and a token, no more and no less.
    #[error("a watch event has a name and a token, and nothing else")]
    Malformed,
    /// The name breaks a rule.
    #[error("a watch event's name is none")]
    Name(#[source] PathRefusal),
}

impl WatchEvent {
    /// Reads an event's payload.
    pub fn parse(payload: &[u8]) -> Result<Self, WatchEventRefusal> {
        let mut strings = Strings::new(payload);
        let name = strings.take().map_err(|_| WatchEventRefusal::Malformed)?;
        let token = strings.take().map_err(|_| WatchEventRefusal::Malformed)?;
        strings.finish().map_err(|_| WatchEventRefusal::Malformed)?;
        let name = Name::parse(name).map_err(WatchEventRefusal::Name)?;
        Ok(Self { name, token: Token(Arc::from(token)) })
    }

    /// Appends the event as a whole message, or leaves `out` as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PayloadTooLong> {
        append_message(out, Operation::WatchEvent, 0, TransactionId::NONE, |payload| {
            append_pair(&self.name, &self.token, payload);
        })
    }
}

impl Watch {
    /// Reads the two strings of UNWATCH.
    pub(crate) fn parse(mut strings: Strings<'_>) -> Result<Self, WatchEventRefusal> {
        let name = strings.take().map_err(|_| WatchEventRefusal::Malformed)?;
        let token = Strings::only(strings.take_rest()).map_err(|_| WatchEventRefusal::Malformed)?;
        Self::of(name, token)
    }

    /// A watch of a name and a token that was ended by a NUL.
    pub(crate) fn of(name: &[u8], token: &[u8]) -> Result<Self, WatchEventRefusal> {
        let name = Name::parse(name).map_err(WatchEventRefusal::Name)?;
        Ok(Self { name, token: Token(Arc::from(token)) })
    }

    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        append_pair(&self.name, &self.token, out);
    }
}

fn append_pair(name: &Name, token: &Token, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.push(0);
    out.extend_from_slice(token.as_bytes());
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_any_bytes_but_nul() {
        assert_eq!(Token::new(b"a\0b"), Err(TokenRefusal));
        let token = Token::new(b"\xff/ ").expect("no NUL");
        assert_eq!(token.as_bytes(), b"\xff/ ");
    }

    #[test]
    fn refuses_an_event_that_is_not_a_name_and_a_token() {
        for payload in [&b""[..], b"/a\0", b"/a\0b", b"/a\0b\0c\0", b"/a\0b\0\0"] {
            assert_eq!(WatchEvent::parse(payload), Err(WatchEventRefusal::Malformed));
        }
        let refusal = WatchEventRefusal::Name(PathRefusal::EmptyComponent);
        assert_eq!(WatchEvent::parse(b"//\0b\0"), Err(refusal));
    }

    #[test]
    fn an_event_that_is_too_long_is_not_written() {
        let event = WatchEvent {
            name: "/a".parse().expect("a path"),
            token: Token::new(&[b't'; 4096]).expect("no NUL"),
        };
        let mut out = Vec::new();
        assert_eq!(event.encode(&mut out), Err(PayloadTooLong { length: 4100 }));
        assert!(out.is_empty());
    }
}
