//! Lines packed into few bytes, for the scrollback and the saved screen.
//!
//! ```text
//! line   = run*                      blank cells at the end are not written
//! run    = count [pen] character*    count is 2 * characters, plus 1 if a pen follows
//! pen    = attributes colour colour  one byte, then ink and paper; without it: the default pen
//! colour = 0 | 1 index | 2 red green blue
//! ```
//! A count is a little-endian base-128 number; characters are UTF-8, a combining mark is a
//! character of its own. Whether a character is wide is not written: it follows from the character.

use crate::cell::{Cell, Extent, columns_of};
use crate::colour::{Colour, Rgb};
use crate::pen::{Attributes, Pen};
use alloc::vec::Vec;
use thiserror::Error;

/// What of a line is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything.
    Drawn,
    /// The characters alone, at most 4 bytes a cell and 3 a line (a mark is left out as well).
    Text,
}

/// Why bytes are not a packed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnpackError {
    /// It ends too early.
    #[error("line ends within a run")]
    CutShort,
    /// A run of no characters or of too many.
    #[error("run of {0} characters")]
    Count(u32),
    /// A kind of colour that does not exist.
    #[error("colour of unknown kind {0}")]
    Colour(u8),
    /// A character that cannot stand in a cell.
    #[error("character is not UTF-8, or is a control character")]
    Character,
}

/// The longest run: longer than any row with a mark in each cell.
const RUN_MAX: u32 = 2048;

/// Appends the packed form of `cells` to `bytes`.
pub(crate) fn pack(cells: &[Cell], detail: Detail, bytes: &mut Vec<u8>) {
    let is_blank = |cell: &Cell| match detail {
        Detail::Drawn => *cell == Cell::BLANK,
        Detail::Text => cell.is_empty(),
    };
    let len = cells.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
    let mut rest = cells.get(..len).unwrap_or_default();
    // Most lines are plain text: one look at the whole, one byte a cell.
    let is_plain = |cell: &Cell| cell.is_ascii() & (cell.pen() == Pen::DEFAULT);
    if !rest.is_empty() && rest.iter().fold(true, |all, cell| all & is_plain(cell)) {
        put_count(2 * rest.len(), bytes);
        bytes.extend(rest.iter().map(Cell::ascii));
        return;
    }
    while let Some(first) = rest.first() {
        let pen = if detail == Detail::Drawn { first.pen() } else { Pen::DEFAULT };
        let same = |cell: &Cell| detail == Detail::Text || cell.pen() == pen;
        let len = rest.iter().position(|cell| !same(cell)).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(len);
        pack_run(run, pen, detail, bytes);
        rest = tail;
    }
}

fn pack_run(run: &[Cell], pen: Pen, detail: Detail, bytes: &mut Vec<u8>) {
    // Most text is ASCII: one look at the whole run, one byte a cell.
    let is_ascii = run.iter().fold(true, |all, cell| all & cell.is_ascii());
    let keeps_marks = detail == Detail::Drawn;
    let shown = || run.iter().filter(|cell| cell.extent() != Extent::Right);
    let count = if is_ascii {
        run.len()
    } else {
        let marks = |cell: &Cell| usize::from(keeps_marks & cell.has_mark());
        let characters = |cell: &Cell| usize::from(cell.extent() != Extent::Right) + marks(cell);
        run.iter().map(characters).sum()
    };
    put_count(2 * count + usize::from(pen != Pen::DEFAULT), bytes);
    if pen != Pen::DEFAULT {
        bytes.push(pen.attributes().bits());
        put_colour(pen.ink(), bytes);
        put_colour(pen.paper(), bytes);
    }
    if is_ascii {
        bytes.extend(run.iter().map(Cell::ascii));
        return;
    }
    for cell in shown() {
        put_character(cell.character(), bytes);
        if let Some(mark) = cell.mark().filter(|_| keeps_marks) {
            put_character(mark, bytes);
        }
    }
}

