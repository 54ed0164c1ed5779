//! Text: where characters go, wrapping, wide characters, insertion and repetition.

use super::*;

#[test]
fn what_is_not_ascii_is_repeated_a_row_at_most() {
    assert_eq!(rows("\u{2500}\x1b[9b").chars().count(), 10);
    assert_eq!(rows("\u{2500}\x1b[65535b").chars().filter(|c| *c == '\u{2500}').count(), 11);
    assert_eq!(rows("\u{4e2d}\x1b[4b"), "\u{4e2d}".repeat(5));
}

#[test]
fn goes_on_in_the_next_row_when_the_row_is_full() {
    assert_eq!(rows("0123456789"), "0123456789");
    assert_eq!(cursor("0123456789"), (1, 10));
    assert_eq!(rows("0123456789ab"), "0123456789|ab");
    assert_eq!(cursor("0123456789ab"), (2, 3));
    assert_eq!(rows("0123456789\r\nab"), "0123456789|ab");
}

#[test]
fn decawm_off_overwrites_the_last_column() {
    assert_eq!(rows("\x1b[?7l0123456789ab"), "012345678b");
    assert_eq!(rows("\x1b[?7l012345678中"), "01234567中");
}

#[test]
fn a_movement_ends_the_pending_wrap() {
    for (movement, expected) in [
        ("\x08", "01234567x9"),
        ("\x1b[D", "01234567x9"),
        ("\x1b[C", "012345678x"),
        ("\x1b[K", "012345678x"),
        ("\x1b[1X", "012345678x"),
        ("\x1b[1;10H", "012345678x"),
        ("\r", "x123456789"),
    ] {
        let bytes = String::from("0123456789") + movement + "x";
        assert_eq!(rows(&bytes), expected, "{}", movement.escape_debug());
    }
    assert_eq!(rows("0123456789\x1b[31m\tx"), "0123456789|x");
}

#[test]
fn at_the_bottom_the_screen_scrolls() {
    let screen = screen(&(String::from(FIVE) + "\r\nsix"));
    assert_eq!(shown(&screen), "two|three|four|five|six");
    assert_eq!(screen.scrollback_len(), 1);
}

#[test]
fn a_wide_character_takes_two_columns_and_never_half_a_row() {
    assert_eq!(cursor("中"), (1, 3));
    assert_eq!(rows("012345678中"), "012345678|中");
    assert_eq!(cursor("01234567中"), (1, 10));
    assert_eq!(rows("01234567中x"), "01234567中|x");
}

#[test]
fn overwriting_half_of_a_wide_character_blanks_the_rest() {
    assert_eq!(rows("中文\x1b[1;2Hx"), " x文");
    assert_eq!(rows("中文\x1b[1;3Hx"), "中x");
}

#[test]
fn the_first_combining_mark_is_kept() {
    assert_eq!(rows("e\u{301}\u{302}x"), "e\u{301}x");
    assert_eq!(rows("中\u{301}x"), "中\u{301}x");
    assert_eq!(rows("\u{301}x"), "x");
    assert_eq!(rows("012345678e\u{301}"), "012345678e\u{301}");
}

#[test]
fn irm_moves_what_is_to_the_right() {
    assert_eq!(rows("abc\r\x1b[4hxy\x1b[4lz"), "xyzbc");
    assert_eq!(rows("abc\r\x1b[4h中"), "中abc");
}

#[test]
fn rep_repeats_the_last_character() {
    assert_eq!(rows("ab\x1b[3b"), "abbbb");
    assert_eq!(rows("中\x1b[2b"), "中中中");
    assert_eq!(rows("\x1b[3b"), "");
    let mut screen = screen("a\x1b[65535b");
    assert_eq!(screen.scrollback_len(), 1);
    screen.feed("中\x1b[65535b".as_bytes());
    assert!(screen.scrollback_len() <= 20);
}
