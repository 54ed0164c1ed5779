//! What a hypervisor says of a domain.
//!
//! How it is asked, and when, is not decided here.

/// How a domain is.
///
/// The number that comes with it is the same for as long as the domain lives. Where the hypervisor
/// has such numbers, it is no other domain's, and tells a domain from a later one that was given the
/// same domid; where it has none, all domains have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs, or is paused.
    Running(u128),
    /// It has shut down, by itself or as told, and is still there.
    ShutDown(u128),
    /// There is no such domain, or nothing but its remains.
    Gone,
}
