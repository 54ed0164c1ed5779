//! What hostile viewers try: nonsense, floods, lengths, silence.

use proptest::prelude::*;
use vncterm_rfb::{Event, Fault, Limits, Look, Session, Size, output_max};

use crate::canvas::{Canvas, WHITE};
use crate::viewer::{
    Format, Notice, Viewer, continuous_updates, cut_text, fence, key, pointer, request,
    set_desktop_size, set_encodings,
};

const SHAKE_HANDS: &[u8] = b"RFB 003.008\n\x01\x01";

fn size() -> Size {
    Size::new(80, 24).unwrap()
}

fn picture() -> Canvas {
    let mut picture = Canvas::new(80, 24);
    for at in 0..1920_u16 {
        let ink =
            if at % 7 == 0 { vncterm_rfb::Rgb { red: 0xaa, green: 0x55, blue: 0 } } else { WHITE };
        picture.put(at / 80, at % 80, Look { glyph: u32::from(at % 11), ink, ..Look::default() });
    }
    picture
}

/// Feeds bytes and gives what they meant, up to a fault.
fn feed(session: &mut Session, mut bytes: &[u8]) -> Result<Vec<Event>, (Vec<Event>, Fault)> {
    let mut events = Vec::new();
    loop {
        match session.receive(&mut bytes) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => {
                assert!(bytes.is_empty(), "bytes were left over without an event");
                return Ok(events);
            }
            Err(fault) => return Err((events, fault)),
        }
    }
}

/// A session that the handshake is over in, its output sent.
fn ready() -> Session {
    let mut session = Session::new("test", size(), Limits::default());
    assert_eq!(feed(&mut session, SHAKE_HANDS), Ok(vec![Event::Ready { shared: true }]));
    session.wrote(usize::MAX);
    session
}

/// The fault that bytes are after the handshake.
#[track_caller]
fn fault_of(bytes: &[u8]) -> Fault {
    feed(&mut ready(), bytes).expect_err("no fault").1
}

/// Draws until nothing more comes, with the output bounded all the while.
fn drain(session: &mut Session, picture: &Canvas, viewer: &mut Viewer) {
    loop {
        session.update(picture);
        assert!(session.output().len() <= output_max(size()));
        if session.output().is_empty() {
            return;
        }
        viewer.receive(session.output());
        session.wrote(usize::MAX);
    }
}

