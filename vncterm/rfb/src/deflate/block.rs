//! Tokens written as a block of the shortest kind: stored, with fixed codes, or with its own
//! (RFC 1951, 3.2.3 to 3.2.7).

use crate::output::Output;

use super::bits::Bits;
use super::huffman::{self, BITS_MAX, Code};

/// Tokens of a block: enough for its own codes to pay, and 8 KiB.
pub(super) const TOKENS_MAX: usize = 2048;

/// Bytes of a block are sent for each byte that it costs beyond them, when nothing repeats.
#[cfg(test)]
pub(super) const GROWTH: usize = TOKENS_MAX / 8;

/// Symbols of literals, the end of a block, and lengths.
const LITERALS: usize = 288;
const END: usize = 256;
const FIRST_LENGTH: usize = 257;

/// Symbols of distances.
const DISTANCES: usize = 30;

/// Symbols of the code in which codes' lengths are sent, and the order of their own lengths.
const LENGTH_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LENGTH_BITS_MAX: usize = 7;

/// Below this many tokens a block's own codes never pay for themselves.
const OWN_CODES_MIN: usize = 48;

/// A block's head: not the last, then its kind.
const STORED: u32 = 0b000;
const FIXED: u32 = 0b010;
const OWN: u32 = 0b100;
const HEAD_BITS: u32 = 3;

static FIXED_LITERALS: [Code; LITERALS] = {
    let mut lengths = [8; LITERALS];
    let mut at = 144;
    while at < 280 {
        lengths[at] = if at < 256 { 9 } else { 7 };
        at += 1;
    }
    huffman::codes(&lengths)
};
static FIXED_DISTANCES: [Code; 32] = huffman::codes(&[5; 32]);

/// A literal byte, or a repeat: bit 31, then the length less 3 from bit 16 on, then the distance
/// less 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token(u32);

const REPEAT: u32 = 1 << 31;

impl Token {
    pub(super) fn literal(byte: u8) -> Self {
        Self(byte.into())
    }

    /// From 3 to 258 bytes, from 1 to 32,768 back.
    pub(super) fn repeat(length: usize, distance: usize) -> Self {
        let field = |value: usize, less: usize| u32::try_from(value - less).unwrap_or(0);
        Self(REPEAT | field(length, 3) << 16 | field(distance, 1))
    }
}

/// A value as DEFLATE has it: a symbol, and extra bits behind it.
#[derive(Clone, Copy)]
struct Symbol {
    symbol: usize,
    extra: u32,
    extra_bits: u32,
}

/// The symbol of a length less 3 (RFC 1951, 3.2.5): four symbols for each power of two.
fn length_symbol(length: u32) -> Symbol {
    if length == 255 {
        return Symbol { symbol: 285, extra: 0, extra_bits: 0 };
    }
    let extra_bits = length.checked_ilog2().unwrap_or(0).saturating_sub(2);
    let symbol = 4 * extra_bits + (length >> extra_bits);
    Symbol { symbol: FIRST_LENGTH + index(symbol), extra: low(length, extra_bits), extra_bits }
}

/// The symbol of a distance less 1: two symbols for each power of two.
fn distance_symbol(distance: u32) -> Symbol {
    let extra_bits = distance.checked_ilog2().unwrap_or(0).saturating_sub(1);
    let symbol = 2 * extra_bits + (distance >> extra_bits);
    Symbol { symbol: index(symbol), extra: low(distance, extra_bits), extra_bits }
}

