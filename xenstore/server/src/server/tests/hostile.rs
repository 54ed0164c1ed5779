//! Guests that break the rules of the ring: each loses its own connection, and nobody else's.

use std::time::Duration;

use xenstore_hypervisor::fake::{Guest, Word};

use super::world::{Speaker, World};
use crate::faults;

/// A guest that misbehaves, and one that doesn't, whose watch must survive.
fn pair(world: &mut World) -> (Speaker<Guest>, Speaker<Guest>) {
    let bad = world.guest(5);
    let mut good = world.guest(6);
    assert_eq!(world.ask(&mut good, "WRITE data/x|1"), "OK|");
    (bad, good)
}

/// The good guest and dom0 are served as before.
fn assert_served(world: &mut World, good: &mut Speaker<Guest>) {
    assert_eq!(world.ask(good, "READ data/x|"), "1");
    assert_eq!(world.dom0("READ /local/domain/6/data/x|"), "1");
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 5|"), "T|", "it lives until it dies (XSA-325)");
}

/// The bad guest is not answered, whatever it says, and may begin anew.
fn assert_silenced(world: &mut World, bad: &mut Speaker<Guest>, error: u32) {
    assert_eq!(bad.end.word(Word::Error), error);
    bad.end.set(Word::RequestProducer, bad.end.word(Word::RequestConsumer));
    let answered = bad.end.word(Word::ResponseProducer);
    bad.send("READ data|");
    world.run();
    assert_eq!(bad.end.word(Word::ResponseProducer), answered);
    bad.end.set(Word::Connection, 1);
    bad.end.kick();
    world.run();
    bad.begin_anew();
    assert_eq!([bad.end.word(Word::Error), bad.end.word(Word::Connection)], [0, 0]);
    assert_eq!(world.ask(bad, "READ none|"), "ENOENT");
}

#[test]
fn xsa_38_indices_that_lie_silence_the_liar_alone() {
    for (word, value) in [
        (Word::RequestProducer, 1025),
        (Word::RequestProducer, u32::MAX),
        (Word::RequestProducer, 1 << 31),
        (Word::ResponseConsumer, 1),
        (Word::ResponseConsumer, u32::MAX - 2000),
    ] {
        let mut world = World::new();
        let (mut bad, mut good) = pair(&mut world);
        bad.send("READ none|");
        bad.end.set(word, value);
        bad.end.kick();
        world.run();
        assert_silenced(&mut world, &mut bad, 2);
        assert_served(&mut world, &mut good);
    }
}

#[test]
fn xsa_420_a_length_above_the_limit_silences_whatever_its_sign_is() {
    for length in [4097, 5000, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let mut world = World::new();
        let (mut bad, mut good) = pair(&mut world);
        let header = [2_u32, 1, 0, length];
        let bytes: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
        bad.end.write(&bytes);
        bad.end.kick();
        world.run();
        assert_silenced(&mut world, &mut bad, 3);
        assert_served(&mut world, &mut good);
    }
}

#[test]
fn what_came_before_nonsense_is_answered() {
    let mut world = World::new();
    let (mut bad, _good) = pair(&mut world);
    let before = bad.encode("WRITE data/x|1");
    bad.end.write(&before);
    bad.end.write(&[0xff; 16]);
    bad.end.kick();
    world.run();
    assert_eq!(bad.hear(), ["OK|"]);
    assert_eq!(bad.end.word(Word::Error), 3);
}

#[test]
fn a_producer_that_goes_back_silences() {
    let mut world = World::new();
    let (mut bad, mut good) = pair(&mut world);
    assert_eq!(world.ask(&mut bad, "READ none|"), "ENOENT");
    let producer = bad.end.word(Word::RequestProducer);
    bad.end.set(Word::RequestProducer, producer - 1);
    bad.end.kick();
    world.run();
    assert_silenced(&mut world, &mut bad, 2);
    assert_served(&mut world, &mut good);
}

