//! One row of the screen, and the edits within a row.
//!
//! Every edit keeps wide characters whole: where one would be cut in two, both halves
//! become blank. Columns beyond the row are ignored. Which row is where is the grid's business.

use crate::cell::{Cell, Extent, columns_of};
use crate::pen::Pen;
use alloc::boxed::Box;
use alloc::vec;

/// A row of cells.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    cells: Box<[Cell]>,
    stamp: u64,
    /// All cells from this column on are [`Cell::BLANK`], so that clearing and packing a short
    /// line is cheap.
    used: usize,
    wrapped: bool,
}

impl Row {
    pub(crate) fn new(columns: usize, stamp: u64) -> Self {
        Self { cells: vec![Cell::BLANK; columns].into(), stamp, used: 0, wrapped: false }
    }

    /// A row that begins with `cells`, whose wide characters are whole.
    pub(crate) fn from_cells(columns: usize, stamp: u64, cells: &[Cell]) -> Self {
        let mut row = Self::new(columns, stamp);
        for (place, cell) in row.cells.iter_mut().zip(cells) {
            *place = *cell;
        }
        row.used = cells.len().min(columns);
        if let Some(last) = row.cells.last_mut().filter(|last| last.extent() == Extent::Left) {
            *last = last.emptied();
        }
        row
    }

    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cells up to the last one that may not be blank.
    pub(crate) fn used(&self) -> &[Cell] {
        self.cells.get(..self.used).unwrap_or(&self.cells)
    }

