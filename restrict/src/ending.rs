//! Has a confined process end when it is told to.
//!
//! How others hear of its end is in [`crate::Child`].

#![allow(unsafe_code, reason = "a handler may do little, which nobody checks")]

use std::io;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// SIGTERM ends this process from here on, and the one that [`crate::enter()`] makes of it.
///
/// To be called before that. The first process of a pid namespace gets no signal from outside that it
/// has no handler for, SIGKILL and SIGSTOP apart (`pid_namespaces`(7)): a host that shuts down would
/// wait for it until its patience ends.
pub fn end_on_sigterm() -> io::Result<()> {
    let action = SigAction::new(SigHandler::Handler(end), SaFlags::empty(), SigSet::empty());
    // SAFETY: `end` makes one system call, which may be made in a handler, and every plan's filter
    // lets it through.
    unsafe { sigaction(Signal::SIGTERM, &action) }?;
    Ok(())
}

extern "C" fn end(_: libc::c_int) {
    // SAFETY: ends this process; what it leaves behind is the kernel's to clear away.
    unsafe { libc::_exit(0) }
}
