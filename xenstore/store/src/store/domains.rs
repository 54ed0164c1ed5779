//! Domains coming and going, and connections narrowed to one of them.
//!
//! Rings are not mapped here: INTRODUCE and RELEASE keep the books.

use alloc::vec::Vec;
use core::time::Duration;

use xenstore_wire::{DomainId, Operation, Path, Permissions, Reply, Special};

use super::{Answer, Done, Notice, Store};
use crate::caller::Caller;
use crate::change::Change;
use crate::connection::ConnectionId;
use crate::refusal::Refusal;

impl Store {
    /// INTRODUCE. To introduce a domain again means a new event channel for its ring, and is no
    /// news.
    pub(super) fn introduce(
        &mut self,
        from: ConnectionId,
        domain: DomainId,
        now: Duration,
    ) -> Done {
        self.require_dom0(from)?;
        let done = Reply::Done(Operation::Introduce);
        if domain == DomainId::DOM0 {
            return Ok(Answer::of(done));
        }
        let known = self.domain(domain, now);
        if core::mem::replace(&mut known.introduced, true) {
            return Ok(Answer::of(done));
        }
        Ok(Answer::with(done, self.announce_special(Special::IntroduceDomain)))
    }

    /// RELEASE: the domain has gone. What it owned goes with it, what others granted it is taken
    /// back, and its connections end: the next domain of the same number inherits nothing.
    pub(super) fn release(&mut self, from: ConnectionId, domain: DomainId) -> Done {
        self.require_dom0(from)?;
        if domain == DomainId::DOM0 {
            return Err(Refusal::Dom0);
        }
        if !self.domains.get(&domain).is_some_and(|known| known.introduced) {
            return Err(Refusal::NoDomain);
        }
        let ended = self.domains.remove(&domain).map(|gone| gone.connections).unwrap_or_default();
        for connection in &ended {
            self.disconnect(*connection);
        }
        let mut notices = self.bury(domain);
        notices.extend(self.announce_special(Special::ReleaseDomain));
        let reply = Reply::Done(Operation::Release);
        Ok(Answer { reply, notices, ended: ended.into_iter().collect() })
    }

    pub(super) fn is_introduced(&self, from: ConnectionId, domain: DomainId) -> Done {
        self.require_dom0(from)?;
        let introduced = domain == DomainId::DOM0
            || self.domains.get(&domain).is_some_and(|known| known.introduced);
        Ok(Answer::of(Reply::Introduced(introduced)))
    }

    /// RESTRICT: from now on the connection asks on a domain's behalf. There is no way back: only
    /// dom0 may ask for it, and afterwards the connection isn't dom0's any more.
    pub(super) fn restrict(&mut self, from: ConnectionId, domain: DomainId, now: Duration) -> Done {
        self.require_dom0(from)?;
        if domain == DomainId::DOM0 {
            return Err(Refusal::Dom0);
        }
        let connection = self.connections.get_mut(&from).ok_or(Refusal::Denied)?;
        if !connection.transactions.is_empty() {
            return Err(Refusal::Busy);
        }
        connection.caller = Caller::Domain(domain);
        self.domain(domain, now).connections.insert(from);
        Ok(Answer::of(Reply::Done(Operation::Restrict)))
    }

    /// Removes a dead domain's nodes with all that is below them, and its name from permissions.
    /// The root can't go, nor the special names: where it owned these, they fall back to dom0.
    fn bury(&mut self, domain: DomainId) -> Vec<Notice> {
        let private = Permissions::private(DomainId::DOM0);
        let root = Path::root();
        if self.tree.find(&root).is_some_and(|node| node.permissions().owner == domain) {
            self.tree.set_permissions(&root, private.clone().into());
        }
        let mut changes = Vec::new();
        for path in self.tree.estates(domain) {
            let parent = path.parent().and_then(|parent| self.tree.find(&parent));
            let parent = parent.map(|parent| parent.permissions().clone());
            if let Some(node) = self.tree.remove(&path) {
                changes.push(Change::removed(path, parent, node));
            }
        }
        self.tree.strip_exceptions(domain);
        for permissions in self.specials.values_mut() {
            permissions.exceptions.retain(|(named, _)| *named != domain);
            if permissions.owner == domain {
                *permissions = private.clone();
            }
        }
        self.announce(&changes)
    }
}
