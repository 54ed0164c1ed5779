//! The harness of the acceptance tests: programs started as a user starts them, and looked at from
//! outside.
//!
//! Nothing here links the code under test, save for the font, which is data. The RFB client and
//! the xenstore client are written again, from the specifications, so that a mistake of ours isn't
//! met by its twin. Every wait has a deadline and is woken by what it waits for.

pub mod converter;
pub mod deadline;
pub mod display;
pub mod folder;
pub mod glyphs;
pub mod guest;
pub mod picture;
pub mod proc;
pub mod program;
pub mod rfb;
pub mod store;
pub mod world;
pub mod xenstored;
