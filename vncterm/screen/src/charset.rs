//! Character sets: what the bytes of text stand for besides ASCII.

/// A set that G0 to G3 can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Charset {
    /// ASCII, and the sets that today's terminals show as ASCII.
    #[default]
    Ascii,
    /// ASCII with a pound sign in place of `#`.
    British,
    /// DEC's line drawing.
    Graphics,
}

/// DEC special graphics, 0x5f to 0x7e.
const GRAPHICS: [char; 32] = [
    ' ', '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─',
    '⎼', '⎽', '├', '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
];

impl Charset {
    /// The set that `last` names in `ESC ( last`.
    pub(crate) fn named(last: u8) -> Option<Self> {
        match last {
            b'0' => Some(Self::Graphics),
            b'A' => Some(Self::British),
            // ASCII, DEC's alternate ROM, and the linux console's null and user mappings.
            b'B' | b'1' | b'2' | b'U' | b'K' => Some(Self::Ascii),
            _ => None,
        }
    }

    /// The name in `ESC ( name` that gives this set.
    pub(crate) const fn name(self) -> u8 {
        match self {
            Self::Ascii => b'B',
            Self::British => b'A',
            Self::Graphics => b'0',
        }
    }

    /// What a byte of printable ASCII stands for.
    pub(crate) fn map(self, byte: u8) -> char {
        let graphic = byte.checked_sub(0x5f).and_then(|n| GRAPHICS.get(usize::from(n)));
        match (self, byte) {
            (Self::British, b'#') => '£',
            (Self::Graphics, _) => graphic.copied().unwrap_or(char::from(byte)),
            (Self::Ascii | Self::British, _) => char::from(byte),
        }
    }
}

/// G0 to G3, and which of them text uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charsets {
    sets: [Charset; 4],
    shifted: Slot,
    /// Where the next character alone comes from.
    single: Option<Slot>,
}

/// One of G0 to G3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    #[default]
    G0,
    G1,
    G2,
    G3,
}

impl Slot {
    pub(crate) const ALL: [Self; 4] = [Self::G0, Self::G1, Self::G2, Self::G3];

    /// The slot that the intermediate character of `ESC ( B` designates. `-./` designate
    /// sets of 96 characters, none of which is known.
    pub(crate) fn designated(intermediate: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.designator() == intermediate)
    }

    pub(crate) const fn designator(self) -> u8 {
        match self {
            Self::G0 => b'(',
            Self::G1 => b')',
            Self::G2 => b'*',
            Self::G3 => b'+',
        }
    }
}

impl Charsets {
    pub(crate) fn designate(&mut self, slot: Slot, set: Charset) {
        let [g0, g1, g2, g3] = &mut self.sets;
        *match slot {
            Slot::G0 => g0,
            Slot::G1 => g1,
            Slot::G2 => g2,
            Slot::G3 => g3,
        } = set;
    }

    pub(crate) fn designation(&self, slot: Slot) -> Charset {
        let [g0, g1, g2, g3] = self.sets;
        match slot {
            Slot::G0 => g0,
            Slot::G1 => g1,
            Slot::G2 => g2,
            Slot::G3 => g3,
        }
    }

    /// Uses `slot` from now on.
    pub(crate) fn shift(&mut self, slot: Slot) {
        self.shifted = slot;
    }

    pub(crate) fn shifted(&self) -> Slot {
        self.shifted
    }

    /// Uses `slot` for one character.
    pub(crate) fn shift_once(&mut self, slot: Slot) {
        self.single = Some(slot);
    }

    /// Where the next character alone comes from, if not from where the others do.
    pub(crate) fn shifted_once(&self) -> Option<Slot> {
        self.single
    }

    /// Whether text is ASCII as it stands.
    pub(crate) fn is_plain(&self) -> bool {
        self.single.is_none() && self.designation(self.shifted) == Charset::Ascii
    }

    /// What the next byte of printable ASCII stands for.
    pub(crate) fn map(&mut self, byte: u8) -> char {
        let slot = self.single.take().unwrap_or(self.shifted);
        self.designation(slot).map(byte)
    }
}

/// The glyphs of the PC's character generator ROM, code page 437.
const ROM_LOW: [char; 32] = [
    ' ', '☺', '☻', '♥', '♦', '♣', '♠', '•', '◘', '○', '◙', '♂', '♀', '♪', '♫', '☼', '►', '◄', '↕',
    '‼', '¶', '§', '▬', '↨', '↑', '↓', '→', '←', '∟', '↔', '▲', '▼',
];
const ROM_HIGH: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ',
    'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ',
    'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕',
    '╣', '║', '╗', '╝', '╜', '╛', '┐', '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦',
    '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐',
    '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', '≡', '±',
    '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

/// The character that a glyph number of the ROM shows.
pub(crate) fn rom_character(glyph: u8) -> char {
    match glyph {
        0x00..=0x1f => ROM_LOW.get(usize::from(glyph)).copied().unwrap_or(' '),
        0x20..=0x7e => char::from(glyph),
        0x7f => '⌂',
        0x80..=0xff => ROM_HIGH.get(usize::from(glyph - 0x80)).copied().unwrap_or(' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::columns_of;

    #[test]
    fn each_set_is_found_by_its_name() {
        for set in [Charset::Ascii, Charset::British, Charset::Graphics] {
            assert_eq!(Charset::named(set.name()), Some(set));
        }
        for slot in Slot::ALL {
            assert_eq!(Slot::designated(slot.designator()), Some(slot));
        }
    }

    #[test]
    fn a_single_shift_lasts_one_character() {
        let mut sets = Charsets::default();
        sets.designate(Slot::G2, Charset::Graphics);
        sets.shift_once(Slot::G2);
        assert_eq!((sets.map(b'q'), sets.map(b'q')), ('─', 'q'));
    }

    #[test]
    fn graphics_begin_at_0x5f() {
        let map = |byte| Charset::Graphics.map(byte);
        assert_eq!((map(b'^'), map(b'_'), map(b'`'), map(b'~')), ('^', ' ', '◆', '·'));
    }

    #[test]
    fn every_glyph_of_the_rom_takes_one_column() {
        for glyph in 0..=u8::MAX {
            assert_eq!(columns_of(rom_character(glyph)), 1, "{glyph:#x}");
        }
    }
}
