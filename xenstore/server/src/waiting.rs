//! Who waits for tokens, and until when.
//!
//! Why, and whether the tokens are there then, is for the store to say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Peers by when to ask for them again; those who began to wait first come first.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    line: BTreeSet<(Duration, u64, u64)>,
    /// Each waiting peer's place: its time, and when it began to wait in the order of all.
    places: BTreeMap<u64, (Duration, u64)>,
    last_began: u64,
}

impl Waiting {
    /// Has a peer wait until `due`. One that waits already keeps its place among its equals.
    pub(crate) fn wait(&mut self, peer: u64, due: Duration) {
        let began = match self.places.get(&peer) {
            Some((earlier_due, began)) => {
                self.line.remove(&(*earlier_due, *began, peer));
                *began
            }
            None => {
                self.last_began += 1;
                self.last_began
            }
        };
        self.line.insert((due, began, peer));
        self.places.insert(peer, (due, began));
    }

    /// Has a peer wait no more; says whether it did.
    pub(crate) fn forget(&mut self, peer: u64) -> bool {
        match self.places.remove(&peer) {
            Some((due, began)) => self.line.remove(&(due, began, peer)),
            None => false,
        }
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.line.first().map(|(due, ..)| *due)
    }

    /// Those who are due, in order. They keep their places until they are forgotten.
    pub(crate) fn due(&self, now: Duration) -> Vec<u64> {
        self.line.iter().take_while(|(due, ..)| *due <= now).map(|(.., peer)| *peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Duration = Duration::from_secs(1);

    #[test]
    fn they_come_by_time_and_then_by_who_began_first() {
        let mut waiting = Waiting::default();
        waiting.wait(7, 2 * ONE);
        waiting.wait(5, ONE);
        waiting.wait(6, 2 * ONE);
        assert_eq!(waiting.next_due(), Some(ONE));
        assert_eq!(waiting.due(ONE), [5]);
        assert_eq!(waiting.due(2 * ONE), [5, 7, 6]);
    }

    #[test]
    fn who_waits_on_keeps_its_place() {
        let mut waiting = Waiting::default();
        waiting.wait(1, ONE);
        waiting.wait(2, 3 * ONE);
        waiting.wait(1, 3 * ONE);
        assert_eq!(waiting.due(3 * ONE), [1, 2]);
        waiting.forget(1);
        waiting.wait(1, 3 * ONE);
        assert_eq!(waiting.due(3 * ONE), [2, 1]);
        assert!(waiting.forget(2));
        assert!(!waiting.forget(2));
        assert_eq!(waiting.due(3 * ONE), [1]);
    }
}
