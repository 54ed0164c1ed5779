//! A screen from the file that `save.rs` writes.
//!
//! The file may have been cut short, damaged, or written by someone who wants harm: every number is
//! looked at before it is believed, and the checksum is only for accidents.

use crate::cell::Cell;
use crate::charset::{Charset, Charsets, Slot};
use crate::colour::{Colour, Palette, Rgb};
use crate::grid::{Shown, Sides, Span};
use crate::modes::{Mode, Modes};
use crate::packed::{UnpackError, take_colour, unpack};
use crate::pen::{Attributes, Pen};
use crate::save::{
    CODINGS, FAMILIES, HEADER_LEN, MAGIC, ROMS, SAVE_MAX, SHAPES, SHOWN, SINGLE_SHIFTS, VERSION,
    VERSION_FIRST, VERSION_SIDES, checksum,
};
use crate::screen::{COLUMNS_MAX, COLUMNS_MIN, ROWS_MAX, ROWS_MIN, Screen};
use crate::scrollback::{SCROLLBACK_LINES_MAX, Scrollback};
use crate::tabs::Tabs;
use crate::terminal::{Cursor, Saved, Terminal};
use alloc::vec::Vec;
use thiserror::Error;

/// Why bytes are not a saved screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LoadError {
    /// It is longer than any saved screen.
    #[error("saved screen of {0} bytes, more than {SAVE_MAX}")]
    TooLong(usize),
    /// It does not begin as a saved screen does.
    #[error("not a saved screen")]
    Foreign,
    /// It was saved by a later program.
    #[error("saved screen of version {0}, not {VERSION_FIRST} to {VERSION}")]
    Version(u16),
    /// It ends too early.
    #[error("saved screen ends within its {0}")]
    CutShort(&'static str),
    /// Bytes follow the end.
    #[error("{0} bytes after the end of the saved screen")]
    Trailing(usize),
    /// It was damaged.
    #[error("saved screen with checksum {found:08x} instead of {expected:08x}")]
    Checksum {
        /// What the file says.
        expected: u32,
        /// What its bytes give.
        found: u32,
    },
    /// A number is outside its bounds.
    #[error("saved screen with {what} {value}")]
    Value {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: u32,
    },
    /// A row is malformed.
    #[error("row {row} of the saved screen")]
    Row {
        /// Which one, in the file's order.
        row: usize,
        /// What is wrong with it.
        source: UnpackError,
    },
    /// A row has more cells than the screen has columns.
    #[error("row {row} of the saved screen with {cells} cells")]
    RowTooLong {
        /// Which one, in the file's order.
        row: usize,
        /// How many cells it has.
        cells: usize,
    },
}

impl Screen {
    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// Any other bytes are refused, whatever they are.
    pub fn load(file: &[u8]) -> Result<Self, LoadError> {
        let (version, body) = body(file)?;
        let mut reader = Reader { version, rest: body, rows: 0 };
        let mut terminal = reader.state()?;
        reader.rows(&mut terminal)?;
        match reader.rest.len() {
            0 => Ok(Self::of(terminal)),
            len => Err(LoadError::Trailing(len)),
        }
    }
}

/// The version and what follows the header, when the header is right.
fn body(file: &[u8]) -> Result<(u16, &[u8]), LoadError> {
    if file.len() > SAVE_MAX {
        return Err(LoadError::TooLong(file.len()));
    }
    let (header, body) = match file.split_at_checked(HEADER_LEN) {
        Some(parts) => parts,
        None if file.starts_with(&MAGIC) => return Err(LoadError::CutShort("header")),
        None => return Err(LoadError::Foreign),
    };
    let header = header.strip_prefix(&MAGIC).ok_or(LoadError::Foreign)?;
    let mut header = Reader { version: VERSION, rest: header, rows: 0 };
    let version = header.u16("header")?;
    if !(VERSION_FIRST..=VERSION).contains(&version) {
        return Err(LoadError::Version(version));
    }
    let length = usize::try_from(header.u32("header")?).unwrap_or(usize::MAX);
    let expected = header.u32("header")?;
    if body.len() < length {
        return Err(LoadError::CutShort("body"));
    }
    if body.len() > length {
        return Err(LoadError::Trailing(body.len() - length));
    }
    let found = checksum(body);
    if found != expected {
        return Err(LoadError::Checksum { expected, found });
    }
    Ok((version, body))
}

