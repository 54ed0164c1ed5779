//! What the store's process keeps, and at which numbers: what the parent hands in, and what it opens
//! itself before it no longer can.
//!
//! How it gives everything else up is in `restrict`.

use std::os::fd::RawFd;

use restrict::{IdentityError, Kept, Kind, Opened, Plan, PlanError, Uid};

/// How confinement went is reported here.
pub(crate) const REPORT: RawFd = 3;
/// Clients come in here, each with whom it speaks for.
pub(crate) const CLIENTS: RawFd = 4;
/// Which domains live is asked here.
pub(crate) const LIVES: RawFd = 5;
/// Event channels.
pub(crate) const CHANNELS: RawFd = 6;
/// Guests' rings.
pub(crate) const GRANTS: RawFd = 7;
/// The ring of the kernel that the store runs on, and its port.
pub(crate) const OWN_PAGE: RawFd = 8;
pub(crate) const OWN_PORT: RawFd = 9;
/// What a later store's process goes on from.
pub(crate) const LEDGER: RawFd = 10;
/// What a parent would leave to the program, where that is only tried; or what another program's store
/// has left.
pub(crate) const HEIRLOOMS: RawFd = 11;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfinementError {
    #[error("take the user id")]
    Identity(#[from] IdentityError),
    #[error("plan the confinement")]
    Plan(#[from] PlanError),
}

/// The store's plan, with a hypervisor or without one; and that of a process which also has something to
/// read at first.
pub(crate) fn plan(uid: u32, sockets_only: bool, inherits: bool) -> Result<Plan, ConfinementError> {
    let uid = Uid::new(uid)?;
    let kept = |number, purpose| Kept { number, kind: Kind::Socket, purpose };
    let opened = |number, path, kind, purpose| Opened { number, path, kind, purpose };
    let clients = kept(CLIENTS, "clients, from the parent");
    let ledger =
        Kept { number: LEDGER, kind: Kind::File, purpose: "what the next store goes on from" };
    let mut handed_in = vec![clients, ledger];
    if inherits {
        let purpose = "what another program left to go on from";
        handed_in.push(Kept { number: HEIRLOOMS, kind: Kind::File, purpose });
    }
    if sockets_only {
        return Ok(Plan::store(uid, uid.into(), handed_in, vec![])?);
    }
    handed_in.push(kept(LIVES, "which domains live, from the parent"));
    let devices = vec![
        opened(CHANNELS, "/dev/xen/evtchn", Kind::Device, "event channels"),
        opened(GRANTS, "/dev/xen/gntdev", Kind::Device, "guests' rings"),
        opened(OWN_PAGE, "/proc/xen/xsd_kva", Kind::File, "the kernel's own ring"),
        opened(OWN_PORT, "/proc/xen/xsd_port", Kind::File, "the port that it is heard on"),
    ];
    Ok(Plan::store(uid, uid.into(), handed_in, devices)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_keeps_no_handle_that_hypercalls_can_be_made_with() {
        let plan = plan(1_879_146_479, false, false).expect("a plan");
        let paths: Vec<&str> = plan.opened().iter().map(|opened| opened.path).collect();
        assert_eq!(
            paths,
            ["/dev/xen/evtchn", "/dev/xen/gntdev", "/proc/xen/xsd_kva", "/proc/xen/xsd_port"]
        );
        assert_eq!(plan.kept().len(), 3);
    }
}
