//! Tasks: made and ended by clients, who use them to mark what they do.
//!
//! Pure. The agent gives none of its own work to tasks.

use std::collections::BTreeMap;

use xenwarden_model::{Reference, TaskObject};

/// Tasks at once: the oldest goes. Clients that forget theirs fill no memory.
const TASKS_MAX: usize = 1000;

/// Every task.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    tasks: BTreeMap<Reference, TaskObject>,
}

impl Tasks {
    /// Every task.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TaskObject> {
        self.tasks.values()
    }

    /// A task that may be changed.
    pub(crate) fn get_mut(&mut self, reference: Reference) -> Option<&mut TaskObject> {
        self.tasks.get_mut(&reference)
    }

    /// Takes a new task in.
    pub(crate) fn insert(&mut self, task: TaskObject) {
        if self.tasks.len() >= TASKS_MAX {
            let oldest = self.tasks.values().min_by_key(|task| task.created_s);
            if let Some(oldest) = oldest.map(|task| task.reference) {
                self.tasks.remove(&oldest);
            }
        }
        self.tasks.insert(task.reference, task);
    }

    /// Forgets a task; whether there was one.
    pub(crate) fn remove(&mut self, reference: Reference) -> bool {
        self.tasks.remove(&reference).is_some()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use xenwarden_model::Map;

    use super::*;

    #[test]
    fn the_oldest_of_too_many_goes() {
        let mut tasks = Tasks::default();
        let reference =
            |number: u64| Reference::of(Uuid::nil(), "task", Uuid::from_u128(u128::from(number)));
        for number in 0..=TASKS_MAX as u64 {
            tasks.insert(TaskObject {
                reference: reference(number),
                uuid: Uuid::from_u128(u128::from(number)),
                name_label: String::new(),
                name_description: String::new(),
                created_s: number,
                resident_on: reference(0),
                other_config: Map::new(),
            });
        }
        assert_eq!(tasks.iter().count(), TASKS_MAX);
        assert!(!tasks.remove(reference(0)) && tasks.remove(reference(1)));
    }
}
