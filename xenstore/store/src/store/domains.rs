//! Domains coming and going, and connections narrowed to one of them.
//!
//! Rings are not mapped here: the books are kept.

use alloc::vec::Vec;
use core::time::Duration;

use xenstore_wire::{DomainId, Operation, Path, Permissions, Reply, Special};

use super::{Answer, Done, Introduction, News, Notice, Store};
use crate::change::Change;
use crate::connection::{ConnectionId, Way};
use crate::life::Life;
use crate::refusal::Refusal;

impl Store {
    /// INTRODUCE, once the domain's ring is mapped. To introduce a domain again means a new event
    /// channel for its ring, and is no news.
    pub fn introduce(&mut self, introduction: Introduction, now: Duration) -> Answer {
        let known = self.domain(introduction.domain, now);
        let done = Reply::Done(Operation::Introduce);
        let was_introduced = core::mem::replace(&mut known.introduced, true);
        self.note_domain(introduction.domain);
        match was_introduced {
            true => Answer::of(done),
            false => Answer::with(
                done,
                self.announce_special(Special::IntroduceDomain, &[introduction.domain]),
            ),
        }
    }

    /// The domains that were introduced and have not gone, dom0 left out.
    pub fn introduced(&self) -> impl Iterator<Item = DomainId> + '_ {
        self.domains.iter().filter(|(_, known)| known.introduced).map(|(domain, _)| *domain)
    }

    /// Hears how introduced domains are. One that has shut down is news once, and nothing of it is
    /// torn down. One that has gone is news again, whether it was seen to shut down or not: also
    /// when there is another domain of its domid by now.
    pub fn hear_of_lives(&mut self, lives: &[(DomainId, Life)]) -> News {
        let mut news = News::default();
        let mut released = Vec::new();
        for (domain, life) in lives {
            let Some(known) = self.domains.get_mut(domain).filter(|known| known.introduced) else {
                continue;
            };
            let (identity, shut_down) = match life {
                Life::Running(identity) => (Some(*identity), false),
                Life::ShutDown(identity) => (Some(*identity), true),
                Life::Gone => (None, false),
            };
            let earlier = (known.identity, known.shut_down);
            if identity.is_some_and(|found| *known.identity.get_or_insert(found) == found) {
                if shut_down && !known.shut_down {
                    released.push(*domain);
                }
                known.shut_down |= shut_down;
                if earlier != (known.identity, known.shut_down) {
                    self.note_domain(*domain);
                }
            } else {
                released.push(*domain);
                let (notices, ended) = self.forget(*domain);
                news.notices.extend(notices);
                news.ended.extend(ended);
            }
        }
        if !released.is_empty() {
            news.notices.extend(self.announce_special(Special::ReleaseDomain, &released));
        }
        news
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
        let (mut notices, ended) = self.forget(domain);
        notices.extend(self.announce_special(Special::ReleaseDomain, &[domain]));
        Ok(Answer { reply: Reply::Done(Operation::Release), notices, ended })
    }

    /// Forgets a domain: who hears of it, and whose connections have ended.
    fn forget(&mut self, domain: DomainId) -> (Vec<Notice>, Vec<ConnectionId>) {
        // Who acted for it acts for nobody now, and not for the next domain of its number.
        let stubs = self.domains.iter().filter(|(_, known)| known.target == Some(domain));
        for stub in stubs.map(|(stub, _)| *stub).collect::<Vec<_>>() {
            self.act_for(stub, None);
        }
        let ended = self.domains.remove(&domain).map(|gone| gone.connections).unwrap_or_default();
        for connection in &ended {
            self.disconnect(*connection);
        }
        self.note_domain(domain);
        (self.bury(domain), ended.into_iter().collect())
    }

    /// RESUME: the domain goes on after a shutdown that was a suspension. The next one is news.
    pub(super) fn resume(&mut self, from: ConnectionId, domain: DomainId) -> Done {
        self.require_dom0(from)?;
        let known = self.domains.get_mut(&domain).filter(|known| known.introduced);
        known.ok_or(Refusal::NoDomain)?.shut_down = false;
        self.note_domain(domain);
        Ok(Answer::of(Reply::Done(Operation::Resume)))
    }

    /// SET_TARGET: from now on a domain may do also what another one may, in place of whom it acted
    /// for before. Nobody acts for dom0.
    pub(super) fn set_target(
        &mut self,
        from: ConnectionId,
        domain: DomainId,
        target: DomainId,
    ) -> Done {
        self.require_dom0(from)?;
        if domain == DomainId::DOM0 || target == DomainId::DOM0 {
            return Err(Refusal::Dom0);
        }
        for needed in [domain, target] {
            if !self.domains.get(&needed).is_some_and(|known| known.introduced) {
                return Err(Refusal::NoDomain);
            }
        }
        self.act_for(domain, Some(target));
        Ok(Answer::of(Reply::Done(Operation::SetTarget)))
    }

    /// Has all of a domain's connections act for another, or for nobody.
    pub(super) fn act_for(&mut self, domain: DomainId, target: Option<DomainId>) {
        let Some(known) = self.domains.get_mut(&domain) else { return };
        known.target = target;
        for id in &known.connections {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.caller = known.caller(domain);
            }
        }
        self.note_domain(domain);
    }

    pub(super) fn is_introduced(&self, from: ConnectionId, domain: DomainId) -> Done {
        self.require_dom0(from)?;
        let introduced = domain == DomainId::DOM0
            || self.domains.get(&domain).is_some_and(|known| known.introduced);
        Ok(Answer::of(Reply::Introduced(introduced)))
    }

    /// RESTRICT: from now on the connection asks on a domain's behalf. There is no way back: only
    /// dom0 may ask for it, and afterwards the connection isn't dom0's any more. A ring can't be
    /// narrowed: it is the whole domain's.
    pub(super) fn restrict(&mut self, from: ConnectionId, domain: DomainId, now: Duration) -> Done {
        self.require_dom0(from)?;
        if domain == DomainId::DOM0 {
            return Err(Refusal::Dom0);
        }
        let connection = self.connection(from)?;
        if connection.way == Way::Ring {
            return Err(Refusal::Denied);
        }
        if !connection.transactions.is_empty() {
            return Err(Refusal::Busy);
        }
        let known = self.domain(domain, now);
        known.connections.insert(from);
        let caller = known.caller(domain);
        if let Some(connection) = self.connections.get_mut(&from) {
            connection.caller = caller;
        }
        self.note_connection(from);
        Ok(Answer::of(Reply::Done(Operation::Restrict)))
    }

    /// Removes a dead domain's nodes with all that is below them, and its name from permissions.
    /// The root can't go, nor the special names: where it owned these, they fall back to dom0.
    fn bury(&mut self, domain: DomainId) -> Vec<Notice> {
        let private = Permissions::private(DomainId::DOM0);
        let root = Path::root();
        if self.tree.find(&root).is_some_and(|node| node.permissions().owner == domain) {
            self.tree.set_permissions(&root, private.clone().into());
            self.note_node(&root);
        }
        let mut changes = Vec::new();
        for path in self.tree.estates(domain) {
            let parent = path.parent().and_then(|parent| self.tree.find(&parent));
            let parent = parent.map(|parent| parent.permissions().clone());
            if let Some(node) = self.tree.remove(&path) {
                changes.push(Change::removed(path, parent, node));
            }
        }
        self.note_changes(&changes);
        for path in self.tree.strip_exceptions(domain) {
            self.note_node(&path);
        }
        for permissions in self.specials.values_mut() {
            permissions.exceptions.retain(|(named, _)| *named != domain);
            if permissions.owner == domain {
                *permissions = private.clone();
            }
        }
        for special in Special::ALL {
            self.note_special(special);
        }
        self.announce(&changes)
    }
}
