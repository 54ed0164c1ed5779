//! What hostile guests print and hostile viewers cut, by the classes of attack that terminals have
//! fallen to; each within a console's memory, and in a time that its bytes pay for.
//!
//! | class | tests here | and elsewhere |
//! |---|---|---|
//! | G1 strings without an end | `g1_*` | `gigabytes_of_an_unterminated_string_take_no_memory` (screen) |
//! | G2 numbers without an end | `g2_*` | `three_million_digits_are_one_number`, `numbers_above_the_limit_are_dropped` (screen) |
//! | G3 counts | `g3_*` | `counts_beyond_the_row_end_with_it` (screen) |
//! | G4 margins, origins, sizes | `g4_*` | `any_bytes_leave_a_sound_screen`, `any_change_of_size_leaves_a_sound_screen` (screen) |
//! | G5 characters | `g5_*` | `replaces_what_the_standard_replaces`, `halves_always_pair_and_cells_after_used_are_blank` (screen) |
//! | G6 questions without reading | `g6_*` | `replies_beyond_the_limit_are_dropped_whole` (screen), `keys_for_a_guest_that_does_not_read_are_dropped_whole` (server) |
//! | G7 bells, titles, palettes | `g7_*` | `bells_ring_once_and_the_last_selection_counts` (rfb) |
//! | G8 questions that echo, images | `g8_*` | `whatever_a_guest_prints_only_numbers_come_back` (screen) |
//! | G9 text that a viewer copies | `g9_*` | `a_click_selects_nothing` (server) |
//! | G10 text that a viewer pastes | `g10_*` | `text_cannot_close_its_own_brackets` (screen), `ctrl_c_and_escape_break_a_paste_off_and_close_its_bracket_first` (server) |
//!
//! Viewers' attacks, V1 to V9, are the tests of those names in `vncterm/rfb/tests/rfb/attacks.rs`, and of programs in
//! `tests/tests/hostile.rs` and `vncterm/server/src/viewers.rs`.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use vncterm_rfb::{Bitmap, Limits, Look, Picture, Session, Size};
use vncterm_screen::{Brackets, COLUMNS_MAX, Paste, Position, ROWS_MAX, Screen};
use xenwarden_fuzz::{Counted, MEMORY_MAX, guest, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

/// The reach is 1 us a byte with optimisation; a debug build takes many times that.
const PER_BYTE: Duration =
    if cfg!(debug_assertions) { Duration::from_micros(60) } else { Duration::from_micros(1) };

/// The same for a screen of the largest size: what one sequence may touch is 68 times as much there.
const PER_BYTE_LARGEST: Duration = PER_BYTE.saturating_mul(68);

/// This thread's own time: others use the machine too.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock").into()
}

/// `bytes` on a console of the usual size: in its memory, and in time.
#[track_caller]
fn survives(bytes: &[u8]) {
    // The target takes them twice, and looks at the screen in between.
    within_memory(guest, MEMORY_MAX, bytes);
    takes_time_for(80, 24, PER_BYTE, bytes);
}

/// The screen after `bytes`, which may take `per_byte` each beside a moment.
#[track_caller]
fn takes_time_for(columns: u16, rows: u16, per_byte: Duration, bytes: &[u8]) -> Screen {
    let mut screen = Screen::new(columns, rows, 64);
    let began = now();
    screen.feed(bytes);
    let took = now() - began;
    let length = u32::try_from(bytes.len()).expect("few enough");
    let most = Duration::from_millis(20) + per_byte * length;
    assert!(took <= most, "{took:?} for {length} bytes of {:?}", text_of(bytes));
    screen
}

fn text_of(bytes: &[u8]) -> String {
    bytes.get(..bytes.len().min(40)).unwrap_or_default().escape_ascii().to_string()
}

fn largest() -> (u16, u16) {
    (COLUMNS_MAX.try_into().expect("small"), ROWS_MAX.try_into().expect("small"))
}

