//! What sessions change: keys of maps, names, tasks.

use uuid::Uuid;
use xenwarden_model::front::Call;
use xenwarden_model::{
    Class, Map, Object, Reference, Refusal, RefusalCode, Reply, TaskObject, VmMap,
};

use crate::book::{refuse_large, refuse_nameless};
use crate::causes::causes;
use crate::run::{Agent, now_s};

/// The longest name and description of a task, in bytes.
const TASK_TEXT_MAX: usize = 1024;

fn refusal(code: RefusalCode, message: String) -> Refusal {
    Refusal { code, message }
}

/// A change of a map, or its whole.
enum MapChange {
    Set { key: String, value: String, new_only: bool },
    Remove(String),
    Whole(Map),
}

impl MapChange {
    /// The map after it.
    fn applied_to(&self, map: &Map) -> Result<Map, Refusal> {
        let mut changed = map.clone();
        match self {
            Self::Set { key, new_only: true, .. } if map.contains_key(key) => {
                let message = format!("the map has a key {} already", key.escape_debug());
                return Err(refusal(RefusalCode::Exists, message));
            }
            Self::Set { key, value, .. } => drop(changed.insert(key.clone(), value.clone())),
            Self::Remove(key) => drop(changed.remove(key)),
            Self::Whole(whole) => changed.clone_from(whole),
        }
        changed.keys().try_for_each(|key| refuse_nameless(key))?;
        match self {
            // Less than before is never too much.
            Self::Remove(_) => {}
            Self::Set { key, .. } => refuse_large(Some(key), &changed)?,
            Self::Whole(_) => refuse_large(None, &changed)?,
        }
        Ok(changed)
    }
}

impl Agent {
    /// Does one change that an administrator has asked for.
    pub(super) fn change(&mut self, call: Call) -> Result<Reply, Refusal> {
        let done = match call {
            Call::SetKey { object, map, key, value, new_only, .. } => {
                self.change_map(object, map, &MapChange::Set { key, value, new_only })
            }
            Call::RemoveKey { object, map, key, .. } => {
                self.change_map(object, map, &MapChange::Remove(key))
            }
            Call::SetMap { object, map, entries, .. } => {
                self.change_map(object, map, &MapChange::Whole(entries))
            }
            Call::SetName { object, name, .. } => self.rename(object, &name),
            Call::CreateTask { label, description, .. } => self.create_task(&label, &description),
            Call::DestroyTask { task, .. } => match self.front.tasks.remove(task) {
                true => Ok(Reply::Done),
                false => Err(unknown(task)),
            },
            Call::Login { .. }
            | Call::Session { .. }
            | Call::Logout { .. }
            | Call::Changes { .. }
            | Call::Wait { .. }
            | Call::Inject { .. }
            | Call::Open { .. }
            | Call::Close { .. } => {
                Err(refusal(RefusalCode::Malformed, "this changes nothing".to_owned()))
            }
        };
        // Who asks next sees what this did.
        self.refresh_front();
        done
    }

    fn change_map(
        &mut self,
        object: Reference,
        map: VmMap,
        change: &MapChange,
    ) -> Result<Reply, Refusal> {
        let known = self.front.ledger.get(object).ok_or_else(|| unknown(object))?;
        let class = known.class();
        match (known, map) {
            (Object::Vm(vm), _) => {
                let vm = vm.uuid;
                self.change_vm_map(vm, map, change)
            }
            (Object::Host(_) | Object::Pool(_), VmMap::OtherConfig) => {
                let before = self.front.identity.other_config(class).cloned().unwrap_or_default();
                let entries = change.applied_to(&before)?;
                let kept = self.front.identity.set_other_config(class, entries);
                kept.map_err(|fault| refusal(RefusalCode::Failed, causes(&fault)))?;
                Ok(Reply::Done)
            }
            (Object::Task(_), VmMap::OtherConfig) => {
                let task = self.front.tasks.get_mut(object).ok_or_else(|| unknown(object))?;
                task.other_config = change.applied_to(&task.other_config)?;
                Ok(Reply::Done)
            }
            (Object::Host(_) | Object::Pool(_) | Object::Task(_), VmMap::XenstoreData)
            | (Object::Console(_), _) => {
                let message = format!("a {} has no such map", class.name());
                Err(refusal(RefusalCode::UnknownObject, message))
            }
        }
    }

