//! `vm-data`: in the guest at its first program, its own, and live in both directions.

use crate::dom0::{keep_picture, soon, store, view, xenwarden};
use crate::guest::{Guest, PROMPT, node, vnc_port};

pub(super) fn populated() {
    let guest = Guest::new("data", 20);
    xenwarden(["register", &guest.name, &guest.uuid]);
    let uuid = format!("uuid={}", guest.uuid);
    for pair in ["vm-data/first=seen", "vm-data/deep/er=1", "foreign/key=2", "memory/target=3"] {
        xenwarden(["xe", "vm-param-set", &uuid, &format!("xenstore-data:{pair}")]);
    }
    let domid = guest.create_paused();
    let mut store = store();
    store.wait_until(soon(), &node(domid, "vm-data/first"), |value| {
        (value == Some("seen")).then_some(())
    });
    guest.xl("unpause");
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
}
