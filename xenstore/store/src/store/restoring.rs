//! The store written down whole or by what has changed, and a store that goes on from that.
//!
//! Of an open transaction only its number is kept. In the next store it goes on from how things
//! stand there, and its end is a conflict: whoever opened it begins it again, as after any conflict.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use xenstore_wire::{DomainId, Name, Path, Special, Token, TransactionId};

use super::watching::bytes_of_watch;
use super::{Limits, Rates, Store};
use crate::caller::Caller;
use crate::change::Change;
use crate::connection::{Connection, ConnectionId, Way};
use crate::domain::Domain;
use crate::journal::{Fields, Journal, Kind, Records, Taken, Unreadable, record};
use crate::quota::{Quota, QuotaName};
use crate::transaction::Transaction;
use crate::tree::{Node, Tree};
use crate::watches::Target;

/// A watch without a depth, as the protocol's own streams have it.
const NO_DEPTH: u32 = 0xffff;
/// Each store numbers its nodes' generations from a multiple of this on, so that no list that was
/// read in part from an earlier store is read on by mistake.
const GENERATIONS: u64 = 1 << 40;
/// No store has given out so many connections' numbers: one that says so would count into its first
/// ones again.
const CONNECTIONS_MAX: u64 = 1 << 62;

impl Store {
    /// Has every change be written down from now on, to be taken with [`Store::take_journal`].
    pub fn keep_journal(&mut self) {
        self.journal.is_kept = true;
    }

    /// What has changed since this was asked last. Together with all that was taken before, or with
    /// an image and all that was taken after it, it is what [`Store::restore`] goes on from.
    pub fn take_journal(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        self.swap_journal(&mut records);
        records
    }

    /// The same, into a buffer of which the room is used again.
    pub fn swap_journal(&mut self, records: &mut Vec<u8>) {
        records.clear();
        for domain in core::mem::take(&mut self.journal.spenders) {
            if let Some(known) = self.domains.get(&domain) {
                let until = known.budget.spent_until();
                self.journal.note(Kind::Spent, |fields| {
                    fields.domain(domain);
                    fields.long(until);
                });
            }
        }
        core::mem::swap(&mut self.journal.bytes, records);
    }

