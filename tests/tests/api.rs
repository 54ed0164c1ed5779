//! The network front, as clients use it that others have written, and as attackers would.

use std::path::Path;
use std::process::Command;

use acceptance::deadline::Deadline;
use acceptance::program;
use acceptance::world::Demo;

/// How long a client may take, its installation aside.
const CLIENT_S: u64 = 220;
/// How long its installation may take.
const SETUP_S: u64 = 300;

/// Runs one of the clients against a demo, with what it needs of others; it fails by itself.
fn client(demo: &Demo, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let mut setup = Command::new(folder.join("setup"));
    let installed = program::run_well(&mut setup, Deadline::seconds(SETUP_S));
    let installed = Path::new(installed.trim());
    let mut command = if name.ends_with(".mjs") {
        program::system("node", "nodejs")
    } else {
        let mut python = Command::new(installed.join("venv/bin/python3"));
        python.arg("-B");
        python
    };
    command.arg(folder.join(name)).arg(demo.folder.path().join("demo.json")).arg(installed);
    let said = program::run_well(&mut command, Deadline::seconds(CLIENT_S));
    assert_eq!(said.lines().last(), Some("good"), "{said}");
}

#[test]
fn clients_that_others_have_written_are_served_as_by_the_original() {
    // One demo for all that leave it as they found it.
    let demo = Demo::start(["--domains", "3"]);
    has_given_everything_up(&demo);
    for name in ["calls.py", "seed_steps.py", "connect_replays.py", "watch.mjs"] {
        client(&demo, name);
    }
    let facts = std::fs::read_to_string(demo.folder.path().join("demo.json")).unwrap();
    let password = facts.split("\"password\": \"").nth(1).unwrap().split('"').next().unwrap();
    // The table shows it; no log does.
    assert!(!logs(&demo).contains(password));
    assert!(!logs(&demo).contains("OpaqueRef"), "a session or a query has reached a log");
    assert!(demo.said().contains("console opened"), "{}", demo.said());
    Deadline::seconds(CLIENT_S).until("the console's end is noted", || {
        demo.said().contains("console closed").then_some(())
    });
    demo.end();
}

#[test]
fn a_websocket_keeps_to_its_rfc_and_every_close_says_why() {
    let demo = Demo::start(["--domains", "3"]);
    client(&demo, "websocket.py");
    let logs = logs(&demo);
    assert!(!logs.contains("OpaqueRef"), "a session or a query has reached a log");
    for why in ["why=\"left\"", "why=\"malformed\"", "why=\"restarts\"", "why=\"shut-down\""] {
        assert!(logs.contains(why), "{why}: {logs}");
    }
    demo.end();
}

#[test]
fn a_person_uses_the_page_in_a_browser() {
    let demo = Demo::start(["--domains", "3"]);
    client(&demo, "page.mjs");
    demo.end();
}

#[test]
fn a_console_outlives_the_agent_and_a_session_the_front() {
    let demo = Demo::start(["--domains", "1"]);
    client(&demo, "survival.py");
    demo.end();
}

#[test]
fn a_front_that_was_taken_over_has_its_sessions_and_no_more() {
    let demo = Demo::start(["--domains", "1"]);
    client(&demo, "taken_over.py");
    demo.end();
}

#[test]
fn bad_input_gets_its_error_and_hurts_nobody() {
    let demo = Demo::start(["--domains", "3"]);
    client(&demo, "bad_input.py");
    demo.end();
}

/// The front runs as nobody, and sees the agent's folder alone.
fn has_given_everything_up(demo: &Demo) {
    let front = demo.process_of("xenwarden-api");
    let status = std::fs::read_to_string(format!("/proc/{}/status", front.pid)).expect("it runs");
    let line = |name: &str| {
        let found = status.lines().find_map(|line| line.strip_prefix(name));
        found.expect("a line").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(line("Uid:").iter().chain(&line("Gid:")).all(|id| id != "0"), "{status}");
    assert!(line("Groups:").is_empty(), "{status}");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(set), ["0000000000000000"], "{set}");
    }
    assert_eq!((line("NoNewPrivs:"), line("Seccomp:")), (vec!["1".into()], vec!["2".into()]));
    let root = std::fs::read_dir(format!("/proc/{}/root", front.pid)).expect("it runs");
    let names: Vec<_> = root.map(|entry| entry.expect("a name").file_name()).collect();
    assert_eq!(names, ["agent"]);
}

/// What the demo's programs have logged.
fn logs(demo: &Demo) -> String {
    let log = |name: &str| {
        let path = demo.folder.path().join("log").join(name);
        std::fs::read_to_string(path).expect("the demo keeps its logs")
    };
    ["xenwardend.log", "xenwarden-api.log"].map(log).concat()
}
