//! Attacks from inside: each forbidden deed ends the captive, each hoard meets its limit.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use restrict::{Ending, Network, Policy};

use crate::cell;
use crate::guard::{Captive, Cell};

fn lock(deed: &str) -> Captive {
    Cell::new(Network::Join(cell::NETWORK)).lock(deed)
}

#[test]
fn every_forbidden_deed_ends_in_sigsys() {
    for deed in [
        "open",
        "openat",
        "list-root",
        "socket",
        "connect",
        "bind",
        "send-a-descriptor",
        "fork",
        "clone",
        "thread",
        "execve",
        "kill",
        "ptrace",
        "mount",
        "setuid",
        "setresuid",
        "unshare",
        "setns",
        "chroot",
        "executable-memory",
        "make-executable",
        "steal-input",
        "raise-a-limit",
        "loosen-prctl",
        "stat-a-path",
        "call-as-x32",
    ] {
        let mut captive = lock(deed);
        assert_eq!(captive.hear(), "", "{deed} was answered");
        let (ending, log) = captive.end();
        assert!(ending.is_forbidden_call(), "{deed} {ending}, log: {log}");
    }
}

#[test]
fn no_32_bit_call_passes() {
    let mut captive = lock("call-as-32-bit");
    assert_eq!(captive.hear(), "");
    // A kernel without 32-bit emulation has no such entry at all, and faults.
    let expected = [Ending::Killed(Signal::SIGSYS), Ending::Killed(Signal::SIGSEGV)];
    let (ending, _) = captive.end();
    assert!(expected.contains(&ending), "{ending}");
}

#[test]
fn every_allowed_call_is_answered() {
    let mut captive = lock("make-each-call");
    let mut answered = BTreeSet::from(["exit".to_owned(), "exit_group".to_owned()]);
    loop {
        let line = captive.hear();
        let (name, answer) = line.split_once(' ').unwrap_or_else(|| {
            panic!("the captive ended after {answered:?}");
        });
        if answer == "calls" {
            break;
        }
        // With no viewer, no order and no stopped call, these have nothing else to answer.
        let refusal = match name {
            "accept4" | "recvmsg" | "recvfrom" => Some(libc::EAGAIN),
            "restart_syscall" => Some(libc::EINTR),
            "rt_sigreturn" => Some(libc::EFBIG),
            _ => None,
        };
        let good = match refusal {
            Some(errno) => answer == format!("Err({errno})"),
            None => answer.starts_with("Ok("),
        };
        assert!(good, "{line}");
        answered.insert(name.to_owned());
    }
    let policy = Policy::converter().unwrap();
    let allowed: BTreeSet<String> = policy.calls().map(str::to_owned).collect();
    assert_eq!(answered, allowed, "each call of the policy is made here, and no other");
    assert_eq!(captive.end().0, Ending::Exited(0));
}

#[test]
fn the_only_thread_may_exit() {
    assert_eq!(lock("exit-the-thread").end().0, Ending::Exited(0));
}

#[test]
fn memory_ends_at_the_limit() {
    let mut captive = lock("hog-memory");
    let taken: u64 = captive.hear().parse().unwrap();
    let limit = captive.plan.limit(restrict::Limit::AddressSpace).unwrap() >> 20;
    assert!(taken < limit && taken > limit / 2, "{taken} MiB of {limit}");
    assert_eq!(captive.end().0, Ending::Exited(0));
}

#[test]
fn descriptors_end_at_the_limit() {
    let mut captive = lock("hog-descriptors");
    assert_eq!(captive.hear(), format!("Some(63) Some({})", libc::EMFILE));
}

#[test]
fn a_file_ends_at_the_limit_and_the_writer_lives() {
    let mut captive = lock("fill-the-file");
    assert_eq!(captive.hear(), format!("{} Some({})", 1 << 20, libc::EFBIG));
    assert_eq!(captive.screen.metadata().unwrap().len(), 1 << 20);
    assert_eq!(captive.end().0, Ending::Exited(0));
}

#[test]
fn a_panic_leaves_one_line_and_its_own_status() {
    let (ending, log) = lock("panic").end();
    assert_eq!(ending, Ending::Exited(101));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("told to?panic"), "{log}");
}

#[test]
fn a_listener_from_outside_accepts_inside_the_empty_network() {
    let mut captive = lock("accept");
    let mut viewer = TcpStream::connect(captive.address).unwrap();
    viewer.write_all(b"hello").unwrap();
    let mut echo = [0; 5];
    viewer.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello");
    assert_eq!(captive.hear(), "hello from 127.0.0.1");
}

#[test]
fn a_kept_descriptor_is_taken_once() {
    assert_eq!(lock("take-twice").hear(), "true false");
}
