//! What the store knows of a domain beside its nodes.
//!
//! Guest rings will be named here too; today a domain's connections are sockets.

use alloc::collections::BTreeSet;
use core::time::Duration;

use xenstore_bucket::Rates;

use crate::budget::Budget;
use crate::connection::ConnectionId;

#[derive(Debug)]
pub(crate) struct Domain {
    /// The toolstack has said that the domain is there, and not yet that it has gone.
    pub(crate) introduced: bool,
    /// Made with the domain and dropped with it, so that the next domain of the same number
    /// inherits neither its debt nor its credit.
    pub(crate) budget: Budget,
    /// The connections that ask on the domain's behalf.
    pub(crate) connections: BTreeSet<ConnectionId>,
}

impl Domain {
    pub(crate) fn new(rates: Rates, now: Duration) -> Self {
        Self { introduced: false, budget: Budget::new(rates, now), connections: BTreeSet::new() }
    }
}
