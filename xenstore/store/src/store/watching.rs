//! Watches taken and given back, and changes told to those who may know.

use alloc::vec::Vec;
use core::mem::size_of;

use xenstore_wire::{
    DomainId, Name, Operation, Permissions, Reply, Special, Token, Watch, WatchEvent,
};

use super::{Answer, Done, Notice, Store};
use crate::caller::{Caller, Need};
use crate::change::Change;
use crate::connection::ConnectionId;
use crate::domain::{EVERY_DOMAIN, WATCH_DEPTH};
use crate::journal::Kind;
use crate::quota::fits;
use crate::refusal::Refusal;
use crate::watches::{Concern, Target};

/// About how much memory a watch takes: it is kept by its owner and in the index.
pub(super) fn bytes_of_watch((target, token): &(Target, Token)) -> usize {
    let path = match target {
        Target::Node(path) => path.as_str().len(),
        Target::Special(_) | Target::DomainSpecial(_) => 0,
    };
    2 * size_of::<(Target, Token)>() + path + token.as_bytes().len()
}

impl Store {
    /// WATCH: anybody may watch anything, for who may not read it hears nothing of it. One event
    /// comes at once, whether there is a node or not.
    ///
    /// With a depth, nothing is heard of what is further below; of a special name, which is one step
    /// above its domains, each domain is heard of.
    pub(super) fn watch(&mut self, from: ConnectionId, watch: Watch, depth: Option<u16>) -> Done {
        let connection = self.connection(from)?;
        let offered = self.features(connection.caller.domain()) & WATCH_DEPTH != 0;
        let (needs_depth, sensible) = match (&watch.name, depth) {
            (Name::Absolute(_) | Name::Relative(_), depth) => (depth.is_some(), true),
            (Name::Special(_), None) => (false, true),
            (Name::Special(_), Some(depth)) => (true, depth == 1),
            (Name::DomainSpecial(_), depth) => (true, depth.is_none()),
        };
        if (needs_depth && !offered) || !sensible {
            return Err(Refusal::NoDepth);
        }
        let (target, home) = Target::of(&watch.name, &connection.home);
        let quota = self.quota(connection.caller);
        if connection.caller != Caller::Dom0
            && let Target::Node(path) = &target
            && !quota.allows_path(path)
        {
            return Err(Refusal::PathTooLong);
        }
        let known = (target, watch.token);
        if connection.watches.contains(&known) {
            return Err(Refusal::WatchExists);
        }
        let held = self.sum(connection.caller, |connection| connection.watches.len());
        if connection.caller != Caller::Dom0 && !fits(held + 1, quota.watches) {
            return Err(Refusal::Quota);
        }
        let bytes = bytes_of_watch(&known);
        if let Some(domain) = connection.caller.limited()
            && !fits(self.tree.bytes_of(domain).saturating_add(bytes), quota.memory)
        {
            return Err(Refusal::Quota);
        }
        self.watches.add(&known.0, from, known.1.clone(), home, depth);
        self.note_watch(from, &watch.name, &known.1, depth);
        let event = WatchEvent { name: watch.name, token: known.1.clone() };
        if let Some(connection) = self.connections.get_mut(&from) {
            connection.watches.insert(known);
            connection.watch_bytes += bytes;
        }
        let notices = Vec::from([Notice { to: from, event }]);
        Ok(Answer::with(Reply::Done(Operation::Watch), notices))
    }

    pub(super) fn unwatch(&mut self, from: ConnectionId, watch: &Watch) -> Done {
        let connection = self.connections.get_mut(&from).ok_or(Refusal::Denied)?;
        let (target, _) = Target::of(&watch.name, &connection.home);
        let known = (target, watch.token.clone());
        if !connection.watches.remove(&known) {
            return Err(Refusal::NoWatch);
        }
        connection.watch_bytes = connection.watch_bytes.saturating_sub(bytes_of_watch(&known));
        self.watches.remove(&known.0, from, &known.1);
        self.note_unwatch(from, &watch.name, &watch.token);
        Ok(Answer::of(Reply::Done(Operation::Unwatch)))
    }

    /// RESET_WATCHES: a guest's new kernel wants nothing of what the old one had open.
    pub(super) fn reset_watches(&mut self, from: ConnectionId) -> Done {
        let connection = self.connections.get_mut(&from).ok_or(Refusal::Denied)?;
        let ended = core::mem::take(&mut connection.transactions);
        connection.watch_bytes = 0;
        let watches = core::mem::take(&mut connection.watches);
        let named: Vec<_> = self.watches.of(from, &watches).collect();
        for (target, token) in &watches {
            self.watches.remove(target, from, token);
        }
        for (name, token, _) in &named {
            self.note_unwatch(from, name, token);
        }
        for (id, transaction) in ended {
            self.note_transaction(Kind::TransactionEnded, from, id);
            transaction.drop_into(&mut self.tree);
        }
        Ok(Answer::of(Reply::Done(Operation::ResetWatches)))
    }

    /// Refuses permissions for every domain to who isn't offered them.
    pub(super) fn require_named(
        &self,
        from: ConnectionId,
        permissions: &Permissions,
    ) -> Result<(), Refusal> {
        let offered = self.features(self.connection(from)?.caller.domain()) & EVERY_DOMAIN != 0;
        if permissions.names_all() && !offered { Err(Refusal::NoFeature) } else { Ok(()) }
    }

    pub(super) fn special_permissions(&self, from: ConnectionId, special: Special) -> Done {
        let permissions = self.specials.get(&special).ok_or(Refusal::NoNode)?;
        match self.connection(from)?.caller.may(Need::Read, permissions) {
            true => Ok(Answer::of(Reply::Permissions(permissions.clone()))),
            false => Err(Refusal::Denied),
        }
    }

    pub(super) fn set_special_permissions(
        &mut self,
        from: ConnectionId,
        special: Special,
        permissions: Permissions,
    ) -> Done {
        self.require_dom0(from)?;
        self.require_named(from, &permissions)?;
        self.specials.insert(special, permissions);
        self.note_special(special);
        Ok(Answer::of(Reply::Done(Operation::SetPermissions)))
    }

    /// The notices that changes lead to, in the order of the changes.
    pub(super) fn announce(&self, changes: &[Change]) -> Vec<Notice> {
        let mut notices = Vec::new();
        for change in changes {
            self.watches.concern(change, |to, concern, event| {
                let Ok(watcher) = self.connection(to) else { return };
                let shown = match concern {
                    Concern::Changed => change.shows_to(watcher.caller),
                    Concern::Taken(path) => change.shows_below(path, watcher.caller),
                };
                if shown {
                    notices.push(Notice { to, event });
                }
            });
        }
        notices
    }

    /// The notices of something that happened to some domains.
    pub(super) fn announce_special(&self, special: Special, domains: &[DomainId]) -> Vec<Notice> {
        let Some(permissions) = self.specials.get(&special) else { return Vec::new() };
        let allowed = |id: ConnectionId| {
            self.connection(id).is_ok_and(|watcher| watcher.caller.may(Need::Read, permissions))
        };
        self.watches
            .on(special, domains)
            .into_iter()
            .filter(|(to, _)| allowed(*to))
            .map(|(to, event)| Notice { to, event })
            .collect()
    }
}
