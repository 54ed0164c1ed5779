//! A viewer's keyboard: keysyms going down and up in, bytes for the guest out.
//!
//! Keys that act on the viewer instead of the guest (scrolling back, pasting) come out as such.
//! Pasted text is not typed here.

use crate::keysym::{Key, Modifier};
use crate::performer::Coding;
use crate::replies::ShortBytes;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// These bytes go to the guest.
    Send(ShortBytes),
    /// The view moves by this many lines; back into the scrollback is positive.
    Scroll(i32),
    /// The viewer's cut text is typed.
    Paste,
    /// Nothing.
    Nothing,
}

/// Which bytes the function keys send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStyle {
    /// As the linux console does, and XenServer's vncterm: F1 is `ESC [ [ A`, Home `ESC [ 1 ~`.
    #[default]
    Linux,
    /// As xterm does: F1 is `ESC O P`, Home `ESC [ H`.
    Xterm,
}

/// What of a screen's state decides the bytes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyModes {
    pub(crate) cursor_keys: CursorKeys,
    pub(crate) keypad: Keypad,
    pub(crate) line_end: LineEnd,
    pub(crate) backspace: Backspace,
    pub(crate) coding: Coding,
    /// The rows of the screen, which a page is counted in.
    pub(crate) rows: u16,
}

/// DECCKM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CursorKeys {
    /// `ESC [ A`
    Normal,
    /// `ESC O A`
    Application,
}

/// DECKPAM and DECKPNM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keypad {
    /// What stands on the keys.
    Numeric,
    /// `ESC O p` and so on.
    Application,
}

/// What Return sends (LNM).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    CarriageReturn,
    CarriageReturnLineFeed,
}

/// What Backspace sends; with Ctrl held, the other one (DECBKM).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backspace {
    Delete,
    Backspace,
}

impl KeyModes {
    /// Whether the keypad sends sequences. A guest that asks for the cursor keys' ones too has sent
    /// terminfo's `smkx`, as each full-screen program on an `xterm` does, and wants no such thing:
    /// there a person with Num Lock on types digits.
    fn is_keypad_application(&self) -> bool {
        self.keypad == Keypad::Application && self.cursor_keys == CursorKeys::Normal
    }
}

/// The modifiers that one viewer holds down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyboard {
    style: KeyStyle,
    /// Bit n is set while modifier n of the keysyms' order is down; left and right apart, so that
    /// releasing one of two leaves the other.
    held: u8,
}

/// Shift, Ctrl and Alt, as far as they are down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    shift: bool,
    control: bool,
    alt: bool,
}

impl Held {
    /// xterm's number for a combination, in `CSI 1 ; number A`; none held is 1.
    fn number(self) -> u8 {
        1 + u8::from(self.shift) + 2 * u8::from(self.alt) + 4 * u8::from(self.control)
    }

    fn is_none(self) -> bool {
        self.number() == 1
    }
}

impl Keyboard {
    /// A keyboard with no key down.
    #[must_use]
    pub const fn new(style: KeyStyle) -> Self {
        Self { style, held: 0 }
    }

    /// Lets go of all modifiers, as when the viewer leaves or loses the focus.
    pub fn release_all(&mut self) {
        self.held = 0;
    }

    /// Takes a KeyEvent: `keysym` went `down`, or up.
    pub fn key(&mut self, keysym: u32, down: bool, modes: &KeyModes) -> Action {
        self.take(Key::parse(keysym), down, modes)
    }

    /// Takes QEMU's extended key event of a key that has no keysym: the key at this scan code of
    /// an American keyboard went `down`, or up.
    pub fn scan_code(&mut self, code: u32, down: bool, modes: &KeyModes) -> Action {
        self.take(Key::at_scan_code(code, self.held().shift), down, modes)
    }

    fn take(&mut self, key: Option<Key>, down: bool, modes: &KeyModes) -> Action {
        match key {
            Some(Key::Modifier(modifier)) => {
                let bit = 1 << modifier as u8;
                self.held = if down { self.held | bit } else { self.held & !bit };
                Action::Nothing
            }
            Some(key) if down => self.press(key, modes),
            Some(_) | None => Action::Nothing,
        }
    }

    fn held(self) -> Held {
        let down = |modifier: Modifier| self.held >> modifier as u8 & 1 == 1;
        Held {
            shift: down(Modifier::ShiftLeft) || down(Modifier::ShiftRight),
            control: down(Modifier::ControlLeft) || down(Modifier::ControlRight),
            alt: down(Modifier::AltLeft)
                || down(Modifier::AltRight)
                || down(Modifier::MetaLeft)
                || down(Modifier::MetaRight),
        }
    }

