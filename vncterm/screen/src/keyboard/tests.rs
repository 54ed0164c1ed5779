//! Which bytes keys send, by mode and modifier.

use super::*;
use proptest::prelude::*;

const SHIFT: u32 = 0xffe1;
const CONTROL: u32 = 0xffe3;
const ALT: u32 = 0xffe9;
const ALT_GR: u32 = 0xfe03;

const UP: u32 = 0xff52;
const HOME: u32 = 0xff50;
const PAGE_UP: u32 = 0xff55;
const INSERT: u32 = 0xff63;
const F1: u32 = 0xffbe;

fn modes() -> KeyModes {
    KeyModes {
        cursor_keys: CursorKeys::Normal,
        keypad: Keypad::Numeric,
        line_end: LineEnd::CarriageReturn,
        backspace: Backspace::Delete,
        coding: Coding::Utf8,
        rows: 24,
    }
}

fn press_in(modes: &KeyModes, style: KeyStyle, held: &[u32], keysym: u32) -> Action {
    let mut keyboard = Keyboard::new(style);
    for &modifier in held {
        assert_eq!(keyboard.key(modifier, true, modes), Action::Nothing);
    }
    keyboard.key(keysym, true, modes)
}

fn press(held: &[u32], keysym: u32) -> Action {
    press_in(&modes(), KeyStyle::Linux, held, keysym)
}

fn sent(bytes: &[u8]) -> Action {
    Action::Send(ShortBytes::from(bytes))
}

#[test]
fn characters_are_sent_as_utf8() {
    assert_eq!(press(&[], 0x61), sent(b"a"));
    assert_eq!(press(&[SHIFT], 0x41), sent(b"A"));
    assert_eq!(press(&[], 0xe9), sent("é".as_bytes()));
    assert_eq!(press(&[], 0x6d1), sent("я".as_bytes()));
    assert_eq!(press(&[], 0x20ac), sent("€".as_bytes()));
    assert_eq!(press(&[], 0x0101_f600), sent("😀".as_bytes()));
}

#[test]
fn a_latin1_guest_gets_latin1_or_nothing() {
    let modes = KeyModes { coding: Coding::Latin1, ..modes() };
    assert_eq!(press_in(&modes, KeyStyle::Linux, &[], 0xe9), sent(b"\xe9"));
    assert_eq!(press_in(&modes, KeyStyle::Linux, &[ALT], 0x20ac), Action::Nothing);
}

#[test]
fn control_makes_the_codes_of_the_manuals() {
    // Copied by hand from the VT220 programmer's manual.
    let codes = [
        (' ', 0x00),
        ('2', 0x00),
        ('@', 0x00),
        ('a', 0x01),
        ('A', 0x01),
        ('c', 0x03),
        ('i', 0x09),
        ('m', 0x0d),
        ('z', 0x1a),
        ('[', 0x1b),
        ('3', 0x1b),
        ('\\', 0x1c),
        ('4', 0x1c),
        (']', 0x1d),
        ('5', 0x1d),
        ('^', 0x1e),
        ('6', 0x1e),
        ('~', 0x1e),
        ('_', 0x1f),
        ('7', 0x1f),
        ('/', 0x1f),
        ('8', 0x7f),
        ('?', 0x7f),
    ];
    for (key, code) in codes {
        assert_eq!(press(&[CONTROL], u32::from(key)), sent(&[code]), "{key:?}");
    }
    assert_eq!(press(&[CONTROL], u32::from('1')), sent(b"1"));
    assert_eq!(press(&[CONTROL], 0x20ac), sent("€".as_bytes()));
}

#[test]
fn alt_puts_an_escape_before() {
    assert_eq!(press(&[ALT], u32::from('x')), sent(b"\x1bx"));
    assert_eq!(press(&[ALT], 0xe9), sent("\x1bé".as_bytes()));
    assert_eq!(press(&[ALT], 0xff08), sent(b"\x1b\x7f"));
    assert_eq!(press(&[ALT], 0xff0d), sent(b"\x1b\r"));
    assert_eq!(press(&[ALT, CONTROL], u32::from('c')), sent(b"\x1b\x03"));
}

#[test]
fn alt_gr_is_no_modifier() {
    assert_eq!(press(&[ALT_GR], u32::from('@')), sent(b"@"));
    assert_eq!(press(&[CONTROL, ALT], u32::from('@')), sent(b"@"));
    assert_eq!(press(&[CONTROL, ALT], u32::from('|')), sent(b"|"));
    assert_eq!(press(&[CONTROL, ALT], 0x20ac), sent("€".as_bytes()));
}

