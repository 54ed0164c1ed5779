//! How often a domain may ask: one bucket, and the order in which its connections wait for it.
//!
//! Whoever has to wait asks again when told to; nothing here wakes anybody.

use alloc::collections::VecDeque;
use core::num::NonZeroU32;
use core::time::Duration;

use xenstore_bucket::{Admission, Bucket, Cost, Rates};

use crate::connection::ConnectionId;

/// What has been paid, since the store's process began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Tokens.
    pub(crate) tokens: u64,
    /// Requests and kicks that had to wait for theirs.
    pub(crate) waits: u64,
}

impl Spent {
    /// Counts the tokens of what was let through.
    pub(crate) fn pay(&mut self, tokens: NonZeroU32) {
        self.tokens = self.tokens.saturating_add(tokens.get().into());
    }
}

/// A domain's bucket, shared by all its connections.
#[derive(Debug)]
pub(crate) struct Budget {
    bucket: Bucket,
    /// Who waits, longest first. Only the first may take tokens: else a connection that opens
    /// transactions would wait for ever beside one that takes each token as it comes.
    waiting: VecDeque<ConnectionId>,
    /// When the first one's tokens are there.
    first_ready_at: Duration,
    spent: Spent,
}

impl Budget {
    pub(crate) fn new(rates: Rates, now: Duration) -> Self {
        Self {
            bucket: Bucket::new(rates, now),
            waiting: VecDeque::new(),
            first_ready_at: Duration::ZERO,
            spent: Spent::default(),
        }
    }

    /// What the domain has paid so far.
    pub(crate) fn spent(&self) -> Spent {
        self.spent
    }

    /// Takes the tokens of one request if it is its turn and they are there.
    ///
    /// The first in line is told exactly when its tokens are there. Those behind it are told the
    /// same time: then the first leaves and it is known when the next one's come.
    pub(crate) fn admit(&mut self, who: ConnectionId, cost: Cost, now: Duration) -> Admission {
        match self.waiting.front() {
            Some(first) if *first != who => {
                if !self.waiting.contains(&who) {
                    self.line_up(who);
                }
                return Admission::Wait(self.first_ready_at.saturating_sub(now));
            }
            Some(_) | None => (),
        }
        let admission = self.bucket.admit(cost, now);
        match admission {
            Admission::Granted => {
                self.waiting.pop_front();
                self.spent.pay(self.bucket.rates().tokens(cost));
            }
            Admission::Wait(wait) => {
                if self.waiting.is_empty() {
                    self.line_up(who);
                }
                self.first_ready_at = now.saturating_add(wait);
            }
        }
        admission
    }

    fn line_up(&mut self, who: ConnectionId) {
        self.waiting.push_back(who);
        self.spent.waits = self.spent.waits.saturating_add(1);
    }

    /// Until when what was paid is owed, in nanoseconds.
    pub(crate) fn spent_until(&self) -> u64 {
        self.bucket.spent_until()
    }

    /// Begins anew with a bucket in which tokens are missing.
    pub(crate) fn spend_until(&mut self, rates: Rates, until: u64) {
        *self = Self::new(rates, Duration::ZERO);
        self.bucket = Bucket::spent(rates, until);
    }

    /// Changes the rates. Who waits may ask again at once.
    pub(crate) fn set_rates(&mut self, rates: Rates, now: Duration) {
        self.bucket.set_rates(rates, now);
        self.first_ready_at = now;
    }

    /// Takes a connection out of the line.
    pub(crate) fn forget(&mut self, who: ConnectionId) {
        self.waiting.retain(|waiting| *waiting != who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectionId = ConnectionId(1);
    const TWO: ConnectionId = ConnectionId(2);

    fn drained() -> Budget {
        let rates = Rates::new(10, 20, 20).expect("rates that make sense");
        let mut budget = Budget::new(rates, Duration::ZERO);
        assert_eq!(budget.admit(ONE, Cost::Transaction, Duration::ZERO), Admission::Granted);
        budget
    }

    #[test]
    fn who_waits_for_many_tokens_is_not_passed_by_who_waits_for_one() {
        let mut budget = drained();
        let second = Duration::from_secs(1);
        let wait = Admission::Wait(2 * second);
        assert_eq!(budget.admit(ONE, Cost::Transaction, Duration::ZERO), wait);
        assert_eq!(budget.admit(TWO, Cost::Operation, second), Admission::Wait(second));
        assert_eq!(budget.admit(ONE, Cost::Transaction, 2 * second), Admission::Granted);
        let tenth = Admission::Wait(Duration::from_millis(100));
        assert_eq!(budget.admit(TWO, Cost::Operation, 2 * second), tenth);
        let then = Duration::from_millis(2100);
        assert_eq!(budget.admit(TWO, Cost::Operation, then), Admission::Granted);
    }

    #[test]
    fn who_leaves_the_line_holds_nobody_up() {
        let mut budget = drained();
        assert!(matches!(budget.admit(ONE, Cost::Transaction, Duration::ZERO), Admission::Wait(_)));
        let tenth = Duration::from_millis(100);
        assert!(matches!(budget.admit(TWO, Cost::Operation, tenth), Admission::Wait(_)));
        budget.forget(ONE);
        assert_eq!(budget.admit(TWO, Cost::Operation, tenth), Admission::Granted);
    }
}
