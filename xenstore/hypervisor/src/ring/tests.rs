//! One ring, seen from both ends.

use std::thread;
use std::time::{Duration, Instant};

use xenstore_wire::DomainId;

use super::*;
use crate::fake::{FakeHypervisor, Guest, Machine, Word};
use crate::hypervisor::Hypervisor;

/// Longer than anything takes that goes well.
const PATIENCE: Duration = Duration::from_secs(20);

fn pair() -> (Guest, Ring) {
    let (machine, guest) = started();
    let ring = taken(&machine, &guest);
    (guest, ring)
}

fn started() -> (Machine, Guest) {
    let machine = Machine::default();
    let guest = machine.start(DomainId::new(5).expect("a small number"), 1);
    (machine, guest)
}

fn taken(machine: &Machine, guest: &Guest) -> Ring {
    Ring::take(FakeHypervisor::new(machine).map(guest.domain()).expect("its page"), 3)
}

fn received(ring: &mut Ring) -> Result<Vec<u8>, Broken> {
    let mut bytes = vec![];
    ring.receive(&mut bytes).map(|_| bytes)
}

#[test]
fn bytes_go_both_ways_around_the_ring_and_around_the_count() {
    let (machine, guest) = started();
    for start in [0, 1000, u32::MAX - 1500] {
        for word in [
            Word::RequestConsumer,
            Word::RequestProducer,
            Word::ResponseConsumer,
            Word::ResponseProducer,
        ] {
            guest.set(word, start);
        }
        let mut ring = taken(&machine, &guest);
        for round in 0..10_u8 {
            let sent: Vec<u8> = (0..700_u32).map(|at| at.to_le_bytes()[0] ^ round).collect();
            assert_eq!(guest.write(&sent), sent.len());
            assert_eq!(received(&mut ring), Ok(sent.clone()));
            assert_eq!(ring.send(&sent), Ok(sent.len()));
            assert_eq!(guest.read(), sent);
        }
    }
}

#[test]
fn a_full_ring_takes_no_more_and_gives_all() {
    let (guest, mut ring) = pair();
    assert_eq!(guest.write(&[1; 2000]), RING_BYTES);
    assert_eq!(received(&mut ring).map(|bytes| bytes.len()), Ok(RING_BYTES));
    assert_eq!(ring.send(&[2; 2000]), Ok(RING_BYTES));
    assert_eq!(ring.send(&[2]), Ok(0));
    assert_eq!(guest.read(), vec![2; RING_BYTES]);
    assert_eq!(ring.send(&[2]), Ok(1));
}

#[test]
fn an_index_outside_the_ring_is_refused_and_nothing_is_read() {
    for producer in [1025, u32::MAX, 1 << 31] {
        let (guest, mut ring) = pair();
        guest.set(Word::RequestProducer, producer);
        assert_eq!(received(&mut ring), Err(Broken), "{producer}");
        assert_eq!(guest.word(Word::RequestConsumer), 0);
    }
    for consumer in [1, u32::MAX - 1024, 1 << 31] {
        let (guest, mut ring) = pair();
        guest.set(Word::ResponseConsumer, consumer);
        assert_eq!(ring.send(b"x"), Err(Broken), "{consumer}");
        assert_eq!(guest.word(Word::ResponseProducer), 0);
    }
}

#[test]
fn a_producer_that_goes_back_is_refused() {
    let (guest, mut ring) = pair();
    guest.write(&[1; 100]);
    assert_eq!(received(&mut ring).map(|bytes| bytes.len()), Ok(100));
    guest.set(Word::RequestProducer, 99);
    assert_eq!(received(&mut ring), Err(Broken));
}

#[test]
fn what_a_guest_writes_over_the_stores_own_words_is_not_believed() {
    let (guest, mut ring) = pair();
    guest.write(b"one");
    guest.set(Word::RequestConsumer, 3);
    guest.set(Word::ResponseProducer, 77);
    assert_eq!(received(&mut ring), Ok(b"one".to_vec()));
    assert_eq!(ring.send(b"two"), Ok(3));
    assert_eq!(guest.word(Word::ResponseProducer), 3);
    assert_eq!(guest.word(Word::RequestConsumer), 3);
}

#[test]
fn a_ring_that_is_reset_begins_anew() {
    let (guest, mut ring) = pair();
    guest.write(b"half a mess");
    assert_eq!(ring.send(b"unread"), Ok(6));
    ring.tell(Trouble::Protocol);
    assert_eq!(guest.word(Word::Error), 3);
    guest.set(Word::Connection, 1);
    assert!(ring.wants_reconnection());
    ring.reset();
    assert!(!ring.wants_reconnection() && !ring.has_requests());
    assert_eq!([guest.word(Word::Error), guest.word(Word::Connection)], [0, 0]);
    assert_eq!(guest.read(), b"");
    guest.write(b"new");
    assert_eq!(received(&mut ring), Ok(b"new".to_vec()));
}

#[test]
fn a_ring_that_an_earlier_store_has_left_is_taken_where_it_stands() {
    let (machine, guest) = started();
    let mut ring = taken(&machine, &guest);
    guest.write(b"one");
    assert_eq!(received(&mut ring), Ok(b"one".to_vec()));
    assert_eq!(ring.send(b"answer"), Ok(6));
    guest.write(b"two");
    drop(ring);
    let mut next = taken(&machine, &guest);
    assert_eq!(received(&mut next), Ok(b"two".to_vec()));
    assert_eq!(next.send(b"s"), Ok(1));
    assert_eq!(guest.read(), b"answers");
}

#[test]
fn a_guest_that_waits_for_a_store_is_told_that_there_is_one() {
    let (machine, guest) = started();
    guest.set(Word::Connection, 1);
    guest.write(b"left by another kernel");
    let mut ring = taken(&machine, &guest);
    assert_eq!(guest.word(Word::Connection), 0);
    assert_eq!(received(&mut ring), Ok(vec![]));
}

/// Whatever the words are at any moment, no more than a ring is ever taken or given, and every call
/// ends.
#[test]
fn a_guest_that_scribbles_all_the_time_breaks_nothing_but_its_ring() {
    let (guest, mut ring) = pair();
    let stop = AtomicU32::new(0);
    let stopped = &stop;
    thread::scope(|scope| {
        let scribbler = &guest;
        let thread = scope.spawn(move || {
            let mut value = 1_u32;
            while stopped.load(Ordering::Relaxed) == 0 {
                value = value.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                scribbler.scribble(value, value.to_le_bytes()[3]);
                // Mostly where a ring has room, and now and then beyond it.
                let step = (value >> 16) % 1100;
                let consumed = scribbler.word(Word::RequestConsumer);
                scribbler.set(Word::RequestProducer, consumed.wrapping_add(step));
                let produced = scribbler.word(Word::ResponseProducer);
                scribbler.set(Word::ResponseConsumer, produced.wrapping_sub(step));
                scribbler.set(Word::Error, value);
            }
        });
        let (mut good, mut bad) = (0, 0);
        let begun = Instant::now();
        while good < 10_000 || bad < 100 {
            let mut bytes = vec![];
            for went in [ring.receive(&mut bytes), ring.send(&[0; 3000])] {
                match went {
                    Ok(length) => {
                        assert!(length <= RING_BYTES);
                        good += 1;
                    }
                    Err(Broken) => bad += 1,
                }
            }
            assert!(bytes.len() <= RING_BYTES);
            assert!(begun.elapsed() < PATIENCE, "{good} went well and {bad} didn't");
        }
        stop.store(1, Ordering::Relaxed);
        thread.join().expect("the scribbler ends");
    });
}
