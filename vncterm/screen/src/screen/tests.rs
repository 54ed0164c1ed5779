//! The laws of the whole screen.

use super::*;
use crate::cell::Extent;
use crate::parser::tests::likely_bytes;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// The cells of all rows.
fn cells(screen: &Screen) -> Vec<Vec<Cell>> {
    (0..screen.rows()).map(|row| screen.row(0, row).cells.into_owned()).collect()
}

/// Everything that another screen should have too, after a replay.
fn visible(screen: &Screen) -> impl PartialEq + core::fmt::Debug + use<> {
    let terminal = &screen.terminal;
    let palette: Vec<_> = terminal.palette.changed().collect();
    (
        cells(screen),
        screen.cursor_position(),
        screen.cursor().is_some(),
        screen.is_alternate(),
        palette,
    )
}

/// Everything that another screen should have too, after being saved and loaded.
fn whole(screen: &Screen) -> impl PartialEq + core::fmt::Debug + use<> {
    let t = &screen.terminal;
    let scrollback: Vec<_> = (1..=t.grid.scrollback().len())
        .map(|offset| screen.row(offset, 0))
        .map(|row| (row.cells.into_owned(), row.wrapped))
        .collect();
    let parked: Option<Vec<_>> =
        t.grid.parked().map(|rows| rows.iter().map(|row| row.cells().to_vec()).collect());
    (
        (cells(screen), scrollback, parked, t.grid.shown(), t.cursor, t.pen, t.modes),
        (t.margins, t.sides, t.tabs, t.saved_main, t.saved_alternate, t.shape, t.coding, t.rom),
        (t.palette.clone(), t.last_printed),
    )
}

fn check_invariants(screen: &Screen) {
    let terminal = &screen.terminal;
    let (columns, rows) = (terminal.grid.columns(), terminal.grid.len());
    let cursor = terminal.cursor;
    assert!(cursor.row < rows && cursor.column < columns, "{cursor:?}");
    assert!(!cursor.wraps || cursor.column + 1 == terminal.edge(), "{cursor:?}");
    assert!(terminal.sides.left <= terminal.sides.right && terminal.sides.right < columns);
    assert!(terminal.margins.top <= terminal.margins.bottom && terminal.margins.bottom < rows);
    for row in 0..rows + terminal.grid.scrollback().len() {
        let view = screen.row(usize::MAX, coordinate(row));
        assert_eq!(view.cells.len(), columns);
        for (column, cell) in view.cells.iter().enumerate() {
            let next = view.cells.get(column + 1).map(Cell::extent);
            assert_eq!(cell.extent() == Extent::Left, next == Some(Extent::Right));
            assert!(!cell.character().is_control());
        }
    }
}

fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    let mut pieces = vec![];
    while !rest.is_empty() {
        let (head, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
        pieces.push(head.to_vec());
        rest = tail;
    }
    pieces
}

fn fed(columns: u16, rows: u16, bytes: &[u8]) -> Screen {
    let mut screen = Screen::new(columns, rows, 10);
    screen.feed(bytes);
    screen
}

proptest! {
    #[test]
    fn any_splitting_of_the_bytes_gives_the_same_screen(
        bytes in likely_bytes(), cuts in proptest::collection::vec(1usize..9, 1..40))
    {
        let mut screen = Screen::new(12, 6, 10);
        for piece in pieces(&bytes, &cuts) {
            screen.feed(&piece);
        }
        prop_assert_eq!(whole(&screen), whole(&fed(12, 6, &bytes)));
    }

    #[test]
    fn any_bytes_leave_a_sound_screen(
        bytes in prop_oneof![likely_bytes(), proptest::collection::vec(any::<u8>(), 0..400)],
        columns in 0u16..20, rows in 0u16..9)
    {
        check_invariants(&fed(columns, rows, &bytes));
    }

    #[test]
    fn any_change_of_size_leaves_a_sound_screen(
        steps in proptest::collection::vec((likely_bytes(), 0u16..20, 0u16..9), 1..6))
    {
        let mut screen = Screen::new(10, 5, 10);
        for (bytes, columns, rows) in steps {
            screen.feed(&bytes);
            screen.resize(columns, rows);
            check_invariants(&screen);
        }
    }

    #[test]
    fn equal_stamps_mean_equal_cells(
        steps in proptest::collection::vec(likely_bytes(), 1..8))
    {
        let mut seen: BTreeMap<u64, Vec<Cell>> = BTreeMap::new();
        let mut screen = Screen::new(10, 5, 10);
        for bytes in steps {
            screen.feed(&bytes);
            for row in 0..5 {
                let view = screen.row(0, row);
                let before = seen.insert(view.stamp, view.cells.to_vec());
                prop_assert!(before.is_none_or(|before| before == *view.cells));
            }
        }
    }

    #[test]
    fn a_saved_screen_loads_as_it_was(bytes in likely_bytes(), more in likely_bytes()) {
        let screen = fed(12, 6, &bytes);
        let mut loaded = Screen::load(&screen.save()).unwrap();
        prop_assert_eq!(whole(&loaded), whole(&screen));
        check_invariants(&loaded);
        loaded.feed(&more);
        check_invariants(&loaded);
    }

    #[test]
    fn a_replayed_screen_looks_the_same(bytes in likely_bytes(), before in likely_bytes()) {
        let mut screen = fed(12, 6, &bytes);
        // A cursor brought back to where it may not be while the origin holds is the one state
        // that no sequence leads to directly.
        screen.feed(b"\x1b[?6l");
        let mut other = Screen::new(12, 6, 0);
        other.feed(&screen.replay());
        prop_assert_eq!(visible(&other), visible(&screen));
        let (t, o) = (&screen.terminal, &other.terminal);
        prop_assert_eq!((t.pen, t.margins, t.coding, t.rom), (o.pen, o.margins, o.coding, o.rom));
        prop_assert_eq!(t.sides, o.sides);
        prop_assert_eq!((t.cursor.wraps, t.shape), (o.cursor.wraps, o.shape));
        // A terminal in any state is repainted too, its palette aside.
        let mut used = fed(12, 6, &before);
        used.feed(b"\x18\x1b%G");
        used.feed(&screen.replay());
        prop_assert_eq!(cells(&used), cells(&screen));
    }
}