#[test]
fn the_keys_of_the_console_send_what_vncterm_sent() {
    let keys: [(u32, &[u8]); 33] = [
        (0xff08, b"\x7f"),
        (0xff09, b"\t"),
        (0xff0d, b"\r"),
        (0xff8d, b"\r"),
        (0xff1b, b"\x1b"),
        (0xffff, b"\x1b[3~"),
        (INSERT, b"\x1b[2~"),
        (HOME, b"\x1b[1~"),
        (0xff57, b"\x1b[4~"),
        (PAGE_UP, b"\x1b[5~"),
        (0xff56, b"\x1b[6~"),
        (UP, b"\x1b[A"),
        (0xff54, b"\x1b[B"),
        (0xff53, b"\x1b[C"),
        (0xff51, b"\x1b[D"),
        (0xff97, b"\x1b[A"),
        (0xff95, b"\x1b[1~"),
        (F1, b"\x1b[[A"),
        (F1 + 1, b"\x1b[[B"),
        (F1 + 2, b"\x1b[[C"),
        (F1 + 3, b"\x1b[[D"),
        (F1 + 4, b"\x1b[[E"),
        (F1 + 5, b"\x1b[17~"),
        (F1 + 6, b"\x1b[18~"),
        (F1 + 7, b"\x1b[19~"),
        (F1 + 8, b"\x1b[20~"),
        (F1 + 9, b"\x1b[21~"),
        (F1 + 10, b"\x1b[23~"),
        (F1 + 11, b"\x1b[24~"),
        (F1 + 12, b"\x1b[25~"),
        (F1 + 13, b"\x1b[26~"),
        (F1 + 14, b"\x1b[28~"),
        (F1 + 19, b"\x1b[34~"),
    ];
    for (keysym, bytes) in keys {
        assert_eq!(press(&[], keysym), sent(bytes), "{keysym:#x}");
    }
}

#[test]
fn cursor_keys_follow_the_guests_mode() {
    let modes = KeyModes { cursor_keys: CursorKeys::Application, ..modes() };
    let press = |held: &[u32], keysym| press_in(&modes, KeyStyle::Linux, held, keysym);
    assert_eq!(press(&[], UP), sent(b"\x1bOA"));
    assert_eq!(press(&[], HOME), sent(b"\x1b[1~"));
    assert_eq!(press(&[CONTROL], UP), sent(b"\x1b[1;5A"));
    assert_eq!(press_in(&modes, KeyStyle::Xterm, &[], HOME), sent(b"\x1bOH"));
}

#[test]
fn the_keypad_follows_the_guests_mode() {
    // Copied by hand from the VT220 programmer's manual and, below the line, from xterm's.
    let keys = [
        (0xffb0, b'0', b'p'),
        (0xffb1, b'1', b'q'),
        (0xffb5, b'5', b'u'),
        (0xffb9, b'9', b'y'),
        (0xffad, b'-', b'm'),
        (0xffac, b',', b'l'),
        (0xffae, b'.', b'n'),
        (0xff8d, b'\r', b'M'),
        // --
        (0xffaa, b'*', b'j'),
        (0xffab, b'+', b'k'),
        (0xffaf, b'/', b'o'),
        (0xffbd, b'=', b'X'),
    ];
    let application = KeyModes { keypad: Keypad::Application, ..modes() };
    let smkx = KeyModes { cursor_keys: CursorKeys::Application, ..application };
    for (keysym, numeric, last) in keys {
        let press = |modes: KeyModes, held: &[u32]| press_in(&modes, KeyStyle::Linux, held, keysym);
        assert_eq!(press(modes(), &[]), sent(&[numeric]), "{keysym:#x}");
        assert_eq!(press(application, &[]), sent(&[0x1b, b'O', last]), "{keysym:#x}");
        assert_eq!(press(smkx, &[]), sent(&[numeric]), "{keysym:#x}");
        if keysym != 0xff8d {
            assert_eq!(press(application, &[SHIFT]), sent(&[numeric]), "{keysym:#x}");
        }
    }
    assert_eq!(press_in(&application, KeyStyle::Linux, &[], 0xff97), sent(b"\x1b[A"));
}

#[test]
fn backspace_follows_the_guests_mode() {
    let press = |backspace, held: &[u32]| {
        press_in(&KeyModes { backspace, ..modes() }, KeyStyle::Linux, held, 0xff08)
    };
    assert_eq!(press(Backspace::Delete, &[]), sent(b"\x7f"));
    assert_eq!(press(Backspace::Delete, &[0xffe3]), sent(b"\x08"));
    assert_eq!(press(Backspace::Backspace, &[]), sent(b"\x08"));
    assert_eq!(press(Backspace::Backspace, &[0xffe3]), sent(b"\x7f"));
}

#[test]
fn return_follows_the_guests_mode() {
    let modes = KeyModes { line_end: LineEnd::CarriageReturnLineFeed, ..modes() };
    assert_eq!(press_in(&modes, KeyStyle::Linux, &[], 0xff0d), sent(b"\r\n"));
}

