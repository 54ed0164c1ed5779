//! The lines that have left the top of the screen, packed, in bounded memory.

use crate::cell::Cell;
use crate::packed::{Detail, pack, unpack};
use crate::row::Row;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The lines kept at most, whatever is asked for: each costs some 40 bytes even when blank.
pub const SCROLLBACK_LINES_MAX: usize = 10_000;

/// The bytes that packed lines may take together. 512 lines of 80 columns take 40 KiB as plain
/// text; only a program that colours every cell anew gets fewer lines than asked for.
const SCROLLBACK_BYTES_MAX: usize = 384 * 1024;

/// The buffer has room for this part of what it holds: when it is full, what the oldest lines left
/// behind is given up by moving the others, at the cost of so many copies of each byte.
const SPARE_PART: usize = 4;

/// The least room that is made at once.
const SPARE_MIN: usize = 512;

/// A line of the scrollback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    stamp: u64,
    wrapped: bool,
    packed: &'a [u8],
}

impl<'a> Line<'a> {
    pub(crate) fn stamp(self) -> u64 {
        self.stamp
    }

    pub(crate) fn is_wrapped(self) -> bool {
        self.wrapped
    }

    pub(crate) fn packed(self) -> &'a [u8] {
        self.packed
    }

    /// The cells, as many as a screen of `columns` shows.
    pub(crate) fn cells(self, columns: usize) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(columns);
        // A line that was packed here, or checked when it was loaded, cannot be malformed.
        if unpack(self.packed, &mut cells).is_err() {
            cells.clear();
        }
        Row::from_cells(columns, self.stamp, &cells).cells().to_vec()
    }
}

/// Where a line is, and what is not packed of it.
#[derive(Clone, Copy, Debug)]
struct Head {
    stamp: u64,
    /// Its first byte, counted from the first byte that was ever kept; it comes round at 2^32, far
    /// beyond what is kept at once.
    start: u32,
    wrapped: bool,
}

/// The newest lines that left the screen, oldest first: their bytes one after another in one
/// buffer, so that a line costs no allocation of its own.
#[derive(Clone, Debug)]
pub(crate) struct Scrollback {
    heads: VecDeque<Head>,
    lines_max: usize,
    /// What is left of lines that were dropped, then the lines.
    bytes: Vec<u8>,
    /// The place of the first of `bytes`, counted as [`Head::start`] is.
    base: u32,
    /// A line while it is packed.
    packed: Vec<u8>,
    /// How many lines ever came in.
    pushed: u64,
}

impl Scrollback {
    pub(crate) fn new(lines_max: usize) -> Self {
        let lines_max = lines_max.min(SCROLLBACK_LINES_MAX);
        Self {
            heads: VecDeque::new(),
            lines_max,
            bytes: Vec::new(),
            base: 0,
            packed: Vec::new(),
            pushed: 0,
        }
    }

