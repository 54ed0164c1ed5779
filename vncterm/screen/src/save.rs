//! The screen as a small file, so that it outlives the process that holds it.
//!
//! All numbers are little-endian.
//!
//! ```text
//! magic     8   "VNCTSCRN"
//! version   2   2; what was saved by version 1 still loads
//! length    4   of the body
//! checksum  4   of the body: CRC-32 as in zip and PNG
//! body      ... size, state, rows, parked rows, scrollback
//! ```
//! The body's fields are written here in the order in which `load.rs` reads them. Rows are packed as
//! `packed.rs` says. A sequence that the guest is in the middle of is not saved.

use crate::cell::Cell;
use crate::charset::{Charsets, Slot};
use crate::colour::{Colour, Rgb};
use crate::grid::Shown;
use crate::modes::{Family, Modes};
use crate::packed::{Detail, pack, put_colour};
use crate::pen::Pen;
use crate::performer::Coding;
use crate::row::Row;
use crate::screen::Screen;
use crate::terminal::{Cursor, CursorShape, Rom, Saved, Terminal};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The longest file, the limit that the file is written under. What does not fit is given up,
/// the least missed first: old lines, then the rows that are not shown, then the colours of those that are.
pub const SAVE_MAX: usize = 1 << 20;

pub(crate) const MAGIC: [u8; 8] = *b"VNCTSCRN";
/// The version that is written, and the first that is read.
pub(crate) const VERSION: u16 = 2;
pub(crate) const VERSION_FIRST: u16 = 1;
/// The first version with left and right margins.
pub(crate) const VERSION_SIDES: u16 = 2;
/// Magic, version, length and checksum.
pub(crate) const HEADER_LEN: usize = 18;

/// The room kept for what follows the shown rows, however large they are: the two counts.
const TAIL_LEN: usize = 8;

// The values that are written as their place in these tables.
pub(crate) const SHOWN: [Shown; 2] = [Shown::Main, Shown::Alternate];
pub(crate) const SHAPES: [CursorShape; 3] =
    [CursorShape::Block, CursorShape::Underline, CursorShape::Bar];
pub(crate) const CODINGS: [Coding; 2] = [Coding::Utf8, Coding::Latin1];
pub(crate) const ROMS: [Rom; 3] = [Rom::Unused, Rom::Direct, Rom::Toggled];
pub(crate) const SINGLE_SHIFTS: [Option<Slot>; 3] = [None, Some(Slot::G2), Some(Slot::G3)];
pub(crate) const FAMILIES: [Family; 2] = [Family::Ansi, Family::Dec];

impl Screen {
    /// The screen as a file of at most [`SAVE_MAX`] bytes, which [`Self::load`] reads.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut body = Writer::default();
        body.put_state(&self.terminal);
        body.put_rows(&self.terminal);
        let length = u32::try_from(body.0.len()).unwrap_or(u32::MAX);
        let mut file = Writer(Vec::with_capacity(HEADER_LEN + body.0.len()));
        file.0.extend_from_slice(&MAGIC);
        file.put_u16(VERSION.into());
        file.put_u32(length);
        file.put_u32(checksum(&body.0));
        file.0.extend_from_slice(&body.0);
        file.0
    }
}

