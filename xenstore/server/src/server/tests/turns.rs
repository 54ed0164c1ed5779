//! Turns: nobody waits long for another's many requests, nor for its slow ones.

use std::io::Write;

use xenstore_store::Caller;

use super::world::World;
use crate::server::{DOM0_TURN, DOMAIN_TURN, Go};
use crate::wakeups::Sleep;

/// Takes one turn, and says how many replies a client of dom0's got for requests that it sent at once.
fn answered_in_one_turn(world: &mut World, request: &str, count: usize) -> usize {
    let mut client = world.client(Caller::Dom0);
    let bytes: Vec<u8> = (0..count).flat_map(|_| client.encode(request)).collect();
    client.end.write_all(&bytes).expect("the socket has room");
    let wakes = world.server.wakeups.wait(Sleep::NotAtAll).expect("it can be waited for");
    let go = world.server.act(wakes, world.now).expect("the server goes on");
    assert_eq!(go, Go::On);
    client.hear().len()
}

#[test]
fn a_turn_has_so_many_requests() {
    let mut world = World::new();
    let answered = answered_in_one_turn(&mut world, "READ /none|", 3 * DOM0_TURN);
    // Fewer where the machine is held up in the middle.
    assert!(0 < answered && answered <= DOM0_TURN, "{answered}");

    let mut five = world.guest(5);
    for _ in 0..3 * DOMAIN_TURN / 2 {
        let bytes = five.encode("READ none|");
        assert_eq!(five.end.write(&bytes), bytes.len());
    }
    five.end.kick();
    let wakes = world.server.wakeups.wait(Sleep::NotAtAll).expect("it can be waited for");
    world.server.act(wakes, world.now).expect("the server goes on");
    let answered = five.hear().len();
    assert!(0 < answered && answered <= DOMAIN_TURN, "{answered}");
    world.run();
    assert_eq!(five.hear().len(), 3 * DOMAIN_TURN / 2 - answered);
}

#[test]
fn a_turn_of_slow_requests_ends_before_its_number_is_reached() {
    let mut world = World::new();
    for number in 0..20_000 {
        world.dom0(&format!("MKDIR /wide/n{number}|"));
    }
    // Each looks at twenty thousand names.
    let request = "DIRECTORY_PART /wide|1000000|";
    let answered = answered_in_one_turn(&mut world, request, DOM0_TURN);
    assert!(0 < answered && answered < DOM0_TURN / 2, "{answered}");
}
