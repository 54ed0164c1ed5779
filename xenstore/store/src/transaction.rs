//! A transaction: its own tree, and the record of what was asked of it.
//!
//! It commits whenever the result is that of some serial order. Where nobody else changed anything
//! meanwhile, its tree becomes the live one; where nobody did below the node that all of it is about,
//! that subtree does. Else everything that was asked of it is asked again of
//! the live tree, and stands there if every reply is the same. And what changed nothing stands where
//! it began, whatever others did since.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::mem::size_of;

use xenstore_wire::{Component, Path, PathOperation, Permissions, Reply};

use crate::caller::Caller;
use crate::change::Change;
use crate::edit::{Edit, apply};
use crate::quota::{DOM0_TRANSACTION_BYTES_MAX, Quota, fits};
use crate::refusal::Refusal;
use crate::tree::Tree;

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// The live tree when the transaction was opened.
    base: Tree,
    /// The tree as the transaction sees it.
    tree: Tree,
    record: Vec<Entry>,
    record_bytes: usize,
    /// The nodes that it looked at or changed.
    touched: BTreeSet<Path>,
    changes: Vec<Change>,
    /// It was opened in an earlier store, and what it has seen there is not known: it can't stand.
    interrupted: bool,
}

/// One thing that was asked, and what came of it.
#[derive(Debug)]
struct Entry {
    path: Path,
    operation: PathOperation,
    reply: Reply,
}

impl Transaction {
    pub(crate) fn new(live: &Tree) -> Self {
        Self {
            base: live.clone(),
            tree: live.clone(),
            record: Vec::new(),
            record_bytes: 0,
            touched: BTreeSet::new(),
            changes: Vec::new(),
            interrupted: false,
        }
    }

    /// A transaction of an earlier store, which goes on from how things stand and can't commit.
    pub(crate) fn interrupted(live: &Tree) -> Self {
        Self { interrupted: true, ..Self::new(live) }
    }

    /// About how much memory it takes beside its tree.
    pub(crate) fn bytes(&self) -> usize {
        self.record_bytes
    }

    /// Does an operation on the transaction's own tree, and records it with its reply: a refusal
    /// is one, for it may tell as much as any other.
    pub(crate) fn perform(
        &mut self,
        caller: Caller,
        quota: &Quota,
        path: &Path,
        operation: &PathOperation,
    ) -> Result<Reply, Refusal> {
        // Room for the reply is only known afterwards: the bound is passed by one entry at most.
        let is_full = match caller.limited() {
            None => self.record_bytes >= DOM0_TRANSACTION_BYTES_MAX,
            // The quota is less what the record holds already.
            Some(domain) => !fits(self.tree.bytes_of(domain), quota.memory),
        };
        if is_full {
            return Err(Refusal::Quota);
        }
        if !self.touched.contains(path) {
            let nodes = caller.limited().map_or(0, |_| quota.transaction_nodes);
            if !fits(self.touched.len() + 1, nodes) {
                return Err(Refusal::Quota);
            }
            self.touched.insert(path.clone());
        }
        let (outcome, change) = ask(&mut self.tree, caller, quota, path, operation);
        let entry =
            Entry { path: path.clone(), operation: operation.clone(), reply: wire_reply(&outcome) };
        self.record_bytes += entry.size();
        self.record.push(entry);
        self.changes.extend(change);
        outcome
    }

    /// Ends without a trace.
    pub(crate) fn drop_into(self, live: &mut Tree) {
        live.retire(self.tree);
        live.retire(self.base);
    }

