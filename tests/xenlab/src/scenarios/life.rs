//! A guest's life by `xl`, and what its console makes of it.

use std::fs;
use std::time::{Duration, Instant};

use acceptance::deadline::Deadline;

use crate::dom0::{
    converters, domains, is_served, keep_picture, listed, soon, store, user, view,
    wait_for_converters, xenwarden,
};
use crate::guest::{Guest, PROMPT, ask_shell, node, vnc_port};
use crate::report::fact;
use crate::tool::{must, tool};

/// Where a saved guest is put.
const SAVED: &str = "/var/tmp/xenlab.saved";

pub(super) fn console() {
    let guest = Guest::new("web01", 1);
    let delay = std::thread::spawn(tty_to_port);
    let domid = guest.create();
    let port = vnc_port(domid);
    let mut viewer = view(port);
    viewer.wait_for_text(soon(), PROMPT);
    ask_shell(&mut viewer, 1234);
    keep_picture(&viewer, "console");
    let delay = delay.join().expect("the keys came");
    let began = Instant::now();
    must("xl", ["list"]);
    fact(&format!(
        "tty key to vnc-port key: {} ms; one xl list: {} ms",
        delay.as_millis(),
        began.elapsed().as_millis()
    ));

    let audit = xenwarden(["audit"]);
    assert!(audit.contains("web01"), "the audit knows the guest's converter");
    let converter = *converters().first().expect("there is a converter");
    assert_ne!(user(converter), Some(0), "it is not root's");

    guest.xl("destroy");
    soon().until("the converter has ended", || (!converter.lives()).then_some(()));
    assert!(store().read(&node(domid, "console/vnc-port")).is_err(), "its key has gone");
    assert!(!is_served(port), "its port is free");
    let vm = vm_of(&guest).expect("the record stays");
    assert_eq!(vm["domid"], serde_json::Value::Null, "the record has no domain");
}

/// The time between the next domain's tty and its port in the store.
fn tty_to_port() -> Duration {
    let mut store = store();
    store.watch("/local/domain", "keys").expect("the domains can be watched");
    let mut named_at = None;
    loop {
        let path = store.changed(soon()).path;
        let is_set = store.read(&path).is_ok_and(|value| !value.is_empty());
        if path.ends_with("/console/tty") && is_set {
            named_at = Some(Instant::now());
        } else if let Some(at) = named_at.filter(|_| path.ends_with("/console/vnc-port") && is_set)
        {
            return at.elapsed();
        }
    }
}

pub(super) fn reboot() {
    let guest = Guest::new("reboots", 2);
    let (domid, mut viewer) = guest.start();
    ask_shell(&mut viewer, 111);
    viewer.type_text("echo before the reboot\n").expect("the viewer is served");
    viewer.wait_for_text(soon(), "before the reboot");
    guest.xl("reboot");
    let mut viewer = view(vnc_port(guest.domid_after(domid)));
    viewer.wait_for_text(soon(), "before the reboot");
    viewer.wait_for_text(soon(), "-- started again at ");
    viewer.wait_for_text(soon(), "first look");
    ask_shell(&mut viewer, 222);
    keep_picture(&viewer, "reboot");
    wait_for_converters(1);
}

pub(super) fn pause_and_rename() {
    let guest = Guest::new("alice", 3);
    let (domid, mut viewer) = guest.start();
    let converter = converters();
    guest.xl("pause");
    guest.xl("unpause");
    ask_shell(&mut viewer, 333);
    must("xl", ["rename", "alice", "bob"]);
    soon().until("the record has the new name", || {
        listed().iter().any(|vm| vm["name_label"] == "bob").then_some(())
    });
    ask_shell(&mut viewer, 334);
    assert_eq!(converters(), converter, "the same converter serves it");
    assert_eq!(vnc_port(domid), viewer_port(&guest), "at the same port");
}

