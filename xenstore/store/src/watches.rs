//! Who watches what, and who hears of a change.
//!
//! What a connection may hold and what it may hear are asked of others: this is only the index.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;

use xenstore_wire::{DomainId, DomainSpecial, Name, Path, Special, Token, WatchEvent};

use crate::change::Change;
use crate::connection::ConnectionId;

/// What a watch is on, wherever it was named from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Node(Path),
    Special(Special),
    DomainSpecial(DomainSpecial),
}

/// One connection's watch on some target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Watcher {
    connection: ConnectionId,
    token: Token,
    /// Where the watch was named from, when it was named by a relative path: what changed is told
    /// as seen from there.
    from: Option<Path>,
    /// How many steps below the node it hears of; of a special name, that it hears of each domain.
    depth: Option<u16>,
}

/// All watches, by what they are on.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    nodes: BTreeMap<Path, Vec<Watcher>>,
    /// How many watched paths there are of each length: a change has only to look for watchers at
    /// those, however deep it is.
    lengths: BTreeMap<usize, usize>,
    specials: BTreeMap<Special, Vec<Watcher>>,
    domain_specials: BTreeMap<DomainSpecial, Vec<Watcher>>,
}

impl Target {
    /// What a name means from a home, and the home when the name needs it.
    pub(crate) fn of(name: &Name, home: &Path) -> (Self, Option<Path>) {
        match name {
            Name::Absolute(path) => (Self::Node(path.clone()), None),
            Name::Relative(path) => (Self::Node(path.under(home)), Some(home.clone())),
            Name::Special(special) => (Self::Special(*special), None),
            Name::DomainSpecial(special) => (Self::DomainSpecial(special.clone()), None),
        }
    }
}

impl Watcher {
    fn event(&self, path: &Path) -> WatchEvent {
        let seen = self.from.as_ref().and_then(|home| path.relative_to(home));
        let name = seen.map_or_else(|| Name::Absolute(path.clone()), Name::Relative);
        WatchEvent { name, token: self.token.clone() }
    }
}

impl Watches {
    /// Adds a watch, which must not be there yet.
    pub(crate) fn add(
        &mut self,
        target: &Target,
        connection: ConnectionId,
        token: Token,
        from: Option<Path>,
        depth: Option<u16>,
    ) {
        let watcher = Watcher { connection, token, from, depth };
        match target {
            Target::DomainSpecial(special) => {
                self.domain_specials.entry(special.clone()).or_default().push(watcher);
            }
            Target::Special(special) => self.specials.entry(*special).or_default().push(watcher),
            Target::Node(path) => {
                let watchers = self.nodes.entry(path.clone()).or_default();
                if watchers.is_empty() {
                    *self.lengths.entry(path.as_str().len()).or_default() += 1;
                }
                watchers.push(watcher);
            }
        }
    }

    /// Takes a watch out.
    pub(crate) fn remove(&mut self, target: &Target, connection: ConnectionId, token: &Token) {
        let leaves =
            |watcher: &Watcher| watcher.connection == connection && watcher.token == *token;
        match target {
            Target::DomainSpecial(special) => {
                let Some(watchers) = self.domain_specials.get_mut(special) else { return };
                watchers.retain(|watcher| !leaves(watcher));
                if watchers.is_empty() {
                    self.domain_specials.remove(special);
                }
            }
            Target::Special(special) => {
                if let Some(watchers) = self.specials.get_mut(special) {
                    watchers.retain(|watcher| !leaves(watcher));
                }
            }
            Target::Node(path) => {
                let Some(watchers) = self.nodes.get_mut(path) else { return };
                watchers.retain(|watcher| !leaves(watcher));
                if watchers.is_empty() {
                    self.nodes.remove(path);
                    self.forget_length(path.as_str().len());
                }
            }
        }
    }

    fn forget_length(&mut self, length: usize) {
        if let Some(paths) = self.lengths.get_mut(&length) {
            *paths -= 1;
            if *paths == 0 {
                self.lengths.remove(&length);
            }
        }
    }

