//! An endless zlib stream in little memory (RFC 1950 and 1951), as ZRLE and Tight carry one.
//!
//! Why not a library's: their compressors hold 260 to 330 KiB for each stream, and take as long
//! over a screen of text as everything else together. What comes here repeats in few places
//! (glyphs, blanks, the line above), so a short history and a small table find it. Inflating is
//! not here.
//!
//! The stream has no end and so no checksum. After each flush all that was put in can be
//! inflated; some bits that only say that a block ends may come with the next.

mod bits;
mod block;
mod huffman;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::output::Output;
use bits::Bits;
use block::Token;

/// What is kept of former pieces: the glyphs of some hundred characters.
const HISTORY: usize = 8 * 1024;

/// A zlib stream's window, which the header promises.
const DISTANCE_MAX: usize = 32 * 1024;

/// The longest match that DEFLATE has.
const LENGTH_MAX: usize = 258;

/// The shortest match that is looked for in the table; shorter ones cost more than they save.
const LENGTH_MIN: usize = 4;

/// A match at the distance of the last one is found without the table, and may be shorter.
const REPEAT_MIN: usize = 3;

/// A match of this length is taken without a look at the next byte's.
const LENGTH_GOOD: usize = 12;

/// Of a match longer than this in what the history will not keep, only the last places are
/// remembered: those before were, where it came from.
const INNER_MAX: usize = 16;
const INNER_KEPT: usize = 6;

/// Places remembered for each hash, the newest first, and hashes: 16 KiB in all.
const WAYS: usize = 4;
const HASH_BITS: u32 = 10;

/// The first two bytes: DEFLATE with a window of 32 KiB, no dictionary, fastest level.
const HEADER: [u8; 2] = [0x78, 0x01];

/// A compressor and the bytes that it has to hold.
#[derive(Debug)]
pub(crate) struct Deflate {
    /// What was flushed before, as much as is kept, then what is to be flushed.
    bytes: Vec<u8>,
    /// How much of `bytes` was flushed before.
    flushed: usize,
    /// The place of the first of `bytes` in the stream, counted from 1.
    base: u32,
    /// Where byte sequences of each hash were last seen, as places in the stream; 0 is none.
    seen: Box<[[u32; WAYS]]>,
    tokens: Vec<Token>,
    bits: Bits,
    begun: bool,
}

/// A match: so many bytes are as they were so far back.
#[derive(Clone, Copy, Debug, Default)]
struct Match {
    length: usize,
    distance: usize,
}

