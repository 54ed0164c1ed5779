//! `vm-data`: in the guest at its first program, its own, and live in both directions.

use crate::dom0::{keep_picture, soon, store, view, xenwarden};
use crate::guest::{Guest, PROMPT, node, vnc_port};
use crate::report::fact;

/// Fills the directory beyond what the agent reads back.
const FLOOD: &str = "v=$(seq 1 400 | tr -d '\\n'); n=0; while [ $n -lt 80 ]; do \
                     xenstore-write vm-data/f$n $v; n=$((n+1)); done; echo flooded $((n*50))\n";

pub(super) fn populated() {
    let guest = Guest::new("data", 20);
    xenwarden(["register", &guest.name, &guest.uuid]);
    let uuid = format!("uuid={}", guest.uuid);
    for pair in ["vm-data/first=seen", "vm-data/deep/er=1", "foreign/key=2", "memory/target=3"] {
        xenwarden(["xe", "vm-param-set", &uuid, &format!("xenstore-data:{pair}")]);
    }
    xenwarden(["create", &guest.config]);
    let domid = guest.domid();
    let mut store = store();
    let mut viewer = view(vnc_port(domid));
    viewer.wait_for_text(soon(), "first look at vm-data/first: seen");
    viewer.wait_for_text(soon(), PROMPT);

    assert_eq!(store.read(&node(domid, "vm-data/deep/er")), Ok("1".to_owned()));
    let owner = store.permissions(&node(domid, "vm-data")).expect("the directory is there");
    assert_eq!(owner.first(), Some(&format!("n{domid}")), "the guest owns it");
    assert!(store.read(&node(domid, "foreign/key")).is_err(), "a foreign key is ignored");
    assert_ne!(store.read(&node(domid, "memory/target")), Ok("3".to_owned()));

    // Live: what is set arrives, and what the guest writes is read back.
    xenwarden(["xe", "vm-param-set", &uuid, "xenstore-data:vm-data/later=now"]);
    store.wait_until(soon(), &node(domid, "vm-data/later"), |value| {
        (value == Some("now")).then_some(())
    });
    viewer.type_text("xenstore-read vm-data/later\n").expect("the viewer is served");
    viewer.wait_for_text(soon(), "now");
    viewer.type_text("xenstore-write vm-data/answer from-the-guest\n").expect("it is served");
    soon().until("the guest's own value is read back", || {
        let data = xenwarden(["xe", "vm-param-get", &uuid, "param-name=xenstore-data"]);
        data.contains("vm-data/answer: from-the-guest").then_some(())
    });
    keep_picture(&viewer, "vm-data");

    // More than is kept: nothing breaks, and what was read back before stays.
    viewer.type_text(FLOOD).expect("the viewer is served");
    viewer.wait_for_text(soon(), "flooded 4000");
    assert!(xenwarden(["status"]).contains("HEALTHY"), "the agent is well");
    let data = xenwarden(["xe", "vm-param-get", &uuid, "param-name=xenstore-data"]);
    assert!(data.contains("vm-data/answer: from-the-guest"), "{data}");
}

/// With `xl create` alone the guest runs at once, beside the agent: what it finds first is a race,
/// and what it finds in the end is not.
pub(super) fn beside_a_plain_creation() {
    let guest = Guest::new("plain-data", 21);
    xenwarden(["register", &guest.name, &guest.uuid]);
    let uuid = format!("uuid={}", guest.uuid);
    xenwarden(["xe", "vm-param-set", &uuid, "xenstore-data:vm-data/first=seen"]);
    let (_, mut viewer) = guest.start();
    let first = viewer.screen().into_iter().find(|line| line.contains("first look"));
    fact(&format!("xl create alone: {}", first.unwrap_or_default()));
    viewer.type_text("echo now $(xenstore-read vm-data/first)\n").expect("the viewer is served");
    viewer.wait_for_text(soon(), "now seen");
}