#[test]
fn words_of_the_stores_own_that_a_guest_overwrites_mean_nothing() {
    let mut world = World::new();
    let (mut bad, mut good) = pair(&mut world);
    assert_eq!(world.ask(&mut bad, "READ none|"), "ENOENT");
    bad.end.set(Word::Features, 0xffff);
    bad.end.set(Word::Error, 77);
    bad.send("READ none|");
    bad.end.set(Word::RequestConsumer, 12_345);
    world.run();
    assert_eq!(bad.hear(), ["ENOENT"]);
    assert_served(&mut world, &mut good);
}

#[test]
fn xsa_326_a_guest_that_never_reads_holds_a_bounded_number_of_replies() {
    let mut world = World::new();
    let (mut bad, mut good) = pair(&mut world);
    let value = "x".repeat(700);
    assert_eq!(world.ask(&mut bad, &format!("WRITE data/x|{value}")), "OK|");
    let request = bad.encode("READ data/x|");
    let mut taken = 0;
    for _ in 0..3000 {
        taken += usize::from(bad.end.write(&request) == request.len());
        bad.end.kick();
        world.run();
        world.pass(Duration::from_millis(10));
    }
    // Twenty replies wait, as the quota says; the rest lies in the ring, and in one read of it.
    assert!(taken < 20 + 100, "{taken} requests were taken without a reply being read");
    assert_served(&mut world, &mut good);
    // It is served again once it reads.
    let mut heard = 0;
    for _ in 0..2000 {
        heard += bad.hear().len();
        bad.end.kick();
        world.pass(Duration::from_millis(10));
    }
    assert_eq!(heard, taken, "each is answered");
    assert_eq!(bad.end.word(Word::Error), 0);
}

#[test]
fn xsa_326_a_guest_that_never_reads_its_events_is_given_up_and_told_so() {
    let mut world = World::new();
    let (mut bad, mut good) = pair(&mut world);
    let token = "t".repeat(900);
    assert_eq!(world.dom0("MKDIR /storm|"), "OK|");
    assert_eq!(world.dom0("SET_PERMS /storm|r0|"), "OK|");
    bad.send(&format!("WATCH /storm|{token}|"));
    world.run();
    assert_eq!(bad.hear()[0], "OK|");
    for number in 0..1200 {
        world.dom0(&format!("WRITE /storm/{number}|x"));
    }
    assert_eq!(bad.end.word(Word::Error), 1);
    assert_served(&mut world, &mut good);
}

#[test]
fn a_guest_that_flips_to_reconnection_in_the_middle_of_everything_is_served_again_each_time() {
    let mut world = World::new();
    let (mut bad, mut good) = pair(&mut world);
    for round in 0..200_usize {
        let bytes = bad.encode("WRITE data/x|value");
        bad.end.write(&bytes[..round % bytes.len()]);
        bad.end.set(Word::Connection, 1);
        bad.end.kick();
        world.run();
        bad.begin_anew();
        assert_eq!(bad.end.word(Word::Connection), 0);
    }
    assert_eq!(world.ask(&mut bad, "WRITE data/x|v"), "OK|");
    assert_eq!(world.machine.ports(), 4, "dom0's, two guests', and that of ends");
    assert_served(&mut world, &mut good);
}

#[test]
fn xsa_425_a_domain_released_while_others_are_served_leaves_nothing_behind() {
    let mut world = World::new();
    let (mut bad, mut good) = pair(&mut world);
    for _ in 0..20 {
        bad.send("READ none|");
        good.send("READ data/x|");
        assert_eq!(world.dom0("RELEASE 5|"), "OK|");
        assert_eq!(world.machine.masked(bad.end.domain()), None, "its port is given back");
        assert_eq!(good.hear(), ["1"]);
        assert_eq!(world.introduce(&bad), "OK|");
        world.run();
        let _left = bad.hear();
    }
}

#[test]
fn calls_that_are_interrupted_or_move_one_byte_at_a_time_lose_nothing() {
    let mut world = World::new();
    for (interrupted, bytes) in [(1, 1), (5, 3), (0, 15)] {
        faults::befall(interrupted, 10_000, bytes);
        assert_eq!(world.dom0("WRITE /a|some words"), "OK|");
        assert_eq!(world.dom0("READ /a|"), "some words");
        world.kill();
        assert_eq!(world.dom0("READ /a|"), "some words");
        assert_eq!(world.dom0("CONTROL check|"), "OK|");
    }
}