    fn press(self, key: Key, modes: &KeyModes) -> Action {
        let held = self.held();
        scroll_or_paste(key, held, modes.rows).unwrap_or_else(|| {
            let bytes = match key {
                Key::Character(character) => character_bytes(character, held, modes.coding),
                Key::Keypad(character) => keypad_bytes(character, held, modes),
                _ => self.key_bytes(key, held, modes),
            };
            if bytes.is_empty() { Action::Nothing } else { Action::Send(bytes) }
        })
    }

    /// The bytes of a key that is no character.
    fn key_bytes(self, key: Key, held: Held, modes: &KeyModes) -> ShortBytes {
        let return_bytes: &[u8] = match modes.line_end {
            LineEnd::CarriageReturn => b"\r",
            LineEnd::CarriageReturnLineFeed => b"\r\n",
        };
        match key {
            Key::Character(_) | Key::Keypad(_) | Key::Modifier(_) => ShortBytes::default(),
            Key::BackSpace if held.control == (modes.backspace == Backspace::Delete) => {
                with_alt(b"\x08", held)
            }
            Key::BackSpace => with_alt(b"\x7f", held),
            Key::Tab if held.shift => with_alt(b"\x1b[Z", held),
            Key::Tab => with_alt(b"\t", held),
            Key::BackTab => with_alt(b"\x1b[Z", held),
            Key::LineFeed => with_alt(b"\n", held),
            Key::Enter if modes.is_keypad_application() => with_alt(b"\x1bOM", held),
            Key::Return | Key::Enter => with_alt(return_bytes, held),
            Key::Escape => with_alt(b"\x1b", held),
            Key::Up => cursor_bytes(b'A', held, modes.cursor_keys),
            Key::Down => cursor_bytes(b'B', held, modes.cursor_keys),
            Key::Right => cursor_bytes(b'C', held, modes.cursor_keys),
            Key::Left => cursor_bytes(b'D', held, modes.cursor_keys),
            Key::Begin => cursor_bytes(b'E', held, modes.cursor_keys),
            Key::Home => self.edge_bytes(b'H', 1, held, modes.cursor_keys),
            Key::End => self.edge_bytes(b'F', 4, held, modes.cursor_keys),
            Key::Insert => tilde_bytes(2, held),
            Key::Delete => tilde_bytes(3, held),
            Key::PageUp => tilde_bytes(5, held),
            Key::PageDown => tilde_bytes(6, held),
            Key::Function(number) => self.function_bytes(number, held),
        }
    }

    /// Home and End.
    fn edge_bytes(self, last: u8, number: u8, held: Held, keys: CursorKeys) -> ShortBytes {
        match self.style {
            KeyStyle::Linux if held.is_none() => tilde_bytes(number, held),
            KeyStyle::Linux | KeyStyle::Xterm => cursor_bytes(last, held, keys),
        }
    }

    fn function_bytes(self, number: u8, held: Held) -> ShortBytes {
        // The linux console's keymaps make F13 to F20 of Shift with F1 to F8.
        let (number, held) = match (self.style, number) {
            (KeyStyle::Linux, 1..=8) if held.shift => (number + 12, Held { shift: false, ..held }),
            _ => (number, held),
        };
        match (self.style, number) {
            (KeyStyle::Linux, 1..=5) if held.is_none() => {
                ShortBytes::from(&[0x1b, b'[', b'[', b'A' + number - 1][..])
            }
            (_, 1..=4) if held.is_none() => ShortBytes::from(&[0x1b, b'O', b'P' + number - 1][..]),
            (_, 1..=4) => modified_bytes(b'P' + number - 1, held),
            // The VT220's numbers, which leave gaps between the groups of its keys.
            (_, 5) => tilde_bytes(15, held),
            (_, 6..=10) => tilde_bytes(number + 11, held),
            (_, 11..=14) => tilde_bytes(number + 12, held),
            (_, 15..=16) => tilde_bytes(number + 13, held),
            (_, 17..=20) => tilde_bytes(number + 14, held),
            _ => ShortBytes::default(),
        }
    }
}

