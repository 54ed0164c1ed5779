//! What a confined process says when it panics: one bounded line on stderr, then it ends.
//!
//! There is no backtrace: finding one opens files, which is forbidden. `abort` is not used either:
//! the first process of a pid namespace does not receive its own signals.

#![allow(unsafe_code, reason = "ends the process at once, which has no safe form")]

use std::fmt::Write as _;
use std::io::Write as _;

/// What a program that panicked exits with, as everywhere in Rust.
pub(crate) const PANICKED: i32 = 101;
/// A longer message is cut: it may quote what a guest has sent.
const LINE_BYTES_MAX: usize = 256;

/// A line that is written without allocating: the panic may be about memory.
struct Words {
    bytes: [u8; LINE_BYTES_MAX],
    length: usize,
}

impl std::fmt::Write for Words {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            let plain = byte == b' ' || byte.is_ascii_graphic();
            let room = self.bytes.get_mut(self.length).ok_or(std::fmt::Error)?;
            *room = if plain { byte } else { b'?' };
            self.length += 1;
        }
        Ok(())
    }
}

/// From now on a panic writes one line to descriptor 2 and ends the process.
pub(super) fn go_to_stderr() {
    std::panic::set_hook(Box::new(|panic| {
        let mut words = Words { bytes: [0; LINE_BYTES_MAX], length: 0 };
        // What does not fit is cut, and a log that does not listen changes nothing: the end is near.
        let _ = write!(words, "{panic}");
        let _ = words.bytes.get_mut(words.length.min(LINE_BYTES_MAX - 1)).map(|end| *end = b'\n');
        let line = words.bytes.get(..=words.length.min(LINE_BYTES_MAX - 1));
        let _ = std::io::stderr().write_all(line.unwrap_or_default());
        // SAFETY: ends the process; nothing of it is used again.
        unsafe { libc::_exit(PANICKED) }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_without_control_characters() {
        let mut words = Words { bytes: [0; LINE_BYTES_MAX], length: 0 };
        writeln!(words, "a\u{1b}]0;").unwrap();
        assert_eq!(words.bytes.get(..words.length), Some(b"a?]0;?".as_slice()));
        assert!(write!(words, "{}", "x".repeat(1000)).is_err());
        assert_eq!(words.length, LINE_BYTES_MAX);
    }
}