fn put_character(character: char, bytes: &mut Vec<u8>) {
    // Byte by byte: for so few, a call that copies costs more than the bytes.
    match character.encode_utf8(&mut [0; 4]).as_bytes() {
        &[one] => bytes.push(one),
        &[one, two] => bytes.extend([one, two]),
        &[one, two, three] => bytes.extend([one, two, three]),
        more => bytes.extend_from_slice(more),
    }
}

fn put_count(mut count: usize, bytes: &mut Vec<u8>) {
    while let Some(low) = u8::try_from(count & 0x7f).ok().filter(|_| count >= 0x80) {
        bytes.push(low | 0x80);
        count >>= 7;
    }
    bytes.extend(u8::try_from(count));
}

/// Appends `colour`; [`Unpacker::colour`] reads it back.
pub(crate) fn put_colour(colour: Colour, bytes: &mut Vec<u8>) {
    match colour {
        Colour::Default => bytes.push(0),
        Colour::Indexed(index) => bytes.extend_from_slice(&[1, index]),
        Colour::Rgb(Rgb { red, green, blue }) => bytes.extend_from_slice(&[2, red, green, blue]),
    }
}

/// Appends the cells packed in `bytes` to `cells`.
pub(crate) fn unpack(bytes: &[u8], cells: &mut Vec<Cell>) -> Result<(), UnpackError> {
    let mut line = Unpacker(bytes);
    let first = cells.len();
    while !line.0.is_empty() {
        let count = line.count()?;
        let mut pen = Pen::DEFAULT;
        if count & 1 == 1 {
            let attributes = Attributes::from_bits(line.byte()?);
            pen = Pen::new(line.colour()?, line.colour()?, attributes);
        }
        for _ in 0..count >> 1 {
            let character = line.character()?;
            match columns_of(character) {
                0 => match cells.get_mut(first..).and_then(<[Cell]>::last_mut) {
                    // A wide character's mark is on its left half.
                    Some(right) if right.extent() == Extent::Right => {
                        let left = cells.len().saturating_sub(2);
                        if let Some(left) = cells.get_mut(left) {
                            left.put_mark(character);
                        }
                    }
                    Some(cell) => cell.put_mark(character),
                    None => return Err(UnpackError::Character),
                },
                1 => cells.push(Cell::new(character, pen, Extent::Whole)),
                _ => {
                    cells.push(Cell::new(character, pen, Extent::Left));
                    cells.push(Cell::new(' ', pen, Extent::Right));
                }
            }
        }
    }
    Ok(())
}

/// The bytes of a packed line that are still to be read.
struct Unpacker<'a>(&'a [u8]);

impl Unpacker<'_> {
    fn byte(&mut self) -> Result<u8, UnpackError> {
        let (&byte, rest) = self.0.split_first().ok_or(UnpackError::CutShort)?;
        self.0 = rest;
        Ok(byte)
    }

    fn count(&mut self) -> Result<u32, UnpackError> {
        let mut count = 0;
        for shift in [0, 7, 14] {
            let byte = self.byte()?;
            count |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        // A run of nothing would let a line take time without bounds on its cells.
        if (2..=2 * RUN_MAX + 1).contains(&count) {
            Ok(count)
        } else {
            Err(UnpackError::Count(count / 2))
        }
    }

    fn colour(&mut self) -> Result<Colour, UnpackError> {
        Ok(match self.byte()? {
            0 => Colour::Default,
            1 => Colour::Indexed(self.byte()?),
            2 => Colour::Rgb(Rgb::new(self.byte()?, self.byte()?, self.byte()?)),
            kind => return Err(UnpackError::Colour(kind)),
        })
    }

    fn character(&mut self) -> Result<char, UnpackError> {
        let len = match self.0.first().ok_or(UnpackError::CutShort)? {
            0x00..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
        };
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(UnpackError::CutShort)?;
        let text = core::str::from_utf8(bytes).map_err(|_| UnpackError::Character)?;
        self.0 = rest;
        text.chars().next().filter(|c| !c.is_control()).ok_or(UnpackError::Character)
    }
}