fn fed(bytes: &[u8]) -> Screen {
    let mut screen = Screen::new(80, 24, 64);
    screen.feed(bytes);
    screen
}

/// All that the guest is answered.
fn replies(screen: &mut Screen) -> Vec<u8> {
    std::iter::from_fn(|| screen.take_reply()).flat_map(|reply| reply.to_vec()).collect()
}

const MANY: usize = if cfg!(debug_assertions) { 20_000 } else { 200_000 };

#[test]
fn g1_strings_of_every_kind_without_an_end_are_counted_and_dropped() {
    for start in [&b"\x1b]0;"[..], b"\x1b]4;1;", b"\x1bP", b"\x1bPq", b"\x1b_G", b"\x1b^", b"\x1bX"]
    {
        survives(&[start, &vec![b'A'; MANY]].concat());
        let ended = [start, &vec![b'A'; MANY], b"\x1b\\ok"].concat();
        assert!(fed(&ended).text().starts_with("ok\n"), "{}", start.escape_ascii());
    }
}

#[test]
fn g2_numbers_parts_and_intermediates_without_an_end_are_bounded() {
    for (start, part, end) in [
        ("\x1b[", "9", "A"),
        ("\x1b[", ";", "m"),
        ("\x1b[", "1:", "m"),
        ("\x1b[38:2", ":255", "m"),
        ("\x1b[", "1;2:3;", "H"),
        ("\x1b[1", " ", "q"),
        ("\x1b", "#", "8"),
        ("\x1b[?", "1049;", "h"),
        ("\x1b[?", "69;6;45;", "h"),
    ] {
        let bytes = [start, &part.repeat(MANY / part.len()), end].concat();
        survives(bytes.as_bytes());
    }
}

/// Each sequence with a count as large as can be said, again and again, on the usual screen and on
/// the largest: none costs more than writing the screen once, however large its count.
#[test]
fn g3_counts_end_with_the_screen() {
    let plain =
        b"@ABCDEFGHIJKLMPSTXZ`abdef".iter().map(|last| format!("\x1b[65535{}", *last as char));
    let margins =
        ["65535'}", "65535'~", "65535;65535r", "65535;65535s"].map(|s| format!("\x1b[{s}"));
    let backwards =
        ["\x1b[?7;1045h\x1b[65535D", "\x1b[?7;45h\x1b[65535D", "x\x1b[65535b", "中\x1b[65535b"];
    let all: Vec<String> = plain.chain(margins).chain(backwards.map(String::from)).collect();
    for sequence in &all {
        for before in
            ["", "\x1b[?69h\x1b[2;70s\x1b[2;20r\x1b[10;10H", "\x1b[?6h\x1b[3;9r", "\x1b[4h"]
        {
            let many = sequence.repeat(MANY / 8 / sequence.len());
            survives([before, &many].concat().as_bytes());
        }
        let few = sequence.repeat(MANY / 100 / sequence.len());
        let (columns, rows) = largest();
        takes_time_for(columns, rows, PER_BYTE_LARGEST, few.as_bytes());
    }
}

/// Rectangles cost their area for some ten bytes: on the usual screen that is within the reach, on the
/// largest it is what clearing it costs.
#[test]
fn g3_rectangles_cost_their_area_and_end_with_the_screen() {
    let rectangles = [
        "1;1;65535;65535$z",
        "1;1;65535;65535${",
        "65;1;1;65535;65535$x",
        "1;1;65535;65535;1;1;1;1$v",
    ];
    for last in rectangles {
        let sequence = format!("\x1b[{last}");
        for before in ["", "中文中文\x1b[20;20H", "\x1b[?69h\x1b[2;70s\x1b[2;20r\x1b[?6h"] {
            survives([before, &sequence.repeat(MANY / 8 / sequence.len())].concat().as_bytes());
        }
        let (columns, rows) = largest();
        let few = sequence.repeat(MANY / 100 / sequence.len());
        takes_time_for(columns, rows, PER_BYTE_LARGEST, few.as_bytes());
    }
    // Where there is nothing of them on the screen, they are none.
    let mut screen =
        fed(b"kept\x1b[5;1;2;80$z\x1b[1;9;24;3$z\x1b[99;1;99;80$z\x1b[1;1;1;1;1;99;99;1$v");
    assert!(screen.text().starts_with("kept\n"));
    assert_eq!(replies(&mut screen), b"");
}

