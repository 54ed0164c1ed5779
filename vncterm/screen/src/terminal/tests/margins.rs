//! Left and right margins (DECLRMM, DECSLRM), and what keeps within them.

use super::*;

/// Five full rows; what stands in the third to the sixth column, and in the second to the fourth
/// row, is within the margins.
fn framed(bytes: &str) -> String {
    let rows = "abcdefghij\r\nklmnopqrst\r\nABCDEFGHIJ\r\nKLMNOPQRST\r\n0123456789";
    self::rows(&(String::from(rows) + "\x1b[?69h\x1b[3;6s\x1b[2;4r" + bytes))
}

/// Where the cursor ends up between margins at the third and the sixth column.
fn cursor_between(bytes: &str) -> (u16, u16) {
    cursor(&(String::from("\x1b[?69h\x1b[3;6s") + bytes))
}

#[test]
fn csi_s_saves_the_cursor_unless_declrmm_is_set() {
    assert_eq!(cursor("\x1b[2;4H\x1b[s\x1b[H\x1b[u"), (2, 4));
    assert_eq!(cursor("\x1b[2;4H\x1b[?69h\x1b[s"), (1, 1));
}

#[test]
fn declrmm_reset_ris_and_decstr_take_the_margins_away() {
    for end in ["\x1b[?69l", "\x1bc", "\x1b[!p"] {
        let bytes = String::from("\x1b[?69h\x1b[3;6s") + end + "\x1b[1;1H0123456789";
        assert_eq!(rows(&bytes), "0123456789", "{end:?}");
    }
}

#[test]
fn margins_of_less_than_two_columns_are_refused() {
    for sides in ["5;5", "6;3", "11;99"] {
        let bytes = alloc::format!("\x1b[?69h\x1b[{sides}s\x1b[1;1H0123456789");
        assert_eq!(rows(&bytes), "0123456789", "{sides}");
    }
}

#[test]
fn a_change_of_size_takes_the_margins_away() {
    let mut screen = screen("\x1b[?69h\x1b[3;6s");
    screen.resize(12, 5);
    screen.feed(b"\x1b[1;1H0123456789ab");
    assert_eq!(shown(&screen), "0123456789ab");
}

#[test]
fn text_wraps_from_the_right_margin_to_the_left() {
    assert_eq!(rows("\x1b[?69h\x1b[3;6s\x1b[1;5Habcdefg"), "    ab|  cdef|  g");
    assert_eq!(rows("\x1b[?69h\x1b[3;6s\x1b[1;9Habcd"), "        ab|  cd");
    assert_eq!(rows("\x1b[?69h\x1b[3;6s\x1b[?7l\x1b[1;5Habcdefg"), "    ag");
    assert_eq!(rows("\x1b[?69h\x1b[3;6s\x1b[1;6H中a"), "|  中a");
    assert_eq!(rows("\x1b[?69h\x1b[3;6s\x1b[1;5H\u{e9}\u{e9}\u{e9}"), "    \u{e9}\u{e9}|  \u{e9}");
    assert_eq!(cursor_between("\x1b[1;5Hab"), (1, 6));
}

#[test]
fn a_line_that_wraps_at_a_margin_is_not_one_with_the_next() {
    let screen = screen("\x1b[?69h\x1b[3;6s\x1b[1;5Habcdefg");
    assert!(!screen.row(0, 0).wrapped);
}

#[test]
fn movements_stop_at_the_margin_that_they_begin_within() {
    assert_eq!(cursor_between("\x1b[1;5H\x1b[9D"), (1, 3));
    assert_eq!(cursor_between("\x1b[1;2H\x1b[9D"), (1, 1));
    assert_eq!(cursor_between("\x1b[1;5H\x1b[9C"), (1, 6));
    assert_eq!(cursor_between("\x1b[1;7H\x1b[99C"), (1, 10));
    assert_eq!(cursor_between("\x1b[1;5H\x1b[9a"), (1, 10));
    assert_eq!(cursor_between("\x1b[1;5H\r"), (1, 3));
    assert_eq!(cursor_between("\x1b[1;2H\r"), (1, 1));
    assert_eq!(cursor_between("\x1b[1;2H\x1b[?6h\x1b[?6l\x1b[1;2H\t"), (1, 6));
}

