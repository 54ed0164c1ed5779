//! A store written as xenstored's stream, with how its connections are reached, and a store that goes
//! on from such a stream, whoever wrote it.
//!
//! What other stores don't know is in records of our own: tokens that are spent, rates, which domain
//! of its number a domain is, and sockets that speak for a domain. These stand in none of the others'
//! records: another store would take them for dom0's.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use xenstore_wire::{Access, DomainId, Name, Path, Permissions, Special, Token};

use super::restoring::{connection_fields, domain_fields, limits, watch_fields};
use super::{Limits, Store};
use crate::connection::{ConnectionId, Way};
use crate::domain::{Domain, FEATURES};
use crate::journal::{Fields, Kind, Records, Unreadable, record};
use crate::quota::QuotaName;
use crate::stream::{End, NO_DEPTH, NO_DESCRIPTOR, Reader, Record, Writer};

/// How a connection is reached, and what is on its way there and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which connection it is.
    pub id: ConnectionId,
    /// How it is reached.
    pub end: End,
    /// What came and is not done with.
    pub came: Vec<u8>,
    /// What is due and was not sent.
    pub due: Vec<u8>,
}

impl Store {
    /// The store as a stream of version 2: with the descriptors of the socket that is listened on and
    /// of the event channels, where there are any, and the connections that have a link here. Each of
    /// these gets another number, counted from one.
    #[must_use]
    pub fn write_stream(
        &self,
        listener: Option<i32>,
        channels: Option<i32>,
        links: &[Link],
    ) -> Vec<u8> {
        let mut out = Writer::new();
        out.global(listener.unwrap_or(NO_DESCRIPTOR), channels.unwrap_or(NO_DESCRIPTOR));
        let everybodys = self.limits.quota;
        let quotas = QuotaName::ALL.iter().map(|name| (name.name(), everybodys.get(*name)));
        out.quotas(&quotas.collect::<Vec<_>>());
        let mut own = Vec::new();
        record(&mut own, Kind::Limits, |fields| limits(fields, &self.limits));
        for (domain, known) in &self.domains {
            let quotas = known.quotas.iter().map(|(name, value)| (name.name(), *value));
            out.domain(domain.number(), known.features, &quotas.collect::<Vec<_>>());
            record(&mut own, Kind::Domain, |fields| domain_fields(fields, *domain, known));
            record(&mut own, Kind::Spent, |fields| {
                fields.domain(*domain);
                fields.long(known.budget.spent_until());
            });
        }
        for (number, link) in (1..).zip(links) {
            self.write_connection(&mut out, &mut own, number, link);
        }
        for (special, permissions) in &self.specials {
            out.node(special.as_str().as_bytes(), &entries(permissions), b"");
        }
        self.tree.walk(|path, node| {
            out.node(path.as_str().as_bytes(), &entries(node.permissions()), node.value());
        });
        // Last: they say more of what the others have said.
        out.journal(&own);
        out.end()
    }

    fn write_connection(&self, out: &mut Writer, own: &mut Vec<u8>, number: u32, link: &Link) {
        let Some(connection) = self.connections.get(&link.id) else { return };
        let caller = connection.caller;
        let narrowed = connection.way == Way::Socket && caller.limited().is_some();
        out.connection(number, link.end, &link.came, &link.due, narrowed);
        let id = ConnectionId(number.into());
        // It also says where relative names start.
        record(own, Kind::Connection, |fields| connection_fields(fields, id, connection));
        for transaction in connection.transactions.keys() {
            match narrowed {
                true => record(own, Kind::Transaction, |fields| {
                    fields.long(id.number());
                    fields.number(transaction.0);
                }),
                false => out.transaction(number, transaction.0),
            }
        }
        for (name, token, depth) in self.watches.of(link.id, &connection.watches) {
            match narrowed {
                true => record(own, Kind::Watch, |fields| {
                    watch_fields(fields, id, &name, &token, depth);
                }),
                false => out.watch(number, name.as_str().as_bytes(), token.as_bytes(), depth),
            }
        }
    }

    /// The store that a stream is of, and how its connections are reached. `earlier` is how many stores
    /// there were before it, and `rates` are those of who didn't know any.
    pub fn read_stream(
        stream: &[u8],
        earlier: u32,
        limits: Limits,
    ) -> Result<(Self, Vec<Link>), Unreadable> {
        let mut reader = Reader::new(stream)?;
        let mut store = Self::restore(&[], earlier)?;
        store.limits = limits;
        let mut links = BTreeMap::new();
        let mut at = reader.at();
        while let Some(record) = reader.next()? {
            store.take_record(record, &mut links).ok_or(Unreadable { at })?;
            at = reader.at();
        }
        store.noted_generation = store.tree.last_generation();
        let all_known = links.keys().all(|id| store.connections.contains_key(id));
        match all_known {
            true => Ok((store, links.into_values().collect())),
            false => Err(Unreadable { at }),
        }
    }

    /// A node's value, for whoever keeps the store.
    #[must_use]
    pub fn value(&self, path: &Path) -> Option<&[u8]> {
        self.tree.find(path).map(|node| node.value().as_ref())
    }

