//! Starts a converter: opens what it is handed, plans its confinement, executes it.
//!
//! Shared by the agent, which keeps many, and by a stand-alone `vncterm`, which keeps one. What a
//! converter then does is its own; when one is wanted, and what its end means, is the caller's.

mod descriptors;
mod listener;
mod terminal;

pub use descriptors::{Handed, plan, start};
pub use listener::{ListenError, Listener, listen};
pub use terminal::{Disbelief, Terminal, believe, control_domain_alone_writes};
