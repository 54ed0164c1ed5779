//! What guests pay for: requests and bare kicks, in order, with their ports masked while they wait.

use std::time::Duration;

use xenstore_store::{Caller, Limits, Quota, Rates};

use super::world::World;

const TENTH: Duration = Duration::from_millis(100);

/// Ten tokens a second, twenty saved up, as many as a transaction takes.
fn slow() -> World {
    let rates = Rates::new(10, 20, 20).expect("rates that make sense");
    World::with(Limits { rates, quota: Quota::default() })
}

#[test]
fn over_the_limit_requests_wait_in_order_with_their_port_masked() {
    let mut world = slow();
    let mut five = world.guest(5);
    let domain = five.end.domain();
    for _ in 0..25 {
        five.send("READ none|");
    }
    world.run();
    // The first kick, which introducing it counts for, may have cost one.
    let at_once = five.hear().len();
    assert!((19..=20).contains(&at_once), "{at_once}");
    assert_eq!(world.machine.masked(domain), Some(true));
    for answered in at_once..25 {
        world.pass(TENTH - Duration::from_nanos(1));
        assert_eq!(five.hear(), [""; 0], "{answered} were answered before");
        assert_eq!(world.machine.masked(domain), Some(true));
        world.pass(Duration::from_nanos(1));
        assert_eq!(five.hear(), ["ENOENT"]);
    }
    world.pass(TENTH);
    assert_eq!(world.machine.masked(domain), Some(false));
}

#[test]
fn who_asks_without_end_wakes_the_store_in_rounds_and_gets_all_its_tokens() {
    let rates = Rates::new(1000, 20, 20).expect("rates that make sense");
    let mut world = World::with(Limits { rates, quota: Quota::default() });
    let mut five = world.guest(5);
    let (mut asked, mut answered, mut rounds) = (0, 0, 0);
    // A whole second, millisecond by millisecond, with more on its way than there are tokens.
    for _ in 0..1000 {
        while asked < answered + 15 {
            let bytes = five.encode("READ none|");
            assert_eq!(five.end.write(&bytes), bytes.len());
            asked += 1;
        }
        five.end.kick();
        world.pass(Duration::from_millis(1));
        let heard = five.hear().len();
        answered += heard;
        rounds += usize::from(heard > 0);
    }
    assert!((990..=1021).contains(&answered), "{answered} were answered");
    assert!(rounds <= 105, "{rounds} rounds");
}

#[test]
fn a_kick_that_brings_no_whole_request_costs_one_token() {
    let mut world = slow();
    let mut five = world.guest(5);
    world.pass(Duration::from_secs(10));
    for kick in 0..20 {
        assert_eq!(world.machine.masked(five.end.domain()), Some(false), "kick {kick}");
        five.end.kick();
        world.run();
    }
    // The bucket is empty: the next kick waits for its token, and whatever comes with it.
    five.end.kick();
    world.run();
    assert_eq!(world.machine.masked(five.end.domain()), Some(true));
    five.send("READ none|");
    world.pass(TENTH);
    world.run();
    assert_eq!(five.hear(), [""; 0]);
    world.pass(TENTH);
    assert_eq!(five.hear(), ["ENOENT"]);
}

#[test]
fn a_kick_with_half_a_request_is_paid_for_and_so_is_the_whole() {
    let mut world = slow();
    let mut five = world.guest(5);
    world.pass(Duration::from_secs(10));
    for _ in 0..10 {
        let bytes = five.encode("READ none|");
        for half in bytes.chunks(bytes.len().div_ceil(2)) {
            five.end.write(half);
            five.end.kick();
            world.run();
        }
        assert_eq!(five.hear(), ["ENOENT"]);
    }
    five.send("READ none|");
    world.run();
    assert_eq!(five.hear(), [""; 0], "twenty tokens are spent");
}

#[test]
fn a_storm_of_kicks_costs_others_nothing() {
    let mut world = slow();
    let mut five = world.guest(5);
    let mut six = world.guest(6);
    world.pass(Duration::from_secs(10));
    let mut turns_heard = 0;
    for _ in 0..1000 {
        five.end.kick();
        world.run();
        turns_heard += usize::from(world.machine.masked(five.end.domain()) == Some(false));
    }
    assert!(turns_heard <= 20, "{turns_heard} kicks were heard");
    assert_eq!(world.ask(&mut six, "READ none|"), "ENOENT");
    assert_eq!(five.hear(), [""; 0]);
}

