//! What each sequence does, by its name in the manuals.

use crate::cell::Cell;
use crate::colour::{Colour, Rgb};
use crate::pen::Attributes;
use crate::screen::{Position, Screen};
use alloc::string::String;
use alloc::vec::Vec;
use proptest::prelude::*;

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

mod text {
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
}

mod controls {
    use super::*;

    #[test]
    fn lf_vt_and_ff_go_down() {
        assert_eq!(cursor("ab\n"), (2, 3));
        assert_eq!(cursor("ab\x0b\x0c"), (3, 3));
        assert_eq!(cursor("\x1b[20hab\n"), (2, 1));
    }

    #[test]
    fn bel_rings_once() {
        let mut screen = screen("\x07\x07");
        assert!(screen.take_bell());
        assert!(!screen.take_bell());
    }

    #[test]
    fn so_si_and_single_shifts_choose_the_set() {
        assert_eq!(rows("\x1b)0a\x0eqx\x0fq"), "a─│q");
        assert_eq!(rows("\x1b(0lqk\x1b(B"), "┌─┐");
        assert_eq!(rows("\x1b*0q\x1bNqq"), "q─q");
        assert_eq!(rows("\x1b+0q\x1bOqq"), "q─q");
        assert_eq!(rows("\x1b(A#\x1b(B#"), "£#");
    }

    #[test]
    fn tabs_stop_at_every_eighth_column_and_at_the_edge() {
        assert_eq!(cursor("\t"), (1, 9));
        assert_eq!(cursor("\t\t"), (1, 10));
        assert_eq!(cursor("\x1b[1;4H\x1bH\r\t"), (1, 4));
        assert_eq!(cursor("\x1b[3g\t"), (1, 10));
        assert_eq!(cursor("\x1b[1;9H\x1b[g\r\t"), (1, 10));
        assert_eq!(cursor("\x1b[1;4H\x1bH\r\x1b[2I"), (1, 9));
        assert_eq!(cursor("\x1b[1;10H\x1b[Z"), (1, 9));
        assert_eq!(cursor("\x1b[1;10H\x1b[9999Z"), (1, 1));
        assert_eq!(cursor("\x1b[9999I"), (1, 10));
        assert_eq!(cursor("\x1b[3g\x1b[?5W\t"), (1, 9));
    }
}

mod movement {
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
}

mod erasing {
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
}

mod protection {
    use super::*;

    #[test]
    fn selective_erasing_spares_what_decsca_protects_and_other_erasing_does_not() {
        let text =
            "a\x1b[1\"qb\x1b[0\"qc\x1b[1\"q\x1b[md\x1b[2\"qe\r\n\x1b[1\"qfg\x1b[0\"q\x1b[1;3H";
        let after = |sequence: &str| rows(&(String::from(text) + sequence));
        assert_eq!(after(""), "abcde|fg");
        assert_eq!(after("\x1b[?K"), "ab d|fg");
        assert_eq!(after("\x1b[?1K"), " b de|fg");
        assert_eq!(after("\x1b[?2K"), " b d|fg");
        assert_eq!(after("\x1b[?J"), "ab d|fg");
        assert_eq!(after("\x1b[?2J"), " b d|fg");
        assert_eq!(after("\x1b[1;1;2;9${"), " b d|fg");
        assert_eq!(after("\x1b[K"), "ab|fg");
        assert_eq!(after("\x1b[2J"), "");
        assert_eq!(after("\x1b[?9J\x1b[?3J"), "abcde|fg");
    }

    #[test]
    fn areas_are_spared_by_all_erasing_until_the_terminal_is_reset() {
        let text = "a\x1bVb\x1bWc\x1b[1;1H";
        let after = |sequence: &str| rows(&(String::from(text) + sequence));
        for erasing in ["\x1b[K", "\x1b[J", "\x1b[2J", "\x1b[3X", "\x1b[?2J"] {
            assert_eq!(after(erasing), " b", "{}", erasing.escape_debug());
        }
        assert_eq!(after("\x1bc"), "");
        assert_eq!(after("\x1b[!p\x1b[2J"), "");
    }

