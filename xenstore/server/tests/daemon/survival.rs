//! The store's process is killed, and another one goes on: what everybody sees of it.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::process::{Process, wait_until};

/// Kills the process that serves, and waits until another one does.
fn kill_store(server: &Process) {
    let killed = server.store_id();
    kill(killed, Signal::SIGKILL).expect("it runs");
    wait_for_another(server, killed);
}

fn wait_for_another(server: &Process, killed: Pid) {
    wait_until("another store", || server.try_store_id().is_some_and(|id| id != killed));
}

#[test]
fn what_was_committed_and_who_was_connected_is_there_after_a_kill() {
    let server = Process::start(&["--burst", "40", "--operations-per-second", "1"]);
    let mut dom0 = server.connect();
    let mut guest = server.connect_as_domain(5);
    for (request, reply) in [
        ("WRITE /a/b|one", "OK|"),
        ("SET_PERMS /a/b|n0|r5|", "OK|"),
        ("WRITE /gone/x|1", "OK|"),
        ("RM /gone|", "OK|"),
        ("CONTROL quota|set|watches|7|", "OK|"),
        ("TRANSACTION_START |", "1|"),
        ("WRITE@1 /t/1|kept", "OK|"),
        ("TRANSACTION_END@1 T|", "OK|"),
        ("TRANSACTION_START |", "2|"),
        ("WRITE@2 /t/2|lost", "OK|"),
    ] {
        assert_eq!(dom0.ask(request), reply, "{request}");
    }
    assert_eq!(guest.ask("WATCH /local/domain/5/data|mine|"), "OK|");
    assert_eq!(guest.heard().1, "/local/domain/5/data|mine|");
    assert_eq!(guest.ask("WRITE /local/domain/5/data|x"), "OK|");
    assert_eq!(guest.heard().1, "/local/domain/5/data|mine|");

    kill_store(&server);

    for (request, reply) in [
        ("READ /a/b|", "one"),
        ("GET_PERMS /a/b|", "n0|r5|"),
        ("DIRECTORY /gone|", "ENOENT"),
        ("GET_QUOTA watches|", "7|"),
        ("READ /t/1|", "kept"),
        ("READ /t/2|", "ENOENT"),
        ("WRITE@2 /t/2|again", "OK|"),
        ("TRANSACTION_END@2 T|", "EAGAIN"),
        ("TRANSACTION_START |", "3|"),
        ("WRITE /local/domain/5/data/y|2", "OK|"),
        ("CONTROL check|", "OK|"),
    ] {
        assert_eq!(dom0.ask(request), reply, "{request}");
    }
    assert_eq!(guest.heard().1, "/local/domain/5/data/y|mine|", "its watch is there");
    assert_eq!(guest.ask("READ /a/b|"), "one", "it is who it was");
    assert_eq!(guest.ask("RELEASE 5|"), "EACCES", "and nothing more");
    assert_eq!(server.connect().ask("READ /a/b|"), "one", "others come in as ever");
}

#[test]
fn a_request_that_was_half_read_goes_on_in_the_next_process() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("WRITE /a|one"), "OK|");
    let sleeps = server.sleeps();
    let bytes = client.encode("READ /a|");
    client.stream.write_all(&bytes[..10]).expect("the server listens");
    wait_until("it is read", || server.sleeps() > sleeps);
    kill_store(&server);
    client.stream.write_all(&bytes[10..]).expect("the server listens");
    assert_eq!(client.heard().1, "one");
}

#[test]
fn killed_again_and_again_amid_traffic_it_loses_no_answer_and_repeats_no_effect() {
    const CLIENTS: usize = 8;
    const KILLS: usize = 4;
    let server = Process::start(&[]);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    let mut sent = [0_u32; CLIENTS];
    for round in 0..KILLS {
        let killed = server.store_id();
        for pause in 0..50 {
            for (number, client) in clients.iter_mut().enumerate() {
                sent[number] += 1;
                client.send(&format!("WRITE /c/{number}|{}", sent[number]));
                client.send(&format!("READ /c/{number}|"));
            }
            if pause == 25 + round {
                kill(killed, Signal::SIGKILL).expect("it runs");
            }
        }
        for (number, client) in clients.iter_mut().enumerate() {
            for value in sent[number] - 49..=sent[number] {
                assert_eq!(client.heard().1, "OK|", "client {number}, round {round}");
                assert_eq!(client.heard().1, value.to_string(), "client {number}, round {round}");
            }
        }
        wait_for_another(&server, killed);
    }
}

#[test]
fn who_has_left_is_let_go_of_by_the_parent_too() {
    let server = Process::start(&[]);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it runs").count();
    let before = open();
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.ask("READ /tool|"), "");
    }
    assert!(open() >= 100);
    drop(clients);
    wait_until("they are let go of", || open() <= before);
}

