//! The tree of nodes: persistent, so that keeping how it was costs one pointer.
//!
//! It knows no callers: who may do what is decided in `edit` before the tree is touched. Every walk
//! is a loop, never a recursion: a path may have fifteen hundred steps.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use xenstore_wire::{Access, DomainId, Path, Permissions};

use crate::name::ChildName;

/// About what a node takes beside its name, value and permissions.
const NODE_BYTES: usize = size_of::<Node>() + size_of::<ChildName>();
/// Removed nodes that are taken apart at once: as many as a domain owns by default, and a fraction of
/// a millisecond's work. The rest of a larger subtree follows bit by bit.
pub(crate) const AT_ONCE: usize = 1024;
/// What one entry of a node's permissions takes.
const ENTRY_BYTES: usize = size_of::<(DomainId, Access)>();

/// What belongs to one domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Estate {
    nodes: usize,
    bytes: usize,
}

/// The nodes, and how many of them belong to whom. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: Arc<Node>,
    owned: Arc<BTreeMap<DomainId, Estate>>,
    generation: u64,
    /// What was taken out and is not taken apart yet. Its nodes count until they are: the books may
    /// say too much for a moment, and never too little.
    debris: Vec<Debris>,
}

/// A subtree that is no part of the tree any more.
#[derive(Clone, Debug)]
struct Debris {
    node: Arc<Node>,
    /// The length of its name, where its nodes are in the books still.
    counted: Option<usize>,
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    value: Arc<[u8]>,
    permissions: Arc<Permissions>,
    children: BTreeMap<ChildName, Arc<Self>>,
    generation: u64,
}

/// A node that was looked for: the nearest that exists on the way to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nearest<'a> {
    /// The node itself, or its nearest ancestor that exists.
    pub(crate) node: &'a Node,
    /// That node's parent; the root has none.
    pub(crate) parent: Option<&'a Node>,
    /// How many steps are missing from there; none when it is the node itself.
    pub(crate) missing: usize,
}

impl Node {
    fn new(permissions: Arc<Permissions>, generation: u64) -> Self {
        Self { value: Arc::from([]), permissions, children: BTreeMap::new(), generation }
    }

    pub(crate) fn value(&self) -> &Arc<[u8]> {
        &self.value
    }

    pub(crate) fn permissions(&self) -> &Arc<Permissions> {
        &self.permissions
    }

    /// The names of the children, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ChildName> {
        self.children.keys()
    }

    /// A number that changes whenever the node does.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// About how many bytes of memory it takes under a name of this length.
    fn bytes(&self, name: usize) -> usize {
        bytes_of_node(name, self.value.len(), &self.permissions)
    }

    /// The children, each with the length of its name.
    fn named_children(&self) -> impl Iterator<Item = (usize, &Self)> {
        self.children.iter().map(|(name, child)| (name.len(), child.as_ref()))
    }

    /// The node at these steps below this one.
    pub(crate) fn descend<'a>(&self, mut steps: impl Iterator<Item = &'a str>) -> Option<&Self> {
        steps.try_fold(self, |node, step| node.children.get(step.as_bytes()).map(Arc::as_ref))
    }
}

impl Estate {
    fn gain(&mut self, bytes: usize) {
        self.nodes += 1;
        self.bytes += bytes;
    }

    fn lose(&mut self, bytes: usize) {
        self.nodes = self.nodes.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// About how many bytes of memory a node takes with a name and a value of these lengths.
pub(crate) fn bytes_of_node(name: usize, value: usize, permissions: &Permissions) -> usize {
    NODE_BYTES + name + value + permissions.entries() * ENTRY_BYTES
}

/// Takes a subtree apart in a loop: the compiler's own drop would recurse as deep as the tree.
impl Drop for Node {
    fn drop(&mut self) {
        let mut doomed: Vec<Arc<Self>> = mem::take(&mut self.children).into_values().collect();
        while let Some(node) = doomed.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                doomed.extend(mem::take(&mut node.children).into_values());
            }
        }
    }
}

impl Tree {
    /// A tree of one node that belongs to dom0 alone.
    pub(crate) fn new() -> Self {
        let permissions = Arc::new(Permissions::private(DomainId::DOM0));
        let mut tree = Self {
            root: Arc::new(Node::new(permissions, 0)),
            owned: Arc::default(),
            generation: 0,
            debris: Vec::new(),
        };
        let root = Estate { nodes: 1, bytes: tree.root.bytes(0) };
        tree.own(DomainId::DOM0, |estate| *estate = root);
        tree
    }

    /// A tree of one node, whose changes are numbered from here on.
    pub(crate) fn with_generations_from(generation: u64) -> Self {
        Self { generation, ..Self::new() }
    }

