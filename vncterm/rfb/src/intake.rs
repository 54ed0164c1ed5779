//! This gathers a message's fixed parts from bytes that come cut anyhow.

/// The longest fixed part: a pixel format with its padding. The longest message is no longer.
const PART_MAX: usize = 19;

/// A part that is not yet whole.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    held: [u8; PART_MAX],
    filled: usize,
}

impl Intake {
    /// Takes a part of `N` bytes off the front of `bytes`, or all of `bytes` if it is not yet
    /// whole. Until a part is whole, the same `N` has to be asked for.
    pub(crate) fn take<const N: usize>(&mut self, bytes: &mut &[u8]) -> Option<[u8; N]> {
        const { assert!(N <= PART_MAX) };
        for (slot, byte) in self.held.iter_mut().take(N).skip(self.filled).zip(*bytes) {
            *slot = *byte;
        }
        let taken = N.saturating_sub(self.filled).min(bytes.len());
        self.filled += taken;
        *bytes = bytes.get(taken..).unwrap_or_default();
        if self.filled < N {
            return None;
        }
        self.filled = 0;
        self.held.first_chunk().copied()
    }
}
