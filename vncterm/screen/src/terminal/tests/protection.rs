//! What erasing spares.

use super::*;

#[test]
fn selective_erasing_spares_what_decsca_protects_and_other_erasing_does_not() {
    let text = "a\x1b[1\"qb\x1b[0\"qc\x1b[1\"q\x1b[md\x1b[2\"qe\r\n\x1b[1\"qfg\x1b[0\"q\x1b[1;3H";
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
