//! xenstored beside Debian's two stores and a bare echo server, all asked by one client in one run.
//!
//! Each row has its reach: so many times as good as the better of the other two. Without them it
//! says what ours does, and how far that is from the floor.

mod client;
pub(crate) mod echo;
mod measures;
mod server;

use std::path::Path;

use crate::{Failure, median};
use server::{Kind, Server};

/// How often each figure is taken, the servers by turns.
const ROUNDS: usize = 3;
/// Leaves of the large tree that all are asked to make, and of the one that ours is.
const LARGE: usize = 100_000;
const HUGE: usize = 1_000_000;
/// Watches that a write passes by.
const WATCHES: usize = 10_000;

/// Takes one figure of a server.
type Measure = fn(&Path) -> Result<f64, Failure>;

/// Which figures are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Good {
    High,
    Low,
}

/// A row of the first part of the table: one figure, taken of all in turn.
struct Row {
    name: &'static str,
    measure: Measure,
    good: Good,
    /// So many times the better peer's.
    reach: f64,
    floor: Floor,
    /// One connection, which waits for each answer: both sides share a core.
    alone: bool,
}

/// What the bare echo server means to a row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Floor {
    /// Nothing: what is asked needs more than an echo.
    Unasked,
    /// It is shown.
    Shown,
    /// It is reached within so many times.
    Within(f64),
}

const ROWS: [Row; 7] = [
    Row {
        name: "read, p50, us",
        measure: measures::read_alone,
        good: Good::Low,
        reach: 0.6,
        floor: Floor::Within(1.4),
        alone: true,
    },
    Row { alone: true, ..over_floor("read, 16 deep, /s", measures::read_deep, 7.0) },
    over_floor("read, 32 connections 16 deep, /s", measures::read_many, 6.0),
    over_floor("write, 32 connections 16 deep, /s", measures::write_many, 6.0),
    row("open, 10 writes, commit, /s", measures::transactions, 8.0),
    row("the same, 32 at once, /s", measures::interleaved, 8.0),
    row("events of one write for 200 watches, /s", measures::fan_out, 4.0),
];

const fn row(name: &'static str, measure: Measure, reach: f64) -> Row {
    Row { name, measure, good: Good::High, reach, floor: Floor::Unasked, alone: false }
}

const fn over_floor(name: &'static str, measure: Measure, reach: f64) -> Row {
    Row { floor: Floor::Shown, ..row(name, measure, reach) }
}

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    println!(
        "\nxenstored, {ROUNDS} rounds by turns, medians; the reach is against the better peer"
    );
    print_line("", ["floor", "ours", "C", "OCaml"], "ratio", "reach");
    at_rest()?;
    let mut servers = Vec::new();
    for kind in [Kind::Floor, Kind::Ours, Kind::C, Kind::Ocaml] {
        match Server::start(kind)? {
            Some(server) => servers.push(server),
            None => println!("  ({kind:?} is not installed)"),
        }
    }
    for row in &ROWS {
        small(row, &servers)?;
    }
    watched(&servers)?;
    let theirs = large(&servers)?;
    drop(servers);
    huge(theirs)
}

/// One figure of everybody, and whether it reaches.
fn small(row: &Row, servers: &[Server]) -> Result<(), Failure> {
    let mut figures = Figures::default();
    for _ in 0..ROUNDS {
        let asked = |kind| kind != Kind::Floor || row.floor != Floor::Unasked;
        for server in servers.iter().filter(|server| asked(server.kind)) {
            server.share_a_core(row.alone)?;
            figures.add(server.kind, (row.measure)(&server.socket())?);
            server.share_a_core(false)?;
        }
    }
    let peers = figures.better_peer(row.good).map(|theirs| figures.of(Kind::Ours) / theirs);
    let mut held = peers.is_none_or(|ratio| reaches(row.good, ratio, row.reach));
    let floor = match row.floor {
        Floor::Within(most) => {
            held &= figures.of(Kind::Ours) / figures.of(Kind::Floor) <= most;
            format!(", {most} of the floor")
        }
        Floor::Unasked | Floor::Shown => String::new(),
    };
    let sign = if row.good == Good::High { ">=" } else { "<=" };
    let reach = format!("{sign} {}{floor}: {}", row.reach, verdict(held));
    print_line(row.name, figures.columns(), &as_ratio(peers), &reach);
    Ok(())
}

