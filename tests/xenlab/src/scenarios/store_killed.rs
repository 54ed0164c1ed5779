//! Our store's process is killed, or updated, under guests and toolstack: another one goes on where
//! it was.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use acceptance::proc::Process;
use acceptance::world::kill_9;

use crate::dom0::{OUR_STORE, our_store, soon, store, view};
use crate::guest::{Guest, PROMPT, ask_shell, node, vnc_port};
use crate::report::fact;
use crate::tool::{must, tool};

/// How often it is killed under one guest.
const KILLS: u32 = 3;
/// Guests that boot while it is killed, and how often a creation is tried.
const BOOTS: u16 = 10;
const CREATIONS_MAX: u32 = 3;
/// The parent starts no more stores when several in a row have ended within ten seconds.
const KILL_EVERY: Duration = Duration::from_secs(11);

pub(super) fn goes_on() {
    let Some(parent) = our_store() else {
        fact("this store is one process, and killing it loses all");
        return;
    };
    let guest = Guest::new("survivor", 40);
    let (domid, mut viewer) = guest.start();
    let mut dom0 = store();
    dom0.write("/tool/xenlab", "kept").expect("dom0 may write");
    for number in 0..KILLS {
        kill_store(parent);
        update_store(parent);
        // On a connection from before.
        assert_eq!(dom0.read("/tool/xenlab").expect("the connection holds"), "kept");
        // On a ring from before; the guest's shell puts its answer together.
        viewer
            .type_text(&format!("echo kill{number}-$(xenstore-read name)\n"))
            .expect("the viewer is served");
        viewer.wait_for_text(soon(), &format!("kill{number}-{}", guest.name));
    }
    // The toolstack, xenconsoled and the agent go on as well.
    let second = Guest::new("after-kills", 41);
    let (_, mut other) = second.start();
    other.wait_for_text(soon(), PROMPT);
    guest.xl("reboot");
    view(vnc_port(guest.domid_after(domid))).wait_for_text(soon(), PROMPT);
    assert!(dom0.read(&node(domid, "name")).is_err(), "what belonged to the domain has gone");
    dom0.remove("/tool/xenlab").expect("dom0 may remove");
}

/// Kills the process that serves, and waits for another one.
fn kill_store(parent: Process) {
    end_store(parent, kill_9);
}

/// Has the installed program take the store over, parent and all.
fn update_store(parent: Process) {
    end_store(parent, |_| drop(must("xenstore-control", ["live-update", OUR_STORE])));
}

fn end_store(parent: Process, end: impl Fn(Process)) {
    // One that answers has become the parent's only child: a start takes two processes.
    store().read("/tool/xenstored").expect("every store has it");
    let serving = || parent.children().first().copied();
    let before = serving().expect("a process serves");
    end(before);
    soon().until("another process serves", || serving().filter(|next| *next != before));
}

pub(super) fn amid_boots() {
    let Some(parent) = our_store() else {
        fact("this store is one process, and killing it loses all");
        return;
    };
    let guests: Vec<Guest> =
        (0..BOOTS).map(|number| Guest::new(&format!("boot{number}"), 200 + number)).collect();
    let (done, killer) = end_again_and_again(parent);
    let mut repeated = 0;
    for guest in &guests {
        let created = (0..CREATIONS_MAX).any(|attempt| {
            repeated += u32::from(attempt > 0);
            let made = tool("xl", ["create", "-q", &guest.config]);
            if !made.status.success() {
                let words = made.errors.lines().next().unwrap_or_default().to_owned();
                fact(&format!("xl create {} failed: {words}", guest.name));
                assert!(!words.is_empty(), "it says why");
            }
            made.status.success()
        });
        assert!(created, "a creation that is repeated works");
    }
    for guest in &guests {
        ask_shell(&mut view(vnc_port(guest.domid())), 70);
    }
    drop(done);
    let ends = killer.join().expect("all of them were survived");
    fact(&format!(
        "{BOOTS} guests booted through {ends} kills and live updates; {repeated} creations repeated"
    ));
    assert!(ends > 1, "it was ended amid them");
}

/// Kills and updates the store by turns, until the sender is dropped; returns how often.
fn end_again_and_again(parent: Process) -> (Sender<()>, JoinHandle<usize>) {
    let (done, is_done) = channel();
    let killer = spawn(move || {
        let is_over = || is_done.recv_timeout(KILL_EVERY) != Err(RecvTimeoutError::Timeout);
        let turns = [kill_store as fn(Process), update_store];
        turns.iter().cycle().take_while(|_| !is_over()).map(|end| end(parent)).count()
    });
    (done, killer)
}
