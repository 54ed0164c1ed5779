//! The tree of nodes: persistent, so that keeping how it was costs one pointer.
//!
//! It knows no callers: who may do what is decided in `edit` before the tree is touched. Every walk
//! is a loop, never a recursion: a path may have fifteen hundred steps.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use xenstore_wire::{Access, Component, DomainId, Path, Permissions};

/// About what a node takes beside its name, value and permissions.
const NODE_BYTES: usize = size_of::<Node>() + size_of::<Component>();
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
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    value: Arc<[u8]>,
    permissions: Arc<Permissions>,
    children: BTreeMap<Component, Arc<Self>>,
    generation: u64,
}

/// A node that was looked for: the nearest that exists on the way to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nearest<'a> {
    /// The node itself, or its nearest ancestor that exists.
    pub(crate) node: &'a Node,
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
    pub(crate) fn names(&self) -> impl Iterator<Item = &Component> {
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
        self.children.iter().map(|(name, child)| (name.as_str().len(), child.as_ref()))
    }

    /// The node at these steps below this one.
    pub(crate) fn descend<'a>(&self, mut steps: impl Iterator<Item = &'a str>) -> Option<&Self> {
        steps.try_fold(self, |node, step| node.children.get(step).map(Arc::as_ref))
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
                if let Ok(path) = path.child(name) {
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
            let Some(child) = node.children.get(step) else { return };
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
        let mut node = self.root.as_ref();
        let mut steps = path.components();
        while let Some(step) = steps.next() {
            match node.children.get(step) {
                Some(child) => node = child,
                None => return Nearest { node, missing: 1 + steps.count() },
            }
        }
        Nearest { node, missing: 0 }
    }

    /// Gives an existing node another value.
    pub(crate) fn set_value(&mut self, path: &Path, value: Arc<[u8]>) {
        if let Some(node) = self.node_mut(path) {
            let owner = node.permissions.owner;
            let after = value.len();
            let before = mem::replace(&mut node.value, value).len();
            self.own(owner, |estate| estate.bytes = (estate.bytes + after).saturating_sub(before));
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
        for step in path.names() {
            if !node.children.contains_key(&step) {
                node.generation = generation;
                made.gain(bytes_of_node(step.as_str().len(), 0, permissions));
            }
            let child = node
                .children
                .entry(step)
                .or_insert_with(|| Arc::new(Node::new(permissions.clone(), generation)));
            node = Arc::make_mut(child);
        }
        made.bytes += value.len();
        node.value = value;
        self.own(permissions.owner, |estate| {
            estate.nodes += made.nodes;
            estate.bytes += made.bytes;
        });
    }

    /// Takes a node out of the tree, with everything below it. The root stays.
    pub(crate) fn remove(&mut self, path: &Path) -> Option<Arc<Node>> {
        self.find(path)?;
        let name = path.last()?;
        let removed = self.node_mut(&path.parent()?)?.children.remove(name)?;
        let mut waiting = Vec::from([(name.len(), removed.as_ref())]);
        while let Some((name, node)) = waiting.pop() {
            self.own(node.permissions.owner, |estate| estate.lose(node.bytes(name)));
            waiting.extend(node.named_children());
        }
        Some(removed)
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
                    if let Ok(path) = path.child(name) {
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
        self.find(path)?;
        self.generation += 1;
        let mut node = Arc::make_mut(&mut self.root);
        for step in path.components() {
            node = Arc::make_mut(node.children.get_mut(step)?);
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
