//! The screen as plain text.

use crate::cell::{Cell, Extent};
use crate::screen::{Position, RowView, Screen};
use alloc::string::String;

impl Screen {
    /// The whole screen: a line for each row, ended by LF, without trailing blanks.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for row in 0..self.rows() {
            push_line(&mut text, &self.row(0, row).cells);
            text.push('\n');
        }
        text
    }

    /// The text from one cell to another, both included, in either order, as they stand in the view
    /// of `view_offset`.
    ///
    /// Lines lose their trailing blanks and end in LF; a line that went on in the next row is one
    /// line. The last line ends in LF if it is selected to the screen's edge.
    #[must_use]
    pub fn selected_text(&self, from: Position, to: Position, view_offset: usize) -> String {
        let (from, to) = (from.min(to), from.max(to));
        let last = to.row.min(self.rows().saturating_sub(1));
        let mut text = String::new();
        for row in from.row..=last {
            let RowView { cells, wrapped, .. } = self.row(view_offset, row);
            let start = if row == from.row { usize::from(from.column) } else { 0 };
            let end = if row == to.row { usize::from(to.column) + 1 } else { cells.len() };
            let selected = widen(&cells, start, end);
            if wrapped && end >= cells.len() {
                push_cells(&mut text, without_gap(selected, &self.row(view_offset, row + 1).cells));
            } else {
                push_line(&mut text, selected);
                if end >= cells.len() {
                    text.push('\n');
                }
            }
        }
        text
    }
}

/// The cells from `start` to `end`, with both halves of a wide character of which one is there.
fn widen(cells: &[Cell], start: usize, end: usize) -> &[Cell] {
    let is_right =
        |column: usize| cells.get(column).is_some_and(|cell| cell.extent() == Extent::Right);
    let start = if is_right(start) { start - 1 } else { start };
    let end = if is_right(end) { end + 1 } else { end.min(cells.len()) };
    cells.get(start..end).unwrap_or_default()
}

/// The cells of a wrapped row without the last column, where that only stayed free because the wide
/// character that begins the next row did not fit.
fn without_gap<'a>(cells: &'a [Cell], next: &[Cell]) -> &'a [Cell] {
    let begins_wide = next.first().is_some_and(|cell| cell.extent() == Extent::Left);
    match cells.split_last() {
        Some((last, rest)) if begins_wide && last.is_empty() => rest,
        _ => cells,
    }
}

fn push_cells(text: &mut String, cells: &[Cell]) {
    for cell in cells.iter().filter(|cell| cell.extent() != Extent::Right) {
        text.push(cell.character());
        text.extend(cell.mark());
    }
}

fn push_line(text: &mut String, cells: &[Cell]) {
    let len = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    push_cells(text, cells.get(..len).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(bytes: &str) -> Screen {
        let mut screen = Screen::new(10, 4, 10);
        screen.feed(bytes.as_bytes());
        screen
    }

    fn at(row: u16, column: u16) -> Position {
        Position { row, column }
    }

    #[test]
    fn the_text_of_a_screen_has_a_line_for_each_row() {
        assert_eq!(screen("one\r\n\n  two  中e\u{301}").text(), "one\n\n  two  中e\u{301}\n\n");
    }

    #[test]
    fn selecting_within_a_line_adds_no_line_end() {
        let screen = screen("hello you\r\nsecond");
        assert_eq!(screen.selected_text(at(0, 6), at(0, 8), 0), "you");
        assert_eq!(screen.selected_text(at(0, 8), at(0, 6), 0), "you");
    }

    #[test]
    fn selected_lines_end_in_lf_and_lose_trailing_blanks() {
        let screen = screen("one   \r\ntwo\x1b[3;1Hthree");
        assert_eq!(screen.selected_text(at(0, 1), at(2, 2), 0), "ne\ntwo\nthr");
        assert_eq!(screen.selected_text(at(0, 0), at(2, 9), 0), "one\ntwo\nthree\n");
        assert_eq!(screen.selected_text(at(0, 0), at(900, 900), 0), "one\ntwo\nthree\n\n");
    }

    #[test]
    fn a_line_that_wrapped_is_one_line() {
        let screen = screen("0123456789abc\r\nnext");
        assert_eq!(screen.selected_text(at(0, 0), at(2, 3), 0), "0123456789abc\nnext");
        let screen = self::screen("012345678中");
        assert_eq!(screen.selected_text(at(0, 0), at(1, 3), 0), "012345678中");
    }

    #[test]
    fn a_wide_character_is_selected_once_and_whole() {
        let screen = screen("a中b");
        assert_eq!(screen.selected_text(at(0, 0), at(0, 1), 0), "a中");
        assert_eq!(screen.selected_text(at(0, 2), at(0, 3), 0), "中b");
    }

    #[test]
    fn the_scrollback_is_selected_through_the_view() {
        let screen = screen("one\r\ntwo\r\nthree\r\nfour\r\nfive\r\nsix");
        assert_eq!(screen.scrollback_len(), 2);
        assert_eq!(screen.selected_text(at(0, 0), at(2, 4), 2), "one\ntwo\nthree");
        assert_eq!(screen.selected_text(at(0, 0), at(0, 9), 99), "one\n");
    }
}
