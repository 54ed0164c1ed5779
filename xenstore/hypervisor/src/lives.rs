//! Whoever knows which domains live.
//!
//! That takes a handle that can do anything to any domain, so that it is asked for apart from the
//! rest of the hypervisor: the store's process doesn't have one.

use std::fmt;
use std::io;

use xenstore_store::Life;
use xenstore_wire::DomainId;

/// Says how domains are.
pub trait Lives: fmt::Debug {
    /// What each of these domains is doing, in the same order.
    fn lives(&mut self, domains: &[DomainId]) -> io::Result<Vec<Life>>;
}
