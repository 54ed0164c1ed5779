//! Whatever a store is, it survives being written as a stream and read again; C xenstored's own
//! streams are read; and what makes no sense is refused, whatever it is.

use std::time::Duration;

use proptest::prelude::*;
use xenstore_store::{Caller, End, Limits, Link, Outcome, Store, Way};
use xenstore_wire::Operation;

use crate::restoring::{Step, any_step, message, take};

/// Written by Debian's C xenstored 4.17, without Xen: dom0's ring, a client that watches /a, the one
/// that asked for the live update and hasn't got its answer, and /a/b with a permission of a domain
/// that isn't there.
const OF_C: &[u8] = include_bytes!("streams/c-4.17");

/// A store that something has happened to, and who is connected.
fn lived(steps: &[Step]) -> (Store, Vec<Link>) {
    let mut store = Store::new(Limits::default());
    let (mut clients, mut now) = (vec![], Duration::ZERO);
    clients.push(store.connect(Caller::Dom0, Way::Socket, now));
    for step in steps {
        take(&mut store, &mut clients, step, &mut now);
        clients.retain(|client| store.caller(*client).is_some());
    }
    let all: Vec<_> = store.connections().collect();
    let links = (3_i32..).zip(all).map(|(number, (id, way, caller))| {
        let end = match way {
            Way::Ring => {
                let port = number.cast_unsigned();
                End::Ring { domain: caller.domain().number(), target: 0x7ff4, port }
            }
            Way::Socket => End::Socket(number),
        };
        // Of one more than a record of upstream's has room for.
        let came = vec![b'c'; if number == 4 { 70_000 } else { 10 }];
        let due = vec![b'd'; 5];
        Link { id, end, came, due }
    });
    let links = links.collect();
    (store, links)
}

fn ask(store: &mut Store, link: &Link, request: &str) -> String {
    match store.handle(link.id, &message(request, 0), Duration::ZERO) {
        Outcome::Answered(answer) => format!("{:?}", answer.reply),
        other => format!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_store_survives_being_written_and_read(steps in prop::collection::vec(any_step(), 0..120)) {
        let (store, links) = lived(&steps);
        let stream = store.write_stream(Some(3), None, &links);
        let (read, found) = Store::read_stream(&stream, 1, Limits::default())
            .expect("it wrote it itself");
        prop_assert_eq!(found.len(), links.len());
        for (found, link) in found.iter().zip(&links) {
            prop_assert_eq!((&found.end, &found.came, &found.due), (&link.end, &link.came, &link.due));
            prop_assert_eq!(read.caller(found.id), store.caller(link.id));
        }
        // Connections are numbered anew. Where that changes none, nothing is another in any way.
        if links.iter().zip(&found).all(|(link, found)| link.id == found.id) {
            let again = Store::restore(&store.image(), 1).expect("it wrote it itself");
            prop_assert_eq!(without_last(&read.image()), without_last(&again.image()));
        }
        prop_assert_eq!(read.write_stream(Some(3), None, &found), stream);
    }

    #[test]
    fn no_bytes_bring_the_reader_down(
        steps in prop::collection::vec(any_step(), 0..60),
        flipped in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..8),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (store, links) = lived(&steps);
        let mut stream = store.write_stream(None, Some(4), &links);
        for (at, bit) in &flipped {
            let at = at.index(stream.len());
            stream[at] ^= 1 << bit;
        }
        stream.truncate(cut.index(stream.len() + 1));
        let _ = Store::read_stream(&stream, 1, Limits::default());
        let _ = Store::read_stream(&noise, 1, Limits::default());
        let mut begun = OF_C[..16].to_vec();
        begun.extend(&noise);
        let _ = Store::read_stream(&begun, 1, Limits::default());
    }
}

/// An image without the number that the last connection had, which a stream doesn't tell.
fn without_last(image: &[u8]) -> Vec<u8> {
    const LAST_CONNECTION: u8 = 14;
    const BYTES: usize = 1 + 4 + 8;
    let limits = 5 + u32::from_le_bytes(*image[1..].first_chunk().expect("a length")) as usize;
    assert_eq!(image[limits], LAST_CONNECTION);
    [&image[..limits], &image[limits + BYTES..]].concat()
}

