//! What there is to read of a domain's console, as values.
//!
//! Whether it is believed is decided by [`crate::sighting`] and [`crate::host`]; what follows, by
//! [`crate::domain`].

use vncterm_launch::Terminal;

use crate::doubt::Doubt;

/// What there is to read of a domain's console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Console {
    /// The terminal that it is on.
    pub(crate) terminal: Terminal,
    /// Whose bytes come from it.
    pub(crate) line: Line,
    /// Who serves the guest's screen.
    pub(crate) screen: Screen,
    /// How often the tty's node was seen to be written: a terminal's number is used again at once,
    /// so a new console may have the old one's name.
    pub(crate) written: u32,
}

/// Whose bytes come from a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// The paravirtual console's: `console/tty`.
    Paravirtual,
    /// The emulated serial port's: `serial/0/tty`.
    Serial,
    /// The control domain's own: a pty that the agent made.
    Host,
}

/// Who serves the guest's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// The converter, as a picture of the terminal.
    Converter,
    /// Another program, such as QEMU: its `console/vnc-port` stands.
    Another,
}

impl Console {
    /// Whether `self` and `other` go by the same name: the same terminal while it is open.
    pub(crate) fn continues(self, other: Self) -> bool {
        self.terminal == other.terminal && self.line == other.line
    }

    /// Whether the name has not even been written since.
    pub(crate) fn is_same(self, other: Self) -> bool {
        self.continues(other) && self.written == other.written
    }
}

/// What the store says of a console, as far as it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// There is none.
    Absent,
    /// There is this.
    Found(Console),
    /// There is something that is not believed.
    Unbelieved(Doubt),
}
