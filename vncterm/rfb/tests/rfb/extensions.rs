//! What viewers may ask for beyond RFC 6143, byte for byte: sizes, updates without requests, fences,
//! texts in UTF-8.

use vncterm_rfb::{Event, Limits, Look, Session, Size};

use crate::canvas::WHITE;
use crate::dialogue::{Dialogue, SET_XRGB, desktop_size, hex, hextile_update, raw_update, update};
use crate::viewer::{
    Inflater, continuous_updates, fence, request, set_desktop_size, set_encodings,
};

#[test]
fn a_viewer_that_wants_another_size_is_told_that_it_may_not() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&set_encodings(&[-308, 5]));
    viewer.says(&request(true, [0, 0, 16, 16]));
    let tile = hextile_update("00", "ff").split_off(4);
    viewer.hears(&update(&[desktop_size("0000", "0000"), tile]));
    for (wish, status) in [
        (set_desktop_size(1024, 768, 1), "0001"),
        (set_desktop_size(16, 16, 1), "0000"),
        (set_desktop_size(0, 16, 1), "0003"),
        (set_desktop_size(16, 16, 0), "0003"),
    ] {
        viewer.says(&wish);
        viewer.hears_nothing();
        viewer.says(&request(true, [0, 0, 16, 16]));
        viewer.hears(&update(&[desktop_size("0001", status)]));
    }
}

#[test]
fn a_viewer_that_may_is_given_another_size_when_the_picture_has_it() {
    let limits = Limits { resize: true, ..Limits::default() };
    let mut session = Session::new("test", Size::new(2, 1).unwrap(), limits);
    let mut hello = &b"RFB 003.008\n\x01\x01"[..];
    assert_eq!(session.receive(&mut hello), Ok(Some(Event::Ready { shared: true })));
    assert_eq!(session.receive(&mut &set_encodings(&[-308])[..]), Ok(None));
    for (wish, columns, rows) in [([1003, 799], 125, 49), ([1, 1], 1, 1), ([65535; 2], 8191, 4095)]
    {
        let [width, height] = wish;
        let wish = session.receive(&mut &set_desktop_size(width, height, 1)[..]);
        assert_eq!(wish, Ok(Some(Event::Resize { columns, rows })));
    }
}

#[test]
fn a_viewer_of_extended_sizes_is_told_of_a_change_and_then_all_is_sent() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&set_encodings(&[-308]));
    viewer.picture.resize(1, 1);
    viewer.says(&request(true, [0, 0, 16, 16]));
    let screen = "01 000000  00000000  0000 0000 0008 0010 00000000";
    viewer.hears(&[hex("00 00 0001  0000 0000 0008 0010 fffffecc"), hex(screen)].concat());
    viewer.says(&request(true, [0, 0, 8, 16]));
    viewer.hears(&[hex("00 00 0001  0000 0000 0008 0010 00000000"), vec![0; 128]].concat());
}

#[test]
fn updates_go_on_without_requests_until_they_are_ended() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&set_encodings(&[-313]));
    viewer.hears(&hex("96"));
    viewer.says(&continuous_updates(true, [0, 0, 16, 16]));
    viewer.hears(&raw_update("00", "ff"));
    viewer.hears_nothing();
    let change = |x: &str| {
        [hex("00 00 0001"), hex(x), hex("0000 0008 0010 00000000"), vec![0; 128]].concat()
    };
    viewer.picture.put(0, 1, Look::default());
    viewer.hears(&change("0008"));
    viewer.says(&continuous_updates(false, [0; 4]));
    viewer.picture.put(0, 1, Look { glyph: 1, ink: WHITE, paper: WHITE });
    viewer.hears(&hex("96"));
    viewer.hears_nothing();
    viewer.says(&request(true, [0, 0, 16, 16]));
    viewer.session.update(&viewer.picture);
    assert_eq!(viewer.session.output().len(), 4 + 12 + 128);
}

#[test]
fn a_fence_comes_back_with_the_flags_that_are_known_and_its_payload() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&set_encodings(&[-312]));
    viewer.hears(&hex("f8 000000 80000000 00"));
    viewer.says(&fence(0, b""));
    viewer.hears_nothing();
    viewer.says(&fence(0xffff_ffff, b"abc"));
    viewer.hears(&[&hex("f8 000000 00000007 03")[..], b"abc"].concat());
    viewer.says(&fence(0x8000_0000, &[7; 64]));
    viewer.hears(&[hex("f8 000000 00000000 40"), vec![7; 64]].concat());
}

#[test]
fn texts_in_utf_8_are_announced_and_then_asked_for() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&set_encodings(&[-0x3f5e_1a32]));
    viewer.hears(&hex("03 000000 fffffff8 1f000001 00010000"));
    // What it is able to.
    viewer.says(&hex("06 000000 fffffff8 1f000001 00000000"));
    viewer.hears_nothing();

    // Its own text: it has one, it is asked for it, here it is. As zlib stores "Ωμέγα\r\n" and 0.
    viewer.says(&hex("06 000000 fffffffc 08000001"));
    viewer.hears(&hex("03 000000 fffffffc 02000001"));
    let text = [&hex("0000000d")[..], "Ωμέγα\r\n\0".as_bytes()].concat();
    let stored = [&hex("7801 01 1100 eeff")[..], &text].concat();
    let length = (4 + i32::try_from(stored.len()).unwrap()).wrapping_neg().to_be_bytes();
    let provided = [&hex("06 000000")[..], &length, &hex("10000001"), &stored].concat();
    assert_eq!(viewer.says(&provided), [Event::CutText("Ωμέγα\n".to_owned())]);

    // Ours, likewise; what is not there is not announced.
    viewer.says(&hex("06 000000 fffffffc 04000000"));
    viewer.hears(&hex("03 000000 fffffffc 08000000"));
    viewer.session.cut_text("naïve │\n");
    viewer.hears(&hex("03 000000 fffffffc 08000001"));
    viewer.says(&hex("06 000000 fffffffc 02000001"));
    viewer.session.update(&viewer.picture);
    let output = viewer.session.output().to_vec();
    assert_eq!(output[..4], hex("03 000000"));
    let length = i32::from_be_bytes(*output[4..].first_chunk().unwrap());
    assert_eq!(usize::try_from(-length).unwrap(), output.len() - 8);
    assert_eq!(output[8..12], hex("10000001"));
    let text = Inflater::default().inflate(&output[12..]);
    assert_eq!(text, [&hex("0000000d")[..], "naïve │\r\n\0".as_bytes()].concat());
}

#[test]
fn what_goes_out_unasked_waits_for_fences_when_the_way_is_full() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&hex(SET_XRGB));
    viewer.says(&set_encodings(&[-312, -313]));
    viewer.says(&continuous_updates(true, [0, 0, 16, 16]));
    let mut fences = 0;
    for glyph in 6..100 {
        viewer.picture.put(0, 0, Look { glyph, ink: WHITE, paper: WHITE });
        viewer.picture.put(0, 1, Look { glyph, ink: Default::default(), paper: WHITE });
        viewer.session.update(&viewer.picture);
        let output = viewer.session.output().to_vec();
        viewer.session.wrote(output.len());
        fences += usize::from(output.ends_with(&hex("f8 000000 80000001 00")));
    }
    assert_eq!(fences, 2);
    viewer.hears_nothing();
    viewer.says(&fence(1, b""));
    viewer.session.update(&viewer.picture);
    assert!(!viewer.session.output().is_empty());
}
