//! Handles of Xen's device nodes, and their restriction to one domain.
//!
//! A handle has a scope, which is part of its type. One that was just opened is [`Fresh`]: nothing
//! can be done with it but choosing. It becomes [`Unrestricted`], with every method, or is
//! [`Restricted`] to one guest: then the methods that reach further do not exist, and the kernel
//! refuses them as well, which is tried before anybody gets the handle. A handle that has been used
//! cannot be restricted any more: what it had bound or mapped before would stay usable, whoever it
//! leads to.
//!
//! What no type here can give is a restricted `gntdev`: Linux has no restriction for it, and a
//! grant device in a confined process reaches every grant that any domain has made to this one.
//! Neither is there any protection here against opening the node again: a restriction belongs to
//! the open file, so that a process that holds a restricted handle has to be in a plan that opens
//! nothing ([`crate::enter()`]).

mod abi;
mod event_channels;
mod guest;
mod pages;
mod privcmd;
mod scope;

pub use event_channels::{EventChannels, LocalPort};
pub use guest::{Guest, GuestError};
pub use pages::Pages;
pub use privcmd::{MapError, Privcmd};
pub use scope::{Fresh, HandleError, Outcome, Restricted, Scope, Unrestricted};

pub(crate) use guest::DOMID_FIRST_RESERVED;
