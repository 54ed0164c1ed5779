//! A string of which only the beginning is kept, in an array.

/// The first bytes of a string, with a count of all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounded<const MAX: usize> {
    bytes: [u8; MAX],
    count: u64,
}

impl<const MAX: usize> Default for Bounded<MAX> {
    fn default() -> Self {
        Self { bytes: [0; MAX], count: 0 }
    }
}

impl<const MAX: usize> Bounded<MAX> {
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn push(&mut self, byte: u8) {
        if let Some(place) = usize::try_from(self.count).ok().and_then(|n| self.bytes.get_mut(n)) {
            *place = byte;
        }
        self.count = self.count.saturating_add(1);
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.count).ok().and_then(|n| self.bytes.get_mut(n..));
        for (place, byte) in room.unwrap_or_default().iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.count = self.count.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    pub(super) fn kept(&self) -> &[u8] {
        usize::try_from(self.count).ok().and_then(|n| self.bytes.get(..n)).unwrap_or(&self.bytes)
    }

    /// The string, unless it was longer than what is kept.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        usize::try_from(self.count).ok().and_then(|n| self.bytes.get(..n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_that_is_too_long_is_not_whole() {
        let mut string = Bounded::<3>::default();
        assert!(string.is_empty());
        b"abc".iter().for_each(|&byte| string.push(byte));
        assert_eq!((string.kept(), string.whole()), (&b"abc"[..], Some(&b"abc"[..])));
        string.push(b'd');
        assert_eq!((string.kept(), string.whole()), (&b"abc"[..], None));
        string.clear();
        assert_eq!(string.whole(), Some(&b""[..]));
        string.extend(b"ab");
        assert_eq!(string.whole(), Some(&b"ab"[..]));
        string.extend(b"cd");
        assert_eq!((string.kept(), string.whole()), (&b"abc"[..], None));
    }
}
