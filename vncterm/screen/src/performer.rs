//! What the parser tells the terminal: text, control characters and whole sequences.
//!
//! The parser gives no meaning to what it finds; a performer keeps no books about bytes.

use crate::params::Params;

/// How the bytes of text are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// UTF-8 (`ESC % G`). C1 control characters are neither acted on nor shown.
    #[default]
    Utf8,
    /// ISO 8859-1, with 0x80..=0x9f as C1 control characters (`ESC % @`).
    Latin1,
    /// Each byte is the number of a glyph in the PC character generator's ROM, most control
    /// characters too, as the linux console does after SGR 11 and 12.
    Rom,
}

/// A whole control sequence: `CSI private params intermediates last`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence<'a> {
    /// One of `<=>?`, where the sequence began with it.
    pub(crate) private: Option<u8>,
    pub(crate) params: &'a Params,
    pub(crate) intermediates: &'a [u8],
    pub(crate) last: u8,
}

/// Receives what the parser finds, in order.
///
/// No method has a default: what a terminal leaves out, it leaves out where it can be read.
pub(crate) trait Performer {
    /// One character that is neither a control character nor printable ASCII.
    fn print(&mut self, character: char);
    /// Printable ASCII, 0x20..=0x7e.
    fn print_ascii(&mut self, text: &[u8]);
    /// Characters that are no control characters, printable ASCII among them; only while
    /// [`Coding::Utf8`] holds. They mean what each of them would by itself.
    fn print_run(&mut self, text: &[char]);
    /// One glyph by its number; only while [`Coding::Rom`] holds.
    fn print_rom(&mut self, glyph: u8);
    /// A C0 control character.
    fn control(&mut self, control: u8);
    /// An escape sequence. 8-bit C1 characters arrive as the `ESC Fe` that they stand for.
    fn escape(&mut self, intermediates: &[u8], last: u8);
    /// A control sequence.
    fn sequence(&mut self, sequence: Sequence<'_>);
    /// An operating system command that was kept whole.
    fn command(&mut self, text: &[u8]);
    /// The linux console's `ESC ] P`, with its seven hexadecimal digits.
    fn set_palette(&mut self, digits: [u8; 7]);
    /// The linux console's `ESC ] R`.
    fn reset_palette(&mut self);
    /// How to read the text that follows. Asked after each sequence.
    fn coding(&self) -> Coding;
}
