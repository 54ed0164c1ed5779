//! What known viewers say, byte for byte, and what they hear.
//!
//! The viewers' sides were recorded where that is said, and else are as the viewers' sources and
//! the descriptions of their protocols have them.

use vncterm_rfb::{Event, Fault, Look};

use crate::canvas::WHITE;
use crate::dialogue::{
    Dialogue, EXTENSIONS, SERVER_INIT, SET_XRGB, beam, corre, desktop_size, extended_keys, hex,
    hextile_update, raw_update, tight, update, zrle_tile,
};
use crate::viewer::{cut_text, key, pointer, request, set_encodings};

#[test]
fn xencenter_speaks_3_3_and_echoes_the_pixel_format() {
    let mut xencenter = Dialogue::begin();
    xencenter.hears(b"RFB 003.008\n");
    xencenter.says(b"RFB 003.003\n");
    xencenter.hears(&hex("00000001"));
    assert_eq!(xencenter.says(&hex("01")), [Event::Ready { shared: true }]);
    xencenter.hears(&hex(SERVER_INIT));

    xencenter.says(&hex("00 000000  08 08 00 01 0007 0007 0003 05 02 00 000000"));
    xencenter.says(&set_encodings(&[4, 2, 1, 0, -239, -223, -254, -258]));
    xencenter.hears_nothing();
    xencenter.says(&request(false, [0, 0, 16, 16]));
    xencenter.hears(&update(&[beam("00", "ff"), corre("00", "ff")]));

    // It asks again after every message, whatever that was.
    xencenter.says(&request(true, [0, 0, 16, 16]));
    xencenter.hears_nothing();
    xencenter.session.bell();
    xencenter.hears(&hex("02"));
    xencenter.says(&request(true, [0, 0, 16, 16]));
    xencenter.hears_nothing();

    // Scan codes go to graphical guests; keysyms count.
    assert_eq!(xencenter.says(&hex("fe 01 0000 0000001e")), []);
    let a = Event::Key { down: true, keysym: 0x61 };
    let twice = [key(true, 0x61), hex("ff 00 0001 00000061 0000001e")].concat();
    assert_eq!(xencenter.says(&twice), [a.clone(), a]);

    // Paste: the clipboard, then the middle button.
    assert_eq!(
        xencenter.says(&[cut_text(b"uptime\n"), pointer(2, 3, 4), pointer(0, 3, 4)].concat()),
        [
            Event::CutText("uptime\n".to_owned()),
            Event::Pointer { buttons: 2, x: 3, y: 4 },
            Event::Pointer { buttons: 0, x: 3, y: 4 },
        ]
    );

    // Copy: a drag, then the server's cut text.
    xencenter.says(&[pointer(1, 0, 0), pointer(1, 15, 0), pointer(0, 15, 0)].concat());
    xencenter.session.cut_text("né\u{2502}\n");
    xencenter.hears(&hex("03 000000 00000004 6ee93f0a"));

    // One request was left over, however many were made.
    xencenter.picture.put(0, 1, Look::default());
    xencenter.hears(&hex("00 00 0001  0008 0000 0008 0010 00000004  00000000 00"));
    xencenter.picture.put(0, 0, Look { glyph: 1, ink: WHITE, paper: WHITE });
    xencenter.hears_nothing();
}

#[test]
fn tigervnc_speaks_3_8_and_gets_tight() {
    // Recorded from its viewer, version 1.12.
    let mut tigervnc = Dialogue::begin();
    tigervnc.shake_hands_3_8(b"RFB 003.008\n", 0);
    tigervnc.says(&hex(SET_XRGB));
    tigervnc.says(&set_encodings(&[
        -314,
        0x574d_5664,
        -239,
        -240,
        0x574d_5666,
        -223,
        -308,
        -307,
        -224,
        -0x3f5e_1a32,
        -313,
        -312,
        -258,
        7,
        1,
        16,
        5,
        2,
        1,
        0,
        -254,
        -24,
    ]));
    tigervnc.says(&request(false, [0, 0, 16, 16]));
    let [left, right] = tight("000000", "ffffff");
    tigervnc.hears(
        &[
            hex(EXTENSIONS),
            update(&[
                beam("00000000", "ffffff00"),
                extended_keys(),
                desktop_size("0000", "0000"),
                left,
                right,
            ]),
        ]
        .concat(),
    );
}

