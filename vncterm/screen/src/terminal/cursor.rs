//! Moving the cursor, the scrolling that this causes, and saving the cursor.

use super::{Cursor, Saved, Terminal};
use crate::grid::{Leaving, Shown, Span};
use crate::modes::Mode;

impl Terminal {
    /// The row that rows are counted from.
    pub(super) fn origin(&self) -> usize {
        if self.is_set(Mode::Origin) { self.margins.top } else { 0 }
    }

    /// Goes to a row and column counted from the origin, as far as there are any.
    pub(super) fn go_to(&mut self, row: usize, column: usize) {
        self.go_to_row(row);
        self.go_to_column(column);
    }

    pub(super) fn go_to_row(&mut self, row: usize) {
        let bottom = if self.is_set(Mode::Origin) { self.margins.bottom } else { self.rows() - 1 };
        self.cursor.row = row.saturating_add(self.origin()).min(bottom);
        self.cursor.wraps = false;
    }

    pub(super) fn go_to_column(&mut self, column: usize) {
        self.cursor.column = column.min(self.columns() - 1);
        self.cursor.wraps = false;
    }

    /// Goes up, not past the top margin unless already above it.
    pub(super) fn go_up(&mut self, rows: usize) {
        let margin = self.margins.top;
        let top = if self.cursor.row >= margin { margin } else { 0 };
        self.cursor.row = self.cursor.row.saturating_sub(rows).max(top);
        self.cursor.wraps = false;
    }

    /// Goes down, not past the bottom margin unless already below it.
    pub(super) fn go_down(&mut self, rows: usize) {
        let margin = self.margins.bottom;
        let bottom = if self.cursor.row <= margin { margin } else { self.rows() - 1 };
        self.cursor.row = self.cursor.row.saturating_add(rows).min(bottom);
        self.cursor.wraps = false;
    }

    pub(super) fn go_left(&mut self, columns: usize) {
        self.go_to_column(self.cursor.column.saturating_sub(columns));
    }

    pub(super) fn go_right(&mut self, columns: usize) {
        self.go_to_column(self.cursor.column.saturating_add(columns));
    }

    pub(super) fn carriage_return(&mut self) {
        self.go_to_column(0);
    }

    /// LF, and VT and FF alike.
    pub(super) fn line_feed(&mut self) {
        self.index();
        if self.is_set(Mode::NewLine) {
            self.carriage_return();
        }
    }

    /// IND: down one row; at the bottom margin the text goes up instead.
    pub(super) fn index(&mut self) {
        if self.cursor.row == self.margins.bottom {
            self.scroll_up(1);
        } else if self.cursor.row + 1 < self.rows() {
            self.cursor.row += 1;
        }
        self.cursor.wraps = false;
    }

    /// RI: up one row; at the top margin the text goes down instead.
    pub(super) fn reverse_index(&mut self) {
        if self.cursor.row == self.margins.top {
            self.scroll_down(1);
        } else if self.cursor.row > 0 {
            self.cursor.row -= 1;
        }
        self.cursor.wraps = false;
    }

    pub(super) fn scroll_up(&mut self, count: usize) {
        self.grid.scroll_up(self.margins, count, self.pen.blank(), Leaving::Kept);
    }

    pub(super) fn scroll_down(&mut self, count: usize) {
        self.grid.scroll_down(self.margins, count, self.pen.blank());
    }

    /// HT and CHT. At the last column a line that is about to wrap stays so.
    pub(super) fn tab(&mut self, count: usize) {
        let last = self.columns() - 1;
        for _ in 0..count.min(self.columns()) {
            let stop = self.tabs.next(self.cursor.column, self.columns());
            self.cursor.column = stop.unwrap_or(last);
        }
    }

    /// CBT.
    pub(super) fn tab_back(&mut self, count: usize) {
        for _ in 0..count.min(self.columns()) {
            self.cursor.column = self.tabs.previous(self.cursor.column).unwrap_or(0);
        }
        self.cursor.wraps = false;
    }

    /// DECSTBM, with rows counted from 1; margins of less than two rows are refused.
    pub(super) fn set_margins(&mut self, top: u16, bottom: u16) {
        let rows = self.rows();
        let bottom = if bottom == 0 { rows } else { usize::from(bottom).min(rows) };
        let top = usize::from(top.max(1));
        if top < bottom {
            self.margins = Span { top: top - 1, bottom: bottom - 1 };
            self.go_to(0, 0);
        }
    }

    /// DECSC.
    pub(super) fn save_cursor(&mut self) {
        let saved = Saved {
            cursor: self.cursor,
            pen: self.pen,
            charsets: self.charsets,
            origin: self.is_set(Mode::Origin),
        };
        *self.saved() = Some(saved);
    }

    /// DECRC: what was saved, or else as after power-on.
    pub(super) fn restore_cursor(&mut self) {
        let Saved { cursor, pen, charsets, origin } = self.saved().unwrap_or_default();
        (self.pen, self.charsets) = (pen, charsets);
        self.modes.set(Mode::Origin, origin);
        self.cursor = Cursor { row: cursor.row.min(self.rows() - 1), ..cursor };
    }

    fn saved(&mut self) -> &mut Option<Saved> {
        match self.grid.shown() {
            Shown::Main => &mut self.saved_main,
            Shown::Alternate => &mut self.saved_alternate,
        }
    }
}
