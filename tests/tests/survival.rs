//! Any one process killed with -9: what must go on goes on, and what must come back comes back.

use acceptance::deadline::Deadline;
use acceptance::guest::{Console, Guest};
use acceptance::proc::Process;
use acceptance::rfb::Viewer;
use acceptance::world::{Demo, kill_9, local, terminate};

/// How long the product may take to come round.
const SOON: u64 = 30;
fn viewer(demo: &Demo, name: &str) -> Viewer {
    let address = demo.domain(name).vnc.unwrap_or_else(|| panic!("{name} has a screen"));
    let mut viewer = Viewer::connect(address).expect("a viewer connects");
    viewer.wait_until(Deadline::seconds(SOON), "anything", |picture| {
        picture.pixels.iter().any(|pixel| *pixel != 0)
    });
    viewer
}

fn types_and_sees(viewer: &mut Viewer, word: &str) {
    viewer.type_text(&format!("echo {word}-$((40 + 2))\n")).expect("typed");
    viewer.wait_for_text(Deadline::seconds(SOON), &format!("{word}-42"));
}

fn sees_more(viewer: &mut Viewer) {
    let before = viewer.updates;
    while viewer.updates < before + 5 {
        viewer.receive(Deadline::seconds(SOON)).expect("the picture goes on");
    }
}

fn converters(demo: &Demo) -> Vec<Process> {
    demo.facts.domains.iter().filter_map(|domain| domain.converter).collect()
}

fn answers(demo: &Demo) {
    Deadline::seconds(SOON)
        .until("the agent answers", || demo.xenwarden(["status"]).status.success().then_some(()));
}

#[test]
fn viewers_and_records_outlive_the_agent() {
    let demo = Demo::start(["--domains", "3"]);
    let uuid = format!("uuid={}", demo.domain("demo1").uuid);
    demo.xenwarden_well(["xe", "vm-param-set", &uuid, "other-config:colour=teal"]);
    let mut shell = viewer(&demo, "demo1");
    let mut drawing = viewer(&demo, "demo2");
    types_and_sees(&mut shell, "before");

    let agent = demo.process_of("xenwardend");
    demo.kill_and_see_restarted("xenwardend");
    assert!(!agent.lives());
    types_and_sees(&mut shell, "without");
    sees_more(&mut drawing);
    answers(&demo);
    let words = ["xe", "vm-param-get", &uuid, "param-name=other-config", "param-key=colour"];
    assert_eq!(demo.xenwarden_well(words), "teal");
    assert!(converters(&demo).iter().all(|converter| converter.lives()), "they were adopted");
    types_and_sees(&mut shell, "after");
    sees_more(&mut drawing);
    let audit = demo.xenwarden(["audit"]);
    assert!(audit.status.success(), "{}\n{}", audit.output, audit.errors);

    a_converter_that_ends_comes_back(&demo);
    demo.end();
}

/// Killed, or told to end: the other's viewers stay, and the screen that comes back works.
fn a_converter_that_ends_comes_back(demo: &Demo) {
    let mut drawing = viewer(demo, "demo2");
    let domid = demo.domain("demo1").domid;
    let key = format!("/local/domain/{domid}/console/vnc-port");
    for end in [kill_9, terminate] {
        end(demo.process_of(&format!("vncterm-dom{domid}")));
        let mut shell = Deadline::seconds(SOON).until("demo1's screen is back", || {
            let port = demo.store().read(&key).ok()?.parse().ok()?;
            Viewer::connect(local(port)).ok()
        });
        types_and_sees(&mut shell, "again");
        sees_more(&mut drawing);
    }
}

#[test]
fn converters_outlive_the_store_and_the_agent_finds_the_next_one() {
    let demo = Demo::start(["--domains", "2"]);
    let mut shell = viewer(&demo, "demo1");
    let before = converters(&demo);
    demo.kill_and_see_restarted("xenstored");
    types_and_sees(&mut shell, "storeless");
    let mut store = Deadline::seconds(SOON).until("the store is back", || {
        acceptance::store::Store::connect(&demo.facts.xenstore).ok()
    });

    // A guest that starts now proves that the agent listens to the next store.
    let guest = Guest::new(77, "late");
    let mut console = Console::open();
    guest.create(&mut store).expect("created");
    guest.set_tty(&mut store, &console.tty.to_string_lossy()).expect("the tty is named");
    let port = store.wait_until(Deadline::seconds(SOON), &guest.key("console/vnc-port"), |value| {
        value.and_then(|port| port.parse().ok())
    });
    let mut late = Viewer::connect(local(port)).expect("a viewer connects");
    console.print(b"after the store\r\n").expect("printed");
    late.wait_for_text(Deadline::seconds(SOON), "after the store");

    let lost: Vec<&Process> = before.iter().filter(|converter| !converter.lives()).collect();
    assert!(lost.is_empty(), "an empty store means unknown, not gone: {lost:?}");
    types_and_sees(&mut shell, "unharmed");
    demo.end();
}
