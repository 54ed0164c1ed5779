//! The laws of the store, seen from outside: a store, its callers, and no sockets.

mod advisories;
mod budget;
mod dialogue;
mod restoring;
mod serial;
mod streaming;
mod transcripts;
