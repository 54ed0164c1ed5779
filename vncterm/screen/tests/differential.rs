//! The same bytes through this terminal and through the `vt100` crate: both must show the same text
//! in the same colours and attributes, be the bytes made up or recorded.
//!
//! Only what both implement is compared: `vt100` knows no character sets, no modes but the usual
//! ones, and no blinking, hidden or crossed-out text. Nothing is done to a line that is about to wrap, nor to
//! one outside the margins, where terminals differ: edits come after a movement.

use proptest::prelude::*;
use std::num::NonZero;
use std::path::Path;
use vncterm_screen::{Attributes, Cell, Colour, Extent, Screen};

const COLUMNS: u16 = 20;
const ROWS: u16 = 8;

fn ours(bytes: &[u8]) -> Vec<String> {
    let mut screen = Screen::new(COLUMNS, ROWS, 0);
    screen.feed(bytes);
    let text = |row| {
        let view = screen.row(0, row);
        let shown = view.cells.iter().filter(|cell| cell.extent() != Extent::Right);
        shown.map(|cell| cell.character()).collect::<String>().trim_end().to_owned()
    };
    (0..ROWS).map(text).collect()
}

fn theirs(bytes: &[u8]) -> Vec<String> {
    let size = |count| NonZero::new(count).expect("a size above zero");
    let mut parser = vt100::Parser::new(size(ROWS), size(COLUMNS), 0);
    parser.process(bytes);
    parser.screen().rows(0, COLUMNS).map(|row| row.trim_end().to_owned()).collect()
}

/// How a cell is drawn, in words that both terminals have.
type Drawn = (String, String, [bool; 5]);

fn our_colour(colour: Colour) -> String {
    match colour {
        Colour::Default => "default".into(),
        Colour::Indexed(index) => index.to_string(),
        Colour::Rgb(rgb) => format!("{},{},{}", rgb.red, rgb.green, rgb.blue),
    }
}

fn their_colour(colour: vt100::Color) -> String {
    match colour {
        vt100::Color::Default => "default".into(),
        vt100::Color::Idx(index) => index.to_string(),
        vt100::Color::Rgb(red, green, blue) => format!("{red},{green},{blue}"),
    }
}

fn our_cell(cell: &Cell) -> Drawn {
    let attributes = [
        Attributes::BOLD,
        Attributes::FAINT,
        Attributes::ITALIC,
        Attributes::UNDERLINE,
        Attributes::INVERSE,
    ];
    let has = attributes.map(|attribute| cell.attributes().contains(attribute));
    (our_colour(cell.ink()), our_colour(cell.paper()), has)
}

fn their_cell(cell: &vt100::Cell) -> Drawn {
    let has = [cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse()];
    (their_colour(cell.fgcolor()), their_colour(cell.bgcolor()), has)
}

/// Where the two differ in text or drawing, if they do. What is blank without
/// a space having been written takes the pen's paper here and not always there.
fn difference(bytes: &[u8], columns: u16, rows: u16) -> Option<String> {
    let mut screen = Screen::new(columns, rows, 0);
    screen.feed(bytes);
    let size = |count| NonZero::new(count).expect("a size above zero");
    let mut parser = vt100::Parser::new(size(rows), size(columns), 0);
    parser.process(bytes);
    for row in 0..rows {
        let view = screen.row(0, row);
        for (column, ours) in (0..).zip(view.cells.iter()) {
            let theirs = parser.screen().cell(row, column).expect("within the screen");
            let (here, there) = (our_cell(ours), their_cell(theirs));
            let blank = !theirs.has_contents() && ours.character() == ' ';
            let text = blank || theirs.contents().starts_with(ours.character());
            let drawn = blank || here == there;
            if ours.extent() != Extent::Right && !(text && drawn) {
                let (ours, theirs) = (ours.character(), theirs.contents());
                return Some(format!("{row},{column}: {ours:?} {here:?}, {theirs:?} {there:?}"));
            }
        }
    }
    None
}