    pub(crate) fn lines_max(&self) -> usize {
        self.lines_max
    }

    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { pushed: self.pushed, ..Self::new(self.lines_max) };
    }

    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = Line<'_>> {
        (0..self.heads.len()).filter_map(|index| self.nth(index))
    }

    /// The line `back` lines above the screen; the newest is 0.
    pub(crate) fn line(&self, back: usize) -> Option<Line<'_>> {
        self.nth(self.heads.len().checked_sub(back)?.checked_sub(1)?)
    }

    fn nth(&self, index: usize) -> Option<Line<'_>> {
        let Head { stamp, start, wrapped } = *self.heads.get(index)?;
        let end = self.heads.get(index + 1).map_or(self.bytes.len(), |next| self.place(next.start));
        Some(Line { stamp, wrapped, packed: self.bytes.get(self.place(start)..end)? })
    }

    /// Where in the buffer a place is.
    fn place(&self, start: u32) -> usize {
        usize::try_from(start.wrapping_sub(self.base)).unwrap_or(usize::MAX)
    }

    /// Keeps a copy of `row`, at the cost of the oldest lines.
    pub(crate) fn push(&mut self, row: &Row) {
        if self.lines_max == 0 {
            return;
        }
        self.pushed += 1;
        let mut packed = core::mem::take(&mut self.packed);
        packed.clear();
        pack(row.used(), Detail::Drawn, &mut packed);
        self.push_packed(row.stamp(), row.is_wrapped(), &packed);
        self.packed = packed;
    }

    /// Adds a packed line below the newest, at the cost of the oldest ones.
    pub(crate) fn push_packed(&mut self, stamp: u64, wrapped: bool, packed: &[u8]) {
        if self.lines_max == 0 || packed.len() > SCROLLBACK_BYTES_MAX {
            return;
        }
        while self.heads.len() >= self.lines_max
            || self.bytes.len() - self.dead() + packed.len() > SCROLLBACK_BYTES_MAX
        {
            self.heads.pop_front();
        }
        if self.bytes.len() + packed.len() > self.bytes.capacity() {
            self.make_room(packed.len());
        }
        let start = self.base.wrapping_add(u32::try_from(self.bytes.len()).unwrap_or(0));
        self.heads.push_back(Head { stamp, start, wrapped });
        self.bytes.extend_from_slice(packed);
    }

    /// How many bytes at the buffer's beginning no line needs any more.
    fn dead(&self) -> usize {
        self.heads.front().map_or(self.bytes.len(), |oldest| self.place(oldest.start))
    }

    /// Moves the lines to the buffer's beginning, and makes the buffer larger or smaller so that
    /// this is not soon to be done again.
    fn make_room(&mut self, wanted: usize) {
        let dead = self.dead();
        self.bytes.drain(..dead);
        self.base = self.base.wrapping_add(u32::try_from(dead).unwrap_or(0));
        let spare = wanted + SPARE_MIN.max(self.bytes.len() / SPARE_PART);
        self.bytes.shrink_to(self.bytes.len() + 2 * spare);
        self.bytes.reserve_exact(spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Extent;
    use crate::colour::{Colour, Rgb};
    use crate::pen::Pen;
    use alloc::string::{String, ToString as _};
    use proptest::prelude::*;

    fn row(text: &str) -> Row {
        let mut row = Row::new(10, 7);
        row.put_ascii(0, text.as_bytes(), Pen::DEFAULT);
        row
    }

    fn text(scrollback: &Scrollback, back: usize) -> Option<String> {
        let cells = scrollback.line(back)?.cells(10);
        Some(cells.iter().map(Cell::character).collect::<String>().trim_end().to_string())
    }

    #[test]
    fn keeps_the_newest_lines() {
        let mut scrollback = Scrollback::new(2);
        for line in ["one", "two", "three"] {
            scrollback.push(&row(line));
        }
        assert_eq!(text(&scrollback, 0).as_deref(), Some("three"));
        assert_eq!(text(&scrollback, 1).as_deref(), Some("two"));
        assert_eq!(text(&scrollback, 2), None);
    }

    proptest! {
        #[test]
        fn the_newest_lines_come_back_whatever_was_dropped(
            lines in proptest::collection::vec("[a-z]{0,10}", 0..300),
            lines_max in 1_usize..40,
            base in any::<u32>(),
        ) {
            let mut scrollback = Scrollback { base, ..Scrollback::new(lines_max) };
            for (number, line) in lines.iter().enumerate() {
                scrollback.push(&row(line));
                let kept = (number + 1).min(lines_max);
                prop_assert_eq!(scrollback.len(), kept);
                let oldest = text(&scrollback, kept - 1);
                prop_assert_eq!(oldest.as_deref(), Some(&*lines[number + 1 - kept]));
                let newest = text(&scrollback, 0);
                prop_assert_eq!(newest.as_deref(), Some(&**line));
            }
        }
    }

    #[test]
    fn a_scrollback_of_no_lines_keeps_none() {
        let mut scrollback = Scrollback::new(0);
        scrollback.push(&row("one"));
        assert_eq!(scrollback.len(), 0);
    }

    #[test]
    fn costly_lines_take_the_place_of_more_lines() {
        let mut scrollback = Scrollback::new(512);
        let mut gaudy = Row::new(512, 7);
        for column in 0..512 {
            let red = u8::try_from(column % 251).unwrap();
            let ink = Colour::Rgb(Rgb::new(red, 1, 2));
            gaudy.put(column, Cell::new('x', Pen::DEFAULT.with_ink(ink), Extent::Whole));
        }
        for _ in 0..512 {
            scrollback.push(&gaudy);
        }
        assert!(scrollback.bytes.len() - scrollback.dead() <= SCROLLBACK_BYTES_MAX);
        assert!(scrollback.bytes.capacity() <= SCROLLBACK_BYTES_MAX * 3 / 2);
        assert!(scrollback.len() > 50 && scrollback.len() < 512);
        for _ in 0..120_000 {
            scrollback.push(&row("short"));
        }
        assert_eq!(scrollback.bytes.len() - scrollback.dead(), 512 * 6);
        assert!(scrollback.bytes.capacity() <= 4 * 512 * 6);
    }

    #[test]
    fn a_wide_character_cut_by_a_narrower_screen_is_blank() {
        let mut scrollback = Scrollback::new(1);
        let mut wide = row("ab");
        wide.put(2, Cell::new('中', Pen::DEFAULT, Extent::Left));
        scrollback.push(&wide);
        let cells = scrollback.line(0).unwrap().cells(3);
        assert_eq!(cells.iter().map(Cell::character).collect::<String>(), "ab ");
        assert!(cells.iter().all(|cell| cell.extent() == Extent::Whole));
    }
}
