//! What each sequence does, by its name in the manuals.

use crate::cell::Cell;
use crate::colour::{Colour, Rgb};
use crate::pen::Attributes;
use crate::screen::{Position, Screen};
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

mod colours;
mod controls;
mod erasing;
mod margins;
mod modes;
mod movement;
mod protection;
mod rectangles;
mod reports;
mod text;

/// A screen of 10 x 5 after those bytes.
fn screen(bytes: &str) -> Screen {
    let mut screen = Screen::new(10, 5, 20);
    screen.feed(bytes.as_bytes());
    screen
}

/// The rows' text, with the blank ones at the bottom left out, joined by `|`.
fn shown(screen: &Screen) -> String {
    let text = screen.text();
    text.trim_end_matches('\n').replace('\n', "|")
}

fn rows(bytes: &str) -> String {
    shown(&screen(bytes))
}

/// Row and column, counted from 1 as the sequences do.
fn cursor(bytes: &str) -> (u16, u16) {
    let Position { row, column } = screen(bytes).cursor_position();
    (row + 1, column + 1)
}

fn replies(bytes: &str) -> String {
    let mut screen = screen(bytes);
    let mut replies = String::new();
    while let Some(reply) = screen.take_reply() {
        replies.push_str(core::str::from_utf8(&reply).unwrap());
    }
    replies
}

fn cell(screen: &Screen, row: u16, column: usize) -> Cell {
    screen.row(0, row).cells[column]
}

/// The rows after five lines, the cursor within the third, and those bytes.
fn five(bytes: &str) -> String {
    rows(&(String::from(FIVE) + "\x1b[3;3H" + bytes))
}

const FIVE: &str = "one\r\ntwo\r\nthree\r\nfour\r\nfive";

#[test]
fn a_cursor_shape_is_kept() {
    use crate::terminal::CursorShape;
    assert_eq!(screen("").cursor_shape(), (CursorShape::Block, false));
    assert_eq!(screen("\x1b[3 q").cursor_shape(), (CursorShape::Underline, true));
    assert_eq!(screen("\x1b[6 q").cursor_shape(), (CursorShape::Bar, false));
    assert_eq!(screen("\x1b[6 q\x1b[99 q").cursor_shape(), (CursorShape::Bar, false));
}

#[test]
fn latin1_is_read_and_left_again() {
    let mut screen = Screen::new(10, 2, 0);
    screen.feed(b"\x1b%@\xe9\x84\xe9\x1b%G\xc3\xa9");
    assert_eq!(screen.text(), "é\n éé\n");
}

#[test]
fn the_stamps_of_rows_change_with_their_content_only() {
    let mut screen = screen(FIVE);
    let stamps =
        |screen: &Screen| -> Vec<u64> { (0..5).map(|row| screen.row(0, row).stamp).collect() };
    let before = stamps(&screen);
    screen.feed(b"\x1b[31m\x1b[2;2H\x1b]0;title\x07");
    assert_eq!(stamps(&screen), before);
    screen.feed(b"x");
    let after = stamps(&screen);
    assert_eq!((after[0], &after[2..]), (before[0], &before[2..]));
    assert!(!before.contains(&after[1]));
    screen.feed(b"\x1b[5;1H\n");
    assert_eq!(stamps(&screen)[..4], after[1..]);
    assert_eq!(screen.row(1, 0).stamp, after[0]);
}
