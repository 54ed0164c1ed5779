//! Rectangles: erased, filled and copied (VT420).
//!
//! Margins do not bound them, but in origin mode they are counted from there. What changes attributes
//! within a rectangle is not implemented, nor is any report about one.

use super::Terminal;
use crate::cell::{Cell, Extent, columns_of};
use crate::grid::Span;
use crate::modes::Mode;
use crate::params::Params;
use crate::pen::Protection;
use alloc::vec::Vec;

/// Cells of the screen, from the top left to `right`, which is not among them.
#[derive(Clone, Copy, Debug)]
struct Rectangle {
    rows: Span,
    left: usize,
    right: usize,
}

impl Terminal {
    /// The rectangle in the parameters from `first` on: top, left, bottom, right, counted from 1. What
    /// reaches out of the screen is cut off; `None` when nothing is left.
    fn rectangle(&self, params: &Params, first: usize) -> Option<Rectangle> {
        let [top, left, bottom, right] = [0, 1, 2, 3].map(|n| usize::from(params.value(first + n)));
        let origin = self.origin();
        let last = if self.is_set(Mode::Origin) { self.margins.bottom } else { self.rows() - 1 };
        let top = origin + top.max(1) - 1;
        let bottom = if bottom == 0 { last } else { (origin + bottom - 1).min(last) };
        let left = left.max(1) - 1;
        let right = if right == 0 { self.columns() } else { right.min(self.columns()) };
        (top <= bottom && left < right).then_some(Rectangle {
            rows: Span { top, bottom },
            left,
            right,
        })
    }

    /// DECERA.
    pub(super) fn erase_rectangle(&mut self, params: &Params) {
        let Some(Rectangle { rows, left, right }) = self.rectangle(params, 0) else { return };
        let blank = self.pen.blank();
        for row in rows.top..=rows.bottom {
            if let Some(row) = self.grid.edit(row) {
                row.erase(left, right, blank);
            }
        }
    }

    /// DECSERA.
    pub(super) fn erase_rectangle_sparing(&mut self, params: &Params) {
        let Some(Rectangle { rows, left, right }) = self.rectangle(params, 0) else { return };
        let blank = self.pen.blank();
        for row in rows.top..=rows.bottom {
            if let Some(row) = self.grid.edit(row) {
                row.erase_sparing(left, right, blank, Protection::Selective);
            }
        }
    }

    /// DECFRA: fills with a character of Latin-1 that is seen.
    pub(super) fn fill_rectangle(&mut self, params: &Params) {
        let character = u8::try_from(params.value(0)).map(char::from).ok();
        let Some(character) = character.filter(|c| !c.is_control() && columns_of(*c) == 1) else {
            return;
        };
        let Some(Rectangle { rows, left, right }) = self.rectangle(params, 1) else { return };
        let filled = Cell::new(character, self.pen, Extent::Whole);
        for row in rows.top..=rows.bottom {
            if let Some(row) = self.grid.edit(row) {
                row.erase(left, right, filled);
            }
        }
    }

    /// DECCRA. There is one page, so the numbers of pages say nothing.
    pub(super) fn copy_rectangle(&mut self, params: &Params) {
        let Some(Rectangle { rows, left, right }) = self.rectangle(params, 0) else { return };
        let to_row = self.origin() + usize::from(params.times(5)) - 1;
        let to_column = usize::from(params.times(6)) - 1;
        let Some(room) = self.columns().checked_sub(to_column).filter(|room| *room > 0) else {
            return;
        };
        let right = right.min(left + room);
        let last = if self.is_set(Mode::Origin) { self.margins.bottom } else { self.rows() - 1 };
        // Where the two overlap, what was there before is copied.
        let copies: Vec<Vec<Cell>> = (rows.top..=rows.bottom.min(last))
            .filter_map(|row| Some(self.grid.row(row)?.cells().get(left..right)?.to_vec()))
            .collect();
        for (row, cells) in (to_row..=last).zip(copies) {
            if let Some(row) = self.grid.edit(row) {
                row.put_cells(to_column, &cells);
            }
        }
    }
}
