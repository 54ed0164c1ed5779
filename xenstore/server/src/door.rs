//! Where clients come in: the socket itself, or the parent that has it.
//!
//! What becomes of them is the server's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::handover::{self, Arrival};
use crate::listener::Listener;

/// Either way in.
#[derive(Debug)]
pub(crate) enum Door {
    /// Clients are looked at and let in here.
    Listener(Listener),
    /// The parent has looked at them.
    Parent(OwnedFd),
}

impl Door {
    /// Takes the next one in line. A full process or system is an error, and so is an empty line.
    pub(crate) fn accept(&self) -> io::Result<Arrival> {
        match self {
            Self::Listener(listener) => Ok(match listener.accept()? {
                Some((client, caller)) => Arrival::Client(client, caller, None),
                None => Arrival::Nobody,
            }),
            Self::Parent(parent) => handover::receive(parent.as_fd()),
        }
    }

    /// Lets go of a client that has left; false where that can't be said now.
    pub(crate) fn let_go(&self, number: u64) -> bool {
        match self {
            Self::Listener(_) => true,
            Self::Parent(parent) => !handover::let_go(parent.as_fd(), number)
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock),
        }
    }

    /// Has the installed program go on in this one's place. The answer arrives as clients do.
    pub(crate) fn ask_for_update(&self, options: Option<&str>) -> io::Result<()> {
        match self {
            Self::Listener(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::Parent(parent) => handover::ask_for_update(parent.as_fd(), options),
        }
    }

    /// Lets it be known that clients may come.
    pub(crate) fn announce(&self) -> io::Result<()> {
        match self {
            Self::Listener(_) => Ok(()),
            Self::Parent(parent) => handover::announce(parent.as_fd()),
        }
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Listener(listener) => listener.as_fd(),
            Self::Parent(parent) => parent.as_fd(),
        }
    }
}
