//! What the holder of a restricted handle is given, and the plan that keeps it.
//!
//! The tests read this file as well: without Xen they hand in another device.

use std::os::fd::RawFd;

use restrict::{Kept, Kind, Network, Plan, Uid};

/// The handle.
pub(crate) const HANDLE: RawFd = 3;
/// A stream socket to whoever started it.
pub(crate) const CONTROL: RawFd = 4;
/// Where it reports.
pub(crate) const REPORT: RawFd = 5;

/// The released plan for converters, with a handle.
pub(crate) fn plan(uid: Uid) -> Plan {
    let kept = vec![
        Kept { number: HANDLE, kind: Kind::Device, purpose: "restricted handle" },
        Kept { number: CONTROL, kind: Kind::Socket, purpose: "control" },
    ];
    Plan::converter(uid, uid.into(), Network::Own, kept).expect("the numbers make a plan")
}
