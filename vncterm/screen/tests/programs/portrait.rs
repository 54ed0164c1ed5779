//! A screen as text that a person can read and compare: what stands on it, and how it is drawn.

use std::fmt::Write as _;

use vncterm_screen::{Attributes, Cell, Colour, Rgb, Screen};

/// What stands for a pen; the first for the one that text has unless told otherwise.
const LETTERS: &str = ".abcdefghijklmnopqrstuvwxyz";

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
pub(crate) fn portrait(screen: &Screen) -> String {
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
pub(crate) fn difference(shown: &str, expected: &str) -> Option<String> {
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