#[test]
fn novnc_speaks_3_8_and_has_red_in_the_lowest_byte() {
    let mut novnc = Dialogue::begin();
    novnc.picture.put(
        0,
        1,
        Look { glyph: 1, ink: vncterm_rfb::Rgb { red: 0xff, green: 0x80, blue: 0 }, paper: WHITE },
    );
    novnc.shake_hands_3_8(b"RFB 003.008\n", 1);
    novnc.says(&hex("00 000000  20 18 00 01 00ff 00ff 00ff 00 08 10 000000"));
    novnc.says(&set_encodings(&[
        1,
        7,
        -260,
        16,
        21,
        5,
        2,
        6,
        0,
        -26,
        -254,
        -223,
        -224,
        -258,
        -261,
        -308,
        -309,
        -312,
        -313,
        -307,
        -0x3f5e_1a32,
        -316,
        0x574d_5664,
        -239,
    ]));
    novnc.says(&request(false, [0, 0, 16, 16]));
    let [left, right] = tight("000000", "ff8000");
    novnc.hears(
        &[
            hex(EXTENSIONS),
            update(&[
                beam("00000000", "ffffff00"),
                extended_keys(),
                desktop_size("0000", "0000"),
                left,
                right,
            ]),
        ]
        .concat(),
    );
}

#[test]
fn gtk_vnc_speaks_3_8_and_echoes_the_pixel_format() {
    // Recorded from gvncviewer, version 1.3.1.
    let mut gtk_vnc = Dialogue::begin();
    gtk_vnc.shake_hands_3_8(b"RFB 003.008\n", 0);
    gtk_vnc.says(&hex("00 000000  08 08 00 01 0007 0007 0003 05 02 00 000000"));
    gtk_vnc.says(&set_encodings(&[
        -27,
        7,
        -309,
        -258,
        -261,
        -308,
        -223,
        -307,
        -224,
        0x574d_5669,
        -259,
        -314,
        -239,
        -240,
        -257,
        16,
        5,
        2,
        1,
        0,
    ]));
    gtk_vnc.says(&request(false, [0, 0, 16, 16]));
    let [left, right] = tight("00", "ff");
    gtk_vnc.hears(&update(&[
        beam("00", "ff"),
        extended_keys(),
        desktop_size("0000", "0000"),
        left,
        right,
    ]));
}

#[test]
fn libvncclient_speaks_3_8_with_encodings_that_nobody_knows() {
    let mut libvncclient = Dialogue::begin();
    libvncclient.shake_hands_3_8(b"RFB 003.008\n", 1);
    libvncclient.says(&hex(SET_XRGB));
    libvncclient.says(&set_encodings(&[
        7, 16, 9, 1, 5, 6, 4, 2, 0, -253, -27, -308, -223, -224, -240, -239, -0x1_fff0, -0x1_fffe,
        -0x1_ffff,
    ]));
    libvncclient.says(&request(false, [0, 0, 16, 16]));
    let [left, right] = tight("000000", "ffffff");
    libvncclient.hears(&update(&[
        beam("00000000", "ffffff00"),
        desktop_size("0000", "0000"),
        left,
        right,
    ]));
}

#[test]
fn remmina_at_its_best_quality_is_libvncclient_without_tight_and_zrle() {
    let mut remmina = Dialogue::begin();
    remmina.shake_hands_3_8(b"RFB 003.008\n", 1);
    remmina.says(&hex(SET_XRGB));
    remmina.says(&set_encodings(&[
        1, 6, 5, 0, -255, -23, -308, -223, -224, -240, -239, -0x1_fff0, -0x1_fffe, -0x1_ffff,
    ]));
    remmina.says(&request(false, [0, 0, 16, 16]));
    let picture = hextile_update("00000000", "ffffff00").split_off(4);
    remmina.hears(&update(&[beam("00000000", "ffffff00"), desktop_size("0000", "0000"), picture]));
}

