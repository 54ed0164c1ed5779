//! Xen's security advisories about xenstore daemons, each replayed through a guest's own ring.
//!
//! Those about the ring itself (38, 326, 420, 425) are in `hostile`, those about domains that end
//! (233, 322, 325, 417, 419, 483) in `lives`; the laws behind them are tested in `xenstore-store`.

use std::time::Duration;

use xenstore_hypervisor::fake::Guest;
use xenstore_store::{Limits, Quota, Rates};

use super::world::{Speaker, World};

/// A world whose buckets are no hindrance.
fn world() -> World {
    world_with(Quota::default())
}

fn world_with(quota: Quota) -> World {
    let rates = Rates::new(1_000_000_000, 1_000_000_000, 1).expect("rates that make sense");
    World::with(Limits { quota, rates })
}

/// What a guest gets for a request that doesn't fit its ring, with a kick whenever there is room.
fn ask_long(world: &mut World, guest: &mut Speaker<Guest>, request: &str) -> Vec<String> {
    let bytes = guest.encode(request);
    let mut rest = bytes.as_slice();
    let mut heard = vec![];
    // A message of 4,096 bytes passes in five ring lengths each way; more is waiting for nothing.
    for _ in 0..20 {
        rest = &rest[guest.end.write(rest)..];
        guest.end.kick();
        world.run();
        heard.extend(guest.hear());
    }
    assert!(rest.is_empty(), "the store stops reading");
    heard
}

#[test]
fn xsa_72_a_list_that_does_not_fit_is_refused_and_the_ring_goes_on() {
    let mut world = world();
    let mut five = world.guest(5);
    let name = "n".repeat(200);
    for number in 0..30 {
        assert_eq!(world.ask(&mut five, &format!("MKDIR wide/{name}{number}|")), "OK|");
    }
    assert_eq!(world.ask(&mut five, "DIRECTORY wide|"), "E2BIG");
    assert_eq!(world.ask(&mut five, "WRITE data/x|1"), "OK|");
}

#[test]
fn xsa_115_a_guest_hears_nothing_of_what_it_may_not_read() {
    let mut world = world();
    let mut five = world.guest(5);
    let mut six = world.guest(6);
    for watched in ["/", "/local/domain/6", "@introduceDomain", "@releaseDomain"] {
        five.send(&format!("WATCH@99 {watched}|w|"));
        world.run();
        assert_eq!(five.hear(), ["OK|".to_owned(), format!("! {watched}|w|")]);
    }
    assert_eq!(world.ask(&mut six, "WRITE secret|1"), "OK|");
    assert_eq!(world.ask(&mut six, "RM secret|"), "OK|");
    let seven = world.guest(7);
    world.machine.set_life(seven.end.domain(), xenstore_store::Life::Gone);
    world.run();
    assert_eq!(five.hear(), [""; 0]);
    assert_eq!(world.ask(&mut five, "IS_DOMAIN_INTRODUCED 6|"), "EACCES");
}

#[test]
fn xsa_206_a_guest_that_writes_all_the_time_cannot_keep_dom0_from_committing() {
    let mut world = World::new();
    let mut five = world.guest(5);
    assert_eq!(world.ask(&mut five, "WRITE data/x|0"), "OK|");
    let mut tries = 0;
    loop {
        tries += 1;
        let id = world.dom0("TRANSACTION_START |");
        let id = id.trim_end_matches('|');
        let read = world.dom0(&format!("READ@{id} /local/domain/5/data/x|"));
        // The guest writes as fast as it is let, between any two of dom0's requests.
        for number in 0..10 {
            let bytes = five.encode(&format!("WRITE data/x|{tries}-{number}"));
            if five.end.room() >= bytes.len() {
                five.end.write(&bytes);
                five.end.kick();
            }
            world.run();
            let _answers = five.hear();
        }
        world.dom0(&format!("WRITE@{id} /vm/seen|{read}"));
        if world.dom0(&format!("TRANSACTION_END@{id} T|")) == "OK|" {
            break;
        }
        // What was saved up is spent by now, at ten tokens a try; and a try takes dom0 far less than
        // the time in which one comes.
        assert!(tries < 4000 / 10 + 10, "dom0 is kept from committing");
        world.pass(Duration::from_micros(100));
    }
}

#[test]
fn xsa_272_the_quota_of_nodes_is_exact() {
    let mut world = world_with(Quota { nodes: 10, ..Quota::default() });
    let mut five = world.guest(5);
    // Its home is one, and so is the folder.
    for number in 0..8 {
        assert_eq!(world.ask(&mut five, &format!("WRITE a/{number}|")), "OK|");
    }
    assert_eq!(world.ask(&mut five, "WRITE a/8|"), "ENOSPC");
    assert_eq!(world.ask(&mut five, "RM a/0|"), "OK|");
    assert_eq!(world.ask(&mut five, "WRITE a/8|"), "OK|");
}

