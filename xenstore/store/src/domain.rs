//! What the store knows of a domain beside its nodes.
//!
//! Whether a connection is a ring or a socket doesn't matter here.

use alloc::collections::BTreeSet;
use core::time::Duration;

use xenstore_bucket::Rates;
use xenstore_wire::DomainId;

use crate::budget::Budget;
use crate::caller::Caller;
use crate::connection::ConnectionId;

#[derive(Debug)]
pub(crate) struct Domain {
    /// The toolstack has said that the domain is there, and not yet that it has gone.
    pub(crate) introduced: bool,
    /// It was seen shut down, which was told then.
    pub(crate) shut_down: bool,
    /// The number that tells it from a later domain of the same domid, once it is known.
    pub(crate) identity: Option<u128>,
    /// Whom it acts for.
    pub(crate) target: Option<DomainId>,
    /// Made with the domain and dropped with it, so that the next domain of the same number
    /// inherits neither its debt nor its credit.
    pub(crate) budget: Budget,
    /// The connections that ask on the domain's behalf.
    pub(crate) connections: BTreeSet<ConnectionId>,
}

impl Domain {
    pub(crate) fn new(rates: Rates, now: Duration) -> Self {
        Self {
            introduced: false,
            shut_down: false,
            identity: None,
            target: None,
            budget: Budget::new(rates, now),
            connections: BTreeSet::new(),
        }
    }

    /// On whose behalf the connections of this domain ask.
    pub(crate) fn caller(&self, domain: DomainId) -> Caller {
        match self.target {
            Some(target) => Caller::Stub { domain, target },
            None => Caller::Domain(domain),
        }
    }
}
