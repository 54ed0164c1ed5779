//! Recorded sessions: real programs' output, and the screens that they must give.
//!
//! Each folder in `tests/sessions/` holds `bytes`, what a program wrote to a terminal of 80 x 24, and
//! `screen.txt`, what that terminal then shows: its text, and below it a letter for the pen of
//! each cell. To record one, run the program in `script -qc PROGRAM /dev/null`. To accept what
//! is shown now, run the tests with `ACCEPT_SESSIONS=1` and look at the difference.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use vncterm_screen::{Attributes, Cell, Colour, Rgb, Screen};

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// What stands for a pen; the first for the one that text has unless told otherwise.
const LETTERS: &str = ".abcdefghijklmnopqrstuvwxyz";

fn sessions() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let entries = fs::read_dir(folder).expect("a folder of sessions");
    let mut sessions: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    sessions.sort();
    assert!(!sessions.is_empty());
    sessions
}

fn colour_name(colour: Colour) -> String {
    match colour {
        Colour::Default => "default".into(),
        Colour::Indexed(index) => index.to_string(),
        Colour::Rgb(Rgb { red, green, blue }) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

fn pen_name(cell: &Cell) -> String {
    let mut name = format!("ink {}, paper {}", colour_name(cell.ink()), colour_name(cell.paper()));
    let attributes = [
        (Attributes::BOLD, "bold"),
        (Attributes::FAINT, "faint"),
        (Attributes::ITALIC, "italic"),
        (Attributes::UNDERLINE, "underline"),
        (Attributes::BLINK, "blink"),
        (Attributes::INVERSE, "inverse"),
        (Attributes::INVISIBLE, "invisible"),
        (Attributes::STRIKE, "strike"),
    ];
    for (attribute, word) in attributes {
        if cell.attributes().contains(attribute) {
            name += ", ";
            name += word;
        }
    }
    name
}

/// The screen as a person reads it.
fn portrait(screen: &Screen) -> String {
    let mut portrait = format!("{}x{}", screen.columns(), screen.rows());
    match screen.cursor() {
        Some(at) => writeln!(portrait, ", cursor in row {}, column {}", at.row, at.column),
        None => writeln!(portrait, ", cursor hidden"),
    }
    .expect("a string takes all");
    portrait += "\n";
    portrait += &screen.text();
    let mut pens = vec![pen_name(&Cell::BLANK)];
    let mut letters = String::new();
    for row in 0..screen.rows() {
        let mut line = String::new();
        for cell in screen.row(0, row).cells.iter() {
            let name = pen_name(cell);
            let known = pens.iter().position(|pen| *pen == name);
            let place = known.unwrap_or_else(|| {
                pens.push(name);
                pens.len() - 1
            });
            line.push(LETTERS.chars().nth(place).unwrap_or('?'));
        }
        letters += line.trim_end_matches('.');
        letters += "\n";
    }
    if pens.len() > 1 {
        portrait += "\n";
        portrait += letters.trim_end_matches('\n');
        portrait += "\n\n";
        for (name, letter) in pens.iter().zip(LETTERS.chars()) {
            writeln!(portrait, "{letter} {name}").expect("a string takes all");
        }
    }
    portrait
}

/// The first line that differs, for the one who has to find out why.
fn difference(shown: &str, expected: &str) -> Option<String> {
    let lines = shown.lines().zip(expected.lines()).enumerate();
    let mut differing = lines.filter(|(_, (shown, expected))| shown != expected);
    match differing.next() {
        Some((line, (shown, expected))) => {
            Some(format!("line {}:\n  shown    {shown}\n  expected {expected}", line + 1))
        }
        None if shown != expected => Some("one is longer than the other".into()),
        None => None,
    }
}

#[test]
fn recorded_sessions_give_their_screens() {
    let accept = std::env::var_os("ACCEPT_SESSIONS").is_some();
    for session in sessions() {
        let bytes = fs::read(session.join("bytes")).expect("the session's bytes");
        let mut screen = Screen::new(COLUMNS, ROWS, 512);
        screen.feed(&bytes);
        let shown = portrait(&screen);
        let golden = session.join("screen.txt");
        if accept {
            fs::write(&golden, &shown).expect("the session's screen is writable");
        }
        let expected = fs::read_to_string(&golden).expect("the session's screen");
        if let Some(difference) = difference(&shown, &expected) {
            panic!("{}: {difference}", session.display());
        }
    }
}

#[test]
fn recorded_sessions_may_be_cut_anywhere_saved_and_replayed() {
    for session in sessions() {
        let name = session.display();
        let bytes = fs::read(session.join("bytes")).expect("the session's bytes");
        let mut whole = Screen::new(COLUMNS, ROWS, 512);
        whole.feed(&bytes);
        let shown = portrait(&whole);

        let mut cut = Screen::new(COLUMNS, ROWS, 512);
        bytes.iter().for_each(|byte| cut.feed(&[*byte]));
        assert_eq!(difference(&portrait(&cut), &shown), None, "{name} byte by byte");

        let loaded = Screen::load(&whole.save()).expect("a saved screen loads");
        assert_eq!(difference(&portrait(&loaded), &shown), None, "{name} saved and loaded");
        assert_eq!(loaded.scrollback_len(), whole.scrollback_len(), "{name}");

        let mut replayed = Screen::new(COLUMNS, ROWS, 512);
        replayed.feed(&whole.replay());
        assert_eq!(difference(&portrait(&replayed), &shown), None, "{name} replayed");
    }
}
