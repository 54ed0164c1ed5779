//! The server ends at any moment, and another one goes on: what guests on rings see of it.

use std::time::Duration;

use xenstore_hypervisor::fake::Word;
use xenstore_store::{Life, Limits, Quota, Rates};

use super::world::World;

#[test]
fn a_guest_notices_nothing() {
    let mut world = World::new();
    let mut guest = world.guest(5);
    assert_eq!(world.ask(&mut guest, "WRITE data/a|one"), "OK|");
    assert_eq!(world.ask(&mut guest, "GET_DOMAIN_PATH 5|"), "/local/domain/5|");
    guest.send("WATCH data|mine|");
    world.run();
    assert_eq!(guest.hear(), ["OK|", "! data|mine|"]);
    world.kill();
    assert_eq!(guest.hear(), [""; 0], "nothing comes that it didn't ask for");
    assert_eq!(guest.end.word(Word::Error), 0);
    assert_eq!(world.ask(&mut guest, "READ data/a|"), "one");
    assert_eq!(world.dom0("WRITE /local/domain/5/data/b|two"), "OK|");
    assert_eq!(guest.hear(), ["! data/b|mine|"]);
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
}

#[test]
fn half_a_request_and_unread_answers_outlast_several_servers() {
    let mut world = World::new();
    let mut guest = world.guest(5);
    for number in 0..12 {
        guest.send(&format!("WRITE data/{number}|{}", "x".repeat(60)));
        guest.send(&format!("READ data/{number}|"));
        world.run();
    }
    let bytes = guest.encode("GET_DOMAIN_PATH 5|");
    guest.end.write(&bytes[..7]);
    guest.end.kick();
    world.run();
    world.kill();
    world.kill();
    guest.end.write(&bytes[7..]);
    guest.end.kick();
    let mut heard = vec![];
    for _ in 0..100 {
        heard.extend(guest.hear());
        guest.end.kick();
        world.run();
    }
    assert_eq!(heard.len(), 25, "{heard:?}");
    for pair in heard[..24].chunks(2) {
        assert_eq!(pair, ["OK|".to_owned(), "x".repeat(60)]);
    }
    assert_eq!(heard[24..], ["/local/domain/5|"]);
}

#[test]
fn tokens_that_were_spent_stay_spent() {
    let rates = Rates::new(1, 4, 1).expect("rates that make sense");
    let mut world = World::with(Limits { rates, quota: Quota::default() });
    let mut guest = world.guest(5);
    for _ in 0..6 {
        guest.send("GET_DOMAIN_PATH 5|");
    }
    world.run();
    assert_eq!(guest.hear().len(), 3, "the fourth token went for the first kick");
    world.kill();
    assert_eq!(guest.hear().len(), 0, "those that waited wait on");
    world.pass(Duration::from_secs(1));
    assert_eq!(guest.hear().len(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(guest.hear().len(), 1);
}

#[test]
fn a_domain_that_died_meanwhile_is_gone_and_news() {
    let mut world = World::new();
    let mut guest = world.guest(5);
    assert_eq!(world.ask(&mut guest, "WRITE data/a|one"), "OK|");
    world.kernel.send("WATCH @releaseDomain|r|");
    world.run();
    assert_eq!(world.kernel.hear(), ["OK|", "! @releaseDomain|r|"]);
    world.die_unheard(guest.end.domain(), Life::Gone);
    assert_eq!(world.kernel.hear(), ["! @releaseDomain|r|"]);
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 5|"), "F|");
    assert_eq!(world.dom0("READ /local/domain/5/data/a|"), "ENOENT");
}

#[test]
fn who_brings_a_crash_twice_in_a_row_is_given_up_and_nobody_else() {
    let mut world = World::new();
    let mut guest = world.guest(5);
    let mut other = world.guest(6);
    assert_eq!(world.ask(&mut guest, "WRITE data/a|one"), "OK|");
    let number_of = |world: &World, domain: u16| {
        let all = world.server.store.connections();
        let mut its = all.filter(|(_, _, caller)| caller.domain().number() == domain);
        its.next().expect("it is connected").0.number()
    };
    let (its, others) = (number_of(&world, 5), number_of(&world, 6));
    world.crash(its);
    assert_eq!(world.ask(&mut guest, "READ data/a|"), "one", "it may have been chance");
    world.crash(others);
    world.kill();
    world.crash(its);
    assert_eq!(world.ask(&mut guest, "READ data/a|"), "one", "they were not in a row");
    world.crash(its);
    assert_eq!(guest.end.word(Word::Error), 3, "it hears why nobody listens");
    assert_eq!(world.ask(&mut other, "GET_DOMAIN_PATH 6|"), "/local/domain/6|");
    assert_eq!(world.dom0("READ /local/domain/5/data/a|"), "one");
    assert_eq!(world.introduce(&guest), "OK|", "and it may begin anew");
    guest.begin_anew();
    assert_eq!(world.ask(&mut guest, "READ data/a|"), "one");
}
