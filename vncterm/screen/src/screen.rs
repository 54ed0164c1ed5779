//! The screen as its owner sees it: fed with bytes, looked at row by row.
//!
//! How it is written out as text, as bytes for another terminal and as a file is in the
//! files of those names.

use crate::cell::Cell;
use crate::colour::{Palette, Rgb};
use crate::grid::Shown;
use crate::keyboard::{Backspace, CursorKeys, KeyModes, Keypad, LineEnd};
use crate::modes::Mode;
use crate::parser::Parser;
use crate::paste::Brackets;
use crate::pen::Attributes;
use crate::performer::Performer as _;
use crate::replies::ShortBytes;
use crate::scrollback::Scrollback;
use crate::terminal::{CursorShape, Terminal};
use alloc::borrow::Cow;

/// The narrowest screen: one that a wide character fits on.
pub const COLUMNS_MIN: usize = 2;
/// The widest screen.
pub const COLUMNS_MAX: usize = 512;
/// The lowest screen.
pub const ROWS_MIN: usize = 1;
/// The highest screen. With [`COLUMNS_MAX`] it bounds the memory of a screen to 2 MiB, twice that
/// while a guest uses its alternate screen.
pub const ROWS_MAX: usize = 256;

/// A cell's place, counted from the top left, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Rows from the top.
    pub row: u16,
    /// Columns from the left.
    pub column: u16,
}

/// One row of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowView<'a> {
    /// The number of this content.
    pub stamp: u64,
    /// A cell for each column.
    pub cells: Cow<'a, [Cell]>,
    /// Whether the line goes on in the row below, because it was too long for this one.
    pub wrapped: bool,
}

/// A terminal's screen, with its scrollback and the state of its parser.
#[derive(Clone, Debug)]
pub struct Screen {
    parser: Parser,
    pub(crate) terminal: Terminal,
}

impl Screen {
    /// An empty screen that keeps `scrollback` lines. A size or number outside the bounds becomes
    /// the nearest one within.
    #[must_use]
    pub fn new(columns: u16, rows: u16, scrollback: usize) -> Self {
        let (columns, rows) = within_bounds(columns, rows);
        Self::of(Terminal::new(columns, rows, Scrollback::new(scrollback)))
    }

    pub(crate) fn of(terminal: Terminal) -> Self {
        let mut parser = Parser::default();
        parser.reset(&terminal);
        Self { parser, terminal }
    }

