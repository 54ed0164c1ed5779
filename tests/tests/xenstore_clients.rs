//! Debian's own xenstore clients against our xenstored.

use std::process::Command;

use acceptance::deadline::Deadline;
use acceptance::proc::Process;
use acceptance::program::{self, Finished, Running};
use acceptance::store::Store;
use acceptance::xenstored::{self, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Debian's wrapper at the usual path looks for a hypervisor first.
const CONTROL: &str = "/usr/lib/xen-4.17/bin/xenstore-control";
/// How long one tool may take.
const SLOW: u64 = 20;

/// One of Debian's clients, told where the store is.
fn client(server: &Server, name: &str, words: &[&str]) -> Command {
    let mut command = program::system(name, "xenstore-utils");
    command.env("XENSTORED_PATH", server.socket()).args(words);
    command
}

/// Runs a client to its end, well or not.
fn run(server: &Server, name: &str, words: &[&str]) -> Finished {
    program::run(&mut client(server, name, words), Deadline::seconds(SLOW))
}

/// Runs a client, which must succeed; returns what it printed.
fn ask(server: &Server, name: &str, words: &[&str]) -> String {
    program::run_well(&mut client(server, name, words), Deadline::seconds(SLOW))
}

#[test]
fn values_are_written_read_listed_and_removed() {
    let server = Server::start();
    ask(&server, "xenstore-write", &["/a/b", "hello", "/a/c", "some words"]);
    assert_eq!(ask(&server, "xenstore-read", &["/a/b", "/a/c"]), "hello\nsome words");
    assert_eq!(ask(&server, "xenstore-list", &["/a"]), "b\nc");
    assert_eq!(ask(&server, "xenstore-ls", &["/a"]), "b = \"hello\"\nc = \"some words\"");
    assert!(run(&server, "xenstore-exists", &["/a/b"]).status.success());
    ask(&server, "xenstore-rm", &["/a/b"]);
    assert!(!run(&server, "xenstore-exists", &["/a/b"]).status.success());
    let missing = run(&server, "xenstore-read", &["/a/b"]);
    assert!(!missing.status.success());
    assert!(missing.errors.contains("/a/b"), "{}", missing.errors);
}

#[test]
fn permissions_are_changed_and_shown() {
    let server = Server::start();
    ask(&server, "xenstore-write", &["/p/q", "x"]);
    ask(&server, "xenstore-chmod", &["/p/q", "n0", "r5", "b7"]);
    let shown = ask(&server, "xenstore-ls", &["-f", "-p", "/p"]);
    let fields: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!(fields, ["/p/q", "=", "\"x\"", "(n0,r5,b7)"]);
    ask(&server, "xenstore-chmod", &["-r", "/p", "r0"]);
    let shown = ask(&server, "xenstore-ls", &["-f", "-p", "/p"]);
    assert!(shown.contains("(r0)"), "{shown}");
}

#[test]
fn a_watch_tells_at_once_and_then_of_every_change_below() {
    let server = Server::start();
    let mut watching = Running::start(&mut client(&server, "xenstore-watch", &["-n", "3", "/w"]));
    let soon = Deadline::seconds(SLOW);
    watching.line(soon, "the first event", |line| line == "/w");
    ask(&server, "xenstore-write", &["/w/x/y", "1"]);
    watching.line(soon, "the creation", |line| line == "/w/x/y");
    ask(&server, "xenstore-rm", &["/w/x"]);
    watching.line(soon, "the removal", |line| line == "/w/x");
    assert!(watching.wait(soon).success());
}

#[test]
fn a_directory_above_one_reply_is_listed_whole() {
    let server = Server::start();
    let mut store = server.store();
    let names: Vec<String> = (0..600).map(|number| format!("child-{number:05}")).collect();
    for name in &names {
        store.write(&format!("/big/{name}"), "").expect("written");
    }
    let listed = ask(&server, "xenstore-list", &["/big"]);
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, names);
}

/// Debian's own test of a store: reads, writes, directories, transactions with and without conflicts.
#[test]
fn debians_test_of_a_store_passes() {
    let server = Server::start();
    let mut test = program::system("/usr/lib/xen-4.17/bin/test-xenstore", "xen-utils-4.17");
    test.env("XENSTORED_PATH", server.socket()).args(["-i", "200"]);
    let finished = program::run(&mut test, Deadline::seconds(60));
    assert!(finished.status.success(), "{}{}", finished.output, finished.errors);
    let said = finished.output + &finished.errors;
    assert!(!said.contains("failed") && !said.contains("error"), "{said}");
    for part in ["read 2000", "write 2000", "dir", "rm dir", "ta rmw x", "ta err"] {
        assert!(said.contains(part), "{part} was not tried: {said}");
    }
}

#[test]
fn the_daemon_finds_itself_well_after_work() {
    let server = Server::start();
    ask(&server, "xenstore-write", &["/a/b/c", "1", "/a/d", "2"]);
    ask(&server, "xenstore-rm", &["/a/b"]);
    let said = server.store().control(&["check"]);
    assert_eq!(said.as_deref(), Ok("OK"));
}

#[test]
fn debians_own_tool_has_the_installed_program_go_on_and_no_other() {
    let server = Server::start();
    ask(&server, "xenstore-write", &["/a/b", "1"]);
    let mut watching = Running::start(&mut client(&server, "xenstore-watch", &["-n", "2", "/a"]));
    let soon = Deadline::seconds(SLOW);
    watching.line(soon, "the first event", |line| line == "/a");
    let update = |words: &[&str]| {
        let mut command = program::system(CONTROL, "xen-utils-4.17");
        command.env("XENSTORED_PATH", server.socket()).arg("live-update").args(words);
        program::run(&mut command, Deadline::seconds(SLOW))
    };
    let program = program::path_of("xenstored");
    let program = program.to_str().expect("a plain path");
    let done = update(&[program]);
    assert!(done.status.success(), "{}", done.errors);
    let done = update(&["-t", "5", "-F", "-c", "-N -D --burst 50", program]);
    assert!(done.status.success(), "{}", done.errors);
    let refused = update(&["/bin/true"]);
    assert!(!refused.status.success());
    assert!(
        refused.errors.contains(&format!("ever run, which is {program}")),
        "{}",
        refused.errors
    );
    assert_eq!(ask(&server, "xenstore-read", &["/a/b"]), "1");
    ask(&server, "xenstore-write", &["/a/b", "2"]);
    watching.line(soon, "a change after it all", |line| line == "/a/b");
    assert!(watching.wait(soon).success());
}

#[test]
fn the_pid_file_names_the_process_in_the_foreground() {
    let mut server = Server::start();
    assert_eq!(xenstored::recorded_pid(server.folder()), server.running.pid());
    server.running.signal(Signal::SIGTERM);
    let status = server.running.wait(Deadline::seconds(SLOW));
    assert!(status.success(), "asked to end, it ended with {status}");
}

#[test]
fn without_n_it_goes_to_the_background_when_it_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut starter = Running::start(xenstored::command(folder.path()).arg("-D"));
    let status = starter.wait(Deadline::seconds(SLOW));
    assert!(status.success(), "it did not start: {}", starter.said());
    let daemon = Process::find(xenstored::recorded_pid(folder.path())).expect("the daemon runs");
    let mut store = Store::connect(&folder.path().join("socket")).expect("it is ready at once");
    store.write("/a", "1").expect("written");
    kill(Pid::from_raw(daemon.pid.cast_signed()), Signal::SIGTERM).expect("it can be told to end");
    Deadline::seconds(SLOW).until("the daemon ends", || (!daemon.lives()).then_some(()));
}
