//! The store: who asks, what and when go in; the reply and who hears of what come out.
//!
//! This file decides what a request is about and hands it to the law that it falls under: nodes
//! in `edit`, transactions in `transaction`, the rest in the files of this folder.

mod control;
mod domains;
mod quotas;
mod restoring;
mod streaming;
mod transactions;
mod watching;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use xenstore_bucket::{Admission, Cost, Rates};
use xenstore_wire::{
    DomainId, Message, Operation, Path, PathOperation, Permissions, Reply, Request, Special,
    TransactionId, WatchEvent,
};

use crate::budget::Spent;
use crate::caller::Caller;
use crate::connection::{Connection, ConnectionId, Way};
use crate::domain::Domain;
use crate::edit::{Edit, apply};
use crate::journal::Journal;
use crate::quota::Quota;
use crate::refusal::Refusal;
use crate::tree::{AT_ONCE, Tree};
use crate::watches::Watches;

pub use streaming::Link;

/// How much every ordinary domain may hold, and how often it may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What it may hold.
    pub quota: Quota,
    /// How often it may ask.
    pub rates: Rates,
}

/// The whole store.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    tree: Tree,
    /// Who may hear of the special names, which are no nodes.
    specials: BTreeMap<Special, Permissions>,
    domains: BTreeMap<DomainId, Domain>,
    connections: BTreeMap<ConnectionId, Connection>,
    last_connection: u64,
    /// What dom0 has asked for, which pays nothing.
    unpaid: Spent,
    watches: Watches,
    journal: Journal,
    /// How old the tree was when its changes were last written down.
    noted_generation: u64,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet: the caller's domain is over its limit. Hand the same request in again after
    /// this time, before any later one of the same connection; those who wait longest first.
    Waiting(Duration),
    /// It was done or refused.
    Answered(Answer),
    /// A domain is to be introduced: map its ring, if rings are served, and hand the introduction
    /// to [`Store::introduce`], which has the answer.
    Introduce(Introduction),
    /// Dom0 asks something of the process that has the store, with these words of CONTROL's.
    Process(Vec<Vec<u8>>),
    /// The connection has ended: there is nobody to answer.
    Ended,
}

/// A domain that dom0 introduces, for the first time or again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// The domain.
    pub domain: DomainId,
    /// Its end of the event channel that its ring is heard on.
    pub port: u32,
}

/// The answer to a request, and what it means for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the caller gets, before any notice.
    pub reply: Reply,
    /// Who hears of what, in this order. The caller may be among them.
    pub notices: Vec<Notice>,
    /// Connections that ended because their domain has gone: the store has forgotten them.
    pub ended: Vec<ConnectionId>,
}

/// What others are to hear of something that nobody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Who hears of what, in this order.
    pub notices: Vec<Notice>,
    /// Connections that ended because their domain has gone: the store has forgotten them.
    pub ended: Vec<ConnectionId>,
}

/// An event for one connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// Who hears.
    pub to: ConnectionId,
    /// Of what.
    pub event: WatchEvent,
}

/// What was done, where it was not refused.
type Done = Result<Answer, Refusal>;

impl Answer {
    fn of(reply: Reply) -> Self {
        Self { reply, notices: Vec::new(), ended: Vec::new() }
    }

    fn with(reply: Reply, notices: Vec<Notice>) -> Self {
        Self { reply, notices, ended: Vec::new() }
    }
}