    /// The number of the last change.
    pub(crate) fn last_generation(&self) -> u64 {
        self.generation
    }

    /// Has a node be as told, whether it is there already or not; none where its parent is missing.
    pub(crate) fn put(
        &mut self,
        path: &Path,
        permissions: Arc<Permissions>,
        value: Arc<[u8]>,
    ) -> Option<()> {
        match self.nearest(path).missing {
            0 => {
                self.set_permissions(path, permissions);
                self.set_value(path, value);
            }
            1 => self.create(path, &permissions, value),
            _ => return None,
        }
        Some(())
    }

    /// Visits every node, each after its parent.
    pub(crate) fn walk(&self, mut visit: impl FnMut(&Path, &Node)) {
        let mut waiting = Vec::from([(Path::root(), self.root.as_ref())]);
        while let Some((path, node)) = waiting.pop() {
            visit(&path, node);
            for (name, child) in &node.children {
                // The path of a node that exists was short enough when it was made.
                if let Ok(path) = name.component().and_then(|name| path.child(&name)) {
                    waiting.push((path, child.as_ref()));
                }
            }
        }
    }

    /// Visits the nodes on the way to a path and the one there, as far as there are any, each with
    /// its path as text.
    pub(crate) fn walk_to(&self, path: &Path, mut visit: impl FnMut(&str, &Node, bool)) {
        let text = path.as_str();
        let mut node = self.root.as_ref();
        visit("/", node, path.is_root());
        let mut end = 0;
        for step in path.components() {
            let Some(child) = node.children.get(step.as_bytes()) else { return };
            // A slash, and the step.
            end += 1 + step.len();
            node = child.as_ref();
            visit(text.get(..end).unwrap_or(text), node, end == text.len());
        }
    }

