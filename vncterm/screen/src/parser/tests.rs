//! What the parser makes of bytes, whole and in pieces.

use super::*;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Writes down what it is told, one line a call; runs of text become one line.
#[derive(Default)]
struct Recorder {
    lines: Vec<String>,
    text: String,
    coding: Coding,
}

impl Recorder {
    fn line(&mut self, line: String) {
        if !self.text.is_empty() {
            let text = core::mem::take(&mut self.text);
            self.lines.push(format!("text {text}"));
        }
        self.lines.push(line);
    }

    fn finish(mut self) -> Vec<String> {
        self.line(String::new());
        self.lines.pop();
        self.lines
    }
}

impl Performer for Recorder {
    fn print(&mut self, character: char) {
        self.text.push(character);
    }
    fn print_ascii(&mut self, text: &[u8]) {
        assert!(text.iter().all(|byte| (0x20..=0x7e).contains(byte)));
        self.text.extend(text.iter().map(|&byte| char::from(byte)));
    }
    fn print_run(&mut self, text: &[char]) {
        assert!(self.coding == Coding::Utf8 && !text.is_empty());
        assert!(!text.iter().any(|character| character.is_control()));
        self.text.extend(text);
    }
    fn print_rom(&mut self, glyph: u8) {
        self.line(format!("rom {glyph:02x}"));
    }
    fn control(&mut self, control: u8) {
        assert!(control < 0x20 && control != ESC);
        self.line(format!("control {control:02x}"));
    }
    fn escape(&mut self, intermediates: &[u8], last: u8) {
        let text = String::from_utf8_lossy(intermediates);
        match (intermediates, last) {
            (b"%", b'@') => self.coding = Coding::Latin1,
            (b"%", b'G') => self.coding = Coding::Utf8,
            (b"%", b'R') => self.coding = Coding::Rom,
            _ => {}
        }
        self.line(format!("escape {text}{}", char::from(last)));
    }
    fn sequence(&mut self, sequence: Sequence<'_>) {
        let private = sequence.private.map(char::from).map(String::from).unwrap_or_default();
        let params: Vec<&[u16]> = sequence.params.iter().collect();
        let intermediates = String::from_utf8_lossy(sequence.intermediates);
        let last = char::from(sequence.last);
        self.line(format!("csi {private}{params:?}{intermediates}{last}"));
    }
    fn command(&mut self, text: &[u8]) {
        self.line(format!("command {}", String::from_utf8_lossy(text)));
    }
    fn set_palette(&mut self, digits: [u8; 7]) {
        self.line(format!("palette {}", String::from_utf8_lossy(&digits)));
    }
    fn reset_palette(&mut self) {
        self.line("reset palette".into());
    }
    fn coding(&self) -> Coding {
        self.coding
    }
}

fn parse(bytes: &[u8]) -> Vec<String> {
    let (mut parser, mut recorder) = (Parser::default(), Recorder::default());
    parser.advance(&mut recorder, bytes);
    recorder.finish()
}

#[test]
fn parts_text_from_controls() {
    assert_eq!(parse(b"one\r\ntwo\x7f!"), ["text one", "control 0d", "control 0a", "text two!"]);
}

#[test]
fn reads_control_sequences() {
    assert_eq!(parse(b"\x1b[m"), ["csi []m"]);
    assert_eq!(parse(b"\x1b[1;31mred"), ["csi [[1], [31]]m", "text red"]);
    assert_eq!(parse(b"\x1b[38:2::1:2:3m"), ["csi [[38, 2, 0, 1, 2, 3]]m"]);
    assert_eq!(parse(b"\x1b[?25;1049h"), ["csi ?[[25], [1049]]h"]);
    assert_eq!(parse(b"\x1b[?2004$p"), ["csi ?[[2004]]$p"]);
    assert_eq!(parse(b"\x1b[3 q"), ["csi [[3]] q"]);
    assert_eq!(parse(b"\x1b[;5H"), ["csi [[0], [5]]H"]);
}

#[test]
fn a_control_character_acts_inside_a_sequence() {
    assert_eq!(parse(b"\x1b[1\n2A"), ["control 0a", "csi [[12]]A"]);
    assert_eq!(parse(b"\x1b\r7"), ["control 0d", "escape 7"]);
    assert_eq!(parse(b"\x1b[\x082A"), ["control 08", "csi [[2]]A"]);
}

#[test]
fn can_and_sub_and_esc_break_a_sequence_off() {
    assert_eq!(parse(b"\x1b[1\x182A"), ["control 18", "text 2A"]);
    assert_eq!(parse(b"\x1b]2;title\x1aA"), ["control 1a", "text A"]);
    assert_eq!(parse(b"\x1b[1\x1b[2A"), ["csi [[2]]A"]);
    assert_eq!(parse(b"\x1bPq#0\x18A"), ["control 18", "text A"]);
}

#[test]
fn a_malformed_sequence_is_swallowed_to_its_end() {
    assert_eq!(parse(b"\x1b[1?2Ax"), ["text x"]);
    assert_eq!(parse(b"\x1b[1 2Ax"), ["text x"]);
    assert_eq!(parse(b"\x1b[1 !\"Ax"), ["text x"]);
    assert_eq!(parse(b"\x1b !\"Fx"), ["text x"]);
}

#[test]
fn a_high_byte_ends_a_sequence_and_is_text() {
    assert_eq!(parse("\x1b[1é2A".as_bytes()), ["text é2A"]);
    assert_eq!(parse("\x1bé".as_bytes()), ["text é"]);
    assert_eq!(parse("\x1b(é".as_bytes()), ["text é"]);
    assert_eq!(parse("\x1b[1 é".as_bytes()), ["text é"]);
    assert_eq!(parse("\x1b[1?é".as_bytes()), ["text é"]);
}

