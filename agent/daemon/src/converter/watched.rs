//! An owned descriptor in the runtime's care: it can be waited for.

#![allow(unsafe_code, reason = "the runtime can't know what a descriptor's owner does with it")]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime wait for a descriptor.
pub(super) fn watch(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by what is returned and by nobody else, so that its number
    // stays open and the same for as long as it is registered.
    let registered = unsafe { AsyncFd::register_with_interest(descriptor, interest) };
    registered.map_err(Into::into)
}
