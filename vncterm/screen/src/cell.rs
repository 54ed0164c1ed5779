//! One character cell: what stands in it and how it is drawn.

use crate::colour::Colour;
use crate::pen::{Attributes, Pen};
use unicode_width::UnicodeWidthChar as _;

/// How much of its character a cell shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Extent {
    /// The whole of a character one column wide.
    #[default]
    Whole,
    /// The left half of a character two columns wide.
    Left,
    /// The right half; the character stands in the cell to the left.
    Right,
}

/// One cell of the screen: two words, so that cells are written, compared and filled as words.
///
/// ```text
/// bits 0-31   character
/// bits 32-47  a combining mark on it, or 0. One is kept, those that follow are dropped: a cell stays
///             small whatever is heaped on it
/// bits 48-49  extent
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(align(16))]
pub struct Cell {
    content: u64,
    pen: Pen,
}

const MARK_SHIFT: u32 = 32;
const EXTENT_SHIFT: u32 = 48;

impl core::fmt::Debug for Cell {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (character, mark, extent) = (self.character(), self.mark(), self.extent());
        write!(f, "{character:?} {mark:?} {extent:?} {:?}", self.pen)
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::BLANK
    }
}

impl Cell {
    /// A cell where nothing was ever written.
    pub const BLANK: Self = Self::empty(Pen::DEFAULT);

    pub(crate) const fn new(character: char, pen: Pen, extent: Extent) -> Self {
        let extent: u64 = match extent {
            Extent::Whole => 0,
            Extent::Left => 1,
            Extent::Right => 2,
        };
        Self { content: character as u64 | extent << EXTENT_SHIFT, pen }
    }

    /// A cell that shows nothing but its paper.
    pub(crate) const fn empty(pen: Pen) -> Self {
        Self::new(' ', pen, Extent::Whole)
    }

    /// The character; a space in the right half of a wide one.
    #[must_use]
    pub const fn character(&self) -> char {
        let [a, b, c, d, ..] = self.content.to_le_bytes();
        match char::from_u32(u32::from_le_bytes([a, b, c, d])) {
            Some(character) => character,
            None => char::REPLACEMENT_CHARACTER,
        }
    }

    /// The combining mark on the character.
    #[must_use]
    pub fn mark(&self) -> Option<char> {
        char::from_u32(u32::from(self.kept_mark())).filter(|&mark| mark != '\0')
    }

    const fn kept_mark(&self) -> u16 {
        let [_, _, _, _, low, high, ..] = self.content.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Whether there is a combining mark on the character.
    pub(crate) const fn has_mark(&self) -> bool {
        self.kept_mark() != 0
    }

    /// The colour of the character, before the attributes act on it.
    #[must_use]
    pub const fn ink(&self) -> Colour {
        self.pen.ink()
    }

    /// The colour behind it, before the attributes act on it.
    #[must_use]
    pub const fn paper(&self) -> Colour {
        self.pen.paper()
    }

    /// How it is drawn.
    #[must_use]
    pub const fn attributes(&self) -> Attributes {
        self.pen.attributes()
    }

    /// How much of its character it shows.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        match self.content >> EXTENT_SHIFT {
            0 => Extent::Whole,
            1 => Extent::Left,
            _ => Extent::Right,
        }
    }

    pub(crate) const fn pen(&self) -> Pen {
        self.pen
    }

    /// Whether it shows nothing but its paper: such cells are cut from the ends of lines.
    pub(crate) fn is_empty(&self) -> bool {
        self.content == ' ' as u64
    }

    /// Whether it holds nothing but one ASCII character.
    pub(crate) const fn is_ascii(&self) -> bool {
        self.content < 0x80
    }

    /// Its character, if that is ASCII; else some other byte.
    pub(crate) const fn ascii(&self) -> u8 {
        let [byte, ..] = self.content.to_le_bytes();
        byte
    }

    /// The same cell without its character, for what is left of a wide one cut in two.
    pub(crate) fn emptied(self) -> Self {
        Self::empty(self.pen)
    }

    /// Puts `mark` on the character, unless it has one.
    pub(crate) fn put_mark(&mut self, mark: char) {
        if !self.has_mark() {
            self.content |= u64::from(kept_mark(mark).unwrap_or(0)) << MARK_SHIFT;
        }
    }
}

/// How many columns `character` takes: 0, 1 or 2. A control character takes none.
pub(crate) fn columns_of(character: char) -> usize {
    match character {
        // Most of what is printed, without a look at the tables.
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' => 1,
        '\u{3a3}'..='\u{482}' | '\u{2500}'..='\u{259f}' => 1,
        '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => 2,
        _ => character.width().unwrap_or(0),
    }
}

/// The combining marks that a cell keeps: not the joiners, variation selectors and directions that
/// are invisible by themselves, and none outside the basic plane.
fn kept_mark(mark: char) -> Option<u16> {
    let invisible = matches!(mark,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{fff0}'..='\u{ffff}');
    if invisible || mark < '\u{300}' || columns_of(mark) != 0 {
        return None;
    }
    u16::try_from(u32::from(mark)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_takes_sixteen_bytes() {
        assert_eq!(size_of::<Cell>(), 16);
    }

    #[test]
    fn every_character_takes_what_unicode_says() {
        for character in '\0'..=char::MAX {
            assert_eq!(columns_of(character), character.width().unwrap_or(0), "{character:?}");
        }
    }

    #[test]
    fn one_mark_is_kept() {
        let mut cell = Cell::new('e', Pen::DEFAULT, Extent::Whole);
        cell.put_mark('\u{200d}');
        assert_eq!(cell.mark(), None);
        cell.put_mark('\u{301}');
        cell.put_mark('\u{302}');
        assert_eq!(cell.mark(), Some('\u{301}'));
    }
}
