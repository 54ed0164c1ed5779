//! The same confinement with nothing but the system calls that Linux 4.19 has.

use std::collections::BTreeMap;

use restrict::{Ending, Moment, Network};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use crate::cell;
use crate::guard::Cell;

/// `rseq`, the last system call of 4.19 on x86-64.
const LAST: i64 = 334;
/// Above the last system call of any kernel that runs these tests.
const END: i64 = 600;

/// A filter that answers as 4.19 would: it does not know what came later.
fn kernel_4_19() -> BpfProgram {
    let unknown: BTreeMap<_, _> = (LAST + 1..END).map(|number| (number, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    SeccompFilter::new(unknown, SeccompAction::Allow, refuse, TargetArch::x86_64)
        .unwrap()
        .try_into()
        .unwrap()
}

#[test]
fn a_captive_is_locked_attested_and_killed_on_linux_4_19() {
    // The filter holds for one thread, and for what that one starts.
    let thread = std::thread::spawn(|| {
        seccompiler::apply_filter(&kernel_4_19()).unwrap();
        let mut captive = Cell::new(Network::Join(cell::NETWORK)).lock("wait");
        assert_eq!(captive.hear(), "waiting");
        let attestation = captive.attest(Moment::Started);
        assert!(attestation.holds(), "{:#?}", attestation.failures().collect::<Vec<_>>());
        assert!(captive.child.pidfd().unwrap().is_none(), "4.19 has no pidfds");
        assert!(captive.child.kill().unwrap());
        captive.end().0
    });
    assert_eq!(thread.join().unwrap(), Ending::Killed(nix::sys::signal::Signal::SIGKILL));
}