#[test]
fn g4_margins_that_cannot_be_are_refused_and_the_cursor_stays_on_the_screen() {
    let margins = [
        "r", "5;5r", "9;3r", "24;24r", "0;99r", "65535;1r", "s", "7;7s", "70;3s", "80;80s",
        "0;999s",
    ];
    let modes =
        ["?69h", "?69l", "?6h", "?6l", "?3h", "?3l", "?40h", "?7l", "?1049h", "?1049l", "!p"];
    let moves =
        ["H", "99;99H", "24;80H", "A", "99B", "99C", "99D", "99a", "99e", "S", "T", "L", "M", "u"];
    let escapes = [
        "\x1bM", "\x1bD", "\x1bE", "\x1b6", "\x1b9", "\x1b7", "\x1b8", "\n", "\x08", "\t", "中",
        "x",
    ];
    let csi = |last: &&str| format!("\x1b[{last}");
    let steps: Vec<String> = [&margins[..], &modes, &moves]
        .concat()
        .iter()
        .map(csi)
        .chain(escapes.map(String::from))
        .collect();
    // Each after each, and each of these pairs after sizes that change below them.
    let mut screen = Screen::new(80, 24, 64);
    for (turn, first) in steps.iter().enumerate() {
        for second in &steps {
            screen.feed(first.as_bytes());
            screen.feed(second.as_bytes());
            let (columns, rows) = (screen.columns(), screen.rows());
            let cursor = screen.cursor().expect("nothing hides it");
            assert!(cursor.row < rows && cursor.column < columns, "{first:?} {second:?}");
        }
        let turn = u16::try_from(turn).expect("few");
        screen.resize(2 + turn * 37 % 120, 1 + turn * 13 % 40);
    }
}

#[test]
fn g4_a_guest_never_changes_the_size() {
    let screen = fed(
        b"\x1b[?40h\x1b[?3h\x1b[8;50;132t\x1b[4;9;9t\x1b[9;1t\x1b[10;1t\x1b[36t\x1b[*|\x1b[132$|",
    );
    assert_eq!((screen.columns(), screen.rows()), (80, 24));
}

#[test]
fn g5_malformed_text_is_replaced_however_it_is_cut() {
    let malformed: [&[u8]; 10] = [
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xfe\xff",
        b"\xe4\xb8",
        b"\x80\xbf",
        b"\xf0\x9f\x98",
    ];
    for bytes in malformed {
        let line = [bytes, b"|"].concat();
        survives(&line.repeat(MANY / line.len()));
        let text = fed(&line).text();
        assert!(text.starts_with('\u{fffd}'), "{} shows {text:?}", bytes.escape_ascii());
        assert!(text.trim_end().ends_with('|'), "{} shows {text:?}", bytes.escape_ascii());
    }
}

#[test]
fn g5_c1_in_utf8_begins_no_sequence() {
    let mut screen = fed("\u{9b}5n\u{9b}c\u{9d}0;t\u{9c}\u{90}$qm\u{9c}".as_bytes());
    assert_eq!(replies(&mut screen), b"");
    assert!(screen.text().starts_with("5nc0;t$qm\n"), "{}", screen.text());
}

#[test]
fn g5_a_flood_of_marks_and_joiners_is_one_mark() {
    for mark in ["\u{301}", "\u{200d}", "\u{fe0f}", "\u{202e}", "\u{20dd}"] {
        let flood = "e".to_owned() + &mark.repeat(MANY / 4);
        survives(flood.as_bytes());
        let screen = fed(flood.as_bytes());
        assert!(screen.text().trim_end().chars().count() <= 2, "{mark:?}");
        assert_eq!(screen.cursor().map(|at| at.column), Some(1), "{mark:?}");
    }
}

