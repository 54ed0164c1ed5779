//! Honest guests on their rings: every way in which bytes can be cut, wrapped and begun anew.

use std::time::Duration;

use xenstore_hypervisor::fake::Word;
use xenstore_store::Caller;
use xenstore_wire::DomainId;

use super::world::World;

#[test]
fn a_guest_reads_and_writes_through_its_ring_and_is_woken_for_it() {
    let mut world = World::new();
    let mut five = world.guest(5);
    let woken = five.end.woken();
    assert_eq!(world.ask(&mut five, "WRITE data/x|hello"), "OK|");
    assert_eq!(world.ask(&mut five, "READ data/x|"), "hello");
    assert_eq!(world.dom0("READ /local/domain/5/data/x|"), "hello");
    assert_eq!(world.ask(&mut five, "READ /local/domain/6/x|"), "EACCES");
    assert!(five.end.woken() >= woken + 3);
    assert_eq!(world.machine.masked(five.end.domain()), Some(false));
}

#[test]
fn the_kernel_that_the_store_runs_on_is_dom0_on_a_ring_and_cannot_be_narrowed() {
    let mut world = World::new();
    assert!(world.kernel.end.woken() > 0, "it waits to be told that there is a store");
    for (request, answer) in [
        ("WRITE /vm/x|1", "OK|"),
        ("IS_DOMAIN_INTRODUCED 0|", "T|"),
        ("RESTRICT 5|", "EACCES"),
        ("READ /vm/x|", "1"),
    ] {
        world.kernel.send(request);
        world.run();
        assert_eq!(world.kernel.hear(), [answer], "{request}");
    }
}

#[test]
fn the_page_says_what_the_store_offers() {
    let mut world = World::new();
    let five = world.guest(5);
    let words = [Word::Features, Word::Connection, Word::Error].map(|word| five.end.word(word));
    assert_eq!(words, [15, 0, 0]);
}

#[test]
fn messages_may_be_cut_anywhere_also_within_a_header_that_wraps_around() {
    let mut world = World::new();
    let mut five = world.guest(5);
    // One byte at a time, once around the ring and more: every cut meets every place.
    for round in 0..120 {
        let bytes = five.encode(&format!("WRITE data/{round}|{round}"));
        for byte in &bytes {
            assert_eq!(five.end.write(&[*byte]), 1);
            five.end.kick();
            world.run();
        }
        assert_eq!(five.hear(), ["OK|"], "{round}");
        world.pass(Duration::from_secs(1));
    }
}

#[test]
fn two_requests_in_one_kick_are_both_answered_wherever_the_second_header_wraps() {
    let mut world = World::new();
    let mut five = world.guest(5);
    for length in 0..64 {
        let value = "x".repeat(900 + length);
        let first = five.encode(&format!("WRITE data/x|{value}"));
        let second = five.encode("READ data/none|");
        assert_eq!(five.end.write(&first), first.len());
        assert_eq!(five.end.write(&second), second.len());
        five.end.kick();
        world.run();
        assert_eq!(five.hear(), ["OK|", "ENOENT"], "{length}");
    }
}

#[test]
fn a_reply_longer_than_the_ring_comes_in_parts_as_the_guest_makes_room() {
    let mut world = World::new();
    let mut five = world.guest(5);
    let value = "v".repeat(2000);
    let request = five.encode(&format!("WRITE data/x|{value}"));
    let mut rest = request.as_slice();
    while !rest.is_empty() {
        rest = &rest[five.end.write(rest)..];
        five.end.kick();
        world.run();
    }
    assert_eq!(five.hear(), ["OK|"]);
    five.send("READ data/x|");
    world.run();
    let mut heard = five.hear();
    while heard.is_empty() {
        five.end.kick();
        world.run();
        heard = five.hear();
    }
    assert_eq!(heard, [value]);
}

#[test]
fn what_a_guest_wrote_before_it_was_introduced_is_answered_then() {
    let mut world = World::new();
    let mut five = world.start(5);
    five.send("READ nothing|");
    assert_eq!(world.introduce(&five), "OK|");
    assert_eq!(five.hear(), ["ENOENT"]);
}

#[test]
fn a_domain_that_does_not_run_cannot_be_introduced() {
    let mut world = World::new();
    assert_eq!(world.dom0("INTRODUCE 9|1|3|"), "EINVAL");
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 9|"), "F|");
    assert_eq!(world.dom0("INTRODUCE 0|1|3|"), "OK|");
}

#[test]
fn a_guest_that_asks_to_reconnect_begins_anew_and_nothing_old_is_left() {
    let mut world = World::new();
    let mut five = world.guest(5);
    five.send("WATCH data|old|");
    world.run();
    assert_eq!(five.hear(), ["OK|", "! data|old|"]);
    assert_eq!(world.ask(&mut five, "TRANSACTION_START |"), "1|");
    // In the middle of a packet, with a reply unread.
    five.send("READ none|");
    let half = five.encode("WRITE data/x|never");
    five.end.write(&half[..20]);
    world.run();
    five.end.set(Word::Connection, 1);
    five.end.kick();
    world.run();
    five.begin_anew();
    assert_eq!(five.end.word(Word::Connection), 0);
    assert_eq!(five.hear(), [""; 0]);
    assert_eq!(world.dom0("WRITE /local/domain/5/data/y|1"), "OK|");
    assert_eq!(five.hear(), [""; 0], "the old watch is gone");
    assert_eq!(world.ask(&mut five, "TRANSACTION_END@1 T|"), "ENOENT");
    assert_eq!(world.ask(&mut five, "READ data/x|"), "ENOENT");
}

#[test]
fn to_be_introduced_again_is_to_begin_anew_on_another_channel() {
    let mut world = World::new();
    let mut five = world.guest(5);
    let ports = world.machine.ports();
    assert_eq!(world.ask(&mut five, "TRANSACTION_START |"), "1|");
    five.end.write(b"half a header");
    five.end.kick();
    world.run();
    assert_eq!(world.introduce(&five), "OK|");
    five.begin_anew();
    assert_eq!(world.machine.ports(), ports);
    assert_eq!(five.hear(), [""; 0]);
    assert_eq!(world.ask(&mut five, "TRANSACTION_END@1 T|"), "ENOENT");
    assert_eq!(world.ask(&mut five, "WRITE data/x|1"), "OK|");
}

#[test]
fn a_ring_and_a_restricted_socket_see_one_home_and_share_quotas() {
    let mut world = World::new();
    let mut five = world.guest(5);
    let domain = DomainId::new(5).expect("a small number");
    let mut client = world.client(Caller::Domain(domain));
    assert_eq!(world.ask(&mut five, "WRITE data/x|1"), "OK|");
    assert_eq!(world.ask_on(&mut client, "READ data/x|"), "1");
    for number in 1..=10 {
        assert_eq!(world.ask(&mut five, "TRANSACTION_START |"), format!("{number}|"));
    }
    assert_eq!(world.ask_on(&mut client, "TRANSACTION_START |"), "ENOSPC");
}
