//! How fast a bucket fills, how much it holds, and what a transaction costs.
//!
//! Rates that could never let a transaction through are refused here, so that a bucket made from
//! them always has an answer.

use core::num::NonZeroU32;

use crate::Cost;

/// The most tokens a second: one a nanosecond is the finest step of the arithmetic.
pub const OPERATIONS_PER_SECOND_MAX: u32 = 1_000_000_000;
/// The most tokens a bucket holds: at one token a second they take 31 years to come, which in
/// nanoseconds is far from the end of the arithmetic's 64 bits.
pub const BURST_MAX: u32 = 1_000_000_000;

/// The limits of one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    operations_per_second: NonZeroU32,
    burst: NonZeroU32,
    transaction_cost: NonZeroU32,
}

/// Limits that make no sense together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatesRefusal {
    /// The bucket would never fill, or faster than can be counted.
    OperationsPerSecond(u32),
    /// The bucket would hold nothing, or more than can be counted.
    Burst(u32),
    /// A transaction costs one token at least, as any other operation.
    TransactionCost,
    /// No transaction could ever be opened.
    BurstBelowTransactionCost {
        /// The tokens the bucket would hold.
        burst: u32,
        /// The tokens a transaction would take.
        transaction_cost: u32,
    },
}

impl Rates {
    /// A thousand operations a second after a burst of four thousand: a guest's boot asks for
    /// less than two thousand within seconds, and a domain at its limit takes less than one
    /// percent of a core.
    pub const DEFAULT: Self = Self {
        operations_per_second: NonZeroU32::new(1000).unwrap(),
        burst: NonZeroU32::new(4000).unwrap(),
        transaction_cost: NonZeroU32::new(20).unwrap(),
    };

    /// Limits of so many tokens a second, so many at once, and so many for a transaction.
    pub const fn new(
        operations_per_second: u32,
        burst: u32,
        transaction_cost: u32,
    ) -> Result<Self, RatesRefusal> {
        let filling = match NonZeroU32::new(operations_per_second) {
            Some(filling) if operations_per_second <= OPERATIONS_PER_SECOND_MAX => filling,
            Some(_) | None => {
                return Err(RatesRefusal::OperationsPerSecond(operations_per_second));
            }
        };
        let held = match NonZeroU32::new(burst) {
            Some(held) if burst <= BURST_MAX => held,
            Some(_) | None => return Err(RatesRefusal::Burst(burst)),
        };
        let Some(cost) = NonZeroU32::new(transaction_cost) else {
            return Err(RatesRefusal::TransactionCost);
        };
        if burst < transaction_cost {
            return Err(RatesRefusal::BurstBelowTransactionCost { burst, transaction_cost });
        }
        Ok(Self { operations_per_second: filling, burst: held, transaction_cost: cost })
    }

    /// Tokens that come in a second.
    #[must_use]
    pub const fn operations_per_second(self) -> NonZeroU32 {
        self.operations_per_second
    }

    /// Tokens that a full bucket holds.
    #[must_use]
    pub const fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// Tokens that opening a transaction takes.
    #[must_use]
    pub const fn transaction_cost(self) -> NonZeroU32 {
        self.transaction_cost
    }

    /// Tokens that something costs.
    #[must_use]
    pub const fn tokens(self, cost: Cost) -> NonZeroU32 {
        match cost {
            Cost::Operation => NonZeroU32::MIN,
            Cost::Transaction => self.transaction_cost,
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl core::fmt::Display for RatesRefusal {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OperationsPerSecond(rate) => write!(
                formatter,
                "{rate} operations per second is not between 1 and {OPERATIONS_PER_SECOND_MAX}"
            ),
            Self::Burst(burst) => {
                write!(formatter, "a burst of {burst} is not between 1 and {BURST_MAX}")
            }
            Self::TransactionCost => write!(formatter, "a transaction costs 1 token at least"),
            Self::BurstBelowTransactionCost { burst, transaction_cost } => write!(
                formatter,
                "a burst of {burst} is below the transaction cost of {transaction_cost}: no \
                 transaction could ever be opened"
            ),
        }
    }
}

impl core::error::Error for RatesRefusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_burst_below_the_transaction_cost() {
        let refusal = RatesRefusal::BurstBelowTransactionCost { burst: 19, transaction_cost: 20 };
        assert_eq!(Rates::new(1000, 19, 20), Err(refusal));
        assert!(Rates::new(1000, 20, 20).is_ok());
    }

    #[test]
    fn refuses_numbers_that_cannot_be_counted_with() {
        assert_eq!(Rates::new(0, 1, 1), Err(RatesRefusal::OperationsPerSecond(0)));
        let rate = OPERATIONS_PER_SECOND_MAX + 1;
        assert_eq!(Rates::new(rate, 1, 1), Err(RatesRefusal::OperationsPerSecond(rate)));
        assert_eq!(Rates::new(1, 0, 1), Err(RatesRefusal::Burst(0)));
        assert_eq!(Rates::new(1, u32::MAX, 1), Err(RatesRefusal::Burst(u32::MAX)));
        assert_eq!(Rates::new(1, 1, 0), Err(RatesRefusal::TransactionCost));
    }

    #[test]
    fn the_default_is_one_that_could_have_been_asked_for() {
        assert_eq!(Rates::new(1000, 4000, 20), Ok(Rates::DEFAULT));
    }
}
