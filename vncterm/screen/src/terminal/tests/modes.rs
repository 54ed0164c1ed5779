//! Setting, resetting, saving and restoring modes; resets.

use super::*;

#[test]
fn mode_1049_saves_the_cursor_and_starts_empty() {
    let mut screen = screen("main\x1b[?1049h");
    assert!(screen.is_alternate());
    assert_eq!(shown(&screen), "");
    screen.feed(b"\x1b[3;3Halternate\x1b[?1049l");
    assert!(!screen.is_alternate());
    assert_eq!(shown(&screen), "main");
    assert_eq!(screen.cursor(), Some(Position { row: 0, column: 4 }));
    screen.feed(b"\x1b[?1049h");
    assert_eq!(shown(&screen), "");
}

#[test]
fn mode_47_leaves_both_screens_as_they_are() {
    let mut screen = screen("main\r\x1b[?47halt\x1b[?47l");
    assert_eq!(shown(&screen), "main");
    screen.feed(b"\x1b[?47h");
    assert_eq!(shown(&screen), "alt");
}

#[test]
fn mode_1047_clears_on_the_way_out() {
    let mut screen = screen("main\r\x1b[?1047halt\x1b[?1047l");
    assert_eq!(shown(&screen), "main");
    screen.feed(b"\x1b[?1047h");
    assert_eq!(shown(&screen), "");
}

#[test]
fn mode_1048_saves_and_restores_the_cursor() {
    assert_eq!(cursor("\x1b[3;3H\x1b[?1048h\x1b[H\x1b[?1048l"), (3, 3));
}

#[test]
fn leaving_an_alternate_screen_that_is_not_shown_does_nothing() {
    assert_eq!(cursor("\x1b[3;3H\x1b[?1049l"), (3, 3));
}

#[test]
fn dectcem_hides_the_cursor() {
    assert_eq!(screen("\x1b[?25l").cursor(), None);
    assert!(screen("\x1b[?25l\x1b[?25h").cursor().is_some());
}

#[test]
fn xterms_saved_modes_come_back() {
    let bytes = "\x1b[?1;7h\x1b[?1;7s\x1b[?1;7l\x1b[?1r\x1b[?1$p\x1b[?7$p";
    assert_eq!(replies(bytes), "\x1b[?1;1$y\x1b[?7;2$y");
}

#[test]
fn decstr_resets_the_modes_and_leaves_the_text() {
    let bytes = "text\x1b[?1;6h\x1b[4h\x1b[2;3r\x1b[1;31m\x1b[?25l\x1b[?7l\x1b[!p";
    let mut screen = screen(bytes);
    assert_eq!(shown(&screen), "text");
    assert!(screen.cursor().is_some());
    screen.feed(b"\x1b[1;9Habcd");
    assert_eq!(shown(&screen), "text    ab|cd");
    assert_eq!(cell(&screen, 0, 8).ink(), Colour::Default);
}

#[test]
fn ris_starts_anew_and_keeps_the_scrollback() {
    let bytes = "1\n2\n3\n4\n5\n6\x1b[?1049h\x1b[31;44m\x1b]P1ffffff\x1b[3g\x1bc";
    let screen = screen(bytes);
    assert_eq!(shown(&screen), "");
    assert!(!screen.is_alternate());
    assert_eq!(screen.cursor(), Some(Position::default()));
    assert_eq!(screen.scrollback_len(), 1);
    assert_eq!(cell(&screen, 0, 0), Cell::BLANK);
    assert_eq!(cursor("\x1b[3g\x1bc\t"), (1, 9));
}
