//! The screen as bytes that repaint it on another terminal, for viewers of plain text.
//!
//! Only sequences that xterm understands are used. The scrollback is repainted for who asks for it;
//! modes that are over in a moment (2026) are not.

use crate::cell::{Cell, Extent};
use crate::charset::{Charsets, Slot};
use crate::colour::{Colour, Rgb};
use crate::grid::{Shown, Sides, Span};
use crate::modes::{Family, Mode, Modes};
use crate::pen::{Attributes, Pen};
use crate::performer::Coding;
use crate::row::Row;
use crate::screen::Screen;
use crate::tabs::Tabs;
use crate::terminal::{Cursor, CursorShape, Rom, Saved, Terminal};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Brings a terminal into the state that the painting starts from, whatever was there before.
const START: &str =
    "\x1b[?1049l\x1b[!p\x1b[0m\x1b(B\x0f\x1b[r\x1b[?69l\x1b[?6l\x1b[?7h\x1b[4l\x1b[H\x1b[2J";

impl Screen {
    /// The bytes that make a terminal of this size look like this screen and go on as this
    /// one would.
    #[must_use]
    pub fn replay(&self) -> Vec<u8> {
        let terminal = &self.terminal;
        let mut painter = Painter::default();
        painter.put(START);
        painter.paint_palette(terminal);
        match terminal.grid.parked() {
            Some(main) if terminal.grid.shown() == Shown::Alternate => {
                painter.paint_rows(main);
                // Entering the alternate screen saves the main cursor.
                painter.place(&terminal.saved_main.unwrap_or_default(), main);
                painter.put("\x1b[?1049h");
                painter.reset_place();
                painter.paint_rows(terminal.grid.rows());
                painter.save_place(terminal.saved_alternate.as_ref(), terminal.grid.rows());
            }
            _ => {
                painter.paint_rows(terminal.grid.rows());
                painter.save_place(terminal.saved_main.as_ref(), terminal.grid.rows());
            }
        }
        painter.paint_state(terminal);
        painter.bytes
    }

    /// The lines that have left the screen, for a terminal of this size to have above its own, and
    /// then [`Self::replay`].
    #[must_use]
    pub fn replay_with_scrollback(&self) -> Vec<u8> {
        let mut painter = Painter::default();
        let lines = self.scrollback_len();
        if lines > 0 {
            painter.put(START);
        }
        for back in (1..=lines).rev() {
            let row = self.row(back, 0);
            painter.paint_cells(up_to_last(&row.cells));
            painter.take_pen(Pen::DEFAULT);
            painter.put("\r\n");
        }
        if lines > 0 {
            // The last of them leave the screen as well.
            (1..self.rows()).for_each(|_| painter.put("\r\n"));
        }
        painter.bytes.extend(self.replay());
        painter.bytes
    }
}

/// The cells of a row up to the last that isn't blank.
fn up_to_last(cells: &[Cell]) -> &[Cell] {
    let len = cells.iter().rposition(|cell| *cell != Cell::BLANK).map_or(0, |last| last + 1);
    cells.get(..len).unwrap_or_default()
}

/// The bytes so far, and the pen that they leave.
#[derive(Default)]
struct Painter {
    bytes: Vec<u8>,
    pen: Pen,
}

