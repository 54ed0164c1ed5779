//! The bytes that wait to be sent to a viewer.
//!
//! This does not bound itself: the session adds only when it is empty.

use alloc::vec::Vec;

/// An empty output gives back memory above this: one screen of text in Hextile fits.
const KEPT_MAX: usize = 32 * 1024;

/// Bytes in the order to send them; numbers go most significant byte first.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    written: usize,
}

impl Output {
    /// What has not been sent yet.
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending().is_empty()
    }

    /// Drops what has been sent.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count).min(self.bytes.len());
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_MAX);
            self.written = 0;
        }
    }

    pub(crate) fn u8(&mut self, number: u8) {
        self.bytes.push(number);
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, number: i32) {
        self.bytes(&number.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Where the next byte goes. It holds until bytes are dropped.
    pub(crate) fn place(&self) -> usize {
        self.bytes.len()
    }

    /// Overwrites a number that was put at a place.
    pub(crate) fn replace_u16(&mut self, place: usize, number: u16) {
        if let Some(bytes) = self.bytes.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
            *bytes = number.to_be_bytes();
        }
    }

    /// Overwrites a number that was put at a place.
    pub(crate) fn replace_u32(&mut self, place: usize, number: u32) {
        if let Some(bytes) = self.bytes.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
            *bytes = number.to_be_bytes();
        }
    }

    /// How many bytes were put since a place.
    pub(crate) fn since(&self, place: usize) -> usize {
        self.bytes.len().saturating_sub(place)
    }

    /// Puts bytes in at a place.
    pub(crate) fn insert(&mut self, place: usize, bytes: &[u8]) {
        let place = place.min(self.bytes.len());
        self.bytes.splice(place..place, bytes.iter().copied());
    }

    /// Drops what was put since a place.
    pub(crate) fn cut(&mut self, place: usize) {
        self.bytes.truncate(place);
    }

    /// Puts a text behind its length, which is cut to what the length can say.
    pub(crate) fn text(&mut self, text: &[u8]) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.u32(length);
        self.bytes.extend(text.iter().zip(0..length).map(|(byte, _)| byte));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec;

    #[test]
    fn what_was_written_is_dropped_and_an_empty_output_keeps_little_memory() {
        let mut output = Output::default();
        output.bytes(&vec![7; 10 * KEPT_MAX]);
        output.u16(0x0102);
        output.wrote(10 * KEPT_MAX);
        assert_eq!(output.pending(), [1, 2]);
        output.wrote(2);
        assert!(output.is_empty());
        assert!(output.bytes.capacity() <= KEPT_MAX);
    }

    #[test]
    fn numbers_go_most_significant_byte_first_and_texts_behind_their_length() {
        let mut output = Output::default();
        output.u8(1);
        output.u32(0x0203_0405);
        output.i32(-2);
        output.text(b"ab");
        let expected = [1, 2, 3, 4, 5, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 2, b'a', b'b'];
        assert_eq!(output.pending(), expected);
    }
}
