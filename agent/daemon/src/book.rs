//! The VM records and their life: who gets one, who takes one over, and when it goes.
//!
//! Pure: a rule looks at the records and returns the [`Change`]s that follow from it; the database
//! writes them, and only then they are applied here. Time and new uuids are arguments.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use xenwarden_model::{Refusal, RefusalCode, VmMap};

use crate::domain::Wanted;
use crate::nic::{VIFS_MAX, Vif};
use crate::record::{Change, Record, Tie, VifRecord};
use crate::sighting::NAME_MAX;

/// The most bytes of a key: no longer key or value crosses the store's wire.
const KEY_MAX: usize = 4096;
/// The most bytes of a value, for the same reason.
const VALUE_MAX: usize = 4096;
/// The most keys of a map.
const MAP_KEYS_MAX: usize = 1024;
/// The most bytes of a map's keys and values.
const MAP_BYTES_MAX: usize = 256 * 1024;
/// How much of a name or key an error message repeats, in characters.
const QUOTED_MAX: usize = 64;

/// A domain that comes into sight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newcomer<'a> {
    /// Its number.
    pub(crate) domid: u16,
    /// The uuid that it comes with.
    pub(crate) uuid: Uuid,
    /// Its name.
    pub(crate) name: &'a str,
    /// The boot of the host.
    pub(crate) boot: Uuid,
}

/// What a newcomer finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Welcome {
    /// Its record's uuid.
    pub(crate) vm: Uuid,
    /// Whether its console is wanted.
    pub(crate) wanted: Wanted,
    /// Whether this is its first sight, also of earlier agents: its data is to be written.
    pub(crate) first: bool,
    /// What changes by its coming.
    pub(crate) changes: Vec<Change>,
}

/// How many records are kept, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The most records.
    pub(crate) records_max: usize,
    /// How long an untouched record stays after the last sight, in milliseconds.
    pub(crate) keep_untouched_ms: u64,
}

/// All records.
#[derive(Debug)]
pub(crate) struct Book {
    records: BTreeMap<Uuid, Record>,
    bounds: Bounds,
}

impl Book {
    /// The book of these records.
    pub(crate) fn new(records: BTreeMap<Uuid, Record>, bounds: Bounds) -> Self {
        Self { records, bounds }
    }

