//! Erasing, inserting and deleting.
//!
//! What becomes blank takes the pen's paper, as on the linux console and xterm (`bce`).

use super::{Cursor, Terminal};
use crate::cell::Cell;
use crate::grid::{Leaving, Span};
use crate::pen::{Pen, Protection};
use crate::row::Row;
use crate::screen::COLUMNS_MAX;

/// Which part of a line or screen is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// From the cursor on.
    After,
    /// Up to the cursor, and under it.
    Before,
    /// The whole.
    All,
}

impl Part {
    pub(super) fn numbered(number: u16) -> Option<Self> {
        match number {
            0 => Some(Self::After),
            1 => Some(Self::Before),
            2 => Some(Self::All),
            _ => None,
        }
    }
}

impl Terminal {
    /// Lets `edit` change the cursor's row; a line about to wrap then no longer is.
    fn edit_row(&mut self, edit: impl FnOnce(&mut Row, usize, Cell)) {
        let (blank, Cursor { row, column, .. }) = (self.pen.blank(), self.cursor);
        if let Some(row) = self.grid.edit(row) {
            edit(row, column, blank);
        }
        self.cursor.wraps = false;
    }

    /// EL.
    pub(super) fn erase_line(&mut self, part: Part) {
        if self.has_areas {
            return self.erase_line_sparing(part, Protection::Area);
        }
        let columns = self.columns();
        self.edit_row(|row, column, blank| match part {
            Part::After => row.erase(column, columns, blank),
            Part::Before => row.erase(0, column + 1, blank),
            Part::All => row.erase(0, columns, blank),
        });
    }

    /// DECSEL, and EL where there are protected areas.
    pub(super) fn erase_line_sparing(&mut self, part: Part, least: Protection) {
        let spared = |pen: Pen| pen.is_spared(least);
        let columns = self.columns();
        self.edit_row(|row, column, blank| match part {
            Part::After => row.erase_sparing(column, columns, blank, spared),
            Part::Before => row.erase_sparing(0, column + 1, blank, spared),
            Part::All => row.erase_sparing(0, columns, blank, spared),
        });
    }

    /// DECSED, and ED where there are protected areas.
    pub(super) fn erase_screen_sparing(&mut self, part: Part, least: Protection) {
        let (at, rows, columns) = (self.cursor.row, self.rows(), self.columns());
        let blank = self.pen.blank();
        self.erase_line_sparing(part, least);
        let others = match part {
            Part::After => at + 1..rows,
            Part::Before => 0..at,
            Part::All => 0..rows,
        };
        for row in others {
            if let Some(row) = self.grid.edit(row) {
                row.erase_sparing(0, columns, blank, |pen| pen.is_spared(least));
            }
        }
    }

    /// ED.
    pub(super) fn erase_screen(&mut self, part: Part) {
        if self.has_areas {
            return self.erase_screen_sparing(part, Protection::Area);
        }
        let (row, last) = (self.cursor.row, self.rows() - 1);
        self.erase_line(part);
        if part != Part::After && row > 0 {
            self.grid.clear(Span { top: 0, bottom: row - 1 }, self.pen.blank());
        }
        if part != Part::Before && row < last {
            self.grid.clear(Span { top: row + 1, bottom: last }, self.pen.blank());
        }
    }

    /// ECH.
    pub(super) fn erase_characters(&mut self, count: usize) {
        let has_areas = self.has_areas;
        self.edit_row(|row, column, blank| {
            if has_areas {
                row.erase_sparing(column, column + count, blank, |pen| {
                    pen.is_spared(Protection::Area)
                });
            } else {
                row.erase(column, column + count, blank);
            }
        });
    }

    /// ICH; without effect outside the left and right margins.
    pub(super) fn insert_characters(&mut self, count: usize) {
        let (sides, edge) = (self.sides, self.sides.right + 1);
        if sides.contains(self.cursor.column) {
            self.edit_row(|row, column, blank| row.insert(column, edge, count, blank));
        }
    }

    /// DCH; without effect outside the left and right margins.
    pub(super) fn delete_characters(&mut self, count: usize) {
        let (sides, edge) = (self.sides, self.sides.right + 1);
        if sides.contains(self.cursor.column) {
            self.edit_row(|row, column, blank| row.delete(column, edge, count, blank));
        }
    }

    /// IL; without effect outside the margins.
    pub(super) fn insert_lines(&mut self, count: usize) {
        if let Some(span) = self.span_below_cursor() {
            self.scroll_span_down(span, count);
            self.carriage_return();
        }
    }

    /// DL; without effect outside the margins.
    pub(super) fn delete_lines(&mut self, count: usize) {
        if let Some(span) = self.span_below_cursor() {
            self.scroll_span_up(span, count, Leaving::Lost);
            self.carriage_return();
        }
    }

    fn span_below_cursor(&self) -> Option<Span> {
        let (top, bottom) = (self.cursor.row, self.margins.bottom);
        self.is_within_margins().then_some(Span { top, bottom })
    }

    /// DECIC, at the cursor's column; without effect outside the margins.
    pub(super) fn insert_columns(&mut self, count: usize) {
        if self.is_within_margins() {
            self.shift_right(self.cursor.column, count);
        }
    }

    /// DECDC, at the cursor's column; without effect outside the margins.
    pub(super) fn delete_columns(&mut self, count: usize) {
        if self.is_within_margins() {
            self.shift_left(self.cursor.column, count);
        }
    }

    /// Moves what stands within the margins from `column` on to the right.
    pub(super) fn shift_right(&mut self, column: usize, count: usize) {
        self.edit_margins(|row, edge, blank| row.insert(column, edge, count, blank));
    }

    /// Moves what stands within the margins after `column` to the left.
    pub(super) fn shift_left(&mut self, column: usize, count: usize) {
        self.edit_margins(|row, edge, blank| row.delete(column, edge, count, blank));
    }

    /// Lets `edit` change each row between the margins, up to the right one.
    fn edit_margins(&mut self, edit: impl Fn(&mut Row, usize, Cell)) {
        let (edge, blank) = (self.sides.right + 1, self.pen.blank());
        for row in self.margins.top..=self.margins.bottom {
            if let Some(row) = self.grid.edit(row) {
                edit(row, edge, blank);
            }
        }
        self.cursor.wraps = false;
    }

    /// DECALN: a screen of `E`, for adjusting a picture tube.
    pub(super) fn fill_with_e(&mut self) {
        let columns = self.columns();
        for row in 0..self.rows() {
            if let Some(row) = self.grid.edit(row) {
                let line = [b'E'; COLUMNS_MAX];
                row.put_ascii(0, line.get(..columns).unwrap_or(&line), Pen::DEFAULT);
                row.set_wrapped(false);
            }
        }
        self.release_margins();
        self.cursor = Cursor::default();
    }
}
