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
use crate::quota::Overrides;

/// `XENSTORE_SERVER_FEATURE_*` of `xs_wire.h`: reconnection, the error word, watches of some depth,
/// and permissions for every domain.
pub(crate) const FEATURES: u32 = 1 | 2 | WATCH_DEPTH | EVERY_DOMAIN;
/// `XENSTORE_SERVER_FEATURE_WATCHDEPTH`.
pub(crate) const WATCH_DEPTH: u32 = 4;
/// `XENSTORE_SERVER_FEATURE_DOMID_ANY`.
pub(crate) const EVERY_DOMAIN: u32 = 8;

#[derive(Debug)]
pub(crate) struct Domain {
    /// The toolstack has said that the domain is there, and not yet that it has gone.
    pub(crate) introduced: bool,
    /// It was seen shut down, which was told then.
    pub(crate) shut_down: bool,
    /// The number that tells it from a later domain of the same domid, once it is known.
    pub(crate) identity: Option<u128>,
    /// Quotas of its own.
    pub(crate) quotas: Overrides,
    /// What its ring offers.
    pub(crate) features: u32,
    /// It held more memory than there is a warning for, and people were told.
    pub(crate) warned: bool,
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
            quotas: Overrides::new(),
            features: FEATURES,
            warned: false,
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
