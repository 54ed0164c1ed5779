//! What each operation on a node does to the tree, and the laws that come before: first
//! permission, then quota, then the change, which can't fail any more.
//!
//! Transactions and watches don't matter here: the same law serves the live tree and a
//! transaction's own.

use alloc::sync::Arc;
use alloc::vec::Vec;

use xenstore_wire::{Operation, PAYLOAD_MAX, Path, PathOperation, Permissions, Reply};

use crate::caller::{Caller, Need};
use crate::change::Change;
use crate::quota::{Quota, fits};
use crate::refusal::Refusal;
use crate::tree::{Nearest, Node, Tree, bytes_of_node};

/// What an operation led to.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) reply: Reply,
    /// What others may hear of.
    pub(crate) change: Option<Change>,
}

impl Edit {
    fn seen(reply: Reply) -> Self {
        Self { reply, change: None }
    }

    fn done(operation: Operation, change: Option<Change>) -> Self {
        Self { reply: Reply::Done(operation), change }
    }
}

/// Does one operation on one node for a caller.
pub(crate) fn apply(
    tree: &mut Tree,
    caller: Caller,
    quota: &Quota,
    path: &Path,
    operation: &PathOperation,
) -> Result<Edit, Refusal> {
    let quota = caller.limited().map(|_| quota);
    if quota.is_some_and(|quota| !quota.allows_path(path)) {
        return Err(Refusal::PathTooLong);
    }
    match operation {
        PathOperation::Directory => {
            directory(reach(tree, caller, path, Need::Read)?).map(Edit::seen)
        }
        PathOperation::DirectoryPart(offset) => {
            Ok(Edit::seen(part(reach(tree, caller, path, Need::Read)?, *offset)))
        }
        PathOperation::Read => {
            let node = reach(tree, caller, path, Need::Read)?;
            Ok(Edit::seen(Reply::Value(node.value().clone())))
        }
        PathOperation::GetPermissions => {
            let node = reach(tree, caller, path, Need::Read)?;
            Ok(Edit::seen(Reply::Permissions(node.permissions().as_ref().clone())))
        }
        PathOperation::Write(value) => write(tree, caller, quota, path, value),
        PathOperation::Mkdir => match reach(tree, caller, path, Need::Write) {
            Ok(_) => Ok(Edit::done(Operation::Mkdir, None)),
            Err(Refusal::NoNode) => {
                let change = create(tree, caller, quota, path, Arc::from([]))?;
                Ok(Edit::done(Operation::Mkdir, Some(change)))
            }
            Err(refusal) => Err(refusal),
        },
        PathOperation::Rm => remove(tree, caller, path),
        PathOperation::SetPermissions(permissions) => {
            set_permissions(tree, caller, quota, path, permissions)
        }
    }
}

/// The node, when the caller has what is needed of it.
///
/// A node that is missing is known to be missing only by those who have as much of the nearest
/// ancestor that exists; everybody else gets the refusal that a foreign node would bring.
fn reach<'a>(tree: &'a Tree, caller: Caller, path: &Path, need: Need) -> Result<&'a Node, Refusal> {
    found(tree, caller, path, need).map(|found| found.node)
}

/// The same, with the node's parent.
fn found<'a>(
    tree: &'a Tree,
    caller: Caller,
    path: &Path,
    need: Need,
) -> Result<Nearest<'a>, Refusal> {
    let nearest = tree.nearest(path);
    match (caller.may(need, nearest.node.permissions()), nearest.missing) {
        (false, _) => Err(Refusal::Denied),
        (true, 0) => Ok(nearest),
        (true, _) => Err(Refusal::NoNode),
    }
}

/// The permissions of a node and, first, of its parent.
fn views(found: Nearest<'_>) -> Vec<Arc<Permissions>> {
    let nodes = found.parent.into_iter().chain([found.node]);
    nodes.map(|node| node.permissions().clone()).collect()
}

fn write(
    tree: &mut Tree,
    caller: Caller,
    quota: Option<&Quota>,
    path: &Path,
    value: &Arc<[u8]>,
) -> Result<Edit, Refusal> {
    let before = match found(tree, caller, path, Need::Write) {
        Ok(found) => Some(found),
        Err(Refusal::NoNode) => None,
        Err(refusal) => return Err(refusal),
    };
    if quota.is_some_and(|quota| !fits(value.len(), quota.node_size)) {
        return Err(Refusal::Quota);
    }
    let change = match before {
        Some(found) => {
            if found.node.permissions().owner == caller.domain() {
                let old = found.node.value().len();
                require_memory(tree, caller, quota, value.len().saturating_sub(old))?;
            }
            let views = views(found);
            tree.set_value(path, value.clone());
            Change::edited(path.clone(), views)
        }
        None => create(tree, caller, quota, path, value.clone())?,
    };
    Ok(Edit::done(Operation::Write, Some(change)))
}

