//! What waits to be done in the store for one domain.
//!
//! A guest's doing never makes it grow: its changes are one flag and a count. What the agent
//! itself orders is kept by node, the last word on each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use xenstore_wire::Path;

use super::Order;
use crate::effect::Ports;

/// Port orders that wait: a converter's restarts pause longer than the store's answers take, so a
/// longer queue is one whose oldest entries mean nothing any more.
const PORT_ORDERS_MAX: usize = 16;

/// One piece of work.
#[derive(Debug)]
pub(super) enum Work {
    /// Change `vm-data`.
    Data(BTreeMap<Path, Option<String>>),
    /// Publish ports.
    Publish(Ports),
    /// Take ports back.
    Retract(Ports),
    /// Look at the keys.
    Look,
    /// Look at network interfaces.
    LookAtNics(NicLooks),
    /// Read `vm-data` back; how many events of the guest's called for it.
    ReadBack(u32),
}

/// Network interfaces to look at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NicLooks {
    /// All there are.
    pub(super) all: bool,
    /// These.
    pub(super) some: BTreeSet<u16>,
}

/// One domain's desk.
#[derive(Debug, Default)]
pub(super) struct Desk {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    data: Option<(BTreeMap<Path, Option<String>>, u64)>,
    generation: u64,
    ports: VecDeque<Work>,
    look: bool,
    nics: NicLooks,
    guest_events: u32,
    written: u32,
}

impl Desk {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock, so what it guards is whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_order(&self, order: Order) {
        let mut waiting = self.waiting();
        match order {
            Order::Look => waiting.look = true,
            Order::Publish(ports) => waiting.ports.push_back(Work::Publish(ports)),
            Order::Retract(ports) => waiting.ports.push_back(Work::Retract(ports)),
            Order::Data { changes, generation } => {
                let (nodes, last) = waiting.data.get_or_insert_default();
                nodes.extend(changes);
                *last = generation;
            }
        }
        if waiting.ports.len() > PORT_ORDERS_MAX {
            waiting.ports.pop_front();
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// The domain's keys may have changed.
    pub(super) fn look(&self) {
        self.waiting().look = true;
        self.changed.notify_one();
    }

    /// Any of the domain's network interfaces may have changed.
    pub(super) fn nics_changed(&self) {
        self.waiting().nics.all = true;
        self.changed.notify_one();
    }

    /// One of them may have.
    pub(super) fn nic_changed(&self, devid: u16) {
        self.waiting().nics.some.insert(devid);
        self.changed.notify_one();
    }

    /// The node that names the tty was written.
    pub(super) fn tty_written(&self) {
        let mut waiting = self.waiting();
        waiting.written = waiting.written.wrapping_add(1);
        drop(waiting);
        self.look();
    }

    /// The guest changed something of its own.
    pub(super) fn guest_changed(&self) {
        let mut waiting = self.waiting();
        waiting.guest_events = waiting.guest_events.saturating_add(1);
        drop(waiting);
        self.changed.notify_one();
    }

    /// How often the tty's node was written.
    pub(super) fn written(&self) -> u32 {
        self.waiting().written
    }

    /// The last data order that was carried out, as far as none waits.
    pub(super) fn generation(&self) -> Option<u64> {
        let waiting = self.waiting();
        if waiting.data.is_none() { Some(waiting.generation) } else { None }
    }

    /// Waits for work. The guest's own changes are taken only when `guests` says so.
    pub(super) async fn next(&self, guests: bool) -> Work {
        loop {
            if let Some(work) = self.waiting().take(guests) {
                return work;
            }
            self.changed.notified().await;
        }
    }
}

impl Waiting {
    /// What a guest may wait for comes first, what it causes comes last.
    fn take(&mut self, guests: bool) -> Option<Work> {
        if let Some((nodes, generation)) = self.data.take() {
            self.generation = generation;
            return Some(Work::Data(nodes));
        }
        if let Some(work) = self.ports.pop_front() {
            return Some(work);
        }
        if std::mem::take(&mut self.look) {
            return Some(Work::Look);
        }
        let nics = std::mem::take(&mut self.nics);
        if nics != NicLooks::default() {
            return Some(Work::LookAtNics(nics));
        }
        match self.guest_events {
            0 => None,
            _ if !guests => None,
            events => {
                self.guest_events = 0;
                Some(Work::ReadBack(events))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.parse().unwrap()
    }

    fn data(node: &str, value: Option<&str>, generation: u64) -> Order {
        Order::Data { changes: vec![(path(node), value.map(Into::into))], generation }
    }

    fn take(desk: &Desk, guests: bool) -> Option<Work> {
        desk.waiting().take(guests)
    }

    #[test]
    fn the_last_word_on_a_node_is_written() {
        let desk = Desk::default();
        desk.take_order(data("/a", Some("1"), 1));
        desk.take_order(data("/b", Some("2"), 2));
        desk.take_order(data("/a", None, 3));
        assert_eq!(desk.generation(), None);
        let Some(Work::Data(nodes)) = take(&desk, true) else { panic!() };
        assert_eq!(nodes, BTreeMap::from([(path("/a"), None), (path("/b"), Some("2".into()))]));
        assert_eq!(desk.generation(), Some(3));
    }

    #[test]
    fn a_flood_of_guest_events_is_one_piece_of_work_that_waits_its_turn() {
        let desk = Desk::default();
        for _ in 0..1000 {
            desk.guest_changed();
        }
        desk.look();
        assert!(matches!(take(&desk, true), Some(Work::Look)));
        assert!(take(&desk, false).is_none());
        assert!(matches!(take(&desk, true), Some(Work::ReadBack(1000))));
        assert!(take(&desk, true).is_none());
    }

    #[test]
    fn ports_are_published_and_taken_back_in_order() {
        let desk = Desk::default();
        let ports = Ports { vnc: None, text: 9501 };
        desk.take_order(Order::Retract(ports));
        desk.take_order(Order::Publish(ports));
        assert!(matches!(take(&desk, true), Some(Work::Retract(_))));
        assert!(matches!(take(&desk, true), Some(Work::Publish(_))));
    }
}
