//! Text: where characters go, and how lines go on in the next row.

use super::{Rom, Terminal};
use crate::cell::{Cell, Extent, columns_of};
use crate::charset::rom_character;
use crate::modes::Mode;
use crate::pen::Pen;

/// How many characters REP writes at once.
const REPEAT_RUN: usize = 64;

impl Terminal {
    /// Writes printable ASCII, through the character sets.
    pub(super) fn put_text(&mut self, text: &[u8]) {
        if self.rom == Rom::Toggled {
            for &byte in text {
                self.put_glyph(byte);
            }
            return;
        }
        let mut plain = text;
        while let Some((&byte, rest)) = plain.split_first()
            && !self.charsets.is_plain()
        {
            let character = self.charsets.map(byte);
            self.put_character(character);
            plain = rest;
        }
        self.put_plain(plain);
        if let Some(&last) = plain.last() {
            self.last_printed = Some(char::from(last));
        }
    }

    /// Writes printable ASCII as it stands.
    fn put_plain(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            self.wrap_if_due();
            let (margin, inserts) = (self.sides.left, self.is_set(Mode::Insert));
            // Only what stands between the margins is inserted.
            let ends_at_margin = inserts && self.cursor.column < margin;
            let end = if ends_at_margin { margin } else { self.edge() };
            let room = end - self.cursor.column;
            let (run, tail) = rest.split_at(rest.len().min(room));
            if inserts {
                self.insert_characters(run.len());
            }
            let (column, pen) = (self.cursor.column, self.pen);
            if let Some(row) = self.grid.edit(self.cursor.row) {
                row.put_ascii(column, run, pen);
            }
            self.advance(run.len());
            rest = tail;
        }
    }

    /// Writes characters of any kind, printable ASCII through the character sets.
    pub(super) fn put_run(&mut self, text: &[char]) {
        let mut rest = text;
        while let Some((&first, tail)) = rest.split_first() {
            let taken = self.put_narrow_and_wide(rest);
            if taken > 0 {
                rest = rest.get(taken..).unwrap_or_default();
                continue;
            }
            match u8::try_from(first) {
                Ok(byte) if first.is_ascii() => self.put_text(&[byte]),
                _ => self.put_character(first),
            }
            rest = tail;
        }
    }

    /// Writes what of `text` fits in the row as it stands; gives how many characters that were.
    fn put_narrow_and_wide(&mut self, text: &[char]) -> usize {
        let maps = self.rom != Rom::Unused || !self.charsets.is_plain();
        let is_mark = text.first().is_some_and(|&first| columns_of(first) == 0);
        if maps || is_mark || self.is_set(Mode::Insert) {
            return 0;
        }
        self.wrap_if_due();
        let (column, edge, pen) = (self.cursor.column, self.edge(), self.pen);
        let Some(row) = self.grid.edit(self.cursor.row) else { return 0 };
        let (taken, columns) = row.put_run(column, edge, text, pen);
        if let Some(&last) = taken.checked_sub(1).and_then(|last| text.get(last)) {
            self.advance(columns);
            self.last_printed = Some(last);
        }
        taken
    }

    /// Writes the glyph of that number.
    pub(super) fn put_glyph(&mut self, glyph: u8) {
        let glyph = if self.rom == Rom::Toggled { glyph ^ 0x80 } else { glyph };
        self.put_character(rom_character(glyph));
    }

    /// Writes one character.
    pub(super) fn put_character(&mut self, character: char) {
        let width = columns_of(character);
        let extent = match width {
            0 => return self.put_mark(character),
            1 => Extent::Whole,
            _ => Extent::Left,
        };
        self.wrap_if_due();
        let edge = self.edge();
        if self.cursor.column + width > edge {
            if self.is_set(Mode::AutoWrap) {
                self.wrap();
            } else {
                self.cursor.column = edge.saturating_sub(width);
            }
        }
        if self.is_set(Mode::Insert) {
            self.insert_characters(width);
        }
        let (column, pen) = (self.cursor.column, self.pen);
        if let Some(row) = self.grid.edit(self.cursor.row) {
            row.put(column, Cell::new(character, pen, extent));
        }
        self.advance(width);
        self.last_printed = Some(character);
    }

    /// Puts a combining mark on the character before the cursor.
    fn put_mark(&mut self, mark: char) {
        let back = usize::from(!self.cursor.wraps);
        let Some(column) = self.cursor.column.checked_sub(back) else { return };
        if let Some(row) = self.grid.edit(self.cursor.row) {
            row.put_mark(column, mark);
        }
    }

    /// REP: writes the last character again, at most one screen of it. What is not ASCII, which costs
    /// more, is written at most a row of: programs repeat within a line.
    pub(super) fn repeat(&mut self, count: usize) {
        let Some(character) = self.last_printed else { return };
        let mut left = count.min(self.columns() * self.rows());
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii_graphic() || byte == b' ' => {
                let run = [byte; REPEAT_RUN];
                while left > 0 {
                    let len = left.min(REPEAT_RUN);
                    self.put_plain(run.get(..len).unwrap_or(&run));
                    left -= len;
                }
            }
            _ => (0..left.min(self.columns())).for_each(|_| self.put_character(character)),
        }
    }

    fn advance(&mut self, columns: usize) {
        let last = self.edge() - 1;
        self.cursor.column += columns;
        if self.cursor.column > last {
            self.cursor.column = last;
            self.cursor.wraps = self.is_set(Mode::AutoWrap);
        }
    }

    pub(super) fn wrap_if_due(&mut self) {
        if self.cursor.wraps {
            self.cursor.wraps = false;
            if self.is_set(Mode::AutoWrap) {
                self.wrap();
            }
        }
    }

    fn wrap(&mut self) {
        if self.cursor.column + 1 == self.columns() {
            // What ends at a margin goes on at another column, where nobody would look for it.
            self.grid.set_wrapped(self.cursor.row);
        }
        self.index();
        self.cursor.column = self.sides.left;
    }

    /// Writes `text` on a line of its own, whatever state the guest has left: its pen, margins and
    /// modes are put back afterwards.
    pub(crate) fn mark(&mut self, text: &str) {
        let (pen, modes) = (self.pen, self.modes);
        let (margins, sides, last_printed) = (self.margins, self.sides, self.last_printed);
        self.pen = Pen::DEFAULT;
        self.release_margins();
        self.modes.set(Mode::Insert, false);
        self.modes.set(Mode::AutoWrap, false);
        if self.cursor.column > 0 {
            self.cursor.column = 0;
            self.index();
        }
        let blank = self.pen.blank();
        if let Some(row) = self.grid.edit(self.cursor.row) {
            row.clear(blank);
        }
        let room = self.columns();
        for character in text.chars().filter(|character| !character.is_control()).take(room) {
            self.put_character(character);
        }
        self.cursor.column = 0;
        self.index();
        (self.pen, self.modes) = (pen, modes);
        (self.margins, self.sides, self.last_printed) = (margins, sides, last_printed);
    }
}
