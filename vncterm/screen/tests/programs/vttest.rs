//! vttest's screens, driven without anybody looking, and compared with screens that were looked at.
//!
//! Each file in `tests/vttest/` holds the screens of one item of its menu, in their order. To accept
//! what is shown now, run the tests with `ACCEPT_SESSIONS=1` and look at the difference.

use std::fmt::Write as _;
use std::path::Path;

use crate::portrait::{difference, portrait};
use crate::pty::Program;

/// How vttest says that it waits: for Return, or for a number.
const PROMPTS: [&[u8]; 2] = [b"Push <RETURN>", b"): "];

/// The prompt of the first menu.
const MENU: &str = "Enter choice number (0 - 12):";

/// More screens than an item has.
const SCREENS_MAX: usize = 40;

/// Waits until vttest waits. Its prompt is the last that it prints.
fn until_prompt(program: &mut Program) {
    program.until("prompt", |_, since| {
        let printed = since.trim_ascii_end();
        PROMPTS.iter().any(|prompt| printed.ends_with(prompt.trim_ascii_end()))
    });
}

/// Goes through the items of menus, then through all screens, until the first menu comes back.
fn screens_of(items: &[&str]) -> String {
    let size = "24x80.80";
    let mut program = Program::start("vttest", &["vttest", size], &[("TERM", "vt220")]);
    until_prompt(&mut program);
    let mut screens = String::new();
    let mut keys = items.iter().copied();
    for number in 0..SCREENS_MAX {
        let at_menu = program.screen.text().contains("Enter choice number");
        let key = match keys.next() {
            Some(item) => item,
            // An item's own menu is left by 0.
            None if at_menu => "0",
            None => "",
        };
        program.type_bytes(format!("{key}\r").as_bytes());
        until_prompt(&mut program);
        if program.screen.text().contains(MENU) {
            return screens;
        }
        if !program.screen.text().contains("Enter choice number") {
            let title = format!("==== {} screen {number}", items.join(", "));
            writeln!(screens, "{title}\n{}", portrait(&program.screen)).expect("a string takes it");
        }
    }
    panic!("{items:?} does not end");
}

fn is_as_it_was_looked_at(name: &str, items: &[&str]) {
    let shown = screens_of(items);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vttest").join(name);
    if std::env::var_os("ACCEPT_SESSIONS").is_some() {
        std::fs::write(&golden, &shown).expect("the screens are writable");
    }
    let expected = std::fs::read_to_string(&golden).expect("the screens");
    if let Some(difference) = difference(&shown, &expected) {
        panic!("vttest, {name}: {difference}");
    }
}

#[test]
fn vttest_moves_the_cursor() {
    is_as_it_was_looked_at("cursor-movements.txt", &["1"]);
}

#[test]
fn vttest_uses_the_screens_features() {
    is_as_it_was_looked_at("screen-features.txt", &["2"]);
}

#[test]
fn vttest_shows_the_character_sets() {
    is_as_it_was_looked_at("character-sets.txt", &["3", "8"]);
}

#[test]
fn vttest_inserts_and_deletes() {
    is_as_it_was_looked_at("insert-delete.txt", &["8"]);
}

#[test]
fn vttest_sees_what_the_terminal_reports() {
    is_as_it_was_looked_at("reports.txt", &["6", "3"]);
}