#[test]
fn a_screen_is_replayed_with_the_lines_above_it() {
    let line = |screen: &Screen, back, row| screen.row(back, row).cells.to_vec();
    for printed in [0_u8, 3, 4, 5, 9, 40] {
        let mut screen = Screen::new(20, 4, 512);
        for number in 0..printed {
            screen.feed(&[
                0x1b,
                b'[',
                b'3',
                b'0' + number % 8,
                b'm',
                b'a' + number % 26,
                b'\r',
                b'\n',
            ]);
        }
        screen.feed(b"login: ");
        let mut other = Screen::new(20, 4, 512);
        other.feed(b"what was there before\r\n");
        other.feed(&screen.replay_with_scrollback());
        let lines = screen.scrollback_len();
        assert!(other.scrollback_len() >= lines, "{printed}");
        for back in 1..=lines {
            assert_eq!(line(&other, back, 0), line(&screen, back, 0), "{printed} {back}");
        }
        for row in 0..4 {
            assert_eq!(line(&other, 0, row), line(&screen, 0, row), "{printed} {row}");
        }
    }
}

#[test]
fn sizes_outside_the_bounds_become_the_nearest() {
    let screen = Screen::new(0, 0, usize::MAX);
    assert_eq!((screen.columns(), screen.rows()), (2, 1));
    let screen = Screen::new(u16::MAX, u16::MAX, 0);
    assert_eq!((screen.columns(), screen.rows()), (512, 256));
}

#[test]
fn gigabytes_of_an_unterminated_string_take_no_memory() {
    // A tenth of a gigabyte stands for them: the parser's memory is an array inside the screen.
    for start in ["\x1b]", "\x1bP", "\x1b_", "\x1b[", "\x1b[0;"] {
        let mut screen = Screen::new(80, 24, 512);
        screen.feed(start.as_bytes());
        let chunk = vec![b'1'; 1 << 20];
        for _ in 0..4 {
            screen.feed(&chunk);
        }
        screen.feed(b"\x18ok");
        assert_eq!(screen.text().lines().next(), Some("ok"));
    }
    assert!(size_of::<Parser>() < 512);
}

#[test]
fn the_view_moves_into_the_scrollback() {
    let screen = fed(10, 3, b"1\r\n2\r\n3\r\n4\r\n5");
    let view = |offset| -> String {
        (0..3).map(|row| screen.row(offset, row).cells[0].character()).collect()
    };
    assert_eq!((view(0), view(1), view(2)), ("345".into(), "234".into(), "123".into()));
    assert_eq!(view(99), "123");
    assert_eq!(screen.row(0, 3).stamp, 0);
    assert_eq!(screen.row(2, u16::MAX).cells.len(), 10);
}

#[test]
fn a_mark_stands_on_a_line_of_its_own_and_disturbs_nothing() {
    let mut screen = fed(30, 5, b"\x1b[31;44m\x1b[2;3r\x1b(0nice\x1b[3");
    screen.mark("-- guest\x1b rebooted --");
    screen.feed(b"2mq");
    assert_eq!(screen.text(), "┼␋␌␊\n-- guest rebooted --\n─\n\n\n");
    let cell = screen.row(0, 2).cells[0];
    assert_eq!(cell.ink(), crate::colour::Colour::Indexed(2));
    assert_eq!(screen.row(0, 1).cells[0].pen(), crate::pen::Pen::DEFAULT);
}