    /// True when both are one tree, and nothing was changed since.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root)
    }

    /// How many nodes belong to a domain.
    pub(crate) fn owned_by(&self, domain: DomainId) -> usize {
        self.owned.get(&domain).map_or(0, |estate| estate.nodes)
    }

    /// About how many bytes of memory the nodes take that belong to a domain.
    pub(crate) fn bytes_of(&self, domain: DomainId) -> usize {
        self.owned.get(&domain).map_or(0, |estate| estate.bytes)
    }

    pub(crate) fn find(&self, path: &Path) -> Option<&Node> {
        self.root.descend(path.components())
    }

    /// Walks towards a path as far as there are nodes.
    pub(crate) fn nearest(&self, path: &Path) -> Nearest<'_> {
        let (mut node, mut parent) = (self.root.as_ref(), None);
        let mut steps = path.components();
        while let Some(step) = steps.next() {
            match node.children.get(step.as_bytes()) {
                Some(child) => (node, parent) = (child, Some(node)),
                None => return Nearest { node, parent, missing: 1 + steps.count() },
            }
        }
        Nearest { node, parent, missing: 0 }
    }

    /// Gives an existing node another value.
    pub(crate) fn set_value(&mut self, path: &Path, value: Arc<[u8]>) {
        if let Some(node) = self.node_mut(path) {
            let owner = node.permissions.owner;
            let after = value.len();
            let before = mem::replace(&mut node.value, value).len();
            if after != before {
                self.own(owner, |estate| {
                    estate.bytes = (estate.bytes + after).saturating_sub(before);
                });
            }
        }
    }

    /// Gives an existing node other permissions.
    pub(crate) fn set_permissions(&mut self, path: &Path, permissions: Arc<Permissions>) {
        let name = path.last().map_or(0, str::len);
        let owner = permissions.owner;
        if let Some(node) = self.node_mut(path) {
            let (before, bytes) = (node.permissions.owner, node.bytes(name));
            node.permissions = permissions;
            let after = node.bytes(name);
            self.own(before, |estate| estate.lose(bytes));
            self.own(owner, |estate| estate.gain(after));
        }
    }

    /// Makes a node and every missing node on the way to it, all with the same permissions.
    pub(crate) fn create(&mut self, path: &Path, permissions: &Arc<Permissions>, value: Arc<[u8]>) {
        self.generation += 1;
        let generation = self.generation;
        let mut made = Estate::default();
        let mut node = Arc::make_mut(&mut self.root);
        for step in path.components() {
            let child = match node.children.entry(ChildName::new(step)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    node.generation = generation;
                    made.gain(bytes_of_node(step.len(), 0, permissions));
                    place.insert(Arc::new(Node::new(permissions.clone(), generation)))
                }
            };
            node = Arc::make_mut(child);
        }
        made.bytes += value.len();
        node.value = value;
        self.own(permissions.owner, |estate| {
            estate.nodes += made.nodes;
            estate.bytes += made.bytes;
        });
    }

    /// Takes a subtree over from another tree that began as `base` and was changed there alone: true
    /// when it was possible, for here the subtree is as it was then, and so are the permissions on
    /// the way to it.
    pub(crate) fn graft(&mut self, base: &Self, changed: &Self, path: &Path) -> bool {
        // What is in debris is in the books of both, and would be taken out twice.
        let is_tidy = base.debris.is_empty() && changed.debris.is_empty();
        if path.is_root() || !is_tidy || !self.holds_as(base, path) {
            return false;
        }
        let mut grafted = &changed.root;
        for step in path.components() {
            let Some(child) = grafted.children.get(step.as_bytes()) else { return false };
            grafted = child;
        }
        let mut place = &mut self.root;
        for step in path.components() {
            let Some(child) = Arc::make_mut(place).children.get_mut(step.as_bytes()) else {
                return false;
            };
            place = child;
        }
        *place = grafted.clone();
        self.generation = self.generation.max(changed.generation);
        if !Arc::ptr_eq(&base.owned, &changed.owned) {
            self.settle_estates(&base.owned, &changed.owned);
        }
        true
    }

    /// True when the subtree is the same one as in another tree, and all of its ancestors have the
    /// permissions that they have there.
    fn holds_as(&self, other: &Self, path: &Path) -> bool {
        let (mut here, mut there) = (&self.root, &other.root);
        for step in path.components() {
            if !Arc::ptr_eq(&here.permissions, &there.permissions) {
                return false;
            }
            let step = step.as_bytes();
            match (here.children.get(step), there.children.get(step)) {
                (Some(one), Some(other)) => (here, there) = (one, other),
                _ => return false,
            }
        }
        Arc::ptr_eq(here, there)
    }

    /// Adds to the books what a graft changed.
    fn settle_estates(
        &mut self,
        before: &BTreeMap<DomainId, Estate>,
        after: &BTreeMap<DomainId, Estate>,
    ) {
        let owners: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
        for owner in owners {
            let [before, after] =
                [before, after].map(|books| books.get(&owner).copied().unwrap_or_default());
            if before != after {
                self.own(owner, |estate| {
                    estate.nodes = (estate.nodes + after.nodes).saturating_sub(before.nodes);
                    estate.bytes = (estate.bytes + after.bytes).saturating_sub(before.bytes);
                });
            }
        }
    }

    /// Takes a node out of the tree, with everything below it. The root stays.
    pub(crate) fn remove(&mut self, path: &Path) -> Option<Arc<Node>> {
        self.find(path)?;
        let name = path.last()?;
        let removed = self.node_mut(&path.parent()?)?.children.remove(name.as_bytes())?;
        self.debris.push(Debris { node: removed.clone(), counted: Some(name.len()) });
        self.clear(AT_ONCE);
        Some(removed)
    }

    /// Takes over what is left of a tree that nobody looks at any more: it may be the last to hold
    /// a large subtree.
    pub(crate) fn retire(&mut self, old: Self) {
        let left = [old.root].into_iter().chain(old.debris.into_iter().map(|debris| debris.node));
        // What others hold too costs nothing to let go of.
        let last = left.filter(|node| Arc::strong_count(node) == 1);
        self.debris.extend(last.map(|node| Debris { node, counted: None }));
        self.clear(AT_ONCE);
    }

    /// Takes so many removed nodes apart; true when more are left.
    pub(crate) fn clear(&mut self, nodes: usize) -> bool {
        for _ in 0..nodes {
            let Some(Debris { node, counted }) = self.debris.pop() else { return false };
            let count = |name: &ChildName| counted.map(|_| name.len());
            if let Some(name) = counted {
                self.own(node.permissions.owner, |estate| estate.lose(node.bytes(name)));
            }
            match Arc::try_unwrap(node) {
                Ok(mut node) => {
                    let children = mem::take(&mut node.children).into_iter();
                    self.debris.extend(
                        children.map(|(name, node)| Debris { counted: count(&name), node }),
                    );
                }
                // Somebody looks at it still: it is taken out of the books, and left as it is.
                Err(node) if counted.is_some() => {
                    let children = node.children.iter();
                    self.debris.extend(
                        children.map(|(name, node)| Debris {
                            counted: count(name),
                            node: node.clone(),
                        }),
                    );
                }
                Err(_) => (),
            }
        }
        !self.debris.is_empty()
    }

    /// The nodes that belong to a domain and have no ancestor that does: removing these removes
    /// all it owns, and what others put below.
    pub(crate) fn estates(&self, domain: DomainId) -> Vec<Path> {
        if self.owned_by(domain) == 0 {
            return Vec::new();
        }
        self.collect(|node| match node.permissions.owner == domain {
            true => Visit::Take,
            false => Visit::Descend,
        })
    }

    /// Takes a domain out of the permissions of every node that names it as an exception: of these.
    pub(crate) fn strip_exceptions(&mut self, domain: DomainId) -> Vec<Path> {
        let named = |node: &Node| node.permissions.exceptions.iter().any(|(who, _)| *who == domain);
        let paths = self.collect(|node| match named(node) {
            true => Visit::TakeAndDescend,
            false => Visit::Descend,
        });
        for path in &paths {
            if let Some(node) = self.find(path) {
                let mut permissions = node.permissions.as_ref().clone();
                permissions.exceptions.retain(|(who, _)| *who != domain);
                self.set_permissions(path, Arc::new(permissions));
            }
        }
        paths
    }

    /// True when the books say of every domain what is in the tree.
    pub(crate) fn is_consistent(&self) -> bool {
        let mut counted: BTreeMap<DomainId, Estate> = BTreeMap::new();
        let mut waiting = Vec::from([(0, self.root.as_ref())]);
        let removed = self.debris.iter();
        waiting.extend(removed.filter_map(|debris| Some((debris.counted?, debris.node.as_ref()))));
        while let Some((name, node)) = waiting.pop() {
            counted.entry(node.permissions.owner).or_default().gain(node.bytes(name));
            waiting.extend(node.named_children());
        }
        counted == *self.owned
    }

    /// The paths of the nodes that a visit takes.
    fn collect(&self, visit: impl Fn(&Node) -> Visit) -> Vec<Path> {
        let mut taken = Vec::new();
        let mut waiting = Vec::from([(Path::root(), self.root.as_ref())]);
        while let Some((path, node)) = waiting.pop() {
            let visit = visit(node);
            if matches!(visit, Visit::Descend | Visit::TakeAndDescend) {
                for (name, child) in &node.children {
                    // The path of a node that exists was short enough when it was made.
                    if let Ok(path) = name.component().and_then(|name| path.child(&name)) {
                        waiting.push((path, child.as_ref()));
                    }
                }
            }
            if matches!(visit, Visit::Take | Visit::TakeAndDescend) {
                taken.push(path);
            }
        }
        taken
    }

    /// An existing node to be changed: the way to it is copied where it is shared.
    fn node_mut(&mut self, path: &Path) -> Option<&mut Node> {
        self.generation += 1;
        let mut node = Arc::make_mut(&mut self.root);
        for step in path.components() {
            node = Arc::make_mut(node.children.get_mut(step.as_bytes())?);
        }
        node.generation = self.generation;
        Some(node)
    }

    fn own(&mut self, owner: DomainId, change: impl FnOnce(&mut Estate)) {
        let owned = Arc::make_mut(&mut self.owned);
        let estate = owned.entry(owner).or_default();
        change(estate);
        if estate.nodes == 0 {
            owned.remove(&owner);
        }
    }
}