    /// Takes what the guest printed. The bytes may begin and end anywhere in a sequence or
    /// character.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.terminal, bytes);
    }

    /// The next answer that the guest is to be sent, whole. At most 64 wait; a guest
    /// that asks for more without taking any loses the later ones.
    pub fn take_reply(&mut self) -> Option<ShortBytes> {
        self.terminal.replies.take()
    }

    /// Whether the bell has rung since this was last asked.
    pub fn take_bell(&mut self) -> bool {
        core::mem::take(&mut self.terminal.bell)
    }

    /// How many columns there are.
    #[must_use]
    pub fn columns(&self) -> u16 {
        coordinate(self.terminal.grid.columns())
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u16 {
        coordinate(self.terminal.grid.len())
    }

    /// Where the cursor is, unless the guest hides it.
    #[must_use]
    pub fn cursor(&self) -> Option<Position> {
        let visible = self.terminal.modes.is_set(Mode::CursorVisible);
        visible.then(|| self.cursor_position())
    }

    /// Where the cursor is, seen or not.
    pub(crate) fn cursor_position(&self) -> Position {
        let cursor = self.terminal.cursor;
        Position { row: coordinate(cursor.row), column: coordinate(cursor.column) }
    }

    /// The shape that the guest wants the cursor to have, and whether it should blink.
    #[must_use]
    pub fn cursor_shape(&self) -> (CursorShape, bool) {
        (self.terminal.shape, self.terminal.modes.is_set(Mode::CursorBlink))
    }

    /// How many lines have been kept of those that left the screen at its top.
    #[must_use]
    pub fn scrollback_len(&self) -> usize {
        self.terminal.grid.scrollback().len()
    }

    /// How many lines have ever left the screen for the scrollback: by how much more than before, a
    /// view must be set back further to stay where it is.
    #[must_use]
    pub fn scrollback_pushed(&self) -> u64 {
        self.terminal.grid.scrollback().pushed()
    }

    /// A row of the view that shows `view_offset` lines of the scrollback above the screen's own;
    /// an offset beyond the oldest line means the oldest. A row beyond the last is blank, with stamp 0.
    #[must_use]
    pub fn row(&self, view_offset: usize, row: u16) -> RowView<'_> {
        let grid = &self.terminal.grid;
        let view_offset = view_offset.min(grid.scrollback().len());
        let row = usize::from(row);
        if let Some(row) = row.checked_sub(view_offset).and_then(|row| grid.row(row)) {
            let cells = Cow::Borrowed(row.cells());
            return RowView { stamp: row.stamp(), cells, wrapped: row.is_wrapped() };
        }
        let back = view_offset.checked_sub(row).and_then(|back| back.checked_sub(1));
        if let Some(line) = back.and_then(|back| grid.scrollback().line(back)) {
            let cells = Cow::Owned(line.cells(grid.columns()));
            return RowView { stamp: line.stamp(), cells, wrapped: line.is_wrapped() };
        }
        let cells = Cow::Owned(alloc::vec![Cell::BLANK; grid.columns()]);
        RowView { stamp: 0, cells, wrapped: false }
    }

    /// A number that changes whenever all cells may look different although no row's stamp has
    /// changed: a colour of the palette was set, or the whole screen was inverted.
    #[must_use]
    pub fn look(&self) -> u64 {
        self.terminal.look
    }

    /// The colours in which `cell` is drawn, ink first, after its attributes have acted on them.
    #[must_use]
    pub fn colours(&self, cell: &Cell) -> (Rgb, Rgb) {
        let (palette, attributes) = (&self.terminal.palette, cell.attributes());
        let mut ink = palette.ink(cell.ink(), attributes.contains(Attributes::BOLD));
        let mut paper = palette.paper(cell.paper());
        if attributes.contains(Attributes::FAINT) {
            ink = Palette::faint(ink, paper);
        }
        if attributes.contains(Attributes::INVERSE)
            != self.terminal.modes.is_set(Mode::ReverseScreen)
        {
            (ink, paper) = (paper, ink);
        }
        if attributes.contains(Attributes::INVISIBLE) {
            ink = paper;
        }
        (ink, paper)
    }

    /// What decides the bytes of this guest's keys.
    #[must_use]
    pub fn key_modes(&self) -> KeyModes {
        let is_set = |mode| self.terminal.modes.is_set(mode);
        KeyModes {
            cursor_keys: if is_set(Mode::CursorKeys) {
                CursorKeys::Application
            } else {
                CursorKeys::Normal
            },
            keypad: if is_set(Mode::Keypad) { Keypad::Application } else { Keypad::Numeric },
            line_end: if is_set(Mode::NewLine) {
                LineEnd::CarriageReturnLineFeed
            } else {
                LineEnd::CarriageReturn
            },
            backspace: if is_set(Mode::BackArrow) {
                Backspace::Backspace
            } else {
                Backspace::Delete
            },
            coding: self.terminal.coding(),
            rows: self.rows(),
        }
    }

    /// Whether the guest wants pastes enclosed.
    #[must_use]
    pub fn brackets(&self) -> Brackets {
        if self.terminal.modes.is_set(Mode::BracketedPaste) {
            Brackets::Wanted
        } else {
            Brackets::Unwanted
        }
    }

    /// Whether the guest is in the middle of drawing and asks not to be looked at yet (mode 2026).
    /// It may never end: a viewer waits a moment at most.
    #[must_use]
    pub fn is_synchronizing(&self) -> bool {
        self.terminal.modes.is_set(Mode::Synchronized)
    }

    /// Whether a full-screen program has the alternate screen.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.terminal.grid.shown() == Shown::Alternate
    }

    /// Writes `text` on a line of its own, such as "-- guest rebooted --". A sequence or
    /// character that the guest has begun goes on afterwards as if nothing had happened.
    pub fn mark(&mut self, text: &str) {
        self.terminal.mark(text);
    }

    /// Begins with a program that knows nothing of the last one: `mark` stands on a line below
    /// everything that is shown, and the cursor below that. Modes, margins, colours, tab stops and
    /// pen are as at first, and no sequence is under way. What is shown stays, and goes up as the
    /// new program prints; an alternate screen stays as the main one, whose rows go to the
    /// scrollback.
    pub fn begin_anew(&mut self, mark: &str) {
        self.terminal.begin_anew();
        self.parser.reset(&self.terminal);
        self.terminal.mark(mark);
    }

    /// Changes the size, within the bounds of [`Self::new`]. Rows below the cursor are given up
    /// first, then those at the top go to the scrollback. Lines are not wrapped anew.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let (columns, rows) = within_bounds(columns, rows);
        self.terminal.resize(columns, rows);
    }
}

fn within_bounds(columns: u16, rows: u16) -> (usize, usize) {
    let columns = usize::from(columns).clamp(COLUMNS_MIN, COLUMNS_MAX);
    (columns, usize::from(rows).clamp(ROWS_MIN, ROWS_MAX))
}

/// A row or column of the screen, which is never above [`COLUMNS_MAX`].
fn coordinate(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
