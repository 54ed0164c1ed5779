//! Confined processes, seen from outside and from inside: everything here is one released plan.
//!
//! The captive is `examples/captive`, which `cargo test` builds. The tests need root; without it
//! they fail, as a confinement that was not tried is not known to hold.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod attested;
#[path = "../../examples/captive/cell.rs"]
mod cell;
mod guard;
#[path = "../../examples/xen-probe/hold.rs"]
mod hold;
mod holder;
mod leftovers;
mod old_kernel;
mod spawned;
