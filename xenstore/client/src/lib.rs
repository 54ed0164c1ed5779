//! An async xenstore client: requests to the store and the events that come back.
//!
//! It does not reconnect: when the store has gone, every call says so and the caller decides. It
//! holds no rule of the store, and speaks only over a UNIX socket.
//!
//! The requests of all clones of a [`Client`] are pipelined on one connection and matched to their
//! replies by number. An event that the store sent before a reply is in [`Events`] before the call
//! that waits for this reply returns; stores differ in which of the two they send first.

mod client;
mod connection;
mod error;
mod events;
mod socket_path;
mod transaction;
mod tree;

pub use client::Client;
pub use error::{Attempt, ClientError, Ending};
pub use events::{Event, Events};
pub use socket_path::socket_path;
pub use transaction::Transaction;
pub use tree::Tree;
pub use xenstore_wire as wire;

#[cfg(test)]
mod tests;
