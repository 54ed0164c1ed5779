//! What a call to the store can come to, other than its answer.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use xenstore_wire::{DecodeRefusal, ErrorCode, Operation, ReplyRefusal, Request};

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The store's socket could not be connected to.
    #[error("can't connect to xenstore at {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The store said no.
    #[error("xenstore refused {attempt}")]
    Refused {
        /// What was asked for.
        attempt: Attempt,
        /// The store's reason.
        #[source]
        code: ErrorCode,
    },
    /// The request is too long for a message: nothing was sent.
    #[error("{attempt} is too long for one message")]
    TooLong {
        /// What was asked for.
        attempt: Attempt,
    },
    /// A reply came, and says nothing that the operation can answer with.
    #[error("xenstore answered {attempt} with something malformed")]
    Malformed {
        /// What was asked for.
        attempt: Attempt,
        /// What is wrong with it, where the wire can tell.
        source: Option<ReplyRefusal>,
    },
    /// A directory's list of children changed again and again, or had no end.
    #[error("can't list {path}: {why}")]
    Unlistable {
        /// The directory.
        path: String,
        /// What went on for too long.
        why: &'static str,
    },
    /// The connection has ended: this call may or may not have been carried out, and every later
    /// one will say the same.
    #[error("the connection to xenstore has ended")]
    Disconnected(#[source] Ending),
}

impl ClientError {
    /// The store's reason, where the store said no.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Connect { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. }
            | Self::Unlistable { .. }
            | Self::Disconnected(_) => None,
        }
    }
}

/// How a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Ending {
    /// The store closed it.
    #[error("the store closed it")]
    Closed,
    /// Reading or writing failed.
    #[error("input or output failed")]
    Failed(#[source] Arc<io::Error>),
    /// The store claimed a message above the limit.
    #[error("the store broke the protocol")]
    Oversize(#[source] DecodeRefusal),
    /// The store sent what is not of the protocol, so nothing after it can be believed.
    #[error("the store broke the protocol: {0}")]
    Breach(&'static str),
    /// The runtime that ran the connection has stopped.
    #[error("the runtime that ran it has stopped")]
    Stopped,
}

/// What was asked for, and of what: `READ /local/domain/1/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The operation.
    pub operation: Operation,
    /// The path, the watched name or the domain; empty where the operation has none.
    pub object: String,
}

impl Attempt {
    pub(crate) fn of(request: &Request) -> Self {
        let object = match request {
            Request::Path(path, _) => path.as_str().to_owned(),
            Request::GetSpecialPermissions(special)
            | Request::SetSpecialPermissions(special, _) => special.as_str().to_owned(),
            Request::Watch(watch) | Request::WatchDepth(watch, _) | Request::Unwatch(watch) => {
                watch.name.as_str().to_owned()
            }
            Request::Introduce { domain, .. }
            | Request::Release(domain)
            | Request::Resume(domain)
            | Request::SetTarget { domain, .. }
            | Request::GetFeature(Some(domain))
            | Request::SetFeature { domain, .. }
            | Request::GetQuota { domain: Some(domain), .. }
            | Request::SetQuota { domain: Some(domain), .. }
            | Request::GetDomainPath(domain)
            | Request::IsDomainIntroduced(domain)
            | Request::Restrict(domain) => format!("domain {domain}"),
            Request::Control(_)
            | Request::GetFeature(None)
            | Request::GetQuota { domain: None, .. }
            | Request::SetQuota { domain: None, .. }
            | Request::ResetWatches
            | Request::TransactionStart
            | Request::TransactionEnd { .. } => String::new(),
        };
        Self { operation: request.operation(), object }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.operation.name())?;
        if !self.object.is_empty() {
            write!(formatter, " {}", self.object)?;
        }
        Ok(())
    }
}
