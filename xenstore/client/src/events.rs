//! What waits to be told about changes: a bounded queue between the connection and its consumer.
//!
//! Guests cause events, so none of them may make the queue grow (XSA-354) or repeat itself
//! (XSA-349). What overflows is not lost silently: the consumer is told to look again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use xenstore_wire::{Token, WatchEvent};

/// The most changes kept one by one under one token: one noisy guest is collapsed into one event
/// long before it crowds out the others.
const PENDING_PER_TOKEN_MAX: usize = 64;
/// The most events kept at all: some 200 bytes each, so a megabyte at worst.
const PENDING_MAX: usize = 4096;

/// What the store tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something at or below a watched name changed. Equal changes that wait are one.
    Changed(WatchEvent),
    /// More changes wait under this token than are kept one by one: look again at everything that
    /// its watch covers.
    Many(Token),
    /// More waits than is kept at all: look again at everything.
    Overflow,
}

/// The events of one connection, in the order of the store.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
}

impl Events {
    /// The next event; none when the connection has ended and every event was taken.
    ///
    /// Nothing is lost when the future is dropped before it is done.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            {
                let mut queue = self.shared.queue();
                if let Some(event) = queue.take() {
                    return Some(event);
                }
                if queue.ended {
                    return None;
                }
            }
            self.shared.changed.notified().await;
        }
    }
}

/// The connection's end of the queue. Dropping it ends the events.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
}

impl Feed {
    pub(crate) fn push(&self, event: WatchEvent) {
        self.shared.queue().push(event);
        self.shared.changed.notify_one();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.queue().ended = true;
        self.shared.changed.notify_one();
    }
}

/// A queue's two ends.
pub(crate) fn queue() -> (Feed, Events) {
    let shared = Arc::new(Shared::default());
    (Feed { shared: Arc::clone(&shared) }, Events { shared })
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing in the queue's functions panics half-way, so a poisoned lock holds a whole queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events that wait.
///
/// Under one token wait either changes, at most [`PENDING_PER_TOKEN_MAX`] and no two equal, or one
/// `Many`; an `Overflow` waits alone.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Event>,
    changes: HashSet<WatchEvent>,
    counts: HashMap<Token, usize>,
    collapsed: HashSet<Token>,
    overflowed: bool,
    ended: bool,
}

impl Queue {
    fn push(&mut self, event: WatchEvent) {
        if self.overflowed || self.collapsed.contains(&event.token) || self.changes.contains(&event)
        {
            // What waits already makes the consumer look at this after now.
            return;
        }
        if self.waiting.len() >= PENDING_MAX {
            self.overflow();
            return;
        }
        let count = self.counts.entry(event.token.clone()).or_default();
        if *count >= PENDING_PER_TOKEN_MAX {
            self.collapse(event.token);
            return;
        }
        *count += 1;
        self.changes.insert(event.clone());
        self.waiting.push_back(Event::Changed(event));
    }

    fn take(&mut self) -> Option<Event> {
        let event = self.waiting.pop_front()?;
        match &event {
            Event::Changed(change) => {
                self.changes.remove(change);
                if let Some(count) = self.counts.get_mut(&change.token) {
                    *count -= 1;
                    if *count == 0 {
                        self.counts.remove(&change.token);
                    }
                }
            }
            Event::Many(token) => {
                self.collapsed.remove(token);
            }
            Event::Overflow => self.overflowed = false,
        }
        Some(event)
    }

    /// Puts one `Many` in the place of every change under a token.
    fn collapse(&mut self, token: Token) {
        self.waiting.retain(|event| match event {
            Event::Changed(change) => change.token != token,
            Event::Many(_) | Event::Overflow => true,
        });
        self.changes.retain(|change| change.token != token);
        self.counts.remove(&token);
        self.collapsed.insert(token.clone());
        self.waiting.push_back(Event::Many(token));
    }

    /// Puts one `Overflow` in the place of everything.
    fn overflow(&mut self) {
        *self = Self { overflowed: true, ended: self.ended, ..Self::default() };
        self.waiting.push_back(Event::Overflow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text.as_bytes()).expect("a token without NUL")
    }

    fn change(path: &str, under: &str) -> WatchEvent {
        WatchEvent { name: path.parse().expect("a path"), token: token(under) }
    }

    fn drain(queue: &mut Queue) -> Vec<Event> {
        std::iter::from_fn(|| queue.take()).collect()
    }

    #[test]
    fn equal_changes_that_wait_are_one_and_keep_their_first_place() {
        let mut queue = Queue::default();
        for path in ["/a", "/b", "/a"] {
            queue.push(change(path, "t"));
        }
        queue.push(change("/a", "u"));
        let expected = [change("/a", "t"), change("/b", "t"), change("/a", "u")];
        assert_eq!(drain(&mut queue), expected.map(Event::Changed));
    }

    #[test]
    fn a_change_after_its_equal_was_taken_is_told_again() {
        let mut queue = Queue::default();
        queue.push(change("/a", "t"));
        assert_eq!(drain(&mut queue).len(), 1);
        queue.push(change("/a", "t"));
        assert_eq!(drain(&mut queue), [Event::Changed(change("/a", "t"))]);
    }

    #[test]
    fn a_noisy_token_is_collapsed_and_the_others_keep_their_changes() {
        let mut queue = Queue::default();
        queue.push(change("/quiet", "quiet"));
        for number in 0..10 * PENDING_PER_TOKEN_MAX {
            queue.push(change(&format!("/noisy/{number}"), "noisy"));
        }
        queue.push(change("/later", "quiet"));
        let expected = [
            Event::Changed(change("/quiet", "quiet")),
            Event::Many(token("noisy")),
            Event::Changed(change("/later", "quiet")),
        ];
        assert_eq!(drain(&mut queue), expected);
        queue.push(change("/noisy/0", "noisy"));
        assert_eq!(drain(&mut queue), [Event::Changed(change("/noisy/0", "noisy"))]);
    }

    #[test]
    fn above_the_limit_of_all_one_overflow_is_left() {
        let mut queue = Queue::default();
        for number in 0..=PENDING_MAX {
            queue.push(change("/a", &number.to_string()));
        }
        queue.push(change("/b", "t"));
        assert_eq!(drain(&mut queue), [Event::Overflow]);
        queue.push(change("/b", "t"));
        assert_eq!(drain(&mut queue), [Event::Changed(change("/b", "t"))]);
    }

    #[test]
    fn a_drained_queue_keeps_nothing() {
        let mut queue = Queue::default();
        for number in 0..500 {
            queue.push(change(&format!("/{number}"), &(number % 3).to_string()));
        }
        drain(&mut queue);
        assert!(queue.changes.is_empty() && queue.counts.is_empty() && queue.collapsed.is_empty());
    }
}