#[test]
fn debians_c_xenstored_is_followed() {
    let (mut store, links) =
        Store::read_stream(OF_C, 0, Limits::default()).expect("C xenstored wrote it");
    let ends: Vec<End> = links.iter().map(|link| link.end).collect();
    let own_ring = End::Ring { domain: 0, target: 0x7ff4, port: 2 };
    assert_eq!(ends, [own_ring, End::Socket(7), End::Socket(8)]);
    let answer = [&[0; 12][..], &[3, 0, 0, 0], b"OK\0"].concat();
    assert_eq!([&links[0].due, &links[1].due, &links[2].due], [&vec![], &vec![], &answer]);
    for (request, reply) in [
        ("READ /a/b|", r#"Value([111, 110, 101])"#),
        ("READ /tool/xenstored|", "Value([])"),
        ("CONTROL check|", "Text([79, 75])"),
    ] {
        assert_eq!(ask(&mut store, &links[0], request), reply, "{request}");
    }
    let permissions = ask(&mut store, &links[0], "GET_PERMS /a/b|");
    assert!(!permissions.contains("DomainId(5)"), "no domain 5 was there: {permissions}");
    let written = message("WRITE /a/c|1", 0);
    assert_eq!(written.operation(), Some(Operation::Write));
    match store.handle(links[2].id, &written, Duration::ZERO) {
        Outcome::Answered(answer) => {
            let hear: Vec<_> = answer.notices.iter().map(|notice| notice.to).collect();
            assert_eq!(hear, [links[1].id], "the watch is there");
        }
        other => panic!("{other:?}"),
    }
}

/// The same stream as a machine of the other byte order would have written it.
fn turned(stream: &[u8]) -> Vec<u8> {
    let mut out = stream.to_vec();
    out[15] = 1;
    let turn = |out: &mut Vec<u8>, at: usize, width: usize| out[at..at + width].reverse();
    let mut at = 16;
    while at < out.len() {
        let word = |at: usize| u32::from_le_bytes(*stream[at..].first_chunk().expect("a word"));
        let (kind, length) = (word(at), word(at + 4) as usize);
        let widths: &[usize] = match kind {
            1 => &[4, 4],
            2 if stream[at + 12] == 0 => &[4, 2, 2, 2, 2, 4, 2, 2, 4],
            2 => &[4, 2, 2, 4, 4, 2, 2, 4],
            3 => &[4, 2, 2],
            5 => &[4, 4, 2, 2, 2, 2],
            _ => &[],
        };
        turn(&mut out, at, 4);
        turn(&mut out, at + 4, 4);
        let mut field = at + 8;
        for width in widths {
            turn(&mut out, field, *width);
            field += width;
        }
        if kind == 5 {
            for entry in 0..usize::from(stream[field - 2]) {
                turn(&mut out, field + entry * 4 + 2, 2);
            }
        }
        at += 8 + length;
    }
    out
}

#[test]
fn the_other_byte_order_says_the_same() {
    let (store, links) = Store::read_stream(OF_C, 0, Limits::default()).expect("a stream");
    let (other, others) =
        Store::read_stream(&turned(OF_C), 0, Limits::default()).expect("a stream");
    assert_eq!(other.image(), store.image());
    assert_eq!(others, links);
}

#[test]
fn whatever_was_cut_is_refused() {
    let steps = [Step::Connect(5), Step::Ask { who: 0, within: 0, request: "WRITE /a/b|two" }];
    let (store, links) = lived(&steps);
    for stream in [OF_C.to_vec(), store.write_stream(None, None, &links)] {
        for length in 0..stream.len() {
            let read = Store::read_stream(&stream[..length], 1, Limits::default());
            assert!(read.is_err_and(|refused| refused.at <= length), "{length}");
        }
    }
}

#[test]
fn a_stream_of_no_known_make_is_refused() {
    for (at, byte) in [(0, b'X'), (8, 1), (11, 0), (11, 3), (12, 1), (15, 2)] {
        let mut stream = OF_C.to_vec();
        stream[at] = byte;
        let refused = Store::read_stream(&stream, 1, Limits::default());
        assert!(refused.is_err_and(|refused| refused.at == 0), "{at}: {byte}");
    }
}

/// A stream of version 2 with one record in it.
fn with(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut stream = b"xenstore\0\0\0\x02\0\0\0\0".to_vec();
    for (kind, body) in [(kind, body), (0, &[][..])] {
        stream.extend(kind.to_le_bytes());
        stream.extend(u32::try_from(body.len()).expect("a short body").to_le_bytes());
        stream.extend(body);
        stream.resize(stream.len().next_multiple_of(8), 0);
    }
    stream
}

#[test]
fn records_of_others_are_skipped_and_what_they_call_quotas_too() {
    let read = |stream: &[u8]| Store::read_stream(stream, 1, Limits::default());
    for kind in [9, 0x57, 0x100, u32::MAX] {
        assert!(read(&with(kind, b"whatever")).is_ok(), "{kind}");
    }
    let quotas = [&[2, 0, 1, 0][..], &[7, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0], b"nodes\0other\0all\0"];
    let (store, _) = read(&with(6, &quotas.concat())).expect("it makes sense");
    let mut limits = Limits::default();
    limits.quota.nodes = 7;
    assert_eq!(store.image(), {
        let (store, _) = Store::read_stream(&with(9, &[]), 1, limits).expect("it makes sense");
        store.image()
    });
}

#[test]
fn lengths_that_lie_are_refused() {
    let read = |stream: &[u8]| Store::read_stream(stream, 1, Limits::default()).is_err();
    let lies: [(u32, &[u8]); 6] = [
        (2, &[1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]),
        (3, &[1, 0, 0, 0, 255, 255, 255, 255, b'/', 0]),
        (5, &[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 255, 255, b'n', 0, 0, 0, b'/', 0]),
        (6, &[255, 255, 255, 255, 0, 0]),
        (7, &[5, 0, 255, 255, 0, 0, 0, 0]),
        (0x58, &[255, 255, 255, 255, 1]),
    ];
    for (kind, body) in lies {
        assert!(read(&with(kind, body)), "{kind}");
    }
    let mut stream = with(9, b"12345678");
    stream[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(read(&stream));
}

#[test]
fn sockets_that_speak_for_a_domain_are_nobody_elses_to_take_for_dom0s() {
    let mut store = Store::new(Limits::default());
    let client = store.connect(Caller::Dom0, Way::Socket, Duration::ZERO);
    for request in ["WATCH /a|t|", "RESTRICT 5|"] {
        store.handle(client, &message(request, 0), Duration::ZERO);
    }
    let link = Link { id: client, end: End::Socket(7), came: vec![], due: vec![] };
    let stream = store.write_stream(None, None, &[link]);
    let mut at = 16;
    while at < stream.len() {
        let word = |at: usize| u32::from_le_bytes(*stream[at..].first_chunk().expect("a word"));
        assert!(![2, 3, 4, 8].contains(&word(at)), "another store would know it");
        at += 8 + word(at + 4) as usize;
    }
    let (mut read, links) = Store::read_stream(&stream, 1, Limits::default()).expect("its own");
    assert_eq!(read.caller(links[0].id), store.caller(client));
    assert_eq!(ask(&mut read, &links[0], "RELEASE 5|"), "Error(Eacces)");
}
