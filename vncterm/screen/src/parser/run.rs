//! Runs of text: how far what can be printed reaches, taken at once.
//!
//! What is malformed, cut short or a control character ends a run; the parser reads it byte by byte.

/// How many characters a run holds: most of a line.
const CHARACTERS_MAX: usize = 64;

/// Parts the printable ASCII that `bytes` begins with from the rest.
pub(super) fn split_printable(bytes: &[u8]) -> (&[u8], &[u8]) {
    // Sixteen at a time without an early exit, which the compiler turns into vector compares.
    const LANES: usize = 16;
    let is_printable = |byte: &u8| (0x20..=0x7e).contains(byte);
    let whole = bytes
        .chunks_exact(LANES)
        .take_while(|chunk| chunk.iter().fold(true, |all, byte| all & is_printable(byte)))
        .count()
        * LANES;
    let tail = bytes.get(whole..).unwrap_or_default().iter().take(LANES);
    let len = whole + tail.take_while(|byte| is_printable(byte)).count();
    bytes.split_at(len)
}

/// Characters decoded from UTF-8, none a control character.
pub(super) struct Characters {
    characters: [char; CHARACTERS_MAX],
    len: usize,
}

impl Characters {
    /// Parts the characters that `bytes` begins with from the rest.
    pub(super) fn split(bytes: &[u8]) -> (Self, &[u8]) {
        let mut run = Self { characters: ['\0'; CHARACTERS_MAX], len: 0 };
        let mut rest = bytes;
        for place in &mut run.characters {
            let Some((character, tail)) = first(rest) else { break };
            *place = character;
            run.len += 1;
            rest = tail;
        }
        (run, rest)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn as_slice(&self) -> &[char] {
        self.characters.get(..self.len).unwrap_or_default()
    }
}

/// The character that `bytes` begins with, if that is whole, well-formed and none of control.
fn first(bytes: &[u8]) -> Option<(char, &[u8])> {
    let tail = |byte: u8| u32::from(byte & 0x3f);
    let (code, least, rest) = match *bytes {
        [one @ 0x20..=0x7e, ref rest @ ..] => return Some((char::from(one), rest)),
        [one @ 0xc2..=0xdf, two @ 0x80..=0xbf, ref rest @ ..] => {
            (u32::from(one & 0x1f) << 6 | tail(two), 0xa0, rest)
        }
        [one @ 0xe0..=0xef, two @ 0x80..=0xbf, three @ 0x80..=0xbf, ref rest @ ..] => {
            (u32::from(one & 0x0f) << 12 | tail(two) << 6 | tail(three), 0x800, rest)
        }
        [
            one @ 0xf0..=0xf4,
            two @ 0x80..=0xbf,
            three @ 0x80..=0xbf,
            four @ 0x80..=0xbf,
            ref rest @ ..,
        ] => {
            let high = u32::from(one & 0x07) << 18 | tail(two) << 12;
            (high | tail(three) << 6 | tail(four), 0x1_0000, rest)
        }
        _ => return None,
    };
    // Shorter forms exist for less; surrogates and what is above U+10FFFF are none.
    let character = char::from_u32(code).filter(|_| code >= least)?;
    Some((character, rest))
}
