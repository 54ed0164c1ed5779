//! Domains that come and go in the ways that real toolstacks have, and the leftovers of what they
//! tried: nobody is missed, nobody is mixed up, and an idle host's agent sleeps.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use acceptance::deadline::Deadline;
use acceptance::guest::{Console, Guest};
use acceptance::proc::{Process, sleep};
use acceptance::rfb::Viewer;
use acceptance::store::Store;
use acceptance::world::{Demo, kill_9, local};

/// How long the agent may take to notice anything.
const SOON: u64 = 60;
fn port(store: &mut Store, guest: &Guest) -> u16 {
    store.wait_until(Deadline::seconds(SOON), &guest.key("console/vnc-port"), |value| {
        value.and_then(|port| port.parse().ok())
    })
}

fn has_tty(store: &mut Store, guest: &Guest) -> Console {
    let console = Console::open();
    guest.set_tty(store, &console.tty.to_string_lossy()).expect("the tty is named");
    console
}

fn state(demo: &Demo, guest: &Guest) -> String {
    let uuid = format!("uuid={}", guest.uuid);
    demo.xenwarden_well(["xe", "vm-list", &uuid, "params=power-state", "--minimal"])
}

fn is_halted(demo: &Demo, guest: &Guest) {
    Deadline::seconds(SOON).until(&format!("{} is halted", guest.name), || {
        (state(demo, guest) == "halted").then_some(())
    });
}

#[test]
fn nobody_is_missed_and_then_nobody_is_woken() {
    let demo = Demo::start(["--domains", "1"]);
    let mut store = demo.store();

    // Introduced before it has a home; and one whose keys come long after its home.
    let early = Guest::new(61, "early");
    store.introduce(early.domid).expect("introduced");
    let slow = Guest::new(62, "slow");
    store.make_directory(&slow.key("cpu")).expect("a home");
    store.introduce(slow.domid).expect("introduced");
    // Another, whole one: by now the agent has seen the two as they are.
    let whole = Guest::new(63, "whole");
    whole.create(&mut store).expect("created");
    let _whole_console = has_tty(&mut store, &whole);
    port(&mut store, &whole);
    early.create(&mut store).expect("created");
    let _early_console = has_tty(&mut store, &early);
    port(&mut store, &early);
    slow.create(&mut store).expect("created");
    let _slow_console = has_tty(&mut store, &slow);
    port(&mut store, &slow);

    // One goes without a word.
    store.remove(&format!("/local/domain/{}", whole.domid)).expect("removed");
    is_halted(&demo, &whole);

    // A number that comes again at once is another domain.
    let again = Guest { uuid: Guest::new(64, "again").uuid, ..Guest::new(62, "again") };
    slow.destroy(&mut store).expect("destroyed");
    again.create(&mut store).expect("created");
    let _again_console = has_tty(&mut store, &again);
    port(&mut store, &again);
    is_halted(&demo, &slow);
    assert_eq!(state(&demo, &again), "running");

    let converter = demo.domain("demo1").converter.expect("demo1 has a converter");
    sleep(&[demo.process_of("xenwardend"), converter]);
    demo.end();
}

fn viewer(port: u16) -> Viewer {
    Viewer::connect(local(port)).expect("a viewer connects")
}

fn name(demo: &Demo, guest: &Guest) -> String {
    let uuid = format!("uuid={}", guest.uuid);
    demo.xenwarden_well(["xe", "vm-list", &uuid, "params=name-label", "--minimal"])
}

/// The converter that `list` names for a guest.
fn converter(demo: &Demo, guest: &Guest) -> Option<Process> {
    let listed: serde_json::Value =
        serde_json::from_str(&demo.xenwarden_well(["list", "--json"])).expect("JSON");
    let vms = listed["vms"].as_array().expect("VMs");
    let vm = vms.iter().find(|vm| vm["uuid"] == guest.uuid.as_str())?;
    let pid = vm["console_state"]["pid"].as_u64()?;
    Process::find(u32::try_from(pid).expect("a process id"))
}

#[test]
fn what_others_leave_or_do_halfway_changes_nothing_and_a_name_is_followed() {
    let demo = Demo::start(["--domains", "1"]);
    let mut store = demo.store();
    let guest = Guest::new(71, "g1");
    guest.create(&mut store).expect("created");
    let mut console = has_tty(&mut store, &guest);
    let port = port(&mut store, &guest);
    let mut seen = viewer(port);
    assert_eq!(seen.name, "g1");
    let process = converter(&demo, &guest);

    // A migration that fails: the incoming domain has the VM's uuid, and takes /vm with it.
    let incoming = Guest { domid: 72, name: "g1--incoming".into(), ..guest.clone() };
    incoming.create(&mut store).expect("created");
    let _incoming_console = has_tty(&mut store, &incoming);
    incoming.destroy(&mut store).expect("destroyed");
    // "xl save -c", a crash that is kept, a guest that nobody reaps: only the event comes.
    store.introduce(99).expect("introduced");
    store.release(99).expect("released");
    // By the time that a later domain is served, the agent has heard all of that.
    let later = Guest::new(73, "later");
    later.create(&mut store).expect("created");
    let _later_console = has_tty(&mut store, &later);
    self::port(&mut store, &later);

    console.print(b"still here\r\n").expect("printed");
    seen.wait_for_text(Deadline::seconds(SOON), "still here");
    assert_eq!(store.read(&guest.key("console/vnc-port")), Ok(port.to_string()));
    assert_eq!((converter(&demo, &guest), name(&demo, &guest)), (process, "g1".to_owned()));
    let status = demo.xenwarden(["status"]);
    assert!(status.status.success(), "{}", status.output);
    let audit = demo.xenwarden(["audit"]);
    assert!(audit.status.success(), "{}\n{}", audit.output, audit.errors);

    // "xl rename".
    store.write(&guest.key("name"), "g2").expect("renamed");
    Deadline::seconds(SOON)
        .until("the record is renamed", || (name(&demo, &guest) == "g2").then_some(()));
    Deadline::seconds(SOON)
        .until("new viewers see the name", || (viewer(port).name == "g2").then_some(()));
    assert_eq!(converter(&demo, &guest), process);
    demo.end();
}