#[test]
fn v1_a_version_is_awaited_whole_and_nonsense_is_a_fault() {
    for (line, fault) in [
        (b"SSH-2.0-OpenS", Fault::Version),
        (b"RFB 003.008\r\n", Fault::Version),
        (b"RFB 3.0000008", Fault::Version),
        (b"RFB 003,008\n\n", Fault::Version),
        (b"RFB 0x3.008\n\n", Fault::Version),
        (b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\n", Fault::Version),
        (b"RFB \xb3\xb3\xb3.008\n\n", Fault::Version),
        (b"RFB 003.002\n\n", Fault::OldVersion { major: 3, minor: 2 }),
        (b"RFB 000.000\n\n", Fault::OldVersion { major: 0, minor: 0 }),
    ] {
        let mut session = Session::new("test", size(), Limits::default());
        assert_eq!(feed(&mut session, &line[..11]), Ok(vec![]));
        assert_eq!(session.output(), b"RFB 003.008\n", "no answer before twelve bytes");
        assert_eq!(feed(&mut session, &line[11..]), Err((vec![], fault)), "{line:?}");
    }
}

#[test]
fn v1_one_byte_at_a_time_is_a_whole_handshake() {
    let mut session = Session::new("test", size(), Limits::default());
    for byte in &SHAKE_HANDS[..SHAKE_HANDS.len() - 1] {
        assert_eq!(feed(&mut session, &[*byte]), Ok(vec![]));
    }
    assert_eq!(feed(&mut session, &[1]), Ok(vec![Event::Ready { shared: true }]));
}

#[test]
fn v1_no_security_type_but_none_is_taken() {
    for choice in (0..=u8::MAX).filter(|choice| *choice != 1) {
        for version in [&b"RFB 003.007\n"[..], b"RFB 003.008\n"] {
            let mut session = Session::new("test", size(), Limits::default());
            let said = feed(&mut session, &[version, &[choice]].concat());
            assert_eq!(said, Err((vec![], Fault::SecurityType(choice))));
        }
    }
}

#[test]
fn v2_a_half_open_session_can_be_told_from_an_established_one() {
    for end in 0..SHAKE_HANDS.len() {
        let mut session = Session::new("test", size(), Limits::default());
        feed(&mut session, &SHAKE_HANDS[..end]).unwrap();
        assert!(!session.is_ready());
        assert!(!session.update(&picture()));
    }
    assert!(ready().is_ready());
}

#[test]
fn v3_cut_texts_of_any_length_are_passed_over_and_the_beginning_kept() {
    let mut session = Session::new("test", size(), Limits { cut_text_max: 10, resize: false });
    feed(&mut session, SHAKE_HANDS).unwrap();
    for (length, kept) in [(0, 0), (1, 1), (10, 10), (11, 10), (1_000_000, 10)] {
        let bytes = [cut_text(&vec![0xe9; length]), key(true, 1)].concat();
        assert_eq!(
            feed(&mut session, &bytes),
            Ok(vec![Event::CutText("é".repeat(kept)), Event::Key { down: true, keysym: 1 }])
        );
    }
}

#[test]
fn v3_cut_texts_that_only_claim_their_length_reserve_nothing() {
    for length in [1_u32 << 20, (1 << 31) - 1, 1 << 31, (1 << 31) + 5, u32::MAX - 7] {
        let mut session = ready();
        let head = [&[6, 0, 0, 0][..], &length.to_be_bytes()].concat();
        assert_eq!(feed(&mut session, &head), Ok(vec![]));
        assert_eq!(feed(&mut session, &[0; 7]), Ok(vec![]));
        assert!(session.is_ready());
    }
}

#[test]
fn v3_extended_clipboards_are_passed_over_by_their_own_length() {
    for length in [-1_i32, -8, -4096] {
        let body = vec![6; length.unsigned_abs().try_into().unwrap()];
        let message = [&[6, 0, 0, 0][..], &length.to_be_bytes(), &body, &key(false, 7)].concat();
        let events = feed(&mut ready(), &message);
        assert_eq!(events, Ok(vec![Event::Key { down: false, keysym: 7 }]));
    }
}

#[test]
fn v3_a_clipboard_that_inflates_without_end_is_cut_and_one_of_any_length_passed_over() {
    // A zlib stream of zeros: one stored block opened, then one byte repeated by fixed codes.
    let mut bomb = vec![0x78, 0x01, 0x63];
    bomb.extend([0x00; 200_000]);
    for bytes in [&bomb[..], &[0xff; 100_000], &[]] {
        let length = (4 + i32::try_from(bytes.len()).unwrap()).wrapping_neg().to_be_bytes();
        let message = [&[6, 0, 0, 0][..], &length, &[0x10, 0, 0, 1], bytes].concat();
        let mut session = ready();
        feed(&mut session, &set_encodings(&[-0x3f5e_1a32])).unwrap();
        let events = feed(&mut session, &[message, key(true, 7)].concat()).unwrap();
        let [Event::CutText(text), Event::Key { down: true, keysym: 7 }] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert!(text.len() <= 3 * Limits::default().cut_text_max);
    }
}

#[test]
fn v4_the_longest_list_of_encodings_is_read_without_being_kept() {
    for number in [-1, 0, 5, i32::MIN, 16] {
        let mut session = ready();
        let bytes = [set_encodings(&[number; 65535]), key(true, 2)].concat();
        let events = feed(&mut session, &bytes);
        assert_eq!(events, Ok(vec![Event::Key { down: true, keysym: 2 }]));
    }
}

#[test]
fn v4_encodings_may_change_between_updates_as_often_as_they_like() {
    let (mut session, mut picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    for round in 0..20 {
        let encodings = if round % 2 == 0 { [5, 0, 5, 77] } else { [0, 5, -1, 0] };
        feed(&mut session, &viewer.set_encodings(&encodings)).unwrap();
        feed(&mut session, &request(true, [0, 0, 640, 384])).unwrap();
        // One update under way while the encodings change again.
        session.update(&picture);
        feed(&mut session, &set_encodings(&[5])).unwrap();
        drain(&mut session, &picture, &mut viewer);
        assert_eq!(viewer.pixels, picture.rendered(&viewer.format, size()));
        picture.scroll(0, u16::MAX, false);
    }
}

#[test]
fn v5_pixel_formats_that_cannot_be_are_faults() {
    let format = |bits, channels| Format::new(bits, false, Some(channels)).message();
    for bits in [0, 1, 7, 24, 64, 255] {
        assert_eq!(fault_of(&format(bits, [(1, 0); 3])), Fault::BitsPerPixel(bits));
        assert_eq!(fault_of(&Format::new(bits, true, None).message()), Fault::BitsPerPixel(bits));
    }
    for (bits, shift) in [(8, 8), (16, 99), (32, 32), (32, 255)] {
        let fault = fault_of(&format(bits, [(1, 0), (1, shift), (1, 0)]));
        assert_eq!(fault, Fault::Shift { shift, bits });
    }
}

#[test]
fn v5_odd_pixel_formats_are_served() {
    let picture = picture();
    for (bits, channels) in [
        (8, [(0, 0), (0, 0), (0, 0)]),
        (8, [(65535, 7), (65535, 7), (65535, 7)]),
        (16, [(65535, 0), (65535, 0), (65535, 0)]),
        (32, [(65535, 31), (12345, 17), (1, 0)]),
    ] {
        let mut session = ready();
        feed(&mut session, &Format::new(bits, true, Some(channels)).message()).unwrap();
        feed(&mut session, &request(false, [0, 0, 640, 384])).unwrap();
        let mut sent = 0;
        while session.update(&picture) {
            sent += session.output().len();
            session.wrote(usize::MAX);
        }
        assert_eq!(sent, 4 + 12 + 640 * 384 * usize::from(bits / 8));
    }
}

#[test]
fn v5_a_flood_of_colour_maps_is_one_colour_map() {
    let mut session = ready();
    let asked = Format::new(8, false, None).message();
    (0..10_000).for_each(|_| assert!(feed(&mut session, &asked).is_ok()));
    assert!(session.output().is_empty());
    session.update(&picture());
    assert_eq!(session.output().len(), 6 + 256 * 6);
}

#[test]
fn v5_a_format_that_changes_within_an_update_holds_from_the_next() {
    let (mut session, picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    let rgb888 = Some([(255, 16), (255, 8), (255, 0)]);
    feed(&mut session, &viewer.set_format(Format::new(32, false, rgb888))).unwrap();
    feed(&mut session, &request(false, [0, 0, 640, 384])).unwrap();
    session.update(&picture);
    viewer.receive(session.output());
    session.wrote(usize::MAX);
    assert!(viewer.is_mid_message() && session.is_updating());

    let rgb565 = Some([(31, 11), (63, 5), (31, 0)]);
    feed(&mut session, &viewer.set_format(Format::new(16, true, rgb565))).unwrap();
    feed(&mut session, &request(true, [0, 0, 640, 384])).unwrap();
    drain(&mut session, &picture, &mut viewer);
    assert!(!session.is_updating());
    assert_eq!(viewer.format.bits, 16);
    assert_eq!(viewer.pixels, picture.rendered(&viewer.format, size()));
}

#[test]
fn v6_requests_off_the_screen_or_of_nothing_are_never_answered() {
    let (mut session, picture) = (ready(), picture());
    for area in [
        [640, 0, 1, 1],
        [0, 384, 1, 1],
        [u16::MAX; 4],
        [0, 0, 0, 0],
        [0, 0, 640, 0],
        [0, 0, 0, 384],
        [639, 383, 0, 0],
    ] {
        feed(&mut session, &request(false, area)).unwrap();
        assert!(!session.update(&picture), "{area:?}");
    }
}

#[test]
fn v6_a_request_beyond_the_screen_is_cut_to_it() {
    let (mut session, picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    feed(&mut session, &request(false, [0, 0, u16::MAX, u16::MAX])).unwrap();
    drain(&mut session, &picture, &mut viewer);
    assert_eq!(viewer.pixels, picture.rendered(&viewer.format, size()));
}

#[test]
fn v6_a_flood_of_requests_is_one_update() {
    let (mut session, picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    for _ in 0..10_000 {
        feed(&mut session, &request(false, [0, 0, 640, 384])).unwrap();
    }
    drain(&mut session, &picture, &mut viewer);
    assert_eq!(viewer.notices.len(), 1);
}

#[test]
fn v6_messages_that_nobody_asked_for_are_faults() {
    let known = [0, 2, 3, 4, 5, 6, 150, 248, 251, 254, 255];
    for number in (0..=u8::MAX).filter(|number| !known.contains(number)) {
        assert_eq!(fault_of(&[number]), Fault::MessageType(number));
    }
    for message in [continuous_updates(true, [0; 4]), fence(0, b""), set_desktop_size(640, 384, 1)]
    {
        assert_eq!(fault_of(&message), Fault::NotOffered(message[0]));
    }
    assert_eq!(fault_of(&[255, 1]), Fault::QemuMessage(1));
    assert_eq!(fault_of(&[255, 0, 0, 1, 0, 0, 0, 97, 0, 0, 0, 30]), Fault::ExtendedKeyEvent);
}

#[test]
fn v6_a_flood_of_fences_is_a_few_answers_and_a_long_one_a_fault() {
    let (mut session, picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    feed(&mut session, &set_encodings(&[-312])).unwrap();
    for _ in 0..10_000 {
        feed(&mut session, &fence(1 << 31, &[7; 64])).unwrap();
    }
    drain(&mut session, &picture, &mut viewer);
    let answers = viewer.notices.iter().filter(|n| **n == Notice::Fence(0, vec![7; 64])).count();
    assert!((1..=8).contains(&answers), "{answers}");
    assert_eq!(feed(&mut session, &fence(0, &[7; 65])), Err((vec![], Fault::FenceLength(65))));
}

#[test]
fn v6_continuous_updates_of_any_area_are_cut_to_the_screen() {
    for area in [[0, 0, 0, 0], [u16::MAX; 4], [640, 384, 1, 1]] {
        let (mut session, picture) = (ready(), picture());
        feed(&mut session, &set_encodings(&[-313])).unwrap();
        feed(&mut session, &continuous_updates(true, area)).unwrap();
        session.update(&picture);
        assert_eq!(session.output(), [150], "{area:?}");
    }
    let (mut session, picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    feed(&mut session, &set_encodings(&[-313])).unwrap();
    feed(&mut session, &continuous_updates(true, [0, 0, u16::MAX, u16::MAX])).unwrap();
    drain(&mut session, &picture, &mut viewer);
    assert_eq!(viewer.pixels, picture.rendered(&viewer.format, size()));
}

#[test]
fn v6_sizes_that_cannot_be_are_answered_once_and_change_nothing() {
    let (mut session, picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    feed(&mut session, &viewer.set_encodings(&[-308])).unwrap();
    for (width, height, screens) in [(65535, 65535, 255), (0, 0, 1), (640, 384, 0)].repeat(1000) {
        feed(&mut session, &set_desktop_size(width, height, screens)).unwrap();
    }
    feed(&mut session, &request(true, [0, 0, 640, 384])).unwrap();
    drain(&mut session, &picture, &mut viewer);
    assert_eq!((viewer.width, viewer.height), (640, 384));
    assert_eq!(viewer.pixels, picture.rendered(&viewer.format, size()));
}

#[test]
fn v7_a_viewer_that_stops_reading_costs_one_output_and_then_catches_up() {
    let (mut session, mut picture, mut viewer) = (ready(), picture(), Viewer::new(size()));
    let rgb888 = Some([(255, 16), (255, 8), (255, 0)]);
    feed(&mut session, &viewer.set_format(Format::new(32, false, rgb888))).unwrap();
    feed(&mut session, &request(false, [0, 0, 640, 384])).unwrap();
    session.update(&picture);
    let held = session.output().to_vec();
    assert!(held.len() <= output_max(size()));
    for round in 0..5_000_u16 {
        picture.scroll(0, u16::MAX, false);
        picture.put(23, round % 80, Look { glyph: round.into(), ink: WHITE, ..Look::default() });
        session.bell();
        session.cut_text("selected");
        feed(&mut session, &request(round % 2 == 0, [0, 0, 640, 384])).unwrap();
        assert!(!session.update(&picture));
        assert_eq!(session.output().len(), held.len());
    }
    drain(&mut session, &picture, &mut viewer);
    assert_eq!(viewer.pixels, picture.rendered(&viewer.format, size()));
}

#[test]
fn v8_floods_of_keys_and_pointers_are_events_and_nothing_is_kept() {
    let mut session = ready();
    let drag = [pointer(1, 65535, 65535), pointer(8, 0, 0), key(true, 0xffff_ffff)].concat();
    let events = feed(&mut session, &drag.repeat(10_000)).unwrap();
    assert_eq!(events.len(), 30_000);
    assert!(session.output().is_empty());
    assert!(!session.wants_update());
}

/// Every message there is, after a handshake.
fn all_messages() -> Vec<u8> {
    [
        SHAKE_HANDS.to_vec(),
        Format::rgb332().message(),
        set_encodings(&[5, 0, -223, -258]),
        request(false, [0, 0, 640, 384]),
        key(true, 0x61),
        pointer(1, 9, 9),
        cut_text(b"some text"),
        [&[6, 0, 0, 0][..], &(-6_i32).to_be_bytes(), &[0; 6]].concat(),
        vec![254, 1, 0, 0, 0, 0, 0, 30],
        vec![255, 0, 0, 1, 0, 0, 0, 97, 0, 0, 0, 30],
        request(true, [0, 0, 640, 384]),
    ]
    .concat()
}

#[test]
fn v9_a_viewer_may_go_after_any_byte() {
    let (bytes, picture) = (all_messages(), picture());
    for end in 0..=bytes.len() {
        let mut session = Session::new("test", size(), Limits::default());
        feed(&mut session, &bytes[..end]).unwrap();
        session.wrote(usize::MAX);
        session.update(&picture);
        session.wrote(1);
    }
}

#[test]
fn a_fault_stays() {
    let mut session = ready();
    assert_eq!(feed(&mut session, &[77]), Err((vec![], Fault::MessageType(77))));
    assert_eq!(feed(&mut session, &key(true, 1)), Err((vec![], Fault::MessageType(77))));
    assert!(!session.is_ready());
    assert!(!session.update(&picture()));
}

#[test]
fn a_long_name_is_cut_between_characters() {
    let mut session = Session::new(&"é".repeat(1000), size(), Limits::default());
    feed(&mut session, SHAKE_HANDS).unwrap();
    let name = &session.output()[12 + 2 + 4 + 24..];
    assert_eq!(name, "é".repeat(127).as_bytes());
}

/// Some messages, whole.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        (any::<bool>(), any::<u32>()).prop_map(|(down, keysym)| key(down, keysym)),
        any::<(u8, u16, u16)>().prop_map(|(buttons, x, y)| pointer(buttons, x, y)),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|text| cut_text(&text)),
        prop::collection::vec(-300..20_i32, 0..20).prop_map(|numbers| set_encodings(&numbers)),
        any::<(bool, [u16; 4])>().prop_map(|(incremental, area)| request(incremental, area)),
        Just(vec![254, 1, 0, 0, 0, 0, 0, 30]),
        Just(vec![255, 0, 0, 1, 0, 0, 0, 97, 0, 0, 0, 30]),
        Just(Format::new(16, true, Some([(31, 11), (63, 5), (31, 0)])).message()),
        any::<[u8; 3]>().prop_map(|noise| noise.to_vec()),
    ];
    prop::collection::vec(message, 0..12).prop_map(|messages| messages.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_cutting_of_the_bytes_gives_the_same_events(
        messages in messages(),
        cuts in prop::collection::vec(0_usize..200, 0..20),
    ) {
        let bytes = [SHAKE_HANDS, &messages].concat();
        let mut whole = Session::new("test", size(), Limits { cut_text_max: 16, resize: false });
        let expected = feed(&mut whole, &bytes);

        let mut session = Session::new("test", size(), Limits { cut_text_max: 16, resize: false });
        let mut events = Vec::new();
        let mut fault = None;
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            match feed(&mut session, &bytes[pair[0]..pair[1]]) {
                Ok(more) => events.extend(more),
                Err((more, found)) => {
                    events.extend(more);
                    fault = Some(found);
                }
            }
        }
        prop_assert_eq!(expected, match fault {
            Some(fault) => Err((events, fault)),
            None => Ok(events),
        });
        prop_assert_eq!(session.output(), whole.output());
        let picture = Canvas::new(80, 24);
        session.wrote(usize::MAX);
        whole.wrote(usize::MAX);
        prop_assert_eq!(session.update(&picture), whole.update(&picture));
        prop_assert_eq!(session.output(), whole.output());
    }

    #[test]
    fn any_bytes_leave_the_output_bounded(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        greeted in any::<bool>(),
    ) {
        let mut session = if greeted { ready() } else {
            Session::new("test", size(), Limits::default())
        };
        let _ = feed(&mut session, &bytes);
        let picture = Canvas::new(80, 24);
        session.update(&picture);
        prop_assert!(session.output().len() <= output_max(size()));
    }
}
