//! Attestations: every property of a captive holds, and each one fails where it should.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};
use restrict::{
    Attestation, Child, Expected, FileId, Moment, Network, attest, empty_network, look_at_store,
};

use crate::cell;
use crate::guard::{Captive, Cell};

fn failed(attestation: &Attestation) -> BTreeSet<&'static str> {
    attestation.failures().map(|property| property.name).collect()
}

fn assert_holds(attestation: &Attestation) {
    let failures: Vec<_> = attestation.failures().collect();
    assert!(attestation.holds(), "{failures:#?}");
}

#[test]
fn every_property_of_a_confined_process_holds() {
    let captive = Captive::waiting();
    let attestation = captive.attest(Moment::Started);
    assert_holds(&attestation);
    assert_holds(&captive.attest(Moment::Serving));
    let names: Vec<&str> = attestation.properties().iter().map(|property| property.name).collect();
    assert_eq!(
        names,
        [
            "start-time",
            "program",
            "environment",
            "user",
            "group",
            "groups",
            "capabilities",
            "no-new-privileges",
            "seccomp",
            "threads",
            "mount-namespace",
            "pid-namespace",
            "ipc-namespace",
            "uts-namespace",
            "first-process",
            "network",
            "interfaces",
            "root",
            "mounts",
            "limits",
            "descriptors",
            "not-dumpable",
        ]
    );
}

#[test]
fn a_network_of_its_own_is_attested_as_well() {
    let mut captive = Cell::new(Network::Own).lock("wait");
    assert_eq!(captive.hear(), "waiting");
    assert_holds(&captive.attest(Moment::Started));
}

#[test]
fn an_ordinary_process_of_root_fails_nearly_everything() {
    let captive = Captive::waiting();
    let mut process =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Once it answers, it has come all the way through its execution.
    process.stdin.as_mut().unwrap().write_all(b"?").unwrap();
    process.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let child = Child::find(i32::try_from(process.id()).unwrap()).unwrap();
    let attestation = attest(&Expected { child, ..captive.expected(Moment::Started) }).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    let holding: BTreeSet<&str> = attestation
        .properties()
        .iter()
        .filter(|property| property.holds)
        .map(|property| property.name)
        .collect();
    // It is the right process, has one thread, and root's own processes belong to root.
    let harmless = ["start-time", "threads", "not-dumpable", "groups", "interfaces"];
    assert!(holding.is_subset(&harmless.into()), "{holding:?}");
    assert!(holding.contains("start-time") && holding.contains("threads"));
}

#[test]
fn another_process_of_the_same_pid_is_seen() {
    let captive = Captive::waiting();
    let other = Child::known(captive.child.pid(), captive.child.start_time() + 1);
    let attestation =
        attest(&Expected { child: other, ..captive.expected(Moment::Started) }).unwrap();
    assert_eq!(failed(&attestation), BTreeSet::from(["start-time"]));
}

#[test]
fn another_program_is_seen() {
    let captive = Captive::waiting();
    let program = FileId::of(File::open("/proc/self/exe").unwrap()).unwrap();
    let attestation = attest(&Expected { program, ..captive.expected(Moment::Started) }).unwrap();
    assert_eq!(failed(&attestation), BTreeSet::from(["program"]));
}

#[test]
fn another_network_is_seen() {
    let captive = Captive::waiting();
    let network = Some(FileId::of(empty_network().unwrap()).unwrap());
    let attestation = attest(&Expected { network, ..captive.expected(Moment::Started) }).unwrap();
    assert_eq!(failed(&attestation), BTreeSet::from(["network"]));
    let attestation =
        attest(&Expected { network: None, ..captive.expected(Moment::Started) }).unwrap();
    assert_eq!(failed(&attestation), BTreeSet::from(["network"]));
}

#[test]
fn another_user_is_seen() {
    let captive = Captive::waiting();
    let plan = cell::plan(crate::guard::uid(), Network::Join(cell::NETWORK));
    let attestation =
        attest(&Expected { plan: &plan, ..captive.expected(Moment::Started) }).unwrap();
    assert_eq!(failed(&attestation), BTreeSet::from(["user", "group"]));
}

#[test]
fn a_descriptor_more_is_seen_at_the_start_and_may_come_later() {
    let mut captive = Cell::new(Network::Join(cell::NETWORK)).lock("take-one-more");
    assert_eq!(captive.hear(), "waiting");
    assert_eq!(failed(&captive.attest(Moment::Started)), BTreeSet::from(["descriptors"]));
    assert_holds(&captive.attest(Moment::Serving));
}

#[test]
fn a_process_that_has_ended_is_no_attestation() {
    let captive = Captive::waiting();
    let (child, plan) = (captive.child, captive.plan.clone());
    let (program, network) = (captive.program, captive.network);
    assert!(child.kill().unwrap());
    captive.end();
    let expected = Expected { child, plan: &plan, program, network, moment: Moment::Started };
    assert!(attest(&expected).is_err());
}

#[test]
fn the_host_name_inside_is_the_plans() {
    let captive = Captive::waiting();
    let namespace = File::open(format!("/proc/{}/ns/uts", captive.child.pid())).unwrap();
    // A thread's own: the other tests keep the host's.
    let name = std::thread::spawn(move || {
        nix::sched::unshare(CloneFlags::CLONE_FS).unwrap();
        setns(namespace, CloneFlags::CLONE_NEWUTS).unwrap();
        nix::unistd::gethostname().unwrap()
    });
    assert_eq!(name.join().unwrap(), captive.plan.hostname());
}

#[test]
fn its_own_user_cannot_look_into_it() {
    let captive = Captive::waiting();
    let uid = captive.plan.uid().number();
    for file in ["environ", "maps", "mem", "fd/6"] {
        let path = format!("/proc/{}/{file}", captive.child.pid());
        let read = Command::new("cat").arg(&path).uid(uid).gid(uid).output().unwrap();
        assert!(!read.status.success(), "{path} was read");
        let error = String::from_utf8_lossy(&read.stderr);
        assert!(error.contains("Permission denied"), "{error}");
    }
}

#[test]
fn a_store_that_holds_a_way_to_make_hypercalls_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let privcmd = folder.path().join("privcmd");
    File::create(&privcmd).expect("a file");
    // The shell is the parent; its child, which inherits the descriptor, says when it is there.
    let script = format!("exec 7<{}; sh -c 'echo there; read line'; exit", privcmd.display());
    let mut parent = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut said = [0; 6];
    parent.stdout.as_mut().expect("a pipe").read_exact(&mut said).expect("its child");
    let looked = look_at_store(i32::try_from(parent.id()).expect("a pid"));
    drop(parent.stdin.take());
    parent.wait().expect("it ends");
    let looked = looked.expect("both can be looked at");
    assert!(looked.store.is_some());
    let failed = failed(&looked.attestation);
    assert!(failed.contains("no-hypercalls") && failed.contains("user"), "{failed:?}");
    assert!(!failed.contains("one-store"), "{failed:?}");
}
