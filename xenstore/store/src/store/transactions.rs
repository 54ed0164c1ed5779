//! Opening and ending transactions.
//!
//! What is done within one is in `transaction`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use xenstore_wire::{Operation, Reply, TransactionId};

use super::{Answer, Done, Notice, Store};
use crate::caller::Caller;
use crate::connection::{Connection, ConnectionId};
use crate::journal::Kind;
use crate::quota::fits;
use crate::refusal::Refusal;
use crate::transaction::Transaction;

impl Store {
    pub(super) fn start_transaction(&mut self, from: ConnectionId, within: TransactionId) -> Done {
        let caller = self.connection(from)?.caller;
        if within != TransactionId::NONE {
            return Err(match self.connection(from)?.transactions.contains_key(&within) {
                true => Refusal::Busy,
                false => Refusal::NoTransaction,
            });
        }
        let open = self.sum(caller, |connection| connection.transactions.len());
        if caller != Caller::Dom0 && !fits(open + 1, self.quota(caller).transactions) {
            return Err(Refusal::Quota);
        }
        let connection = self.connections.get_mut(&from).ok_or(Refusal::Denied)?;
        let id = connection.next_transaction();
        connection.transactions.insert(id, Transaction::new(&self.tree));
        self.note_transaction(Kind::Transaction, from, id);
        Ok(Answer::of(Reply::Transaction(id)))
    }

    /// TRANSACTION_END: whatever comes of it, the transaction is open no more.
    pub(super) fn end_transaction(
        &mut self,
        from: ConnectionId,
        id: TransactionId,
        commit: bool,
    ) -> Done {
        let connection = self.connections.get_mut(&from).ok_or(Refusal::Denied)?;
        let transaction = connection.transactions.remove(&id).ok_or(Refusal::NoTransaction)?;
        let caller = connection.caller;
        self.note_transaction(Kind::TransactionEnded, from, id);
        let done = Reply::Done(Operation::TransactionEnd);
        if !commit {
            transaction.drop_into(&mut self.tree);
            return Ok(Answer::of(done));
        }
        let quota = self.quota(caller);
        let changes = transaction.commit(&mut self.tree, caller, &quota)?;
        self.note_changes(&changes);
        Ok(Answer::with(done, once_each(self.announce(&changes))))
    }

    /// A figure summed over all connections of the caller's domain.
    pub(super) fn sum(&self, caller: Caller, figure: impl Fn(&Connection) -> usize) -> usize {
        let domain = self.domains.get(&caller.domain());
        domain
            .into_iter()
            .flat_map(|domain| &domain.connections)
            .filter_map(|id| self.connections.get(id))
            .map(figure)
            .sum()
    }
}

/// Drops repeated notices: who writes a node twice in one transaction changed it once.
fn once_each(notices: Vec<Notice>) -> Vec<Notice> {
    let mut seen = BTreeSet::new();
    notices.into_iter().filter(|notice| seen.insert(notice.clone())).collect()
}
