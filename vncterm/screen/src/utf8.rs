//! UTF-8 taken byte by byte, so that a character may be cut anywhere between two reads.
//!
//! What cannot be part of a character is replaced as the Unicode Standard 3.9 (table 3-8)
//! recommends: one U+FFFD for each maximal part of a sequence that was fine so far.

/// What one byte led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// The character is not whole yet.
    Partial,
    /// A character is whole.
    Char(char),
    /// This byte cannot begin a character: it counts as one U+FFFD.
    Invalid,
    /// The character before this byte was cut short and counts as one U+FFFD; the
    /// byte itself is not taken and has to be looked at afresh.
    CutShort,
}

/// A decoder between two bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Utf8 {
    code: u32,
    /// How many continuation bytes are still to come.
    missing: u8,
    /// What the next continuation byte may be. Narrower than 0x80..=0xbf after a first byte that
    /// could begin an overlong form, a surrogate or a number above U+10FFFF.
    lowest: u8,
    highest: u8,
}

impl Utf8 {
    pub(crate) fn is_between_characters(&self) -> bool {
        self.missing == 0
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn take(&mut self, byte: u8) -> Decoded {
        if self.missing == 0 {
            return self.begin(byte);
        }
        if !(self.lowest..=self.highest).contains(&byte) {
            self.clear();
            return Decoded::CutShort;
        }
        self.code = self.code << 6 | u32::from(byte & 0x3f);
        (self.lowest, self.highest) = (0x80, 0xbf);
        self.missing -= 1;
        if self.missing > 0 {
            return Decoded::Partial;
        }
        char::from_u32(self.code).map_or(Decoded::Invalid, Decoded::Char)
    }

    fn begin(&mut self, byte: u8) -> Decoded {
        let (missing, bits, lowest, highest) = match byte {
            0x00..=0x7f => return Decoded::Char(char::from(byte)),
            0xc2..=0xdf => (1, byte & 0x1f, 0x80, 0xbf),
            0xe0 => (2, 0, 0xa0, 0xbf),
            0xed => (2, byte & 0x0f, 0x80, 0x9f),
            0xe1..=0xef => (2, byte & 0x0f, 0x80, 0xbf),
            0xf0 => (3, 0, 0x90, 0xbf),
            0xf1..=0xf3 => (3, byte & 0x07, 0x80, 0xbf),
            0xf4 => (3, byte & 0x07, 0x80, 0x8f),
            0x80..=0xc1 | 0xf5..=0xff => return Decoded::Invalid,
        };
        *self = Self { code: u32::from(bits), missing, lowest, highest };
        Decoded::Partial
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> String {
        let mut decoder = Utf8::default();
        let mut text = String::new();
        for &byte in bytes {
            loop {
                match decoder.take(byte) {
                    Decoded::Partial => {}
                    Decoded::Char(character) => text.push(character),
                    Decoded::Invalid => text.push('\u{fffd}'),
                    Decoded::CutShort => {
                        text.push('\u{fffd}');
                        continue;
                    }
                }
                break;
            }
        }
        if !decoder.is_between_characters() {
            text.push('\u{fffd}');
        }
        text
    }

    #[test]
    fn every_scalar_value_decodes_to_itself() {
        for character in '\0'..=char::MAX {
            let mut buffer = [0; 4];
            let mut decoder = Utf8::default();
            let mut last = Decoded::Partial;
            for &byte in character.encode_utf8(&mut buffer).as_bytes() {
                assert_eq!(last, Decoded::Partial);
                last = decoder.take(byte);
            }
            assert_eq!(last, Decoded::Char(character));
        }
    }

    #[test]
    fn replaces_what_the_standard_replaces() {
        // The examples of the Unicode Standard, tables 3-8 to 3-11.
        assert_eq!(decode(b"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"), "\u{fffd}".repeat(8) + "A");
        assert_eq!(decode(b"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41"), "\u{fffd}".repeat(8) + "A");
        assert_eq!(
            decode(b"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42"),
            "\u{fffd}".repeat(5) + "A\u{fffd}\u{fffd}B"
        );
        assert_eq!(
            decode(b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"),
            "\u{fffd}\u{fffd}\u{fffd}\u{fffd}A"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), 0x80u8..=0xff], 0..64))
        {
            prop_assert_eq!(decode(&bytes), String::from_utf8_lossy(&bytes));
        }
    }
}
