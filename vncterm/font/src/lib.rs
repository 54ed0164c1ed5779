//! Console glyphs of 8x16 pixels for most of Unicode's basic plane.
//!
//! The tables are made from GNU Unifont when building (`build/`) and stay in read-only memory,
//! which all converters share. Not here: colours, attributes, and how wide a character is (the
//! terminal decides, by `unicode-width`, and the glyphs are made to that width).

#![no_std]

#[cfg(test)]
mod tests;

/// The width of a cell in pixels: one byte of a glyph's row.
pub const CELL_WIDTH: u16 = 8;

/// The height of a cell in pixels.
pub const CELL_HEIGHT: u16 = 16;

/// A glyph's pixels: 16 rows from the top, the leftmost pixel in the highest bit.
pub type Rows = [u8; 16];

/// All glyphs, by number.
const ROWS: &[Rows] = include_bytes!(concat!(env!("OUT_DIR"), "/rows.bin")).as_chunks().0;

/// Pages of 256 entries, one a code point: 0 where there is none, else the number of a glyph,
/// with [`WIDE`] where the next glyph is its right half.
const ENTRIES: &[[u8; 4]] = include_bytes!(concat!(env!("OUT_DIR"), "/entries.bin")).as_chunks().0;

/// The page of each 256 code points; page 0 is empty.
const PAGES: &[[u8; 2]] = include_bytes!(concat!(env!("OUT_DIR"), "/pages.bin")).as_chunks().0;

/// Set in an entry whose character takes two columns.
const WIDE: u32 = 1 << 31;

/// One cell's drawing, as a number that a caller may keep. Every number is one: those of no
/// glyph mean the replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlyphId(u32);

impl GlyphId {
    /// A hollow box, for characters that the font lacks.
    pub const REPLACEMENT: Self = Self(0);

    /// Nothing at all.
    pub const BLANK: Self = Self(1);

    /// The glyph of a number that [`GlyphId::number`] gave.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The number to keep; below 2^17.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// A character's drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    /// One column.
    Half(GlyphId),
    /// Two columns: the left cell and the right cell.
    Full(GlyphId, GlyphId),
}

impl Glyph {
    /// The drawing's first cell.
    pub const fn left(self) -> GlyphId {
        match self {
            Self::Half(glyph) | Self::Full(glyph, _) => glyph,
        }
    }
}

/// Finds a character's drawing, if the font has one.
pub fn find(character: char) -> Option<Glyph> {
    let code = u32::from(character);
    let page = PAGES.get(usize::try_from(code >> 8).ok()?)?;
    let at = usize::from(u16::from_le_bytes(*page)) << 8 | usize::try_from(code & 0xff).ok()?;
    match u32::from_le_bytes(*ENTRIES.get(at)?) {
        0 => None,
        entry if entry & WIDE == 0 => Some(Glyph::Half(GlyphId(entry))),
        entry => {
            let left = entry & !WIDE;
            Some(Glyph::Full(GlyphId(left), GlyphId(left + 1)))
        }
    }
}

/// The pixels of a glyph.
pub fn rows(glyph: GlyphId) -> &'static Rows {
    let number = usize::try_from(glyph.0).unwrap_or(0);
    ROWS.get(number).unwrap_or(&ROWS[0])
}