impl Deflate {
    /// A stream that has not begun.
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            flushed: 0,
            base: 1,
            seen: vec![[0; WAYS]; 1 << HASH_BITS].into(),
            tokens: Vec::new(),
            bits: Bits::default(),
            begun: false,
        }
    }

    /// Where to put what is to be compressed.
    pub(crate) fn input(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// How much there is to be flushed.
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.flushed..).unwrap_or_default()
    }

    /// Takes back what was put in since the last flush.
    pub(crate) fn cancel(&mut self) {
        self.bytes.truncate(self.flushed);
    }

    /// Compresses what was put in.
    pub(crate) fn flush(&mut self, output: &mut Output) {
        if !self.begun {
            output.bytes(&HEADER);
            self.begun = true;
        }
        let (mut at, mut end_bits) = (self.flushed, 0);
        while at < self.bytes.len() {
            let start = at;
            at = self.tokenize(at);
            let stored = self.bytes.get(start..at).unwrap_or_default();
            end_bits = block::write(&self.tokens, stored, &mut self.bits, output);
        }
        block::end_piece(end_bits, &mut self.bits, output);
        self.forget();
    }

    /// Turns bytes into tokens, as many as a block takes; gives where they end.
    fn tokenize(&mut self, mut at: usize) -> usize {
        self.tokens.clear();
        let mut last = 1;
        let mut found = self.find(at, last);
        // A literal and a match may be added at a time.
        while at < self.bytes.len() && self.tokens.len() + 2 <= block::TOKENS_MAX {
            self.remember(at);
            if found.length < LENGTH_GOOD {
                let next = self.find(at + 1, last);
                if found.length == 0 || next.length > found.length {
                    let Some(byte) = self.bytes.get(at) else { break };
                    self.tokens.push(Token::literal(*byte));
                    at += 1;
                    found = next;
                    continue;
                }
            }
            self.tokens.push(Token::repeat(found.length, found.distance));
            last = found.distance;
            let end = at + found.length;
            // Within a run every place is like the first.
            if found.distance > 1 {
                let is_forgotten = end + HISTORY < self.bytes.len();
                let is_short = found.length <= INNER_MAX;
                let from = if is_short || !is_forgotten { at + 1 } else { end - INNER_KEPT };
                (from..end).for_each(|inner| self.remember(inner));
            }
            at = end;
            found = self.find(at, last);
        }
        at
    }

    /// Finds the longest match at a place; `last` is the distance of the match before.
    fn find(&self, at: usize, last: usize) -> Match {
        let mut best = Match::default();
        let Some(ahead) = self.bytes.get(at..).filter(|ahead| ahead.len() >= REPEAT_MIN) else {
            return best;
        };
        let ahead = ahead.get(..LENGTH_MAX).unwrap_or(ahead);
        let mut attempt = |distance: usize, least: usize| {
            let Some(from) = at.checked_sub(distance) else { return };
            let Some(behind) = self.bytes.get(from..) else { return };
            // Longer than the best only if the byte after it is the same as well.
            if ahead.get(best.length) != behind.get(best.length) {
                return;
            }
            let length = common(ahead, behind);
            if length >= least && length > best.length {
                best = Match { length, distance };
            }
        };
        attempt(last, REPEAT_MIN);
        attempt(1, REPEAT_MIN);
        let good = best.length >= LENGTH_GOOD;
        if let Some(start) = ahead.first_chunk::<LENGTH_MIN>().filter(|_| !good) {
            for place in self.seen.get(hash(*start)).unwrap_or(&[0; WAYS]) {
                let Some(from) = place.checked_sub(self.base) else { break };
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let behind = self.bytes.get(from..).unwrap_or_default();
                if behind.first_chunk() != Some(start)
                    || behind.get(best.length) != ahead.get(best.length)
                {
                    continue;
                }
                let distance = at.saturating_sub(from);
                let length = common(ahead, behind);
                if length > best.length && (1..=DISTANCE_MAX).contains(&distance) {
                    best = Match { length, distance };
                    if length >= LENGTH_GOOD {
                        break;
                    }
                }
            }
        }
        best
    }

    /// Notes that the bytes from a place on are there.
    fn remember(&mut self, at: usize) {
        let start = self.bytes.get(at..).and_then(|bytes| bytes.first_chunk::<LENGTH_MIN>());
        let Some(start) = start else { return };
        // Runs are found at distance 1.
        if start == &[start[0]; LENGTH_MIN] && at > 0 && self.bytes.get(at - 1) == start.first() {
            return;
        }
        let Some(bucket) = self.seen.get_mut(hash(*start)) else { return };
        let place = self.base.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        *bucket = [place, bucket[0], bucket[1], bucket[2]];
    }

    /// Keeps a history, and gives back the rest of the memory.
    fn forget(&mut self) {
        let surplus = self.bytes.len().saturating_sub(HISTORY);
        self.bytes.drain(..surplus);
        self.bytes.shrink_to(2 * HISTORY);
        self.flushed = self.bytes.len();
        self.base = self.base.saturating_add(u32::try_from(surplus).unwrap_or(u32::MAX));
        if self.base > u32::MAX / 2 {
            self.seen.fill([0; WAYS]);
            self.base = 1;
        }
    }
}

/// How many bytes are the same at the beginning of both.
fn common(ahead: &[u8], behind: &[u8]) -> usize {
    let (words, _) = ahead.as_chunks::<8>();
    let (others, _) = behind.as_chunks::<8>();
    let mut same = 0;
    for (word, other) in words.iter().zip(others) {
        let differing = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if differing != 0 {
            return same + usize::try_from(differing.trailing_zeros() / 8).unwrap_or(0);
        }
        same += 8;
    }
    let rest = ahead.get(same..).unwrap_or_default().iter();
    same + rest.zip(behind.get(same..).unwrap_or_default()).take_while(|(a, b)| a == b).count()
}

