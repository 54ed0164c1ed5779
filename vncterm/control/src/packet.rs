//! Reading and writing the bytes of one packet, with every length checked.

use alloc::string::String;
use alloc::vec::Vec;

/// The largest packet either side sends: a thumbnail of the largest text that fits.
pub const PACKET_MAX: usize = 32 * 1024;

/// A packet that the other side should not have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The packet ended inside a field.
    #[error("control packet ends inside a field")]
    Truncated,
    /// Bytes were left over.
    #[error("control packet has bytes after its last field")]
    TrailingBytes,
    /// A kind or enumeration number that this version does not know.
    #[error("control packet has unknown number {0}")]
    UnknownNumber(u8),
    /// Text that is not UTF-8.
    #[error("control packet has text that is not UTF-8")]
    NotText,
}

/// A slice that only shrinks.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.bytes()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.bytes()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// The rest of the packet, as text.
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let rest = core::mem::take(&mut self.0);
        core::str::from_utf8(rest).map(String::from).map_err(|_| Malformed::NotText)
    }

    /// Says yes when nothing is left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes) }
    }
}

/// Appends `text` to `packet`, cut at a character so that the packet stays within [`PACKET_MAX`].
pub(crate) fn put_text(packet: &mut Vec<u8>, text: &str) {
    let room = PACKET_MAX.saturating_sub(packet.len());
    let mut end = text.len().min(room);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    packet.extend_from_slice(&text.as_bytes()[..end]);
}