#[test]
fn a_mark_at_the_bottom_scrolls() {
    let mut screen = fed(10, 3, b"1\r\n2\r\n3");
    screen.mark("-- mark that is too long --");
    assert_eq!(screen.text(), "3\n-- mark th\n\n");
    assert_eq!(screen.scrollback_len(), 2);
}

const MARK: &str = "-- again --";

#[test]
fn a_new_program_begins_below_a_mark_and_inherits_no_mode() {
    let left =
        b"\x1b[31;7mtext\x1b[?1h\x1b[?2004h\x1b[?25l\x1b[4h\x1b[2;3r\x1b(0\x1b%@\x1b]unfinished";
    let mut screen = fed(12, 5, left);
    screen.begin_anew(MARK);
    screen.feed("q\u{e9}\r\n1\r\n2".as_bytes());
    assert_eq!(screen.text(), "text\n-- again --\nq\u{e9}\n1\n2\n");
    assert_eq!(screen.row(0, 2).cells[0].pen(), crate::pen::Pen::DEFAULT);
    assert_eq!(screen.key_modes().cursor_keys, CursorKeys::Normal);
    assert_eq!(screen.brackets(), Brackets::Unwanted);
    assert_eq!(screen.cursor(), Some(Position { row: 4, column: 1 }));
    screen.feed(b"\r\n3");
    assert_eq!(screen.text(), "-- again --\nq\u{e9}\n1\n2\n3\n");
    assert_eq!(screen.scrollback_len(), 1);
}

#[test]
fn a_picture_that_stands_below_the_cursor_is_pushed_up_and_not_erased() {
    let mut screen = fed(12, 4, b"1\r\n2\r\n3\r\n4\x1b[1;1H");
    screen.begin_anew(MARK);
    assert_eq!(screen.text(), "3\n4\n-- again --\n\n");
    assert_eq!(screen.scrollback_len(), 2);
    assert_eq!(screen.cursor(), Some(Position { row: 3, column: 0 }));
}

#[test]
fn an_alternate_screen_stays_as_what_is_shown() {
    let mut screen = fed(12, 4, b"shell\x1b[?1049h\x1b[Heditor");
    screen.begin_anew(MARK);
    assert_eq!(screen.text(), "editor\n-- again --\n\n\n");
    assert!(!screen.is_alternate());
    assert_eq!(screen.scrollback_len(), 1);
    screen.feed(b"\x1b[?1049l$");
    assert_eq!(screen.text(), "editor\n-- again --\n$\n\n");
}

#[test]
fn colours_that_a_program_has_set_end_with_it() {
    let mut screen = fed(12, 3, b"\x1b]P1000000\x1b[31mx");
    let red = |screen: &Screen| {
        let row = screen.row(0, 0);
        screen.colours(&row.cells[0]).0
    };
    let set = red(&screen);
    screen.begin_anew(MARK);
    assert_ne!(red(&screen), set);
}

#[test]
fn a_mark_on_an_empty_screen_stands_at_its_top() {
    let mut screen = fed(12, 3, b"");
    screen.begin_anew(MARK);
    assert_eq!(screen.text(), "-- again --\n\n\n");
}

#[test]
fn the_modes_that_keys_and_pastes_follow_are_told() {
    let screen = fed(10, 3, b"\x1b[?1h\x1b[20h\x1b[?67h\x1b[?2004h\x1b[?2026h\x1b%@");
    let modes = screen.key_modes();
    assert_eq!(modes.cursor_keys, CursorKeys::Application);
    assert_eq!(modes.line_end, LineEnd::CarriageReturnLineFeed);
    assert_eq!(modes.backspace, Backspace::Backspace);
    assert_eq!(modes.coding, crate::performer::Coding::Latin1);
    assert_eq!(screen.brackets(), Brackets::Wanted);
    assert!(screen.is_synchronizing());
}

#[test]
fn a_smaller_screen_keeps_the_line_of_the_cursor() {
    let mut screen = fed(10, 4, b"1\r\n2\r\n3\r\n4");
    screen.resize(8, 2);
    assert_eq!(screen.text(), "3\n4\n");
    assert_eq!(
        (screen.scrollback_len(), screen.cursor()),
        (2, Some(Position { row: 1, column: 1 }))
    );
    screen.resize(12, 3);
    assert_eq!(screen.text(), "3\n4\n\n");
}

#[test]
fn a_smaller_screen_keeps_the_line_of_the_parked_cursor_too() {
    let mut screen = fed(10, 4, b"1\r\n2\r\n3\r\n4\x1b[?1049h");
    screen.resize(10, 2);
    screen.feed(b"\x1b[?1049l!");
    assert_eq!(screen.text(), "3\n4!\n");
    assert_eq!(screen.scrollback_len(), 2);
}