    #[test]
    fn does_not_change_how_text_is_drawn() {
        let drawn = |bytes: &str| {
            let cell = cell(&screen(bytes), 0, 0);
            (cell.ink(), cell.paper(), cell.attributes())
        };
        assert_eq!(drawn("\x1b[1\"q\x1b[1;31mx"), drawn("\x1b[1;31mx"));
        assert_eq!(drawn("\x1b[1;31m\x1bVx"), drawn("\x1b[1;31mx"));
    }
}

mod rectangles {
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
        for nothing in ["\x1b[3;1;2;3;1;4;1;1$v", "\x1b[1;1;2;3;1;99;1$v", "\x1b[1;1;2;3;1;1;99$v"]
        {
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
}

mod modes {
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
}

mod reports {
    use super::*;

    #[test]
    fn are_the_fixed_few() {
        assert_eq!(replies("\x1b[c"), "\x1b[?62;1;2;6;22c");
        assert_eq!(replies("\x1b[0c"), "\x1b[?62;1;2;6;22c");
        assert_eq!(replies("\x1bZ"), "\x1b[?62;1;2;6;22c");
        assert_eq!(replies("\x1b[>c"), "\x1b[>1;10;0c");
        assert_eq!(replies("\x1b[5n"), "\x1b[0n");
        assert_eq!(replies("\x1b[3;4H\x1b[6n"), "\x1b[3;4R");
        assert_eq!(replies("0123456789\x1b[6n"), "\x1b[1;10R");
        assert_eq!(replies("\x1b[3;4H\x1b[?6n"), "\x1b[?3;4;1R");
        assert_eq!(replies("\x1b[?15n\x1b[?25n\x1b[?26n"), "\x1b[?13n\x1b[?20n\x1b[?27;1;0;0n");
        assert_eq!(replies("\x1b[18t"), "\x1b[8;5;10t");
        assert_eq!(replies("\x1b[x"), "\x1b[2;1;1;128;128;1;0x");
        assert_eq!(replies("\x1b[1x"), "\x1b[3;1;1;128;128;1;0x");
    }

    #[test]
    fn decrqm_tells_set_from_reset_from_unknown() {
        assert_eq!(
            replies("\x1b[?25$p\x1b[?1$p\x1b[?9999$p"),
            "\x1b[?25;1$y\x1b[?1;2$y\x1b[?9999;0$y"
        );
        assert_eq!(replies("\x1b[4h\x1b[4$p\x1b[20$p\x1b[5$p"), "\x1b[4;1$y\x1b[20;2$y\x1b[5;0$y");
        assert_eq!(replies("\x1b[?1049h\x1b[?1049$p\x1b[?2026$p"), "\x1b[?1049;1$y\x1b[?2026;2$y");
    }

    #[test]
    fn nothing_of_the_guests_is_ever_sent_back() {
        for question in [
            "\x05",
            "\x1b]0;evil\x07\x1b[21t",
            "\x1b[20t",
            "\x1b]52;c;?\x07",
            "\x1bP$qm\x1b\\",
            "\x1bP+q544e\x1b\\",
            "\x1b]4;1;?\x07",
            "\x1b]10;?\x07",
            "\x1b[=c",
            "\x1b[>q",
            "\x1b[?1c",
            "\x1b[14t",
            "\x1b]50;?\x07",
            "\x1b[?u",
            "\x1b[1c",
            "\x1b[2x",
        ] {
            assert_eq!(replies(question), "", "{}", question.escape_debug());
        }
    }

