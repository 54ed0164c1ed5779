//! The trait: everything that the store asks of a hypervisor.
//!
//! Requests come and go through a [`Ring`](crate::Ring), not through here.

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use xenstore_store::Life;
use xenstore_wire::DomainId;

use crate::page::Page;

/// An event channel of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port(pub u32);

/// What could not be had of the hypervisor.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// A device or a file of the hypervisor's could not be opened.
    #[error("open {path}")]
    Open {
        /// Which.
        path: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A ring could not be mapped.
    #[error("map the ring of domain {domain}")]
    Map {
        /// Whose.
        domain: DomainId,
        /// The cause.
        source: io::Error,
    },
    /// An event channel could not be bound.
    #[error("bind port {port} of domain {domain}")]
    Bind {
        /// Whose.
        domain: DomainId,
        /// Its end of the channel.
        port: u32,
        /// The cause.
        source: io::Error,
    },
    /// Another process is told already when domains end: there can be one store only.
    #[error("be told when domains end: another xenstored may be running")]
    Exits(#[source] io::Error),
    /// Ports could not be read, masked or notified.
    #[error("use the event channels")]
    Ports(#[source] io::Error),
    /// Nobody said which domains live.
    #[error("ask which domains live")]
    Lives(#[source] io::Error),
}

/// A hypervisor as the store needs it. Its descriptor is readable while a port is pending.
///
/// A port that was returned as pending is masked: it is not heard of again before it is unmasked,
/// and what came in the meantime is heard of then.
pub trait Hypervisor: AsFd + fmt::Debug {
    /// Maps the page that a domain's builder set aside for its ring.
    fn map(&mut self, domain: DomainId) -> Result<Page, HypervisorError>;

    /// The ring of the kernel that the store runs on, and the port that it is heard on.
    fn own_ring(&mut self) -> Result<(Page, Port), HypervisorError>;

    /// Binds a new port of ours to a domain's end of an event channel.
    fn bind(&mut self, domain: DomainId, port: u32) -> Result<Port, HypervisorError>;

    /// Gives a port back.
    fn unbind(&mut self, port: Port) -> Result<(), HypervisorError>;

    /// Binds the port that is pending whenever some domain has shut down or died.
    fn bind_exits(&mut self) -> Result<Port, HypervisorError>;

    /// Wakes whoever has the other end.
    fn notify(&mut self, port: Port) -> Result<(), HypervisorError>;

    /// The ports that are pending, without waiting. They are masked from now on.
    fn pending(&mut self) -> Result<Vec<Port>, HypervisorError>;

    /// Lets ports be heard of again.
    fn unmask(&mut self, ports: &[Port]) -> Result<(), HypervisorError>;

    /// What each of these domains is doing, in the same order.
    fn lives(&mut self, domains: &[DomainId]) -> Result<Vec<Life>, HypervisorError>;
}
