//! Several operations that take effect together or not at all.

use std::ops::Deref;

use crate::connection::OpenTransaction;
use crate::error::ClientError;
use crate::tree::Tree;

/// An open transaction: a [`Tree`] whose changes nobody else sees before the commit.
///
/// Dropped without an end, it is aborted in the background.
#[derive(Debug)]
pub struct Transaction {
    tree: Tree,
    open: OpenTransaction,
}

impl Transaction {
    pub(crate) fn new(outside: &Tree, open: OpenTransaction) -> Self {
        let connection = outside.connection.clone();
        Self { tree: Tree { connection, transaction: open.id() }, open }
    }

    /// Makes the changes take effect. Refused with EAGAIN, none of them has: begin again.
    pub async fn commit(self) -> Result<(), ClientError> {
        self.open.end(true).await
    }

    /// Drops the changes, and waits until the store has.
    pub async fn abort(self) -> Result<(), ClientError> {
        self.open.end(false).await
    }
}

impl Deref for Transaction {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        &self.tree
    }
}
