//! Bits packed into bytes, the first into the lowest (RFC 1951, 3.1.1).

use crate::output::Output;

/// Bits that are not yet a whole byte.
#[derive(Debug, Default)]
pub(super) struct Bits {
    held: u64,
    count: u32,
}

impl Bits {
    /// Puts the lowest `count` bits of a value, at most 32 of them; the others must be zero.
    pub(super) fn put(&mut self, value: u32, count: u32, output: &mut Output) {
        self.held |= u64::from(value) << self.count;
        self.count += count;
        if self.count >= 32 {
            let [a, b, c, d, ..] = self.held.to_le_bytes();
            output.bytes(&[a, b, c, d]);
            self.held >>= 32;
            self.count -= 32;
        }
    }

    /// Puts out all bits, with zeros up to a whole byte.
    pub(super) fn align(&mut self, output: &mut Output) {
        self.count = self.count.next_multiple_of(8);
        self.put_whole_bytes(output);
    }

    /// Puts out what has whole bytes, and holds less than one back.
    pub(super) fn put_whole_bytes(&mut self, output: &mut Output) {
        while self.count >= 8 {
            let [byte, ..] = self.held.to_le_bytes();
            output.u8(byte);
            self.held >>= 8;
            self.count -= 8;
        }
    }
}
