//! One connection as the store knows it: whose it is, what it watches, what it has open.
//!
//! Its bytes are the server's.

use alloc::collections::{BTreeMap, BTreeSet};

use xenstore_wire::{Path, Token, TransactionId};

use crate::caller::Caller;
use crate::transaction::Transaction;
use crate::watches::Target;

/// A connection's number, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl ConnectionId {
    /// The number, counted from one.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a connection comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One process's socket.
    Socket,
    /// A domain's ring, which stands for all of the domain: its kernel speaks there for everybody.
    Ring,
}

#[derive(Debug)]
pub(crate) struct Connection {
    /// On whose behalf it asks. It can only be narrowed, from dom0 to a domain, and only once.
    pub(crate) caller: Caller,
    pub(crate) way: Way,
    /// Where its relative paths start. It stays when the connection is narrowed, so that a name
    /// never changes its meaning.
    pub(crate) home: Path,
    pub(crate) watches: BTreeSet<(Target, Token)>,
    /// About how much memory they take.
    pub(crate) watch_bytes: usize,
    pub(crate) transactions: BTreeMap<TransactionId, Transaction>,
    pub(crate) last_transaction: u32,
}

impl Connection {
    pub(crate) fn new(caller: Caller, way: Way) -> Self {
        Self {
            caller,
            way,
            home: caller.domain().home(),
            watches: BTreeSet::new(),
            watch_bytes: 0,
            transactions: BTreeMap::new(),
            last_transaction: 0,
        }
    }

    /// The next number that no open transaction has; never that of no transaction.
    pub(crate) fn next_transaction(&mut self) -> TransactionId {
        loop {
            self.last_transaction = self.last_transaction.wrapping_add(1);
            let id = TransactionId(self.last_transaction);
            if id != TransactionId::NONE && !self.transactions.contains_key(&id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn transaction_numbers_wrap_around_and_skip_those_in_use() {
        let mut connection = Connection::new(Caller::Dom0, Way::Socket);
        assert_eq!(connection.next_transaction(), TransactionId(1));
        for used in [u32::MAX, 1] {
            connection.transactions.insert(TransactionId(used), Transaction::new(&Tree::new()));
        }
        connection.last_transaction = u32::MAX - 1;
        assert_eq!(connection.next_transaction(), TransactionId(2));
    }
}
