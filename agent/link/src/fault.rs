//! Why the kernel did not do what it was asked.

use nix::errno::Errno;
use xenwarden_nic::Failure;

/// Why a call was in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The kernel says no. Its own words, where it has some, say more than the number.
    #[error("{}", words.clone().unwrap_or_else(|| errno.desc().to_owned()))]
    Kernel {
        /// The number.
        errno: Errno,
        /// The words.
        words: Option<String>,
    },
    /// An answer that is none of the protocol.
    #[error("the kernel's answer can't be read")]
    Malformed,
    /// A name that no device has.
    #[error("no device has such a name")]
    NoName,
}

impl Fault {
    /// The kernel's number, if it has given one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Kernel { errno, .. } => Some(*errno),
            Self::Malformed | Self::NoName => None,
        }
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Kernel { errno, words: None }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault.errno() {
            Some(Errno::EOPNOTSUPP | Errno::ENOSYS) => Self::Unsupported,
            _ => Self::Refused(fault.to_string()),
        }
    }
}