#[test]
fn xsa_323_what_a_guest_can_name_dom0_can_remove() {
    let mut world = world();
    let mut five = world.guest(5);
    let longest = "x".repeat(2048);
    assert_eq!(ask_long(&mut world, &mut five, &format!("WRITE {longest}|1")), ["OK|"]);
    let path = format!("/local/domain/5/{longest}");
    assert_eq!(world.dom0(&format!("READ {path}|")), "1");
    assert_eq!(world.dom0(&format!("RM {path}|")), "OK|");
    assert_eq!(ask_long(&mut world, &mut five, &format!("WRITE {longest}x|1")), ["EINVAL"]);
}

#[test]
fn xsa_324_an_event_that_fits_no_message_is_dropped() {
    let mut world = world();
    let mut five = world.guest(5);
    let token = "t".repeat(4080);
    let heard = ask_long(&mut world, &mut five, &format!("WATCH a|{token}|"));
    assert_eq!(heard.len(), 2, "the reply and the first event");
    assert_eq!(world.ask(&mut five, "WRITE a/long/enough/not/to/fit|1"), "OK|");
    assert_eq!(five.hear(), [""; 0]);
    assert_eq!(world.ask(&mut five, "READ a/long/enough/not/to/fit|"), "1");
}

#[test]
fn xsa_330_watches_that_are_reset_take_nothing_and_never_fire() {
    let mut world = world_with(Quota { watches: 5, ..Quota::default() });
    let mut five = world.guest(5);
    for round in 0..50 {
        for number in 0..5 {
            five.send(&format!("WATCH a/{number}|{round}|"));
            world.run();
            assert_eq!(five.hear().len(), 2);
        }
        assert_eq!(world.ask(&mut five, "WATCH a/6|t|"), "ENOSPC");
        assert_eq!(world.ask(&mut five, "RESET_WATCHES |"), "OK|");
    }
    assert_eq!(world.ask(&mut five, "WRITE a/1|1"), "OK|");
    assert_eq!(five.hear(), [""; 0]);
}

#[test]
fn xsa_352_and_353_a_guest_gives_nothing_away_and_has_no_root() {
    let mut world = world();
    let mut five = world.guest(5);
    assert_eq!(world.ask(&mut five, "WRITE a|1"), "OK|");
    assert_eq!(world.ask(&mut five, "SET_PERMS a|n6|"), "EPERM");
    assert_eq!(world.ask(&mut five, "GET_PERMS a|"), "n5|");
    for request in ["READ /|", "DIRECTORY /|", "WRITE /|1", "SET_PERMS /|n5|", "RM /|"] {
        assert_eq!(world.ask(&mut five, request), "EACCES", "{request}");
    }
}

#[test]
fn xsa_414_and_415_what_fails_half_way_leaves_nothing_within_a_transaction_or_without() {
    let mut world = world_with(Quota { nodes: 4, ..Quota::default() });
    let mut five = world.guest(5);
    assert_eq!(world.ask(&mut five, "WRITE a/b/c/d|1"), "ENOSPC");
    assert_eq!(world.ask(&mut five, "DIRECTORY /local/domain/5|"), "");
    assert_eq!(world.ask(&mut five, "TRANSACTION_START |"), "1|");
    assert_eq!(world.ask(&mut five, "WRITE@1 a/b/c/d|1"), "ENOSPC");
    assert_eq!(world.ask(&mut five, "TRANSACTION_END@1 T|"), "OK|");
    assert_eq!(world.ask(&mut five, "DIRECTORY /local/domain/5|"), "");
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
}

#[test]
fn xsa_416_large_requests_that_are_never_read_back_keep_no_memory() {
    let mut world = world();
    let mut five = world.guest(5);
    let value = "v".repeat(800);
    for _ in 0..200 {
        assert_eq!(world.ask(&mut five, &format!("WRITE a|{value}")), "OK|");
    }
    let usage = world.dom0("CONTROL quota|5|");
    let line = usage.lines().find(|line| line.starts_with("memory")).expect("its memory");
    let held = line.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).next();
    assert!(held.is_some_and(|held| held < 4096), "{line}");
}

