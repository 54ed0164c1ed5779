//! The seed document's flow: keys set on a VM that isn't running hold when it starts.

use std::os::unix::fs::MetadataExt;

use acceptance::deadline::Deadline;
use acceptance::guest::{Console, Guest};
use acceptance::rfb::Viewer;
use acceptance::store::Store;
use acceptance::world::{Demo, local};

/// How long the agent may take to notice a guest.
const SOON: u64 = 30;

/// Keys of xenstore-data that must not reach the guest, and must do no harm.
const FOREIGN: [&str; 6] = [
    "foreign/key=x",
    "vm-database=x",
    "vm-data=x",
    "/vm-data/rooted=x",
    "vm-data/../name=stolen",
    "vm-data//empty=x",
];

fn set(demo: &Demo, guest: &Guest, parameter: &str) {
    let uuid = format!("uuid={}", guest.uuid);
    demo.xenwarden_well(["xe", "vm-param-set", &uuid, parameter]);
}

fn start(store: &mut Store, guest: &Guest) -> Console {
    let console = Console::open();
    guest.create(store).expect("created");
    guest.set_tty(store, &console.tty.to_string_lossy()).expect("the tty is named");
    console
}

fn screen_port(store: &mut Store, guest: &Guest) -> u16 {
    store.wait_until(Deadline::seconds(SOON), &guest.key("console/vnc-port"), |value| {
        value.and_then(|port| port.parse().ok())
    })
}

#[test]
fn keys_set_before_the_start_hold_after_it() {
    let demo = Demo::start(["--domains", "1"]);
    let mut store = demo.store();
    let quiet = Guest::new(51, "quiet");
    let plain = Guest::new(52, "plain");

    demo.xenwarden_well(["register", &quiet.name, &quiet.uuid]);
    set(&demo, &quiet, "other-config:disable_pv_vnc=1");
    set(&demo, &quiet, "xenstore-data:vm-data/foo=bar");
    set(&demo, &quiet, "xenstore-data:vm-data/deep/er=some words");
    for parameter in FOREIGN {
        set(&demo, &quiet, &format!("xenstore-data:{parameter}"));
    }
    set(&demo, &quiet, &format!("xenstore-data:vm-data/{}=x", "long".repeat(700)));
    let listed = demo.xenwarden_well(["xe", "vm-list", "params=name-label", "--minimal"]);
    assert!(listed.split(',').any(|name| name == "quiet"), "{listed}");

    let quiet_console = start(&mut store, &quiet);
    vm_data_arrives(&mut store, &quiet);

    // Started later, and wholly there: the agent has had its time for the first.
    let mut console = start(&mut store, &plain);
    let port = screen_port(&mut store, &plain);
    works_both_ways(&mut console, port);

    for key in ["console/vnc-port", "console/tc-port"] {
        assert!(store.read(&quiet.key(key)).is_err(), "{key} of a VM with disable_pv_vnc");
    }
    is_left_alone(&demo, &quiet_console);
    ends_with_its_guest(&demo, &mut store, &plain, port);
    demo.end();
}

fn vm_data_arrives(store: &mut Store, guest: &Guest) {
    let plain = guest.key("vm-data/foo");
    store.wait_until(Deadline::seconds(SOON), &plain, |value| (value == Some("bar")).then_some(()));
    let deep = guest.key("vm-data/deep/er");
    store.wait_until(Deadline::seconds(SOON), &deep, |value| {
        (value == Some("some words")).then_some(())
    });
    let owner = format!("n{}", guest.domid);
    assert_eq!(store.permissions(&guest.key("vm-data")), Ok(vec![owner]));
    let mut keys = store.directory(&guest.key("vm-data")).expect("it is there");
    keys.sort_unstable();
    assert_eq!(keys, ["deep", "foo"]);
    let keys = store.directory(&guest.key("vm-data/..").replace("/vm-data/..", "")).expect("home");
    for foreign in ["foreign", "vm-database"] {
        assert!(!keys.iter().any(|key| key == foreign), "{keys:?}");
    }
    assert_eq!(store.read(&guest.key("name")), Ok(guest.name.clone()));
    assert_eq!(store.read(&guest.key("vm-data")), Ok(String::new()), "the directory's own value");
}