    /// Every record, by uuid.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Uuid, &Record)> {
        self.records.iter().map(|(vm, record)| (*vm, record))
    }

    /// One record.
    pub(crate) fn get(&self, vm: Uuid) -> Option<&Record> {
        self.records.get(&vm)
    }

    /// Applies what the database has written.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Put(vm, record) => drop(self.records.insert(vm, *record)),
                Change::Delete(vm) => drop(self.records.remove(&vm)),
            }
        }
    }

    /// Finds or makes the record of a domain. `live` are the records of domains that are there
    /// already; `new` is the uuid of a record that has to be made for a domain without one.
    pub(crate) fn welcome(
        &self,
        newcomer: Newcomer<'_>,
        live: &BTreeSet<Uuid>,
        new: Uuid,
        now_ms: u64,
    ) -> Welcome {
        let found = self.find(&newcomer, live);
        let vm = found.unwrap_or(if newcomer.uuid.is_nil() { new } else { newcomer.uuid });
        let mut record = match self.records.get(&vm) {
            Some(record) => record.clone(),
            None => self.new_record(&newcomer, live, now_ms),
        };
        if live.contains(&vm) {
            // The record stays with the domain that has it; this one waits for that one's end.
            let wanted = record.wanted();
            return Welcome { vm, wanted, first: true, changes: Vec::new() };
        }
        let known = record.tie.filter(|tie| {
            (tie.domid, tie.boot, record.domain_uuid)
                == (newcomer.domid, newcomer.boot, newcomer.uuid)
        });
        let wanted = match known {
            Some(Tie { console_off: true, .. }) => Wanted::Off,
            Some(Tie { console_off: false, .. }) => Wanted::On,
            None => record.wanted(),
        };
        if !newcomer.name.is_empty() {
            record.name = newcomer.name.to_owned();
        }
        record.domain_uuid = newcomer.uuid;
        record.seen_ms = now_ms;
        let console_off = wanted == Wanted::Off;
        record.tie = Some(Tie { domid: newcomer.domid, boot: newcomer.boot, console_off });
        let mut changes = Vec::new();
        if !self.records.contains_key(&vm) {
            changes.extend(self.make_room(live).map(Change::Delete));
        }
        changes.push(Change::Put(vm, Box::new(record)));
        Welcome { vm, wanted, first: known.is_none(), changes }
    }

    /// The record that is a domain's already, or that it takes over.
    fn find(&self, newcomer: &Newcomer<'_>, live: &BTreeSet<Uuid>) -> Option<Uuid> {
        if newcomer.domid == 0 {
            return self.records().find(|(_, record)| record.is_control_domain).map(|(vm, _)| vm);
        }
        if self.records.contains_key(&newcomer.uuid) {
            return Some(newcomer.uuid);
        }
        let last = self.records().find(|(_, record)| record.domain_uuid == newcomer.uuid);
        if let Some((vm, _)) = last.filter(|_| !newcomer.uuid.is_nil()) {
            return Some(vm);
        }
        let mut candidates = self.records().filter(|(vm, record)| {
            record.uuid_changes && record.name == newcomer.name && !live.contains(vm)
        });
        match (candidates.next(), candidates.next()) {
            (Some((vm, _)), None) => Some(vm),
            (None, _) | (Some(_), Some(_)) => None,
        }
    }

    fn new_record(&self, newcomer: &Newcomer<'_>, live: &BTreeSet<Uuid>, now_ms: u64) -> Record {
        let is_control_domain = newcomer.domid == 0;
        let halted_namesake =
            self.records().any(|(vm, record)| record.name == newcomer.name && !live.contains(&vm));
        Record {
            name: newcomer.name.to_owned(),
            is_control_domain,
            other_config: BTreeMap::new(),
            xenstore_data: BTreeMap::new(),
            vifs: BTreeMap::new(),
            touched: is_control_domain,
            uuid_changes: halted_namesake && !newcomer.name.is_empty() && !is_control_domain,
            domain_uuid: newcomer.uuid,
            seen_ms: now_ms,
            tie: None,
        }
    }

    /// The record that has to go for a new one: the untouched one not seen for longest. A domain
    /// that is there gets its record even where none can go.
    fn make_room(&self, live: &BTreeSet<Uuid>) -> Option<Uuid> {
        if self.records.len() < self.bounds.records_max {
            return None;
        }
        self.records()
            .filter(|(vm, record)| !record.touched && !live.contains(vm))
            .min_by_key(|(_, record)| record.seen_ms)
            .map(|(vm, _)| vm)
    }

    /// Makes a record of a VM that is not here yet.
    pub(crate) fn register(
        &self,
        name: &str,
        uuid: Option<Uuid>,
        live: &BTreeSet<Uuid>,
        new: Uuid,
        now_ms: u64,
    ) -> Result<(Uuid, Vec<Change>), Refusal> {
        let name = parse_name(name)?;
        let vm = uuid.unwrap_or(new);
        let taken = self.records().find(|(other, record)| *other == vm || record.name == name);
        if let Some((other, record)) = taken {
            let known = format!("{} ({other})", quoted(&record.name));
            return Err(refusal(RefusalCode::Exists, format!("VM {known} is registered already")));
        }
        if vm.is_nil() {
            return Err(refusal(RefusalCode::Malformed, "a VM's uuid is not all zero".into()));
        }
        let gone = self.make_room(live);
        if self.records.len() >= self.bounds.records_max && gone.is_none() {
            let text = format!(
                "as many VMs are kept as may be ({}), and none of them is untouched",
                self.bounds.records_max
            );
            return Err(refusal(RefusalCode::RecordLimit, text));
        }
        let record = Record {
            name,
            is_control_domain: false,
            other_config: BTreeMap::new(),
            xenstore_data: BTreeMap::new(),
            vifs: BTreeMap::new(),
            touched: true,
            uuid_changes: uuid.is_none(),
            domain_uuid: vm,
            seen_ms: now_ms,
            tie: None,
        };
        let mut changes: Vec<Change> = gone.map(Change::Delete).into_iter().collect();
        changes.push(Change::Put(vm, Box::new(record)));
        Ok((vm, changes))
    }

    /// Deletes the record of a halted VM.
    pub(crate) fn forget(&self, vm: Uuid, live: &BTreeSet<Uuid>) -> Result<Vec<Change>, Refusal> {
        let record = self.known(vm)?;
        if live.contains(&vm) {
            let text =
                format!("VM {} is running; only a halted one is forgotten", quoted(&record.name));
            return Err(refusal(RefusalCode::Running, text));
        }
        Ok(vec![Change::Delete(vm)])
    }

    /// Renames a halted VM.
    pub(crate) fn rename(
        &self,
        vm: Uuid,
        name: &str,
        live: &BTreeSet<Uuid>,
    ) -> Result<Vec<Change>, Refusal> {
        let record = self.known(vm)?;
        let name = parse_name(name)?;
        if live.contains(&vm) {
            let known = quoted(&record.name);
            let text =
                format!("VM {known} is running; its name is its domain's, and xl renames that");
            return Err(refusal(RefusalCode::Running, text));
        }
        Ok(vec![Change::Put(vm, Box::new(Record { name, touched: true, ..record.clone() }))])
    }

    /// Sets one key of a map.
    pub(crate) fn set_key(
        &self,
        vm: Uuid,
        map: VmMap,
        key: &str,
        value: &str,
    ) -> Result<Vec<Change>, Refusal> {
        let mut record = self.known(vm)?.clone();
        refuse_nameless(key)?;
        let changed = record.map_mut(map);
        changed.insert(key.to_owned(), value.to_owned());
        refuse_large(Some(key), changed)?;
        record.touched = true;
        Ok(vec![Change::Put(vm, Box::new(record))])
    }

    /// Removes one key of a map.
    pub(crate) fn remove_key(
        &self,
        vm: Uuid,
        map: VmMap,
        key: &str,
    ) -> Result<Vec<Change>, Refusal> {
        let mut record = self.known(vm)?.clone();
        if record.map_mut(map).remove(key).is_none() {
            return Ok(Vec::new());
        }
        record.touched = true;
        Ok(vec![Change::Put(vm, Box::new(record))])
    }

    /// Takes the network interfaces of a VM's domain into its record. One that is gone stays: it
    /// may be plugged again, and a VM that ends unplugs them one by one.
    pub(crate) fn see_vifs(&self, vm: Uuid, seen: &BTreeMap<u16, Vif>) -> Vec<Change> {
        let Some(record) = self.records.get(&vm) else { return Vec::new() };
        let mut vifs = record.vifs.clone();
        for (devid, vif) in seen {
            if vifs.len() >= VIFS_MAX && !vifs.contains_key(devid) {
                continue;
            }
            let kept = vifs.entry(*devid).or_default();
            kept.mac = vif.mac_text().or(kept.mac.take());
            kept.network = vif.bridge.clone().or(kept.network.take());
        }
        if record.vifs == vifs {
            return Vec::new();
        }
        vec![Change::Put(vm, Box::new(Record { vifs, ..record.clone() }))]
    }

    /// Makes the record of a VM's network interface that isn't plugged yet, where there is none.
    pub(crate) fn add_vif(&self, vm: Uuid, devid: u16) -> Result<Vec<Change>, Refusal> {
        let mut record = self.known(vm)?.clone();
        if record.vifs.contains_key(&devid) {
            return Ok(Vec::new());
        }
        if record.vifs.len() >= VIFS_MAX {
            let text = format!("VM {} has {VIFS_MAX} network interfaces", quoted(&record.name));
            return Err(refusal(RefusalCode::RecordLimit, text));
        }
        record.vifs.insert(devid, VifRecord::default());
        record.touched = true;
        Ok(vec![Change::Put(vm, Box::new(record))])
    }

    /// Sets one key of a VM's network interface (`Some`), or removes it.
    pub(crate) fn change_vif_key(
        &self,
        vm: Uuid,
        devid: u16,
        key: &str,
        value: Option<String>,
    ) -> Result<Vec<Change>, Refusal> {
        let mut record = self.known(vm)?.clone();
        let Some(VifRecord { other_config, .. }) = record.vifs.get_mut(&devid) else {
            let text = format!("VM {} has no network interface {devid}", quoted(&record.name));
            return Err(refusal(RefusalCode::UnknownNic, text));
        };
        change_key(other_config, key, value)?;
        record.touched = true;
        Ok(vec![Change::Put(vm, Box::new(record))])
    }

    /// Gives a VM's record to a domain that has waited for it.
    pub(crate) fn own(&self, vm: Uuid, domain_uuid: Uuid, tie: Tie, now_ms: u64) -> Vec<Change> {
        let Some(record) = self.records.get(&vm) else { return Vec::new() };
        if (record.tie, record.domain_uuid) == (Some(tie), domain_uuid) {
            return Vec::new();
        }
        let record = Record { domain_uuid, tie: Some(tie), seen_ms: now_ms, ..record.clone() };
        vec![Change::Put(vm, Box::new(record))]
    }

    /// Makes the record of a VM whose converter was adopted, where it is missing.
    pub(crate) fn restore(&self, vm: Uuid, newcomer: Newcomer<'_>, now_ms: u64) -> Vec<Change> {
        if self.records.contains_key(&vm) {
            return Vec::new();
        }
        let Newcomer { domid, boot, .. } = newcomer;
        let tie = Some(Tie { domid, boot, console_off: false });
        let record = Record { tie, ..self.new_record(&newcomer, &BTreeSet::new(), now_ms) };
        vec![Change::Put(vm, Box::new(record))]
    }

    /// Takes what a guest's tree holds into its record.
    pub(crate) fn read_back(&self, vm: Uuid, data: BTreeMap<String, String>) -> Vec<Change> {
        let Some(record) = self.records.get(&vm) else { return Vec::new() };
        if record.xenstore_data == data {
            return Vec::new();
        }
        vec![Change::Put(vm, Box::new(Record { xenstore_data: data, ..record.clone() }))]
    }

    /// Takes a running domain's new name into its record.
    pub(crate) fn renamed(&self, vm: Uuid, name: &str) -> Vec<Change> {
        match self.records.get(&vm) {
            Some(record) if !name.is_empty() && record.name != name => {
                let record = Record { name: name.to_owned(), ..record.clone() };
                vec![Change::Put(vm, Box::new(record))]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Notes that a VM's domain has ended.
    pub(crate) fn ended(&self, vm: Uuid, now_ms: u64) -> Vec<Change> {
        let Some(record) = self.records.get(&vm) else { return Vec::new() };
        if self.records.len() > self.bounds.records_max && !record.touched {
            return vec![Change::Delete(vm)];
        }
        let record = Record { tie: None, seen_ms: now_ms, ..record.clone() };
        vec![Change::Put(vm, Box::new(record))]
    }

    /// Notes that the live VMs are, and lets go of what nobody touched and nobody saw for long.
    pub(crate) fn age(&self, live: &BTreeSet<Uuid>, now_ms: u64) -> Vec<Change> {
        let stale = |record: &Record| now_ms.saturating_sub(record.seen_ms);
        let mut changes = Vec::new();
        for (vm, record) in self.records() {
            if live.contains(&vm) {
                // Rarely, as each of these is a write.
                if stale(record) > self.bounds.keep_untouched_ms / 10 {
                    let record = Record { seen_ms: now_ms, ..record.clone() };
                    changes.push(Change::Put(vm, Box::new(record)));
                }
            } else if !record.touched && stale(record) > self.bounds.keep_untouched_ms {
                changes.push(Change::Delete(vm));
            }
        }
        changes
    }

    fn known(&self, vm: Uuid) -> Result<&Record, Refusal> {
        self.records
            .get(&vm)
            .ok_or_else(|| refusal(RefusalCode::UnknownVm, format!("no VM has the uuid {vm}")))
    }
}

/// A name that a person gives a VM.
fn parse_name(name: &str) -> Result<String, Refusal> {
    if name.len() > NAME_MAX {
        let text = format!("name {} has more than {NAME_MAX} bytes", quoted(name));
        return Err(refusal(RefusalCode::TooLong, text));
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        let text = format!("name {} is empty or has control characters", quoted(name));
        return Err(refusal(RefusalCode::Malformed, text));
    }
    Ok(name.to_owned())
}

/// Refuses a key without a name.
pub(crate) fn refuse_nameless(key: &str) -> Result<(), Refusal> {
    match key {
        "" => Err(refusal(RefusalCode::Malformed, "a key is not empty".into())),
        _ => Ok(()),
    }
}

/// Sets one key of a map (`Some`), or removes it, within the map's bounds.
pub(crate) fn change_key(
    map: &mut BTreeMap<String, String>,
    key: &str,
    value: Option<String>,
) -> Result<(), Refusal> {
    refuse_nameless(key)?;
    match value {
        Some(value) => {
            map.insert(key.to_owned(), value);
            refuse_large(Some(key), map)
        }
        None => {
            map.remove(key);
            Ok(())
        }
    }
}

/// Refuses a map that is over its bounds: because of one key that was set, or as a whole.
pub(crate) fn refuse_large(
    set: Option<&str>,
    map: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    for (key, value) in map.iter().filter(|(key, _)| set.is_none_or(|set| set == *key)) {
        for (what, found, limit) in [
            ("bytes in the key", key.len(), KEY_MAX),
            ("bytes in the value", value.len(), VALUE_MAX),
            ("keys in the map", map.len(), MAP_KEYS_MAX),
            ("bytes in the map", bytes, MAP_BYTES_MAX),
        ] {
            if found > limit {
                let text =
                    format!("key {} is not set: {found} {what}, at most {limit} fit", quoted(key));
                return Err(refusal(RefusalCode::TooLong, text));
            }
        }
    }
    Ok(())
}

/// Text of others within a message: escaped, and cut.
pub(crate) fn quoted(text: &str) -> String {
    let mut head: String = text.chars().take(QUOTED_MAX).collect();
    if head.len() < text.len() {
        head.push('…');
    }
    format!("{head:?}")
}

fn refusal(code: RefusalCode, message: String) -> Refusal {
    Refusal { code, message }
}

#[cfg(test)]
mod tests;
