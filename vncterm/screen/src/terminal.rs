//! The terminal: what each piece of a guest's output does to the screen.
//!
//! It is a VT220 with the habits of the linux console and of xterm. This file holds its state;
//! the functions are in `terminal/`, a file for each kind. Bytes are parted by the parser, before.

mod command;
mod cursor;
mod edit;
mod escape;
mod mode;
mod print;
mod rectangle;
mod report;
mod sequence;
mod sgr;
#[cfg(test)]
mod tests;

use crate::charset::Charsets;
use crate::colour::Palette;
use crate::grid::{Grid, Shown, Sides, Span};
use crate::modes::{Mode, Modes};
use crate::pen::Pen;
use crate::performer::{Coding, Performer, Sequence};
use crate::replies::Replies;
use crate::scrollback::Scrollback;
use crate::tabs::Tabs;

/// Where the next character goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Always a row of the screen.
    pub(crate) row: usize,
    /// Always a column of the screen.
    pub(crate) column: usize,
    /// The last column, or that at the right margin, has been written and the cursor still stands on
    /// it: the next character goes to the row below. (A cursor one column off the screen would say the same, but every
    /// other function would have to pull it back.)
    pub(crate) wraps: bool,
}

/// The shape that a program asked the cursor to have (DECSCUSR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CursorShape {
    /// The whole cell.
    #[default]
    Block,
    /// The cell's lowest line.
    Underline,
    /// A bar at the cell's left.
    Bar,
}

/// What DECSC saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) cursor: Cursor,
    pub(crate) pen: Pen,
    pub(crate) charsets: Charsets,
    pub(crate) origin: bool,
}

/// How the linux console's SGR 10 to 12 make bytes glyph numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rom {
    /// Not at all (SGR 10).
    #[default]
    Unused,
    /// A byte is a number (SGR 11).
    Direct,
    /// A byte with its highest bit turned over is a number (SGR 12).
    Toggled,
}

/// All that a guest can change.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    pub(crate) grid: Grid,
    pub(crate) cursor: Cursor,
    pub(crate) pen: Pen,
    pub(crate) charsets: Charsets,
    pub(crate) modes: Modes,
    /// What `CSI ? s` saved.
    pub(crate) modes_saved: Modes,
    pub(crate) margins: Span,
    /// The left and right margins; all columns unless DECLRMM is set.
    pub(crate) sides: Sides,
    pub(crate) tabs: Tabs,
    /// What DECSC saved, for each set of rows its own.
    pub(crate) saved_main: Option<Saved>,
    pub(crate) saved_alternate: Option<Saved>,
    pub(crate) shape: CursorShape,
    pub(crate) palette: Palette,
    /// Whether text was protected from all erasing since the last reset, which ends that: without,
    /// nothing is looked for.
    pub(crate) has_areas: bool,
    /// Counts the changes that change how every cell looks.
    pub(crate) look: u64,
    /// UTF-8 or Latin-1; [`Rom`] goes before it.
    pub(crate) coding: Coding,
    pub(crate) rom: Rom,
    /// What REP repeats.
    pub(crate) last_printed: Option<char>,
    pub(crate) replies: Replies,
    pub(crate) bell: bool,
}

impl Terminal {
    pub(crate) fn new(columns: usize, rows: usize, scrollback: Scrollback) -> Self {
        let grid = Grid::new(columns, rows, scrollback);
        Self {
            margins: grid.whole(),
            sides: grid.width(),
            grid,
            cursor: Cursor::default(),
            pen: Pen::DEFAULT,
            charsets: Charsets::default(),
            modes: Modes::default(),
            modes_saved: Modes::default(),
            tabs: Tabs::default(),
            saved_main: None,
            saved_alternate: None,
            shape: CursorShape::default(),
            palette: Palette::default(),
            has_areas: false,
            look: 0,
            coding: Coding::Utf8,
            rom: Rom::Unused,
            last_printed: None,
            replies: Replies::default(),
            bell: false,
        }
    }