#[test]
fn modified_keys_are_numbered_as_xterm_does() {
    assert_eq!(press(&[CONTROL], UP), sent(b"\x1b[1;5A"));
    assert_eq!(press(&[SHIFT], UP), sent(b"\x1b[1;2A"));
    assert_eq!(press(&[ALT], UP), sent(b"\x1b[1;3A"));
    assert_eq!(press(&[SHIFT, CONTROL, ALT], UP), sent(b"\x1b[1;8A"));
    assert_eq!(press(&[CONTROL], HOME), sent(b"\x1b[1;5H"));
    assert_eq!(press(&[CONTROL], 0xffff), sent(b"\x1b[3;5~"));
    assert_eq!(press(&[CONTROL], F1), sent(b"\x1b[1;5P"));
    assert_eq!(press(&[CONTROL], F1 + 4), sent(b"\x1b[15;5~"));
    assert_eq!(press(&[SHIFT], 0xff09), sent(b"\x1b[Z"));
    assert_eq!(press(&[SHIFT], 0xfe20), sent(b"\x1b[Z"));
    assert_eq!(press(&[CONTROL], 0xff08), sent(b"\x08"));
}

#[test]
fn shift_makes_the_linux_consoles_higher_function_keys() {
    assert_eq!(press(&[SHIFT], F1), sent(b"\x1b[25~"));
    assert_eq!(press(&[SHIFT], F1 + 7), sent(b"\x1b[34~"));
}

#[test]
fn xterm_style_function_keys() {
    let press = |keysym| press_in(&modes(), KeyStyle::Xterm, &[], keysym);
    assert_eq!(press(F1), sent(b"\x1bOP"));
    assert_eq!(press(F1 + 3), sent(b"\x1bOS"));
    assert_eq!(press(F1 + 4), sent(b"\x1b[15~"));
    assert_eq!(press(HOME), sent(b"\x1b[H"));
}

#[test]
fn the_viewers_own_keys_are_not_sent() {
    assert_eq!(press(&[SHIFT], PAGE_UP), Action::Scroll(12));
    assert_eq!(press(&[SHIFT], 0xff9b), Action::Scroll(-12));
    assert_eq!(press(&[SHIFT, CONTROL], PAGE_UP), Action::Scroll(23));
    assert_eq!(press(&[SHIFT, CONTROL], UP), Action::Scroll(1));
    assert_eq!(press(&[SHIFT], INSERT), Action::Paste);
    let one_row = KeyModes { rows: 1, ..modes() };
    assert_eq!(press_in(&one_row, KeyStyle::Linux, &[SHIFT], PAGE_UP), Action::Scroll(1));
}

#[test]
fn releasing_one_of_two_shifts_leaves_the_other() {
    let (modes, mut keyboard) = (modes(), Keyboard::new(KeyStyle::Linux));
    keyboard.key(SHIFT, true, &modes);
    keyboard.key(SHIFT + 1, true, &modes);
    keyboard.key(SHIFT, false, &modes);
    assert_eq!(keyboard.key(INSERT, true, &modes), Action::Paste);
    keyboard.key(SHIFT + 1, false, &modes);
    assert_eq!(keyboard.key(INSERT, true, &modes), sent(b"\x1b[2~"));
}

#[test]
fn releasing_all_lets_go_of_every_modifier() {
    let (modes, mut keyboard) = (modes(), Keyboard::new(KeyStyle::Linux));
    for modifier in [SHIFT, CONTROL, ALT] {
        keyboard.key(modifier, true, &modes);
    }
    keyboard.release_all();
    assert_eq!(keyboard.key(u32::from('c'), true, &modes), sent(b"c"));
}

#[test]
fn a_key_going_up_sends_nothing() {
    let mut keyboard = Keyboard::default();
    assert_eq!(keyboard.key(0x61, false, &modes()), Action::Nothing);
}

#[test]
fn keys_without_a_keysym_are_an_american_keyboards() {
    let (modes, mut keyboard) = (modes(), Keyboard::default());
    let mut press = |code| keyboard.scan_code(code, true, &modes);
    assert_eq!(press(0x1e), sent(b"a"));
    assert_eq!(press(0x2a), Action::Nothing);
    assert_eq!((press(0x1e), press(0x03)), (sent(b"A"), sent(b"@")));
    assert_eq!(press(0xc9), Action::Scroll(12));
    assert_eq!(keyboard.scan_code(0x2a, false, &modes), Action::Nothing);
    assert_eq!(keyboard.scan_code(0xc9, true, &modes), sent(b"\x1b[5~"));
}

proptest! {
    #[test]
    fn any_keysym_gives_few_bytes(keysyms in proptest::collection::vec(
        (prop_oneof![any::<u32>(), 0u32..0x2100, 0xfe00u32..0x1_0000], any::<bool>()), 1..20))
    {
        let mut keyboard = Keyboard::default();
        for (keysym, down) in keysyms {
            if let Action::Send(bytes) = keyboard.key(keysym, down, &modes()) {
                prop_assert!(!bytes.is_empty() && bytes.len() <= 8);
            }
        }
    }
}
