//! What the front has last heard of the agent's objects: a copy that each call brings up to date,
//! by the session that asks.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use uuid::Uuid;
use xenwarden_model::front::{Call, Changes, Deleted, Moment, Stamped};
use xenwarden_model::{Class, Object, Reference, Refusal, RefusalCode, Reply, SessionKey};

use crate::agent::Agent;

/// Objects that have gone and are still told of: more than the agent remembers are no use.
const DELETED_MAX: usize = 10_000;

/// The objects.
#[derive(Debug, Default)]
pub(crate) struct World {
    now: Option<Moment>,
    /// What went before this generation was not heard of.
    complete_from: u64,
    objects: BTreeMap<Reference, Stamped>,
    deleted: Vec<Deleted>,
}

impl World {
    fn apply(&mut self, changes: Changes) {
        let is_same_run = self.now.is_some_and(|now| now.instance == changes.now.instance);
        // Of two answers on their way together the older may come last.
        if is_same_run && self.now.is_some_and(|now| now.generation > changes.now.generation) {
            return;
        }
        if changes.whole {
            self.objects.clear();
            self.deleted.clear();
            self.complete_from = changes.now.generation;
        } else if !is_same_run {
            return;
        }
        for deleted in changes.deleted {
            if self.objects.remove(&deleted.reference).is_some() {
                self.deleted.push(deleted);
            }
        }
        for stamped in changes.objects {
            self.objects.insert(stamped.object.reference(), stamped);
        }
        if self.deleted.len() > DELETED_MAX {
            let gone = self.deleted.len() - DELETED_MAX;
            self.complete_from =
                self.deleted.drain(..gone).next_back().map_or(0, |deleted| deleted.generation);
        }
        self.now = Some(changes.now);
    }

    /// The moment of this copy.
    pub(crate) fn now(&self) -> Moment {
        self.now.unwrap_or(Moment { instance: Uuid::nil(), generation: 0 })
    }

    /// Whether everything that went since a moment is known.
    pub(crate) fn knows_since(&self, moment: Moment) -> bool {
        let now = self.now();
        moment.instance == now.instance
            && (self.complete_from..=now.generation).contains(&moment.generation)
    }

    /// One object.
    pub(crate) fn get(&self, reference: Reference) -> Option<&Object> {
        self.objects.get(&reference).map(|stamped| &stamped.object)
    }

    /// The objects of a class.
    pub(crate) fn of(&self, class: Class) -> impl Iterator<Item = &Object> {
        self.stamped().map(|stamped| &stamped.object).filter(move |object| object.class() == class)
    }

    /// Every object with its history.
    pub(crate) fn stamped(&self) -> impl Iterator<Item = &Stamped> {
        self.objects.values()
    }

    /// Objects that have gone.
    pub(crate) fn deleted(&self) -> &[Deleted] {
        &self.deleted
    }
}

/// The objects, and who knows what changed.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    pub(crate) agent: Agent,
    world: Rc<RefCell<World>>,
}

impl Objects {
    pub(crate) fn new(agent: Agent) -> Self {
        Self { agent, world: Rc::default() }
    }

    /// Brings the copy up to date, if the session is one.
    pub(crate) async fn refresh(&self, session: SessionKey) -> Result<Ref<'_, World>, Refusal> {
        let since = self.world.borrow().now;
        match self.agent.ask(&Call::Changes { session, since }).await? {
            Reply::Changes(changes) => self.world.borrow_mut().apply(*changes),
            _ => {
                let message = "the agent's reply is to another call".to_owned();
                return Err(Refusal { code: RefusalCode::Failed, message });
            }
        }
        Ok(self.world.borrow())
    }
}