/// The keys that are the viewer's own.
///
/// Shift with PageUp and PageDown scrolls half a page as on the linux console, with Ctrl too a
/// whole one; Ctrl and Shift with the arrows scroll a line.
fn scroll_or_paste(key: Key, held: Held, rows: u16) -> Option<Action> {
    let half = i32::from(rows / 2).max(1);
    let page = i32::from(rows.saturating_sub(1)).max(1);
    match (key, held) {
        (Key::PageUp, Held { shift: true, control: false, alt: false }) => {
            Some(Action::Scroll(half))
        }
        (Key::PageDown, Held { shift: true, control: false, alt: false }) => {
            Some(Action::Scroll(-half))
        }
        (Key::PageUp, Held { shift: true, control: true, alt: false }) => {
            Some(Action::Scroll(page))
        }
        (Key::PageDown, Held { shift: true, control: true, alt: false }) => {
            Some(Action::Scroll(-page))
        }
        (Key::Up, Held { shift: true, control: true, alt: false }) => Some(Action::Scroll(1)),
        (Key::Down, Held { shift: true, control: true, alt: false }) => Some(Action::Scroll(-1)),
        (Key::Insert, Held { shift: true, control: false, alt: false }) => Some(Action::Paste),
        _ => None,
    }
}

/// The keypad's digits and operators (VT220 manual, table 3-8). Shift gives what stands on the key,
/// as on the linux console.
fn keypad_bytes(character: char, held: Held, modes: &KeyModes) -> ShortBytes {
    match u8::try_from(character) {
        // A digit's or operator's last byte is its own number and the column of the small letters.
        Ok(byte @ b'*'..=b'9' | byte @ b'=') if modes.is_keypad_application() && !held.shift => {
            let last = if byte == b'=' { b'X' } else { byte + 0x40 };
            with_alt(&[0x1b, b'O', last], held)
        }
        _ => character_bytes(character, held, modes.coding),
    }
}

fn character_bytes(character: char, held: Held, coding: Coding) -> ShortBytes {
    // Windows and browsers report AltGr as Ctrl and Alt, with the character already composed.
    let alt_gr = held.control && held.alt && !character.is_ascii_alphabetic() && character != ' ';
    let (control, alt) = (held.control && !alt_gr, held.alt && !alt_gr);
    let mut bytes = ShortBytes::default();
    if alt {
        bytes.push(0x1b);
    }
    if let Some(code) = control_code(character).filter(|_| control) {
        bytes.push(code);
        return bytes;
    }
    match coding {
        Coding::Utf8 | Coding::Rom => {
            bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Coding::Latin1 => match u8::try_from(character) {
            Ok(byte) => bytes.push(byte),
            Err(_) => return ShortBytes::default(),
        },
    }
    bytes
}

/// What Ctrl makes of a character: the codes of ASCII's columns 4 and 5, and the digits that
/// stand for those of them that keyboards have no good place for (VT220 manual, table 3-6).
fn control_code(character: char) -> Option<u8> {
    let byte = u8::try_from(character).ok()?;
    match byte {
        b'@'..=b'_' | b'a'..=b'z' => Some(byte & 0x1f),
        b' ' | b'2' | b'`' => Some(0x00),
        b'3'..=b'7' => Some(byte - b'3' + 0x1b),
        b'{' | b'|' | b'}' | b'~' => Some(byte & 0x1f),
        b'/' => Some(0x1f),
        b'8' | b'?' => Some(0x7f),
        _ => None,
    }
}

fn with_alt(bytes: &[u8], held: Held) -> ShortBytes {
    let mut sent = ShortBytes::default();
    if held.alt {
        sent.push(0x1b);
    }
    sent.extend(bytes);
    sent
}

/// `ESC [ A`, `ESC O A`, or with modifiers `ESC [ 1 ; 5 A`.
fn cursor_bytes(last: u8, held: Held, keys: CursorKeys) -> ShortBytes {
    match keys {
        _ if !held.is_none() => modified_bytes(last, held),
        CursorKeys::Normal => ShortBytes::from(&[0x1b, b'[', last][..]),
        CursorKeys::Application => ShortBytes::from(&[0x1b, b'O', last][..]),
    }
}

fn modified_bytes(last: u8, held: Held) -> ShortBytes {
    ShortBytes::from(&[0x1b, b'[', b'1', b';', b'0' + held.number(), last][..])
}

/// `ESC [ 3 ~`, or with modifiers `ESC [ 3 ; 5 ~`. `number` is below 100.
fn tilde_bytes(number: u8, held: Held) -> ShortBytes {
    let mut bytes = ShortBytes::from(&b"\x1b["[..]);
    if number >= 10 {
        bytes.push(b'0' + number / 10);
    }
    bytes.push(b'0' + number % 10);
    if !held.is_none() {
        bytes.extend(&[b';', b'0' + held.number()]);
    }
    bytes.push(b'~');
    bytes
}

#[cfg(test)]
mod tests;
