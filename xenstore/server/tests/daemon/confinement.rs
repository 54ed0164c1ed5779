//! What the serving process has given up, seen from outside, and what its end and its parent's mean.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{Process, open_folder, run, wait_until};

/// The default user of the serving process.
const STORE_UID: &str = "1879146479";

fn status(id: Pid, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.expect("a field").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_there(id: Pid) -> bool {
    PathBuf::from(format!("/proc/{id}/status")).exists() && status(id, "State") != "Z (zombie)"
}

#[test]
fn the_process_that_serves_has_given_root_up_and_the_other_one_serves_nobody() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("WRITE /a|1"), "OK|");
    let store = server.store_id();
    let four = [STORE_UID; 4].join(" ");
    assert_eq!(status(store, "Uid"), four);
    assert_eq!(status(store, "Gid"), four);
    assert_eq!(status(store, "Groups"), "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(store, set), "0000000000000000", "{set}");
    }
    assert_eq!(status(store, "NoNewPrivs"), "1");
    assert_eq!(status(store, "Seccomp"), "2");
    let root = fs::read_dir(format!("/proc/{store}/root")).expect("root may look");
    assert_eq!(root.count(), 0, "its root is empty");
    assert_eq!(status(server.id(), "Uid"), "0 0 0 0");
}

#[test]
fn the_process_that_serves_has_sockets_and_what_it_waits_with_and_nothing_else() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("WRITE /a|1"), "OK|");
    let mut found = vec![];
    let folder = format!("/proc/{}/fd", server.store_id());
    for entry in fs::read_dir(folder).expect("root may look") {
        let target = fs::read_link(entry.expect("an entry").path()).expect("a link");
        let target = target.to_string_lossy().into_owned();
        found.push(target.split(['[', '(']).next().unwrap_or_default().to_owned());
    }
    found.sort_unstable();
    // The parent's, the client's; epoll and the timer; standard input and output; the log.
    let expected = [
        "/dev/null",
        "/dev/null",
        "/memfd:xenstore ",
        "anon_inode:",
        "anon_inode:",
        "pipe:",
        "socket:",
        "socket:",
    ];
    assert_eq!(found, expected);
}

#[test]
fn another_user_can_be_chosen_and_root_cannot() {
    let server = Process::start(&["--store-uid", "2000040000"]);
    assert_eq!(status(server.store_id(), "Uid"), ["2000040000"; 4].join(" "));
    let folder = open_folder();
    let refused = run(folder.path(), &["-N", "-D", "--store-uid", "0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("root"), "{refused:?}");
    assert!(!folder.path().join("socket").exists());
}

#[test]
fn when_the_parent_is_killed_the_process_that_serves_ends() {
    let mut server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("WRITE /a|1"), "OK|");
    let store = server.store_id();
    server.stop(Signal::SIGKILL);
    wait_until("its end", || !is_there(store));
    assert!(client.is_closed());
}

#[test]
fn signals_that_end_the_parent_do_not_end_the_process_that_serves_by_themselves() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        kill(server.store_id(), signal).expect("it runs");
        assert_eq!(client.ask("READ /tool|"), "");
    }
}

#[test]
fn hundreds_of_clients_come_in_at_once_and_each_is_served() {
    let server = Process::start(&[]);
    let mut clients: Vec<_> = (0..600).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("READ /tool|");
    }
    for client in &mut clients {
        assert_eq!(client.heard().1, "");
    }
}