impl Store {
    /// A store as it is at boot: dom0 has been introduced, and there is the node that toolstacks
    /// look for to see that a xenstored runs.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let private = Permissions::private(DomainId::DOM0);
        let mut tree = Tree::new();
        if let Ok(path) = "/tool/xenstored".parse() {
            tree.create(&path, &private.clone().into(), [].into());
        }
        Self {
            limits,
            tree,
            specials: Special::ALL.map(|special| (special, private.clone())).into(),
            domains: BTreeMap::new(),
            connections: BTreeMap::new(),
            last_connection: 0,
            unpaid: Spent::default(),
            watches: Watches::default(),
            journal: Journal::default(),
            noted_generation: 0,
        }
    }

    /// How much everybody may hold, and how often ask.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes in a new connection.
    pub fn connect(&mut self, caller: Caller, way: Way, now: Duration) -> ConnectionId {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let mut connection = Connection::new(caller, way);
        if let Some(domain) = caller.limited() {
            let known = self.domain(domain, now);
            known.connections.insert(id);
            connection.caller = known.caller(domain);
        }
        self.connections.insert(id, connection);
        self.note_connection(id);
        id
    }

    /// Forgets a connection: its watches and open transactions are dropped.
    pub fn disconnect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        for transaction in connection.transactions.into_values() {
            transaction.drop_into(&mut self.tree);
        }
        for (target, token) in &connection.watches {
            self.watches.remove(target, id, token);
        }
        if let Some(domain) = connection.caller.limited()
            && let Some(domain) = self.domains.get_mut(&domain)
        {
            domain.connections.remove(&id);
            domain.budget.forget(id);
        }
        self.note_connection(id);
    }

    /// The domains that have transactions open, dom0 among them.
    #[must_use]
    pub fn in_transactions(&self) -> BTreeSet<DomainId> {
        let open = self.connections.values().filter(|it| !it.transactions.is_empty());
        open.map(|connection| connection.caller.domain()).collect()
    }

    /// Takes apart some of what was removed from the tree; true when there is more to be done. A large
    /// subtree takes a while: nobody is to wait for it.
    pub fn tidy(&mut self) -> bool {
        self.tree.clear(AT_ONCE)
    }

    /// On whose behalf a connection asks, until it ends.
    #[must_use]
    pub fn caller(&self, id: ConnectionId) -> Option<Caller> {
        self.connections.get(&id).map(|connection| connection.caller)
    }

    /// How many connections ask on a domain's behalf.
    #[must_use]
    pub fn connections_of(&self, domain: DomainId) -> usize {
        self.domains.get(&domain).map_or(0, |domain| domain.connections.len())
    }

    /// Does what a message asks, or refuses it, or lets it wait for its tokens.
    ///
    /// `now` is the time since some fixed start, the same for every call.
    pub fn handle(&mut self, from: ConnectionId, message: &Message, now: Duration) -> Outcome {
        match self.admit(from, cost(message), now) {
            None => return Outcome::Ended,
            Some(Admission::Wait(wait)) => return Outcome::Waiting(wait),
            Some(Admission::Granted) => (),
        }
        match self.request(from, message) {
            Ok(Request::Introduce { domain, frame: _, port }) if domain != DomainId::DOM0 => {
                Outcome::Introduce(Introduction { domain, port })
            }
            Ok(Request::Control(words))
                if control::is_about_the_process(&words) && self.require_dom0(from).is_ok() =>
            {
                Outcome::Process(words)
            }
            Ok(request) => {
                Outcome::Answered(answered(self.answer(from, message.transaction, request, now)))
            }
            Err(refusal) => Outcome::Answered(answered(Err(refusal))),
        }
    }

    /// Has a connection pay for a wake-up that brought no whole request. How long it waits for the
    /// token, which is then to be asked for again before anything else of the same connection; none
    /// when it is paid.
    pub fn charge_kick(&mut self, from: ConnectionId, now: Duration) -> Option<Duration> {
        match self.admit(from, Cost::Operation, now) {
            Some(Admission::Wait(wait)) => Some(wait),
            Some(Admission::Granted) | None => None,
        }
    }

    /// Whether a connection has the tokens; none when it has ended. Dom0 needs none.
    fn admit(&mut self, from: ConnectionId, cost: Cost, now: Duration) -> Option<Admission> {
        Some(match self.connections.get(&from)?.caller.limited() {
            None => {
                self.unpaid.pay(self.limits.rates.tokens(cost));
                Admission::Granted
            }
            Some(domain) => {
                self.journal.spenders.insert(domain);
                self.domain(domain, now).budget.admit(from, cost, now)
            }
        })
    }

    /// What a message asks for, where the caller may ask for it at all.
    fn request(&self, from: ConnectionId, message: &Message) -> Result<Request, Refusal> {
        let home = &self.connection(from)?.home;
        let request = Request::parse(message.number, &message.payload, home)?;
        if let Request::Introduce { .. } = request {
            self.require_dom0(from)?;
        }
        Ok(request)
    }

    fn answer(
        &mut self,
        from: ConnectionId,
        transaction: TransactionId,
        request: Request,
        now: Duration,
    ) -> Done {
        match request {
            Request::Control(words) => self.control(from, &words, now),
            Request::Path(path, operation) => self.on_node(from, transaction, &path, &operation),
            Request::GetSpecialPermissions(special) => self.special_permissions(from, special),
            Request::SetSpecialPermissions(special, permissions) => {
                self.set_special_permissions(from, special, permissions)
            }
            Request::Watch(watch) => self.watch(from, watch, None),
            Request::WatchDepth(watch, depth) => self.watch(from, watch, Some(depth)),
            Request::Unwatch(watch) => self.unwatch(from, &watch),
            Request::ResetWatches => self.reset_watches(from),
            Request::TransactionStart => self.start_transaction(from, transaction),
            Request::TransactionEnd { commit } => self.end_transaction(from, transaction, commit),
            // Dom0 alone comes by here, which is there already.
            Request::Introduce { .. } => Ok(Answer::of(Reply::Done(Operation::Introduce))),
            Request::Release(domain) => self.release(from, domain),
            Request::Resume(domain) => self.resume(from, domain),
            Request::SetTarget { domain, target } => self.set_target(from, domain, target),
            Request::GetDomainPath(domain) => Ok(Answer::of(Reply::DomainPath(domain.home()))),
            Request::IsDomainIntroduced(domain) => self.is_introduced(from, domain),
            Request::GetFeature(domain) => self.get_feature(from, domain),
            Request::SetFeature { domain, value } => self.set_feature(from, domain, value, now),
            Request::GetQuota { domain, name } => self.get_quota(from, domain, name.as_deref()),
            Request::SetQuota { domain, name, value } => self.set_quota(from, domain, &name, value),
            Request::Restrict(domain) => self.restrict(from, domain, now),
        }
    }

    fn on_node(
        &mut self,
        from: ConnectionId,
        transaction: TransactionId,
        path: &Path,
        operation: &PathOperation,
    ) -> Done {
        if let PathOperation::SetPermissions(permissions) = operation {
            self.require_named(from, permissions)?;
        }
        let caller = self.connection(from)?.caller;
        let quota = &self.quota(caller);
        let connection = self.connections.get_mut(&from).ok_or(Refusal::Denied)?;
        if transaction == TransactionId::NONE {
            let Edit { reply, change } = apply(&mut self.tree, caller, quota, path, operation)?;
            self.note_changes(change.as_slice());
            let notices = self.announce(change.as_slice());
            return Ok(Answer::with(reply, notices));
        }
        connection
            .transactions
            .get_mut(&transaction)
            .ok_or(Refusal::NoTransaction)?
            .perform(caller, quota, path, operation)
            .map(Answer::of)
    }

    fn connection(&self, id: ConnectionId) -> Result<&Connection, Refusal> {
        self.connections.get(&id).ok_or(Refusal::Denied)
    }

    /// Refuses everybody but dom0.
    fn require_dom0(&self, from: ConnectionId) -> Result<(), Refusal> {
        match self.connection(from)?.caller.limited() {
            None => Ok(()),
            Some(_) => Err(Refusal::Denied),
        }
    }

    fn domain(&mut self, domain: DomainId, now: Duration) -> &mut Domain {
        if !self.domains.contains_key(&domain) {
            self.domains.insert(domain, Domain::new(self.limits.rates, now));
            self.note_domain(domain);
        }
        let rates = self.limits.rates;
        self.domains.entry(domain).or_insert_with(|| Domain::new(rates, now))
    }
}

fn answered(done: Done) -> Answer {
    done.unwrap_or_else(|refusal| Answer::of(Reply::Error(refusal.code())))
}

/// What a message costs, whether it makes sense or not.
fn cost(message: &Message) -> Cost {
    match message.operation() {
        Some(Operation::TransactionStart) => Cost::Transaction,
        Some(_) | None => Cost::Operation,
    }
}
