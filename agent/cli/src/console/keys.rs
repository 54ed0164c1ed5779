//! What the user's bytes mean: text for the guest, or a command to this program after the escape
//! key. Time is the caller's: it says when the escape key has stood alone for long enough.

use std::fmt;
use std::str::FromStr;

/// The key that begins a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EscapeKey {
    /// This byte.
    Byte(u8),
    /// There is none: every byte is the guest's.
    None,
}

/// A word that names no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an escape key is ^ and a letter or one of [\\]^_, one ASCII character, or none")]
pub(crate) struct NotAKey;

impl FromStr for EscapeKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        match text.as_bytes() {
            b"none" => Ok(Self::None),
            [b'^', key] => match key.to_ascii_uppercase() {
                upper @ b'A'..=b'_' => Ok(Self::Byte(upper - 0x40)),
                _ => Err(NotAKey),
            },
            [key @ (b'!'..=b'~' | 0x01..=0x1f)] => Ok(Self::Byte(*key)),
            _ => Err(NotAKey),
        }
    }
}

impl fmt::Display for EscapeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(control @ ..0x20) => {
                write!(formatter, "Ctrl-{}", char::from(control + 0x40))
            }
            Self::Byte(other) => write!(formatter, "{}", char::from(*other)),
            Self::None => formatter.write_str("none"),
        }
    }
}

/// What to do about some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The guest gets these.
    Send(Vec<u8>),
    /// The user leaves; what follows is nobody's.
    Leave,
    /// The user wants to know the keys.
    Help,
    /// No command is called so: nothing happens, and the user is told.
    Unknown(u8),
}

/// Where in a command the user is.
#[derive(Debug)]
pub(crate) struct Keys {
    escape: EscapeKey,
    escaped: bool,
}

impl Keys {
    /// Commands begin with `escape`.
    pub(crate) fn new(escape: EscapeKey) -> Self {
        Self { escape, escaped: false }
    }

    /// The key that begins a command.
    pub(crate) fn escape(&self) -> EscapeKey {
        self.escape
    }

    /// Whether the escape key was the last: alone for a second, it means [`Act::Leave`].
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Takes what the user has typed.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut text = Vec::new();
        for &byte in bytes {
            let is_escape = self.escape == EscapeKey::Byte(byte);
            match (self.escaped, byte) {
                (false, _) if is_escape => self.escaped = true,
                (false, _) => text.push(byte),
                (true, _) if is_escape => {
                    self.escaped = false;
                    text.push(byte);
                }
                (true, command) => {
                    self.escaped = false;
                    if !text.is_empty() {
                        acts.push(Act::Send(std::mem::take(&mut text)));
                    }
                    match command {
                        b'.' => {
                            acts.push(Act::Leave);
                            return acts;
                        }
                        b'?' => acts.push(Act::Help),
                        other => acts.push(Act::Unknown(other)),
                    }
                }
            }
        }
        if !text.is_empty() {
            acts.push(Act::Send(text));
        }
        acts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL_BRACKET: EscapeKey = EscapeKey::Byte(0x1d);

    fn send(text: &str) -> Act {
        Act::Send(text.as_bytes().to_vec())
    }

    #[test]
    fn text_is_the_guests() {
        let mut keys = Keys::new(CONTROL_BRACKET);
        assert_eq!(keys.take(b"ls -l\r\x03"), [send("ls -l\r\x03")]);
        assert!(!keys.is_escaped());
    }

    #[test]
    fn the_escape_key_and_a_dot_leave_in_one_piece_or_two() {
        assert_eq!(Keys::new(CONTROL_BRACKET).take(b"a\x1d.b"), [send("a"), Act::Leave]);
        let mut keys = Keys::new(CONTROL_BRACKET);
        assert_eq!(keys.take(b"\x1d"), []);
        assert!(keys.is_escaped());
        assert_eq!(keys.take(b"."), [Act::Leave]);
    }

    #[test]
    fn the_escape_key_twice_sends_one() {
        assert_eq!(Keys::new(CONTROL_BRACKET).take(b"\x1d\x1d."), [send("\x1d.")]);
    }

    #[test]
    fn an_unknown_command_sends_nothing() {
        let mut keys = Keys::new(CONTROL_BRACKET);
        assert_eq!(keys.take(b"\x1dls"), [Act::Unknown(b'l'), send("s")]);
        assert_eq!(keys.take(b"\x1d?"), [Act::Help]);
    }

    #[test]
    fn without_an_escape_key_every_byte_is_the_guests() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(Keys::new(EscapeKey::None).take(&all), [Act::Send(all)]);
    }

    #[test]
    fn keys_are_named_as_people_name_them() {
        let key = |text: &str| text.parse::<EscapeKey>();
        assert_eq!(key("^]"), Ok(CONTROL_BRACKET));
        assert_eq!(key("^a"), Ok(EscapeKey::Byte(1)));
        assert_eq!(key("~"), Ok(EscapeKey::Byte(b'~')));
        assert_eq!(key("none"), Ok(EscapeKey::None));
        assert_eq!(key("^"), Ok(EscapeKey::Byte(b'^')));
        for wrong in ["", "^^^", "^1", "ab", "ü", " "] {
            assert_eq!(key(wrong), Err(NotAKey), "{wrong}");
        }
        assert_eq!(CONTROL_BRACKET.to_string(), "Ctrl-]");
        assert_eq!(EscapeKey::Byte(b'~').to_string(), "~");
    }
}
