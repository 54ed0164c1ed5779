//! The 16 bytes before every payload, and the one way a message is framed.
//!
//! A header says nothing about whether its length is bearable: the decoder decides that.

use alloc::vec::Vec;

use crate::Operation;

/// The most bytes a payload may have: `XENSTORE_PAYLOAD_MAX` of `xs_wire.h`.
pub const PAYLOAD_MAX: usize = 4096;

/// A transaction, by the number that its connection knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u32);

impl TransactionId {
    /// No transaction.
    pub const NONE: Self = Self(0);
}

/// What stands before a payload, each field a little-endian u32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The operation's number, which need not be one that is known.
    pub number: u32,
    /// Chosen by the client, echoed in the reply.
    pub request_id: u32,
    /// The transaction that the request belongs to.
    pub transaction: TransactionId,
    /// The payload's length in bytes, as claimed.
    pub length: u32,
}

impl Header {
    /// The bytes a header takes.
    pub const SIZE: usize = 16;

    /// Reads the four fields.
    #[must_use]
    pub fn parse(bytes: &[u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
        Self {
            number: u32::from_le_bytes([a, b, c, d]),
            request_id: u32::from_le_bytes([e, f, g, h]),
            transaction: TransactionId(u32::from_le_bytes([i, j, k, l])),
            length: u32::from_le_bytes([m, n, o, p]),
        }
    }

    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.request_id.to_le_bytes());
        out.extend_from_slice(&self.transaction.0.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes());
    }
}

/// A payload that no message may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("payload of {length} bytes is above the limit of {PAYLOAD_MAX}")]
pub struct PayloadTooLong {
    /// The bytes it would have had.
    pub length: usize,
}

/// Appends one message to `out`: a header whose length is that of what `payload` appends.
///
/// The length can't disagree with the payload, because only this function writes it. A payload
/// above the limit leaves `out` as it was.
pub(crate) fn append_message(
    out: &mut Vec<u8>,
    operation: Operation,
    request_id: u32,
    transaction: TransactionId,
    payload: impl FnOnce(&mut Vec<u8>),
) -> Result<(), PayloadTooLong> {
    let start = out.len();
    let header = Header { number: operation.number(), request_id, transaction, length: 0 };
    header.append(out);
    payload(out);
    let length = out.len() - start - Header::SIZE;
    let claimed = match u32::try_from(length) {
        Ok(claimed) if length <= PAYLOAD_MAX => claimed,
        Ok(_) | Err(_) => {
            out.truncate(start);
            return Err(PayloadTooLong { length });
        }
    };
    if let Some(field) = out.get_mut(start + Header::SIZE - 4..start + Header::SIZE) {
        field.copy_from_slice(&claimed.to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_payload_above_the_limit_leaves_the_buffer_as_it_was() {
        let mut out = vec![7];
        let refused =
            append_message(&mut out, Operation::Write, 1, TransactionId::NONE, |payload| {
                payload.resize(payload.len() + PAYLOAD_MAX + 1, 0);
            });
        assert_eq!(refused, Err(PayloadTooLong { length: PAYLOAD_MAX + 1 }));
        assert_eq!(out, [7]);
    }

    #[test]
    fn the_length_is_that_of_the_payload() {
        let mut out = vec![];
        append_message(&mut out, Operation::Read, 2, TransactionId(3), |payload| {
            payload.extend_from_slice(b"/a\0");
        })
        .expect("three bytes fit");
        let bytes: &[u8; Header::SIZE] = out.first_chunk().expect("a header was written");
        assert_eq!(
            Header::parse(bytes),
            Header { number: 2, request_id: 2, transaction: TransactionId(3), length: 3 }
        );
    }
}
