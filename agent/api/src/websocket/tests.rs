//! What clients may send and what they must not, frame by frame.

use proptest::prelude::*;

use super::*;

/// A frame as a client sends it.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => bytes.push(masked | short),
        (_, Ok(middle)) => {
            bytes.push(masked | 126);
            bytes.extend(middle.to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    let mask = match mask {
        Some(mask) => {
            bytes.extend(mask);
            mask
        }
        None => [0; 4],
    };
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

fn receive(bytes: &[u8]) -> (State, Vec<u8>, Vec<u8>) {
    let mut socket = WebSocket::new();
    let mut payload = Vec::new();
    let state = socket.receive(bytes, &mut payload);
    (state, payload, socket.take_output())
}

/// The code that a close frame of ours carries.
fn code(output: &[u8]) -> u16 {
    assert_eq!(output[0], FIN | CLOSE, "{output:?}");
    assert_eq!(usize::from(output[1]), output.len() - 2, "one whole frame, unmasked");
    u16::from_be_bytes([output[2], output[3]])
}

#[test]
fn messages_come_through_and_fragments_are_put_together() {
    let sent = [
        frame(FIN | BINARY, MASK, b"one "),
        frame(BINARY, MASK, b"tw"),
        frame(FIN | PING, MASK, b"there?"),
        frame(FIN | CONTINUATION, MASK, b"o "),
        frame(FIN | TEXT, MASK, "dr\u{e9}i".as_bytes()),
        frame(FIN | PONG, MASK, b""),
    ]
    .concat();
    let (state, payload, output) = receive(&sent);
    assert_eq!((state, payload.as_slice()), (State::Open, "one two dr\u{e9}i".as_bytes()));
    assert_eq!(output, frame(FIN | PONG, None, b"there?"));
}

#[test]
fn a_close_is_answered_with_its_code() {
    let (state, _, output) = receive(&frame(FIN | CLOSE, MASK, &[0x03, 0xe9, b'b', b'y', b'e']));
    assert_eq!((state, code(&output)), (State::Closed, 1001));
    let (state, _, output) = receive(&frame(FIN | CLOSE, MASK, b""));
    assert_eq!((state, output), (State::Closed, frame(FIN | CLOSE, None, b"")));
}

#[test]
fn lies_end_with_the_code_of_the_rfc() {
    let lies: [(&str, u16, Vec<u8>); 13] = [
        ("unmasked", 1002, frame(FIN | BINARY, None, b"x")),
        ("a long ping", 1002, frame(FIN | PING, MASK, &[0; 126])),
        ("a long close", 1002, frame(FIN | CLOSE, MASK, &[3; 126])),
        ("a ping in fragments", 1002, frame(PING, MASK, b"x")),
        ("a continuation of nothing", 1002, frame(FIN | CONTINUATION, MASK, b"x")),
        (
            "a message within a message",
            1002,
            [frame(BINARY, MASK, b"x"), frame(FIN | BINARY, MASK, b"y")].concat(),
        ),
        ("a reserved bit", 1002, frame(FIN | 0x40 | BINARY, MASK, b"x")),
        ("a reserved kind of data", 1002, frame(FIN | 3, MASK, b"x")),
        ("a reserved kind of control", 1002, frame(FIN | 11, MASK, b"x")),
        ("half a close code", 1002, frame(FIN | CLOSE, MASK, b"x")),
        ("text that is none", 1007, frame(FIN | TEXT, MASK, b"\xff")),
        ("a frame of an exabyte", 1009, {
            let mut bytes = vec![FIN | BINARY, 0xff];
            bytes.extend((1u64 << 60).to_be_bytes());
            bytes.extend([0; 4]);
            bytes
        }),
        ("a message over the bound", 1009, {
            let part = vec![0; MESSAGE_MAX];
            [frame(BINARY, MASK, &part), frame(FIN | CONTINUATION, MASK, &part)].concat()
        }),
    ];
    for (name, expected, bytes) in lies {
        let (state, payload, output) = receive(&bytes);
        assert_eq!((state, payload.as_slice()), (State::Broken, &b""[..]), "{name}");
        assert_eq!(code(&output), expected, "{name}");
    }
}

#[test]
fn ours_are_unmasked_and_a_reason_is_cut_where_a_character_ends() {
    let mut socket = WebSocket::new();
    socket.send(b"RFB 003.008\n");
    assert_eq!(socket.take_output(), frame(FIN | BINARY, None, b"RFB 003.008\n"));
    socket.ping();
    assert_eq!(socket.take_output(), frame(FIN | PING, None, b""));
    socket.close(4001, &"\u{e9}".repeat(100));
    let output = socket.take_output();
    assert_eq!(code(&output), 4001);
    assert_eq!(std::str::from_utf8(&output[4..]).unwrap().chars().count(), REASON_MAX / 2);
    socket.send(b"late");
    socket.close(4002, "again");
    assert_eq!(socket.take_output(), b"");
    // The client's answer is the end of it.
    let mut payload = Vec::new();
    let answer = frame(FIN | CLOSE, MASK, &[0x0f, 0xa1]);
    assert_eq!(socket.receive(&answer, &mut payload), State::Closed);
}

proptest! {
    #[test]
    fn how_bytes_are_cut_makes_no_difference(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
        mask in any::<[u8; 4]>(),
        cuts in proptest::collection::vec(1usize..50, 1..20),
    ) {
        let bytes: Vec<u8> =
            messages.iter().flat_map(|payload| frame(FIN | BINARY, Some(mask), payload)).collect();
        let mut socket = WebSocket::new();
        let (mut payload, mut rest) = (Vec::new(), bytes.as_slice());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            prop_assert_eq!(socket.receive(piece, &mut payload), State::Open);
            rest = left;
        }
        prop_assert_eq!(payload, messages.concat());
        prop_assert!(socket.take_output().is_empty());
    }

    #[test]
    fn no_bytes_do_any_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut socket = WebSocket::new();
        let mut payload = Vec::new();
        let state = socket.receive(&bytes, &mut payload);
        prop_assert!(payload.len() <= bytes.len());
        if state == State::Broken {
            prop_assert!(socket.take_output().windows(2).any(|two| two[0] == FIN | CLOSE));
        }
    }
}
