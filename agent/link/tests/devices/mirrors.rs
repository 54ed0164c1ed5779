//! A guest that asks sees all frames of its bridge, each once; and nobody else sees more.

use std::collections::BTreeMap;

use xenwarden_link::Link;
use xenwarden_nic::{Mac, Port, mirrors};

use crate::capture::Wire;
use crate::world::{World, in_own_network, ip};

const NOBODY: Mac = [2, 0, 0, 0, 0, 0x99];

/// A guest's device at the bridge, and the guest's end of it.
fn plug(world: &mut World, guest: u16, bridge: &str) -> Wire {
    ip(&format!("link add vif{guest}.0 type veth peer name guest{guest}"));
    ip(&format!("link set dev guest{guest} up"));
    ip(&format!("link set dev vif{guest}.0 master {bridge} up"));
    let link = world.link(&format!("guest{guest}"));
    Wire::open(link.index, link.address.expect("an address"))
}

/// Has the guests of these numbers see everything, as the agent does.
fn watch(world: &mut World, guests: &BTreeMap<u16, &Wire>) {
    let links = world.devices.links().expect("links");
    let watches = |link: &Link| {
        let (_, wire) = guests.iter().find(|(guest, _)| link.name == format!("vif{guest}.0"))?;
        Some(wire.mac)
    };
    let ports: Vec<Port> = links
        .iter()
        .filter_map(|link| {
            Some(Port { index: link.index, bridge: link.controller?, watches: watches(link) })
        })
        .collect();
    let failures = world.devices.mirror(&mirrors(&ports), &links);
    assert!(failures.is_empty(), "{failures:?}");
}

/// What comes at each wire of what is sent: at all but the sender's, or the next capture begins
/// with the rest of this one.
fn exchange<const N: usize>(
    sender: &Wire,
    frames: &[(Mac, &str)],
    wires: [&Wire; N],
) -> [Vec<String>; N] {
    for (to, text) in frames {
        sender.send(*to, text);
    }
    sender.send_end();
    wires.map(Wire::caught)
}

/// Everybody says something, so that the bridge knows where each is.
fn introduce(wires: &[&Wire]) {
    for sender in wires {
        sender.send_end();
        for other in wires.iter().filter(|other| other.mac != sender.mac) {
            assert_eq!(other.caught(), [""; 0]);
        }
    }
}

#[test]
fn a_guest_that_asks_sees_each_frame_once_and_a_third_one_none() {
    in_own_network(|world| {
        ip("link add xenbr0 type bridge");
        ip("link set dev xenbr0 up");
        let [one, two, watcher, third] = [1, 2, 3, 4].map(|guest| plug(world, guest, "xenbr0"));
        let all = [&one, &two, &watcher, &third];
        introduce(&all);
        let talk = [
            (two.mac, "to two"),
            (NOBODY, "to nobody"),
            (watcher.mac, "to watcher"),
            ([1, 0, 0x5e, 0, 0, 1], "to many"),
        ];

        let before = exchange(&one, &talk, [&two, &watcher, &third]);
        assert_eq!(before[0], ["to two", "to nobody", "to many"]);
        assert_eq!(before[1], ["to nobody", "to watcher", "to many"]);
        assert_eq!(before[2], ["to nobody", "to many"]);

        watch(world, &[(3, &watcher)].into());
        let during = exchange(&one, &talk, [&two, &watcher, &third]);
        assert_eq!(during[0], before[0]);
        assert_eq!(during[1], ["to two", "to nobody", "to watcher", "to many"]);
        assert_eq!(during[2], before[2], "a third port sees what it saw before");

        // What the control domain itself sends passes no port on its way in.
        let bridge = world.link("xenbr0");
        let host = Wire::open(bridge.index, bridge.address.expect("an address"));
        one.send_end();
        let _before = [&two, &watcher, &third].map(Wire::caught);
        let from_host = exchange(&host, &talk, [&one, &two, &watcher, &third]);
        assert_eq!(from_host[2], ["to two", "to nobody", "to watcher", "to many"]);
        assert_eq!(from_host[3], ["to nobody", "to many"]);
        // And what the guests say to it is not for the watcher, which sees it all the same.
        let to_host = [(host.mac, "to host")];
        host.caught();
        let heard = exchange(&two, &to_host, [&watcher, &third, &one, &host]);
        assert_eq!(heard[0], ["to host"]);
        assert_eq!(heard[1], [""; 0]);
        assert_eq!(heard[3], ["to host"]);

        watch(world, &BTreeMap::new());
        let after = exchange(&one, &talk, [&two, &watcher, &third]);
        assert_eq!(after, before, "switched off, all is as before");
    });
}

