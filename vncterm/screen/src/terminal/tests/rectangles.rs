//! Rectangles: erased, filled and copied.

use super::*;

#[test]
fn are_erased_and_filled_as_far_as_they_are_on_the_screen() {
    assert_eq!(five("\x1b[2;2;4;3$z"), "one|t|t  ee|f  r|five");
    assert_eq!(five("\x1b[43;2;2;4;3$x"), "one|t++|t++ee|f++r|five");
    assert_eq!(five("\x1b[4;3;9999;9999$z"), "one|two|three|fo|fi");
    assert_eq!(five("\x1b[$z"), "");
    assert_eq!(five("\x1b[88$x"), ["XXXXXXXXXX"; 5].join("|"));
    for nothing in ["\x1b[4;1;2;5$z", "\x1b[1;4;5;2$z", "\x1b[9;1$z", "\x1b[1;99$z"] {
        assert_eq!(five(nothing), "one|two|three|four|five", "{}", nothing.escape_debug());
    }
    for unseen in ["\x1b[7$x", "\x1b[127$x", "\x1b[155$x", "\x1b[9999$x", "\x1b[173$x"] {
        assert_eq!(five(unseen), "one|two|three|four|five", "{}", unseen.escape_debug());
    }
    assert_eq!(cursor("\x1b[3;3H\x1b[65$x"), (3, 3));
}

#[test]
fn are_copied_with_what_was_there_before() {
    assert_eq!(five("\x1b[1;1;2;3;1;4;1;1$v"), "one|two|three|oner|twoe");
    assert_eq!(five("\x1b[1;1;2;3;1;2;2;1$v"), "one|tone|ttwoe|four|five");
    assert_eq!(five("\x1b[1;1;9;9;1;5;9;1$v"), "one|two|three|four|five    on");
    for nothing in ["\x1b[3;1;2;3;1;4;1;1$v", "\x1b[1;1;2;3;1;99;1$v", "\x1b[1;1;2;3;1;1;99$v"] {
        assert_eq!(five(nothing), "one|two|three|four|five", "{}", nothing.escape_debug());
    }
}

#[test]
fn are_counted_from_the_origin_and_end_at_its_margin() {
    assert_eq!(five("\x1b[2;4r\x1b[?6h\x1b[1;1;9;1$z"), "one| wo| hree| our|five");
    assert_eq!(five("\x1b[2;4r\x1b[?6h\x1b[1;1;1;3;1;3;1$v"), "one|two|three|twor|five");
}

#[test]
fn cut_wide_characters_in_two_blanks() {
    assert_eq!(rows("\u{4e2d}\u{6587}\x1b[1;2;1;3$z"), "");
    assert_eq!(rows("\u{4e2d}\u{6587}\x1b[1;2;1;4;1;2;1$v"), "\u{4e2d}\u{6587}| \u{6587}");
}
