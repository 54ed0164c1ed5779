//! Another program goes on, ours or not: what guests on rings see of it.

use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use xenstore_hypervisor::fake::{Guest, Word as PageWord};
use xenstore_store::{Caller, End, Life, Link, Way};

use super::world::{Speaker, World};
use crate::handover::{self, Word};

const PROGRAM: &str = "/usr/libexec/xenwarden/xenstored";

/// A parent that answers one request for a live update.
fn answer_one(parent: OwnedFd, answer: Result<(), &'static str>) -> thread::JoinHandle<OwnedFd> {
    thread::spawn(move || {
        loop {
            let mut fds = [PollFd::new(parent.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(20_000_u16)).expect("it can be waited for");
            match handover::receive_word(parent.as_fd()).expect("the store has a word") {
                Word::LetGo(_) => (),
                Word::Update(options) => {
                    assert_eq!(options.as_deref(), Some("--burst 50"));
                    match answer {
                        Ok(()) => handover::grant(parent.as_fd()),
                        Err(reason) => handover::refuse(parent.as_fd(), reason),
                    }
                    .expect("the store listens");
                    return parent;
                }
            }
        }
    })
}

/// Has a guest watch, and say the first nine bytes of a request: all of them.
fn watches_and_half_asks(world: &mut World, guest: &mut Speaker<Guest>) -> Vec<u8> {
    guest.send("WATCH data|mine|");
    world.run();
    assert_eq!(guest.hear(), ["OK|", "! data|mine|"]);
    let bytes = guest.encode("WRITE data/a|one");
    guest.end.write(&bytes[..9]);
    guest.end.kick();
    world.run();
    bytes
}

#[test]
fn a_guest_notices_nothing_of_a_live_update() {
    let mut world = World::new();
    let mut guest = world.guest(5);
    let parent = world.begin_behind_a_door(PROGRAM);
    let bytes = watches_and_half_asks(&mut world, &mut guest);

    assert_eq!(world.dom0(&format!("CONTROL live-update|-f|{PROGRAM}|")), "OK|");
    assert_eq!(world.dom0("CONTROL live-update|-c|--burst 50|"), "OK|");
    let refusing = answer_one(parent, Err("not now"));
    assert_eq!(world.dom0("CONTROL live-update|-s|"), "not now|");
    let parent = refusing.join().expect("it has answered");
    assert_eq!(world.dom0("READ /tool/xenstored|"), "", "the old one goes on");

    assert_eq!(world.dom0(&format!("CONTROL live-update|-f|{PROGRAM}|")), "OK|");
    assert_eq!(world.dom0("CONTROL live-update|-c|--burst 50|"), "OK|");
    let granting = answer_one(parent, Ok(()));
    world.end_by("CONTROL live-update|-s|");
    granting.join().expect("it has answered");
    // Nobody listens at the moment.
    guest.end.write(&bytes[9..]);
    guest.end.kick();
    world.kill();
    assert_eq!(guest.hear(), ["OK|", "! data/a|mine|"]);
    assert_eq!(guest.end.word(PageWord::Error), 0);
    assert_eq!(world.ask(&mut guest, "READ data/a|"), "one");
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
}

/// The rings that a store serves, as another one would leave them.
fn rings(world: &World, came: &[u8]) -> Vec<Link> {
    let rings = world.server.store.connections().filter(|(_, way, _)| *way == Way::Ring);
    rings
        .map(|(id, _, caller)| {
            let domain = caller.domain().number();
            let came = if caller == Caller::Dom0 { vec![] } else { came.to_vec() };
            Link { id, end: End::Ring { domain, target: 0x7ff4, port: 99 }, came, due: vec![] }
        })
        .collect()
}

#[test]
fn a_guest_goes_on_from_where_another_store_has_left_its_ring() {
    let mut world = World::new();
    let mut guest = world.guest(5);
    let mut lost = world.guest(6);
    let port = guest.end.port();
    assert_eq!(world.dom0(&format!("WRITE /local/domain/5/store/port|{port}")), "OK|");
    let bytes = watches_and_half_asks(&mut world, &mut guest);

    let links = rings(&world, &bytes[..9]);
    assert_eq!(links.len(), 3, "the kernel's and two guests'");
    let stream = world.server.store.write_stream(None, None, &links);
    world.follow(&stream);
    guest.end.write(&bytes[9..]);
    guest.end.kick();
    world.run();
    assert_eq!(guest.hear(), ["OK|", "! data/a|mine|"]);
    assert_eq!(world.ask(&mut guest, "READ data/a|"), "one");
    world.kernel.send("READ /local/domain/5/data/a|");
    world.run();
    assert_eq!(world.kernel.hear(), ["one"], "dom0's own kernel goes on too");

    // Nobody has written down where this one is heard: it is there, and may be introduced again.
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 6|"), "T|");
    lost.send("READ data/a|");
    world.run();
    assert_eq!(lost.hear(), [""; 0]);
    assert_eq!(world.introduce(&lost), "OK|");
    assert_eq!(lost.hear(), ["ENOENT"], "then it is heard");
    world.machine.set_life(lost.end.domain(), Life::Gone);
    world.machine.set_life(guest.end.domain(), Life::Gone);
    world.kill();
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 6|"), "F|");
    assert_eq!(world.dom0("IS_DOMAIN_INTRODUCED 5|"), "F|");
}