fn works_both_ways(console: &mut Console, port: u16) {
    let mut viewer = Viewer::connect(local(port)).expect("a viewer connects");
    console.print(b"plain login: ").expect("printed");
    viewer.wait_for_text(Deadline::seconds(SOON), "plain login:");
    viewer.type_text("root\n").expect("typed");
    let typed = console.typed_until(Deadline::seconds(SOON), b"\r");
    assert_eq!(typed, b"root\r");
    let selected = viewer.select_all(Deadline::seconds(SOON));
    assert_eq!(selected.trim_end(), "plain login:");
}

/// Its text console stays directly reachable: nobody else reads it.
fn is_left_alone(demo: &Demo, console: &Console) {
    let tty = std::fs::metadata(&console.tty).expect("the pty is there").rdev();
    for process in demo.processes() {
        for descriptor in process.descriptors().unwrap_or_default() {
            let holds = descriptor.metadata.is_some_and(|metadata| metadata.rdev() == tty);
            assert!(!holds, "{:?} holds {}", process.words(), console.tty.display());
        }
    }
}

fn ends_with_its_guest(demo: &Demo, store: &mut Store, guest: &Guest, port: u16) {
    guest.destroy(store).expect("destroyed");
    Deadline::seconds(SOON).until("the screen has gone with its guest", || {
        std::net::TcpStream::connect(local(port)).is_err().then_some(())
    });
    let uuid = format!("uuid={}", guest.uuid);
    Deadline::seconds(SOON).until("the record says halted", || {
        let words = ["xe", "vm-list", &uuid, "params=power-state", "--minimal"];
        (demo.xenwarden_well(words) == "halted").then_some(())
    });
}

/// The value of a key of a VM's xenstore-data; empty where there is none.
fn recorded(demo: &Demo, guest: &Guest) -> String {
    let uuid = format!("uuid={}", guest.uuid);
    demo.xenwarden_well(["xe", "vm-param-get", &uuid, "param-name=xenstore-data"])
}

#[test]
fn live_changes_reach_the_guest_and_what_it_writes_is_read_back_in_bounds() {
    let demo = Demo::start(["--domains", "1"]);
    let mut store = demo.store();
    let guest = Guest::new(53, "live");
    // A toolstack, or a person, may have made the directory before the agent came.
    store.write(&guest.key("vm-data/theirs"), "1").expect("written");
    let _console = start(&mut store, &guest);
    screen_port(&mut store, &guest);
    let is_recorded = |pair: &str| {
        Deadline::seconds(SOON).until(&format!("{pair} is recorded"), || {
            recorded(&demo, &guest).contains(pair).then_some(())
        });
    };
    is_recorded("vm-data/theirs: 1");
    assert_eq!(store.permissions(&guest.key("vm-data")), Ok(vec![format!("n{}", guest.domid)]));

    set(&demo, &guest, "xenstore-data:vm-data/live=now");
    let live = guest.key("vm-data/live");
    store.wait_until(Deadline::seconds(SOON), &live, |value| (value == Some("now")).then_some(()));
    let words = ["xe", "vm-param-remove", "param-name=xenstore-data", "param-key=vm-data/live"];
    let uuid = format!("uuid={}", guest.uuid);
    demo.xenwarden_well(words.into_iter().chain([uuid.as_str()]));
    store.wait_until(Deadline::seconds(SOON), &live, |value| value.is_none().then_some(()));

    store.write(&guest.key("vm-data/guests/own"), "word").expect("written");
    is_recorded("vm-data/guests/own: word");
    for number in 0..300 {
        store.write(&guest.key(&format!("vm-data/flood/{number}")), "x").expect("written");
    }
    Deadline::seconds(SOON).until("the flood is refused", || {
        demo.said().contains("vm-data is over its bounds").then_some(())
    });
    store.remove(&guest.key("vm-data/flood")).expect("removed");
    store.write(&guest.key("vm-data/after"), "it").expect("written");
    is_recorded("vm-data/after: it");
    let recorded = recorded(&demo, &guest);
    assert!(!recorded.contains("flood"), "{recorded}");
    demo.end();
}
