//! Answers to the guest, waiting to be sent.

use alloc::collections::VecDeque;
use core::ops::Deref;

/// The longest run of bytes that one reply or one key stands for; the longest reply has 21.
pub const SHORT_BYTES_MAX: usize = 32;

/// How many replies wait at most. A guest that asks without reading loses the later ones, as
/// it would if a real terminal's line were full.
const REPLIES_MAX: usize = 64;

/// A few bytes, as one reply or one key gives.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ShortBytes {
    bytes: [u8; SHORT_BYTES_MAX],
    len: usize,
}

impl ShortBytes {
    /// Appends `byte`; one too many is lost.
    pub(crate) fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push(byte);
        }
    }
}

impl From<&[u8]> for ShortBytes {
    fn from(bytes: &[u8]) -> Self {
        let mut short = Self::default();
        short.extend(bytes);
        short
    }
}

impl Deref for ShortBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

impl core::fmt::Debug for ShortBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

impl core::fmt::Write for ShortBytes {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}

/// The replies that the guest has not been sent yet, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replies(VecDeque<ShortBytes>);

impl Replies {
    /// Queues a reply, unless the queue is full.
    pub(crate) fn push(&mut self, reply: core::fmt::Arguments<'_>) {
        if self.0.len() >= REPLIES_MAX {
            return;
        }
        let mut bytes = ShortBytes::default();
        // Writing to `ShortBytes` cannot fail.
        let _ = core::fmt::Write::write_fmt(&mut bytes, reply);
        self.0.push_back(bytes);
    }

    pub(crate) fn take(&mut self) -> Option<ShortBytes> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_beyond_the_limit_are_dropped_whole() {
        let mut replies = Replies::default();
        for n in 0..1000 {
            replies.push(format_args!("\x1b[{n}n"));
        }
        let mut taken = 0;
        while let Some(reply) = replies.take() {
            assert_eq!(&*reply, alloc::format!("\x1b[{taken}n").as_bytes());
            taken += 1;
        }
        assert_eq!(taken, REPLIES_MAX);
    }
}