#[test]
fn commands_end_at_bel_and_at_st() {
    assert_eq!(parse(b"\x1b]0;t\x07x"), ["command 0;t", "text x"]);
    assert_eq!(parse(b"\x1b]0;t\x1b\\x"), ["command 0;t", "escape \\", "text x"]);
    assert_eq!(parse("\x1b]0;tête\x07".as_bytes()), ["command 0;tête"]);
    assert_eq!(parse(b"\x1b]0;\x01a\nb\x07"), ["command 0;ab"]);
}

#[test]
fn a_command_too_long_to_keep_is_dropped_whole() {
    let kept = "k".repeat(STRING_MAX);
    assert_eq!(
        parse(format!("\x1b]{kept}\x07x").as_bytes()),
        [format!("command {kept}"), "text x".into()]
    );
    assert_eq!(parse(format!("\x1b]{kept}k\x07x").as_bytes()), ["text x"]);
}

#[test]
fn other_strings_are_swallowed() {
    for start in ["P", "X", "^", "_"] {
        let bytes = format!("a\x1b{start}1;2|body\x07more\x1b\\b");
        assert_eq!(parse(bytes.as_bytes()), ["text a", "escape \\", "text b"]);
    }
}

#[test]
fn the_linux_console_palette_has_no_end_mark() {
    assert_eq!(parse(b"\x1b]P1aa5500x"), ["palette 1aa5500", "text x"]);
    assert_eq!(parse(b"\x1b]Rx"), ["reset palette", "text x"]);
    assert_eq!(parse(b"\x1b]P1aXY\x07x"), ["command P1aXY", "text x"]);
    assert_eq!(parse(b"\x1b]P1a\x1b[m"), ["csi []m"]);
}

#[test]
fn the_linux_console_function_keys_are_swallowed() {
    assert_eq!(parse(b"\x1b[[Ax"), ["text x"]);
}

#[test]
fn broken_utf8_is_replaced() {
    assert_eq!(
        parse(b"\xe2\x82A\xff\xe2\x82\x1b[m"),
        ["text \u{fffd}A\u{fffd}\u{fffd}", "csi []m"]
    );
}

#[test]
fn c1_in_utf8_is_neither_acted_on_nor_shown() {
    assert_eq!(parse("a\u{9b}1mb\u{85}".as_bytes()), ["text a1mb"]);
}

#[test]
fn c1_acts_in_latin1() {
    assert_eq!(
        parse(b"\x1b%@\x9b1m\xe9\x85\x9d0;t\x9c."),
        ["escape %@", "csi [[1]]m", "text é", "escape E", "command 0;t", "escape \\", "text ."]
    );
    assert_eq!(parse(b"\x1b%@\x90body\x9cx"), ["escape %@", "escape \\", "text x"]);
}

#[test]
fn glyph_numbers_are_handed_on_in_rom_coding() {
    assert_eq!(
        parse(b"\x1b%Ra\x01\t\xb0\x7f\n\x1b%G\xc3\xa9"),
        [
            "escape %R",
            "text a",
            "rom 01",
            "rom 09",
            "rom b0",
            "rom 7f",
            "control 0a",
            "escape %G",
            "text é"
        ]
    );
}

#[test]
fn three_million_digits_are_one_number() {
    let mut bytes = b"\x1b[".to_vec();
    bytes.extend(vec![b'9'; 3_000_000]);
    bytes.extend(b";2H");
    assert_eq!(parse(&bytes), ["csi [[65535], [2]]H"]);
}

/// Bytes among which sequences are likely.
pub(crate) fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => proptest::collection::vec(0x20u8..0x7f, 1..30),
        2 => proptest::collection::vec(any::<u8>(), 1..8),
        2 => "[a-zé中😀\u{85}\u{301}]{1,80}".prop_map(String::into_bytes),
        4 => "\x1b\\[[?>]?[0-9]{0,3}(;[0-9:]{0,3}){0,3}[ $!']?[@-~]".prop_map(String::into_bytes),
        1 => "\x1b\\[\\?(69|45|1045|6)h\x1b\\[[0-9]?;1?[0-9]?[rs]".prop_map(String::into_bytes),
        1 => "\x1b\\[[0-9]{1,2};[0-9]{1,2}H".prop_map(String::into_bytes),
        2 => "\x1b[ -/]?[0-~]".prop_map(String::into_bytes),
        1 => "\x1b\\][0-9PR]{1,3}[a-f0-9;]{0,8}(\x07|\x1b\\\\)".prop_map(String::into_bytes),
        1 => "\x1b%[@G]".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(part, 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_is_taken_at_once_is_what_single_bytes_give(bytes in likely_bytes()) {
        let (mut parser, mut recorder) = (Parser::default(), Recorder::default());
        for byte in bytes.chunks(1) {
            parser.advance(&mut recorder, byte);
        }
        prop_assert_eq!(recorder.finish(), parse(&bytes));
    }

    #[test]
    fn any_splitting_of_the_bytes_gives_the_same(
        bytes in likely_bytes(), cuts in proptest::collection::vec(1usize..9, 1..40))
    {
        let (mut parser, mut recorder) = (Parser::default(), Recorder::default());
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (head, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            parser.advance(&mut recorder, head);
            rest = tail;
        }
        prop_assert_eq!(recorder.finish(), parse(&bytes));
    }
}
