//! A zlib stream as a viewer keeps it.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush};

/// One stream, and what came out of it and was not used yet.
pub(crate) struct Inflater {
    state: Box<InflateState>,
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: InflateState::new_boxed(DataFormat::Zlib) }
    }
}

impl Inflater {
    /// All that some bytes of the stream give.
    pub(crate) fn inflate(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut inflated = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let result = inflate(&mut self.state, bytes, &mut buffer, MZFlush::None);
            inflated.extend_from_slice(&buffer[..result.bytes_written]);
            bytes = &bytes[result.bytes_consumed..];
            if (result.bytes_written, result.bytes_consumed) == (0, 0) {
                assert!(bytes.is_empty(), "bytes that are not of the stream");
                return inflated;
            }
            // Bits that end a block give nothing.
            assert!(matches!(result.status, Ok(_) | Err(MZError::Buf)), "{:?}", result.status);
        }
    }
}
