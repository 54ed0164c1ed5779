//! The store's own process: it gives up everything but what it keeps, and serves whom the parent
//! hands in.
//!
//! How it comes to be, and what happens when it ends, is the parent's.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{OwnedFd, RawFd};

use restrict::{Confined, EnterError};
use xenstore_hypervisor::{Handles, HypervisorError, Xen};

use crate::census::Asking;
use crate::confinement::{
    CHANNELS, CLIENTS, ConfinementError, GRANTS, HEIRLOOMS, LEDGER, LIVES, OWN_PAGE, OWN_PORT,
    REPORT, plan,
};
use crate::door::Door;
use crate::guests::Guests;
use crate::ledger::Ledger;
use crate::options::Options;
use crate::resuming::{self, Senseless};
use crate::server::{Before, Server, ServerError};
use crate::succession::Succession;

/// Twice the largest store that the bench fills, a million nodes.
const STREAM_BYTES_MAX: u64 = 256 << 20;

/// What ends the store's process, or keeps it from serving.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("confine the store")]
    Confinement(#[from] ConfinementError),
    #[error("confine the store")]
    Enter(#[from] EnterError),
    #[error("take descriptor {0}, which was kept")]
    Missing(RawFd),
    #[error("look at what an earlier store left")]
    Ledger(#[source] io::Error),
    #[error("tell the parent that clients may come")]
    Announce(#[source] io::Error),
    #[error("serve guests")]
    Hypervisor(#[from] HypervisorError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("read what a parent would leave")]
    Heirlooms(#[source] io::Error),
    #[error("guests are served with these options and not without them, or the other way round")]
    OtherGuests,
    #[error(transparent)]
    Senseless(#[from] Senseless),
}

/// Confines this process, then serves until the parent has gone.
pub(crate) fn run(options: &Options) -> Result<(), StoreError> {
    let plan = plan(options.store_uid, options.sockets_only, options.follows)?;
    let mut confined = restrict::enter(&plan, REPORT)?;
    let stream = match options.follows {
        true => Some(stream(take(&mut confined, HEIRLOOMS)?).map_err(StoreError::Heirlooms)?),
        false => None,
    };
    let clients = take(&mut confined, CLIENTS)?;
    let guests = match options.sockets_only {
        true => None,
        false => Some(guests(&mut confined)?),
    };
    let ledger = take(&mut confined, LEDGER)?;
    let ledger = Ledger::open(&ledger).map_err(StoreError::Ledger)?;
    let door = Some(Door::Parent(clients));
    let before = Before { stream: stream.as_deref(), crash: options.after_crash };
    let server = Server::follow(door, guests, options.limits, Some(ledger), &before)?
        .followed_by(options.installed.clone());
    server.announce().map_err(StoreError::Announce)?;
    server.serve()?;
    Ok(())
}

/// What another program's store has left.
fn stream(file: OwnedFd) -> io::Result<Vec<u8>> {
    let mut stream = Vec::new();
    let size = File::from(file).take(STREAM_BYTES_MAX + 1).read_to_end(&mut stream)?;
    match u64::try_from(size).is_ok_and(|size| size <= STREAM_BYTES_MAX) {
        true => Ok(stream),
        false => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// Confines this process, and says whether this program could go on from what is handed in: that of a
/// store and that of a parent. Nothing of it is changed, and no guest is touched.
pub(crate) fn try_to_go_on(options: &Options) -> Result<(), StoreError> {
    let plan = plan(options.store_uid, options.sockets_only, true)?;
    let mut confined = restrict::enter(&plan, REPORT)?;
    let heirlooms = take(&mut confined, HEIRLOOMS)?;
    let left = Succession::read(heirlooms.into()).map_err(StoreError::Heirlooms)?;
    if left.sockets_only != options.sockets_only {
        return Err(StoreError::OtherGuests);
    }
    let ledger = take(&mut confined, LEDGER)?;
    let (ledger, stores) = Ledger::look_at(&ledger).map_err(StoreError::Ledger)?;
    resuming::read(&ledger, stores)?;
    let clients = Door::Parent(take(&mut confined, CLIENTS)?);
    clients.announce().map_err(StoreError::Announce)
}

/// The hypervisor, by the devices that were opened and the parent who knows who lives.
fn guests(confined: &mut Confined) -> Result<Guests, StoreError> {
    let handles = Handles {
        channels: take(confined, CHANNELS)?,
        grants: take(confined, GRANTS)?,
        own_page: take(confined, OWN_PAGE)?,
        own_port: take(confined, OWN_PORT)?,
    };
    let lives = Asking::new(take(confined, LIVES)?);
    let xen = Xen::new(handles, Box::new(lives))?;
    Ok(Guests::new(Box::new(xen))?)
}

fn take(confined: &mut Confined, number: RawFd) -> Result<OwnedFd, StoreError> {
    confined.take(number).ok_or(StoreError::Missing(number))
}