#[test]
fn g5_wide_characters_are_whole_at_edges_and_under_everything_that_cuts() {
    for cut in [
        "\x1b[79G中\x1b[80Gx",
        "\x1b[80G中",
        "中\x1b[2Gx",
        "中\x1b[2G\x1b[X",
        "中\x1b[2G\x1b[P",
        "中\x1b[2G\x1b[@",
    ] {
        let screen = fed(cut.as_bytes());
        for row in 0..screen.rows() {
            let cells = &screen.row(0, row).cells;
            for (place, cell) in cells.iter().enumerate() {
                use vncterm_screen::Extent::{Left, Right};
                let next = cells.get(place + 1).map(vncterm_screen::Cell::extent);
                assert_eq!(cell.extent() == Left, next == Some(Right), "{cut:?}");
            }
        }
    }
}

#[test]
fn g6_a_guest_that_asks_without_reading_loses_whole_answers() {
    for question in ["\x1b[c", "\x1b[>c", "\x1b[6n", "\x1b[?6n", "\x1b[?25$p", "\x1b[18t", "\x1b[x"]
    {
        survives(question.repeat(MANY / question.len()).as_bytes());
        let mut one = fed(question.as_bytes());
        let one = one.take_reply().expect("an answer");
        let mut many = fed(question.repeat(10_000).as_bytes());
        let mut count = 0;
        while let Some(reply) = many.take_reply() {
            assert_eq!(reply, one, "{question:?}");
            count += 1;
        }
        assert!((1..=64).contains(&count), "{count} answers to {question:?}");
    }
}

#[test]
fn g7_a_million_bells_are_one_and_titles_are_nothing() {
    let mut screen = fed(&vec![7; 1_000_000]);
    assert!(screen.take_bell());
    assert!(!screen.take_bell());
    survives(&vec![7; MANY]);
    let titles = b"\x1b]0;a\x07\x1b]2;b\x1b\\\x1b]l;c\x1b\\".repeat(1000);
    survives(&titles);
    let stamp = |screen: &Screen| {
        (screen.look(), (0..24).map(|row| screen.row(0, row).stamp).collect::<Vec<_>>())
    };
    assert_eq!(stamp(&fed(&titles)), stamp(&fed(b"")));
}

/// A picture whose every row changes with a number, as a screen's does with its palette.
struct Thrashed(u64);

impl Picture for Thrashed {
    fn size(&self) -> Size {
        Size::new(80, 24).expect("a size")
    }
    fn row_stamp(&self, row: u16) -> u64 {
        self.0 << 8 | u64::from(row)
    }
    fn look(&self, row: u16, column: u16) -> Look {
        Look { glyph: u32::from(row * 7 + column) % 90 + 33, ..Look::default() }
    }
    fn bitmap(&self, _: u32) -> Bitmap {
        [0x55; 16]
    }
}

#[test]
fn g7_a_palette_that_changes_all_the_time_is_one_repaint_for_each_request() {
    survives(&b"\x1b]4;1;#123456\x07\x1b]10;#111\x07\x1b]104\x07\x1bP1\x1b\\".repeat(MANY / 50));
    let before = fed(b"");
    let after = fed(&b"\x1b]4;1;#123456\x07".repeat(100));
    assert_ne!(before.look(), after.look());
    assert_eq!(before.row(0, 3).stamp, after.row(0, 3).stamp);
    // However often it changes between two requests, what is sent is one picture.
    let mut session = Session::new("console", Thrashed(0).size(), Limits::default());
    let mut hello = &b"RFB 003.008\n\x01\x01"[..];
    while session.receive(&mut hello).expect("no fault").is_some() {}
    let mut ask = &b"\x03\0\0\0\0\0\x02\x80\x01\x80"[..];
    assert!(session.receive(&mut ask).expect("no fault").is_none());
    session.wrote(usize::MAX);
    let mut pictures = 0;
    for turn in 0..1000 {
        session.update(&Thrashed(turn));
        let is_sent = !session.output().is_empty();
        assert!(!is_sent || pictures == 0 || session.is_updating(), "nobody asked for more");
        pictures += u32::from(is_sent && !session.is_updating());
        session.wrote(usize::MAX);
    }
    assert_eq!(pictures, 1);
}

