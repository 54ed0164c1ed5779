//! A token bucket that is told the time: what a domain may ask of the store, and when.
//!
//! It reads no clock, keeps no queue and knows no domains: the caller says what time it is and
//! holds what has to wait. The arithmetic is governor's generic cell rate algorithm.

#![no_std]

mod bucket;
mod rates;

pub use bucket::{Admission, Bucket, Cost};
pub use rates::{BURST_MAX, OPERATIONS_PER_SECOND_MAX, Rates, RatesRefusal};