#[test]
fn a_domains_ring_and_its_sockets_share_one_bucket() {
    let mut world = slow();
    let mut five = world.guest(5);
    world.pass(Duration::from_secs(10));
    let mut client = world.client(Caller::Domain(five.end.domain()));
    for _ in 0..20 {
        assert_eq!(world.ask_on(&mut client, "READ none|"), "ENOENT");
    }
    five.send("READ none|");
    world.run();
    assert_eq!(five.hear(), [""; 0]);
    world.pass(TENTH);
    assert_eq!(five.hear(), ["ENOENT"]);
}

#[test]
fn neither_reconnection_nor_introduction_fills_the_bucket() {
    let mut world = slow();
    let mut five = world.guest(5);
    world.pass(Duration::from_secs(10));
    for _ in 0..20 {
        five.send("READ none|");
    }
    world.run();
    assert_eq!(five.hear().len(), 20);
    five.end.set(xenstore_hypervisor::fake::Word::Connection, 1);
    five.end.kick();
    world.run();
    assert_eq!(world.introduce(&five), "OK|");
    five.begin_anew();
    five.send("READ none|");
    world.run();
    assert_eq!(five.hear(), [""; 0]);
}

#[test]
fn another_rate_holds_at_once_and_neither_refills_nor_punishes() {
    let mut world = slow();
    let mut five = world.guest(5);
    world.pass(Duration::from_secs(10));
    for _ in 0..23 {
        five.send("READ none|");
        world.run();
    }
    assert_eq!(five.hear().len(), 20);
    // Ten times as fast: who waits doesn't wait out the old time, and nothing is given away.
    assert_eq!(world.dom0("CONTROL rate|set|operations-per-second|100|"), "OK|");
    assert_eq!(five.hear(), [""; 0]);
    for _ in 0..3 {
        world.pass(TENTH / 10);
        assert_eq!(five.hear(), ["ENOENT"]);
    }
    // While it waited its kicks were merged into one, which brings nothing any more and is paid for.
    world.pass(TENTH / 10);
    assert_eq!(world.dom0("CONTROL rate|set|burst|40|"), "OK|");
    world.pass(TENTH / 10);
    assert_eq!(world.ask(&mut five, "READ none|"), "ENOENT");
    five.send("READ none|");
    world.run();
    assert_eq!(five.hear(), [""; 0]);
}

#[test]
fn dom0_is_told_what_a_domain_has_paid() {
    let mut world = slow();
    let mut five = world.guest(5);
    let said = |tokens, waits| {
        format!("{tokens:>12} tokens were taken\n{waits:>12} requests had to wait\n|")
    };
    // The kick that the introduction brought.
    assert_eq!(world.dom0("CONTROL rate|5|"), said(1, 0));
    world.pass(Duration::from_secs(10));
    assert_eq!(world.ask(&mut five, "TRANSACTION_START |"), "1|");
    assert_eq!(world.dom0("CONTROL rate|5|"), said(21, 0));
    five.send("READ none|");
    five.send("READ none|");
    world.run();
    assert_eq!(world.dom0("CONTROL rate|5|"), said(21, 1));
    world.pass(Duration::from_secs(1));
    // Only the first had to: when it went, there were tokens for the second.
    assert_eq!(world.dom0("CONTROL rate|5|"), said(23, 1));
    // What dom0 asks for is counted as well, and costs it nothing.
    let asked = world.dom0("CONTROL rate|0|");
    assert!(asked.ends_with(&format!("{:>12} requests had to wait\n|", 0)), "{asked}");
    assert_eq!(world.dom0("CONTROL rate|6|"), "ENOENT");
}

#[test]
fn dom0s_kernel_is_not_limited() {
    let mut world = slow();
    for _ in 0..200 {
        world.kernel.send("READ /none|");
        world.run();
        assert_eq!(world.kernel.hear(), ["ENOENT"]);
    }
}
