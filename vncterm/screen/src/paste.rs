//! Pasted text on its way to the guest: cleaned, enclosed where the guest asked for it, and handed
//! out in pieces, so that its sender can keep to the guest's pace.

use alloc::string::String;

/// How much text one paste takes; what is beyond is cut off, at a character.
pub const PASTE_MAX: usize = 256 * 1024;

/// Whether the guest wants to see where a paste begins and ends (mode 2004).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brackets {
    /// It does.
    Wanted,
    /// It does not.
    Unwanted,
}

const OPENING: &str = "\x1b[200~";
const CLOSING: &str = "\x1b[201~";

/// A paste that is under way.
#[derive(Clone, Debug)]
pub struct Paste {
    text: String,
    sent: usize,
}

impl Paste {
    /// Makes the bytes that typing `text` would give.
    ///
    /// Line ends become carriage returns, as the Return key sends. Control characters other than
    /// these and the tab are left out, so that pasted text cannot act as an escape sequence or
    /// end its own brackets.
    #[must_use]
    pub fn new(text: &str, brackets: Brackets) -> Self {
        let mut end = text.len().min(PASTE_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (opening, closing) = match brackets {
            Brackets::Wanted => (OPENING, CLOSING),
            Brackets::Unwanted => ("", ""),
        };
        let mut typed = String::with_capacity(opening.len() + end + closing.len());
        typed.push_str(opening);
        let mut after_return = false;
        for character in text.get(..end).unwrap_or_default().chars() {
            match character {
                '\n' if after_return => {}
                '\n' | '\r' => typed.push('\r'),
                '\t' => typed.push('\t'),
                control if control.is_control() => {}
                character => typed.push(character),
            }
            after_return = character == '\r';
        }
        typed.push_str(closing);
        Self { text: typed, sent: 0 }
    }

    /// The bytes that are still to be sent.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        self.text.as_bytes().get(self.sent..).unwrap_or_default()
    }

    /// The next bytes to send, at most `len`.
    pub fn take(&mut self, len: usize) -> &[u8] {
        let start = self.sent;
        self.sent = start.saturating_add(len).min(self.text.len());
        self.text.as_bytes().get(start..self.sent).unwrap_or_default()
    }

    /// Breaks the paste off. Its closing bracket is still to be sent, or else the guest would take
    /// all later keys for a paste too; a paste of which nothing was sent is forgotten whole.
    pub fn cancel(&mut self) {
        let closing = self.text.len().saturating_sub(CLOSING.len());
        if self.sent == 0 {
            self.sent = self.text.len();
        } else if self.text.ends_with(CLOSING) && self.sent < closing {
            let opening_left = OPENING.get(self.sent..).unwrap_or_default();
            let mut rest = String::from(opening_left);
            rest.push_str(CLOSING);
            (self.text, self.sent) = (rest, 0);
        } else if !self.text.ends_with(CLOSING) {
            self.sent = self.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn typed(text: &str, brackets: Brackets) -> String {
        String::from_utf8(Paste::new(text, brackets).rest().to_vec()).unwrap()
    }

    #[test]
    fn line_ends_become_carriage_returns() {
        assert_eq!(typed("a\nb\r\nc\rd\n\n", Brackets::Unwanted), "a\rb\rc\rd\r\r");
    }

    #[test]
    fn control_characters_are_left_out() {
        assert_eq!(typed("a\x1b[31m\x03\tb\u{9b}c\x7f", Brackets::Unwanted), "a[31m\tbc");
    }

    #[test]
    fn text_cannot_close_its_own_brackets() {
        assert_eq!(typed("a\x1b[201~rm\r", Brackets::Wanted), "\x1b[200~a[201~rm\r\x1b[201~");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = "é".repeat(PASTE_MAX);
        let cut = typed(&text, Brackets::Unwanted);
        assert_eq!(cut.len(), PASTE_MAX);
        let cut = typed(&alloc::format!("x{text}"), Brackets::Unwanted);
        assert_eq!(cut.len(), PASTE_MAX - 1);
    }

    #[test]
    fn a_cancelled_paste_closes_its_brackets() {
        let mut paste = Paste::new("hello", Brackets::Wanted);
        paste.take(3);
        paste.cancel();
        assert_eq!(paste.rest(), b"00~\x1b[201~");
        let mut paste = Paste::new("hello", Brackets::Wanted);
        paste.take(8);
        paste.cancel();
        assert_eq!(paste.rest(), b"\x1b[201~");
        let mut paste = Paste::new("hello", Brackets::Wanted);
        paste.cancel();
        assert_eq!(paste.rest(), b"");
        let mut paste = Paste::new("hello", Brackets::Unwanted);
        paste.take(2);
        paste.cancel();
        assert_eq!(paste.rest(), b"");
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_whole(text in "\\PC{0,40}", len in 1usize..7) {
            let mut paste = Paste::new(&text, Brackets::Wanted);
            let whole = paste.rest().to_vec();
            let mut pieces = Vec::new();
            while !paste.rest().is_empty() {
                pieces.extend_from_slice(paste.take(len));
            }
            prop_assert_eq!(pieces, whole);
        }
    }
}