    proptest! {
        /// The shape is one sequence of numbers: nothing that a shell could take for a typed line.
        #[test]
        fn whatever_a_guest_prints_only_numbers_come_back(
            parts in proptest::collection::vec(prop_oneof![
                "[ -~]{0,8}",
                "\\x1b\\[[<=>?]?[0-9;:]{0,8}[ !\"$%'*+,-]?[@-~]",
                "\\x1b[\\]P_^X][ -~]{0,20}(\\x07|\\x1b\\\\)",
                "\\x1b[ -~]{1,3}",
                "[\\x00-\\x1f\\x80-\\x9f]{1,3}",
            ], 0..20))
        {
            let mut screen = Screen::new(10, 5, 4);
            screen.feed(parts.concat().as_bytes());
            while let Some(reply) = screen.take_reply() {
                let numbers = reply.strip_prefix(b"\x1b[").expect("a control sequence");
                let (last, numbers) = numbers.split_last().expect("not empty");
                prop_assert!(b"Rcntxy".contains(last), "{}", reply.escape_ascii());
                let known = numbers.iter().all(|byte| b"0123456789;?>$".contains(byte));
                prop_assert!(known, "{}", reply.escape_ascii());
            }
        }
    }

    #[test]
    fn the_longest_reply_fits() {
        assert_eq!(replies("\x1b[?65535$p"), "\x1b[?65535;0$y");
        let mut screen = Screen::new(512, 256, 0);
        screen.feed(b"\x1b[999;999H\x1b[?6n\x1b[18t");
        assert_eq!(&*screen.take_reply().unwrap(), b"\x1b[?256;512;1R");
        assert_eq!(&*screen.take_reply().unwrap(), b"\x1b[8;256;512t");
    }
}

mod colours {
    use super::*;

    fn pen(bytes: &str) -> Cell {
        cell(&screen(&(String::from(bytes) + "x")), 0, 0)
    }

    #[test]
    fn sgr_sets_and_resets_each_attribute() {
        let attributes = [
            ("1", "22", Attributes::BOLD),
            ("2", "22", Attributes::FAINT),
            ("3", "23", Attributes::ITALIC),
            ("4", "24", Attributes::UNDERLINE),
            ("21", "24", Attributes::UNDERLINE),
            ("4:3", "4:0", Attributes::UNDERLINE),
            ("5", "25", Attributes::BLINK),
            ("7", "27", Attributes::INVERSE),
            ("8", "28", Attributes::INVISIBLE),
            ("9", "29", Attributes::STRIKE),
        ];
        for (on, off, attribute) in attributes {
            let set = alloc::format!("\x1b[{on}m");
            assert_eq!(pen(&set).attributes(), attribute, "{on}");
            assert_eq!(pen(&alloc::format!("{set}\x1b[{off}m")).attributes(), Attributes::NONE);
            assert_eq!(pen(&alloc::format!("{set}\x1b[m")).attributes(), Attributes::NONE);
        }
    }

    #[test]
    fn sgr_takes_colours_in_every_form() {
        let inks = [
            ("31", Colour::Indexed(1)),
            ("97", Colour::Indexed(15)),
            ("31;39", Colour::Default),
            ("38;5;200", Colour::Indexed(200)),
            ("38:5:200", Colour::Indexed(200)),
            ("38;2;1;2;3", Colour::Rgb(Rgb::new(1, 2, 3))),
            ("38:2:1:2:3", Colour::Rgb(Rgb::new(1, 2, 3))),
            ("38:2::1:2:3", Colour::Rgb(Rgb::new(1, 2, 3))),
            ("38:2:0:1:2:3:4:5", Colour::Rgb(Rgb::new(1, 2, 3))),
            ("38;5;256", Colour::Default),
            ("38;2;1;2", Colour::Default),
            ("38;9", Colour::Default),
            ("38", Colour::Default),
        ];
        for (codes, ink) in inks {
            assert_eq!(pen(&alloc::format!("\x1b[{codes}m")).ink(), ink, "{codes}");
        }
        let papers = [
            ("41", Colour::Indexed(1)),
            ("107", Colour::Indexed(15)),
            ("48;5;200", Colour::Indexed(200)),
            ("48:2::1:2:3", Colour::Rgb(Rgb::new(1, 2, 3))),
            ("41;49", Colour::Default),
        ];
        for (codes, paper) in papers {
            assert_eq!(pen(&alloc::format!("\x1b[{codes}m")).paper(), paper, "{codes}");
        }
        let both = pen("\x1b[38;5;1;48;5;2;1m");
        assert_eq!((both.ink(), both.paper()), (Colour::Indexed(1), Colour::Indexed(2)));
        assert_eq!(both.attributes(), Attributes::BOLD);
        assert_eq!(pen("\x1b[58;5;1;31m").ink(), Colour::Indexed(1));
        assert_eq!(pen("\x1b[>4;1m").attributes(), Attributes::NONE);
    }

