//! Memory that a viewer has left behind, given back to the system.
//!
//! The allocator keeps what is freed until much of it lies at the heap's end. A visit leaves less
//! than that and more than an idle converter takes; hundreds of them would keep it for nobody.

#![allow(unsafe_code, reason = "malloc_trim has no safe form")]

/// Gives whole free pages back.
pub(crate) fn give_back() {
    // SAFETY: it touches no memory that is in use, and takes the allocator's own lock. Whether there
    // was anything to give does not matter.
    #[cfg(target_env = "gnu")]
    let _ = unsafe { libc::malloc_trim(0) };
}
