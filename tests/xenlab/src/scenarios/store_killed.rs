//! Our store's process is killed under guests and toolstack: another one goes on where it was.

use std::fs;
use std::path::Path;

use acceptance::proc::Process;
use acceptance::world::kill_9;

use crate::dom0::{soon, store, view};
use crate::guest::{Guest, PROMPT, node, vnc_port};
use crate::report::fact;

/// Where a store says which process it is.
const PID_FILE: &str = "/run/xenstore.pid";
/// Ours.
const OURS: &str = "/usr/libexec/xenwarden/xenstored";
/// How often it is killed.
const KILLS: u32 = 3;

pub(super) fn goes_on() {
    let pid = fs::read_to_string(PID_FILE).expect("a store runs");
    let parent = Process::find(pid.trim().parse().expect("a process id")).expect("it lives");
    if !fs::read_link(parent.file("exe")).is_ok_and(|file| file == Path::new(OURS)) {
        fact("this store is one process, and killing it loses all");
        return;
    }
    let serving = |parent: Process| parent.children().first().copied();
    let mut killed = serving(parent).expect("a process serves");
    let guest = Guest::new("survivor", 40);
    let (domid, mut viewer) = guest.start();
    let mut dom0 = store();
    dom0.write("/tool/xenlab", "kept").expect("dom0 may write");
    for number in 0..KILLS {
        kill_9(killed);
        killed = soon()
            .until("another process serves", || serving(parent).filter(|next| *next != killed));
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