/// Reads one colour off the front of `bytes`; the inverse of [`put_colour`].
pub(crate) fn take_colour(bytes: &mut &[u8]) -> Result<Colour, UnpackError> {
    let mut reader = Unpacker(bytes);
    let colour = reader.colour()?;
    *bytes = reader.0;
    Ok(colour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn cells() -> impl Strategy<Value = Vec<Cell>> {
        let colour = prop_oneof![
            Just(Colour::Default),
            any::<u8>().prop_map(Colour::Indexed),
            any::<[u8; 3]>().prop_map(|[r, g, b]| Colour::Rgb(Rgb::new(r, g, b))),
        ];
        let pen = prop_oneof![
            Just(Pen::DEFAULT),
            (colour.clone(), colour, any::<u8>()).prop_map(|(ink, paper, bits)| Pen::new(
                ink,
                paper,
                Attributes::from_bits(bits)
            ))
        ];
        let run = (pen, "[ a-zé中😀\u{301}]{1,8}");
        proptest::collection::vec(run, 0..6).prop_map(|runs| {
            let mut cells: Vec<Cell> = Vec::new();
            for (pen, text) in runs {
                for character in text.chars() {
                    match columns_of(character) {
                        0 => {
                            let left = cells.iter_mut().rfind(|c| c.extent() != Extent::Right);
                            if let Some(cell) = left {
                                cell.put_mark(character)
                            }
                        }
                        1 => cells.push(Cell::new(character, pen, Extent::Whole)),
                        _ => {
                            cells.push(Cell::new(character, pen, Extent::Left));
                            cells.push(Cell::new(' ', pen, Extent::Right));
                        }
                    }
                }
            }
            cells
        })
    }

    proptest! {
        #[test]
        fn a_line_comes_back_without_its_trailing_blanks(mut line in cells()) {
            let (mut bytes, mut back) = (Vec::new(), Vec::new());
            pack(&line, Detail::Drawn, &mut bytes);
            prop_assert_eq!(unpack(&bytes, &mut back), Ok(()));
            while line.last() == Some(&Cell::BLANK) {
                line.pop();
            }
            prop_assert_eq!(back, line);
        }

        #[test]
        fn any_bytes_are_a_line_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut back = Vec::new();
            let _ = unpack(&bytes, &mut back);
            prop_assert!(back.len() <= 2 * bytes.len());
        }
    }

    #[test]
    fn plain_text_costs_a_byte_a_character() {
        let line: Vec<Cell> =
            "login:   ".chars().map(|c| Cell::new(c, Pen::DEFAULT, Extent::Whole)).collect();
        let mut bytes = vec![];
        pack(&line, Detail::Drawn, &mut bytes);
        assert_eq!(bytes, b"\x0clogin:");
    }

    #[test]
    fn refuses_what_is_not_a_line() {
        let unpack = |bytes: &[u8]| unpack(bytes, &mut vec![]);
        assert_eq!(unpack(b"\x04a"), Err(UnpackError::CutShort));
        assert_eq!(unpack(b"\x00"), Err(UnpackError::Count(0)));
        assert_eq!(unpack(b"\xff\xff\x7f"), Err(UnpackError::Count(0x1f_ffff / 2)));
        assert_eq!(unpack(b"\x03\x00\x07"), Err(UnpackError::Colour(7)));
        assert_eq!(unpack(b"\x02\x1b"), Err(UnpackError::Character));
        assert_eq!(unpack(b"\x02\xff"), Err(UnpackError::CutShort));
        assert_eq!(unpack("\x02\u{301}".as_bytes()), Err(UnpackError::Character));
    }
}
