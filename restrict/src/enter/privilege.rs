//! The steps by which root becomes a plain user without capabilities, one function each.
//!
//! Their order is not here: [`crate::enter()`] has it, with the reasons.

#![allow(unsafe_code, reason = "the bounding set and the securebits have no safe wrapper")]

use std::io;

use caps::errors::CapsError;
use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::unistd::{self, setgroups, setresgid, setresuid};

use crate::identity::{Gid, Uid};

/// Where the kernel says the number of its last capability.
pub(crate) const LAST_CAPABILITY: &str = "/proc/sys/kernel/cap_last_cap";

/// What execution and uid changes may do for root: nothing, and locked so.
///
/// SECBIT_NO_SETUID_FIXUP stays unset: the fixup is what clears the sets when the uid changes.
const SECUREBITS: libc::c_int = libc::SECBIT_NOROOT
    | libc::SECBIT_NOROOT_LOCKED
    | libc::SECBIT_NO_SETUID_FIXUP_LOCKED
    | libc::SECBIT_KEEP_CAPS_LOCKED
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE
    | libc::SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The ambient set could not be cleared.
    #[error("clear the ambient capabilities")]
    Ambient(#[source] CapsError),
    /// A capability could not be dropped from the bounding set.
    #[error("drop capability {capability} from the bounding set")]
    Bounding {
        /// Its number.
        capability: libc::c_ulong,
        /// The cause.
        source: Errno,
    },
    /// The securebits could not be set.
    #[error("lock the securebits")]
    Securebits(#[source] Errno),
    /// The supplementary groups could not be left.
    #[error("leave every supplementary group")]
    Groups(#[source] Errno),
    /// The group could not be taken.
    #[error("become group {gid}")]
    Gid {
        /// The planned group.
        gid: Gid,
        /// The cause.
        source: Errno,
    },
    /// The user could not be taken.
    #[error("become user {uid}")]
    Uid {
        /// The planned user.
        uid: Uid,
        /// The cause.
        source: Errno,
    },
    /// A capability set could not be cleared.
    #[error("clear the {set:?} capabilities")]
    Set {
        /// The set.
        set: CapSet,
        /// The cause.
        source: CapsError,
    },
}

/// The number of the last capability that this kernel knows.
///
/// Read from the kernel, as it may know more of them than any table here.
pub(crate) fn last_capability() -> io::Result<libc::c_ulong> {
    let text = std::fs::read_to_string(LAST_CAPABILITY)?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

pub(crate) fn clear_ambient() -> Result<(), PrivilegeError> {
    caps::clear(None, CapSet::Ambient).map_err(PrivilegeError::Ambient)
}

pub(crate) fn drop_bounding(last: libc::c_ulong) -> Result<(), PrivilegeError> {
    drop_bounding_but(last, &[])
}

/// Drops every capability from the bounding set but these.
pub(crate) fn drop_bounding_but(
    last: libc::c_ulong,
    kept: &[Capability],
) -> Result<(), PrivilegeError> {
    let kept = |number| kept.iter().any(|kept| libc::c_ulong::from(kept.index()) == number);
    for capability in (0..=last).filter(|number| !kept(*number)) {
        // SAFETY: this operation of `prctl` takes numbers only.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        Errno::result(dropped).map_err(|source| PrivilegeError::Bounding { capability, source })?;
    }
    Ok(())
}

pub(crate) fn lock_securebits() -> Result<(), PrivilegeError> {
    // SAFETY: this operation of `prctl` takes numbers only.
    let locked = unsafe { libc::prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0) };
    Errno::result(locked).map(drop).map_err(PrivilegeError::Securebits)
}

pub(crate) fn leave_groups() -> Result<(), PrivilegeError> {
    setgroups(&[]).map_err(PrivilegeError::Groups)
}

pub(crate) fn become_group(gid: Gid) -> Result<(), PrivilegeError> {
    let id = unistd::Gid::from_raw(gid.number());
    setresgid(id, id, id).map_err(|source| PrivilegeError::Gid { gid, source })
}

pub(crate) fn become_user(uid: Uid) -> Result<(), PrivilegeError> {
    let id = unistd::Uid::from_raw(uid.number());
    setresuid(id, id, id).map_err(|source| PrivilegeError::Uid { uid, source })
}

pub(crate) fn clear_sets() -> Result<(), PrivilegeError> {
    for set in [CapSet::Effective, CapSet::Inheritable, CapSet::Permitted] {
        clear_set(set)?;
    }
    Ok(())
}

pub(crate) fn clear_set(set: CapSet) -> Result<(), PrivilegeError> {
    caps::clear(None, set).map_err(|source| PrivilegeError::Set { set, source })
}

/// Whether the bounding set still has this capability, or would not tell.
pub(crate) fn bounding_has(capability: libc::c_ulong) -> bool {
    // SAFETY: this operation of `prctl` takes numbers only.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) != 0 }
}

/// Whether the securebits are as [`lock_securebits`] has left them.
pub(crate) fn securebits_locked() -> bool {
    // SAFETY: this operation of `prctl` takes numbers only.
    unsafe { libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0) == SECUREBITS }
}
