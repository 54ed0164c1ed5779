//! The rows of the screen: the main ones, the alternate ones, and the scrollback above.
//!
//! ```text
//!   scrollback   oldest ... newest      lines packed
//!   main         row 0 ... row n-1      \  one of the two is shown,
//!   alternate    row 0 ... row n-1      /  the other is parked
//! ```
//! Rows move whole: scrolling turns the queue of rows and never copies cells. Cursor, margins and
//! modes are not known here; rows and columns out of range are ignored.

use crate::cell::Cell;
use crate::row::Row;
use crate::scrollback::Scrollback;
use alloc::collections::VecDeque;
use core::ops::Range;

/// Which set of rows is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The main rows; what leaves them at the top goes to the scrollback.
    #[default]
    Main,
    /// The alternate rows, for full-screen programs.
    Alternate,
}

/// Rows from `top` to `bottom`, both within the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) top: usize,
    pub(crate) bottom: usize,
}

impl Span {
    pub(crate) fn contains(self, row: usize) -> bool {
        (self.top..=self.bottom).contains(&row)
    }

    pub(crate) fn rows(self) -> usize {
        self.bottom - self.top + 1
    }
}

/// Columns from `left` to `right`, both within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) left: usize,
    pub(crate) right: usize,
}

impl Sides {
    pub(crate) fn contains(self, column: usize) -> bool {
        (self.left..=self.right).contains(&column)
    }

    pub(crate) fn columns(self) -> usize {
        self.right - self.left + 1
    }
}

/// What becomes of rows that leave a span at its top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// They go to the scrollback, if they leave the main rows at the very top.
    Kept,
    /// They are lost.
    Lost,
}

/// All rows of a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    columns: usize,
    rows: VecDeque<Row>,
    parked: Option<VecDeque<Row>>,
    shown: Shown,
    scrollback: Scrollback,
    /// The last stamp given out.
    stamp: u64,
}

impl Grid {
    pub(crate) fn new(columns: usize, rows: usize, scrollback: Scrollback) -> Self {
        let mut grid = Self {
            columns,
            rows: VecDeque::new(),
            parked: None,
            shown: Shown::Main,
            scrollback,
            stamp: 0,
        };
        grid.rows = grid.blank_rows(rows);
        grid
    }

    fn blank_rows(&mut self, rows: usize) -> VecDeque<Row> {
        (0..rows).map(|_| Row::new(self.columns, self.next_stamp())).collect()
    }