#[test]
fn two_who_ask_see_each_others_frames_and_their_own_once() {
    in_own_network(|world| {
        ip("link add xenbr0 type bridge");
        ip("link set dev xenbr0 up");
        let [one, two, first, second] = [1, 2, 3, 4].map(|guest| plug(world, guest, "xenbr0"));
        introduce(&[&one, &two, &first, &second]);
        watch(world, &[(3, &first), (4, &second)].into());
        let talk = [
            (two.mac, "to two"),
            (first.mac, "to first"),
            (second.mac, "to second"),
            (NOBODY, "to nobody"),
        ];
        let [first_saw, second_saw, _] = exchange(&one, &talk, [&first, &second, &two]);
        for saw in [first_saw, second_saw] {
            assert_eq!(saw, ["to two", "to first", "to second", "to nobody"]);
        }
        let seen = exchange(&first, &[(two.mac, "from first")], [&two, &second, &one]);
        assert_eq!(seen[0], ["from first"]);
        assert_eq!(seen[1], ["from first"]);
        assert_eq!(seen[2], [""; 0]);
    });
}

#[test]
fn mirrors_follow_ports_and_another_bridge_is_left_alone() {
    in_own_network(|world| {
        for bridge in ["xenbr0", "xenbr1"] {
            ip(&format!("link add {bridge} type bridge"));
            ip(&format!("link set dev {bridge} up"));
        }
        let [one, watcher] = [1, 3].map(|guest| plug(world, guest, "xenbr0"));
        let [other, another] = [5, 6].map(|guest| plug(world, guest, "xenbr1"));
        introduce(&[&one, &watcher]);
        introduce(&[&other, &another]);
        watch(world, &[(3, &watcher)].into());
        // A port that comes is mirrored from, once the agent has heard of it.
        let late = plug(world, 2, "xenbr0");
        watch(world, &[(3, &watcher)].into());
        introduce(&[&one, &late, &watcher]);
        assert_eq!(exchange(&late, &[(one.mac, "late")], [&watcher, &one]), [["late"]; 2]);
        // One that goes takes its rules along, and the rest go on.
        ip("link del vif2.0");
        watch(world, &[(3, &watcher)].into());
        assert_eq!(exchange(&one, &[(NOBODY, "on")], [&watcher]), [["on"]]);
        // Nothing of the other bridge comes over.
        assert_eq!(exchange(&other, &[(another.mac, "apart")], [&another]), [["apart"]]);
        assert_eq!(exchange(&one, &[], [&watcher]), [[""; 0]]);
    });
}

#[test]
fn an_agent_that_begins_takes_away_what_one_before_it_has_left() {
    in_own_network(|world| {
        ip("link add xenbr0 type bridge");
        ip("link set dev xenbr0 up");
        let [one, two, watcher] = [1, 2, 3].map(|guest| plug(world, guest, "xenbr0"));
        introduce(&[&one, &two, &watcher]);
        watch(world, &[(3, &watcher)].into());
        world.devices = xenwarden_link::Devices::open().expect("sockets");
        watch(world, &BTreeMap::new());
        let seen = exchange(&one, &[(two.mac, "to two"), (NOBODY, "to nobody")], [&watcher]);
        assert_eq!(seen, [["to nobody"]], "flooded again, and not copied");
    });
}