#[test]
fn remmina_of_8_bits_has_blue_in_the_highest() {
    let mut remmina = Dialogue::begin();
    remmina.shake_hands_3_8(b"RFB 003.008\n", 1);
    remmina.says(&hex("00 000000  08 08 00 01 0007 0007 0003 00 03 06 000000"));
    remmina.says(&set_encodings(&[
        7, 16, 9, 1, 5, 6, 4, 2, 0, -247, -32, -308, -223, -224, -0x1_fff0, -0x1_fffe, -0x1_ffff,
    ]));
    remmina.says(&request(false, [0, 0, 16, 16]));
    let [left, right] = tight("00", "ff");
    remmina.hears(&update(&[desktop_size("0000", "0000"), left, right]));
}

#[test]
fn realvnc_calls_itself_5_0_and_speaks_3_8() {
    let mut realvnc = Dialogue::begin();
    realvnc.shake_hands_3_8(b"RFB 005.000\n", 1);
    realvnc.says(&hex("00 000000  10 10 01 01 001f 003f 001f 0b 05 00 000000"));
    realvnc.says(&set_encodings(&[16, 15, 5, 0, 1, -239, -223]));
    realvnc.says(&request(false, [0, 0, 16, 16]));
    realvnc.hears_zrle(beam("0000", "ffff"), &zrle_tile("0000", "ffff"));
}

#[test]
fn macos_calls_itself_3_889_and_speaks_3_8() {
    let mut macos = Dialogue::begin();
    macos.shake_hands_3_8(b"RFB 003.889\n", 1);
    macos.says(&hex("00 000000  20 20 01 01 00ff 00ff 00ff 10 08 00 000000"));
    macos.says(&set_encodings(&[1100, 1000, 16, 6, 0, -239, -223, 1105]));
    macos.says(&request(false, [0, 0, 16, 16]));
    macos.hears_zrle(beam("00000000", "00ffffff"), &zrle_tile("00000000", "00ffffff"));
}

#[test]
fn version_3_7_chooses_and_gets_no_result() {
    let mut viewer = Dialogue::begin();
    viewer.hears(b"RFB 003.008\n");
    viewer.says(b"RFB 003.007\n");
    viewer.hears(&hex("01 01"));
    viewer.says(&hex("01"));
    viewer.hears_nothing();
    assert_eq!(viewer.says(&hex("00")), [Event::Ready { shared: false }]);
    viewer.hears(&hex(SERVER_INIT));
}

#[test]
fn every_version_is_spoken_as_one_of_three() {
    for (minors, offer) in [
        (3..=6, &hex("00000001")), // 3.3 is told
        (7..=999, &hex("01 01")),  // later ones are given a list
    ] {
        for minor in minors {
            let mut viewer = Dialogue::begin();
            viewer.hears(b"RFB 003.008\n");
            viewer.says(format!("RFB 003.{minor:03}\n").as_bytes());
            viewer.hears(offer);
        }
    }
    for version in [b"RFB 004.000\n", b"RFB 004.001\n", b"RFB 005.000\n", b"RFB 999.999\n"] {
        Dialogue::begin().shake_hands_3_8(version, 1);
    }
}

#[test]
fn a_viewer_that_never_sets_a_pixel_format_is_served_in_the_announced_one() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&request(false, [0, 0, 16, 16]));
    viewer.hears(&raw_update("00", "ff"));
}

#[test]
fn a_request_that_is_not_incremental_is_answered_although_nothing_changed() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&request(true, [0, 0, 16, 16]));
    viewer.hears(&raw_update("00", "ff"));
    viewer.says(&request(true, [0, 0, 16, 16]));
    viewer.hears_nothing();
    // One pixel of the right cell: the cell is sent.
    viewer.says(&request(false, [15, 15, 1, 1]));
    viewer.hears(&[hex("00 00 0001  0008 0000 0008 0010 00000000"), vec![0xff; 128]].concat());
}