    fn next_stamp(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn whole(&self) -> Span {
        Span { top: 0, bottom: self.rows.len().saturating_sub(1) }
    }

    /// All columns.
    pub(crate) fn width(&self) -> Sides {
        Sides { left: 0, right: self.columns.saturating_sub(1) }
    }

    pub(crate) fn shown(&self) -> Shown {
        self.shown
    }

    pub(crate) fn rows(&self) -> &VecDeque<Row> {
        &self.rows
    }

    /// The rows that are not shown, if they hold anything.
    pub(crate) fn parked(&self) -> Option<&VecDeque<Row>> {
        self.parked.as_ref()
    }

    pub(crate) fn row(&self, row: usize) -> Option<&Row> {
        self.rows.get(row)
    }

    pub(crate) fn scrollback(&self) -> &Scrollback {
        &self.scrollback
    }

    pub(crate) fn scrollback_mut(&mut self) -> &mut Scrollback {
        &mut self.scrollback
    }

    /// A row about to be changed, which gets it a new stamp.
    pub(crate) fn edit(&mut self, row: usize) -> Option<&mut Row> {
        self.stamp += 1;
        let row = self.rows.get_mut(row)?;
        row.set_stamp(self.stamp);
        Some(row)
    }

    /// Notes that the line goes on in the next row; nothing that is seen changes.
    pub(crate) fn set_wrapped(&mut self, row: usize) {
        if let Some(row) = self.rows.get_mut(row) {
            row.set_wrapped(true);
        }
    }

    /// Overwrites a row by `cells`.
    pub(crate) fn put_row(&mut self, row: usize, cells: &[Cell], wrapped: bool) {
        let (columns, stamp) = (self.columns, self.next_stamp());
        if let Some(row) = self.rows.get_mut(row) {
            *row = Row::from_cells(columns, stamp, cells);
            row.set_wrapped(wrapped);
        }
    }

    /// Adds a packed line below the scrollback's newest.
    pub(crate) fn push_scrollback(&mut self, wrapped: bool, packed: &[u8]) {
        let stamp = self.next_stamp();
        self.scrollback.push_packed(stamp, wrapped, packed);
    }

    /// Empties the rows of `span`.
    pub(crate) fn clear(&mut self, span: Span, blank: Cell) {
        for row in span.top..=span.bottom {
            if let Some(row) = self.edit(row) {
                row.clear(blank);
            }
        }
    }

    /// Moves the rows of `span` up by `count`; blank ones come in at the bottom.
    pub(crate) fn scroll_up(&mut self, span: Span, count: usize, blank: Cell, leaving: Leaving) {
        let count = count.min(span.rows());
        if leaving == Leaving::Kept && span.top == 0 && self.shown == Shown::Main {
            for row in self.rows.iter().take(count) {
                self.scrollback.push(row);
            }
        }
        if span == self.whole() {
            // Nearly all scrolling is this: the first rows, emptied, become the last.
            for row in self.rows.iter_mut().take(count) {
                self.stamp += 1;
                row.clear(blank);
                row.set_stamp(self.stamp);
            }
            self.rows.rotate_left(count);
            return;
        }
        if let Some(rows) = self.rows.make_contiguous().get_mut(span.top..=span.bottom) {
            rows.rotate_left(count);
        }
        self.clear_some(span.bottom + 1 - count, count, blank);
    }

    /// Moves the rows of `span` down by `count`; blank ones come in at the top.
    pub(crate) fn scroll_down(&mut self, span: Span, count: usize, blank: Cell) {
        let count = count.min(span.rows());
        if span == self.whole() {
            self.rows.rotate_right(count);
        } else if let Some(rows) = self.rows.make_contiguous().get_mut(span.top..=span.bottom) {
            rows.rotate_right(count);
        }
        self.clear_some(span.top, count, blank);
    }

    /// Moves what stands within `span` and `sides` up by `count`; blanks come in at the bottom, and
    /// nothing goes to the scrollback.
    pub(crate) fn scroll_up_within(&mut self, span: Span, sides: Sides, count: usize, blank: Cell) {
        let count = count.min(span.rows());
        for row in span.top..span.bottom + 1 - count {
            self.copy_within(row + count, row, sides);
        }
        self.erase(span.bottom + 1 - count..span.bottom + 1, sides, blank);
    }

    /// Moves what stands within `span` and `sides` down by `count`; blanks come in at the top.
    pub(crate) fn scroll_down_within(
        &mut self,
        span: Span,
        sides: Sides,
        count: usize,
        blank: Cell,
    ) {
        let count = count.min(span.rows());
        for row in (span.top + count..=span.bottom).rev() {
            self.copy_within(row - count, row, sides);
        }
        self.erase(span.top..span.top + count, sides, blank);
    }

    /// Copies the cells of one row to the same columns of another.
    fn copy_within(&mut self, from: usize, to: usize, sides: Sides) {
        self.stamp += 1;
        let (head, tail) = self.rows.make_contiguous().split_at_mut(from.max(to));
        let (Some(above), Some(below)) = (head.get_mut(from.min(to)), tail.first_mut()) else {
            return;
        };
        let (from, to) = if from < to { (above, below) } else { (below, above) };
        if let Some(cells) = from.cells().get(sides.left..=sides.right) {
            to.put_cells(sides.left, cells);
            to.set_stamp(self.stamp);
        }
    }

    /// Empties the cells of `rows` within `sides`.
    fn erase(&mut self, rows: Range<usize>, sides: Sides, blank: Cell) {
        for row in rows {
            if let Some(row) = self.edit(row) {
                row.erase(sides.left, sides.right + 1, blank);
            }
        }
    }

    fn clear_some(&mut self, top: usize, count: usize, blank: Cell) {
        if let Some(last) = count.checked_sub(1) {
            self.clear(Span { top, bottom: top + last }, blank);
        }
    }

    /// Shows the main or the alternate rows. The alternate ones are made when first shown.
    pub(crate) fn show(&mut self, shown: Shown) {
        if self.shown == shown {
            return;
        }
        let rows = match self.parked.take() {
            Some(rows) => rows,
            None => self.blank_rows(self.rows.len()),
        };
        self.parked = Some(core::mem::replace(&mut self.rows, rows));
        self.shown = shown;
    }

    /// Forgets the alternate rows, which must not be shown.
    pub(crate) fn drop_alternate(&mut self) {
        if self.shown == Shown::Main {
            self.parked = None;
        }
    }

    /// Makes the alternate rows the main ones, if they are shown; those go to the scrollback as far
    /// as anything stands on them.
    pub(crate) fn keep_alternate(&mut self) {
        if self.shown == Shown::Main {
            return;
        }
        let main = self.parked.take().unwrap_or_default();
        let used = main.iter().rposition(|row| !row.is_blank()).map_or(0, |last| last + 1);
        for row in main.iter().take(used) {
            self.scrollback.push(row);
        }
        self.shown = Shown::Main;
    }

    /// The lowest row that anything stands on.
    pub(crate) fn last_used(&self) -> Option<usize> {
        self.rows.iter().rposition(|row| !row.is_blank())
    }

    /// Changes the size. `cursor` and `parked_cursor` are the rows that must stay, of the
    /// shown and of the parked rows; the result counts the rows that each lost at its top, so that
    /// its cursor may follow.
    ///
    /// Rows below the cursor go first, then those at the top. Lines are not wrapped anew.
    pub(crate) fn resize(
        &mut self,
        columns: usize,
        rows: usize,
        cursor: usize,
        parked_cursor: usize,
    ) -> (usize, usize) {
        self.columns = columns;
        let shown = core::mem::take(&mut self.rows);
        let lost;
        (self.rows, lost) = self.resized(shown, rows, cursor, self.shown == Shown::Main);
        let Some(parked) = self.parked.take() else { return (lost, 0) };
        let (parked, parked_lost) =
            self.resized(parked, rows, parked_cursor, self.shown == Shown::Alternate);
        self.parked = Some(parked);
        (lost, parked_lost)
    }

    fn resized(
        &mut self,
        mut rows: VecDeque<Row>,
        len: usize,
        cursor: usize,
        are_main: bool,
    ) -> (VecDeque<Row>, usize) {
        let lost = (cursor + 1).min(rows.len()).saturating_sub(len);
        for row in rows.drain(..lost) {
            if are_main {
                self.scrollback.push(&row);
            }
        }
        rows.truncate(len);
        for row in &mut rows {
            row.resize(self.columns);
            row.set_stamp(self.next_stamp());
        }
        let missing = len - rows.len();
        rows.extend(self.blank_rows(missing));
        (rows, lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pen::Pen;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn grid(text: &str) -> Grid {
        let mut grid = Grid::new(4, text.len(), Scrollback::new(8));
        for (row, byte) in text.bytes().enumerate() {
            grid.edit(row).unwrap().put_ascii(0, &[byte], Pen::DEFAULT);
        }
        grid
    }

    fn text(grid: &Grid) -> String {
        grid.rows().iter().map(|row| row.cells()[0].character()).collect()
    }

    fn stamps(grid: &Grid) -> Vec<u64> {
        grid.rows().iter().map(Row::stamp).collect()
    }

    #[test]
    fn a_row_keeps_its_stamp_when_it_moves() {
        let mut grid = grid("abcde");
        let before = stamps(&grid);
        grid.scroll_up(grid.whole(), 2, Cell::BLANK, Leaving::Kept);
        assert_eq!(text(&grid), "cde  ");
        assert_eq!(stamps(&grid)[..3], before[2..]);
        assert_eq!(grid.scrollback().line(0).unwrap().stamp(), before[1]);
        assert!(stamps(&grid)[3..].iter().all(|stamp| !before.contains(stamp)));
    }

    #[test]
    fn a_span_scrolls_within_itself() {
        let mut grid = grid("abcde");
        grid.scroll_up(grid.whole(), 1, Cell::BLANK, Leaving::Kept);
        assert_eq!(text(&grid), "bcde ");
        grid.scroll_up(Span { top: 1, bottom: 3 }, 1, Cell::BLANK, Leaving::Kept);
        assert_eq!(text(&grid), "bde  ");
        grid.scroll_down(Span { top: 0, bottom: 2 }, 9999, Cell::BLANK);
        assert_eq!(text(&grid), "     ");
        assert_eq!(grid.scrollback().len(), 1);
    }

    #[test]
    fn the_alternate_rows_leave_the_scrollback_alone() {
        let mut grid = grid("abc");
        grid.show(Shown::Alternate);
        assert_eq!(text(&grid), "   ");
        grid.scroll_up(grid.whole(), 3, Cell::BLANK, Leaving::Kept);
        assert_eq!(grid.scrollback().len(), 0);
        grid.show(Shown::Main);
        assert_eq!(text(&grid), "abc");
    }

    #[test]
    fn alternate_rows_that_stay_push_the_main_ones_up() {
        let mut grid = grid("ab ");
        grid.show(Shown::Alternate);
        grid.edit(1).unwrap().put_ascii(0, b"x", Pen::DEFAULT);
        grid.keep_alternate();
        assert_eq!((grid.shown(), text(&grid).as_str()), (Shown::Main, " x "));
        assert_eq!((grid.last_used(), grid.scrollback().len()), (Some(1), 2));
        assert!(grid.parked().is_none());
    }

    #[test]
    fn a_smaller_grid_keeps_the_cursors_row() {
        let mut grid = grid("abcde");
        assert_eq!(grid.resize(4, 3, 1, 0), (0, 0));
        assert_eq!(text(&grid), "abc");
        assert_eq!(grid.resize(4, 2, 2, 0), (1, 0));
        assert_eq!(text(&grid), "bc");
        assert_eq!(grid.scrollback().len(), 1);
        assert_eq!(grid.resize(6, 4, 1, 0), (0, 0));
        assert_eq!(text(&grid), "bc  ");
        assert!(grid.rows().iter().all(|row| row.cells().len() == 6));
    }
}