#[test]
fn xsa_418_the_deepest_tree_ends_with_its_domain_and_needs_no_stack() {
    let mut world = world_with(Quota { nodes: 2000, ..Quota::default() });
    let mut five = world.guest(5);
    let deep = "d/".repeat(1000);
    let heard = ask_long(&mut world, &mut five, &format!("WRITE {deep}e|1"));
    assert_eq!(heard, ["OK|"]);
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
    world.machine.set_life(five.end.domain(), xenstore_store::Life::Gone);
    world.run();
    assert_eq!(world.dom0("DIRECTORY /local/domain|"), "");
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
}

#[test]
fn xsa_421_and_440_counts_come_out_right_whatever_transactions_do() {
    let mut world = world_with(Quota { nodes: 6, ..Quota::default() });
    let mut five = world.guest(5);
    for round in 0..100 {
        let id = world.ask(&mut five, "TRANSACTION_START |");
        let id = id.trim_end_matches('|').to_owned();
        for request in ["WRITE a|1", "RM a|", "WRITE b|1"] {
            let (operation, payload) = request.split_once(' ').expect("two words");
            let reply = world.ask(&mut five, &format!("{operation}@{id} {payload}"));
            assert_eq!(reply, "OK|", "{round}");
        }
        // Meanwhile the count changes outside.
        assert_eq!(world.ask(&mut five, "WRITE c|1"), "OK|");
        assert_eq!(world.ask(&mut five, &format!("TRANSACTION_END@{id} T|")), "OK|");
        assert_eq!(world.ask(&mut five, "RM b|"), "OK|");
        assert_eq!(world.ask(&mut five, "RM c|"), "OK|");
        assert_eq!(world.dom0("CONTROL check|"), "OK|");
    }
}

#[test]
fn xsa_481_a_path_that_ends_where_a_number_should_be_is_malformed() {
    let mut world = world();
    let mut five = world.guest(5);
    for operation in ["READ", "DIRECTORY", "RM", "MKDIR", "GET_PERMS"] {
        assert_eq!(world.ask(&mut five, &format!("{operation} /local/domain/|")), "EINVAL");
    }
}

#[test]
fn xsa_484_resetting_within_a_transaction_ends_it() {
    let mut world = world();
    let mut five = world.guest(5);
    assert_eq!(world.ask(&mut five, "TRANSACTION_START |"), "1|");
    assert_eq!(world.ask(&mut five, "WRITE@1 a|1"), "OK|");
    assert_eq!(world.ask(&mut five, "RESET_WATCHES@1 |"), "OK|");
    assert_eq!(world.ask(&mut five, "TRANSACTION_END@1 T|"), "ENOENT");
    assert_eq!(world.ask(&mut five, "READ a|"), "ENOENT");
}

/// No advisory, but worth a test each.
#[test]
fn what_makes_no_sense_is_refused_and_nothing_comes_of_it() {
    let mut world = world();
    let mut five = world.guest(5);
    for (request, answer) in [
        ("WATCH @releaseDomain/99999|t|", "EINVAL"),
        ("WATCH a|\u{fffd}|", "OK|"),
        ("SET_PERMS /local/domain/5|n|", "EINVAL"),
        ("SET_PERMS /local/domain/5|n-1|", "EINVAL"),
        ("SET_PERMS /local/domain/5|n4294967301|", "EINVAL"),
        ("SET_PERMS /local/domain/5|n5|r32757|", "OK|"),
        ("TRANSACTION_END@4294967295 T|", "ENOENT"),
        ("INTRODUCE 65535|1|1|", "EINVAL"),
        ("INTRODUCE 6|1|1|", "EACCES"),
        ("CONTROL check|", "EACCES"),
        ("RESTRICT 6|", "EACCES"),
        ("RESTRICT |", "EINVAL"),
    ] {
        five.send(request);
        world.run();
        assert_eq!(five.hear().first().map(String::as_str), Some(answer), "{request}");
    }
    assert_eq!(world.dom0("SET_PERMS /tool|n0|r32757|"), "OK|");
    assert_eq!(world.dom0("INTRODUCE 65535|1|1|"), "EINVAL");
    assert_eq!(world.dom0("RELEASE 0|"), "EINVAL");
}

#[test]
fn a_domain_that_is_introduced_again_loses_its_open_transaction_and_no_other() {
    let mut world = world();
    let mut five = world.guest(5);
    let mut six = world.guest(6);
    assert_eq!(world.ask(&mut five, "TRANSACTION_START |"), "1|");
    assert_eq!(world.ask(&mut six, "TRANSACTION_START |"), "1|");
    assert_eq!(world.introduce(&five), "OK|");
    five.begin_anew();
    assert_eq!(world.ask(&mut five, "TRANSACTION_END@1 T|"), "ENOENT");
    assert_eq!(world.ask(&mut six, "TRANSACTION_END@1 T|"), "OK|");
}