/// Renditions that both know. Bold and faint exclude each other there, so that neither follows the
/// other here.
fn rendition() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\x1b\\[(0|22;1|22;2|3|4|7|22|23|24|27|39|49|3[0-7]|4[0-7]|9[0-7]|10[0-7])m",
        1 => any::<u8>().prop_map(|index| format!("\x1b[38;5;{index}m")),
        1 => any::<u8>().prop_map(|index| format!("\x1b[22;1;48;5;{index};4m")),
        1 => any::<[u8; 3]>().prop_map(|[r, g, b]| format!("\x1b[38;2;{r};{g};{b}m")),
        1 => any::<[u8; 3]>().prop_map(|[r, g, b]| format!("\x1b[48;2;{r};{g};{b};7m")),
    ]
}

#[test]
fn both_terminals_show_recorded_sessions_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    // `vt100` lacks functions that are in the others, or erases a line about to wrap otherwise.
    for name in ["bash-linux", "less-vt220", "ls-linux", "vim-linux"] {
        let bytes = std::fs::read(folder.join(name).join("bytes")).expect("a session");
        assert_eq!(difference(&bytes, 80, 24), None, "{name}");
    }
}

fn part() -> impl Strategy<Value = String> {
    let at = || (1..=ROWS, 1..=COLUMNS).prop_map(|(row, column)| format!("\x1b[{row};{column}H"));
    prop_oneof![
        6 => "[ -~]{1,30}",
        2 => "[a-zéß─]{1,6}",
        2 => Just("\r\n".to_owned()),
        3 => at(),
        2 => (at(), "[\n\x0b\x0c\r\t\x08]").prop_map(|(at, control)| at + &control),
        4 => (at(), 0u16..30, "[@CDGLMPSTXd`]", "[!-~]").prop_map(
            |(at, count, last, text)| format!("{at}\x1b[{count}{last}\r{text}")),
        2 => (at(), 0u16..30, "[ABEF]").prop_map(
            |(at, count, last)| format!("\x1b[r{at}\x1b[{count}{last}")),
        2 => (at(), 0u16..3, "[JK]").prop_map(|(at, part, last)| format!("{at}\x1b[{part}{last}")),
        1 => (1..ROWS, 1..ROWS).prop_map(|(top, more)| {
            format!("\x1b[{top};{}r\x1b[H", (top + more).min(ROWS))
        }),
        1 => (at(), at()).prop_map(|(at, to)| format!("{at}\x1b7{to}there\x1b8back")),
        1 => (at(), "text{1,4}").prop_map(|(at, text)| format!("\x1b[r{at}\x1bM{text}")),
        1 => ("[a-z]{1,9}", 1u16..30).prop_map(|(text, count)| format!("{text}\x1b[{count}b")),
        1 => Just("\x1b[0;1;31;48;5;20m".to_owned()),
        1 => Just("\x1b]2;title\x07\x1bPq\x1b\\".to_owned()),
        1 => "[a-z]{1,9}".prop_map(|text| format!("\x1b[?1049h\x1b[H{text}\x1b[?1049l\x1b[H")),
    ]
}

/// Wide characters, which terminals cut in two in different ways: nothing is inserted here.
fn wide_part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z中文😀]{1,12}",
        "\x1b\\[[1-8];[1-9]H",
        "\x1b\\[[1-8];1H\x1b\\[[0-9][LMSTd]\r",
        Just("\r\n".to_owned()),
    ]
}

proptest! {
    #[test]
    fn both_terminals_show_the_same_text(parts in proptest::collection::vec(part(), 0..24)) {
        let bytes = parts.concat().into_bytes();
        prop_assert_eq!(ours(&bytes), theirs(&bytes), "{}", bytes.escape_ascii());
    }

    #[test]
    fn both_terminals_draw_the_same_alike(
        parts in proptest::collection::vec(prop_oneof![rendition(), part()], 0..40))
    {
        let bytes = parts.concat().into_bytes();
        prop_assert_eq!(difference(&bytes, COLUMNS, ROWS), None, "{}", bytes.escape_ascii());
    }

    #[test]
    fn both_terminals_show_the_same_wide_text(
        parts in proptest::collection::vec(wide_part(), 0..24))
    {
        let bytes = parts.concat().into_bytes();
        prop_assert_eq!(ours(&bytes), theirs(&bytes), "{}", bytes.escape_ascii());
    }
}
