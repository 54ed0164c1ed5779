//! Two demos on one machine that never meet.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use acceptance::deadline::Deadline;
use acceptance::rfb::Viewer;
use acceptance::world::{Demo, Domain};

fn addresses(demo: &Demo) -> BTreeSet<SocketAddr> {
    let of = |domain: &Domain| [domain.vnc, domain.vt100];
    demo.facts.domains.iter().flat_map(of).flatten().collect()
}

fn users(demo: &Demo) -> BTreeSet<String> {
    let converters = demo.facts.domains.iter().filter_map(|domain| domain.converter);
    converters
        .map(|converter| converter.status().expect("it lives").remove("Uid").expect("a user"))
        .collect()
}

#[test]
fn two_demos_share_nothing_and_outlive_each_other() {
    let first = Demo::start(["--domains", "1"]);
    let second = Demo::start(["--domains", "1"]);
    assert!(addresses(&first).is_disjoint(&addresses(&second)), "ports");
    assert!(users(&first).is_disjoint(&users(&second)), "users");
    assert_ne!(first.facts.agent, second.facts.agent);
    assert_ne!(first.facts.xenstore, second.facts.xenstore);

    let mut store = first.store();
    store.write("/only-here", "1").expect("written");
    assert!(second.store().read("/only-here").is_err(), "one store for two demos");

    let address = second.domain("demo1").vnc.expect("demo1 has a screen");
    let mut viewer = Viewer::connect(address).expect("a viewer connects");
    first.end();
    viewer.type_text("echo still-$((40 + 2))\n").expect("typed");
    viewer.wait_for_text(Deadline::seconds(20), "still-42");
    assert!(second.xenwarden(["status"]).status.success());
    second.end();
}