    /// Does what one record says; none where it makes no sense.
    fn take_record(
        &mut self,
        record: Record<'_>,
        links: &mut BTreeMap<ConnectionId, Link>,
    ) -> Option<()> {
        match record {
            // Descriptors are not the store's to know.
            Record::Global | Record::WithinTransaction | Record::Unknown => (),
            Record::Connection { id, end, came, due, narrowed } => {
                let id = ConnectionId(u64::from(id));
                let (came, due) = (came.to_vec(), due.to_vec());
                let is_new = links.insert(id, Link { id, end, came, due }).is_none();
                (is_new && id.number() != 0).then_some(())?;
                if !narrowed {
                    self.take_connection(id, end)?;
                }
            }
            Record::Watch { connection, name, token, depth } => {
                let (name, token) = (Name::parse(name).ok()?, Token::new(token).ok()?);
                let depth = (depth != NO_DEPTH).then_some(depth);
                let id = ConnectionId(u64::from(connection));
                self.note(Kind::Watch, |fields| watch_fields(fields, id, &name, &token, depth))?;
            }
            Record::Transaction { connection, id } => self.note(Kind::Transaction, |fields| {
                fields.long(connection.into());
                fields.number(id);
            })?,
            Record::Node { path, permissions, value } => {
                let permissions = permissions_of(&permissions)?;
                let special = Special::ALL.into_iter().find(|it| it.as_str().as_bytes() == path);
                match special {
                    Some(special) => drop(self.specials.insert(special, permissions)),
                    None => {
                        let path = Path::parse(path).ok()?;
                        self.tree.put(&path, permissions.into(), value.into())?;
                    }
                }
            }
            Record::Quotas { values } => {
                for (name, value) in values {
                    if let Some(name) = QuotaName::parse(name) {
                        self.limits.quota.set(name, value);
                    }
                }
            }
            Record::Domain { domain, features, values } => {
                let domain = DomainId::new(domain).ok()?;
                if domain != DomainId::DOM0 {
                    self.take_domain(domain, features, &values);
                }
            }
            Record::Journal(records) => {
                let mut records = Records::new(records);
                while let Some((kind, fields)) = records.next() {
                    self.apply(kind, fields)?;
                }
                records.is_at_the_end().then_some(())?;
            }
            Record::Came { connection, bytes } => {
                let link = links.get_mut(&ConnectionId(connection.into()))?;
                link.came.extend_from_slice(bytes);
            }
        }
        Some(())
    }

    /// A domain's ring, or a socket of dom0's.
    fn take_connection(&mut self, id: ConnectionId, end: End) -> Option<()> {
        let (is_ring, domain) = match end {
            End::Ring { domain, target, .. } => {
                let domain = DomainId::new(domain).ok()?;
                if domain != DomainId::DOM0 {
                    self.known_domain(domain).introduced = true;
                    // Whoever acts for nobody names a number that is no domain's.
                    let target = DomainId::new(target).ok();
                    self.act_for(domain, target.filter(|target| *target != DomainId::DOM0));
                }
                (true, domain)
            }
            End::Socket(_) => (false, DomainId::DOM0),
        };
        self.note(Kind::Connection, |fields| {
            fields.long(id.number());
            fields.byte(is_ring.into());
            fields.domain(domain);
            fields.path(&domain.home());
        })
    }

    fn take_domain(&mut self, domain: DomainId, features: Option<u32>, values: &[(&[u8], u32)]) {
        let everybodys = self.limits.quota;
        let known = self.known_domain(domain);
        if let Some(features) = features {
            known.features = features & FEATURES;
        }
        for (name, value) in values {
            // Others write down every quota, whether it is the domain's own or not.
            if let Some(name) = QuotaName::parse(name)
                && everybodys.get(name) != *value
            {
                known.quotas.insert(name, *value);
            }
        }
    }

    fn known_domain(&mut self, domain: DomainId) -> &mut Domain {
        let rates = self.limits.rates;
        self.domains.entry(domain).or_insert_with(|| Domain::new(rates, Duration::ZERO))
    }

    /// Does what a record of our own would say.
    fn note(&mut self, kind: Kind, fields: impl FnOnce(&mut Fields<'_>)) -> Option<()> {
        let mut bytes = Vec::new();
        record(&mut bytes, kind, fields);
        let (kind, fields) = Records::new(&bytes).next()?;
        self.apply(kind, fields)
    }
}

fn entries(permissions: &Permissions) -> Vec<(u8, u16)> {
    let first = (permissions.owner, permissions.default);
    let all = [first].into_iter().chain(permissions.exceptions.iter().copied());
    // Every letter is one byte.
    all.map(|(domain, access)| (access.letter() as u8, domain.number())).collect()
}

fn permissions_of(entries: &[(u8, u16)]) -> Option<Permissions> {
    let ((letter, owner), rest) = entries.split_first().map(|(first, rest)| (*first, rest))?;
    let mut exceptions = Vec::new();
    for (letter, domain) in rest {
        let domain = match DomainId::new(*domain) {
            Ok(domain) => domain,
            Err(_) if *domain == DomainId::ANY.number() => DomainId::ANY,
            Err(_) => return None,
        };
        exceptions.push((domain, Access::from_letter(*letter)?));
    }
    let (owner, default) = (DomainId::new(owner).ok()?, Access::from_letter(letter)?);
    Some(Permissions { owner, default, exceptions })
}