#[test]
fn the_picture_survives_a_reboot_with_one_mark_between_the_boots() {
    let demo = Demo::start(["--domains", "1"]);
    let mut store = demo.store();
    let first = Guest::new(81, "web");
    first.create(&mut store).expect("created");
    let mut console = has_tty(&mut store, &first);
    console
        .print(b"first boot\r\n\x1b[31m\x1b[?1049h\x1b[2;3r\x1b[Hin an editor")
        .expect("printed");
    viewer(port(&mut store, &first)).wait_for_text(Deadline::seconds(SOON), "in an editor");
    first.destroy(&mut store).expect("destroyed");
    is_halted(&demo, &first);

    let second = Guest { domid: 82, ..first };
    second.create(&mut store).expect("created");
    let mut console = has_tty(&mut store, &second);
    let address = port(&mut store, &second);
    console.print(b"second boot\r\n").expect("printed");
    let mut seen = viewer(address);
    seen.wait_for_text(Deadline::seconds(SOON), "second boot");
    let marked = |seen: &mut Viewer| {
        let text = seen.select_all(Deadline::seconds(SOON));
        text.trim_end().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = marked(&mut seen);
    let [before, mark, after] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((before.as_str(), after.as_str()), ("in an editor", "second boot"));
    assert!(mark.starts_with("-- started again at ") && mark.ends_with(" --"), "{mark}");

    // Neither another agent nor another converter of the same domain is another boot.
    demo.kill_and_see_restarted("xenwardend");
    let process = Deadline::seconds(SOON).until("it is adopted", || converter(&demo, &second));
    kill_9(process);
    Deadline::seconds(SOON).until("another converter serves", || {
        converter(&demo, &second).filter(|found| *found != process)
    });
    let mut seen = viewer(port(&mut store, &second));
    seen.wait_for_text(Deadline::seconds(SOON), "started again");
    console.print(b"going on\r\n").expect("printed");
    seen.wait_for_text(Deadline::seconds(SOON), "going on");
    assert_eq!(marked(&mut seen), ["in an editor", mark, "going on"]);
    demo.end();
}

/// A process with QEMU's words that listens where its screen would be.
struct DeviceModel {
    process: Child,
    port: u16,
}

impl DeviceModel {
    fn start(guest: &Guest) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mut command = Command::new("sh");
        command.args(["-c", "read wait", "qemu", "-xen-domid", &guest.domid.to_string()]);
        command.stdin(Stdio::piped()).stdout(OwnedFd::from(listener));
        Self { process: command.spawn().expect("it starts"), port }
    }
}

impl Drop for DeviceModel {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
    }
}

/// The locations of a guest's consoles, with their protocols.
fn consoles(demo: &Demo, guest: &Guest) -> Vec<String> {
    let uuid = format!("vm-uuid={}", guest.uuid);
    let words = ["xe", "console-list", &uuid, "params=location", "--minimal"];
    let listed = demo.xenwarden_well(words);
    let mut locations: Vec<String> =
        listed.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    locations.sort_unstable();
    locations
}

/// Where a guest's text is, once it is published.
fn text(store: &mut Store, guest: &Guest) -> String {
    let key = guest.key("console/tc-port");
    let port = store.wait_until(Deadline::seconds(SOON), &key, |port| port.map(str::to_owned));
    format!("telnet://127.0.0.1:{port}")
}

#[test]
fn a_device_models_screen_is_listed_if_it_is_the_domains_own() {
    let demo = Demo::start(["--domains", "1"]);
    let mut store = demo.store();
    let (guest, cheated) = (Guest::new(91, "hvm"), Guest::new(92, "cheated"));
    let qemu = DeviceModel::start(&guest);
    // The second one's key leads to the first one's screen.
    for one in [&guest, &cheated] {
        one.create(&mut store).expect("created");
        let pid = qemu.process.id().to_string();
        store.write(&one.key("image/device-model-pid"), &pid).expect("written");
        store.write(&one.key("console/vnc-listen"), "127.0.0.1").expect("written");
        store.write(&one.key("console/vnc-port"), &qemu.port.to_string()).expect("written");
    }
    let (serial, others) = (Console::open(), Console::open());
    let tty = |console: &Console| console.tty.to_string_lossy().into_owned();
    store.write(&guest.key("serial/0/tty"), &tty(&serial)).expect("written");
    store.write(&cheated.key("serial/0/tty"), &tty(&others)).expect("written");
    let (its_text, others_text) = (text(&mut store, &guest), text(&mut store, &cheated));
    let screen = format!("vnc://127.0.0.1:{}", qemu.port);
    assert_eq!(consoles(&demo, &guest), [its_text.clone(), screen]);
    assert_eq!(consoles(&demo, &cheated), [others_text]);
    for one in [&guest, &cheated] {
        assert_eq!(store.read(&one.key("console/vnc-port")), Ok(qemu.port.to_string()));
    }
    let list = demo.xenwarden_well(["list"]);
    assert!(list.contains(&format!(":{} qemu, text", qemu.port)), "{list}");
    let status = demo.xenwarden(["status"]).output;
    assert!(status.contains("1 graphical"), "{status}");
    assert!(demo.said().contains("is not a device model of this domain"), "{}", demo.said());

    drop(qemu);
    assert_eq!(consoles(&demo, &guest), [its_text]);
    demo.end();
}
