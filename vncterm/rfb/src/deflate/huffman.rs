//! Prefix codes: how long they are by how often each symbol comes, and what they are by length.

/// The longest code of literals, lengths and distances.
pub(super) const BITS_MAX: usize = 15;

/// One symbol's code, in the order in which its bits are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u16,
    pub(super) length: u8,
}

/// The codes of given lengths (RFC 1951, 3.2.2); of length 0 there is none.
pub(super) const fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut counts = [0_u16; BITS_MAX + 1];
    let mut at = 0;
    while at < N {
        counts[lengths[at] as usize] += 1;
        at += 1;
    }
    counts[0] = 0;
    let mut next = [0_u16; BITS_MAX + 1];
    let mut length = 1;
    while length <= BITS_MAX {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
        length += 1;
    }
    let mut codes = [Code { bits: 0, length: 0 }; N];
    let mut at = 0;
    while at < N {
        let length = lengths[at];
        if length > 0 {
            // Codes go out highest bit first, everything else lowest first.
            let bits = next[length as usize].reverse_bits() >> (16 - length as u32);
            codes[at] = Code { bits, length };
            next[length as usize] += 1;
        }
        at += 1;
    }
    codes
}

/// The lengths of the best code in which no symbol takes more than `limit` bits. A symbol that
/// never comes has none; one alone has one bit.
pub(super) fn lengths<const N: usize>(counts: &[u32; N], limit: usize) -> [u8; N] {
    // Symbols that come, the rarest first.
    let mut order = [0_u16; N];
    let mut used = 0;
    for (symbol, count) in (0..).zip(counts) {
        if *count > 0 {
            order[used] = symbol;
            used += 1;
        }
    }
    let order = &mut order[..used];
    let count_of = |symbol: u16| counts[usize::from(symbol)];
    order.sort_unstable_by_key(|symbol| (count_of(*symbol), *symbol));

    let mut lengths = [0; N];
    if used < 2 {
        for symbol in order {
            lengths[usize::from(*symbol)] = 1;
        }
        return lengths;
    }

    // Two queues, both in order: leaves, and the nodes made of them.
    let mut weights = [0_u32; N];
    let mut parents = [0_u16; N];
    let mut leaf_parents = [0_u16; N];
    let (mut leaf, mut node, mut made) = (0, 0, 0_u16);
    while usize::from(made) + 1 < used {
        let mut weight = 0;
        for _ in 0..2 {
            let leaf_weight = order.get(leaf).map(|symbol| count_of(*symbol));
            let node_weight = (node < usize::from(made)).then(|| weights[node]);
            if node_weight.is_none_or(|node| leaf_weight.is_some_and(|leaf| leaf <= node)) {
                weight += leaf_weight.unwrap_or(0);
                leaf_parents[leaf] = made;
                leaf += 1;
            } else {
                weight += node_weight.unwrap_or(0);
                parents[node] = made;
                node += 1;
            }
        }
        weights[usize::from(made)] = weight;
        made += 1;
    }

    // How many codes of each length, those that are too long cut to the limit.
    let mut depths = [0_usize; N];
    let root = usize::from(made) - 1;
    for node in (0..root).rev() {
        depths[node] = depths[usize::from(parents[node])] + 1;
    }
    let mut of_length = [0_usize; BITS_MAX + 1];
    for parent in &leaf_parents[..used] {
        of_length[(depths[usize::from(*parent)] + 1).min(limit)] += 1;
    }
    fit(&mut of_length, limit);

    // The rarest get the longest.
    let mut rarest_first = order.iter();
    for length in (1..=limit).rev() {
        for symbol in rarest_first.by_ref().take(of_length[length]) {
            lengths[usize::from(*symbol)] = u8::try_from(length).unwrap_or(u8::MAX);
        }
    }
    lengths
}

/// Makes codes longer until there are no more than fit: each of length n takes the 2^n-th part.
fn fit(of_length: &mut [usize; BITS_MAX + 1], limit: usize) {
    let taken = |of_length: &[usize]| -> usize {
        (1..=limit).map(|length| of_length[length] << (limit - length)).sum()
    };
    while taken(of_length) > 1 << limit {
        // Two of the longest hang under one that was shorter; one place is won.
        let Some(shorter) = (1..limit).rev().find(|length| of_length[*length] > 0) else { return };
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
        of_length[limit] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_codes_are_those_of_the_specifications_example() {
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]).map(|code| (code.bits, code.length));
        // 010, 011, 100, 101, 110, 00, 1110, 1111, sent highest bit first.
        let expected =
            [(0b010, 3), (0b110, 3), (0b001, 3), (0b101, 3), (0b011, 3), (0, 2), (7, 4), (15, 4)];
        assert_eq!(codes, expected);
    }

    fn space(lengths: &[u8], limit: u32) -> u32 {
        lengths.iter().filter(|l| **l > 0).map(|l| 1 << (limit - u32::from(*l))).sum()
    }

    proptest! {
        #[test]
        fn codes_use_all_the_room_and_no_more_within_the_limit(
            counts in prop::array::uniform32(prop_oneof![0..3_u32, 0..40_000_u32]),
            limit in 5..=15_u32,
        ) {
            let lengths = lengths(&counts, limit.try_into().unwrap());
            let used = counts.iter().filter(|count| **count > 0).count();
            for (count, length) in counts.iter().zip(lengths) {
                prop_assert_eq!(*count > 0, length > 0);
                prop_assert!(u32::from(length) <= limit);
            }
            if used > 1 {
                prop_assert_eq!(space(&lengths, limit), 1 << limit);
            }
            for (a, la) in counts.iter().zip(lengths) {
                for (b, lb) in counts.iter().zip(lengths) {
                    prop_assert!(*b == 0 || a <= b || la <= lb, "a frequent symbol is longer");
                }
            }
        }
    }

    #[test]
    fn counts_that_grow_like_fibonaccis_are_cut_to_the_limit() {
        let mut counts = [1_u32; 19];
        for at in 2..19 {
            counts[at] = counts[at - 1] + counts[at - 2];
        }
        let lengths = lengths(&counts, 7);
        assert!(lengths.iter().all(|length| (1..=7).contains(length)));
        assert_eq!(space(&lengths, 7), 1 << 7);
    }
}
