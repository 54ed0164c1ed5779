//! Quotas and features: what holds for whom, read and set by dom0.
//!
//! Where a quota is compared with what it bounds is not here.

use alloc::vec::Vec;
use core::time::Duration;

use xenstore_wire::{DomainId, Operation, Reply};

use super::{Answer, Done, Store};
use crate::caller::Caller;
use crate::connection::ConnectionId;
use crate::domain::FEATURES;
use crate::quota::{Quota, QuotaName, fits};
use crate::refusal::Refusal;
use crate::transaction::Transaction;

impl Store {
    /// The quotas of whoever asks, less the memory that its watches and transactions take. They
    /// mean nothing to dom0.
    pub(super) fn quota(&self, caller: Caller) -> Quota {
        let Some(domain) = caller.limited() else { return self.limits.quota };
        self.quota_of(domain).less_memory(self.held_beside_nodes(caller))
    }

    fn held_beside_nodes(&self, caller: Caller) -> usize {
        self.sum(caller, |connection| {
            let transactions = connection.transactions.values();
            connection.watch_bytes + transactions.map(Transaction::bytes).sum::<usize>()
        })
    }

    /// A domain's quotas: its own, and everybody's where it has none.
    fn quota_of(&self, domain: DomainId) -> Quota {
        let quota = self.limits.quota;
        self.domains.get(&domain).map_or(quota, |known| quota.with(&known.quotas))
    }

    /// How many messages may wait to be read on a connection before nothing more is heard of it;
    /// none is no limit.
    #[must_use]
    pub fn outstanding_max(&self, id: ConnectionId) -> Option<u32> {
        let domain = self.connections.get(&id)?.caller.limited()?;
        Some(self.quota_of(domain).outstanding).filter(|max| *max != 0)
    }

    /// The domain of whoever asked, when it comes to hold more memory than there is a warning for:
    /// once in its life, for a domain that could be warned of again and again could fill a log.
    pub fn take_warning(&mut self, id: ConnectionId) -> Option<DomainId> {
        let caller = self.connections.get(&id)?.caller;
        let domain = caller.limited()?;
        let held = self.tree.bytes_of(domain).saturating_add(self.held_beside_nodes(caller));
        let above = !fits(held, self.quota_of(domain).soft_memory);
        let known = self.domains.get_mut(&domain)?;
        let is_news = above && !known.warned;
        known.warned |= above;
        if is_news {
            self.note_domain(domain);
        }
        is_news.then_some(domain)
    }

    /// What a domain holds and may hold, of what it holds over all its connections.
    pub(super) fn usage(&self, domain: DomainId) -> Option<[(QuotaName, usize, u32); 4]> {
        let (quota, caller) = (self.quota_of(domain), self.domains.get(&domain)?.caller(domain));
        let memory = self.tree.bytes_of(domain).saturating_add(self.held_beside_nodes(caller));
        let watches = self.sum(caller, |connection| connection.watches.len());
        let transactions = self.sum(caller, |connection| connection.transactions.len());
        Some(
            [
                (QuotaName::Nodes, self.tree.owned_by(domain)),
                (QuotaName::Watches, watches),
                (QuotaName::Memory, memory),
                (QuotaName::Transactions, transactions),
            ]
            .map(|(name, held)| (name, held, quota.get(name))),
        )
    }

    /// What a domain's ring is to offer.
    #[must_use]
    pub fn features(&self, domain: DomainId) -> u32 {
        self.domains.get(&domain).map_or(FEATURES, |known| known.features)
    }

    /// GET_FEATURE: anybody may ask for what it is offered itself.
    pub(super) fn get_feature(&self, from: ConnectionId, domain: Option<DomainId>) -> Done {
        let domain = match domain {
            Some(domain) => {
                self.require_dom0(from)?;
                domain
            }
            None => self.connection(from)?.caller.domain(),
        };
        let value = self.features(domain);
        Ok(Answer::of(Reply::Number(Operation::GetFeature, value)))
    }

    /// SET_FEATURE: before a domain is introduced, for its kernel looks once.
    pub(super) fn set_feature(
        &mut self,
        from: ConnectionId,
        domain: DomainId,
        value: u32,
        now: Duration,
    ) -> Done {
        self.require_dom0(from)?;
        if value & !FEATURES != 0 {
            return Err(Refusal::NoFeature);
        }
        let known = self.domains.get(&domain);
        if domain == DomainId::DOM0 || known.is_some_and(|known| known.introduced) {
            return Err(Refusal::Busy);
        }
        self.domain(domain, now).features = value;
        self.note_domain(domain);
        Ok(Answer::of(Reply::Done(Operation::SetFeature)))
    }

    /// GET_QUOTA: the names of all, or one's value, for everybody or for one domain.
    pub(super) fn get_quota(
        &self,
        from: ConnectionId,
        domain: Option<DomainId>,
        name: Option<&[u8]>,
    ) -> Done {
        self.require_dom0(from)?;
        let Some(name) = name else {
            let names: Vec<&str> = QuotaName::ALL.iter().map(|name| name.name()).collect();
            return Ok(Answer::of(Reply::QuotaNames(names.join(" ").into_bytes())));
        };
        let name = QuotaName::parse(name).ok_or(Refusal::NoQuota)?;
        let quota = match domain {
            Some(domain) => self.quota_of(self.introduced_domain(domain)?),
            None => self.limits.quota,
        };
        Ok(Answer::of(Reply::Number(Operation::GetQuota, quota.get(name))))
    }

    /// SET_QUOTA, for everybody or for one domain. What is held above it stays, and nothing is added.
    pub(super) fn set_quota(
        &mut self,
        from: ConnectionId,
        domain: Option<DomainId>,
        name: &[u8],
        value: u32,
    ) -> Done {
        self.require_dom0(from)?;
        let name = QuotaName::parse(name).ok_or(Refusal::NoQuota)?;
        match domain {
            Some(domain) => {
                let domain = self.introduced_domain(domain)?;
                if let Some(known) = self.domains.get_mut(&domain) {
                    known.quotas.insert(name, value);
                }
                self.note_domain(domain);
            }
            None => {
                self.limits.quota.set(name, value);
                self.note_limits();
            }
        }
        Ok(Answer::of(Reply::Done(Operation::SetQuota)))
    }

    fn introduced_domain(&self, domain: DomainId) -> Result<DomainId, Refusal> {
        match self.domains.get(&domain).is_some_and(|known| known.introduced) {
            true => Ok(domain),
            false => Err(Refusal::NoDomain),
        }
    }
}