#[test]
fn the_viewers_own_order_chooses_the_encoding() {
    // Tight needs LastRect.
    for (encodings, raw) in [(&[0, 5][..], true), (&[7, 5, 0], false), (&[5], false), (&[], true)] {
        let mut viewer = Dialogue::begin();
        viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
        viewer.says(&hex(SET_XRGB));
        viewer.says(&set_encodings(encodings));
        viewer.says(&request(false, [0, 0, 16, 16]));
        viewer.hears(&if raw {
            raw_update("00000000", "ffffff00")
        } else {
            hextile_update("00000000", "ffffff00")
        });
    }
}

#[test]
fn a_colour_map_is_sent_before_the_pixels_that_need_it() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&hex("00 000000  08 08 00 00 0000 0000 0000 00 00 00 000000"));
    viewer.says(&request(false, [0, 0, 16, 16]));
    viewer.session.update(&viewer.picture);
    let output = viewer.session.output().to_vec();
    assert_eq!(output[..12], hex("01 00 0000 0100  0000 0000 0000"));
    assert_eq!(output[6 + 15 * 6..][..6], hex("ffff ffff ffff"));
    assert_eq!(output[6 + 256 * 6..], raw_update("00", "0f"));
}

#[test]
fn a_change_of_size_is_an_update_of_its_own_and_then_all_is_sent() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&set_encodings(&[-223]));
    viewer.picture.resize(1, 1);
    viewer.hears_nothing();
    viewer.says(&request(true, [0, 0, 16, 16]));
    viewer.hears(&hex("00 00 0001  0000 0000 0008 0010 ffffff21"));
    viewer.says(&request(true, [0, 0, 8, 16]));
    viewer.hears(&[hex("00 00 0001  0000 0000 0008 0010 00000000"), vec![0; 128]].concat());
}

#[test]
fn a_new_name_is_an_update_of_its_own_for_who_follows_names() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&set_encodings(&[-307]));
    viewer.says(&request(false, [0, 0, 16, 16]));
    viewer.hears(&raw_update("00", "ff"));
    viewer.session.rename("db1");
    viewer.session.rename("db01");
    viewer.hears_nothing();
    viewer.says(&request(true, [0, 0, 16, 16]));
    viewer.hears(&hex("00 00 0001  0000 0000 0000 0000 fffffecd  00000004 64623031"));
    viewer.says(&request(true, [0, 0, 16, 16]));
    viewer.hears_nothing();
}

#[test]
fn a_viewer_that_knows_no_new_names_hears_none() {
    let mut viewer = Dialogue::begin();
    viewer.session.rename("demo1");
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.session.rename("db01");
    viewer.says(&request(false, [0, 0, 16, 16]));
    viewer.hears(&raw_update("00", "ff"));
}

#[test]
fn a_viewer_that_cannot_change_size_sees_black_where_the_picture_was() {
    let mut viewer = Dialogue::begin();
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.says(&request(false, [0, 0, 16, 16]));
    viewer.hears(&raw_update("00", "ff"));
    viewer.picture.resize(1, 1);
    viewer.says(&request(true, [0, 0, 16, 16]));
    viewer.hears(&[hex("00 00 0001  0008 0000 0008 0010 00000000"), vec![0; 128]].concat());
}

#[test]
fn bells_ring_once_and_the_last_selection_counts() {
    let mut viewer = Dialogue::begin();
    viewer.session.bell();
    viewer.session.cut_text("nobody is there yet");
    viewer.shake_hands_3_8(b"RFB 003.008\n", 1);
    viewer.hears_nothing();
    (0..1000).for_each(|_| viewer.session.bell());
    viewer.session.cut_text("first");
    viewer.session.cut_text("last");
    viewer.hears(&hex("02  03 000000 00000004 6c617374"));
    viewer.hears_nothing();
}

#[test]
fn a_security_type_that_was_not_offered_is_refused_with_a_reason() {
    let mut viewer = Dialogue::begin();
    viewer.hears(b"RFB 003.008\n");
    viewer.says(b"RFB 003.008\n");
    viewer.hears(&hex("01 01"));
    assert_eq!(viewer.says_wrongly(&[2]), Fault::SecurityType(2));
    viewer.hears(&[&hex("00000001 0000001d")[..], b"security type was not offered"].concat());
    assert_eq!(viewer.says_wrongly(&[1]), Fault::SecurityType(2));
}