    /// All that is to be known of the store.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        let mut out = Vec::new();
        record(&mut out, Kind::Limits, |fields| limits(fields, &self.limits));
        record(&mut out, Kind::LastConnection, |fields| fields.long(self.last_connection));
        for (special, permissions) in &self.specials {
            record(&mut out, Kind::Special, |fields| {
                fields.bytes(special.as_str().as_bytes());
                fields.permissions(permissions);
            });
        }
        self.tree.walk(|path, node| {
            record(&mut out, Kind::Node, |fields| node_fields(fields, path.as_str(), node));
        });
        for (domain, known) in &self.domains {
            record(&mut out, Kind::Domain, |fields| domain_fields(fields, *domain, known));
            record(&mut out, Kind::Spent, |fields| {
                fields.domain(*domain);
                fields.long(known.budget.spent_until());
            });
        }
        for (id, connection) in &self.connections {
            record(&mut out, Kind::Connection, |fields| {
                connection_fields(fields, *id, connection);
            });
            for transaction in connection.transactions.keys() {
                record(&mut out, Kind::Transaction, |fields| {
                    fields.long(id.number());
                    fields.number(transaction.0);
                });
            }
            for (name, token, depth) in self.watches.of(*id, &connection.watches) {
                record(&mut out, Kind::Watch, |fields| {
                    watch_fields(fields, *id, &name, &token, depth);
                });
            }
        }
        out
    }

    /// The store that these records are of. `earlier` is how many stores there were before it.
    pub fn restore(records: &[u8], earlier: u32) -> Result<Self, Unreadable> {
        let mut store = Self::new(Limits::default());
        store.tree = Tree::with_generations_from(GENERATIONS.wrapping_mul(u64::from(earlier)));
        let mut records = Records::new(records);
        let mut at = 0;
        while let Some((kind, fields)) = records.next() {
            store.apply(kind, fields).ok_or(Unreadable { at })?;
            at = records.at();
        }
        store.noted_generation = store.tree.last_generation();
        match records.is_at_the_end() {
            true => Ok(store),
            false => Err(Unreadable { at }),
        }
    }

    /// Every connection, with how it came and whom it asks for.
    pub fn connections(&self) -> impl Iterator<Item = (ConnectionId, Way, Caller)> + '_ {
        self.connections.iter().map(|(id, connection)| (*id, connection.way, connection.caller))
    }

    /// Does what one record says; none where it makes no sense.
    pub(super) fn apply(&mut self, kind: Kind, mut taken: Taken<'_>) -> Option<()> {
        let fields = &mut taken;
        match kind {
            Kind::Limits => self.limits = read_limits(fields)?,
            Kind::LastConnection => self.last_connection = connection_number(fields)?,
            Kind::Special => {
                let name = fields.bytes()?;
                let special = Special::ALL.into_iter().find(|it| it.as_str().as_bytes() == name)?;
                self.specials.insert(special, fields.permissions()?.as_ref().clone());
            }
            Kind::Node => {
                let (path, permissions) = (fields.path()?, fields.permissions()?);
                self.tree.put(&path, permissions, fields.bytes()?.into())?;
            }
            Kind::NodeGone => drop(self.tree.remove(&fields.path()?)),
            Kind::Domain => self.apply_domain(fields)?,
            Kind::DomainGone => {
                let gone = self.domains.remove(&fields.domain()?)?;
                // They were closed before.
                gone.connections.is_empty().then_some(())?;
            }
            Kind::Spent => {
                let (domain, until) = (fields.domain()?, fields.long()?);
                self.domains.get_mut(&domain)?.budget.spend_until(self.limits.rates, until);
            }
            Kind::Connection => self.apply_connection(fields)?,
            Kind::ConnectionGone => self.disconnect(ConnectionId(fields.long()?)),
            Kind::Transaction => {
                let (id, number) = (ConnectionId(fields.long()?), fields.number()?);
                let connection = self.connections.get_mut(&id)?;
                let transaction = Transaction::interrupted(&self.tree);
                connection.transactions.insert(TransactionId(number), transaction);
                connection.last_transaction = number;
            }
            Kind::TransactionEnded => {
                let (id, number) = (ConnectionId(fields.long()?), fields.number()?);
                self.connections.get_mut(&id)?.transactions.remove(&TransactionId(number))?;
            }
            Kind::Watch => {
                let (id, (name, token)) = (ConnectionId(fields.long()?), read_watch(fields)?);
                let depth = match fields.number()? {
                    NO_DEPTH => None,
                    depth => Some(u16::try_from(depth).ok()?),
                };
                let connection = self.connections.get_mut(&id)?;
                let (target, home) = Target::of(&name, &connection.home);
                let known = (target, token.clone());
                let bytes = bytes_of_watch(&known);
                self.watches.add(&known.0, id, token, home, depth);
                connection.watch_bytes += bytes;
                connection.watches.insert(known).then_some(())?;
            }
            Kind::WatchGone => {
                let (id, (name, token)) = (ConnectionId(fields.long()?), read_watch(fields)?);
                let connection = self.connections.get_mut(&id)?;
                let known = (Target::of(&name, &connection.home).0, token);
                connection.watches.remove(&known).then_some(())?;
                connection.watch_bytes -= bytes_of_watch(&known);
                self.watches.remove(&known.0, id, &known.1);
            }
        }
        fields.is_empty().then_some(())
    }

    fn apply_domain(&mut self, fields: &mut Taken<'_>) -> Option<()> {
        let domain = fields.domain().filter(|domain| *domain != DomainId::DOM0)?;
        let mut known = self
            .domains
            .remove(&domain)
            .unwrap_or_else(|| Domain::new(self.limits.rates, Duration::ZERO));
        (known.introduced, known.shut_down, known.warned) =
            (fields.flag()?, fields.flag()?, fields.flag()?);
        known.identity = match fields.flag()? {
            true => Some(fields.longest()?),
            false => None,
        };
        known.features = fields.number()?;
        let target = match fields.flag()? {
            true => Some(fields.domain()?),
            false => None,
        };
        known.quotas = BTreeMap::new();
        while !fields.is_empty() {
            let name = QuotaName::parse(fields.bytes()?)?;
            known.quotas.insert(name, fields.number()?);
        }
        self.domains.insert(domain, known);
        self.act_for(domain, target);
        Some(())
    }

    fn apply_connection(&mut self, fields: &mut Taken<'_>) -> Option<()> {
        let id = ConnectionId(connection_number(fields)?);
        let way = match fields.flag()? {
            true => Way::Ring,
            false => Way::Socket,
        };
        let (domain, home) = (fields.domain()?, fields.path()?);
        self.last_connection = self.last_connection.max(id.0);
        let mut caller = Caller::Dom0;
        if domain != DomainId::DOM0 {
            let known = self.domains.get_mut(&domain)?;
            known.connections.insert(id);
            caller = known.caller(domain);
        }
        let connection = self.connections.entry(id).or_insert_with(|| Connection::new(caller, way));
        (connection.caller, connection.home) = (caller, home);
        Some(())
    }

    /// Writes down how a domain is now, or that it has gone.
    pub(super) fn note_domain(&mut self, domain: DomainId) {
        match self.domains.get(&domain) {
            Some(known) => {
                self.journal.note(Kind::Domain, |fields| domain_fields(fields, domain, known));
            }
            None => self.journal.note(Kind::DomainGone, |fields| fields.domain(domain)),
        }
    }

    pub(super) fn note_limits(&mut self) {
        let limits_now = self.limits;
        self.journal.note(Kind::Limits, |fields| limits(fields, &limits_now));
    }

    pub(super) fn note_connection(&mut self, id: ConnectionId) {
        match self.connections.get(&id) {
            Some(connection) => self.journal.note(Kind::Connection, |fields| {
                connection_fields(fields, id, connection);
            }),
            None => self.journal.note(Kind::ConnectionGone, |fields| fields.long(id.number())),
        }
    }

    pub(super) fn note_special(&mut self, special: Special) {
        if let Some(permissions) = self.specials.get(&special) {
            self.journal.note(Kind::Special, |fields| {
                fields.bytes(special.as_str().as_bytes());
                fields.permissions(permissions);
            });
        }
    }

    pub(super) fn note_transaction(&mut self, kind: Kind, id: ConnectionId, number: TransactionId) {
        self.journal.note(kind, |fields| {
            fields.long(id.number());
            fields.number(number.0);
        });
    }

    /// Writes down that a connection has a watch, or has it no more where there is no depth to tell.
    pub(super) fn note_watch(
        &mut self,
        id: ConnectionId,
        name: &Name,
        token: &Token,
        depth: Option<u16>,
    ) {
        self.journal.note(Kind::Watch, |fields| watch_fields(fields, id, name, token, depth));
    }

    pub(super) fn note_unwatch(&mut self, id: ConnectionId, name: &Name, token: &Token) {
        self.journal.note(Kind::WatchGone, |fields| {
            fields.long(id.number());
            fields.bytes(name.as_str().as_bytes());
            fields.bytes(token.as_bytes());
        });
    }

    /// Writes down what changes have led to, in their order.
    pub(super) fn note_changes(&mut self, changes: &[Change]) {
        for change in changes {
            if change.is_removal() {
                self.journal.note(Kind::NodeGone, |fields| fields.path(&change.path));
            } else {
                note_way_to(&mut self.journal, &self.tree, &change.path, self.noted_generation);
            }
        }
        self.noted_generation = self.tree.last_generation();
    }

    pub(super) fn note_node(&mut self, path: &Path) {
        if let Some(node) = self.tree.find(path) {
            self.journal.note(Kind::Node, |fields| node_fields(fields, path.as_str(), node));
        }
    }
}