/// What a walk does with a node.
enum Visit {
    Descend,
    Take,
    TakeAndDescend,
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn path(text: &str) -> Path {
        text.parse().expect("a path")
    }

    /// A tree with three times as many nodes below one as are taken apart at once.
    fn large() -> Tree {
        let mut tree = Tree::new();
        let private = Arc::new(Permissions::private(DomainId::DOM0));
        for index in 0..3 * AT_ONCE {
            tree.create(&path(&format!("/a/{}/{index}", index / 64)), &private, Arc::from([]));
        }
        tree
    }

    #[test]
    fn a_large_subtree_is_gone_at_once_and_counted_until_it_is_taken_apart() {
        let mut tree = large();
        let before = tree.owned_by(DomainId::DOM0);
        drop(tree.remove(&path("/a")).expect("it was there"));
        assert!(tree.find(&path("/a")).is_none());
        assert_eq!(tree.owned_by(DomainId::DOM0), before - AT_ONCE);
        let mut slices = 1;
        while tree.clear(AT_ONCE) {
            assert!(tree.is_consistent());
            slices += 1;
        }
        assert_eq!((slices, tree.owned_by(DomainId::DOM0)), (3, 1));
        assert!(tree.is_consistent());
    }

    #[test]
    fn what_an_old_tree_alone_holds_is_taken_apart_bit_by_bit_too() {
        let mut tree = large();
        let old = tree.clone();
        drop(tree.remove(&path("/a")).expect("it was there"));
        while tree.clear(AT_ONCE) {}
        assert!(old.is_consistent());
        tree.retire(old);
        let mut slices = 1;
        while tree.clear(AT_ONCE) {
            slices += 1;
        }
        assert_eq!((slices, tree.owned_by(DomainId::DOM0)), (3, 1));
    }
}
