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

/// How much more memory a line may hold than it needs.
const SPARE_MAX: usize = 128;

/// A line of the scrollback.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    stamp: u64,
    wrapped: bool,
    packed: Vec<u8>,
}

impl Line {
    pub(crate) fn new(stamp: u64, wrapped: bool, packed: Vec<u8>) -> Self {
        Self { stamp, wrapped, packed }
    }

    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    pub(crate) fn is_wrapped(&self) -> bool {
        self.wrapped
    }

    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// The cells, as many as a screen of `columns` shows.
    pub(crate) fn cells(&self, columns: usize) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(columns);
        // A line that was packed here, or checked when it was loaded, cannot be malformed.
        if unpack(&self.packed, &mut cells).is_err() {
            cells.clear();
        }
        Row::from_cells(columns, self.stamp, &cells).cells().to_vec()
    }
}

/// The newest lines that left the screen, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Scrollback {
    lines: VecDeque<Line>,
    lines_max: usize,
    /// The sum of the lengths of the packed lines.
    bytes: usize,
    /// How many lines ever came in.
    pushed: u64,
}

impl Scrollback {
    pub(crate) fn new(lines_max: usize) -> Self {
        let lines_max = lines_max.min(SCROLLBACK_LINES_MAX);
        Self { lines: VecDeque::new(), lines_max, bytes: 0, pushed: 0 }
    }

    pub(crate) fn lines_max(&self) -> usize {
        self.lines_max
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    pub(crate) fn clear(&mut self) {
        self.lines = VecDeque::new();
        self.bytes = 0;
    }

    pub(crate) fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter()
    }

    /// The line `back` lines above the screen; the newest is 0.
    pub(crate) fn line(&self, back: usize) -> Option<&Line> {
        self.lines.get(self.lines.len().checked_sub(back)?.checked_sub(1)?)
    }

    /// Keeps a copy of `row`, at the cost of the oldest lines.
    pub(crate) fn push(&mut self, row: &Row) {
        // The oldest line's memory becomes the newest's, in place: output that only scrolls by
        // allocates nothing.
        if self.lines.len() < self.lines_max {
            self.lines.push_back(Line::new(0, false, Vec::new()));
        } else {
            self.lines.rotate_left(usize::from(self.lines_max > 0));
        }
        let Some(line) = self.lines.back_mut() else { return };
        self.pushed += 1;
        self.bytes -= line.packed.len();
        line.packed.clear();
        pack(row.used(), Detail::Drawn, &mut line.packed);
        if line.packed.capacity() > line.packed.len() + SPARE_MAX {
            line.packed.shrink_to_fit();
        }
        line.stamp = row.stamp();
        line.wrapped = row.is_wrapped();
        self.bytes += line.packed.len();
        self.keep_within_bytes();
    }

    /// Adds a line below the newest, at the cost of the oldest ones.
    pub(crate) fn push_line(&mut self, line: Line) {
        self.bytes += line.packed.len();
        self.lines.push_back(line);
        if self.lines.len() > self.lines_max {
            self.drop_oldest();
        }
        self.keep_within_bytes();
    }

    fn keep_within_bytes(&mut self) {
        while self.bytes > SCROLLBACK_BYTES_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.packed.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Extent;
    use crate::colour::{Colour, Rgb};
    use crate::pen::Pen;
    use alloc::string::{String, ToString as _};

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
        assert!(scrollback.bytes <= SCROLLBACK_BYTES_MAX);
        assert!(scrollback.len() > 50 && scrollback.len() < 512);
        for _ in 0..512 {
            scrollback.push(&row(""));
        }
        assert_eq!(scrollback.bytes, 0);
        let kept: usize = scrollback.lines.iter().map(|line| line.packed.capacity()).sum();
        assert!(kept <= 512 * SPARE_MAX);
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
