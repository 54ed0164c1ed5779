//! Tries to undo the confinement, and looks at what is left, before the filter forbids to look.
//!
//! [`crate::attest()`] looks from outside and believes nothing of this; here the process itself finds
//! a kernel or a container that took a step for done and did not do it.

use std::fmt;

use caps::CapSet;
use nix::sys::prctl;
use nix::unistd::{self, setgid, setresuid};

use super::privilege;
use crate::plan::{Plan, SHOWN};

/// Something that must be impossible by now, and is not.
#[derive(Debug, Clone, Copy)]
pub enum Leak {
    /// The user ids are not the plan's.
    User,
    /// The group ids are not the plan's.
    Group,
    /// A supplementary group is left.
    Groups,
    /// The process could become root again.
    BecomeRoot,
    /// The process could enter root's group again.
    BecomeRootGroup,
    /// A capability set is not empty.
    Capability(CapSet),
    /// The securebits are not locked.
    Securebits,
    /// Executing a program could give privileges.
    NewPrivileges,
    /// The process can be traced or leave a core.
    Dumpable,
    /// The root is not an empty directory, but for what the plan shows in it.
    Root,
    /// The root can be written to.
    WritableRoot,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("the user ids are not the planned ones"),
            Self::Group => f.write_str("the group ids are not the planned ones"),
            Self::Groups => f.write_str("supplementary groups are left"),
            Self::BecomeRoot => f.write_str("it became root again"),
            Self::BecomeRootGroup => f.write_str("it entered root's group again"),
            Self::Capability(set) => write!(f, "the {set:?} capabilities are not empty"),
            Self::Securebits => f.write_str("the securebits are not locked"),
            Self::NewPrivileges => f.write_str("executing could give privileges"),
            Self::Dumpable => f.write_str("it can be traced"),
            Self::Root => f.write_str("the root is not an empty directory"),
            Self::WritableRoot => f.write_str("the root can be written to"),
        }
    }
}

/// Every call here that must fail is made; every state that must be is read.
pub(super) fn prove(plan: &Plan, last_capability: libc::c_ulong) -> Result<(), Leak> {
    let root = unistd::Uid::from_raw(0);
    hold(setresuid(root, root, root).is_err(), Leak::BecomeRoot)?;
    hold(setgid(unistd::Gid::from_raw(0)).is_err(), Leak::BecomeRootGroup)?;

    let uid = unistd::Uid::from_raw(plan.uid().number());
    let users = unistd::getresuid().map(|ids| [ids.real, ids.effective, ids.saved]);
    hold(users == Ok([uid; 3]), Leak::User)?;
    let gid = unistd::Gid::from_raw(plan.gid().number());
    let groups = unistd::getresgid().map(|ids| [ids.real, ids.effective, ids.saved]);
    hold(groups == Ok([gid; 3]), Leak::Group)?;
    hold(unistd::getgroups().is_ok_and(|groups| groups.is_empty()), Leak::Groups)?;

    for set in [CapSet::Effective, CapSet::Inheritable, CapSet::Permitted, CapSet::Ambient] {
        let empty = caps::read(None, set).is_ok_and(|left| left.is_empty());
        hold(empty, Leak::Capability(set))?;
    }
    let bounded = (0..=last_capability).any(privilege::bounding_has);
    hold(!bounded, Leak::Capability(CapSet::Bounding))?;
    hold(privilege::securebits_locked(), Leak::Securebits)?;

    hold(prctl::get_no_new_privs() == Ok(true), Leak::NewPrivileges)?;
    hold(prctl::get_dumpable() == Ok(false), Leak::Dumpable)?;

    let shown = plan.shown().map(|_| SHOWN.trim_start_matches('/'));
    let empty = std::fs::read_dir("/").is_ok_and(|mut entries| {
        entries
            .all(|entry| entry.is_ok_and(|entry| Some(entry.file_name()) == shown.map(Into::into)))
    });
    hold(empty, Leak::Root)?;
    hold(std::fs::create_dir("/made").is_err(), Leak::WritableRoot)
}

fn hold(holds: bool, leak: Leak) -> Result<(), Leak> {
    if holds { Ok(()) } else { Err(leak) }
}