impl core::fmt::Write for Painter {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Painter {
    fn put(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn format(&mut self, text: core::fmt::Arguments<'_>) {
        // Writing to a vector cannot fail.
        let _ = self.write_fmt(text);
    }

    fn go_to(&mut self, row: usize, column: usize) {
        self.format(format_args!("\x1b[{};{}H", row + 1, column + 1));
    }

    fn paint_palette(&mut self, terminal: &Terminal) {
        let palette = &terminal.palette;
        for (index, Rgb { red, green, blue }) in palette.changed() {
            let colour = format_args!("rgb:{red:02x}/{green:02x}/{blue:02x}");
            self.format(format_args!("\x1b]4;{index};{colour}\x1b\\"));
        }
        let defaults = [(10, palette.default_ink()), (11, palette.default_paper())];
        for (command, colour) in defaults {
            if let Some(Rgb { red, green, blue }) = colour {
                let colour = format_args!("rgb:{red:02x}/{green:02x}/{blue:02x}");
                self.format(format_args!("\x1b]{command};{colour}\x1b\\"));
            }
        }
    }

    fn paint_rows(&mut self, rows: &VecDeque<Row>) {
        for (index, row) in rows.iter().enumerate() {
            let cells = up_to_last(row.used());
            if !cells.is_empty() {
                self.go_to(index, 0);
                self.paint_cells(cells);
            }
        }
    }

    fn paint_cells(&mut self, cells: &[Cell]) {
        for cell in cells.iter().filter(|cell| cell.extent() != Extent::Right) {
            self.take_pen(cell.pen());
            for character in [Some(cell.character()), cell.mark()].into_iter().flatten() {
                self.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    fn take_pen(&mut self, pen: Pen) {
        if pen == self.pen {
            return;
        }
        self.pen = pen;
        self.put("\x1b[0");
        let codes = [
            (Attributes::BOLD, ";1"),
            (Attributes::FAINT, ";2"),
            (Attributes::ITALIC, ";3"),
            (Attributes::UNDERLINE, ";4"),
            (Attributes::BLINK, ";5"),
            (Attributes::INVERSE, ";7"),
            (Attributes::INVISIBLE, ";8"),
            (Attributes::STRIKE, ";9"),
        ];
        for (attribute, code) in codes {
            if pen.attributes().contains(attribute) {
                self.put(code);
            }
        }
        self.put_colour(pen.ink(), 30);
        self.put_colour(pen.paper(), 40);
        self.put("m");
    }

    /// `base` is 30 for the ink, 40 for the paper.
    fn put_colour(&mut self, colour: Colour, base: u8) {
        match colour {
            Colour::Default => {}
            Colour::Indexed(index @ 0..=7) => self.format(format_args!(";{}", base + index)),
            Colour::Indexed(index @ 8..=15) => self.format(format_args!(";{}", base + 52 + index)),
            Colour::Indexed(index) => self.format(format_args!(";{};5;{index}", base + 8)),
            Colour::Rgb(Rgb { red, green, blue }) => {
                self.format(format_args!(";{};2;{red};{green};{blue}", base + 8));
            }
        }
    }

    fn take_charsets(&mut self, charsets: &Charsets) {
        for slot in Slot::ALL {
            let name = charsets.designation(slot).name();
            self.bytes.extend_from_slice(&[0x1b, slot.designator(), name]);
        }
        self.put(match charsets.shifted() {
            Slot::G0 => "\x0f",
            Slot::G1 => "\x0e",
            Slot::G2 => "\x1bn",
            Slot::G3 => "\x1bo",
        });
    }

    /// Puts the cursor where it was saved, with everything that is saved along with it.
    fn place(&mut self, saved: &Saved, rows: &VecDeque<Row>) {
        // At a margin that is not there yet, nothing wraps.
        let columns = rows.front().map_or(0, |row| row.cells().len());
        let wraps = saved.cursor.wraps && saved.cursor.column + 1 == columns;
        self.put_cursor(Cursor { wraps, ..saved.cursor }, (0, 0), rows);
        self.take_pen(saved.pen);
        self.take_charsets(&saved.charsets);
    }

    fn reset_place(&mut self) {
        self.take_pen(Pen::DEFAULT);
        self.take_charsets(&Charsets::default());
    }

    fn save_place(&mut self, saved: Option<&Saved>, rows: &VecDeque<Row>) {
        if let Some(saved) = saved {
            self.place(saved, rows);
            self.put("\x1b7");
            self.reset_place();
        }
    }

    /// Everything but the cells. Painting is over: from here on modes may be set that would spoil
    /// it.
    fn paint_state(&mut self, terminal: &Terminal) {
        if terminal.tabs != Tabs::default() {
            self.put("\x1b[3g");
            for column in
                (0..terminal.grid.columns()).filter(|&column| terminal.tabs.is_set(column))
            {
                self.format(format_args!("\x1b[{}G\x1bH", column + 1));
            }
        }
        let Span { top, bottom } = terminal.margins;
        if terminal.margins != terminal.grid.whole() {
            self.format(format_args!("\x1b[{};{}r", top + 1, bottom + 1));
        }
        let Sides { left, right } = terminal.sides;
        if terminal.modes.is_set(Mode::SideMargins) {
            self.put("\x1b[?69h");
            if terminal.sides != terminal.grid.width() {
                self.format(format_args!("\x1b[{};{}s", left + 1, right + 1));
            }
        }
        if terminal.modes.is_set(Mode::Origin) {
            self.put("\x1b[?6h");
        }
        let (span, sides) = terminal.page();
        self.put_cursor(terminal.cursor, (span.top, sides.left), terminal.grid.rows());
        self.paint_modes(terminal.modes);
        let shape = match terminal.shape {
            CursorShape::Block => 2,
            CursorShape::Underline => 4,
            CursorShape::Bar => 6,
        };
        if terminal.shape != CursorShape::default() {
            let blinks = u8::from(terminal.modes.is_set(Mode::CursorBlink));
            self.format(format_args!("\x1b[{} q", shape - blinks));
        }
        self.take_pen(terminal.pen);
        self.take_charsets(&terminal.charsets);
        self.put(match terminal.rom {
            Rom::Unused => "",
            Rom::Direct => "\x1b[11m",
            Rom::Toggled => "\x1b[12m",
        });
        self.put(if terminal.coding == Coding::Latin1 { "\x1b%@" } else { "" });
    }

    /// Puts the cursor to its place among `rows`, which the terminal counts from a row and a column.
    fn put_cursor(&mut self, cursor: Cursor, (top, left): (usize, usize), rows: &VecDeque<Row>) {
        let row = cursor.row.saturating_sub(top);
        let column = cursor.column.saturating_sub(left);
        self.go_to(row, column);
        // A line about to wrap gets so by writing its last character again.
        let cells = rows.get(cursor.row).filter(|_| cursor.wraps).map(Row::cells);
        if let Some([.., before, last]) = cells.and_then(|cells| cells.get(..=cursor.column)) {
            let is_wide = last.extent() == Extent::Right;
            self.go_to(row, column - usize::from(is_wide));
            self.paint_cells(core::slice::from_ref(if is_wide { before } else { last }));
        }
    }

    fn paint_modes(&mut self, modes: Modes) {
        for &mode in Mode::ALL {
            let on = modes.is_set(mode);
            let painted_elsewhere = matches!(
                mode,
                Mode::Origin
                    | Mode::SideMargins
                    | Mode::Alternate
                    | Mode::AlternateCleared
                    | Mode::AlternateSaved
                    | Mode::SavedCursor
                    | Mode::Synchronized
            );
            if painted_elsewhere || on == Modes::default().is_set(mode) {
                continue;
            }
            let last = if on { 'h' } else { 'l' };
            match (mode, mode.number()) {
                (Mode::Keypad, _) => self.put("\x1b="),
                (_, (Family::Ansi, number)) => self.format(format_args!("\x1b[{number}{last}")),
                (_, (Family::Dec, number)) => self.format(format_args!("\x1b[?{number}{last}")),
            }
        }
    }
}