#[test]
fn in_origin_mode_columns_count_from_the_left_margin() {
    assert_eq!(cursor_between("\x1b[2;4r\x1b[?6h\x1b[2;2H"), (3, 4));
    assert_eq!(cursor_between("\x1b[2;4r\x1b[?6h\x1b[99;99H"), (4, 6));
    assert_eq!(cursor_between("\x1b[?6h\x1b[2G"), (1, 4));
    assert_eq!(replies("\x1b[?69h\x1b[3;6s\x1b[2;4r\x1b[?6h\x1b[2;2H\x1b[6n"), "\x1b[2;2R");
}

#[test]
fn scrolling_stays_within_all_margins() {
    assert_eq!(framed("\x1b[S"), "abcdefghij|klCDEFqrst|ABMNOPGHIJ|KL    QRST|0123456789");
    assert_eq!(framed("\x1b[T"), "abcdefghij|kl    qrst|ABmnopGHIJ|KLCDEFQRST|0123456789");
    assert_eq!(framed("\x1b[99S"), "abcdefghij|kl    qrst|AB    GHIJ|KL    QRST|0123456789");
    assert_eq!(framed("\x1b[99T"), framed("\x1b[99S"));
    assert_eq!(framed("\x1b[4;3H\n"), framed("\x1b[S"));
    assert_eq!(framed("\x1b[2;3H\x1bM"), framed("\x1b[T"));
}

#[test]
fn a_line_feed_outside_the_sides_neither_scrolls_nor_moves() {
    assert_eq!(framed("\x1b[4;7H\n"), framed(""));
    assert_eq!(framed("\x1b[4;7H\x1bE"), framed(""));
    assert_eq!(framed("\x1b[2;1H\x1bM"), framed(""));
    assert_eq!(cursor_between("\x1b[2;4r\x1b[4;7H\n"), (4, 7));
}

#[test]
fn nothing_that_leaves_between_the_sides_goes_to_the_scrollback() {
    let screen = screen("one\r\n\x1b[?69h\x1b[1;6s\x1b[S");
    assert_eq!(screen.scrollback_len(), 0);
}

#[test]
fn lines_and_characters_move_within_the_margins_only() {
    assert_eq!(framed("\x1b[3;4H\x1b[L"), "abcdefghij|klmnopqrst|AB    GHIJ|KLCDEFQRST|0123456789");
    assert_eq!(framed("\x1b[2;4H\x1b[M"), "abcdefghij|klCDEFqrst|ABMNOPGHIJ|KL    QRST|0123456789");
    assert_eq!(framed("\x1b[1;4H\x1b[@"), "abc deghij|klmnopqrst|ABCDEFGHIJ|KLMNOPQRST|0123456789");
    assert_eq!(
        framed("\x1b[1;4H\x1b[2P"),
        "abcf  ghij|klmnopqrst|ABCDEFGHIJ|KLMNOPQRST|0123456789"
    );
    for outside in ["\x1b[3;7H\x1b[L", "\x1b[3;2H\x1b[M", "\x1b[1;7H\x1b[@", "\x1b[1;2H\x1b[P"] {
        assert_eq!(framed(outside), framed(""), "{outside:?}");
    }
    assert_eq!(cursor_between("\x1b[2;5H\x1b[L"), (2, 3));
}

#[test]
fn irm_pushes_text_out_at_the_right_margin() {
    assert_eq!(rows("abcdefghij\x1b[?69h\x1b[3;6s\x1b[1;4H\x1b[4hxy"), "abcxydghij");
    assert_eq!(rows("abcdefghij\x1b[?69h\x1b[3;6s\x1b[4hxyz"), "xyzcdeghij");
}

