//! What an operation changed, kept until everybody who may know of it has heard.
//!
//! Who watches what is in `watches`; here is only whether a watcher may hear of it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use xenstore_wire::{Path, Permissions};

use crate::caller::{Caller, Need};
use crate::tree::Node;

/// One change of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The node that changed.
    pub(crate) path: Path,
    /// The permissions of the node and of its parent, before and after: who may read any of them
    /// may know that something happened here.
    views: Vec<Arc<Permissions>>,
    /// The subtree, where it was taken out.
    removed: Option<Arc<Node>>,
}

impl Change {
    /// A node that was made, written or given other permissions.
    pub(crate) fn edited(path: Path, views: Vec<Arc<Permissions>>) -> Self {
        Self { path, views, removed: None }
    }

    /// A node that was taken out with everything below.
    pub(crate) fn removed(path: Path, parent: Option<Arc<Permissions>>, node: Arc<Node>) -> Self {
        let views = parent.into_iter().chain([node.permissions().clone()]).collect();
        Self { path, views, removed: Some(node) }
    }

    /// True when the node was taken out, and whatever was below it too.
    pub(crate) fn is_removal(&self) -> bool {
        self.removed.is_some()
    }

    /// True when the caller may know of the change.
    pub(crate) fn shows_to(&self, caller: Caller) -> bool {
        self.views.iter().any(|permissions| caller.may(Need::Read, permissions))
    }

    /// True when a node below the removed one existed and the caller may know that it is gone.
    pub(crate) fn shows_below(&self, below: &Path, caller: Caller) -> bool {
        let steps = below.components().skip(self.path.components().count());
        self.removed
            .as_ref()
            .and_then(|removed| removed.descend(steps))
            .is_some_and(|node| caller.may(Need::Read, node.permissions()))
    }
}
