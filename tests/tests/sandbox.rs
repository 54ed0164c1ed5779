//! What a converter is left with, seen from outside: nothing but what it was handed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use acceptance::converter::Converter;
use acceptance::proc::{self, Process};
use acceptance::world::{Demo, Domain};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kinds of descriptors without a file behind them that a converter may make for itself.
const ANONYMOUS: [&str; 4] = [
    "anon_inode:[eventpoll]",
    "anon_inode:[timerfd]",
    "anon_inode:[eventfd]",
    "anon_inode:[signalfd]",
];
/// The namespaces that are the converter's own, and no other converter's.
const OWN: [&str; 4] = ["mnt", "pid", "ipc", "uts"];
/// The most that a converter may write into one file: its saved screen.
const FILE_MAX: u64 = 1 << 20;

fn converters(demo: &Demo) -> Vec<(&Domain, Process)> {
    let domains = demo.facts.domains.iter();
    domains.filter_map(|domain| Some((domain, domain.converter?))).collect()
}

#[test]
fn a_converter_has_nothing_but_what_it_was_handed() {
    let demo = Demo::start(["--domains", "3"]);
    let agent = demo.process_of("xenwardend");
    let found = converters(&demo);
    assert_eq!(found.len(), 2, "of three domains one has disable_pv_vnc");
    for (domain, converter) in &found {
        is_confined(*converter, agent);
        listens_on_loopback_only([domain.vnc, domain.vt100]);
    }
    shares_no_user_and_no_namespace(&found);
    let audit = demo.xenwarden(["audit"]);
    assert!(audit.status.success(), "{}\n{}", audit.output, audit.errors);
    demo.end();
}

#[test]
fn the_audit_looks_at_the_store_and_its_parent() {
    let demo = Demo::start(["--domains", "1"]);
    let audit = demo.xenwarden(["audit"]);
    assert!(audit.status.success(), "{}\n{}", audit.output, audit.errors);
    let line = audit.output.lines().find(|line| line.starts_with("xenstored, store pid "));
    let line = line.unwrap_or_else(|| panic!("no store: {}", audit.output));
    let numbers: Vec<u32> = line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [store, parent] = numbers[..] else { panic!("{line}") };
    let store = Process::find(store).expect("the store's process");
    assert_eq!(field(store, "PPid"), parent.to_string());
    has_a_user_of_its_own_and_no_privilege(store);
    for property in ["no-hypercalls", "capabilities", "root", "parent-descriptors"] {
        assert!(audit.output.contains(&format!("holds          {property} ")), "{}", audit.output);
    }
    // A store that can't be looked at, because it is gone, is no proof of anything.
    let parent = Pid::from_raw(parent.try_into().expect("a pid"));
    kill(parent, Signal::SIGKILL).expect("it runs");
    let audit = demo.xenwarden(["audit"]);
    assert!(!audit.status.success() && audit.output.contains("the store can't be looked at"));
    drop(demo);
}

#[test]
fn a_converter_started_by_hand_is_confined_as_well() {
    let converter = Converter::start(68);
    is_confined(converter.process(), converter.keeper());
    listens_on_loopback_only([Some(converter.screen), Some(converter.text)]);
    converter.end();
}

fn is_confined(converter: Process, parent: Process) {
    has_a_user_of_its_own_and_no_privilege(converter);
    lives_in_namespaces_of_its_own(converter, parent);
    sees_an_empty_read_only_root(converter);
    has_no_network(converter);
    holds_only_known_descriptors(converter);
    is_limited(converter);
    keeps_no_secrets(converter);
}

fn field(process: Process, name: &str) -> String {
    let status = process.status().expect("the process lives");
    status.get(name).unwrap_or_else(|| panic!("no {name} in its status")).clone()
}

fn user(process: Process) -> u32 {
    let users = field(process, "Uid");
    let users: BTreeSet<&str> = users.split_whitespace().collect();
    assert_eq!(users.len(), 1, "real, effective, saved and file system user: {users:?}");
    users.first().and_then(|user| user.parse().ok()).expect("a user")
}

fn has_a_user_of_its_own_and_no_privilege(converter: Process) {
    let user = user(converter);
    assert!(user > 65535, "the user {user} could be somebody's");
    let known = std::fs::read_to_string("/etc/passwd").expect("a passwd file");
    assert!(!known.lines().any(|line| line.split(':').nth(2) == Some(&user.to_string())));
    let groups = field(converter, "Gid");
    let groups: BTreeSet<&str> = groups.split_whitespace().collect();
    assert_eq!(groups.len(), 1);
    assert!(!groups.contains("0"), "its group is root's");
    assert_eq!(field(converter, "Groups"), "", "supplementary groups");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(converter, set), "0000000000000000", "{set}");
    }
    assert_eq!(field(converter, "NoNewPrivs"), "1");
    assert_eq!(field(converter, "Seccomp"), "2", "a filter");
    assert_eq!(field(converter, "Threads"), "1");
}

