//! Another program goes on in the place of one that serves: what everybody sees of it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};

use crate::client::Client;
use crate::process::{Process, install, installed_in, open_folder, wait_until};

/// Where every test but those that replace it has its program.
fn own_program() -> String {
    let path = Path::new(env!("CARGO_BIN_EXE_xenstored")).canonicalize();
    path.expect("it is there").to_str().expect("a plain path").to_owned()
}

/// Prepares and starts a live update; what came of it.
fn update(client: &mut Client, program: &str, how: &str) -> String {
    assert_eq!(client.ask(&format!("CONTROL live-update|-f|{program}|")), "OK|");
    client.ask(&format!("CONTROL live-update|-s|{how}"))
}

#[test]
fn what_was_there_and_who_was_connected_is_there_after_an_update() {
    let server = Process::start(&["--burst", "40", "--operations-per-second", "1"]);
    let mut dom0 = server.connect();
    let mut guest = server.connect_as_domain(5);
    for (request, reply) in [
        ("WRITE /a/b|one", "OK|"),
        ("SET_PERMS /a/b|n0|r5|", "OK|"),
        ("CONTROL quota|set|watches|7|", "OK|"),
        ("CONTROL rate|set|burst|33|", "OK|"),
        ("INTRODUCE 6|1|2|", "OK|"),
    ] {
        assert_eq!(dom0.ask(request), reply, "{request}");
    }
    assert_eq!(guest.ask("WATCH /local/domain/5/data|mine|"), "OK|");
    assert_eq!(guest.heard().1, "/local/domain/5/data|mine|");
    let (parent, store) = (server.id(), server.store_id());

    assert_eq!(update(&mut dom0, &own_program(), ""), "OK|");

    assert_eq!(server.id(), parent, "whoever supervises it sees one process");
    assert_ne!(server.store_id(), store);
    for (request, reply) in [
        ("READ /a/b|", "one"),
        ("GET_PERMS /a/b|", "n0|r5|"),
        ("GET_QUOTA watches|", "7|"),
        ("IS_DOMAIN_INTRODUCED 6|", "T|"),
        ("WRITE /local/domain/5/data/y|2", "OK|"),
        ("CONTROL check|", "OK|"),
    ] {
        assert_eq!(dom0.ask(request), reply, "{request}");
    }
    assert!(dom0.ask("CONTROL rate|").contains("burst                :       33"));
    assert_eq!(guest.heard().1, "/local/domain/5/data/y|mine|", "its watch is there");
    assert_eq!(guest.ask("READ /a/b|"), "one", "it is who it was");
    assert_eq!(guest.ask("RELEASE 5|"), "EACCES", "and nothing more");
    assert_eq!(server.connect().ask("READ /a/b|"), "one", "others come in as ever");
    assert_eq!(update(&mut server.connect(), &own_program(), ""), "OK|", "and it works again");
    let killed = server.store_id();
    kill(killed, Signal::SIGKILL).expect("it runs");
    assert_eq!(guest.ask("READ /a/b|"), "one", "and it lasts as ever");
}

#[test]
fn amid_traffic_no_answer_is_lost_and_no_effect_repeated() {
    const CLIENTS: usize = 8;
    const UPDATES: usize = 4;
    let server = Process::start(&[]);
    let mut operator = server.connect();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    let mut sent = [0_u32; CLIENTS];
    for round in 0..UPDATES {
        for pause in 0..50 {
            for (number, client) in clients.iter_mut().enumerate() {
                sent[number] += 1;
                client.send(&format!("WRITE /c/{number}|{}", sent[number]));
                client.send(&format!("READ /c/{number}|"));
            }
            if pause == 25 + round {
                operator.send(&format!("CONTROL live-update|-f|{}|", own_program()));
                operator.send("CONTROL live-update|-s|");
            }
        }
        for (number, client) in clients.iter_mut().enumerate() {
            for value in sent[number] - 49..=sent[number] {
                assert_eq!(client.heard().1, "OK|", "client {number}, round {round}");
                assert_eq!(client.heard().1, value.to_string(), "client {number}, round {round}");
            }
        }
        assert_eq!(operator.heard().1, "OK|", "round {round}");
        assert_eq!(operator.heard().1, "OK|", "round {round}");
    }
}

