//! Parts a terminal's bytes into text, control characters and sequences.
//!
//! It is the machine of <https://vt100.net/emu/dec_ansi_parser>, one function a state. It
//! deviates where today's terminals do:
//!
//! * Text is UTF-8 unless the performer says otherwise; a byte above 0x7f inside an escape
//!   or control sequence ends that sequence and is text.
//! * `:` parts sub-parameters instead of spoiling the sequence.
//! * The bodies of DCS, SOS, PM and APC are dropped as they come. OSC ends at BEL too.
//! * `ESC ] P` and `ESC ] R` are the linux console's palette commands, which have no end mark;
//!   `CSI [` swallows the character after it, as that console does.
//!
//! What sequences mean is not known here.

mod bounded;
mod run;

use crate::params::Params;
use crate::performer::{Coding, Performer, Sequence};
use crate::utf8::{Decoded, Utf8};
use bounded::Bounded;

/// How many bytes of an operating system command are kept: enough for a dozen colours. A longer
/// one is swallowed whole.
pub(crate) const STRING_MAX: usize = 256;

/// How many intermediate characters are kept; no known sequence has more (ECMA-48 names none).
const INTERMEDIATES_MAX: usize = 2;

/// `n rr gg bb` of `ESC ] P`.
const PALETTE_DIGITS: usize = 7;

/// Longer control sequences than this are not looked for at once, so that what is not one after all
/// is read twice only so far.
const SEQUENCE_MAX: usize = 64;

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const DEL: u8 = 0x7f;

/// The control characters that act even while [`Coding::Rom`] holds: NUL, BS, LF, FF, CR, SO,
/// SI and ESC (the linux console's `CTRL_ALWAYS`).
const ACTS_IN_ROM: u32 = 0x0800_f501;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    EscapeIntermediate,
    CsiEntry,
    CsiParam,
    CsiIntermediate,
    /// A control sequence that is malformed: swallowed up to its last byte.
    CsiIgnore,
    /// After `CSI [`: the next character belongs to it.
    LinuxKey,
    Command,
    /// After `ESC ] P`: hexadecimal digits are counted.
    Palette,
    /// The body of a DCS, SOS, PM or APC.
    Swallow,
}

/// The machine between two bytes; it needs the same memory whatever it is fed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parser {
    state: State,
    coding: Coding,
    utf8: Utf8,
    private: Option<u8>,
    params: Params,
    intermediates: Bounded<INTERMEDIATES_MAX>,
    string: Bounded<STRING_MAX>,
}