#[test]
fn columns_are_inserted_and_deleted_within_the_margins() {
    assert_eq!(
        framed("\x1b[3;4H\x1b[2'}"),
        "abcdefghij|klm  nqrst|ABC  DGHIJ|KLM  NQRST|0123456789"
    );
    assert_eq!(
        framed("\x1b[3;4H\x1b['~"),
        "abcdefghij|klmop qrst|ABCEF GHIJ|KLMOP QRST|0123456789"
    );
    for outside in ["\x1b[1;4H\x1b['}", "\x1b[3;7H\x1b['~"] {
        assert_eq!(framed(outside), framed(""), "{outside:?}");
    }
}

#[test]
fn decbi_and_decfi_move_and_scroll_sideways_at_the_margins() {
    assert_eq!(cursor("\x1b[1;3H\x1b6"), (1, 2));
    assert_eq!(cursor("\x1b[1;3H\x1b9"), (1, 4));
    assert_eq!(cursor_between("\x1b[1;2H\x1b6\x1b6\x1b6"), (1, 1));
    assert_eq!(cursor_between("\x1b[1;9H\x1b9\x1b9\x1b9"), (1, 10));
    assert_eq!(framed("\x1b[3;3H\x1b6"), "abcdefghij|kl mnoqrst|AB CDEGHIJ|KL MNOQRST|0123456789");
    assert_eq!(framed("\x1b[3;6H\x1b9"), "abcdefghij|klnop qrst|ABDEF GHIJ|KLNOP QRST|0123456789");
    assert_eq!(framed("\x1b[1;3H\x1b6\x1b[5;6H\x1b9"), framed(""));
}

#[test]
fn a_wide_character_across_a_margin_is_blanked_whole() {
    let bytes = "a中中b\r\nc中中d\x1b[?69h\x1b[3;4s\x1b[S";
    assert_eq!(rows(bytes), "a    b|c    d");
}

mod reverse_wrap {
    use super::*;

    #[test]
    fn mode_45_goes_back_along_a_line_that_wrapped() {
        assert_eq!(cursor("\x1b[?45h0123456789ab\x1b[4D"), (1, 9));
        assert_eq!(cursor("\x1b[?45h0123456789ab\x1b[99D"), (1, 1));
        assert_eq!(cursor("\x1b[?45hone\r\ntwo\x1b[99D"), (2, 1));
        assert_eq!(cursor("0123456789ab\x1b[4D"), (2, 1));
    }

    #[test]
    fn mode_1045_goes_on_in_any_row_above_and_from_the_top_at_the_bottom() {
        assert_eq!(cursor("\x1b[?1045h\r\n\x08"), (1, 10));
        assert_eq!(cursor("\x1b[?1045h\x08"), (5, 10));
        assert_eq!(cursor("\x1b[?1045h\x1b[2;4r\x1b[2;1H\x08"), (4, 10));
        assert_eq!(cursor("\x1b[?1045h\x1b[?69h\x1b[3;6s\x1b[2;1H\x08"), (1, 6));
    }

    #[test]
    fn neither_does_without_decawm() {
        assert_eq!(cursor("\x1b[?7l\x1b[?1045;45h\r\n\x08"), (2, 1));
    }

    #[test]
    fn from_the_last_column_about_to_wrap_the_first_step_is_none() {
        assert_eq!(cursor("\x1b[?45h0123456789\x08"), (1, 10));
        assert_eq!(cursor("\x1b[?45h0123456789\x08\x08"), (1, 9));
        assert_eq!(cursor("0123456789\x08"), (1, 9));
    }

    #[test]
    fn any_number_of_steps_is_that_many_single_ones() {
        for steps in [1, 7, 49, 50, 51, 250, 999] {
            for start in ["\x1b[3;4H", "\x1b[2;4r\x1b[1;3H", "\x1b[?69h\x1b[3;6s\x1b[5;9H"] {
                let at_once = alloc::format!("\x1b[?1045h{start}\x1b[{steps}D");
                let singly = String::from("\x1b[?1045h") + start + &"\x08".repeat(steps);
                assert_eq!(cursor(&at_once), cursor(&singly), "{start:?} {steps}");
            }
        }
    }
}

#[test]
fn mode_41_lets_a_tab_wrap_first() {
    assert_eq!(cursor("\x1b[?41h0123456789\t"), (2, 9));
    assert_eq!(cursor("0123456789\t"), (1, 10));
}