/// Writes that pass by watches, beside those that have one watch to pass.
fn watched(servers: &[Server]) -> Result<(), Failure> {
    let (mut few, mut many) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        for server in servers.iter().filter(|server| server.kind != Kind::Floor) {
            few.add(server.kind, measures::write_watched(&server.socket(), 1)?);
            many.add(server.kind, measures::write_watched(&server.socket(), WATCHES)?);
        }
    }
    let ratio = many.better_peer(Good::High).map(|theirs| many.of(Kind::Ours) / theirs);
    let held = ratio.is_none_or(|ratio| ratio >= 15.0);
    let name = "write, 16 deep past 10,000 watches, /s";
    let reach = format!(">= 15: {}", verdict(held));
    print_line(name, many.columns(), &as_ratio(ratio), &reach);
    let slower = few.of(Kind::Ours) / many.of(Kind::Ours);
    let reach = format!("<= 1.2 of ours: {}", verdict(slower <= 1.2));
    print_line("  with one watch, /s", few.columns(), &format!("{slower:.2}"), &reach);
    Ok(())
}

/// The large tree: made, read, written, weighed and removed. Gives the speed at which ours makes it,
/// and C's longest wait during the removal.
fn large(servers: &[Server]) -> Result<Large, Failure> {
    let mut all: [Figures; 5] = Default::default();
    for server in servers.iter().filter(|server| server.kind != Kind::Floor) {
        let before = server.resident_kib()?;
        let [fill, read, write, weight, wait] = &mut all;
        fill.add(server.kind, measures::fill(&server.socket(), LARGE)?);
        weight.add(server.kind, bytes_a_leaf(server, before, 100_000.0)?);
        let [reads, writes] = measures::scattered(&server.socket(), LARGE)?;
        read.add(server.kind, reads);
        write.add(server.kind, writes);
        wait.add(server.kind, measures::remove(&server.socket())?);
    }
    let [fill, read, write, weight, wait] = &all;
    for (name, figures) in [
        ("100,000 leaves, /s", fill),
        ("  read, 16 deep, /s", read),
        ("  write, 16 deep, /s", write),
    ] {
        let ratio = figures.better_peer(Good::High).map(|theirs| figures.of(Kind::Ours) / theirs);
        let held = ratio.is_none_or(|ratio| ratio >= 5.0);
        let reach = format!(">= 5: {}", verdict(held));
        print_line(name, figures.columns(), &as_ratio(ratio), &reach);
    }
    let held = verdict(weight.of(Kind::Ours) <= 200.0);
    print_line("  bytes a leaf", weight.columns(), "", &format!("<= 200 bytes: {held}"));
    print_line("  another's longest wait at RM, ms", wait.columns(), "", "");
    Ok(Large { fill: fill.of(Kind::Ours), wait: wait.known(Kind::C) })
}

/// What the huge tree is compared with.
#[derive(Clone, Copy, Debug)]
struct Large {
    fill: f64,
    wait: Option<f64>,
}

