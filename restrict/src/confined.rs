//! The token that only entering a plan can mint, with the descriptors that the plan kept.
//!
//! A function that takes `&Confined` cannot run unconfined: that is checked by the compiler.

use std::os::fd::{OwnedFd, RawFd};

/// This process is confined, and stays so until it ends.
#[derive(Debug)]
pub struct Confined {
    kept: Vec<(RawFd, OwnedFd)>,
}

impl Confined {
    /// To be called as the last step of [`crate::enter()`] and nowhere else.
    pub(crate) fn mint(kept: Vec<(RawFd, OwnedFd)>) -> Self {
        Self { kept }
    }

    /// The descriptor that the plan kept at `number`: once, and none if the plan kept none there.
    pub fn take(&mut self, number: RawFd) -> Option<OwnedFd> {
        let at = self.kept.iter().position(|(kept, _)| *kept == number)?;
        Some(self.kept.swap_remove(at).1)
    }
}