/// Makes a node that is missing, and its missing ancestors, with the permissions of the nearest
/// that exists. What an ordinary domain makes belongs to it.
fn create(
    tree: &mut Tree,
    caller: Caller,
    quota: Option<&Quota>,
    path: &Path,
    value: Arc<[u8]>,
) -> Result<Change, Refusal> {
    let nearest = tree.nearest(path);
    let mut permissions = nearest.node.permissions().clone();
    if let Some(domain) = caller.limited()
        && permissions.owner != domain
    {
        Arc::make_mut(&mut permissions).owner = domain;
    }
    if let Some(quota) = quota {
        let owned = tree.owned_by(caller.domain());
        if !fits(owned.saturating_add(nearest.missing), quota.nodes) {
            return Err(Refusal::Quota);
        }
        let names = path.as_str().len();
        let bytes = nearest.missing * bytes_of_node(0, 0, &permissions) + names + value.len();
        require_memory(tree, caller, Some(quota), bytes)?;
    }
    tree.create(path, &permissions, value);
    Ok(Change::edited(path.clone(), views(tree.nearest(path))))
}

/// Refuses what makes the caller's nodes take more memory than it may have. What shrinks is never
/// refused.
fn require_memory(
    tree: &Tree,
    caller: Caller,
    quota: Option<&Quota>,
    more: usize,
) -> Result<(), Refusal> {
    let held = tree.bytes_of(caller.domain());
    match quota {
        Some(quota) if more > 0 && !fits(held.saturating_add(more), quota.memory) => {
            Err(Refusal::Quota)
        }
        Some(_) | None => Ok(()),
    }
}

/// Takes a node out. Only the node's own permissions count, not those of what is below it.
fn remove(tree: &mut Tree, caller: Caller, path: &Path) -> Result<Edit, Refusal> {
    let parent = match found(tree, caller, path, Need::Write) {
        Ok(_) if path.is_root() => return Err(Refusal::Root),
        Ok(found) => found.parent.map(|parent| parent.permissions().clone()),
        // Removing what is gone already is no error, as long as its parent is there.
        Err(Refusal::NoNode) if tree.nearest(path).missing == 1 => {
            return Ok(Edit::done(Operation::Rm, None));
        }
        Err(refusal) => return Err(refusal),
    };
    let change = tree.remove(path).map(|node| Change::removed(path.clone(), parent, node));
    Ok(Edit::done(Operation::Rm, change))
}

fn set_permissions(
    tree: &mut Tree,
    caller: Caller,
    quota: Option<&Quota>,
    path: &Path,
    permissions: &Permissions,
) -> Result<Edit, Refusal> {
    let found = found(tree, caller, path, Need::Own)?;
    if let Some(quota) = quota {
        if permissions.owner != found.node.permissions().owner {
            return Err(Refusal::GivenAway);
        }
        if !fits(permissions.entries(), quota.permissions) {
            return Err(Refusal::Quota);
        }
    }
    let after = Arc::new(permissions.clone());
    let views = views(found).into_iter().chain([after.clone()]).collect();
    tree.set_permissions(path, after);
    Ok(Edit::done(Operation::SetPermissions, Some(Change::edited(path.clone(), views))))
}

/// All names, when they fit one reply; no more of them are looked at than do.
fn directory(node: &Node) -> Result<Reply, Refusal> {
    let mut room = PAYLOAD_MAX;
    let mut names = Vec::new();
    for name in node.names() {
        room = room.checked_sub(name.len() + 1).ok_or(Refusal::TooBig)?;
        names.extend(name.component());
    }
    Ok(Reply::Names(names))
}

/// As many whole names from an offset on as fit one reply, beside the generation before them and
/// the empty name that ends the last part.
fn part(node: &Node, offset: u64) -> Reply {
    let generation = node.generation();
    let room = PAYLOAD_MAX - alloc::format!("{generation}\0").len();
    let mut start = 0_u64;
    let mut used = 0_usize;
    let mut names = Vec::new();
    let mut last = true;
    for name in node.names() {
        let size = name.len() + 1;
        if start >= offset {
            if used + size > room {
                last = false;
                break;
            }
            used += size;
            names.extend(name.component());
        }
        start = start.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
    }
    Reply::Part { generation, names, last: last && used < room }
}