/// The huge tree, which ours alone is asked to make: the others take minutes.
fn huge(large: Large) -> Result<(), Failure> {
    let Some(server) = Server::start(Kind::Ours)? else { return Ok(()) };
    let before = server.resident_kib()?;
    let mut fill = Figures::default();
    fill.add(Kind::Ours, measures::fill(&server.socket(), HUGE)?);
    let slower = large.fill / fill.of(Kind::Ours);
    let held = verdict(slower <= 1.3);
    let reach = format!("<= 1.3 of 100,000: {held}");
    print_line("1,000,000 leaves, /s", fill.columns(), &format!("{slower:.2}"), &reach);
    let mut weight = Figures::default();
    weight.add(Kind::Ours, bytes_a_leaf(&server, before, 1e6)?);
    print_line("  bytes a leaf", weight.columns(), "", "");
    let mut wait = Figures::default();
    wait.add(Kind::Ours, measures::remove(&server.socket())?);
    let ours = wait.of(Kind::Ours);
    let ratio = large.wait.map(|theirs| ours / theirs);
    let held = verdict(ours <= 2.0 && ratio.is_none_or(|ratio| ratio <= 0.01));
    let reach = format!("<= 2 ms, 0.01 of C's at 100,000: {held}");
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.4}"));
    print_line("  another's longest wait at RM, ms", wait.columns(), &ratio, &reach);
    Ok(())
}

/// Memory of servers that nobody has asked anything yet. Ours is two processes of one program, most of
/// whose pages they share.
fn at_rest() -> Result<(), Failure> {
    let (mut serving, mut above) = (Figures::default(), Figures::default());
    for kind in [Kind::Ours, Kind::C, Kind::Ocaml] {
        if let Some(server) = Server::start(kind)? {
            let all = server.resident_kib()?;
            let own = server.resident_kib_of_the_store()?;
            serving.add(kind, as_mib(own));
            if kind == Kind::Ours {
                above.add(kind, as_mib(all - own));
            }
        }
    }
    let held = verdict(serving.of(Kind::Ours) <= 3.0);
    print_line("memory at rest, MiB", serving.columns(), "", &format!("<= 3 MiB: {held}"));
    print_line("  of its parent, MiB", above.columns(), "", "");
    Ok(())
}

fn as_mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::NAN, f64::from) / 1024.0
}

fn bytes_a_leaf(server: &Server, before_kib: u64, leaves: f64) -> Result<f64, Failure> {
    let grown = server.resident_kib()?.saturating_sub(before_kib);
    Ok(as_mib(grown) * 1024.0 * 1024.0 / leaves)
}

/// One measure's figures of each server.
#[derive(Debug, Default)]
struct Figures(Vec<(Kind, f64)>);

impl Figures {
    fn add(&mut self, kind: Kind, figure: f64) {
        self.0.push((kind, figure));
    }

    /// The middle one.
    fn of(&self, kind: Kind) -> f64 {
        let figures = self.0.iter().filter(|(of, _)| *of == kind);
        median(figures.map(|(_, figure)| *figure).collect())
    }

    fn known(&self, kind: Kind) -> Option<f64> {
        Some(self.of(kind)).filter(|figure| !figure.is_nan())
    }

    fn better_peer(&self, good: Good) -> Option<f64> {
        let peers = [Kind::C, Kind::Ocaml].into_iter().filter_map(|kind| self.known(kind));
        peers.reduce(|one, other| match good {
            Good::High => one.max(other),
            Good::Low => one.min(other),
        })
    }

    fn columns(&self) -> [String; 4] {
        [Kind::Floor, Kind::Ours, Kind::C, Kind::Ocaml].map(|kind| match self.known(kind) {
            Some(figure) if figure < 100.0 => format!("{figure:.2}"),
            Some(figure) => format!("{figure:.0}"),
            None => String::from("-"),
        })
    }
}

fn reaches(good: Good, ratio: f64, reach: f64) -> bool {
    match good {
        Good::High => ratio >= reach,
        Good::Low => ratio <= reach,
    }
}

fn as_ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

const fn verdict(held: bool) -> &'static str {
    if held { "held" } else { "missed" }
}

fn print_line<T: AsRef<str>>(name: &str, columns: [T; 4], ratio: &str, reach: &str) {
    let [floor, ours, c, ocaml] = columns.each_ref().map(AsRef::as_ref);
    println!("  {name:<40} {floor:>9} {ours:>9} {c:>9} {ocaml:>9} {ratio:>7}  {reach}");
}