fn lives_in_namespaces_of_its_own(converter: Process, parent: Process) {
    for kind in OWN.into_iter().chain(["net"]) {
        let own = converter.namespace(kind).expect("it lives");
        assert_ne!(own, parent.namespace(kind).expect("it lives"), "its parent's {kind}");
        let test = Process::find(std::process::id()).expect("the test lives");
        assert_ne!(own, test.namespace(kind).expect("it lives"), "the system's {kind}");
    }
}

fn sees_an_empty_read_only_root(converter: Process) {
    let entries: Vec<_> = std::fs::read_dir(converter.file("root")).expect("a root").collect();
    assert!(entries.is_empty(), "its root has {entries:?}");
    let mounts = std::fs::read_to_string(converter.file("mountinfo")).expect("mounts");
    let mounts: Vec<&str> = mounts.lines().collect();
    let [root] = mounts.as_slice() else { panic!("it has more than one mount: {mounts:#?}") };
    let options = root.split(' ').nth(5).expect("a mount has options");
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(options.split(',').any(|one| one == option), "{option} of {root}");
    }
}

fn has_no_network(converter: Process) {
    assert_eq!(proc::interfaces(converter).expect("it lives"), ["lo"]);
    assert_eq!(proc::listeners(converter).expect("it lives"), [], "in its own network");
}

fn holds_only_known_descriptors(converter: Process) {
    let mut ttys = 0;
    for descriptor in converter.descriptors().expect("it lives") {
        let name = &descriptor.name;
        let known = name.starts_with("socket:") || name.starts_with("pipe:");
        if known || ANONYMOUS.contains(&name.as_str()) {
            continue;
        }
        let metadata = descriptor.metadata.as_ref().expect("a file can be looked at");
        let kind = metadata.file_type();
        if kind.is_char_device() && metadata.rdev() == libc::makedev(1, 3) {
            continue;
        }
        if kind.is_char_device() && is_pty(metadata.rdev()) {
            ttys += 1;
            continue;
        }
        // The screen that is saved, and the lock that is held.
        let small = kind.is_file() && metadata.len() <= FILE_MAX;
        assert!(small, "descriptor {} leads to {name}", descriptor.number);
    }
    assert_eq!(ttys, 1, "its guest's console and no other");
}

/// A pty's slave, or the master of one whose command was started with it.
fn is_pty(device: u64) -> bool {
    matches!((libc::major(device), libc::minor(device)), (136..=143, _) | (5, 2))
}

fn is_limited(converter: Process) {
    let limits = converter.limits().expect("it lives");
    let limit = |name: &str| *limits.get(name).unwrap_or_else(|| panic!("no limit of {name}"));
    assert_eq!(limit("Max core file size"), Some(0));
    assert_eq!(limit("Max processes"), Some(0));
    assert_eq!(limit("Max locked memory"), Some(0));
    assert!(limit("Max file size").is_some_and(|bytes| bytes <= FILE_MAX));
    assert!(limit("Max open files").is_some_and(|files| files <= 256));
    let memory = limit("Max address space").or_else(|| limit("Max data size"));
    assert!(memory.is_some_and(|bytes| bytes <= 256 << 20), "its memory is bounded");
}

fn keeps_no_secrets(converter: Process) {
    assert_eq!(converter.environment().expect("it lives"), [], "an empty environment");
    assert_eq!(converter.owner_in_proc().expect("it lives"), 0, "its user can look into it");
}

fn listens_on_loopback_only(addresses: [Option<SocketAddr>; 2]) {
    let ours = Process::find(std::process::id()).expect("the test lives");
    let listeners = proc::listeners(ours).expect("the test lives");
    for address in addresses.into_iter().flatten() {
        let bound = listeners.iter().filter(|(_, port)| *port == address.port());
        let bound: Vec<&str> = bound.map(|(address, _)| address.as_str()).collect();
        // 127.0.0.1 as /proc writes it.
        assert_eq!(bound, ["0100007F"], "port {}", address.port());
    }
}

fn shares_no_user_and_no_namespace(found: &[(&Domain, Process)]) {
    let users: BTreeSet<u32> = found.iter().map(|(_, converter)| user(*converter)).collect();
    assert_eq!(users.len(), found.len(), "each has a user of its own");
    for kind in OWN {
        let names = found.iter().map(|(_, one)| one.namespace(kind).expect("it lives"));
        assert_eq!(names.collect::<BTreeSet<_>>().len(), found.len(), "own {kind} namespaces");
    }
}
