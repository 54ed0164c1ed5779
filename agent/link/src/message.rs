//! Netlink's framing (Linux, netlink(7)): messages and attributes, built and taken apart.
//!
//! Only what this crate says and wants to hear is known; an attribute of a later kernel is passed
//! over, where a typed parser would give the whole message up.

/// Everything stands at multiples of this.
const ALIGNMENT: usize = 4;
/// Bytes of a message's header.
const HEADER: usize = 16;
/// Bytes of an attribute's header.
const ATTRIBUTE_HEADER: usize = 4;
/// An attribute's kind, without the bits that say how it is encoded.
const KIND_MASK: u16 = 0x3fff;

fn aligned(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

/// A message under way.
#[derive(Debug, Clone)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// A message of some kind. `body` is the fixed part that its kind begins with.
    pub(crate) fn new(kind: u16, flags: u16, body: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // The sequence number, and the sender's address, which the kernel knows.
        bytes.extend([0; 8]);
        bytes.extend(body);
        Self(bytes)
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(attribute(kind, value));
        self
    }

    /// The whole message, numbered.
    pub(crate) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_ne_bytes();
        for (place, byte) in self.0.iter_mut().zip(length) {
            *place = byte;
        }
        for (place, byte) in self.0.iter_mut().skip(8).zip(sequence.to_ne_bytes()) {
            *place = byte;
        }
        self.0
    }
}

/// One attribute. Values are this program's own, and short.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(aligned(bytes.len()), 0);
    bytes
}

/// A text as the kernel wants it: ended by a NUL.
pub(crate) fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), &[0]].concat()
}

/// A message that has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// The messages of one datagram; what doesn't hold together ends them.
pub(crate) fn messages(mut rest: &[u8]) -> impl Iterator<Item = Came<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let payload = rest.get(HEADER..length)?;
        let came = Came {
            kind: u16_at(rest, 4)?,
            flags: u16_at(rest, 6)?,
            sequence: u32_at(rest, 8)?,
            payload,
        };
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some(came)
    })
}

/// The attributes behind the first `skip` bytes of a payload.
pub(crate) fn attributes(payload: &[u8], skip: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = payload.get(aligned(skip)..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & KIND_MASK;
        let value = rest.get(ATTRIBUTE_HEADER..length)?;
        rest = rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The number at a place.
pub(crate) fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

/// The same of two bytes.
pub(crate) fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes.get(place..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

/// A text that ends by a NUL, or with its attribute.
pub(crate) fn read_text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_found_again() {
        let message = Message::new(16, 5, &[1, 2, 3, 4])
            .with(3, &text("vif7.0"))
            .with(4, &9_u32.to_ne_bytes());
        let bytes = [message.clone().finish(7), message.finish(8)].concat();
        let came: Vec<Came<'_>> = messages(&bytes).collect();
        assert_eq!(came.len(), 2);
        assert_eq!(
            (came[0].kind, came[0].flags, came[0].sequence, came[1].sequence),
            (16, 5, 7, 8)
        );
        let found: Vec<(u16, &[u8])> = attributes(came[1].payload, 4).collect();
        assert_eq!(read_text(found[0].1), "vif7.0");
        assert_eq!((found[1].0, u32_at(found[1].1, 0)), (4, Some(9)));
    }

    #[test]
    fn what_is_cut_off_or_lies_about_its_length_ends_and_never_loops() {
        let whole = Message::new(16, 0, &[0; 4]).with(3, &text("eth0")).finish(1);
        for end in 0..whole.len() {
            assert_eq!(messages(&whole[..end]).count(), 0, "{end}");
        }
        for length in [0_u32, 1, 15, 17, u32::MAX] {
            let mut lie = whole.clone();
            lie[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(messages(&lie).count() <= 1, "{length}");
        }
        assert_eq!(attributes(&[0; 64], 0).count(), 0, "an attribute of no length");
        assert_eq!(attributes(&[255; 64], 0).count(), 0);
    }
}
