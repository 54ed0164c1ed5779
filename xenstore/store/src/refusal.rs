//! Every way in which a request can be refused, and the one place that gives each its wire name.

use xenstore_wire::{ErrorCode, RequestRefusal};

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The message is no request.
    #[error("not a request")]
    Request(#[from] RequestRefusal),
    /// The caller lacks a permission, or may not know whether the node exists.
    #[error("permission denied")]
    Denied,
    /// Only dom0 gives a node away.
    #[error("a node's owner is not the owner's to change")]
    GivenAway,
    /// The node does not exist, and the caller may know.
    #[error("no such node")]
    NoNode,
    /// The caller has no such watch.
    #[error("no such watch")]
    NoWatch,
    /// The connection has no such transaction.
    #[error("no such transaction")]
    NoTransaction,
    /// The domain was never introduced, or has gone.
    #[error("no such domain")]
    NoDomain,
    /// The caller has this very watch already.
    #[error("the watch exists already")]
    WatchExists,
    /// The root stays.
    #[error("the root can't be removed")]
    Root,
    /// Dom0 can be neither released nor restricted to.
    #[error("dom0 is not meant here")]
    Dom0,
    /// The path is longer than the domain's quota allows.
    #[error("the path is too long")]
    PathTooLong,
    /// The domain holds as much as its quotas allow.
    #[error("a quota is exceeded")]
    Quota,
    /// The list doesn't fit one reply.
    #[error("the reply would be too big")]
    TooBig,
    /// A transaction is open that the operation can't be done in.
    #[error("a transaction is open")]
    Busy,
    /// Others changed what the transaction saw.
    #[error("the transaction conflicts")]
    Conflict,
    /// No quota is called so.
    #[error("no such quota")]
    NoQuota,
    /// A feature was asked for that there is none of.
    #[error("no such feature")]
    NoFeature,
    /// A depth that the name or the caller can't have.
    #[error("no watch of that depth")]
    NoDepth,
    /// CONTROL has no such command.
    #[error("no such command")]
    NoCommand,
    /// CONTROL found the books wrong.
    #[error("the store is inconsistent")]
    Inconsistent,
}

impl Refusal {
    /// The name that crosses the wire.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Request(RequestRefusal::UnknownOperation(_)) => ErrorCode::Enosys,
            Self::Request(
                RequestRefusal::WrongCount
                | RequestRefusal::Path(_)
                | RequestRefusal::Domain(_)
                | RequestRefusal::Permissions(_)
                | RequestRefusal::Number
                | RequestRefusal::NeitherTrueNorFalse,
            )
            | Self::Root
            | Self::Dom0
            | Self::PathTooLong
            | Self::NoQuota
            | Self::NoFeature
            | Self::NoDepth
            | Self::NoCommand => ErrorCode::Einval,
            Self::Denied => ErrorCode::Eacces,
            Self::GivenAway => ErrorCode::Eperm,
            Self::NoNode | Self::NoWatch | Self::NoTransaction | Self::NoDomain => {
                ErrorCode::Enoent
            }
            Self::WatchExists => ErrorCode::Eexist,
            Self::Quota => ErrorCode::Enospc,
            Self::TooBig => ErrorCode::E2big,
            Self::Busy => ErrorCode::Ebusy,
            Self::Conflict => ErrorCode::Eagain,
            Self::Inconsistent => ErrorCode::Eio,
        }
    }
}