#[test]
fn g8_nothing_that_a_guest_says_is_said_back_to_it() {
    let secret = "s3cret";
    let said = format!(
        "\x1b]0;{secret}\x07\x1b]52;c;{secret}\x07\x1b]50;{secret}\x07\x1b]1337;{secret}\x07"
    );
    for question in [
        "\x05",
        "\x1b[20t",
        "\x1b[21t",
        "\x1b]52;c;?\x07",
        "\x1b]50;?\x07",
        "\x1b]4;1;?\x07",
        "\x1b]10;?;?\x07",
        "\x1bP$qm\x1b\\",
        "\x1bP$q\r\nreboot\r\n\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1b[>q",
        "\x1b[=c",
        "\x1b[?u",
        "\x1b[1;1;1;1;1;1*y",
        "\x1b[?63;1n",
        "\x1b[13t",
        "\x1b[19t",
        "\x1b[?2;1S",
        "\x1bG\x1bQ",
        "\x1b[?1;1;0S",
        "\x1b_Ga=q,i=1;AAAA\x1b\\",
        "\x1bPq#0~-\x1b\\",
        "\x1b]1337;ReportCellSize\x07",
        "\x1b[\"v",
    ] {
        let mut screen = fed((said.clone() + question).as_bytes());
        assert_eq!(replies(&mut screen), b"", "{}", question.escape_debug());
        assert!(!screen.text().contains(secret), "{}", question.escape_debug());
    }
}

#[test]
fn g9_what_is_copied_holds_no_control_character_and_is_no_longer_than_the_screen() {
    let printed = "one\x1b[1;4H\u{202e}\u{9b}\x07\x00\x7f\ttwo\r\n\x1b%@\u{e9}\x1b%G\x0b\x0c"
        .to_owned()
        + &"e\u{301}中".repeat(2000);
    let screen = fed(printed.as_bytes());
    let (from, to) = (Position::default(), Position { row: u16::MAX, column: u16::MAX });
    for offset in [0, 3, usize::MAX] {
        let copied = screen.selected_text(from, to, offset);
        let allowed = |c: char| c == '\n' || !c.is_control();
        assert!(copied.chars().all(allowed), "{copied:?}");
        assert!(copied.chars().count() <= 24 * (2 * 80 + 1));
    }
}

#[test]
fn g10_a_paste_is_typed_text_and_never_ends_its_own_brackets() {
    let cut = "a\x1b[201~\rreboot\r\u{9b}201~\x07b\x00\x08\x7f\x03\r\n\u{85}\u{2028}c\t";
    for brackets in [Brackets::Wanted, Brackets::Unwanted] {
        let paste = Paste::new(cut, brackets);
        let typed = std::str::from_utf8(paste.rest()).expect("text");
        let (opening, closing) = match brackets {
            Brackets::Wanted => ("\x1b[200~", "\x1b[201~"),
            Brackets::Unwanted => ("", ""),
        };
        let inside = typed
            .strip_prefix(opening)
            .and_then(|t| t.strip_suffix(closing))
            .expect("it is enclosed");
        assert!(inside.chars().all(|c| matches!(c, '\r' | '\t') || !c.is_control()), "{inside:?}");
        assert_eq!(inside, "a[201~\rreboot\r201~b\r\u{2028}c\t");
    }
    within_memory(
        |bytes| {
            let paste = Paste::new(std::str::from_utf8(bytes).expect("text"), Brackets::Wanted);
            assert!(paste.rest().len() <= vncterm_screen::PASTE_MAX + 12);
        },
        MEMORY_MAX,
        &vec![b'x'; 4 << 20],
    );
}
