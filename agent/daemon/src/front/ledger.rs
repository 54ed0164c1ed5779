//! Which objects there are, and when each came, changed and went.
//!
//! Pure. Changes are found by comparing: whatever makes an object different is noticed, and nobody
//! has to remember to tell.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;
use xenwarden_model::front::{Changes, Deleted, Moment, Stamped};
use xenwarden_model::{Object, Reference};

/// Objects that have gone and are still told of: whoever asks after more has to begin anew.
const DELETED_MAX: usize = 10_000;

/// The objects, and their history.
#[derive(Debug)]
pub(crate) struct Ledger {
    instance: Uuid,
    generation: u64,
    entries: BTreeMap<Reference, Stamped>,
    deleted: VecDeque<Deleted>,
    /// What went with this generation or before may be forgotten.
    forgotten: u64,
}

impl Ledger {
    /// An empty ledger of this run.
    pub(crate) fn new(instance: Uuid) -> Self {
        Self {
            instance,
            generation: 0,
            entries: BTreeMap::new(),
            deleted: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        Moment { instance: self.instance, generation: self.generation }
    }

    /// One object.
    pub(crate) fn get(&self, reference: Reference) -> Option<&Object> {
        self.entries.get(&reference).map(|stamped| &stamped.object)
    }

    /// Takes in what there is now.
    pub(crate) fn update(&mut self, objects: Vec<Object>) {
        let mut present = BTreeSet::new();
        let next = self.generation + 1;
        let mut is_changed = false;
        for object in objects {
            let reference = object.reference();
            present.insert(reference);
            match self.entries.get_mut(&reference) {
                Some(stamped) if stamped.object == object => {}
                Some(stamped) => {
                    is_changed = true;
                    stamped.changed = next;
                    stamped.object = object;
                }
                None => {
                    is_changed = true;
                    let stamped = Stamped { created: next, changed: next, object };
                    self.entries.insert(reference, stamped);
                }
            }
        }
        let deleted = &mut self.deleted;
        let before = deleted.len();
        self.entries.retain(|reference, stamped| {
            let stays = present.contains(reference);
            if !stays {
                let class = stamped.object.class();
                deleted.push_back(Deleted { generation: next, class, reference: *reference });
            }
            stays
        });
        if is_changed || self.deleted.len() > before {
            self.generation = next;
        }
        while self.deleted.len() > DELETED_MAX {
            self.forgotten = self.deleted.pop_front().map_or(next, |deleted| deleted.generation);
        }
    }

    /// Counts an object as changed. The moment before; none where there is no such object.
    pub(crate) fn touch(&mut self, reference: Reference) -> Option<Moment> {
        let before = self.now();
        self.entries.get_mut(&reference)?.changed = self.generation + 1;
        self.generation += 1;
        Some(before)
    }

    /// What changed since a moment, or everything where that can't be told.
    pub(crate) fn since(&self, moment: Option<Moment>) -> Changes {
        let since = moment.filter(|moment| {
            moment.instance == self.instance
                && moment.generation <= self.generation
                && moment.generation >= self.forgotten
        });
        let from = since.map_or(0, |moment| moment.generation);
        let mut objects: Vec<Stamped> =
            self.entries.values().filter(|stamped| stamped.changed > from).cloned().collect();
        objects.sort_by_key(|stamped| (stamped.changed, stamped.object.reference()));
        let deleted = match since {
            Some(_) => self.deleted.iter().filter(|gone| gone.generation > from).copied().collect(),
            None => Vec::new(),
        };
        Changes { now: self.now(), whole: since.is_none(), objects, deleted }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xenwarden_model::{Map, PoolObject};

    use super::*;

    const INSTANCE: Uuid = Uuid::from_u128(1);

    fn reference(number: u8) -> Reference {
        Reference::of(Uuid::nil(), "pool", Uuid::from_u128(number.into()))
    }

    fn object(number: u8, name: &str) -> Object {
        Object::Pool(PoolObject {
            reference: reference(number),
            uuid: Uuid::from_u128(number.into()),
            name_label: name.into(),
            master: reference(0),
            other_config: Map::new(),
        })
    }

    #[test]
    fn nothing_new_is_no_change() {
        let mut ledger = Ledger::new(INSTANCE);
        ledger.update(vec![object(1, "a")]);
        let now = ledger.now();
        ledger.update(vec![object(1, "a")]);
        assert_eq!(ledger.now(), now);
        let changes = ledger.since(Some(now));
        assert!(!changes.whole && changes.objects.is_empty() && changes.deleted.is_empty());
    }

    #[test]
    fn what_cannot_be_told_from_a_moment_is_told_whole() {
        let mut ledger = Ledger::new(INSTANCE);
        ledger.update(vec![object(1, "a")]);
        let now = ledger.now();
        let elsewhere = Moment { instance: Uuid::from_u128(2), ..now };
        let future = Moment { generation: now.generation + 1, ..now };
        for moment in [None, Some(elsewhere), Some(future)] {
            let changes = ledger.since(moment);
            assert!(changes.whole && changes.objects.len() == 1, "{changes:?}");
        }
    }

    #[test]
    fn a_forgotten_deletion_makes_the_answer_whole() {
        let mut ledger = Ledger::new(INSTANCE);
        ledger.update(vec![object(1, "a")]);
        let early = ledger.now();
        for _ in 0..=DELETED_MAX {
            ledger.update(vec![object(1, "a"), object(2, "b")]);
            ledger.update(vec![object(1, "a")]);
        }
        assert_eq!(ledger.deleted.len(), DELETED_MAX);
        assert!(ledger.since(Some(early)).whole);
        assert!(!ledger.since(Some(ledger.now())).whole);
    }

    #[test]
    fn a_touched_object_counts_as_changed() {
        let mut ledger = Ledger::new(INSTANCE);
        ledger.update(vec![object(1, "a"), object(2, "b")]);
        let before = ledger.touch(reference(2)).unwrap();
        let changes = ledger.since(Some(before));
        assert_eq!(changes.objects.len(), 1);
        assert!(changes.objects[0].created <= before.generation);
        assert_eq!(ledger.touch(reference(9)), None);
    }

    proptest! {
        /// Whoever follows the changes has what there is.
        #[test]
        fn a_follower_has_the_same_objects(
            steps in proptest::collection::vec(
                (proptest::collection::btree_map(0_u8..6, 0_u8..3, 0..6), any::<bool>()), 1..20)
        ) {
            let mut ledger = Ledger::new(INSTANCE);
            let mut followed: BTreeMap<Reference, Object> = BTreeMap::new();
            let mut moment = None;
            for (world, asks) in steps {
                let objects: Vec<Object> =
                    world.iter().map(|(number, name)| object(*number, &name.to_string())).collect();
                ledger.update(objects.clone());
                if !asks {
                    continue;
                }
                let changes = ledger.since(moment);
                if changes.whole {
                    followed.clear();
                }
                // Deletions first: an object may have gone and come again.
                for deleted in &changes.deleted {
                    followed.remove(&deleted.reference);
                }
                for stamped in changes.objects {
                    followed.insert(stamped.object.reference(), stamped.object);
                }
                moment = Some(changes.now);
                let expected: BTreeMap<Reference, Object> =
                    objects.into_iter().map(|object| (object.reference(), object)).collect();
                prop_assert_eq!(&followed, &expected);
            }
        }
    }
}
