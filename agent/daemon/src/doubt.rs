//! Why a domain gets no converter though it names a console.

use vncterm_launch::Disbelief;

/// Why a console is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Doubt {
    /// Its terminal isn't believed (XSA-57).
    #[error(transparent)]
    Tty(#[from] Disbelief),
    /// A converter of another domain reads that terminal.
    #[error("it is the terminal of domain {0}")]
    Taken(u16),
    /// It hung up, and nothing was written since: the number may be anybody's by now.
    #[error("it has hung up, and no new one is named")]
    HungUp,
}
