//! Rectangles of cells.

use crate::picture::{CELL_HEIGHT, CELL_WIDTH, Size};

/// A rectangle of at least one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) column: u16,
    pub(crate) row: u16,
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl Area {
    /// The whole of a picture.
    pub(crate) fn whole(size: Size) -> Self {
        Self { column: 0, row: 0, columns: size.columns(), rows: size.rows() }
    }

    /// The cells that a rectangle of pixels touches, if it is not empty and on the screen.
    pub(crate) fn touched(x: u16, y: u16, width: u16, height: u16, size: Size) -> Option<Self> {
        let (column, columns) = span(x, width, CELL_WIDTH, size.columns())?;
        let (row, rows) = span(y, height, CELL_HEIGHT, size.rows())?;
        Some(Self { column, row, columns, rows })
    }

    /// The smallest area around both.
    pub(crate) fn around(self, other: Self) -> Self {
        let column = self.column.min(other.column);
        let row = self.row.min(other.row);
        Self {
            column,
            row,
            columns: self.column_end().max(other.column_end()) - column,
            rows: self.row_end().max(other.row_end()) - row,
        }
    }

    /// The column after the last.
    pub(crate) fn column_end(self) -> u16 {
        self.column + self.columns
    }

    /// The row after the last.
    pub(crate) fn row_end(self) -> u16 {
        self.row + self.rows
    }
}

/// The cells of one direction that pixels touch: the first, and how many.
fn span(start: u16, length: u16, cell: u16, cells: u16) -> Option<(u16, u16)> {
    let end = u32::from(start) + u32::from(length);
    let end = u16::try_from(end.div_ceil(cell.into())).map_or(cells, |end| end.min(cells));
    let first = start / cell;
    (length > 0 && first < end).then(|| (first, end - first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(x: u16, y: u16, width: u16, height: u16) -> Option<[u16; 4]> {
        let size = Size::new(80, 24).unwrap();
        Area::touched(x, y, width, height, size).map(|a| [a.column, a.row, a.columns, a.rows])
    }

    #[test]
    fn pixels_touch_whole_cells() {
        assert_eq!(touched(0, 0, 640, 384), Some([0, 0, 80, 24]));
        assert_eq!(touched(7, 15, 2, 2), Some([0, 0, 2, 2]));
        assert_eq!(touched(8, 16, 8, 16), Some([1, 1, 1, 1]));
        assert_eq!(touched(639, 383, 1, 1), Some([79, 23, 1, 1]));
    }

    #[test]
    fn areas_are_cut_to_the_screen() {
        assert_eq!(touched(0, 0, u16::MAX, u16::MAX), Some([0, 0, 80, 24]));
        assert_eq!(touched(632, 0, u16::MAX, 1), Some([79, 0, 1, 1]));
    }

    #[test]
    fn nothing_is_touched_off_the_screen_or_by_an_empty_area() {
        assert_eq!(touched(640, 0, 1, 1), None);
        assert_eq!(touched(0, 384, 1, 1), None);
        assert_eq!(touched(u16::MAX, u16::MAX, u16::MAX, u16::MAX), None);
        assert_eq!(touched(0, 0, 0, 1), None);
        assert_eq!(touched(0, 0, 1, 0), None);
        assert_eq!(touched(4, 0, 0, 1), None);
    }
}
