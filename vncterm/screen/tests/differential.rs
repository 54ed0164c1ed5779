//! The same bytes through this terminal and through the `vt100` crate: both must show the same text.
//!
//! Only what both implement is compared. Nothing is done to a line that is about to wrap, nor to
//! one outside the margins, where terminals differ: edits come after a movement.

use proptest::prelude::*;
use std::num::NonZero;
use vncterm_screen::{Extent, Screen};

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
    fn both_terminals_show_the_same_wide_text(
        parts in proptest::collection::vec(wide_part(), 0..24))
    {
        let bytes = parts.concat().into_bytes();
        prop_assert_eq!(ours(&bytes), theirs(&bytes), "{}", bytes.escape_ascii());
    }
}
