//! Starting and ending: sockets, process ids, signals, and words for those who start it wrong.

use std::fs;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Child, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::Client;
use crate::process::{Process, open_folder, program, run, wait_until};

#[test]
fn it_ends_well_when_told_to_and_leaves_nothing_behind() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = open_folder();
        let pid_file = folder.path().join("pid");
        let arguments = ["--pid-file", pid_file.to_str().expect("a plain name")];
        let mut server = Process::start_in(folder, &arguments);
        let _connected = server.connect();
        let written = fs::read_to_string(&pid_file).expect("a pid file");
        assert_eq!(written, format!("{}\n", server.id()));
        assert_eq!(server.stop(signal).code(), Some(0));
        assert_eq!(fs::read_dir(server.folder.path()).expect("a folder").count(), 0);
    }
}

#[test]
fn a_killed_servers_socket_is_taken_over() {
    let folder = open_folder();
    let mut killed = Process::start_in(folder, &[]);
    killed.stop(Signal::SIGKILL);
    assert!(killed.socket().exists());
    let path = killed.folder.path().to_owned();
    let _next = Ended(program(&path).args(["-N", "-D"]).spawn().expect("it starts"));
    wait_until("a socket", || UnixStream::connect(killed.socket()).is_ok());
}

/// A child that is ended with the test, however that goes.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_second_server_leaves_the_first_one_alone_and_says_so() {
    let server = Process::start(&[]);
    let second = run(server.folder.path(), &["-N", "-D"]);
    assert_eq!(second.status.code(), Some(0));
    assert!(one_line(&second).contains("is served by another process"));
    assert_eq!(server.connect().ask("READ /tool|"), "");
}

#[test]
fn in_the_background_it_is_ready_when_the_command_ends() {
    let folder = open_folder();
    let pid_file = folder.path().join("pid");
    let arguments = ["-D", "-F", pid_file.to_str().expect("a plain name")];
    let started = run(folder.path(), &arguments);
    assert_eq!(started.status.code(), Some(0), "{started:?}");
    let written = fs::read_to_string(&pid_file).expect("a pid file");
    let stream = UnixStream::connect(folder.path().join("socket"));
    let reply = Client::new(stream.expect("it listens already")).ask("READ /tool|");
    let id = Pid::from_raw(written.trim().parse().expect("a number"));
    kill(id, Signal::SIGTERM).expect("it runs");
    assert_eq!(reply, "");
    wait_until("its end", || !folder.path().join("socket").exists() && !pid_file.exists());
}

#[test]
fn it_prints_its_process_id_where_asked_to() {
    let folder = open_folder();
    let pid_file = folder.path().join("pid");
    let arguments = ["-D", "-P", "-F", pid_file.to_str().expect("a plain name")];
    let started = run(folder.path(), &arguments);
    let written = fs::read_to_string(&pid_file).expect("a pid file");
    assert_eq!(String::from_utf8_lossy(&started.stdout), written);
    kill(Pid::from_raw(written.trim().parse().expect("a number")), Signal::SIGTERM)
        .expect("it runs");
    wait_until("its end", || !pid_file.exists());
}

#[test]
fn what_keeps_it_from_the_background_is_said_in_the_foreground() {
    let folder = open_folder();
    let started = run(folder.path(), &["-D", "-F", "/nowhere/at/all"]);
    assert_eq!(started.status.code(), Some(1));
    assert!(one_line(&started).contains("/nowhere/at/all"), "{started:?}");
    assert!(!folder.path().join("socket").exists());
}

#[test]
fn it_tells_who_started_it_that_it_is_ready() {
    let folder = open_folder();
    let path = folder.path().join("notify");
    let told = UnixDatagram::bind(&path).expect("a socket");
    told.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let child = program(folder.path()).args(["-N", "-D"]).env("NOTIFY_SOCKET", &path).spawn();
    let server = Ended(child.expect("it starts"));
    let mut words = [0; 100];
    let size = told.recv(&mut words).expect("a word");
    let expected = format!("READY=1\nMAINPID={}", server.0.id());
    assert_eq!(String::from_utf8_lossy(&words[..size]), expected);
    let stream = UnixStream::connect(folder.path().join("socket"));
    assert_eq!(Client::new(stream.expect("it listens already")).ask("READ /tool|"), "");
}

#[test]
fn a_wrong_command_line_is_answered_with_one_line() {
    let folder = open_folder();
    for (arguments, word) in [
        (&["-N", "-D", "--burst", "19"][..], "below the transaction cost of 20"),
        (&["-N", "-D", "--burst", "many"], "many"),
        (&["-N", "-D", "--uid-range", "0"], "--uid-range 0"),
        (&["-N", "-D", "--nonsense"], "--nonsense"),
    ] {
        let answer = run(folder.path(), arguments);
        assert_eq!(answer.status.code(), Some(2), "{arguments:?}");
        assert!(one_line(&answer).contains(word), "{arguments:?}: {answer:?}");
        assert!(!folder.path().join("socket").exists());
    }
}

#[test]
fn without_a_hypervisor_guests_cannot_be_served() {
    let folder = open_folder();
    let answer = run(folder.path(), &["-N"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(one_line(&answer).contains("/dev/xen/privcmd"), "{answer:?}");
    assert!(!folder.path().join("socket").exists());
}

#[test]
fn it_says_what_it_is() {
    let folder = open_folder();
    let help = run(folder.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("--operations-per-second"));
    let version = run(folder.path(), &["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let expected = format!("xenstored {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
}

/// What was complained of, which is one line on standard error and nothing else.
fn one_line(answer: &Output) -> String {
    assert!(answer.stdout.is_empty(), "{answer:?}");
    let line = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with("xenstored: "), "{line}");
    line
}
