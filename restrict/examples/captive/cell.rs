//! What a captive is given: the descriptors of a converter, by number, and the plan that keeps them.
//!
//! The tests read this file as well, so that both sides mean the same plan.

use std::os::fd::RawFd;

use restrict::{Kept, Kind, Network, Plan, Uid};

/// A tty.
pub(crate) const TTY: RawFd = 3;
/// A TCP listener.
pub(crate) const LISTENER: RawFd = 4;
/// A stream socket, to the test.
pub(crate) const CONTROL: RawFd = 6;
/// A file, opened for reading and writing.
pub(crate) const SCREEN: RawFd = 7;
/// The network namespace to join.
pub(crate) const NETWORK: RawFd = 9;
/// Where the captive reports.
pub(crate) const REPORT: RawFd = 10;

/// The released plan, for a captive of this user id.
pub(crate) fn plan(uid: Uid, network: Network) -> Plan {
    let kept = [
        (TTY, Kind::Terminal, "tty"),
        (LISTENER, Kind::Socket, "listener"),
        (CONTROL, Kind::Socket, "control"),
        (SCREEN, Kind::File, "screen"),
    ];
    let kept =
        kept.map(|(number, kind, purpose)| Kept { number, kind, purpose }).into_iter().collect();
    Plan::converter(uid, uid.into(), network, kept).expect("the numbers above make a plan")
}
