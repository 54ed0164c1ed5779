//! The session from a viewer's side: dialogues byte for byte, attacks, and pictures that arrive
//! whole. The viewer here (`viewer.rs`) shares no code with the crate.

#![allow(clippy::unwrap_used, reason = "a test that meets nothing has failed")]

mod attacks;
mod canvas;
mod decoders;
mod dialogue;
mod dialogues;
mod extensions;
mod pictures;
mod viewer;
