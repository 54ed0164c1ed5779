//! Domains that shut down, die, and come again under the same number.

use xenstore_store::{Caller, Life};

use super::world::World;

const RELEASED: &str = "! @releaseDomain|out|";

fn watching() -> World {
    let mut world = World::new();
    assert_eq!(world.dom0("WATCH @releaseDomain|out|"), "OK|");
    let _first = world.dom0_hears();
    world
}

#[test]
fn a_shutdown_is_told_once_and_tears_nothing_down_and_the_end_is_told_once() {
    let mut world = watching();
    let mut five = world.guest(5);
    assert_eq!(world.ask(&mut five, "WRITE data/x|1"), "OK|");
    let domain = five.end.domain();
    let identity = world.identity();
    for expected in [&[RELEASED][..], &[]] {
        world.machine.set_life(domain, Life::ShutDown(identity));
        assert_eq!(world.dom0_hears(), expected);
    }
    assert_eq!(world.dom0("READ /local/domain/5/data/x|"), "1");
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 5|"), "T|");

    world.machine.set_life(domain, Life::Gone);
    assert_eq!(world.dom0_hears(), [RELEASED]);
    assert_eq!(world.dom0("READ /local/domain/5/data/x|"), "ENOENT");
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 5|"), "F|");
    assert_eq!(world.machine.masked(domain), None, "its port is given back");
}

#[test]
fn a_domain_that_was_resumed_can_shut_down_again() {
    let mut world = watching();
    let five = world.guest(5);
    let (domain, identity) = (five.end.domain(), world.identity());
    for _ in 0..2 {
        world.machine.set_life(domain, Life::ShutDown(identity));
        assert_eq!(world.dom0_hears(), [RELEASED]);
        world.machine.set_life(domain, Life::Running(identity));
        assert_eq!(world.dom0("RESUME 5|"), "OK|");
        assert_eq!(world.dom0_hears(), [""; 0]);
    }
}

#[test]
fn xsa_233_a_domain_and_the_one_that_acts_for_it_may_die_together() {
    let mut world = watching();
    let (five, six) = (world.guest(5), world.guest(6));
    assert_eq!(world.dom0("SET_TARGET 6|5|"), "OK|");
    world.machine.set_life(five.end.domain(), Life::Gone);
    world.machine.set_life(six.end.domain(), Life::Gone);
    assert_eq!(world.dom0_hears(), [RELEASED]);
    assert_eq!(world.machine.ports(), 2);
    let mut next = world.guest(6);
    let _target = world.guest(5);
    assert_eq!(world.dom0("WRITE /local/domain/5/x|1"), "OK|");
    assert_eq!(world.ask(&mut next, "READ /local/domain/5/x|"), "EACCES");
}

#[test]
fn a_domain_that_dies_at_once_is_told_once() {
    let mut world = watching();
    let five = world.guest(5);
    world.machine.set_life(five.end.domain(), Life::Gone);
    assert_eq!(world.dom0_hears(), [RELEASED]);
    assert_eq!(world.dom0_hears(), [""; 0]);
}

#[test]
fn xsa_325_a_guest_with_a_broken_ring_is_told_gone_when_it_dies_and_not_before() {
    let mut world = watching();
    let five = world.guest(5);
    five.end.set(xenstore_hypervisor::fake::Word::RequestProducer, 5000);
    five.end.kick();
    assert_eq!(world.dom0_hears(), [""; 0]);
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 5|"), "T|");
    world.machine.set_life(five.end.domain(), Life::Gone);
    assert_eq!(world.dom0_hears(), [RELEASED]);
    assert_eq!(world.machine.ports(), 2, "dom0's and that of ends are left");
}

#[test]
fn xsa_322_and_417_a_domain_of_the_same_number_is_granted_nothing() {
    let mut world = World::new();
    let mut five = world.guest(5);
    assert_eq!(world.dom0("WRITE /granted|secret"), "OK|");
    assert_eq!(world.dom0("SET_PERMS /granted|n0|r5|"), "OK|");
    assert_eq!(world.dom0("SET_PERMS @releaseDomain|n0|r5|"), "OK|");
    assert_eq!(world.ask(&mut five, "READ /granted|"), "secret");
    let mut client = world.client(Caller::Domain(five.end.domain()));
    assert_eq!(world.ask_on(&mut client, "READ /granted|"), "secret");

    world.machine.set_life(five.end.domain(), Life::Gone);
    world.run();
    let mut next = world.guest(5);
    assert_eq!(world.ask(&mut next, "READ /granted|"), "EACCES");
    assert_eq!(world.dom0("GET_PERMS /granted|"), "n0|");
    assert_eq!(world.dom0("GET_PERMS @releaseDomain|"), "n0|");
    let mut byte = [0];
    let read = std::io::Read::read(&mut client.end, &mut byte).expect("the end");
    assert_eq!(read, 0, "its socket has ended");
}

#[test]
fn another_domain_under_a_known_number_is_found_out_by_its_identity() {
    let mut world = watching();
    let mut five = world.guest(5);
    assert_eq!(world.ask(&mut five, "WRITE data/x|1"), "OK|");
    assert_eq!(world.dom0("WRITE /granted|secret"), "OK|");
    assert_eq!(world.dom0("SET_PERMS /granted|n0|r5|"), "OK|");
    // The old one went and the new one came between two looks.
    let _new = world.machine.start(five.end.domain(), 4711);
    world.machine.set_life(five.end.domain(), Life::Running(4711));
    assert_eq!(world.dom0_hears(), [RELEASED]);
    assert_eq!(world.dom0("GET_PERMS /granted|"), "n0|");
    assert_eq!(world.dom0("READ /local/domain/5/data/x|"), "ENOENT");
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 5|"), "F|");
}

#[test]
fn xsa_419_and_483_what_a_dead_domain_owned_is_gone_and_its_quota_is_whole_again() {
    let mut world = World::new();
    assert_eq!(world.dom0("MKDIR /shared|"), "OK|");
    for _ in 0..3 {
        let mut five = world.guest(5);
        assert_eq!(world.dom0("SET_PERMS /shared|n0|b5|"), "OK|");
        let mut made = 0;
        while world.ask(&mut five, &format!("WRITE /shared/n{made}|")) == "OK|" {
            made += 1;
            world.pass(std::time::Duration::from_millis(2));
        }
        // Its home is one of the thousand.
        assert_eq!(made, 999);
        world.machine.set_life(five.end.domain(), Life::Gone);
        world.run();
        assert_eq!(world.dom0("DIRECTORY /shared|"), "");
        assert_eq!(world.dom0("CONTROL check|"), "OK|");
    }
}

#[test]
fn domains_that_die_in_one_moment_are_told_in_one() {
    let mut world = watching();
    let (five, six) = (world.guest(5), world.guest(6));
    world.machine.set_life(five.end.domain(), Life::Gone);
    world.machine.set_life(six.end.domain(), Life::Gone);
    assert_eq!(world.dom0_hears(), [RELEASED]);
    assert_eq!(world.machine.ports(), 2);
}