#[test]
fn a_request_that_was_half_read_goes_on_in_the_next_program() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("WRITE /a|one"), "OK|");
    let sleeps = server.sleeps();
    let bytes = client.encode("READ /a|");
    client.stream.write_all(&bytes[..10]).expect("the server listens");
    wait_until("it is read", || server.sleeps() > sleeps);
    assert_eq!(update(&mut server.connect(), &own_program(), ""), "OK|");
    client.stream.write_all(&bytes[10..]).expect("the server listens");
    assert_eq!(client.heard().1, "one");
}

#[test]
fn the_program_that_goes_on_is_the_one_that_is_installed() {
    let server = Process::start_installed(&[]);
    let path = installed_in(server.folder.path());
    let program = path.to_str().expect("a plain path");
    let mut client = server.connect();
    assert_eq!(client.ask("WRITE /a|one"), "OK|");

    // The next version: it says so, and differs in nothing else.
    let mut next = fs::read(&path).expect("it is there");
    let (ours, theirs) =
        (concat!("xenstored ", env!("CARGO_PKG_VERSION"), "\n"), "xenstored 9.9.9\n");
    assert_eq!(ours.len(), theirs.len());
    let found = next.windows(ours.len()).position(|window| window == ours.as_bytes());
    let at = found.expect("it says which version it is");
    next[at..at + theirs.len()].copy_from_slice(theirs.as_bytes());
    install(&next, &path);

    let version = |process: nix::unistd::Pid| {
        let exe = format!("/proc/{process}/exe");
        let said = std::process::Command::new(exe).arg("--version").output().expect("it runs");
        String::from_utf8(said.stdout).expect("words")
    };
    assert_eq!(version(server.id()), ours);
    assert_eq!(update(&mut client, program, ""), "OK|");
    assert_eq!(version(server.id()), theirs);
    assert_eq!(version(server.store_id()), theirs);
    assert_eq!(client.ask("READ /a|"), "one");
}

#[test]
fn another_program_is_not_run() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    let store = server.store_id();
    let said = client.ask("CONTROL live-update|-f|/bin/true|");
    assert_eq!(
        said,
        format!("only the installed program is ever run, which is {}|", own_program())
    );
    assert!(client.ask("CONTROL live-update|-s|").starts_with("no live update was begun here"));
    assert_eq!(server.connect_as_domain(5).ask("CONTROL live-update|-a|"), "EACCES");
    assert_eq!(server.store_id(), store);
}

#[test]
fn where_the_installed_program_cannot_go_on_the_old_one_does() {
    let server = Process::start_installed(&[]);
    let path = installed_in(server.folder.path());
    let program = path.to_str().expect("a plain path");
    let whole = fs::read(&path).expect("it is there");
    let mut client = server.connect();
    let mut watcher = server.connect();
    assert_eq!(watcher.ask("WATCH /a|t|"), "OK|");
    assert_eq!(watcher.heard().1, "/a|t|");
    let store = server.store_id();

    install(b"not a program", &path);
    let said = update(&mut client, program, "");
    assert!(said.contains("execute xenstored"), "{said}");
    install(&fs::read("/bin/false").expect("a program"), &path);
    let said = update(&mut client, program, "");
    assert!(said.contains("exited with status 1 before it was confined"), "{said}");
    // One that doesn't know this make of state.
    let mut other = whole.clone();
    for make in [b"xwstore1", b"xwheirs1"] {
        other.clone_from(&whole);
        let places: Vec<usize> =
            (0..other.len() - 8).filter(|at| other[*at..at + 8] == make[..]).collect();
        assert!(!places.is_empty(), "it has a make");
        for at in places {
            other[at + 7] = b'2';
        }
        install(&other, &path);
        let said = update(&mut client, program, "");
        assert!(said.contains("can't go on"), "{said}");
    }
    install(&whole, &path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o757)).expect("it is ours");
    let said = update(&mut client, program, "");
    assert!(said.ends_with("is not root's alone to change|"), "{said}");
    fs::remove_file(&path).expect("it is ours");
    let said = update(&mut client, program, "");
    assert!(said.contains("No such file"), "{said}");
    install(&whole, &path);
    for (words, because) in [
        ("-N -D --nonsense", "--nonsense"),
        ("-N -D --go-on=3", "options may change limits alone"),
        ("-N -D --uid-range 1000", "options may change limits alone"),
        ("-D --store", "options may change limits alone"),
    ] {
        assert_eq!(client.ask(&format!("CONTROL live-update|-f|{program}|")), "OK|");
        assert_eq!(client.ask(&format!("CONTROL live-update|-c|{words}|")), "OK|");
        let said = client.ask("CONTROL live-update|-s|");
        assert!(said.contains(because), "{said}");
    }

    assert_eq!(server.store_id(), store, "it has served all the time");
    assert_eq!(client.ask("WRITE /a|one"), "OK|");
    assert_eq!(watcher.heard().1, "/a|t|");
    assert_eq!(update(&mut client, program, ""), "OK|", "the whole one goes on");
    assert_eq!(client.ask("READ /a|"), "one");
}