    /// A connection's watches as they were named, each with its depth.
    pub(crate) fn of<'a>(
        &'a self,
        connection: ConnectionId,
        known: &'a BTreeSet<(Target, Token)>,
    ) -> impl Iterator<Item = (Name, Token, Option<u16>)> + 'a {
        known.iter().filter_map(move |(target, token)| {
            let (watchers, whole) = match target {
                Target::Node(path) => (self.nodes.get(path)?, Name::Absolute(path.clone())),
                Target::Special(special) => (self.specials.get(special)?, Name::Special(*special)),
                Target::DomainSpecial(special) => {
                    (self.domain_specials.get(special)?, Name::DomainSpecial(special.clone()))
                }
            };
            let own =
                |watcher: &&Watcher| watcher.connection == connection && watcher.token == *token;
            let watcher = watchers.iter().find(own)?;
            let name = match target {
                Target::Node(path) => watcher.event(path).name,
                Target::Special(_) | Target::DomainSpecial(_) => whole,
            };
            Some((name, token.clone(), watcher.depth))
        })
    }

    /// Calls `hear` for each watch that a change is at or below, from the root down, and for each
    /// watch that is on something a removal took along. Whether the watcher may know is for
    /// `hear` to ask: it gets the path to ask about.
    pub(crate) fn concern(
        &self,
        change: &Change,
        mut hear: impl FnMut(ConnectionId, Concern<'_>, WatchEvent),
    ) {
        let path = change.path.as_str();
        for length in self.lengths.range(..=path.len()).map(|(length, _)| *length) {
            let ends_a_step =
                length == 1 || matches!(path.as_bytes().get(length), None | Some(b'/'));
            let Some(watched) = path.get(..length).filter(|_| ends_a_step) else { continue };
            let below = path.get(length..).unwrap_or_default();
            for watcher in self.nodes.get(watched).into_iter().flatten() {
                if watcher.depth.is_some_and(|depth| steps(below) > usize::from(depth)) {
                    continue;
                }
                hear(watcher.connection, Concern::Changed, watcher.event(&change.path));
            }
        }
        if change.is_removal() {
            let below = alloc::format!("{path}/");
            let range = (Bound::Included(below.as_str()), Bound::Unbounded);
            let taken = self
                .nodes
                .range::<str, _>(range)
                .take_while(|(watched, _)| watched.as_str().starts_with(&below));
            for (watched, watchers) in taken {
                for watcher in watchers {
                    hear(watcher.connection, Concern::Taken(watched), watcher.event(watched));
                }
            }
        }
    }

    /// Who watches a special name, with the events that tell that it happened to some domains: one
    /// for all of them, or one for each where the watcher asked to be told so.
    pub(crate) fn on(
        &self,
        special: Special,
        domains: &[DomainId],
    ) -> Vec<(ConnectionId, WatchEvent)> {
        let mut told = Vec::new();
        let mut tell = |watcher: &Watcher, name| {
            told.push((watcher.connection, WatchEvent { name, token: watcher.token.clone() }));
        };
        let names: Vec<_> =
            domains.iter().map(|domain| DomainSpecial::new(special, *domain)).collect();
        for watcher in self.specials.get(&special).into_iter().flatten() {
            match watcher.depth {
                None => tell(watcher, Name::Special(special)),
                Some(_) => {
                    for name in &names {
                        tell(watcher, Name::DomainSpecial(name.clone()));
                    }
                }
            }
        }
        for name in &names {
            for watcher in self.domain_specials.get(name).into_iter().flatten() {
                tell(watcher, Name::DomainSpecial(name.clone()));
            }
        }
        told
    }
}

/// How many steps a path has that was cut off another at the end of a step.
fn steps(below: &str) -> usize {
    below.split('/').filter(|step| !step.is_empty()).count()
}

/// How a change concerns a watch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Concern<'a> {
    /// The change is at or below what is watched.
    Changed,
    /// What is watched was below what was removed.
    Taken(&'a Path),
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec;

    use proptest::prelude::*;
    use xenstore_wire::{DomainId, Permissions};

    use super::*;
    use crate::caller::Caller;
    use crate::tree::Tree;

    const PATHS: [&str; 8] = ["/", "/a", "/a/b", "/a/bb", "/a/b/c", "/a/b/c/d", "/ab", "/ab/c"];

    fn path(index: usize) -> Path {
        PATHS[index].parse().expect("a path")
    }

    /// Who hears of a change, and under which name.
    fn heard(watches: &Watches, change: &Change) -> Vec<(u64, WatchEvent)> {
        let mut heard = vec![];
        watches.concern(change, |to, concern, event| {
            let shown = match concern {
                Concern::Changed => change.shows_to(Caller::Dom0),
                Concern::Taken(path) => change.shows_below(path, Caller::Dom0),
            };
            if shown {
                heard.push((to.number(), event));
            }
        });
        heard.sort();
        heard
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn those_hear_who_watch_at_or_above_and_those_whose_node_was_taken_along(
            added in prop::collection::btree_set((0..8_usize, 0..3_u64), 0..12),
            removed in prop::collection::vec((0..8_usize, 0..3_u64), 0..4),
            changed in 1..8_usize,
            removal: bool,
        ) {
            let token = Token::new(b"t").expect("no NUL");
            let mut watches = Watches::default();
            let mut left = added.clone();
            for (index, who) in &added {
                let target = Target::Node(path(*index));
                watches.add(&target, ConnectionId(*who), token.clone(), None, None);
            }
            for (index, who) in &removed {
                watches.remove(&Target::Node(path(*index)), ConnectionId(*who), &token);
                left.remove(&(*index, *who));
            }

            let private = Arc::new(Permissions::private(DomainId::DOM0));
            let mut tree = Tree::new();
            for text in &PATHS[1..] {
                tree.create(&text.parse().expect("a path"), &private, Arc::from([]));
            }
            let place = path(changed);
            let change = match removal.then(|| tree.remove(&place)).flatten() {
                Some(node) => Change::removed(place.clone(), Some(private), node),
                None => Change::edited(place.clone(), vec![private]),
            };

            let mut expected: Vec<(u64, WatchEvent)> = left
                .iter()
                .filter_map(|(index, who)| {
                    let watched = path(*index);
                    let name = match (place.starts_with(&watched), watched.starts_with(&place)) {
                        (true, _) => place.clone(),
                        (false, true) if removal => watched,
                        (false, _) => return None,
                    };
                    let name = Name::Absolute(name);
                    Some((*who, WatchEvent { name, token: token.clone() }))
                })
                .collect();
            expected.sort();
            prop_assert_eq!(heard(&watches, &change), expected);

            for (index, who) in left {
                watches.remove(&Target::Node(path(index)), ConnectionId(who), &token);
            }
            prop_assert!(watches.nodes.is_empty() && watches.lengths.is_empty());
        }
    }
}