    /// The number of this content: no other content ever had it.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    pub(crate) fn set_stamp(&mut self, stamp: u64) {
        self.stamp = stamp;
    }

    /// Whether the line goes on in the row below.
    pub(crate) fn is_wrapped(&self) -> bool {
        self.wrapped
    }

    pub(crate) fn set_wrapped(&mut self, wrapped: bool) {
        self.wrapped = wrapped;
    }

    fn columns(&self) -> usize {
        self.cells.len()
    }

    /// Empties both halves of a wide character that stands across the left edge of `column`.
    fn part(&mut self, column: usize) {
        if let Some([left, right]) = column
            .checked_sub(1)
            .and_then(|left| self.cells.get_mut(left..)?.first_chunk_mut::<2>())
            && right.extent() == Extent::Right
        {
            *left = left.emptied();
            *right = right.emptied();
        }
    }

    /// Overwrites the cell at `column`, and the one after it by the other half if the
    /// character is wide.
    pub(crate) fn put(&mut self, column: usize, cell: Cell) {
        let end = if cell.extent() == Extent::Left { column + 2 } else { column + 1 };
        self.part(column);
        self.part(end);
        let Some(place) = self.cells.get_mut(column..end) else { return };
        place.fill(Cell::new(' ', cell.pen(), Extent::Right));
        if let Some(first) = place.first_mut() {
            *first = cell;
        }
        self.used = self.used.max(end);
        self.wrapped &= end < self.columns();
    }

    /// Overwrites the cells from `column` by printable ASCII, which must end within the row.
    pub(crate) fn put_ascii(&mut self, column: usize, text: &[u8], pen: Pen) {
        let end = column + text.len();
        self.part(column);
        self.part(end);
        let Some(place) = self.cells.get_mut(column..end) else { return };
        for (cell, &byte) in place.iter_mut().zip(text) {
            *cell = Cell::new(char::from(byte), pen, Extent::Whole);
        }
        self.used = self.used.max(end);
        self.wrapped &= end < self.columns();
    }

    /// Overwrites the cells from `column` by the first of `text` that fit before `edge`, which is no
    /// further than the row's end, and none of which is a mark; gives how many characters those were, and how many columns they take.
    pub(crate) fn put_run(
        &mut self,
        column: usize,
        edge: usize,
        text: &[char],
        pen: Pen,
    ) -> (usize, usize) {
        let fits = |character: &char| {
            let width = columns_of(*character);
            width > 0 && column + width <= edge
        };
        if !text.first().is_some_and(fits) {
            return (0, 0);
        }
        self.part(column);
        let mut end = column;
        let mut taken = 0;
        for &character in text {
            let width = columns_of(character);
            match (width, self.cells.get_mut(end..edge)) {
                (1, Some([cell, ..])) => *cell = Cell::new(character, pen, Extent::Whole),
                (2, Some([left, right, ..])) => {
                    *left = Cell::new(character, pen, Extent::Left);
                    *right = Cell::new(' ', pen, Extent::Right);
                }
                _ => break,
            }
            end += width;
            taken += 1;
        }
        // The left half of what is cut in two at the end has just been overwritten.
        if let Some(right) = self.cells.get_mut(end).filter(|cell| cell.extent() == Extent::Right) {
            *right = right.emptied();
        }
        self.used = self.used.max(end);
        self.wrapped &= end < self.columns();
        (taken, end - column)
    }

    /// Overwrites the cells from `column` by others, which must end within the row. A wide character
    /// that is cut at their ends is not shown.
    pub(crate) fn put_cells(&mut self, column: usize, cells: &[Cell]) {
        let end = column + cells.len();
        self.part(column);
        self.part(end);
        let Some(place) = self.cells.get_mut(column..end) else { return };
        place.copy_from_slice(cells);
        if let Some(first) = place.first_mut().filter(|cell| cell.extent() == Extent::Right) {
            *first = first.emptied();
        }
        if let Some(last) = place.last_mut().filter(|cell| cell.extent() == Extent::Left) {
            *last = last.emptied();
        }
        self.used = self.used.max(end);
        self.wrapped &= end < self.columns();
    }

    /// Whether nothing stands on it, nor was it coloured.
    pub(crate) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| *cell == Cell::BLANK)
    }

    /// Puts a combining mark on the character at `column`.
    pub(crate) fn put_mark(&mut self, column: usize, mark: char) {
        let wide = self.cells.get(column).is_some_and(|cell| cell.extent() == Extent::Right);
        let column = if wide { column.saturating_sub(1) } else { column };
        if let Some(cell) = self.cells.get_mut(column) {
            cell.put_mark(mark);
            self.used = self.used.max(column + 1);
        }
    }

    /// Overwrites the cells from `start` up to `end` by `blank`.
    pub(crate) fn erase(&mut self, start: usize, end: usize, blank: Cell) {
        let end = end.min(self.columns());
        self.part(start);
        self.part(end);
        // What is blank already needs no writing.
        let written = if blank == Cell::BLANK { end.min(self.used) } else { end };
        if let Some(place) = self.cells.get_mut(start..written) {
            place.fill(blank);
        }
        if blank != Cell::BLANK {
            self.used = self.used.max(end);
        } else if end >= self.used {
            self.used = self.used.min(start);
        }
        self.wrapped &= end < self.columns();
    }

    /// Overwrites those cells from `start` up to `end` by `blank` whose pen is not `spared`.
    pub(crate) fn erase_sparing(
        &mut self,
        start: usize,
        end: usize,
        blank: Cell,
        spared: impl Fn(Pen) -> bool,
    ) {
        let end = end.min(self.columns());
        let mut column = start;
        while column < end {
            let is_spared =
                |column: &usize| self.cells.get(*column).is_none_or(|cell| spared(cell.pen()));
            let run = (column..end).take_while(|column| !is_spared(column)).count();
            if run > 0 {
                self.erase(column, column + run, blank);
            }
            column += run.max(1);
        }
    }

    /// Empties the whole row.
    pub(crate) fn clear(&mut self, blank: Cell) {
        // What is blank already needs no writing.
        let written = if blank == Cell::BLANK { self.used } else { self.columns() };
        self.used = if blank == Cell::BLANK { 0 } else { written };
        if let Some(place) = self.cells.get_mut(..written) {
            place.fill(blank);
        }
        self.wrapped = false;
    }

    /// Moves the cells from `column` up to `edge`, which is no further than the row's end, to the
    /// right by `count`; what leaves there is lost.
    pub(crate) fn insert(&mut self, column: usize, edge: usize, count: usize, blank: Cell) {
        let edge = edge.min(self.columns());
        let Some(room) = edge.checked_sub(column) else { return };
        let count = count.min(room);
        self.part(column);
        self.part(edge - count);
        self.part(edge);
        self.cells.copy_within(column..edge - count, column + count);
        if self.used <= edge {
            self.used = if self.used > column { (self.used + count).min(edge) } else { 0 };
        }
        self.used = self.used.max(column + count);
        self.wrapped &= edge < self.columns();
        if let Some(place) = self.cells.get_mut(column..column + count) {
            place.fill(blank);
        }
    }

    /// Removes `count` cells at `column` and moves those after them, up to `edge`, to the left.
    pub(crate) fn delete(&mut self, column: usize, edge: usize, count: usize, blank: Cell) {
        let edge = edge.min(self.columns());
        let Some(room) = edge.checked_sub(column) else { return };
        let count = count.min(room);
        self.part(column);
        self.part(column + count);
        self.part(edge);
        self.cells.copy_within(column + count..edge, column);
        // What the tail still holds are copies, whose halves are not to be mended.
        let tail = edge - count;
        if let Some(place) = self.cells.get_mut(tail..edge) {
            place.fill(blank);
        }
        if blank != Cell::BLANK {
            self.used = self.used.max(edge);
        } else if self.used <= edge {
            self.used = self.used.min(tail);
        }
        self.wrapped &= edge < self.columns();
    }

    /// Takes or adds columns at the right.
    pub(crate) fn resize(&mut self, columns: usize) {
        *self = Self::from_cells(columns, self.stamp, &self.cells);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn row(text: &str) -> Row {
        let mut row = Row::new(8, 1);
        let mut column = 0;
        for character in text.chars() {
            let wide = columns_of(character) == 2;
            let extent = if wide { Extent::Left } else { Extent::Whole };
            row.put(column, Cell::new(character, Pen::DEFAULT, extent));
            column += columns_of(character);
        }
        row
    }

    fn text(row: &Row) -> String {
        let halves = row.cells().iter().filter(|cell| cell.extent() != Extent::Right);
        halves.map(Cell::character).collect()
    }

    #[test]
    fn overwriting_half_of_a_wide_character_empties_the_other_half() {
        let mut line = row("a中文b");
        line.put_ascii(2, b"x", Pen::DEFAULT);
        assert_eq!(text(&line), "a x文b  ");
        line.put(2, Cell::new('世', Pen::DEFAULT, Extent::Left));
        assert_eq!(text(&line), "a 世 b  ");
    }

    #[test]
    fn inserting_and_deleting_keep_wide_characters_whole() {
        let mut line = row("a中文b");
        line.insert(2, 8, 1, Cell::BLANK);
        assert_eq!(text(&line), "a   文b ");
        let mut line = row("a中文b");
        line.delete(2, 8, 2, Cell::BLANK);
        assert_eq!(text(&line), "a  b    ");
        let mut line = row("abcdef中");
        line.insert(0, 8, 1, Cell::BLANK);
        assert_eq!(text(&line), " abcdef ");
    }

    #[test]
    fn a_wide_character_at_the_edge_survives_a_deletion_before_it() {
        let mut line = row("abcdef中");
        line.delete(0, 8, 1, Cell::BLANK);
        assert_eq!(text(&line), "bcdef中 ");
    }

    #[test]
    fn counts_beyond_the_row_end_with_it() {
        let mut line = row("abcdefgh");
        line.insert(3, 8, 9999, Cell::BLANK);
        assert_eq!(text(&line), "abc     ");
        let mut line = row("abcdefgh");
        line.delete(3, 99, 9999, Cell::BLANK);
        assert_eq!(text(&line), "abc     ");
        line.insert(9999, 99999, 1, Cell::BLANK);
        line.delete(9999, 8, 1, Cell::BLANK);
        line.erase(9999, 99999, Cell::BLANK);
        line.put(9999, Cell::BLANK);
        assert_eq!(text(&line), "abc     ");
    }

    #[test]
    fn a_narrower_row_keeps_its_beginning() {
        let mut line = row("abc中文");
        line.resize(4);
        assert_eq!(text(&line), "abc ");
        line.resize(6);
        assert_eq!(text(&line), "abc   ");
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Put(usize, char),
        Ascii(usize, String),
        Erase(usize, usize, bool),
        Insert(usize, usize, usize, bool),
        Delete(usize, usize, usize, bool),
        Run(usize, usize, String),
        Cells(usize, usize),
        Resize(usize),
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            (0usize..10, prop_oneof![Just('中'), Just('x')]).prop_map(|(a, b)| Edit::Put(a, b)),
            (0usize..10, "[a-z]{1,5}").prop_map(|(a, b)| Edit::Ascii(a, b)),
            (0usize..10, 0usize..12, any::<bool>()).prop_map(|(a, b, c)| Edit::Erase(a, b, c)),
            (0usize..10, 0usize..10, 0usize..12, any::<bool>())
                .prop_map(|(a, b, c, d)| Edit::Insert(a, b, c, d)),
            (0usize..10, 0usize..10, 0usize..12, any::<bool>())
                .prop_map(|(a, b, c, d)| Edit::Delete(a, b, c, d)),
            (0usize..10, 0usize..9, "[a中]{1,5}").prop_map(|(a, b, c)| Edit::Run(a, b, c)),
            (0usize..10, 0usize..10).prop_map(|(a, b)| Edit::Cells(a, b)),
            (2usize..10).prop_map(Edit::Resize),
        ]
    }

    proptest! {
        #[test]
        fn halves_always_pair_and_cells_after_used_are_blank(
            edits in proptest::collection::vec(edit(), 0..20))
        {
            let mut row = Row::new(8, 1);
            let red = Pen::DEFAULT.with_paper(crate::colour::Colour::Indexed(1)).blank();
            let blank = |coloured| if coloured { red } else { Cell::BLANK };
            for edit in edits {
                match edit {
                    Edit::Put(column, character) => {
                        let wide = columns_of(character) == 2;
                        let extent = if wide { Extent::Left } else { Extent::Whole };
                        row.put(column, Cell::new(character, Pen::DEFAULT, extent));
                    }
                    Edit::Ascii(column, text) =>
                        row.put_ascii(column, text.as_bytes(), Pen::DEFAULT),
                    Edit::Erase(start, end, red) => row.erase(start, end, blank(red)),
                    Edit::Insert(column, edge, count, red) =>
                        row.insert(column, edge, count, blank(red)),
                    Edit::Delete(column, edge, count, red) =>
                        row.delete(column, edge, count, blank(red)),
                    Edit::Run(column, edge, text) => {
                        let text: Vec<char> = text.chars().collect();
                        row.put_run(column, edge.min(row.columns()), &text, Pen::DEFAULT);
                    }
                    Edit::Cells(from, to) => {
                        let cells = row.cells().to_vec();
                        let len = cells.len().saturating_sub(from.max(to));
                        if let Some(cells) = cells.get(from..from + len) {
                            row.put_cells(to, cells);
                        }
                    }
                    Edit::Resize(columns) => row.resize(columns),
                }
                let cells = row.cells();
                for (column, cell) in cells.iter().enumerate() {
                    let next = cells.get(column + 1).map(Cell::extent);
                    prop_assert_eq!(cell.extent() == Extent::Left, next == Some(Extent::Right));
                    prop_assert!(column < row.used().len() || *cell == Cell::BLANK);
                }
                prop_assert_ne!(cells[0].extent(), Extent::Right);
            }
        }
    }
}