    /// RIS: as after power-on. The scrollback stays: what a guest said before it reset its
    /// console is what its owner looks for.
    fn reset(&mut self) {
        self.grid.show(Shown::Main);
        self.grid.drop_alternate();
        self.grid.clear(self.grid.whole(), Pen::DEFAULT.blank());
        self.reset_state();
        self.cursor = Cursor::default();
        self.tabs = Tabs::default();
        self.palette = Palette::default();
        self.shape = CursorShape::default();
        self.coding = Coding::Utf8;
        self.look += 1;
    }

    /// DECSTR: the modes as after power-on; text, tab stops and colours stay.
    pub(crate) fn reset_state(&mut self) {
        self.look += u64::from(self.modes.is_set(Mode::ReverseScreen));
        self.pen = Pen::DEFAULT;
        self.has_areas = false;
        self.charsets = Charsets::default();
        self.modes = Modes::default();
        self.modes_saved = Modes::default();
        self.release_margins();
        self.saved_main = None;
        self.saved_alternate = None;
        self.rom = Rom::Unused;
        self.last_printed = None;
        self.cursor.wraps = false;
    }

    /// As after power-on, but that all text stays: the cursor stands in the first column below it,
    /// and the screen has scrolled where it was full.
    pub(crate) fn begin_anew(&mut self) {
        self.grid.keep_alternate();
        self.reset_state();
        self.tabs = Tabs::default();
        self.palette = Palette::default();
        self.shape = CursorShape::default();
        self.coding = Coding::Utf8;
        self.look += 1;
        self.cursor = Cursor::default();
        if let Some(row) = self.grid.last_used() {
            self.cursor.row = row;
            self.index();
        }
    }

    fn columns(&self) -> usize {
        self.grid.columns()
    }

    fn rows(&self) -> usize {
        self.grid.len()
    }

    /// Margins at the edges of the screen.
    fn release_margins(&mut self) {
        self.margins = self.grid.whole();
        self.sides = self.grid.width();
    }

    fn is_set(&self, mode: Mode) -> bool {
        self.modes.is_set(mode)
    }

    /// Changes the size of the screen; the cursors stay with their lines.
    pub(crate) fn resize(&mut self, columns: usize, rows: usize) {
        let parked = match self.grid.shown() {
            Shown::Main => self.saved_alternate,
            Shown::Alternate => self.saved_main,
        };
        let row = self.cursor.row;
        let parked_row = parked.map_or(row, |saved| saved.cursor.row);
        let (lost, parked_lost) = self.grid.resize(columns, rows, row, parked_row);
        let (lost_main, lost_alternate) = match self.grid.shown() {
            Shown::Main => (lost, parked_lost),
            Shown::Alternate => (parked_lost, lost),
        };
        self.release_margins();
        let fit = |cursor: &mut Cursor, lost: usize| {
            let inside = cursor.column < columns;
            cursor.row = cursor.row.saturating_sub(lost).min(rows - 1);
            cursor.column = cursor.column.min(columns - 1);
            cursor.wraps &= inside && cursor.column + 1 == columns;
        };
        fit(&mut self.cursor, lost);
        for (saved, lost) in
            [(&mut self.saved_main, lost_main), (&mut self.saved_alternate, lost_alternate)]
        {
            if let Some(saved) = saved {
                fit(&mut saved.cursor, lost);
            }
        }
    }
}

impl Performer for Terminal {
    fn print(&mut self, character: char) {
        self.put_character(character);
    }

    fn print_ascii(&mut self, text: &[u8]) {
        self.put_text(text);
    }

    fn print_run(&mut self, text: &[char]) {
        self.put_run(text);
    }

    fn print_rom(&mut self, glyph: u8) {
        self.put_glyph(glyph);
    }

    fn control(&mut self, control: u8) {
        self.act_on_control(control);
    }

    fn escape(&mut self, intermediates: &[u8], last: u8) {
        self.act_on_escape(intermediates, last);
    }

    fn sequence(&mut self, sequence: Sequence<'_>) {
        self.act_on_sequence(&sequence);
    }

    fn command(&mut self, text: &[u8]) {
        self.act_on_command(text);
    }

    fn set_palette(&mut self, digits: [u8; 7]) {
        self.set_console_colour(digits);
    }

    fn reset_palette(&mut self) {
        self.reset_colours();
    }

    fn coding(&self) -> Coding {
        match self.rom {
            Rom::Unused => self.coding,
            Rom::Direct | Rom::Toggled => Coding::Rom,
        }
    }
}