/// CRC-32: polynomial 0xedb88320, as zip and PNG have it.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n: u32 = 0;
        while n < 256 {
            let (mut sum, mut bit) = (n, 0);
            while bit < 8 {
                sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
                bit += 1;
            }
            table[n as usize] = sum;
            n += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum, &byte| {
        let [low, ..] = sum.to_le_bytes();
        TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default() ^ sum >> 8
    })
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn put_u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A number that is known to fit, such as a column.
    fn put_u16(&mut self, value: usize) {
        let value = u16::try_from(value).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn put_place<T: PartialEq>(&mut self, value: &T, table: &[T]) {
        let place = table.iter().position(|known| known == value).unwrap_or_default();
        self.put_u8(u8::try_from(place).unwrap_or_default());
    }

    fn put_state(&mut self, terminal: &Terminal) {
        let grid = &terminal.grid;
        self.put_u16(grid.columns());
        self.put_u16(grid.len());
        self.put_u16(grid.scrollback().lines_max());
        self.put_place(&grid.shown(), &SHOWN);
        self.put_cursor(terminal.cursor);
        self.put_pen(terminal.pen);
        self.put_charsets(&terminal.charsets);
        self.put_modes(terminal.modes);
        self.put_modes(terminal.modes_saved);
        self.put_u16(terminal.margins.top);
        self.put_u16(terminal.margins.bottom);
        self.put_u16(terminal.sides.left);
        self.put_u16(terminal.sides.right);
        for word in terminal.tabs.words() {
            self.0.extend_from_slice(&word.to_le_bytes());
        }
        self.put_saved(terminal.saved_main.as_ref());
        self.put_saved(terminal.saved_alternate.as_ref());
        self.put_place(&terminal.shape, &SHAPES);
        self.put_place(&terminal.coding, &CODINGS);
        self.put_place(&terminal.rom, &ROMS);
        self.put_u32(terminal.last_printed.map_or(0, u32::from));
        let colour = |rgb: Option<Rgb>| rgb.map_or(Colour::Default, Colour::Rgb);
        put_colour(colour(terminal.palette.default_ink()), &mut self.0);
        put_colour(colour(terminal.palette.default_paper()), &mut self.0);
        self.put_u16(terminal.palette.changed().count());
        for (index, Rgb { red, green, blue }) in terminal.palette.changed() {
            self.0.extend_from_slice(&[index, red, green, blue]);
        }
    }

    fn put_cursor(&mut self, cursor: Cursor) {
        self.put_u16(cursor.row);
        self.put_u16(cursor.column);
        self.put_u8(cursor.wraps.into());
    }

    fn put_pen(&mut self, pen: Pen) {
        self.put_u8(pen.attributes().bits());
        put_colour(pen.ink(), &mut self.0);
        put_colour(pen.paper(), &mut self.0);
    }

    fn put_charsets(&mut self, charsets: &Charsets) {
        for slot in Slot::ALL {
            self.put_u8(charsets.designation(slot).name());
        }
        self.put_place(&charsets.shifted(), &Slot::ALL);
        self.put_place(&charsets.shifted_once(), &SINGLE_SHIFTS);
    }

    fn put_modes(&mut self, modes: Modes) {
        self.put_u16(modes.iter().count());
        for (family, number) in modes.iter().map(crate::modes::Mode::number) {
            self.put_place(&family, &FAMILIES);
            self.put_u16(number.into());
        }
    }

    fn put_saved(&mut self, saved: Option<&Saved>) {
        self.put_u8(saved.is_some().into());
        if let Some(saved) = saved {
            self.put_cursor(saved.cursor);
            self.put_pen(saved.pen);
            self.put_charsets(&saved.charsets);
            self.put_u8(saved.origin.into());
        }
    }

    /// The shown rows, then the parked ones, then the scrollback, as far as they fit.
    fn put_rows(&mut self, terminal: &Terminal) {
        let room = SAVE_MAX - HEADER_LEN - TAIL_LEN;
        self.put_rows_within(terminal.grid.rows(), room);
        let before = self.0.len();
        let parked = terminal.grid.parked();
        self.put_u8(parked.is_some().into());
        if parked.is_some_and(|rows| !self.put_rows_within(rows, room)) {
            self.0.truncate(before);
            self.put_u8(0);
        }
        self.put_scrollback(terminal);
    }

    /// Appends all of `rows`, as text where they would not fit otherwise, or nothing.
    fn put_rows_within(&mut self, rows: &VecDeque<Row>, room: usize) -> bool {
        let before = self.0.len();
        [Detail::Drawn, Detail::Text].into_iter().any(|detail| {
            self.0.truncate(before);
            let mut packed = Vec::new();
            rows.iter().all(|row| {
                packed.clear();
                pack(row.used(), detail, &mut packed);
                self.put_line(row.is_wrapped(), &packed);
                self.0.len() <= room
            })
        })
    }

    fn put_line(&mut self, wrapped: bool, packed: &[u8]) {
        self.put_u8(wrapped.into());
        self.put_u16(packed.len());
        self.0.extend_from_slice(packed);
    }

    /// The newest lines that fit, oldest first.
    fn put_scrollback(&mut self, terminal: &Terminal) {
        let scrollback = terminal.grid.scrollback();
        let mut room = (SAVE_MAX - HEADER_LEN).saturating_sub(self.0.len() + TAIL_LEN);
        let fits = |line: &crate::scrollback::Line<'_>| {
            let left = room.checked_sub(3 + line.packed().len());
            room = left.unwrap_or_default();
            left.is_some()
        };
        let kept = scrollback.lines().rev().take_while(fits).count();
        self.put_u16(kept);
        for line in scrollback.lines().skip(scrollback.len() - kept) {
            self.put_line(line.is_wrapped(), line.packed());
        }
    }
}

/// The most bytes that a row packed as text takes, so that the whole screen always fits.
const _: () = {
    let row = 3 + 3 + 4 * crate::screen::COLUMNS_MAX;
    assert!(HEADER_LEN + 2048 + TAIL_LEN + row * crate::screen::ROWS_MAX < SAVE_MAX);
    assert!(size_of::<Cell>() == 16);
};