fn low(value: u32, bits: u32) -> u32 {
    value & ((1 << bits) - 1)
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// What a token is made of.
enum Parts {
    Literal(usize),
    Repeat(Symbol, Symbol),
}

fn parts(token: Token) -> Parts {
    if token.0 & REPEAT == 0 {
        return Parts::Literal(index(token.0));
    }
    let length = (token.0 >> 16) & 0xff;
    Parts::Repeat(length_symbol(length), distance_symbol(token.0 & 0xffff))
}

/// How often each symbol comes in a block.
struct Counts {
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    extra_bits: u32,
}

impl Counts {
    fn of(tokens: &[Token]) -> Self {
        let mut counts = Self { literals: [0; LITERALS], distances: [0; DISTANCES], extra_bits: 0 };
        for token in tokens {
            match parts(*token) {
                Parts::Literal(symbol) => counts.literals[symbol] += 1,
                Parts::Repeat(length, distance) => {
                    counts.literals[length.symbol] += 1;
                    counts.distances[distance.symbol] += 1;
                    counts.extra_bits += length.extra_bits + distance.extra_bits;
                }
            }
        }
        counts.literals[END] += 1;
        counts
    }

    /// The bits that the block takes with codes of given lengths.
    fn bits(&self, literals: impl Iterator<Item = u8>, distances: impl Iterator<Item = u8>) -> u32 {
        let literals = self.literals.iter().zip(literals);
        let symbols = literals.chain(self.distances.iter().zip(distances));
        symbols.map(|(count, length)| count * u32::from(length)).sum::<u32>() + self.extra_bits
    }
}

/// A block's own codes, and how their lengths are sent.
struct OwnCodes {
    literals: [u8; LITERALS],
    distances: [u8; DISTANCES],
    literals_sent: usize,
    distances_sent: usize,
    /// Lengths of the code for lengths.
    code: [u8; 19],
    code_sent: usize,
    head_bits: u32,
}

impl OwnCodes {
    fn of(counts: &Counts) -> Self {
        let literals = huffman::lengths(&counts.literals, BITS_MAX);
        let mut distances = huffman::lengths(&counts.distances, BITS_MAX);
        if distances == [0; DISTANCES] {
            // Some inflaters want one although none is used.
            distances[0] = 1;
        }
        let sent = |lengths: &[u8]| lengths.iter().rposition(|l| *l > 0).map_or(0, |last| last + 1);
        let mut own = Self {
            literals_sent: sent(&literals).max(FIRST_LENGTH),
            distances_sent: sent(&distances).max(1),
            literals,
            distances,
            code: [0; 19],
            code_sent: 0,
            head_bits: 0,
        };
        let (mut runs, mut extra_bits) = ([0_u32; 19], 0);
        own.runs(|symbol, _, bits| {
            runs[symbol] += 1;
            extra_bits += bits;
        });
        own.code = huffman::lengths(&runs, LENGTH_BITS_MAX);
        let last = LENGTH_ORDER.iter().rposition(|symbol| own.code[*symbol] > 0);
        own.code_sent = last.map_or(4, |last| last + 1).max(4);
        let lengths_bits: u32 = runs.iter().zip(own.code).map(|(n, l)| n * u32::from(l)).sum();
        own.head_bits =
            14 + 3 * u32::try_from(own.code_sent).unwrap_or(0) + lengths_bits + extra_bits;
        own
    }

    /// Gives the lengths as they are sent: symbols, and extra bits with their number.
    fn runs(&self, mut found: impl FnMut(usize, u32, u32)) {
        let literals = self.literals.iter().take(self.literals_sent);
        let mut lengths =
            literals.chain(self.distances.iter().take(self.distances_sent)).peekable();
        while let Some(length) = lengths.next() {
            let most = if *length == 0 { 138 } else { 7 };
            let mut run = 1_u32;
            while run < most && lengths.next_if_eq(&length).is_some() {
                run += 1;
            }
            if *length > 0 {
                // One by itself, up to six more as a run.
                found((*length).into(), 0, 0);
                run -= 1;
            }
            match (*length, run) {
                (0, 11..) => found(18, run - 11, 7),
                (0, 3..) => found(17, run - 3, 3),
                (1.., 3..) => found(16, run - 3, 2),
                _ => (0..run).for_each(|_| found((*length).into(), 0, 0)),
            }
        }
    }

    fn write_head(&self, bits: &mut Bits, output: &mut Output) {
        let count = |sent: usize, least: usize| u32::try_from(sent - least).unwrap_or(0);
        bits.put(OWN, HEAD_BITS, output);
        bits.put(count(self.literals_sent, FIRST_LENGTH), 5, output);
        bits.put(count(self.distances_sent, 1), 5, output);
        bits.put(count(self.code_sent, 4), 4, output);
        for symbol in LENGTH_ORDER.iter().take(self.code_sent) {
            bits.put(self.code[*symbol].into(), 3, output);
        }
        let code = huffman::codes(&self.code);
        self.runs(|symbol, extra, extra_bits| {
            put(code[symbol], bits, output);
            bits.put(extra, extra_bits, output);
        });
    }
}

/// Writes a block of tokens that stand for `bytes`; gives how many bits end it.
pub(super) fn write(tokens: &[Token], bytes: &[u8], bits: &mut Bits, output: &mut Output) -> u8 {
    let counts = Counts::of(tokens);
    let fixed = |codes: &'static [Code]| codes.iter().map(|code| code.length);
    let fixed_bits = counts.bits(fixed(&FIXED_LITERALS), fixed(&FIXED_DISTANCES));
    let own = (tokens.len() >= OWN_CODES_MIN).then(|| OwnCodes::of(&counts));
    let own_bits = own.as_ref().map_or(u32::MAX, |own| {
        let lengths = (own.literals.iter().copied(), own.distances.iter().copied());
        own.head_bits + counts.bits(lengths.0, lengths.1)
    });

    // A stored block's length has 16 bits; it takes up to a byte to align, and its head.
    let stored_length = u16::try_from(bytes.len()).ok();
    let stored_bits = u32::try_from(8 * bytes.len() + 40).unwrap_or(u32::MAX);
    match (own, stored_length) {
        (_, Some(length)) if stored_bits < fixed_bits.min(own_bits) => {
            store(length, bytes, bits, output);
            0
        }
        (Some(own), _) if own_bits < fixed_bits => {
            own.write_head(bits, output);
            let codes = (huffman::codes(&own.literals), huffman::codes(&own.distances));
            write_tokens(tokens, &codes.0, &codes.1, bits, output);
            own.literals[END]
        }
        _ => {
            bits.put(FIXED, HEAD_BITS, output);
            write_tokens(tokens, &FIXED_LITERALS, &FIXED_DISTANCES, bits, output);
            FIXED_LITERALS[END].length
        }
    }
}

/// Ends a piece whose last block so many bits end: all before them goes out, at most seven bits are
/// held back.
///
/// That is what zlib calls a partial flush: three bytes less for each piece than an empty stored
/// block, and everything up to it can be inflated all the same.
pub(super) fn end_piece(end_bits: u8, bits: &mut Bits, output: &mut Output) {
    if end_bits < 7 {
        bits.put(FIXED, HEAD_BITS, output);
        put(FIXED_LITERALS[END], bits, output);
    }
    bits.put_whole_bytes(output);
}

fn store(length: u16, bytes: &[u8], bits: &mut Bits, output: &mut Output) {
    bits.put(STORED, HEAD_BITS, output);
    bits.align(output);
    output.bytes(&length.to_le_bytes());
    output.bytes(&(!length).to_le_bytes());
    output.bytes(bytes);
}

fn write_tokens(
    tokens: &[Token],
    literals: &[Code; LITERALS],
    distances: &[Code],
    bits: &mut Bits,
    output: &mut Output,
) {
    for token in tokens {
        match parts(*token) {
            Parts::Literal(symbol) => put(literals[symbol], bits, output),
            Parts::Repeat(length, distance) => {
                put(literals[length.symbol], bits, output);
                bits.put(length.extra, length.extra_bits, output);
                put(distances[distance.symbol], bits, output);
                bits.put(distance.extra, distance.extra_bits, output);
            }
        }
    }
    put(literals[END], bits, output);
}

fn put(code: Code, bits: &mut Bits, output: &mut Output) {
    bits.put(code.bits.into(), code.length.into(), output);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_distances_have_the_specifications_symbols() {
        for (length, symbol, extra_bits) in
            [(3, 257, 0), (10, 264, 0), (11, 265, 1), (13, 266, 1), (114, 279, 4), (257, 284, 5)]
        {
            let found = length_symbol(length - 3);
            assert_eq!((found.symbol, found.extra_bits), (symbol, extra_bits), "{length}");
        }
        assert_eq!(length_symbol(258 - 3).symbol, 285);
        assert_eq!(length_symbol(257 - 3).extra, 30);
        for (distance, symbol, extra_bits) in
            [(1, 0, 0), (4, 3, 0), (5, 4, 1), (7, 5, 1), (24_577, 29, 13), (32_768, 29, 13)]
        {
            let found = distance_symbol(distance - 1);
            assert_eq!((found.symbol, found.extra_bits), (symbol, extra_bits), "{distance}");
        }
        assert_eq!(distance_symbol(32_768 - 1).extra, 8191);
    }
}
