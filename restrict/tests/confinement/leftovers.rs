//! Processes that a domain has left behind end before its user id is used again, and only they.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use restrict::UidRange;

/// Apart from the captives' range: what is killed here must not be theirs.
const BASE: u32 = 2_010_000_000;

fn run_as(uid: u32) -> std::process::Child {
    Command::new("cat").stdin(Stdio::piped()).uid(uid).gid(uid).spawn().unwrap()
}

#[test]
fn a_domains_leftovers_end_and_its_neighbours_stay() {
    assert!(geteuid().is_root(), "the tests of confinement need root: run them as root");
    let range = UidRange::new(BASE).unwrap();
    // A domid for each run, as several may go on at once.
    let domid = u16::try_from(std::process::id() % 32_000).unwrap();
    let uid = range.uid(domid).unwrap().number();
    let mut leftovers: Vec<_> = (0..3).map(|_| run_as(uid)).collect();
    let mut neighbour = run_as(uid + 1);

    assert_eq!(range.end_leftovers(domid).unwrap(), 3);
    for leftover in &mut leftovers {
        assert_eq!(leftover.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
    assert_eq!(range.end_leftovers(domid).unwrap(), 0);
    assert!(neighbour.try_wait().unwrap().is_none(), "the neighbour lives");
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
}
