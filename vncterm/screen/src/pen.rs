//! How text is drawn: attributes and colours.

use crate::cell::Cell;
use crate::colour::{Colour, Rgb};

/// How text is drawn, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(u8);

impl Attributes {
    /// No attribute.
    pub const NONE: Self = Self(0);
    /// Bold; the first eight colours brighten as well.
    pub const BOLD: Self = Self(1);
    /// Fainter than normal.
    pub const FAINT: Self = Self(1 << 1);
    /// Italic.
    pub const ITALIC: Self = Self(1 << 2);
    /// Underlined, in whatever style the program asked for.
    pub const UNDERLINE: Self = Self(1 << 3);
    /// Blinking.
    pub const BLINK: Self = Self(1 << 4);
    /// Ink and paper exchanged.
    pub const INVERSE: Self = Self(1 << 5);
    /// Ink as paper.
    pub const INVISIBLE: Self = Self(1 << 6);
    /// Crossed out.
    pub const STRIKE: Self = Self(1 << 7);

    /// Whether all of `others` are in this set.
    #[must_use]
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// This set and `others`.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// This set without `others`.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// The colours and attributes of a character, in one word: runs of cells drawn alike are compared
/// and copied all the time.
///
/// ```text
/// bits 0-25   ink: kind in the highest two, then an index or red, green and blue
/// bits 26-51  paper, likewise
/// bits 52-59  attributes
/// bits 60-61  what of erasing it is protected from
/// ```
#[derive(Clone, Copy, Default, Eq)]
pub(crate) struct Pen(u64);

impl PartialEq for Pen {
    /// Whether both draw alike.
    fn eq(&self, other: &Self) -> bool {
        (self.0 ^ other.0) & !PROTECTION_MASK == 0
    }
}

/// What of erasing leaves text as it is. It is no part of how text is drawn, and not saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// None.
    Unprotected = 0,
    /// Selective erasing does (DECSCA).
    Selective = 1,
    /// All erasing of what is at the cursor does (SPA).
    Area = 2,
}

const PROTECTION_SHIFT: u32 = 60;
const PROTECTION_MASK: u64 = 3 << PROTECTION_SHIFT;
const ATTRIBUTES_MASK: u64 = 0xff << (2 * COLOUR_BITS);

const COLOUR_BITS: u32 = 26;
const COLOUR_MASK: u64 = (1 << COLOUR_BITS) - 1;

const fn pack_colour(colour: Colour) -> u64 {
    let (kind, [red, green, blue]) = match colour {
        Colour::Default => (0, [0; 3]),
        Colour::Indexed(index) => (1, [0, 0, index]),
        Colour::Rgb(Rgb { red, green, blue }) => (2, [red, green, blue]),
    };
    u64::from_le_bytes([blue, green, red, kind, 0, 0, 0, 0])
}

const fn unpack_colour(bits: u64) -> Colour {
    let [blue, green, red, kind, ..] = (bits & COLOUR_MASK).to_le_bytes();
    match kind {
        0 => Colour::Default,
        1 => Colour::Indexed(blue),
        _ => Colour::Rgb(Rgb::new(red, green, blue)),
    }
}

impl Pen {
    /// What text is drawn with unless told otherwise.
    pub(crate) const DEFAULT: Self = Self(0);

    pub(crate) fn new(ink: Colour, paper: Colour, attributes: Attributes) -> Self {
        Self::DEFAULT.with_ink(ink).with_paper(paper).with_attributes(attributes)
    }

    pub(crate) const fn ink(self) -> Colour {
        unpack_colour(self.0)
    }

    pub(crate) const fn paper(self) -> Colour {
        unpack_colour(self.0 >> COLOUR_BITS)
    }

    pub(crate) const fn attributes(self) -> Attributes {
        let [bits, ..] = (self.0 >> (2 * COLOUR_BITS)).to_le_bytes();
        Attributes::from_bits(bits)
    }

    pub(crate) const fn with_ink(self, ink: Colour) -> Self {
        Self(self.0 & !COLOUR_MASK | pack_colour(ink))
    }

    pub(crate) const fn with_paper(self, paper: Colour) -> Self {
        let kept = self.0 & !(COLOUR_MASK << COLOUR_BITS);
        Self(kept | pack_colour(paper) << COLOUR_BITS)
    }

    pub(crate) fn with_attributes(self, attributes: Attributes) -> Self {
        let kept = self.0 & !ATTRIBUTES_MASK;
        Self(kept | u64::from(attributes.bits()) << (2 * COLOUR_BITS))
    }

    /// Drawn as at first, and protected as before (SGR 0).
    pub(crate) const fn plain(self) -> Self {
        Self(self.0 & PROTECTION_MASK)
    }

    pub(crate) const fn with_protection(self, protection: Protection) -> Self {
        Self(self.0 & !PROTECTION_MASK | (protection as u64) << PROTECTION_SHIFT)
    }

    /// Whether erasing that spares `least` and all that is protected more leaves it.
    pub(crate) const fn is_spared(self, least: Protection) -> bool {
        self.0 >> PROTECTION_SHIFT >= least as u64
    }

    /// Whether DECSCA protects it.
    pub(crate) const fn is_selective(self) -> bool {
        self.0 >> PROTECTION_SHIFT == Protection::Selective as u64
    }

    /// What erasing leaves: a space on the pen's paper, with no attribute.
    pub(crate) fn blank(self) -> Cell {
        Cell::empty(Self::DEFAULT.with_paper(self.paper()))
    }
}

impl core::fmt::Debug for Pen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} on {:?}, {:?}", self.ink(), self.paper(), self.attributes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn colour() -> impl Strategy<Value = Colour> {
        prop_oneof![
            Just(Colour::Default),
            any::<u8>().prop_map(Colour::Indexed),
            any::<[u8; 3]>().prop_map(|[r, g, b]| Colour::Rgb(Rgb::new(r, g, b))),
        ]
    }

    proptest! {
        #[test]
        fn a_pen_gives_back_what_it_was_made_of(
            ink in colour(), paper in colour(), bits in any::<u8>(), other in colour())
        {
            let attributes = Attributes::from_bits(bits);
            let pen = Pen::new(ink, paper, attributes);
            prop_assert_eq!((pen.ink(), pen.paper(), pen.attributes()), (ink, paper, attributes));
            prop_assert_eq!(pen.with_ink(other), Pen::new(other, paper, attributes));
            prop_assert_eq!(pen.with_paper(other), Pen::new(ink, other, attributes));
        }
    }

    #[test]
    fn attributes_are_a_set() {
        let both = Attributes::BOLD.with(Attributes::INVERSE);
        assert!(both.contains(Attributes::BOLD) && both.contains(Attributes::INVERSE));
        assert!(!both.contains(Attributes::BOLD.with(Attributes::BLINK)));
        assert_eq!(both.without(Attributes::BOLD), Attributes::INVERSE);
    }
}