#[test]
fn a_store_that_is_killed_while_it_begins_is_begun_again() {
    let server = Process::start(&[]);
    let mut before = server.connect();
    assert_eq!(before.ask("WRITE /a|one"), "OK|");
    let mut killed = server.store_id();
    for _ in 0..4 {
        // The first of the two processes of a start may have ended already, its work done.
        let _gone = kill(killed, Signal::SIGKILL);
        // Whatever it has come to by now: it is killed as soon as it is there.
        let mut another = None;
        wait_until("another process", || {
            another = server.try_store_id().filter(|id| *id != killed);
            another.is_some()
        });
        killed = another.expect("it was there");
    }
    assert_eq!(before.ask("READ /a|"), "one");
    assert_eq!(server.connect().ask("READ /a|"), "one");
}

#[test]
fn a_store_that_is_killed_at_once_each_time_is_given_up_and_its_state_kept() {
    let mut server = Process::start(&[]);
    assert_eq!(server.connect().ask("WRITE /a|one"), "OK|");
    let id = server.id();
    for _ in 0..6 {
        // It serves: what is killed is the store, not what becomes one.
        assert_eq!(server.connect().ask("READ /a|"), "one");
        kill(server.store_id(), Signal::SIGKILL).expect("it runs");
    }
    let (code, said) = server.wait();
    assert_eq!(code, Some(1), "{said}");
    let path = server.folder.path().join(format!("state.{id}"));
    assert!(said.contains(&format!("is kept in {}", path.display())), "{said}");
    assert!(said.ends_with("xenstored: the store was killed by SIGKILL\n"), "{said}");
    let kept = std::fs::read(&path).expect("it is kept");
    assert!(kept.windows(3).any(|window| window == b"one"), "all of it");
}

#[test]
fn a_crash_with_no_request_under_way_is_nobodys_fault() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.ask("WRITE /a|one"), "OK|");
        let crashed = server.store_id();
        kill(crashed, Signal::SIGSEGV).expect("it runs");
        wait_for_another(&server, crashed);
        assert_eq!(client.ask("READ /a|"), "one");
    }
}

/// The parent's own copy of what a store leaves.
fn ledger_of(server: &Process) -> File {
    let folder = format!("/proc/{}/fd", server.id());
    let of_memory = |entry: std::fs::DirEntry| {
        let link = std::fs::read_link(entry.path()).ok()?;
        link.to_string_lossy().starts_with("/memfd:xenstore").then(|| entry.path())
    };
    let mut found = std::fs::read_dir(folder).expect("it runs").flatten().filter_map(of_memory);
    let path = found.next().expect("the parent keeps a ledger");
    File::options().read(true).write(true).open(path).expect("root may open it")
}

/// Has what the store left be spoiled, and kills the store: the parent gives up, says why, and keeps
/// what there is.
fn is_refused_and_kept(spoil: impl FnOnce(&File), because: &str) {
    let mut server = Process::start(&[]);
    assert_eq!(server.connect().ask("WRITE /a|precious"), "OK|");
    let ledger = ledger_of(&server);
    let (id, store) = (server.id(), server.store_id());
    // Stopped, it writes no more; the kill ends it all the same.
    kill(store, Signal::SIGSTOP).expect("it runs");
    spoil(&ledger);
    kill(store, Signal::SIGKILL).expect("it runs");
    let (code, said) = server.wait();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(because), "{said}");
    let path = server.folder.path().join(format!("state.{id}"));
    assert!(said.contains(&format!("is kept in {}", path.display())), "{said}");
    let kept = std::fs::read(&path).expect("it is kept");
    assert!(kept.windows(8).any(|window| window == b"precious"), "all of it");
    let mode = std::fs::metadata(&path).expect("it is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "guests' data is root's alone");
}

/// Where the ledger says how far its entries count, and where they begin (`ledger.rs`).
const STATE_AT: u64 = 8;
const ENTRIES_AT: u64 = 4096 + (64 << 10);

/// The half that counts, and the length of what does.
fn state_of(ledger: &File) -> (u64, u64) {
    let mut word = [0; 8];
    ledger.read_exact_at(&mut word, STATE_AT).expect("the head");
    let word = u64::from_le_bytes(word);
    (word & 1, word >> 1)
}

#[test]
fn a_state_with_an_entry_that_makes_no_sense_is_refused_kept_and_named() {
    let spoil = |ledger: &File| {
        let (half, _) = state_of(ledger);
        let at = ENTRIES_AT + half * (512 << 20);
        ledger.write_all_at(&[0xff], at).expect("the first entry's kind");
    };
    is_refused_and_kept(spoil, "the state that an earlier store left makes no sense at byte 0");
}

#[test]
fn a_state_that_was_cut_is_refused_kept_and_named() {
    let cut = |ledger: &File| {
        let (half, length) = state_of(ledger);
        let word = (length - 3) << 1 | half;
        ledger.write_all_at(&word.to_le_bytes(), STATE_AT).expect("the head");
    };
    is_refused_and_kept(cut, "the state that an earlier store left makes no sense at byte ");
}

#[test]
fn a_state_of_another_make_is_refused_kept_and_named() {
    let forge = |ledger: &File| {
        ledger.write_all_at(b"another1", 0).expect("the head");
    };
    is_refused_and_kept(forge, "look at what an earlier store left");
}