/// Writes down a node, and what was made on the way to it: every node that may have changed since.
fn note_way_to(journal: &mut Journal, tree: &Tree, path: &Path, noted: u64) {
    if !journal.is_kept {
        return;
    }
    tree.walk_to(path, |path, node, is_last| {
        // An older ancestor was noted when it was made.
        if is_last || node.generation() > noted {
            journal.note(Kind::Node, |fields| node_fields(fields, path, node));
        }
    });
}

pub(super) fn limits(fields: &mut Fields<'_>, limits: &Limits) {
    let rates = limits.rates;
    for rate in [rates.operations_per_second(), rates.burst(), rates.transaction_cost()] {
        fields.number(rate.get());
    }
    for name in QuotaName::ALL {
        fields.bytes(name.name().as_bytes());
        fields.number(limits.quota.get(*name));
    }
}

fn read_limits(fields: &mut Taken<'_>) -> Option<Limits> {
    let rates = Rates::new(fields.number()?, fields.number()?, fields.number()?).ok()?;
    let mut quota = Quota::default();
    while !fields.is_empty() {
        let name = QuotaName::parse(fields.bytes()?)?;
        quota.set(name, fields.number()?);
    }
    Some(Limits { quota, rates })
}

fn connection_number(fields: &mut Taken<'_>) -> Option<u64> {
    fields.long().filter(|number| *number < CONNECTIONS_MAX)
}

fn node_fields(fields: &mut Fields<'_>, path: &str, node: &Node) {
    fields.bytes(path.as_bytes());
    fields.permissions(node.permissions());
    fields.bytes(node.value());
}

pub(super) fn domain_fields(fields: &mut Fields<'_>, domain: DomainId, known: &Domain) {
    fields.domain(domain);
    for flag in [known.introduced, known.shut_down, known.warned] {
        fields.byte(flag.into());
    }
    fields.byte(known.identity.is_some().into());
    if let Some(identity) = known.identity {
        fields.longest(identity);
    }
    fields.number(known.features);
    fields.byte(known.target.is_some().into());
    if let Some(target) = known.target {
        fields.domain(target);
    }
    for (name, value) in &known.quotas {
        fields.bytes(name.name().as_bytes());
        fields.number(*value);
    }
}

pub(super) fn connection_fields(
    fields: &mut Fields<'_>,
    id: ConnectionId,
    connection: &Connection,
) {
    fields.long(id.number());
    fields.byte((connection.way == Way::Ring).into());
    fields.domain(connection.caller.domain());
    fields.path(&connection.home);
}

pub(super) fn watch_fields(
    fields: &mut Fields<'_>,
    id: ConnectionId,
    name: &Name,
    token: &Token,
    depth: Option<u16>,
) {
    fields.long(id.number());
    fields.bytes(name.as_str().as_bytes());
    fields.bytes(token.as_bytes());
    fields.number(depth.map_or(NO_DEPTH, u32::from));
}

fn read_watch(fields: &mut Taken<'_>) -> Option<(Name, Token)> {
    let name = Name::parse(fields.bytes()?).ok()?;
    Some((name, Token::new(fields.bytes()?).ok()?))
}
