//! What a viewer did that the shell has to act on, and what it may do.

use alloc::string::String;

use crate::picture::{CELL_HEIGHT, CELL_WIDTH};

/// What a viewer may make the session keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a cut text; the rest of a longer one is dropped.
    pub cut_text_max: usize,
    /// Whether it may ask for a picture of another size; else it is told that it may not.
    pub resize: bool,
}

impl Default for Limits {
    /// 64 KiB: more than anybody pastes into a console.
    fn default() -> Self {
        Self { cut_text_max: 64 * 1024, resize: false }
    }
}

/// What a viewer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is over.
    Ready {
        /// Whether other viewers may stay.
        shared: bool,
    },
    /// A key went down or up; the number is X11's keysym.
    Key {
        /// Down, else up.
        down: bool,
        /// Which key.
        keysym: u32,
    },
    /// A key without a keysym went down or up.
    ScanCode {
        /// Down, else up.
        down: bool,
        /// The PC's scan code, of set 1, with 0x80 for the prefix 0xe0.
        code: u32,
    },
    /// The pointer moved, or a button changed.
    Pointer {
        /// Bit 0 is the left button, 1 the middle, 2 the right, 3 and 4 the wheel up and down.
        buttons: u8,
        /// In pixels from the left, as the viewer says: it may be off the screen.
        x: u16,
        /// In pixels from the top.
        y: u16,
    },
    /// The viewer's clipboard has a new text: its beginning, if it is longer than the limit.
    CutText(String),
    /// The viewer wants a picture of another size, in whole cells. The answer that it is owed goes
    /// out with the next update, and says the size that the picture then has.
    Resize {
        /// At least 1.
        columns: u16,
        /// At least 1.
        rows: u16,
    },
}

impl Event {
    /// A wish for a size in pixels: as many cells as fit in.
    pub(crate) fn resize([width, height]: [u16; 2]) -> Self {
        Self::Resize { columns: (width / CELL_WIDTH).max(1), rows: (height / CELL_HEIGHT).max(1) }
    }
}
