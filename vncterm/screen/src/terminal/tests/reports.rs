//! What the guest is answered.

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
    assert_eq!(replies("\x1b[?25$p\x1b[?1$p\x1b[?9999$p"), "\x1b[?25;1$y\x1b[?1;2$y\x1b[?9999;0$y");
    assert_eq!(replies("\x1b[4h\x1b[4$p\x1b[20$p\x1b[5$p"), "\x1b[4;1$y\x1b[20;2$y\x1b[5;4$y");
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
