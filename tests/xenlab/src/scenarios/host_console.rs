//! The control domain's own console: a screen, a log-in, and behind it a whole shell.

use std::path::Path;

use acceptance::rfb::Viewer;
use acceptance::world::kill_9;

use crate::dom0::{agent, keep_picture, listed, soon, view};
use crate::guest::vnc_port;

/// What root's password is in the lab's control domain.
const PASSWORD: &str = "lab";
/// A file where only a shell can write that nothing confines.
const WRITTEN: &str = "/etc/xenlab-written";

pub(super) fn login() {
    let port = vnc_port(0);
    let mut viewer = view(port);
    viewer.wait_for_text(soon(), "login:");
    log_in(&mut viewer);
    enter(&mut viewer, "su -c 'echo su-$((6 * 7))'", "su-42");
    enter(&mut viewer, &format!("touch {WRITTEN} && echo wrote-$((1 + 1))"), "wrote-2");
    assert!(Path::new(WRITTEN).exists(), "/etc can be written");
    keep_picture(&viewer, "host-console");
    let vm = listed().into_iter().find(|vm| vm["is_control_domain"] == true).expect("it is listed");
    assert_eq!(vm["domid"], 0);

    // The session outlives the agent, and a log-out brings the next log-in.
    kill_9(agent().expect("the agent runs"));
    enter(&mut viewer, "echo still-$((2 + 2))", "still-4");
    soon().until("the agent is back", agent);
    viewer.type_text("clear; exit\n").expect("the viewer is served");
    viewer.wait_for_text(soon(), "login:");
    assert_eq!(vnc_port(0), port, "at the same port");
}

fn log_in(viewer: &mut Viewer) {
    viewer.type_text("root\n").expect("the viewer is served");
    viewer.wait_for_text(soon(), "Password");
    enter(viewer, PASSWORD, "#");
}

fn enter(viewer: &mut Viewer, line: &str, answer: &str) {
    viewer.type_text(&format!("{line}\n")).expect("the viewer is served");
    viewer.wait_for_text(soon(), answer);
}