impl Parser {
    /// Reads `bytes`, which may begin and end anywhere.
    pub(crate) fn advance(&mut self, performer: &mut impl Performer, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = match self.state {
                State::Ground => self.ground(performer, byte, rest),
                State::Swallow => self.swallow(performer, rest),
                State::Command if !self.string.is_empty() => self.command_run(performer, rest),
                _ => {
                    self.step(performer, byte);
                    tail
                }
            };
        }
    }

    /// Forgets a sequence or character that has begun.
    pub(crate) fn reset(&mut self, performer: &impl Performer) {
        self.utf8.clear();
        self.enter_ground(performer);
    }

    /// Text. Returns what is left of `bytes`, whose first is `byte`.
    fn ground<'a>(
        &mut self,
        performer: &mut impl Performer,
        byte: u8,
        bytes: &'a [u8],
    ) -> &'a [u8] {
        if self.utf8.is_between_characters()
            && let Some(rest) = self.run(performer, byte, bytes)
        {
            return rest;
        }
        self.text(performer, byte);
        bytes.get(1..).unwrap_or_default()
    }

    /// Takes at once what nearly all output is made of and `bytes` begins with: printable text, a
    /// line's end, a control sequence that is there whole. What is rarer, or in another coding, goes
    /// byte by byte, with the same result.
    fn run<'a>(
        &mut self,
        performer: &mut impl Performer,
        byte: u8,
        bytes: &'a [u8],
    ) -> Option<&'a [u8]> {
        match byte {
            0x20..=0x7e => {
                let (run, rest) = run::split_printable(bytes);
                performer.print_ascii(run);
                Some(rest)
            }
            b'\r' | b'\n' => {
                performer.control(byte);
                bytes.get(1..)
            }
            ESC => self.whole_sequence(performer, bytes),
            0x80.. if self.coding == Coding::Utf8 => {
                let (run, rest) = run::Characters::split(bytes);
                if run.is_empty() {
                    return None;
                }
                performer.print_run(run.as_slice());
                Some(rest)
            }
            _ => None,
        }
    }

    /// Acts on a control sequence that `bytes` begins with, whole and plain.
    fn whole_sequence<'a>(
        &mut self,
        performer: &mut impl Performer,
        bytes: &'a [u8],
    ) -> Option<&'a [u8]> {
        let rest = bytes.strip_prefix(b"\x1b[")?;
        let (private, rest) = match *rest {
            [mark @ b'<'..=b'?', ref rest @ ..] => (Some(mark), rest),
            // The linux console's function keys.
            [b'[', ..] => return None,
            _ => (None, rest),
        };
        let end = self.params.read(rest.get(..SEQUENCE_MAX).unwrap_or(rest))?;
        let (last, rest) = rest.get(end..)?.split_first()?;
        let params = &self.params;
        performer.sequence(Sequence { private, params, intermediates: &[], last: *last });
        self.enter_ground(performer);
        Some(rest)
    }

    /// One byte of text, or a control character among it.
    fn text(&mut self, performer: &mut impl Performer, byte: u8) {
        match self.coding {
            Coding::Utf8 => self.text_utf8(performer, byte),
            Coding::Latin1 => match byte {
                0x80..=0x9f => self.c1(performer, byte),
                0xa0..=0xff => performer.print(char::from(byte)),
                _ => self.text_ascii(performer, byte),
            },
            Coding::Rom => match byte {
                0x00..=0x1f if ACTS_IN_ROM >> byte & 1 == 1 => self.text_ascii(performer, byte),
                0x20..=0x7e => performer.print_ascii(&[byte]),
                _ => performer.print_rom(byte),
            },
        }
    }

    fn text_utf8(&mut self, performer: &mut impl Performer, byte: u8) {
        loop {
            match self.utf8.take(byte) {
                Decoded::Partial => {}
                Decoded::Char('\u{80}'..='\u{9f}') => {}
                Decoded::Char(character) if character.is_ascii() => {
                    self.text_ascii(performer, byte);
                }
                Decoded::Char(character) => performer.print(character),
                Decoded::Invalid => performer.print(char::REPLACEMENT_CHARACTER),
                Decoded::CutShort => {
                    performer.print(char::REPLACEMENT_CHARACTER);
                    continue;
                }
            }
            return;
        }
    }

    fn text_ascii(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            ESC => self.enter_escape(),
            0x20..=0x7e => performer.print_ascii(&[byte]),
            DEL => {}
            control => performer.control(control),
        }
    }

    /// One byte of a sequence.
    fn step(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            CAN | SUB => {
                self.enter_ground(performer);
                performer.control(byte);
                return;
            }
            ESC => {
                if self.state == State::Command {
                    self.end_command(performer);
                }
                self.enter_escape();
                return;
            }
            0x80..=0x9f if self.coding == Coding::Latin1 => {
                if self.state == State::Command {
                    self.end_command(performer);
                }
                self.c1(performer, byte);
                return;
            }
            _ => {}
        }
        match self.state {
            State::Ground => self.text(performer, byte),
            State::Escape => self.escape(performer, byte),
            State::EscapeIntermediate => self.escape_intermediate(performer, byte),
            State::CsiEntry => self.csi_entry(performer, byte),
            State::CsiParam => self.csi_param(performer, byte),
            State::CsiIntermediate => self.csi_intermediate(performer, byte),
            State::CsiIgnore => self.csi_ignore(performer, byte),
            State::LinuxKey => self.enter_ground(performer),
            State::Command => self.command(performer, byte),
            State::Palette => self.palette(performer, byte),
            State::Swallow => {}
        }
    }

    fn escape(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            0x00..=0x1f => performer.control(byte),
            0x20..=0x2f => {
                self.intermediates.push(byte);
                self.state = State::EscapeIntermediate;
            }
            b'P' | b'X' | b'^' | b'_' => self.state = State::Swallow,
            b'[' => self.enter_csi(),
            b']' => self.enter_command(),
            0x30..=0x7e => self.end_escape(performer, byte),
            DEL => {}
            0x80..=0xff => self.abandon(performer, byte),
        }
    }

    fn escape_intermediate(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            0x00..=0x1f => performer.control(byte),
            0x20..=0x2f => self.intermediates.push(byte),
            0x30..=0x7e => self.end_escape(performer, byte),
            DEL => {}
            0x80..=0xff => self.abandon(performer, byte),
        }
    }

    fn csi_entry(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            b'<'..=b'?' => {
                self.private = Some(byte);
                self.state = State::CsiParam;
            }
            b'[' => self.state = State::LinuxKey,
            _ => {
                self.state = State::CsiParam;
                self.csi_param(performer, byte);
            }
        }
    }

    fn csi_param(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            0x00..=0x1f => performer.control(byte),
            b'0'..=b'9' => self.params.digit(byte - b'0'),
            b':' => self.params.join(),
            b';' => self.params.part(),
            0x20..=0x2f => {
                self.intermediates.push(byte);
                self.state = State::CsiIntermediate;
            }
            b'<'..=b'?' => self.state = State::CsiIgnore,
            0x40..=0x7e => self.end_csi(performer, byte),
            DEL => {}
            0x80..=0xff => self.abandon(performer, byte),
        }
    }

    fn csi_intermediate(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            0x00..=0x1f => performer.control(byte),
            0x20..=0x2f => self.intermediates.push(byte),
            0x30..=0x3f => self.state = State::CsiIgnore,
            0x40..=0x7e => self.end_csi(performer, byte),
            DEL => {}
            0x80..=0xff => self.abandon(performer, byte),
        }
    }

    fn csi_ignore(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            0x00..=0x1f => performer.control(byte),
            0x20..=0x3f | DEL => {}
            0x40..=0x7e => self.enter_ground(performer),
            0x80..=0xff => self.abandon(performer, byte),
        }
    }

    fn command(&mut self, performer: &mut impl Performer, byte: u8) {
        match byte {
            BEL => {
                self.end_command(performer);
                self.enter_ground(performer);
            }
            b'P' if self.string.is_empty() => {
                self.string.push(byte);
                self.state = State::Palette;
            }
            b'R' if self.string.is_empty() => {
                performer.reset_palette();
                self.enter_ground(performer);
            }
            0x00..=0x1f => {}
            _ => self.string.push(byte),
        }
    }

    /// Keeps what of a command is plain text, or no more than counts it, at once: a command may go on
    /// for as long as a guest likes. Then the byte after that, which may end it.
    fn command_run<'a>(&mut self, performer: &mut impl Performer, bytes: &'a [u8]) -> &'a [u8] {
        let (run, rest) = run::split_printable(bytes);
        self.string.extend(run);
        let Some((&byte, rest)) = rest.split_first() else { return &[] };
        self.step(performer, byte);
        rest
    }

    /// The string holds the `P` and the digits so far.
    fn palette(&mut self, performer: &mut impl Performer, byte: u8) {
        if !byte.is_ascii_hexdigit() {
            self.state = State::Command;
            self.command(performer, byte);
            return;
        }
        self.string.push(byte);
        let digits = self.string.kept().get(1..).unwrap_or_default();
        if let Ok(digits) = <[u8; PALETTE_DIGITS]>::try_from(digits) {
            performer.set_palette(digits);
            self.enter_ground(performer);
        }
    }

    /// Drops the body of a string up to the byte that may end it.
    fn swallow<'a>(&mut self, performer: &mut impl Performer, bytes: &'a [u8]) -> &'a [u8] {
        let latin1 = self.coding == Coding::Latin1;
        let end = bytes.iter().position(|&byte| match byte {
            CAN | SUB | ESC => true,
            0x80..=0x9f => latin1,
            _ => false,
        });
        let Some((&byte, rest)) = end.and_then(|end| bytes.get(end..)?.split_first()) else {
            return &[];
        };
        self.step(performer, byte);
        rest
    }

    /// Acts on an 8-bit control character as on the `ESC Fe` it stands for.
    fn c1(&mut self, performer: &mut impl Performer, byte: u8) {
        self.enter_escape();
        self.escape(performer, byte - 0x40);
    }

    fn enter_ground(&mut self, performer: &impl Performer) {
        self.state = State::Ground;
        self.coding = performer.coding();
    }

    fn enter_escape(&mut self) {
        self.state = State::Escape;
        self.intermediates.clear();
    }

    fn enter_csi(&mut self) {
        self.state = State::CsiEntry;
        self.private = None;
        self.params.clear();
        self.intermediates.clear();
    }

    fn enter_command(&mut self) {
        self.state = State::Command;
        self.string.clear();
    }

    /// Leaves a sequence in which `byte` cannot be, and reads it as text.
    fn abandon(&mut self, performer: &mut impl Performer, byte: u8) {
        self.enter_ground(performer);
        self.text(performer, byte);
    }

    fn end_escape(&mut self, performer: &mut impl Performer, last: u8) {
        if let Some(intermediates) = self.intermediates.whole() {
            performer.escape(intermediates, last);
        }
        self.enter_ground(performer);
    }

    fn end_csi(&mut self, performer: &mut impl Performer, last: u8) {
        if let Some(intermediates) = self.intermediates.whole() {
            let (private, params) = (self.private, &self.params);
            performer.sequence(Sequence { private, params, intermediates, last });
        }
        self.enter_ground(performer);
    }

    fn end_command(&mut self, performer: &mut impl Performer) {
        if let Some(text) = self.string.whole() {
            performer.command(text);
        }
        self.string.clear();
    }
}

#[cfg(test)]
pub(crate) mod tests;
