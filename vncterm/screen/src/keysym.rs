//! X11 keysyms, as RFB's KeyEvent carries them, and what they mean to a terminal.
//!
//! What a key sends is the keyboard's business.

mod legacy;
mod scan_code;

use legacy::legacy_character;

/// A key, as far as a terminal knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A character that a layout already made.
    Character(char),
    /// A digit or operator of the keypad.
    Keypad(char),
    Modifier(Modifier),
    BackSpace,
    Tab,
    /// Tab with Shift, on keyboards that give it a keysym of its own.
    BackTab,
    LineFeed,
    Return,
    /// The keypad's Enter.
    Enter,
    Escape,
    Up,
    Down,
    Right,
    Left,
    /// The 5 of a keypad without Num Lock.
    Begin,
    Home,
    End,
    PageUp,
    PageDown,
    Insert,
    Delete,
    /// F1 to F20.
    Function(u8),
}

/// A key that changes what others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modifier {
    ShiftLeft,
    ShiftRight,
    ControlLeft,
    ControlRight,
    AltLeft,
    AltRight,
    MetaLeft,
    MetaRight,
}

impl Key {
    /// What `keysym` stands for; keys that a terminal has no use for are `None`.
    pub(crate) fn parse(keysym: u32) -> Option<Self> {
        let function = |first: u32| u8::try_from(keysym - first + 1).ok().map(Self::Function);
        Some(match keysym {
            0xfe20 => Self::BackTab,
            0xff08 => Self::BackSpace,
            0xff09 | 0xff89 => Self::Tab,
            0xff0a => Self::LineFeed,
            0xff0d => Self::Return,
            0xff8d => Self::Enter,
            0xff1b => Self::Escape,
            // The keypad's cursor keys do what the others do.
            0xff50 | 0xff95 => Self::Home,
            0xff51 | 0xff96 => Self::Left,
            0xff52 | 0xff97 => Self::Up,
            0xff53 | 0xff98 => Self::Right,
            0xff54 | 0xff99 => Self::Down,
            0xff55 | 0xff9a => Self::PageUp,
            0xff56 | 0xff9b => Self::PageDown,
            0xff57 | 0xff9c => Self::End,
            0xff58 | 0xff9d => Self::Begin,
            0xff63 | 0xff9e => Self::Insert,
            0xff9f | 0xffff => Self::Delete,
            0xff91..=0xff94 => function(0xff91)?,
            0xffbe..=0xffd1 => function(0xffbe)?,
            0xffe1 => Self::Modifier(Modifier::ShiftLeft),
            0xffe2 => Self::Modifier(Modifier::ShiftRight),
            0xffe3 => Self::Modifier(Modifier::ControlLeft),
            0xffe4 => Self::Modifier(Modifier::ControlRight),
            0xffe7 => Self::Modifier(Modifier::MetaLeft),
            0xffe8 => Self::Modifier(Modifier::MetaRight),
            0xffe9 => Self::Modifier(Modifier::AltLeft),
            0xffea => Self::Modifier(Modifier::AltRight),
            // The low seven bits are the character.
            0xffaa..=0xffb9 | 0xffbd => Self::Keypad(char::from_u32(keysym & 0x7f)?),
            0xff80 => Self::Character(' '),
            _ => Self::Character(character(keysym)?),
        })
    }
}

/// The character that a keysym stands for.
fn character(keysym: u32) -> Option<char> {
    match keysym {
        0x20..=0x7e | 0xa0..=0xff => char::from_u32(keysym),
        0x100..=0x20ff => legacy_character(keysym),
        0x0100_0000..=0x0110_ffff => {
            char::from_u32(keysym - 0x0100_0000).filter(|character| !character.is_control())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_by_three_ways() {
        assert_eq!(Key::parse(0x61), Some(Key::Character('a')));
        assert_eq!(Key::parse(0xe9), Some(Key::Character('é')));
        assert_eq!(Key::parse(0x6c1), Some(Key::Character('а')));
        assert_eq!(Key::parse(0x0100_0430), Some(Key::Character('а')));
        assert_eq!(Key::parse(0x0101_f600), Some(Key::Character('😀')));
    }

    #[test]
    fn control_characters_and_surrogates_are_no_characters() {
        for keysym in [0x00, 0x1b, 0x7f, 0x9b, 0x0100_001b, 0x0100_009b, 0x0100_d800, 0x0111_0000] {
            assert_eq!(Key::parse(keysym), None, "{keysym:#x}");
        }
    }

    #[test]
    fn the_keypad_types_digits_and_operators() {
        let typed = [0xffb0, 0xffb9, 0xffaa, 0xffab, 0xffac, 0xffad, 0xffae, 0xffaf, 0xffbd];
        let keys = typed.map(|keysym| Key::parse(keysym).unwrap());
        assert_eq!(keys, ['0', '9', '*', '+', ',', '-', '.', '/', '='].map(Key::Keypad));
        assert_eq!(Key::parse(0xff80), Some(Key::Character(' ')));
    }

    #[test]
    fn any_number_parses_or_not() {
        for keysym in (0..=0x2_0000).chain(0x00ff_fff0..=0x0111_0010).chain([u32::MAX]) {
            if let Some(Key::Function(number)) = Key::parse(keysym) {
                assert!((1..=20).contains(&number));
            }
        }
        assert_eq!(Key::parse(0xffbe), Some(Key::Function(1)));
        assert_eq!(Key::parse(0xffc9), Some(Key::Function(12)));
        assert_eq!(Key::parse(0xffd1), Some(Key::Function(20)));
    }
}
