//! Rectangles: erased, filled and copied (VT420).
//!
//! Margins do not bound them, but in origin mode they are counted from there. What changes attributes
//! within a rectangle is not implemented, nor is any report about one.

use super::Terminal;
use crate::cell::{Cell, Extent, columns_of};
use crate::grid::Span;
use crate::params::Params;
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
        let (span, sides) = self.page();
        let top = span.top + top.max(1) - 1;
        let bottom = if bottom == 0 { span.rows() } else { bottom };
        let bottom = (span.top + bottom - 1).min(span.bottom);
        let left = sides.left + left.max(1) - 1;
        let right = if right == 0 { sides.columns() } else { right };
        let right = (sides.left + right).min(sides.right + 1);
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

    /// DECSERA, which spares what DECSCA protects and no areas.
    pub(super) fn erase_rectangle_sparing(&mut self, params: &Params) {
        let Some(Rectangle { rows, left, right }) = self.rectangle(params, 0) else { return };
        let blank = self.pen.blank();
        for row in rows.top..=rows.bottom {
            if let Some(row) = self.grid.edit(row) {
                row.erase_sparing(left, right, blank, |pen| pen.is_selective());
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
        let (span, sides) = self.page();
        let to_row = span.top + usize::from(params.times(5)) - 1;
        let to_column = sides.left + usize::from(params.times(6)) - 1;
        let room = (sides.right + 1).saturating_sub(to_column);
        if room == 0 {
            return;
        }
        let right = right.min(left + room);
        let last = span.bottom;
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