/// The bytes that are still to be read, and how many rows were.
struct Reader<'a> {
    version: u16,
    rest: &'a [u8],
    rows: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], LoadError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(LoadError::CutShort(what))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const LEN: usize>(&mut self, what: &'static str) -> Result<[u8; LEN], LoadError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(LoadError::CutShort(what))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, LoadError> {
        self.array(what).map(|[byte]| byte)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, LoadError> {
        self.array(what).map(u16::from_le_bytes)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, LoadError> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// A number from `least` to `most`.
    fn within(
        &mut self,
        least: usize,
        most: usize,
        what: &'static str,
    ) -> Result<usize, LoadError> {
        let value = self.u16(what)?;
        Some(usize::from(value))
            .filter(|value| (least..=most).contains(value))
            .ok_or(LoadError::Value { what, value: value.into() })
    }

    fn flag(&mut self, what: &'static str) -> Result<bool, LoadError> {
        self.one_of(&[false, true], what)
    }

    /// A value written as its place in `table`.
    fn one_of<T: Copy>(&mut self, table: &[T], what: &'static str) -> Result<T, LoadError> {
        let value = self.u8(what)?;
        let found = table.get(usize::from(value)).copied();
        found.ok_or(LoadError::Value { what, value: value.into() })
    }

    fn state(&mut self) -> Result<Terminal, LoadError> {
        let columns = self.within(COLUMNS_MIN, COLUMNS_MAX, "columns")?;
        let rows = self.within(ROWS_MIN, ROWS_MAX, "rows")?;
        let lines_max = self.within(0, SCROLLBACK_LINES_MAX, "scrollback lines")?;
        let mut terminal = Terminal::new(columns, rows, Scrollback::new(lines_max));
        terminal.grid.show(self.one_of(&SHOWN, "shown rows")?);
        terminal.cursor = self.cursor(columns, rows)?;
        terminal.pen = self.pen()?;
        terminal.charsets = self.charsets()?;
        terminal.modes = self.modes()?;
        terminal.modes_saved = self.modes()?;
        let top = self.within(0, rows - 1, "top margin")?;
        let bottom = self.within(top, rows - 1, "bottom margin")?;
        terminal.margins = Span { top, bottom };
        if self.version >= VERSION_SIDES {
            let left = self.within(0, columns - 1, "left margin")?;
            let right = self.within(left, columns - 1, "right margin")?;
            terminal.sides = Sides { left, right };
        }
        terminal.cursor.wraps &= terminal.cursor.column + 1 == terminal.edge();
        let mut words = Tabs::default().words();
        for word in &mut words {
            *word = u64::from_le_bytes(self.array("tab stops")?);
        }
        terminal.tabs = Tabs::from_words(words);
        terminal.saved_main = self.saved(columns, rows)?;
        terminal.saved_alternate = self.saved(columns, rows)?;
        terminal.shape = self.one_of(&SHAPES, "cursor shape")?;
        terminal.coding = self.one_of(&CODINGS, "coding")?;
        terminal.rom = self.one_of(&ROMS, "glyph use")?;
        terminal.last_printed = self.last_printed()?;
        terminal.palette = self.palette()?;
        Ok(terminal)
    }

    fn cursor(&mut self, columns: usize, rows: usize) -> Result<Cursor, LoadError> {
        let row = self.within(0, rows - 1, "cursor row")?;
        let column = self.within(0, columns - 1, "cursor column")?;
        let wraps = self.flag("cursor flag")?;
        Ok(Cursor { row, column, wraps })
    }

    fn colour(&mut self, what: &'static str) -> Result<Colour, LoadError> {
        take_colour(&mut self.rest).map_err(|error| match error {
            UnpackError::Colour(kind) => LoadError::Value { what, value: kind.into() },
            UnpackError::CutShort | UnpackError::Count(_) | UnpackError::Character => {
                LoadError::CutShort(what)
            }
        })
    }

    fn pen(&mut self) -> Result<Pen, LoadError> {
        let attributes = Attributes::from_bits(self.u8("pen")?);
        Ok(Pen::new(self.colour("pen")?, self.colour("pen")?, attributes))
    }

    fn charsets(&mut self) -> Result<Charsets, LoadError> {
        let what = "character set";
        let mut charsets = Charsets::default();
        for slot in Slot::ALL {
            let name = self.u8(what)?;
            let value = name.into();
            charsets.designate(slot, Charset::named(name).ok_or(LoadError::Value { what, value })?);
        }
        charsets.shift(self.one_of(&Slot::ALL, what)?);
        if let Some(slot) = self.one_of(&SINGLE_SHIFTS, what)? {
            charsets.shift_once(slot);
        }
        Ok(charsets)
    }

    fn modes(&mut self) -> Result<Modes, LoadError> {
        let what = "mode";
        let mut modes = Modes::default();
        for &mode in Mode::ALL {
            modes.set(mode, false);
        }
        for _ in 0..self.within(0, Mode::ALL.len(), "modes")? {
            let family = self.one_of(&FAMILIES, what)?;
            let number = self.u16(what)?;
            let value = number.into();
            let mode = Mode::numbered(family, number).ok_or(LoadError::Value { what, value })?;
            modes.set(mode, true);
        }
        Ok(modes)
    }

    fn saved(&mut self, columns: usize, rows: usize) -> Result<Option<Saved>, LoadError> {
        if !self.flag("saved cursor")? {
            return Ok(None);
        }
        Ok(Some(Saved {
            cursor: self.cursor(columns, rows)?,
            pen: self.pen()?,
            charsets: self.charsets()?,
            origin: self.flag("saved cursor")?,
        }))
    }

    fn last_printed(&mut self) -> Result<Option<char>, LoadError> {
        let what = "last character";
        let value = self.u32(what)?;
        let character = char::from_u32(value).ok_or(LoadError::Value { what, value })?;
        Ok(Some(character).filter(|character| !character.is_control()))
    }

    fn palette(&mut self) -> Result<Palette, LoadError> {
        let rgb = |colour| match colour {
            Colour::Rgb(rgb) => Some(rgb),
            Colour::Default | Colour::Indexed(_) => None,
        };
        let mut palette = Palette::default();
        palette.set_default_ink(rgb(self.colour("default ink")?));
        palette.set_default_paper(rgb(self.colour("default paper")?));
        for _ in 0..self.within(0, crate::colour::INDEXED_COLOURS, "changed colours")? {
            let [index, red, green, blue] = self.array("palette")?;
            palette.set(index, Rgb::new(red, green, blue));
        }
        Ok(palette)
    }

    fn rows(&mut self, terminal: &mut Terminal) -> Result<(), LoadError> {
        self.shown_rows(terminal)?;
        if self.flag("parked rows")? {
            let (shown, parked) = match terminal.grid.shown() {
                Shown::Main => (Shown::Main, Shown::Alternate),
                Shown::Alternate => (Shown::Alternate, Shown::Main),
            };
            terminal.grid.show(parked);
            self.shown_rows(terminal)?;
            terminal.grid.show(shown);
        }
        for _ in 0..self.within(0, SCROLLBACK_LINES_MAX, "scrollback")? {
            let (wrapped, packed) = self.line()?;
            let mut cells = Vec::new();
            self.cells(packed, COLUMNS_MAX, &mut cells)?;
            terminal.grid.push_scrollback(wrapped, packed);
        }
        Ok(())
    }

    fn shown_rows(&mut self, terminal: &mut Terminal) -> Result<(), LoadError> {
        let mut cells = Vec::new();
        for row in 0..terminal.grid.len() {
            let (wrapped, packed) = self.line()?;
            self.cells(packed, terminal.grid.columns(), &mut cells)?;
            terminal.grid.put_row(row, &cells, wrapped);
        }
        Ok(())
    }

    fn line(&mut self) -> Result<(bool, &'a [u8]), LoadError> {
        let wrapped = self.flag("row")?;
        let len = self.u16("row")?;
        Ok((wrapped, self.bytes(len.into(), "row")?))
    }

    fn cells(
        &mut self,
        packed: &[u8],
        columns: usize,
        cells: &mut Vec<Cell>,
    ) -> Result<(), LoadError> {
        let row = self.rows;
        self.rows += 1;
        cells.clear();
        unpack(packed, cells).map_err(|source| LoadError::Row { row, source })?;
        if cells.len() > columns {
            return Err(LoadError::RowTooLong { row, cells: cells.len() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