fn hash(start: [u8; LENGTH_MIN]) -> usize {
    let mixed = u32::from_le_bytes(start).wrapping_mul(0x9e37_79b1);
    usize::try_from(mixed >> (u32::BITS - HASH_BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;

    /// Inflates what a viewer was sent so far.
    fn inflated(zlib: &[u8]) -> Vec<u8> {
        use miniz_oxide::inflate::stream::{InflateState, inflate};
        use miniz_oxide::{DataFormat, MZError, MZFlush};
        let mut state = InflateState::new_boxed(DataFormat::Zlib);
        let (mut bytes, mut rest) = (Vec::new(), zlib);
        loop {
            let mut buffer = [0; 4096];
            let result = inflate(&mut state, rest, &mut buffer, MZFlush::None);
            bytes.extend_from_slice(&buffer[..result.bytes_written]);
            rest = &rest[result.bytes_consumed..];
            if result.bytes_written == 0 && result.bytes_consumed == 0 {
                assert!(rest.is_empty());
                return bytes;
            }
            // Bits that end a block give nothing.
            assert!(matches!(result.status, Ok(_) | Err(MZError::Buf)), "{:?}", result.status);
        }
    }

    /// Puts pieces through one stream, each of which must be there after its flush.
    fn sent(pieces: &[Vec<u8>]) -> usize {
        let mut deflate = Deflate::new();
        let mut output = Output::default();
        let mut all = Vec::new();
        for piece in pieces {
            deflate.input().extend_from_slice(piece);
            deflate.flush(&mut output);
            all.extend_from_slice(piece);
            assert!(inflated(output.pending()) == all, "something else was inflated");
        }
        output.pending().len()
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let noise = prop::collection::vec(any::<u8>(), 0..2000);
        let few = prop::collection::vec(0..3_u8, 0..6000);
        let runs = prop::collection::vec((any::<u8>(), 1..900_usize), 0..30)
            .prop_map(|runs| runs.into_iter().flat_map(|(byte, n)| vec![byte; n]).collect());
        let repeats = (prop::collection::vec(any::<u8>(), 1..300), 1..200_usize)
            .prop_map(|(part, times)| part.repeat(times));
        prop_oneof![noise, few, runs, repeats]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn every_piece_can_be_inflated_once_it_was_flushed(
            pieces in prop::collection::vec(piece(), 1..6),
        ) {
            sent(&pieces);
        }
    }

    #[test]
    fn what_cannot_be_compressed_grows_by_little() {
        let mut seed = 1_u32;
        let noise: Vec<u8> = (0..200_000)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed.to_be_bytes()[0]
            })
            .collect();
        let length = sent(&[noise]);
        assert!(length < 200_000 + 200_000 / block::GROWTH + 16, "{length}");
    }

    #[test]
    fn the_history_reaches_over_pieces() {
        let piece: Vec<u8> = (0..=255_u8).flat_map(|byte| [byte, byte.wrapping_mul(7)]).collect();
        let once = sent(std::slice::from_ref(&piece));
        assert!(sent(&[piece.clone(), piece]) < once + 24);
    }

    #[test]
    fn places_that_grow_too_large_begin_anew() {
        let mut deflate = Deflate::new();
        deflate.base = u32::MAX / 2;
        let mut output = Output::default();
        let text = b"the quick brown fox ".repeat(2000);
        for _ in 0..3 {
            deflate.input().extend_from_slice(&text);
            deflate.flush(&mut output);
        }
        assert!(deflate.base < 1_000_000);
        assert!(inflated(output.pending()) == text.repeat(3));
    }

    #[test]
    fn memory_is_bounded_by_what_is_put_in_at_once() {
        let mut deflate = Deflate::new();
        let mut output = Output::default();
        for byte in 0..100_u8 {
            deflate.input().extend_from_slice(&[byte; 50_000]);
            deflate.flush(&mut output);
            assert!(deflate.bytes.capacity() <= 2 * HISTORY);
            assert!(deflate.tokens.capacity() <= block::TOKENS_MAX);
        }
    }
}
