//! Recorded sessions: real programs' output, and the screens that they must give.
//!
//! Each folder in `tests/sessions/` holds `bytes`, what a program wrote to a terminal of 80 x 24, and
//! `screen.txt`, what that terminal then shows: its text, and below it a letter for the pen of
//! each cell. To record one, run the program with
//! the `record` example. To accept what
//! is shown now, run the tests with `ACCEPT_SESSIONS=1` and look at the difference.

use std::fs;
use std::path::{Path, PathBuf};
use vncterm_screen::Screen;

use crate::portrait::{difference, portrait};

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

fn sessions() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let entries = fs::read_dir(folder).expect("a folder of sessions");
    let mut sessions: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    sessions.sort();
    assert!(!sessions.is_empty());
    sessions
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
