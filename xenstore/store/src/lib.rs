//! The xenstore itself: the tree and its laws, transactions, watches and limits.
//!
//! No input or output happens here and no clock is read: [`Store::handle`] takes who asks, what and
//! when, and returns the reply and who hears of what. Sockets, rings and waiting are the server's.
//!
//! Where the daemons in the field differ, this one does as follows. A missing node that the caller
//! may not know of is EACCES, as in C xenstored; a transaction commits whenever its result is that
//! of some serial order, as in oxenstored; a quota of N allows N, and the next is ENOSPC.

#![no_std]

extern crate alloc;

mod budget;
mod caller;
mod change;
mod connection;
mod domain;
mod edit;
mod journal;
mod life;
mod name;
mod quota;
mod refusal;
mod store;
mod stream;
mod transaction;
mod tree;
mod watches;

pub use caller::Caller;
pub use connection::{ConnectionId, Way};
pub use journal::Unreadable;
pub use life::Life;
pub use quota::{Quota, QuotaName};
pub use xenstore_bucket::{Rates, RatesRefusal};

pub use store::{Answer, Introduction, Limits, Link, News, Notice, Outcome, Store};
pub use stream::End;
