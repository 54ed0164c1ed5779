//! `docs/xenstored-behaviour.md`, asked row by row: its column "ours" is what comes.
//!
//! What the other stores answer was found out with them, and is not asked again here.

use xenstore_hypervisor::fake::Guest;

use super::world::{Speaker, World};

const PAGE: &str = include_str!("../../../../../docs/xenstored-behaviour.md");
/// Where the tests are that the page's second table names.
const SOURCES: [&str; 8] = [
    include_str!("advisories.rs"),
    include_str!("hostile.rs"),
    include_str!("lives.rs"),
    include_str!("rings.rs"),
    include_str!("../../output.rs"),
    include_str!("../../../../store/tests/laws/advisories.rs"),
    include_str!("../../../tests/daemon/live_update.rs"),
    include_str!("../../../../../tests/tests/xenstore_clients.rs"),
];
/// Columns of the table: the request, four others' answers, ours, and why.
const COLUMNS: usize = 7;

/// The request and our answer in each row.
fn rows() -> Vec<(&'static str, &'static str)> {
    let columns = |line: &'static str| -> Option<Vec<&'static str>> {
        let line = line.strip_prefix("| `")?.strip_suffix('|')?;
        Some(line.split(" | ").map(|column| column.trim_matches(['`', ' '])).collect())
    };
    let rows: Vec<_> = PAGE.lines().filter_map(columns).collect();
    assert!(rows.iter().all(|row| row.len() == COLUMNS), "a row has another number of columns");
    rows.into_iter().map(|row| (row[0], row[5])).collect()
}

/// A row's request with what stands for many letters: `{x*2000}`.
fn expand(request: &str) -> String {
    let Some((before, (many, after))) =
        request.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return request.to_owned();
    };
    let (letter, count) = many.split_once('*').expect("a letter, and how often");
    format!("{before}{}{after}", letter.repeat(count.parse().expect("a number")))
}

/// Says what may be longer than a ring, piece by piece.
fn say(world: &mut World, guest: &mut Speaker<Guest>, request: &str) {
    for piece in guest.encode(request).chunks(1000) {
        assert_eq!(guest.end.write(piece), piece.len(), "the store has read what came before");
        guest.end.kick();
        world.run();
    }
}

#[test]
fn the_page_says_what_is_answered() {
    let mut world = World::new();
    let mut guests = [world.guest(5), world.guest(6)];
    world.dom0_hears();
    let mut wrong = Vec::new();
    let rows = rows();
    assert!(rows.len() > 60, "only {} rows were found", rows.len());
    for (row, ours) in rows {
        let (who, request) = row.split_once(' ').expect("who, and what");
        let text = expand(request).replace('¦', "|");
        let heard = match who {
            "0" => world.dom0(&text),
            who => {
                let guest = &mut guests[usize::from(who == "6")];
                if request != "hears" {
                    say(&mut world, guest, &text);
                }
                world.run();
                guest.hear().join(" ")
            }
        };
        let heard = match heard.replace('|', "¦") {
            heard if heard.is_empty() => String::from("nothing"),
            heard => heard,
        };
        if heard != ours {
            wrong.push(format!("{row}: {heard}, not {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tests_that_the_page_names_are_there() {
    let named: Vec<_> = PAGE
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| `"))
        .filter_map(|line| line.strip_suffix("` |")?.rsplit('`').next())
        .collect();
    assert!(named.len() > 10, "only {} tests are named", named.len());
    for name in named {
        let is_there = SOURCES.iter().any(|source| source.contains(&format!("fn {name}()")));
        assert!(is_there, "no test is called {name}");
    }
}
