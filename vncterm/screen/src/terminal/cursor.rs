//! Moving the cursor, the scrolling that this causes, and saving the cursor.

use super::{Cursor, Saved, Terminal};
use crate::grid::{Leaving, Shown, Sides, Span};
use crate::modes::Mode;

impl Terminal {
    /// The rows and columns that are counted: in origin mode those within the margins.
    pub(crate) fn page(&self) -> (Span, Sides) {
        if self.is_set(Mode::Origin) {
            (self.margins, self.sides)
        } else {
            (self.grid.whole(), self.grid.width())
        }
    }

    pub(super) fn is_within_margins(&self) -> bool {
        self.margins.contains(self.cursor.row) && self.sides.contains(self.cursor.column)
    }

    /// The column that text from the cursor on ends before.
    pub(crate) fn edge(&self) -> usize {
        let margin = self.sides.right + 1;
        if self.cursor.column < margin { margin } else { self.columns() }
    }

    /// Goes to a row and column counted from the origin, as far as there are any.
    pub(super) fn go_to(&mut self, row: usize, column: usize) {
        self.go_to_row(row);
        self.go_to_column(column);
    }

    pub(super) fn go_to_row(&mut self, row: usize) {
        let (Span { top, bottom }, _) = self.page();
        self.cursor.row = row.saturating_add(top).min(bottom);
        self.cursor.wraps = false;
    }

    pub(super) fn go_to_column(&mut self, column: usize) {
        let (_, Sides { left, right }) = self.page();
        self.cursor.column = column.saturating_add(left).min(right);
        self.cursor.wraps = false;
    }

    /// HPR: to the right, whatever margins there are.
    pub(super) fn move_right(&mut self, columns: usize) {
        let (_, Sides { left, .. }) = self.page();
        self.go_to_column(self.cursor.column.saturating_sub(left).saturating_add(columns));
    }

