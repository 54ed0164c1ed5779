//! Our xenstored goes on where Debian's C xenstored ends at a live update.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use acceptance::deadline::Deadline;
use acceptance::folder;
use acceptance::program::{self, Finished, Running};
use acceptance::store::Store;
use nix::sys::signal::Signal;
use tempfile::TempDir;

/// How long one step may take.
const SLOW: u64 = 20;
const PACKAGE: &str = "xen-utils-4.17";
/// Where that has its programs: its wrapper at the usual path looks for a hypervisor first.
const PROGRAMS: &str = "/usr/lib/xen-4.17/bin";

/// Debian's C xenstored on a machine without Xen, and a script that is ours to it.
struct Theirs {
    folder: TempDir,
    running: Running,
}

impl Theirs {
    fn start() -> Self {
        let shim = program::path_of("examples/libno_xen.so");
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        fs::write(at.join("own_port"), "2").expect("written");
        fs::write(at.join("own_page"), [0; 4096]).expect("written");
        let ours = program::path_of("xenstored");
        // The shim is for the other one alone.
        let script = format!("#!/bin/sh\nunset LD_PRELOAD\nexec {} \"$@\"\n", ours.display());
        let taker = at.join("taker");
        fs::write(&taker, script).expect("written");
        fs::set_permissions(&taker, Permissions::from_mode(0o755)).expect("it is ours");
        let mut command = program::system(&format!("{PROGRAMS}/xenstored"), PACKAGE);
        command.args(["-N", "-F"]).arg(at.join("pid"));
        command.env("LD_PRELOAD", shim).env("NO_XEN_FOLDER", at);
        command.env_remove("XENSTORED_PATH").env("XENSTORED_RUNDIR", at);
        let running = Running::start(&mut command);
        let there = folder::has(at, "socket", Deadline::seconds(SLOW), || false);
        assert!(there, "there is no socket; it said:\n{}", running.said());
        Self { folder, running }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn tool(&self, name: &str, words: &[&str]) -> Command {
        let mut command = program::system(name, "xenstore-utils");
        command.env("XENSTORED_PATH", self.path().join("socket")).args(words);
        command
    }

    fn ask(&self, name: &str, words: &[&str]) -> String {
        program::run_well(&mut self.tool(name, words), Deadline::seconds(SLOW))
    }

    /// Has ours go on, with these options.
    fn hand_over(&self, options: &str) -> Finished {
        let taker = self.path().join("taker");
        let taker = taker.to_str().expect("a plain path");
        let mut command = self
            .tool(&format!("{PROGRAMS}/xenstore-control"), &["live-update", "-c", options, taker]);
        program::run(&mut command, Deadline::seconds(SLOW))
    }
}

#[test]
fn what_cs_store_held_and_who_was_connected_goes_on_in_ours() {
    let mut theirs = Theirs::start();
    theirs.ask("xenstore-write", &["/a/b", "one", "/c", "two"]);
    theirs.ask("xenstore-chmod", &["/a/b", "r0"]);
    let many: Vec<String> = (0..300).map(|number| format!("/many/{number}")).collect();
    for path in &many {
        theirs.ask("xenstore-write", &[path, "x"]);
    }
    let mut watching = Running::start(&mut theirs.tool("xenstore-watch", &["-n", "2", "/a"]));
    let soon = Deadline::seconds(SLOW);
    watching.line(soon, "the first event", |line| line == "/a");
    let mut before = Store::connect(&theirs.path().join("socket")).expect("it answers");
    assert_eq!(before.read("/c").expect("it is there"), "two");

    let pid = theirs.path().join("pid");
    let done = theirs.hand_over(&format!("-N -D -F {}", pid.display()));
    assert!(done.status.success(), "{}\n{}", done.errors, theirs.running.said());

    assert_eq!(theirs.ask("xenstore-read", &["/a/b", "/c"]), "one\ntwo");
    assert!(theirs.ask("xenstore-ls", &["-p", "/a"]).contains("(r0)"));
    assert_eq!(theirs.ask("xenstore-list", &["/many"]).lines().count(), many.len());
    assert_eq!(before.read("/c").expect("who was connected still is"), "two");
    assert_eq!(before.control(&["check"]).as_deref(), Ok("OK"));
    theirs.ask("xenstore-write", &["/a/b", "three"]);
    watching.line(soon, "its watch is there", |line| line == "/a/b");
    assert!(watching.wait(soon).success());
    assert!(!theirs.path().join("state_dump").exists(), "the ledger has it now");
    let recorded = fs::read_to_string(&pid).expect("a pid file");
    assert_eq!(
        recorded,
        format!("{}\n", theirs.running.pid()),
        "whoever supervises it sees one process"
    );
    theirs.running.signal(Signal::SIGTERM);
    assert!(theirs.running.wait(soon).success());
    assert!(!theirs.path().join("socket").exists());
}

#[test]
fn a_state_that_was_spoiled_is_refused_kept_and_named() {
    let mut theirs = Theirs::start();
    theirs.ask("xenstore-write", &["/a/b", "one"]);
    let state = theirs.path().join("state_dump");
    // The script spoils it before ours sees it: it loses its end.
    let taker = theirs.path().join("taker");
    let script = fs::read_to_string(&taker).expect("it is there");
    let spoil = format!("truncate -s -20 {}\nexec", state.display());
    fs::write(&taker, script.replace("exec", &spoil)).expect("it is ours");
    let mut control = Running::start(&mut theirs.tool(
        &format!("{PROGRAMS}/xenstore-control"),
        &["live-update", "-c", "-N -D", taker.to_str().expect("a plain path")],
    ));
    let soon = Deadline::seconds(SLOW);
    assert_eq!(theirs.running.wait(soon).code(), Some(1));
    let kept = format!("which is kept in {}", state.display());
    let said = theirs.running.line(soon, "where it is kept", |line| line.contains(&kept));
    assert!(said.starts_with("xenstored: go on from what another xenstored left"), "{said}");
    theirs.running.line(soon, "why", |line| line.contains("makes no sense at byte"));
    assert!(!control.wait(soon).success());
    assert!(fs::read(&state).expect("it is kept").starts_with(b"xenstore"));
}