    #[test]
    fn sgr_10_to_12_are_the_linux_consoles_glyph_numbers() {
        let mut bytes = b"\x1b[11mA\x01\xb0\x1b[12m0\xc1\x1b[10m\xc3\xa9".to_vec();
        let mut screen = Screen::new(10, 1, 0);
        screen.feed(&bytes);
        assert_eq!(screen.text(), "A☺░░Aé\n");
        bytes.clear();
    }

    #[test]
    fn attributes_act_on_the_colours() {
        let colours = |bytes: &str| {
            let screen = screen(&(String::from(bytes) + "x"));
            screen.colours(&cell(&screen, 0, 0))
        };
        let (grey, white) = (Rgb::new(0xb2, 0xb2, 0xb2), Rgb::new(0xff, 0xff, 0xff));
        let (black, red) = (Rgb::new(0, 0, 0), Rgb::new(0xb2, 0x18, 0x18));
        assert_eq!(colours(""), (grey, black));
        assert_eq!(colours("\x1b[1m"), (white, black));
        assert_eq!(colours("\x1b[7m"), (black, grey));
        assert_eq!(colours("\x1b[?5h"), (black, grey));
        assert_eq!(colours("\x1b[?5h\x1b[7m"), (grey, black));
        assert_eq!(colours("\x1b[8;31m"), (black, black));
        assert_eq!(colours("\x1b[7;8;31m"), (red, red));
        assert_eq!(colours("\x1b[2m").0, Rgb::new(118, 118, 118));
        assert_eq!(colours("\x1b[1;31m").0, Rgb::new(0xff, 0x54, 0x54));
    }

    #[test]
    fn commands_set_the_palette() {
        let ink = |bytes: &str| {
            let screen = screen(&(String::from(bytes) + "\x1b[31mx"));
            screen.colours(&cell(&screen, 0, 0)).0
        };
        let teal = Rgb::new(0, 0x80, 0x80);
        let red = ink("");
        assert_eq!(ink("\x1b]4;1;rgb:00/80/80\x07"), teal);
        assert_eq!(ink("\x1b]4;2;#111111;1;#008080\x1b\\"), teal);
        assert_eq!(ink("\x1b]4;1;#008080\x07\x1b]104;1\x07"), red);
        assert_eq!(ink("\x1b]4;1;#008080\x07\x1b]104\x07"), red);
        assert_eq!(ink("\x1b]4;1;?\x07"), red);
        assert_eq!(ink("\x1b]P1008080"), teal);
        assert_eq!(ink("\x1b]P1008080\x1b]R"), red);
        let screen = screen("\x1b]10;#008080;#111111\x07x");
        assert_eq!(screen.colours(&cell(&screen, 0, 0)), (teal, Rgb::new(17, 17, 17)));
        let screen =
            super::screen("\x1b]10;#008080\x07\x1b]11;#008080\x07\x1b]110\x07\x1b]111\x07x");
        assert_eq!(screen.colours(&cell(&screen, 0, 0)).1, Rgb::new(0, 0, 0));
    }

    #[test]
    fn a_change_of_all_colours_changes_the_look() {
        for bytes in
            ["\x1b]4;1;#008080\x07", "\x1b]P1008080", "\x1b]R", "\x1b[?5h", "\x1b]11;#111\x07"]
        {
            assert_ne!(screen(bytes).look(), 0, "{}", bytes.escape_debug());
        }
        assert_eq!(screen("\x1b[31mtext\x1b[2J\x1b]0;title\x07").look(), 0);
    }

    #[test]
    fn titles_are_swallowed() {
        assert_eq!(rows("\x1b]0;title\x07a\x1b]2;title\x1b\\bc"), "abc");
    }
}

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
