//! Moving and saving the cursor, and the scrolling that this causes.

use super::*;

#[test]
fn cup_and_hvp_count_from_one() {
    assert_eq!(cursor("\x1b[3;4H"), (3, 4));
    assert_eq!(cursor("\x1b[3;4f"), (3, 4));
    assert_eq!(cursor("\x1b[;4H"), (1, 4));
    assert_eq!(cursor("\x1b[H"), (1, 1));
    assert_eq!(cursor("\x1b[999;999H"), (5, 10));
}

#[test]
fn relative_movements_stay_on_the_screen() {
    assert_eq!(cursor("\x1b[3;3H\x1b[A"), (2, 3));
    assert_eq!(cursor("\x1b[3;3H\x1b[9A"), (1, 3));
    assert_eq!(cursor("\x1b[3;3H\x1b[65535B"), (5, 3));
    assert_eq!(cursor("\x1b[3;3H\x1b[2C"), (3, 5));
    assert_eq!(cursor("\x1b[3;3H\x1b[65535D"), (3, 1));
    assert_eq!(cursor("\x1b[3;3H\x1b[E"), (4, 1));
    assert_eq!(cursor("\x1b[3;3H\x1b[F"), (2, 1));
    assert_eq!(cursor("\x1b[3;3H\x1b[7G"), (3, 7));
    assert_eq!(cursor("\x1b[3;3H\x1b[7`"), (3, 7));
    assert_eq!(cursor("\x1b[3;3H\x1b[4d"), (4, 3));
    assert_eq!(cursor("\x1b[3;3H\x1b[e\x1b[a"), (4, 4));
}

#[test]
fn margins_hold_relative_movements_that_begin_inside() {
    assert_eq!(cursor("\x1b[2;4r\x1b[3;1H\x1b[9A"), (2, 1));
    assert_eq!(cursor("\x1b[2;4r\x1b[3;1H\x1b[9B"), (4, 1));
    assert_eq!(cursor("\x1b[2;4r\x1b[1;1H\x1b[9A"), (1, 1));
    assert_eq!(cursor("\x1b[2;4r\x1b[5;1H\x1b[9B"), (5, 1));
}

#[test]
fn decom_counts_rows_from_the_margin() {
    assert_eq!(cursor("\x1b[2;4r\x1b[?6h"), (2, 1));
    assert_eq!(cursor("\x1b[2;4r\x1b[?6h\x1b[2;2H"), (3, 2));
    assert_eq!(cursor("\x1b[2;4r\x1b[?6h\x1b[99;1H"), (4, 1));
    assert_eq!(replies("\x1b[2;4r\x1b[?6h\x1b[2;2H\x1b[6n"), "\x1b[2;2R");
}

#[test]
fn decsc_saves_place_pen_and_sets() {
    let bytes = "\x1b[2;3H\x1b[31m\x1b(0\x1b7\x1b[H\x1b[m\x1b(B\x1b8q";
    let screen = screen(bytes);
    assert_eq!(cell(&screen, 1, 2).character(), '─');
    assert_eq!(cell(&screen, 1, 2).ink(), Colour::Indexed(1));
    assert_eq!(cursor("\x1b[3;3H\x1b8"), (1, 1));
    assert_eq!(cursor("\x1b[3;3H\x1b[s\x1b[H\x1b[u"), (3, 3));
}

#[test]
fn decsc_saves_a_pending_wrap() {
    assert_eq!(rows("0123456789\x1b7\r\x1b8x"), "0123456789|x");
}

#[test]
fn ind_nel_and_ri_scroll_at_the_margins() {
    assert_eq!(cursor("ab\x1bD"), (2, 3));
    assert_eq!(cursor("ab\x1bE"), (2, 1));
    assert_eq!(cursor("\n\nab\x1bM"), (2, 3));
    assert_eq!(rows(&(String::from(FIVE) + "\x1b[H\x1bM")), "|one|two|three|four");
    assert_eq!(rows(&(String::from(FIVE) + "\x1b[2;3r\x1b[3;1H\x1bD")), "one|three||four|five");
    assert_eq!(rows(&(String::from(FIVE) + "\x1b[2;3r\x1b[2;1H\x1bM")), "one||two|four|five");
}
