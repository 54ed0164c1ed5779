//! The bucket: tokens come at a steady rate, and what is asked for either goes or waits.
//!
//! A request that has to wait takes nothing: it asks again when it was told to.

use core::cell::Cell;
use core::num::NonZeroU32;
use core::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{InsufficientCapacity, Quota, RateLimiter};

use crate::Rates;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Any operation but opening a transaction: one token.
    Operation,
    /// Opening a transaction: as many tokens as [`Rates::transaction_cost`] says.
    Transaction,
}

/// Whether it may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, and its tokens are taken.
    Granted,
    /// Not before so much time has passed, when exactly enough tokens are there. None were taken.
    Wait(Duration),
}

/// A bucket, full when it is made.
pub struct Bucket {
    rates: Rates,
    limiter: Limiter,
    /// When the bucket will be full again, in nanoseconds: what the limiter keeps to itself.
    full_at: u64,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, ToldTime, StateInformationMiddleware>;

/// The time that the bucket was last told, which never runs backwards.
struct ToldTime(Cell<Nanos>);

impl Clock for ToldTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.get()
    }
}

impl Bucket {
    /// A full bucket at a time that is no later than any it will be told.
    #[must_use]
    pub fn new(rates: Rates, now: Duration) -> Self {
        Self { rates, limiter: full(rates, nanos(now)), full_at: 0 }
    }

    /// A bucket that will be full at a time that another one told of. Less than a token is lost.
    #[must_use]
    pub fn spent(rates: Rates, full_at: u64) -> Self {
        let period = period(rates);
        let whole = period.saturating_mul(u64::from(rates.burst().get()));
        // At this time it is as empty as it can be, or full.
        let then = full_at.saturating_sub(whole);
        let mut bucket = Self::new(rates, Duration::from_nanos(then));
        let missing = (full_at - then).div_ceil(period);
        if let Some(missing) = u32::try_from(missing).ok().and_then(NonZeroU32::new) {
            // No more are asked for than it holds.
            let _ = bucket.limiter.check_n(missing.min(rates.burst()));
            bucket.full_at = full_at;
        }
        bucket
    }

    /// The rates that it goes by.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// When it will be full if nothing more is taken, in nanoseconds since the start that all times
    /// count from.
    #[must_use]
    pub fn spent_until(&self) -> u64 {
        self.full_at
    }

    /// Changes the rates. What was saved up stays, as far as the bucket now holds it; less than one
    /// token is lost in the change.
    pub fn set_rates(&mut self, rates: Rates, now: Duration) {
        let now = self.tell(now);
        let level = match self.limiter.check() {
            Ok(snapshot) => snapshot.remaining_burst_capacity().saturating_add(1),
            Err(_) => 0,
        };
        *self = Self { rates, limiter: full(rates, now), full_at: 0 };
        if let Some(spent) = NonZeroU32::new(rates.burst().get().saturating_sub(level)) {
            // A full bucket has so many, and no more than it holds are asked for.
            let _ = self.limiter.check_n(spent);
            self.owe(spent, now);
        }
    }

    /// Tells the limiter the time, and says what it takes it to be.
    fn tell(&mut self, now: Duration) -> Nanos {
        let told = &self.limiter.clock().0;
        told.set(told.get().max(nanos(now)));
        told.get()
    }

    /// Takes the tokens if they are there at `now`, the time since some fixed start.
    ///
    /// A `now` before one that was told already counts as that one.
    pub fn admit(&mut self, cost: Cost, now: Duration) -> Admission {
        let now = self.tell(now);
        let tokens = self.rates.tokens(cost);
        match self.limiter.check_n(tokens) {
            Ok(Ok(_)) => {
                self.owe(tokens, now);
                Admission::Granted
            }
            Ok(Err(until)) => Admission::Wait(until.wait_time_from(now)),
            Err(InsufficientCapacity(_)) => {
                unreachable!("rates with a burst below a cost can't be made")
            }
        }
    }

    fn owe(&mut self, tokens: NonZeroU32, now: Nanos) {
        let owed = period(self.rates).saturating_mul(tokens.get().into());
        self.full_at = self.full_at.max(now.into()).saturating_add(owed);
    }
}

impl core::fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Bucket").field("rates", &self.rates).finish_non_exhaustive()
    }
}

/// In which a token comes, in nanoseconds.
fn period(rates: Rates) -> u64 {
    1_000_000_000 / u64::from(rates.operations_per_second().get())
}

/// A limiter whose bucket is full.
fn full(rates: Rates, now: Nanos) -> Limiter {
    let quota = Quota::per_second(rates.operations_per_second()).allow_burst(rates.burst());
    let told = ToldTime(Cell::new(now));
    RateLimiter::direct_with_clock(quota, told).with_middleware()
}

