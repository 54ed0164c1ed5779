//! Starting a store's process, or one that only tries what a store's would go on from.
//!
//! What becomes of it is the parent's.

use std::ffi::OsString;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair};
use nix::sys::time::TimeVal;
use restrict::{Child, Launch, Plan, Program};
use xenstore_hypervisor::Privcmd;

use super::{CONFINED_WITHIN, ParentError};
use crate::census::Answering;
use crate::confinement::{CLIENTS, HEIRLOOMS, LEDGER, LIVES, REPORT, plan};
use crate::options::Options;

/// How long the store waits to be told which domains live: the parent only has to be given its turn.
const ANSWER_WITHIN_S: i64 = 20;

/// A process that was started, and the parent's ends of what it was given.
pub(super) struct Started {
    pub(super) plan: Plan,
    pub(super) program: Program,
    pub(super) child: Child,
    pub(super) clients: OwnedFd,
    pub(super) census: Option<Answering>,
}

/// What is started.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    /// What it is to be, and then the options of whoever started us.
    pub(super) arguments: Vec<OsString>,
    pub(super) ledger: &'a OwnedFd,
    /// What a parent would leave to the program, where that is only tried; or what another store has.
    pub(super) heirlooms: Option<OwnedFd>,
    /// What it prints goes there.
    pub(super) stderr: PipeWriter,
}

/// Starts a process in the store's confinement.
pub(super) fn launch(options: &Options, start: Start<'_>) -> Result<Started, ParentError> {
    let plan = plan(options.store_uid, options.sockets_only, start.heirlooms.is_some())?;
    let privcmd = match options.sockets_only {
        true => None,
        false => Some(Privcmd::open().map_err(ParentError::Privcmd)?),
    };
    let nonblocking = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (clients, theirs) = packets(nonblocking).map_err(ParentError::Prepare)?;
    let copy = start.ledger.try_clone().map_err(ParentError::Prepare)?;
    let mut descriptors = vec![(CLIENTS, theirs), (LEDGER, copy)];
    descriptors.extend(start.heirlooms.map(|heirlooms| (HEIRLOOMS, heirlooms)));
    let census = match privcmd {
        Some(privcmd) => {
            let (ours, theirs) = packets(SockFlag::SOCK_CLOEXEC)
                .and_then(|pair| wait_no_longer(&pair.1).map(|()| pair))
                .map_err(ParentError::Prepare)?;
            descriptors.push((LIVES, theirs));
            Some(Answering::new(ours, Box::new(privcmd)))
        }
        None => None,
    };
    let program = Program::open(start.program).map_err(ParentError::Prepare)?;
    let launch = Launch {
        program: &program,
        name: "xenstored".into(),
        arguments: start.arguments,
        plan: &plan,
        report: REPORT,
        descriptors,
        stderr: start.stderr.into(),
    };
    let child = launch.run(CONFINED_WITHIN)?;
    Ok(Started { plan, program, child, clients, census })
}

/// A pair of sockets that carry packets.
fn packets(flags: SockFlag) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

/// Has reads of a socket give up after a time: the store can't set it for itself.
fn wait_no_longer(socket: &OwnedFd) -> io::Result<()> {
    Ok(setsockopt(socket, ReceiveTimeout, &TimeVal::new(ANSWER_WITHIN_S, 0))?)
}