#[test]
fn open_transactions_are_waited_for_or_aborted_as_asked() {
    let server = Process::start(&[]);
    let mut operator = server.connect();
    let mut client = server.connect();
    assert_eq!(client.ask("TRANSACTION_START |"), "1|");
    assert_eq!(client.ask("WRITE@1 /t/1|x"), "OK|");
    let store = server.store_id();
    let said = update(&mut operator, &own_program(), "-t|0|");
    assert_eq!(said, "domains with transactions open for too long: 0|");
    assert_eq!(server.store_id(), store);

    assert_eq!(operator.ask(&format!("CONTROL live-update|-f|{}|", own_program())), "OK|");
    operator.send("CONTROL live-update|-s|-t|600|");
    assert_eq!(client.ask("READ /tool/xenstored|"), "", "others are served meanwhile");
    assert_eq!(client.ask("TRANSACTION_END@1 T|"), "OK|");
    assert_eq!(operator.heard().1, "OK|");
    assert_ne!(server.store_id(), store);
    assert_eq!(client.ask("READ /t/1|"), "x", "what was committed is there");

    assert_eq!(client.ask("TRANSACTION_START |"), "2|");
    assert_eq!(client.ask("WRITE@2 /t/2|x"), "OK|");
    assert_eq!(update(&mut operator, &own_program(), "-F|-t|0|"), "OK|");
    assert_eq!(client.ask("TRANSACTION_END@2 T|"), "EAGAIN", "it is begun again, as any conflict");
    assert_eq!(client.ask("READ /t/2|"), "ENOENT");
}

#[test]
fn who_leaves_while_an_update_waits_gives_it_up() {
    let server = Process::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("TRANSACTION_START |"), "1|");
    let mut operator = server.connect();
    assert_eq!(operator.ask(&format!("CONTROL live-update|-f|{}|", own_program())), "OK|");
    let begin = format!("CONTROL live-update|-f|{}|", own_program());
    assert_eq!(client.ask(&begin), "another live update is being prepared|");
    operator.send("CONTROL live-update|-s|-t|600|");
    drop(operator);
    wait_until("it is given up", || client.ask(&begin) == "OK|");
}

#[test]
fn told_to_end_after_an_update_it_leaves_nothing_behind() {
    let folder = open_folder();
    let pid = folder.path().join("pid");
    let mut server =
        Process::start_in(folder, &["--pid-file", pid.to_str().expect("a plain path")]);
    assert_eq!(update(&mut server.connect(), &own_program(), ""), "OK|");
    assert_eq!(fs::read_to_string(&pid).expect("it is there"), format!("{}\n", server.id()));
    let store = server.store_id();
    assert!(server.stop(Signal::SIGTERM).success());
    assert!(kill(store, None).is_err(), "its store has ended");
    assert!(!pid.exists() && !server.socket().exists());
}
