//! Tab stops.

use crate::screen::COLUMNS_MAX;

const WORDS: usize = COLUMNS_MAX / 64;

/// A stop a column, for the widest screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tabs([u64; WORDS]);

impl Default for Tabs {
    /// A stop at every eighth column.
    fn default() -> Self {
        Self([0x0101_0101_0101_0101; WORDS])
    }
}

impl Tabs {
    fn word(&mut self, column: usize) -> Option<(&mut u64, u64)> {
        self.0.get_mut(column / 64).map(|word| (word, 1 << (column % 64)))
    }

    pub(crate) fn set(&mut self, column: usize) {
        if let Some((word, bit)) = self.word(column) {
            *word |= bit;
        }
    }

    pub(crate) fn clear(&mut self, column: usize) {
        if let Some((word, bit)) = self.word(column) {
            *word &= !bit;
        }
    }

    pub(crate) fn clear_all(&mut self) {
        self.0 = [0; WORDS];
    }

    pub(crate) fn is_set(&self, column: usize) -> bool {
        self.0.get(column / 64).is_some_and(|word| word >> (column % 64) & 1 == 1)
    }

    /// The stop after `column`, if there is one before `end`.
    pub(crate) fn next(&self, column: usize, end: usize) -> Option<usize> {
        (column + 1..end).find(|&column| self.is_set(column))
    }

    /// The stop before `column`.
    pub(crate) fn previous(&self, column: usize) -> Option<usize> {
        (0..column).rev().find(|&column| self.is_set(column))
    }

    /// The stops as numbers that [`Self::from_words`] takes.
    pub(crate) fn words(&self) -> [u64; WORDS] {
        self.0
    }

    pub(crate) fn from_words(words: [u64; WORDS]) -> Self {
        Self(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_found_in_both_directions() {
        let mut tabs = Tabs::default();
        assert_eq!(
            (tabs.next(0, 80), tabs.next(8, 80), tabs.next(72, 80)),
            (Some(8), Some(16), None)
        );
        assert_eq!(
            (tabs.previous(9), tabs.previous(8), tabs.previous(0)),
            (Some(8), Some(0), None)
        );
        tabs.clear(8);
        tabs.set(3);
        assert_eq!((tabs.next(0, 80), tabs.next(3, 80)), (Some(3), Some(16)));
        tabs.clear_all();
        assert_eq!((tabs.next(0, 512), tabs.previous(512)), (None, None));
        tabs.set(9999);
    }
}