    /// VPR: down, whatever margins there are.
    pub(super) fn move_down(&mut self, rows: usize) {
        let (Span { top, .. }, _) = self.page();
        self.go_to_row(self.cursor.row.saturating_sub(top).saturating_add(rows));
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

    /// BS and CUB: not past the left margin unless already left of it, but that a line may go on in
    /// the row above.
    pub(super) fn go_left(&mut self, columns: usize) {
        let anywhere = self.is_set(Mode::ReverseWrapAnywhere);
        let wraps = self.is_set(Mode::AutoWrap) && (anywhere || self.is_set(Mode::ReverseWrap));
        let mut columns = columns;
        // What is about to wrap stands, for those modes, one column further right.
        if wraps && self.cursor.wraps {
            columns -= 1;
        }
        self.cursor.wraps = false;
        let mut folded = false;
        loop {
            let room = self.cursor.column - self.left_limit();
            if columns <= room || !wraps {
                self.cursor.column -= columns.min(room);
                return;
            }
            let Some(above) = self.row_wrapped_from(anywhere) else {
                self.cursor.column -= room;
                return;
            };
            columns -= room + 1;
            self.cursor.row = above;
            self.cursor.column = self.sides.right;
            if anywhere && !folded && self.is_within_margins() {
                // From here on it goes in circles: whole ones change nothing.
                columns %= self.margins.rows() * self.sides.columns();
                folded = true;
            }
        }
    }

    fn left_limit(&self) -> usize {
        if self.cursor.column >= self.sides.left { self.sides.left } else { 0 }
    }

    /// The row that one goes to from the first column of this one.
    fn row_wrapped_from(&self, anywhere: bool) -> Option<usize> {
        let row = self.cursor.row;
        if !anywhere {
            let above = row.checked_sub(1).filter(|_| row != self.margins.top)?;
            return self.grid.row(above)?.is_wrapped().then_some(above);
        }
        Some(if row == self.margins.top {
            self.margins.bottom
        } else {
            row.checked_sub(1).unwrap_or(self.rows() - 1)
        })
    }

    /// CUF: not past the right margin unless already right of it.
    pub(super) fn go_right(&mut self, columns: usize) {
        self.cursor.column = self.cursor.column.saturating_add(columns).min(self.edge() - 1);
        self.cursor.wraps = false;
    }

    /// CR: to the left margin, or from left of it to the first column.
    pub(super) fn carriage_return(&mut self) {
        let margin = self.sides.left;
        let stays = self.cursor.column < margin && !self.is_set(Mode::Origin);
        self.cursor.column = if stays { 0 } else { margin };
        self.cursor.wraps = false;
    }

    /// DECBI: left one column; at the left margin the text goes right instead.
    pub(super) fn back_index(&mut self) {
        if self.cursor.column != self.sides.left {
            self.cursor.column = self.cursor.column.saturating_sub(1);
        } else if self.is_within_margins() {
            self.shift_right(self.sides.left, 1);
        }
        self.cursor.wraps = false;
    }

    /// DECFI: right one column; at the right margin the text goes left instead.
    pub(super) fn forward_index(&mut self) {
        if self.cursor.column != self.sides.right {
            self.cursor.column = (self.cursor.column + 1).min(self.columns() - 1);
        } else if self.is_within_margins() {
            self.shift_left(self.sides.left, 1);
        }
        self.cursor.wraps = false;
    }

    /// LF, and VT and FF alike.
    pub(super) fn line_feed(&mut self) {
        self.index();
        if self.is_set(Mode::NewLine) {
            self.carriage_return();
        }
    }

    /// IND: down one row; at the bottom margin the text goes up instead, unless the cursor is left or
    /// right of it.
    pub(super) fn index(&mut self) {
        if self.cursor.row == self.margins.bottom {
            if self.sides.contains(self.cursor.column) {
                self.scroll_up(1);
            }
        } else if self.cursor.row + 1 < self.rows() {
            self.cursor.row += 1;
        }
        self.cursor.wraps = false;
    }

    /// RI: up one row; at the top margin the text goes down instead.
    pub(super) fn reverse_index(&mut self) {
        if self.cursor.row == self.margins.top {
            if self.sides.contains(self.cursor.column) {
                self.scroll_down(1);
            }
        } else if self.cursor.row > 0 {
            self.cursor.row -= 1;
        }
        self.cursor.wraps = false;
    }

    pub(super) fn scroll_up(&mut self, count: usize) {
        self.scroll_span_up(self.margins, count, Leaving::Kept);
    }

    pub(super) fn scroll_down(&mut self, count: usize) {
        self.scroll_span_down(self.margins, count);
    }

    pub(super) fn scroll_span_up(&mut self, span: Span, count: usize, leaving: Leaving) {
        let blank = self.pen.blank();
        if self.sides == self.grid.width() {
            self.grid.scroll_up(span, count, blank, leaving);
        } else {
            self.grid.scroll_up_within(span, self.sides, count, blank);
        }
    }

    pub(super) fn scroll_span_down(&mut self, span: Span, count: usize) {
        let blank = self.pen.blank();
        if self.sides == self.grid.width() {
            self.grid.scroll_down(span, count, blank);
        } else {
            self.grid.scroll_down_within(span, self.sides, count, blank);
        }
    }

    /// HT and CHT, not past the right margin. At the last column a line that is about to wrap stays
    /// so.
    pub(super) fn tab(&mut self, count: usize) {
        if self.is_set(Mode::TabWraps) {
            self.wrap_if_due();
        }
        let edge = self.edge();
        for _ in 0..count.min(edge) {
            let stop = self.tabs.next(self.cursor.column, edge);
            self.cursor.column = stop.unwrap_or(edge - 1);
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

    /// DECSLRM, with columns counted from 1; margins of less than two columns are refused.
    pub(super) fn set_sides(&mut self, left: u16, right: u16) {
        let columns = self.columns();
        let right = if right == 0 { columns } else { usize::from(right).min(columns) };
        let left = usize::from(left.max(1));
        if left < right {
            self.sides = Sides { left: left - 1, right: right - 1 };
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
        self.cursor.wraps &= cursor.column + 1 == self.edge();
    }

    fn saved(&mut self) -> &mut Option<Saved> {
        match self.grid.shown() {
            Shown::Main => &mut self.saved_main,
            Shown::Alternate => &mut self.saved_alternate,
        }
    }
}
