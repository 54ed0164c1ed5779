//! What comes back of a saved screen, and what is refused.

use super::*;
use alloc::string::{String, ToString as _};
use alloc::vec;
use proptest::prelude::*;

fn saved() -> Vec<u8> {
    let mut screen = Screen::new(20, 4, 10);
    screen.feed(
        "one\r\n\x1b[31mtwo\r\n中\r\nfour\r\nfive\x1b[?1049halt\x1b]4;1;#123456\x07".as_bytes(),
    );
    screen.save()
}

/// The file with `body` in place of its own, and a header that fits it.
fn with_body(body: &[u8]) -> Vec<u8> {
    let mut file = saved()[..10].to_vec();
    file.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    file.extend(checksum(body).to_le_bytes());
    file.extend(body);
    file
}

fn refusal(file: &[u8]) -> LoadError {
    Screen::load(file).expect_err("a refusal")
}

#[test]
fn the_checksum_is_that_of_zip() {
    assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
}

#[test]
fn refuses_every_shorter_file() {
    let file = saved();
    for len in 0..file.len() {
        let error = refusal(&file[..len]);
        assert!(matches!(error, LoadError::CutShort(_) | LoadError::Foreign), "{len}: {error}");
        if let Some(body) = file[..len].get(HEADER_LEN..) {
            let error = refusal(&with_body(body));
            assert!(matches!(error, LoadError::CutShort(_)), "{len}: {error}");
        }
    }
}

#[test]
fn refuses_every_changed_byte() {
    let file = saved();
    for place in 0..file.len() {
        let mut damaged = file.clone();
        damaged[place] ^= 0x10;
        refusal(&damaged);
    }
}

#[test]
fn refuses_other_files() {
    assert_eq!(refusal(b""), LoadError::Foreign);
    assert_eq!(refusal(b"#!/bin/sh\necho a longer file\n"), LoadError::Foreign);
    assert_eq!(refusal(&vec![0; SAVE_MAX + 1]), LoadError::TooLong(SAVE_MAX + 1));
    let mut later = saved();
    later[8] = 3;
    assert_eq!(refusal(&later), LoadError::Version(3));
    let mut longer = saved();
    longer.push(0);
    assert_eq!(refusal(&longer), LoadError::Trailing(1));
    let mut trailing = saved()[HEADER_LEN..].to_vec();
    trailing.push(0);
    assert_eq!(refusal(&with_body(&trailing)), LoadError::Trailing(1));
}

#[test]
fn a_screen_of_the_first_version_loads_with_its_margins_at_the_sides() {
    let file = saved();
    // Rows 0 to 3 and columns 0 to 19 are within the margins; the tab stops follow.
    let margins = b"\0\0\x03\0\0\0\x13\0\x01\x01\x01\x01";
    let place = file.windows(margins.len()).position(|bytes| bytes == margins).unwrap();
    let body = [&file[HEADER_LEN..place + 4], &file[place + 8..]].concat();
    let mut first = with_body(&body);
    first[8] = 1;
    let loaded = Screen::load(&first).unwrap();
    assert_eq!(loaded.save(), file);
}

#[test]
fn refuses_numbers_outside_their_bounds() {
    let body = saved()[HEADER_LEN..].to_vec();
    let with = |place: usize, bytes: &[u8]| {
        let mut body = body.clone();
        body[place..place + bytes.len()].copy_from_slice(bytes);
        refusal(&with_body(&body))
    };
    assert_eq!(with(0, &[1, 0]), LoadError::Value { what: "columns", value: 1 });
    assert_eq!(with(0, &[0xff, 0xff]), LoadError::Value { what: "columns", value: 0xffff });
    assert_eq!(with(2, &[0, 0]), LoadError::Value { what: "rows", value: 0 });
    assert_eq!(with(6, &[2]), LoadError::Value { what: "shown rows", value: 2 });
    assert_eq!(with(7, &[4, 0]), LoadError::Value { what: "cursor row", value: 4 });
    assert_eq!(with(9, &[20, 0]), LoadError::Value { what: "cursor column", value: 20 });
}

#[test]
fn an_error_says_what_is_wrong_with_what() {
    let text = |error: LoadError| -> String { error.to_string() };
    assert_eq!(text(LoadError::CutShort("tab stops")), "saved screen ends within its tab stops");
    assert_eq!(
        text(LoadError::Value { what: "cursor row", value: 99 }),
        "saved screen with cursor row 99"
    );
}

#[test]
fn the_largest_and_gaudiest_screens_stay_below_the_limit() {
    let gaudy = |screen: &mut Screen, lines: u32| {
        let mut bytes = String::new();
        for n in 0..lines * 512 {
            let (r, g, b) = (n % 251, n % 241, n % 239);
            let text = core::char::from_u32(0x1d400 + n % 50).unwrap_or('x');
            bytes += &alloc::format!("\x1b[38;2;{r};{g};{b};48;2;{b};{g};{r}m{text}");
        }
        screen.feed(bytes.as_bytes());
    };
    let mut screen = Screen::new(512, 256, 10_000);
    gaudy(&mut screen, 300);
    let file = screen.save();
    assert!(file.len() <= SAVE_MAX, "{}", file.len());
    let loaded = Screen::load(&file).unwrap();
    assert_eq!(loaded.text(), screen.text());
    // With both sets of rows full, the ones that are not shown are given up.
    screen.feed(b"\x1b[?47h");
    gaudy(&mut screen, 256);
    let file = screen.save();
    assert!(file.len() <= SAVE_MAX, "{}", file.len());
    assert_eq!(Screen::load(&file).unwrap().text(), screen.text());
}

#[test]
fn a_single_shift_under_way_is_saved() {
    let mut screen = Screen::new(10, 2, 0);
    screen.feed(b"\x1b*0\x1bN\x1b7");
    let mut loaded = Screen::load(&screen.save()).unwrap();
    loaded.feed(b"q\x1b8qq");
    assert_eq!(loaded.text(), "─q\n\n");
}

#[test]
fn a_usual_screen_is_a_small_file() {
    let mut screen = Screen::new(80, 24, 512);
    for n in 0..600 {
        screen.feed(alloc::format!("[{n:12}] usb 1-1: new high-speed device\r\n").as_bytes());
    }
    let file = screen.save();
    assert!(file.len() < 32 * 1024, "{}", file.len());
    assert_eq!(Screen::load(&file).unwrap().scrollback_len(), 512);
}

proptest! {
    #[test]
    fn any_body_is_a_screen_or_is_refused(
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..8),
        cut in any::<usize>())
    {
        let mut body = saved()[HEADER_LEN..].to_vec();
        for (place, byte) in changes {
            let place = place % body.len();
            body[place] = byte;
        }
        body.truncate(body.len() - cut % 4);
        if let Ok(mut screen) = Screen::load(&with_body(&body)) {
            screen.feed(b"text\r\n\x1b[2J\x1b[?1049l\x1b8\x1b[?6hmore");
            let _ = (screen.text(), screen.replay(), screen.save());
        }
    }
}