    /// Key by key, as each reaches a running guest by itself.
    fn change_vm_map(
        &mut self,
        vm: Uuid,
        map: VmMap,
        change: &MapChange,
    ) -> Result<Reply, Refusal> {
        let record = self.records.book().get(vm);
        let record = record
            .ok_or_else(|| refusal(RefusalCode::UnknownVm, format!("no VM has the uuid {vm}")))?;
        let before = record.map(map).clone();
        let after = change.applied_to(&before)?;
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.remove_key(vm, map, key)?;
        }
        for (key, value) in after {
            if before.get(&key) != Some(&value) {
                self.set_key(vm, map, &key, value)?;
            }
        }
        Ok(Reply::Done)
    }

    fn rename(&mut self, object: Reference, name: &str) -> Result<Reply, Refusal> {
        let Some(Object::Vm(vm)) = self.front.ledger.get(object) else {
            return Err(unknown(object));
        };
        let changes = self.records.book().rename(vm.uuid, name, &self.host.live_vms())?;
        self.records.keep(changes).map(|()| Reply::Done)
    }

    fn create_task(&mut self, label: &str, description: &str) -> Result<Reply, Refusal> {
        if label.len() > TASK_TEXT_MAX || description.len() > TASK_TEXT_MAX {
            let message = format!("a task's texts have at most {TASK_TEXT_MAX} bytes");
            return Err(refusal(RefusalCode::TooLong, message));
        }
        let (identity, uuid) = (&self.front.identity, Uuid::new_v4());
        let task = TaskObject {
            reference: identity.reference(Class::Task, uuid),
            uuid,
            name_label: label.to_owned(),
            name_description: description.to_owned(),
            created_s: now_s(),
            resident_on: identity.reference(Class::Host, identity.host()),
            other_config: Map::new(),
        };
        let reference = task.reference;
        self.front.tasks.insert(task);
        Ok(Reply::Reference(reference))
    }
}

pub(super) fn unknown(object: Reference) -> Refusal {
    refusal(RefusalCode::UnknownObject, format!("there is no object {object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> Map {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn set(key: &str, value: &str, new_only: bool) -> MapChange {
        MapChange::Set { key: key.into(), value: value.into(), new_only }
    }

    #[test]
    fn a_key_is_set_added_or_removed() {
        let before = map(&[("a", "1")]);
        assert_eq!(set("a", "2", false).applied_to(&before).unwrap(), map(&[("a", "2")]));
        let added = set("b", "2", true).applied_to(&before).unwrap();
        assert_eq!(added, map(&[("a", "1"), ("b", "2")]));
        let twice = set("a", "1", true).applied_to(&before).unwrap_err();
        assert_eq!(twice.code, RefusalCode::Exists);
        assert_eq!(MapChange::Remove("a".into()).applied_to(&before).unwrap(), map(&[]));
        assert_eq!(MapChange::Remove("z".into()).applied_to(&before).unwrap(), before);
    }

    #[test]
    fn an_empty_key_and_a_map_over_its_bounds_are_refused() {
        let empty = set("", "1", false).applied_to(&map(&[])).unwrap_err();
        assert_eq!(empty.code, RefusalCode::Malformed);
        let many: Map = (0..2000).map(|key| (key.to_string(), String::new())).collect();
        let whole = MapChange::Whole(many.clone()).applied_to(&map(&[])).unwrap_err();
        assert_eq!(whole.code, RefusalCode::TooLong);
        // What is too large already may still shrink.
        assert!(MapChange::Remove("1".into()).applied_to(&many).is_ok());
    }
}
