//! Erasing, inserting, deleting and scrolling.

use super::*;

#[test]
fn ed_erases_parts_of_the_screen() {
    assert_eq!(five("\x1b[J"), "one|two|th");
    assert_eq!(five("\x1b[0J"), "one|two|th");
    assert_eq!(five("\x1b[1J"), "||   ee|four|five");
    assert_eq!(five("\x1b[2J"), "");
    assert_eq!(five("\x1b[?2J"), "");
    assert_eq!(five("\x1b[9J"), "one|two|three|four|five");
}

#[test]
fn ed_3_empties_the_scrollback_alone() {
    let mut screen = screen("1\n2\n3\n4\n5\n6\n");
    assert_eq!(screen.scrollback_len(), 2);
    let before = shown(&screen);
    screen.feed(b"\x1b[3J");
    assert_eq!((screen.scrollback_len(), shown(&screen)), (0, before));
}

#[test]
fn el_erases_parts_of_the_line() {
    assert_eq!(five("\x1b[K"), "one|two|th|four|five");
    assert_eq!(five("\x1b[1K"), "one|two|   ee|four|five");
    assert_eq!(five("\x1b[2K"), "one|two||four|five");
}

#[test]
fn characters_are_erased_inserted_and_deleted() {
    assert_eq!(five("\x1b[X"), "one|two|th ee|four|five");
    assert_eq!(five("\x1b[65535X"), "one|two|th|four|five");
    assert_eq!(five("\x1b[2@"), "one|two|th  ree|four|five");
    assert_eq!(five("\x1b[65535@"), "one|two|th|four|five");
    assert_eq!(five("\x1b[2P"), "one|two|the|four|five");
    assert_eq!(five("\x1b[65535P"), "one|two|th|four|five");
}

#[test]
fn lines_are_inserted_and_deleted_within_the_margins() {
    assert_eq!(five("\x1b[L"), "one|two||three|four");
    assert_eq!(five("\x1b[65535L"), "one|two");
    assert_eq!(five("\x1b[M"), "one|two|four|five");
    assert_eq!(five("\x1b[65535M"), "one|two");
    assert_eq!(five("\x1b[2;4r\x1b[2;1H\x1b[L"), "one||two|three|five");
    assert_eq!(five("\x1b[2;4r\x1b[1;1H\x1b[L"), "one|two|three|four|five");
    assert_eq!(cursor("abc\x1b[L"), (1, 1));
}

#[test]
fn su_and_sd_scroll_within_the_margins() {
    assert_eq!(five("\x1b[S"), "two|three|four|five");
    assert_eq!(five("\x1b[T"), "|one|two|three|four");
    assert_eq!(five("\x1b[^"), "|one|two|three|four");
    assert_eq!(five("\x1b[2;4r\x1b[S"), "one|three|four||five");
    assert_eq!(five("\x1b[2;4r\x1b[9T"), "one||||five");
    assert_eq!(five("\x1b[1;2;3;4;5T"), "one|two|three|four|five");
}

#[test]
fn what_becomes_blank_takes_the_pens_paper() {
    let screen = screen("\x1b[44m\x1b[2J\x1b[1;1H\x1b[45m\x1b[K");
    assert_eq!(cell(&screen, 0, 9).paper(), Colour::Indexed(5));
    assert_eq!(cell(&screen, 4, 9).paper(), Colour::Indexed(4));
    let screen = super::screen("\x1b[5;1H\x1b[44m\n");
    assert_eq!(cell(&screen, 4, 0).paper(), Colour::Indexed(4));
}

#[test]
fn decaln_fills_the_screen() {
    assert_eq!(rows("\x1b[2;3r\x1b#8"), ["EEEEEEEEEE"; 5].join("|"));
    assert_eq!(cursor("\x1b[3;3H\x1b#8"), (1, 1));
}

#[test]
fn decstbm_refuses_margins_that_are_none() {
    for margins in ["\x1b[3;3r", "\x1b[4;2r", "\x1b[9;9r"] {
        let bytes = String::from(margins) + FIVE + "\r\nsix";
        assert_eq!(rows(&bytes), "two|three|four|five|six", "{}", margins.escape_debug());
    }
    assert_eq!(cursor("\x1b[3;3H\x1b[2;4r"), (1, 1));
    assert_eq!(cursor("\x1b[3;3H\x1b[4;2r"), (3, 3));
}

#[test]
fn lines_that_leave_a_region_at_the_top_are_kept() {
    let screen = screen("one\x1b[1;4r\x1b[4;1H\n");
    assert_eq!(screen.scrollback_len(), 1);
    let screen = super::screen("one\x1b[2;4r\x1b[4;1H\n");
    assert_eq!(screen.scrollback_len(), 0);
}
