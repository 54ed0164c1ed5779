//! The PC's scan codes (set 1), as QEMU's extended key events carry them, on an American keyboard.
//!
//! Viewers send them beside a keysym, which goes before: only a key without one is looked up here.

use super::Key;

/// The bit that stands for the prefix 0xe0.
const EXTENDED: u32 = 0x80;

/// Rows of neighbouring keys: the first one's code, and what they type without and with Shift.
const ROWS: [(u32, &str, &str); 5] = [
    (0x02, "1234567890-=", "!@#$%^&*()_+"),
    (0x10, "qwertyuiop[]", "QWERTYUIOP{}"),
    (0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (0x39, " ", " "),
];

/// The keys of the keypad, from 7 on, as with Num Lock.
const KEYPAD: (u32, &str) = (0x47, "789-456+1230.");

/// Keys that type no character: code and keysym.
const OTHERS: [(u32, u32); 28] = [
    (0x01, 0xff1b),
    (0x0e, 0xff08),
    (0x0f, 0xff09),
    (0x1c, 0xff0d),
    (0x1d, 0xffe3),
    (0x2a, 0xffe1),
    (0x36, 0xffe2),
    (0x37, 0xffaa),
    (0x38, 0xffe9),
    (0x57, 0xffc8),
    (0x58, 0xffc9),
    (EXTENDED | 0x1c, 0xff8d),
    (EXTENDED | 0x1d, 0xffe4),
    (EXTENDED | 0x35, 0xffaf),
    (EXTENDED | 0x38, 0xffea),
    (EXTENDED | 0x47, 0xff50),
    (EXTENDED | 0x48, 0xff52),
    (EXTENDED | 0x49, 0xff55),
    (EXTENDED | 0x4b, 0xff51),
    (EXTENDED | 0x4d, 0xff53),
    (EXTENDED | 0x4f, 0xff57),
    (EXTENDED | 0x50, 0xff54),
    (EXTENDED | 0x51, 0xff56),
    (EXTENDED | 0x52, 0xff63),
    (EXTENDED | 0x53, 0xffff),
    (EXTENDED | 0x5b, 0xffe7),
    (EXTENDED | 0x5c, 0xffe8),
    (0x56, 0x5c),
];

impl Key {
    /// The key of a scan code; those that a terminal has no use for are `None`.
    pub(crate) fn at_scan_code(code: u32, shift: bool) -> Option<Self> {
        let place = |first: u32| code.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        let typed = ROWS.iter().find_map(|(first, plain, shifted)| {
            let text = if shift { shifted } else { plain };
            text.chars().nth(place(*first)?)
        });
        if let Some(character) = typed {
            return Some(Self::Character(character));
        }
        if let Some(key) = place(KEYPAD.0).and_then(|place| KEYPAD.1.chars().nth(place)) {
            return Some(Self::Keypad(key));
        }
        if let 0x3b..=0x44 = code {
            return u8::try_from(code - 0x3a).ok().map(Self::Function);
        }
        let (_, keysym) = OTHERS.iter().find(|(of, _)| *of == code)?;
        Self::parse(*keysym)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keysym::Modifier;

    #[test]
    fn keys_are_where_a_keyboard_has_them() {
        let at = |code| Key::at_scan_code(code, false);
        // Copied by hand from a table of scan codes.
        assert_eq!(at(0x02), Some(Key::Character('1')));
        assert_eq!(at(0x0d), Some(Key::Character('=')));
        assert_eq!(at(0x1e), Some(Key::Character('a')));
        assert_eq!(Key::at_scan_code(0x1e, true), Some(Key::Character('A')));
        assert_eq!(at(0x29), Some(Key::Character('`')));
        assert_eq!(at(0x2b), Some(Key::Character('\\')));
        assert_eq!(at(0x2c), Some(Key::Character('z')));
        assert_eq!(at(0x35), Some(Key::Character('/')));
        assert_eq!(at(0x39), Some(Key::Character(' ')));
        assert_eq!(at(0x47), Some(Key::Keypad('7')));
        assert_eq!(at(0x53), Some(Key::Keypad('.')));
        assert_eq!(at(0x3b), Some(Key::Function(1)));
        assert_eq!(at(0x44), Some(Key::Function(10)));
        assert_eq!(at(0x58), Some(Key::Function(12)));
        assert_eq!(at(0xc8), Some(Key::Up));
        assert_eq!(at(0xd3), Some(Key::Delete));
        assert_eq!(at(0x2a), Some(Key::Modifier(Modifier::ShiftLeft)));
    }

    #[test]
    fn every_key_that_is_known_has_a_meaning_and_the_others_have_none() {
        for (code, _) in OTHERS {
            assert!(Key::at_scan_code(code, false).is_some(), "{code:#x}");
        }
        for code in [0, 0x3a, 0x45, 0x46, 0x54, 0x59, 0x7f, 0x80, 0xff, u32::MAX] {
            assert_eq!(Key::at_scan_code(code, false), None, "{code:#x}");
        }
    }
}