    /// Makes what was done the live tree, and returns the changes in the order they were made.
    pub(crate) fn commit(
        mut self,
        live: &mut Tree,
        caller: Caller,
        quota: &Quota,
    ) -> Result<Vec<Change>, Refusal> {
        if self.interrupted {
            return Err(Refusal::Conflict);
        }
        if self.base.is(live) {
            core::mem::swap(live, &mut self.tree);
            let changes = core::mem::take(&mut self.changes);
            self.drop_into(live);
            return Ok(changes);
        }
        // Quotas may have been used up elsewhere: only who has none is spared the replay.
        if caller.limited().is_none() && live.graft(&self.base, &self.tree, &self.common()) {
            let changes = core::mem::take(&mut self.changes);
            self.drop_into(live);
            return Ok(changes);
        }
        let outcome = match self.replay(live, caller, quota) {
            Some((replayed, changes)) => {
                let before = core::mem::replace(live, replayed);
                live.retire(before);
                Ok(changes)
            }
            None if self.tree.is(&self.base) => Ok(Vec::new()),
            None => Err(Refusal::Conflict),
        };
        self.drop_into(live);
        outcome
    }

    /// The deepest node that all that was touched is at or below.
    fn common(&self) -> Path {
        let mut touched = self.touched.iter();
        let Some(first) = touched.next() else { return Path::root() };
        touched.fold(first.clone(), |common, path| match path.starts_with(&common) {
            true => common,
            false => common.common(path),
        })
    }

    /// Asks everything again of another tree; none when a reply differs.
    fn replay(&self, live: &Tree, caller: Caller, quota: &Quota) -> Option<(Tree, Vec<Change>)> {
        let mut tree = live.clone();
        let mut changes = Vec::new();
        for Entry { path, operation, reply } in &self.record {
            let (outcome, change) = ask(&mut tree, caller, quota, path, operation);
            if !tells_the_same(&wire_reply(&outcome), reply) {
                return None;
            }
            changes.extend(change);
        }
        Some((tree, changes))
    }
}

impl Entry {
    /// About how much memory the entry keeps.
    fn size(&self) -> usize {
        let asked = match &self.operation {
            PathOperation::Write(value) => value.len(),
            PathOperation::SetPermissions(permissions) => size_of_permissions(permissions),
            PathOperation::Directory
            | PathOperation::DirectoryPart(_)
            | PathOperation::Read
            | PathOperation::GetPermissions
            | PathOperation::Mkdir
            | PathOperation::Rm => 0,
        };
        let answered = match &self.reply {
            Reply::Value(value) => value.len(),
            Reply::Names(names) | Reply::Part { names, .. } => {
                names.iter().map(|name| size_of::<Component>() + name.as_str().len()).sum()
            }
            Reply::Permissions(permissions) => size_of_permissions(permissions),
            Reply::QuotaNames(text) | Reply::Text(text) => text.len(),
            Reply::Done(_)
            | Reply::Number(..)
            | Reply::Transaction(_)
            | Reply::DomainPath(_)
            | Reply::Introduced(_)
            | Reply::Error(_) => 0,
        };
        // The path is kept three times: in the record, in the change, and among those touched.
        size_of::<Self>() + size_of::<Change>() + 3 * self.path.as_str().len() + asked + answered
    }
}

/// Does an operation and tells its reply from what it changed.
fn ask(
    tree: &mut Tree,
    caller: Caller,
    quota: &Quota,
    path: &Path,
    operation: &PathOperation,
) -> (Result<Reply, Refusal>, Option<Change>) {
    match apply(tree, caller, quota, path, operation) {
        Ok(Edit { reply, change }) => (Ok(reply), change),
        Err(refusal) => (Err(refusal), None),
    }
}

fn size_of_permissions(permissions: &Permissions) -> usize {
    permissions.entries() * size_of::<Permissions>()
}

/// The reply as the caller got it.
fn wire_reply(outcome: &Result<Reply, Refusal>) -> Reply {
    match outcome {
        Ok(reply) => reply.clone(),
        Err(refusal) => Reply::Error(refusal.code()),
    }
}

/// True when both replies tell the caller the same. A list's generation is a mark of the tree it
/// was read from and tells nothing of the list.
fn tells_the_same(one: &Reply, other: &Reply) -> bool {
    match (one, other) {
        (
            Reply::Part { names, last, generation: _ },
            Reply::Part { names: other_names, last: other_last, generation: _ },
        ) => names == other_names && last == other_last,
        _ => one == other,
    }
}