/// The time in nanoseconds, standing still after 292 years: half the range, so that nothing that
/// is added to it can run over.
fn nanos(time: Duration) -> Nanos {
    let end = u64::MAX / 2;
    Nanos::from(u64::try_from(time.as_nanos()).unwrap_or(end).min(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same law in whole numbers: the tokens are counted in nanoseconds of filling, one
    /// nanosecond comes each nanosecond.
    struct Model {
        period: u64,
        capacity: u64,
        level: u64,
        time: u64,
    }

    impl Model {
        fn admit(&mut self, tokens: u64, now: u64) -> Admission {
            self.level = self.capacity.min(self.level + (now - self.time));
            self.time = now;
            let price = tokens * self.period;
            if self.level >= price {
                self.level -= price;
                Admission::Granted
            } else {
                Admission::Wait(Duration::from_nanos(price - self.level))
            }
        }
    }

    fn rates(operations_per_second: u32, burst: u32, transaction_cost: u32) -> Rates {
        Rates::new(operations_per_second, burst, transaction_cost).expect("rates that make sense")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn it_answers_as_plain_arithmetic_does(
            per_second in prop_oneof![1..=5000_u32, Just(1_000_000_000)],
            transaction_cost in 1..=50_u32,
            spare in 0..=100_u32,
            start in 0..=u64::from(u32::MAX),
            asked in prop::collection::vec((any::<bool>(), 0..=40_000_000_u64), 1..200),
        ) {
            let rates = rates(per_second, transaction_cost + spare, transaction_cost);
            let mut bucket = Bucket::new(rates, Duration::from_nanos(start));
            let period = 1_000_000_000 / u64::from(per_second);
            let capacity = period * u64::from(transaction_cost + spare);
            let mut model = Model { period, capacity, level: capacity, time: start };
            let mut now = start;
            for (transaction, pause) in asked {
                now += pause;
                let (cost, tokens) = match transaction {
                    true => (Cost::Transaction, u64::from(transaction_cost)),
                    false => (Cost::Operation, 1),
                };
                prop_assert_eq!(
                    bucket.admit(cost, Duration::from_nanos(now)),
                    model.admit(tokens, now)
                );
            }
        }
    }

    #[test]
    fn a_wait_ends_exactly_when_the_tokens_are_there() {
        let mut bucket = Bucket::new(rates(100, 20, 20), Duration::ZERO);
        assert_eq!(bucket.admit(Cost::Transaction, Duration::ZERO), Admission::Granted);
        let wait = Duration::from_millis(200);
        assert_eq!(bucket.admit(Cost::Transaction, Duration::ZERO), Admission::Wait(wait));
        let almost = wait - Duration::from_nanos(1);
        let rest = Admission::Wait(Duration::from_nanos(1));
        assert_eq!(bucket.admit(Cost::Transaction, almost), rest);
        assert_eq!(bucket.admit(Cost::Transaction, wait), Admission::Granted);
    }

    #[test]
    fn what_has_to_wait_takes_nothing() {
        let mut bucket = Bucket::new(rates(1, 25, 20), Duration::ZERO);
        assert_eq!(bucket.admit(Cost::Transaction, Duration::ZERO), Admission::Granted);
        for _ in 0..1000 {
            let wait = Admission::Wait(Duration::from_secs(15));
            assert_eq!(bucket.admit(Cost::Transaction, Duration::ZERO), wait);
        }
        for _ in 0..5 {
            assert_eq!(bucket.admit(Cost::Operation, Duration::ZERO), Admission::Granted);
        }
        let wait = Admission::Wait(Duration::from_secs(1));
        assert_eq!(bucket.admit(Cost::Operation, Duration::ZERO), wait);
    }

    fn granted_at_once(bucket: &mut Bucket, now: Duration) -> usize {
        (0..).take_while(|_| bucket.admit(Cost::Operation, now) == Admission::Granted).count()
    }

    #[test]
    fn other_rates_neither_refill_nor_punish() {
        let now = Duration::from_secs(100);
        for (spent, burst, left) in [(30, 100, 70), (30, 1000, 70), (30, 50, 50), (100, 1000, 0)] {
            let mut bucket = Bucket::new(rates(10, 100, 20), now);
            for _ in 0..spent {
                assert_eq!(bucket.admit(Cost::Operation, now), Admission::Granted);
            }
            bucket.set_rates(rates(5, burst, 20), now);
            assert_eq!(granted_at_once(&mut bucket, now), left, "{spent} of 100, then {burst}");
            let second = now + Duration::from_secs(1);
            assert_eq!(granted_at_once(&mut bucket, second), 5, "at the new rate");
        }
    }

    #[test]
    fn a_clock_that_runs_backwards_brings_no_tokens() {
        let now = Duration::from_secs(10);
        let mut bucket = Bucket::new(rates(1, 1, 1), now);
        assert_eq!(bucket.admit(Cost::Operation, now), Admission::Granted);
        let wait = Admission::Wait(Duration::from_secs(1));
        assert_eq!(bucket.admit(Cost::Operation, Duration::ZERO), wait);
        assert_eq!(bucket.admit(Cost::Operation, now), wait);
    }

    #[test]
    fn the_slowest_and_largest_bucket_and_the_end_of_time_are_borne() {
        let slow = rates(1, crate::BURST_MAX, crate::BURST_MAX);
        let mut bucket = Bucket::new(slow, Duration::MAX);
        assert_eq!(bucket.admit(Cost::Transaction, Duration::MAX), Admission::Granted);
        let wait = Admission::Wait(Duration::from_secs(u64::from(crate::BURST_MAX)));
        assert_eq!(bucket.admit(Cost::Transaction, Duration::MAX), wait);
    }
}