pub(super) fn save_and_restore() {
    let guest = Guest::new("saved", 4);
    let (_, mut viewer) = guest.start();
    ask_shell(&mut viewer, 444);
    viewer.type_text("echo kept through the save\n").expect("the viewer is served");
    viewer.wait_for_text(soon(), "kept through the save");
    must("xl", ["save", &guest.name, SAVED]);
    wait_for_converters(0);
    must("xl", ["restore", SAVED]);
    fs::remove_file(SAVED).expect("the saved guest");
    let mut viewer = view(vnc_port(guest.domid()));
    viewer.wait_for_text(soon(), "kept through the save");
    ask_shell(&mut viewer, 445);
    keep_picture(&viewer, "restore");
}

pub(super) fn checkpoint() {
    let guest = Guest::new("stays", 5);
    let (domid, mut viewer) = guest.start();
    let converter = converters();
    must("xl", ["save", "-c", &guest.name, SAVED]);
    fs::remove_file(SAVED).expect("the saved guest");
    ask_shell(&mut viewer, 555);
    assert_eq!(converters(), converter, "the same converter serves it");
    assert_eq!(guest.domid(), domid);
}

/// To the same host: for a moment two domains have one uuid, and the screen is the first one's.
pub(super) fn migration() {
    let guest = Guest::new("moves", 6);
    let (domid, mut viewer) = guest.start();
    viewer.type_text("echo kept through the move\n").expect("the viewer is served");
    viewer.wait_for_text(soon(), "kept through the move");
    must("xl", ["migrate", "-s", "", &guest.name, "xl migrate-receive"]);
    let next = guest.domid();
    assert_ne!(next, domid);
    let mut viewer = view(vnc_port(next));
    viewer.wait_for_text(soon(), "kept through the move");
    ask_shell(&mut viewer, 66);
    wait_for_converters(1);
    keep_picture(&viewer, "migration");
}

/// The receiver is killed when it has made its domain: one of the same uuid stays behind, and its
/// end takes `/vm/<uuid>` of the living one along.
pub(super) fn failed_migration() {
    let guest = Guest::new("tries", 7);
    let (domid, mut viewer) = guest.start();
    let converter = converters();
    let receiver = "/run/xenlab-receive";
    let incoming = format!("{}--incoming", guest.name);
    let script = format!(
        "#!/bin/sh\n(until xl domid {incoming}; do sleep 0.2; done; kill -9 $$) >/dev/null 2>&1 &\n\
         exec xl migrate-receive\n"
    );
    fs::write(receiver, script).expect("a file in /run");
    let migrated = tool("xl", ["migrate", "-s", "", &guest.name, &format!("sh {receiver}")]);
    assert!(!migrated.status.success(), "nobody received it");
    ask_shell(&mut viewer, 71);
    let leftovers: Vec<u16> = domains().into_iter().filter(|other| *other != domid).collect();
    fact(&format!("left behind: {} domain of the same uuid", leftovers.len()));
    for leftover in leftovers {
        must("xl", ["destroy", &leftover.to_string()]);
    }
    ask_shell(&mut viewer, 72);
    assert_eq!(converters(), converter, "the same converter serves it");
    let vm = vm_of(&guest).expect("it is listed");
    assert_eq!(vm["domid"], domid, "with its domain");
    assert_eq!(vm["name_label"], guest.name.as_str(), "by its name");
}

fn vm_of(guest: &Guest) -> Option<serde_json::Value> {
    listed().into_iter().find(|vm| vm["uuid"] == guest.uuid.as_str())
}

/// The port at which the agent lists a guest's screen.
fn viewer_port(guest: &Guest) -> u16 {
    Deadline::seconds(10).until("its screen is listed", || {
        let vm = vm_of(guest)?;
        vm["consoles"].as_array()?.iter().find_map(|console| {
            let location = console["location"].as_str()?;
            location.strip_prefix("vnc://127.0.0.1:")?.parse().ok()
        })
    })
}
