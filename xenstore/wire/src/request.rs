//! What a client may ask, as a closed list, read from payloads and written to them.
//!
//! The operations that act on one node are grouped, so that path, permission and quota are decided
//! in one place. Whether a quota or a feature of some name or number exists is
//! for the store to say.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::header::append_message;
use crate::path::{Name, Path, PathRefusal, Special};
use crate::strings::{Strings, WrongCount, decimal};
use crate::{
    DomainId, DomainIdRefusal, Operation, PayloadTooLong, Permissions, PermissionsRefusal,
    TransactionId, Watch, WatchEventRefusal,
};

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// CONTROL: a command and its arguments.
    Control(Vec<Vec<u8>>),
    /// An operation on one node.
    Path(Path, PathOperation),
    /// GET_PERMS of a special name.
    GetSpecialPermissions(Special),
    /// SET_PERMS of a special name.
    SetSpecialPermissions(Special, Permissions),
    /// WATCH.
    Watch(Watch),
    /// WATCH of what changes so many steps below a node at most, or of each domain that something
    /// happens to.
    WatchDepth(Watch, u16),
    /// UNWATCH.
    Unwatch(Watch),
    /// RESET_WATCHES.
    ResetWatches,
    /// TRANSACTION_START.
    TransactionStart,
    /// TRANSACTION_END.
    TransactionEnd {
        /// True to keep the changes, false to drop them.
        commit: bool,
    },
    /// INTRODUCE.
    Introduce {
        /// The new domain.
        domain: DomainId,
        /// The guest frame of its ring.
        frame: u64,
        /// The event channel it is heard on.
        port: u32,
    },
    /// RELEASE.
    Release(DomainId),
    /// RESUME.
    Resume(DomainId),
    /// SET_TARGET.
    SetTarget {
        /// The domain that acts.
        domain: DomainId,
        /// The domain that it acts for.
        target: DomainId,
    },
    /// GET_DOMAIN_PATH.
    GetDomainPath(DomainId),
    /// IS_DOMAIN_INTRODUCED.
    IsDomainIntroduced(DomainId),
    /// GET_FEATURE: of the caller where no domain is named.
    GetFeature(Option<DomainId>),
    /// SET_FEATURE.
    SetFeature {
        /// Whose.
        domain: DomainId,
        /// What is offered, a bit each.
        value: u32,
    },
    /// GET_QUOTA: the list of names where none is named.
    GetQuota {
        /// Whose, everybody's where none is named.
        domain: Option<DomainId>,
        /// Which.
        name: Option<Vec<u8>>,
    },
    /// SET_QUOTA.
    SetQuota {
        /// Whose, everybody's where none is named.
        domain: Option<DomainId>,
        /// Which.
        name: Vec<u8>,
        /// How much; zero is no limit.
        value: u32,
    },
    /// RESTRICT.
    Restrict(DomainId),
}

/// What is done with one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathOperation {
    /// DIRECTORY.
    Directory,
    /// DIRECTORY_PART, from this byte of the list on.
    DirectoryPart(u64),
    /// READ.
    Read,
    /// GET_PERMS.
    GetPermissions,
    /// WRITE.
    Write(Arc<[u8]>),
    /// MKDIR.
    Mkdir,
    /// RM.
    Rm,
    /// SET_PERMS.
    SetPermissions(Permissions),
}

/// Why a message is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// The number is no operation's, or that of something only servers send.
    #[error("operation {0} is no request")]
    UnknownOperation(u32),
    /// The payload has too few strings or too many, or one isn't ended.
    #[error("the payload has the wrong number of strings")]
    WrongCount,
    /// A path breaks a rule.
    #[error("the path is none")]
    Path(#[source] PathRefusal),
    /// A domain id is none.
    #[error("the domain is none")]
    Domain(#[source] DomainIdRefusal),
    /// A permission is none.
    #[error("the permissions are none")]
    Permissions(#[source] PermissionsRefusal),
    /// A number is none, or above its range.
    #[error("a number is none")]
    Number,
    /// TRANSACTION_END takes T or F.
    #[error("a transaction ends with T or F")]
    NeitherTrueNorFalse,
}

impl From<WrongCount> for RequestRefusal {
    fn from(_: WrongCount) -> Self {
        Self::WrongCount
    }
}

impl From<PathRefusal> for RequestRefusal {
    fn from(refusal: PathRefusal) -> Self {
        Self::Path(refusal)
    }
}

impl From<DomainIdRefusal> for RequestRefusal {
    fn from(refusal: DomainIdRefusal) -> Self {
        Self::Domain(refusal)
    }
}

impl From<PermissionsRefusal> for RequestRefusal {
    fn from(refusal: PermissionsRefusal) -> Self {
        Self::Permissions(refusal)
    }
}

impl From<WatchEventRefusal> for RequestRefusal {
    fn from(refusal: WatchEventRefusal) -> Self {
        match refusal {
            WatchEventRefusal::Malformed => Self::WrongCount,
            WatchEventRefusal::Name(refusal) => Self::Path(refusal),
        }
    }
}

impl Request {
    /// Reads a message's payload, its relative paths meant from `home`.
    pub fn parse(number: u32, payload: &[u8], home: &Path) -> Result<Self, RequestRefusal> {
        let operation =
            Operation::from_number(number).ok_or(RequestRefusal::UnknownOperation(number))?;
        let path = |operation| -> Result<Self, RequestRefusal> {
            Ok(Self::Path(Path::parse_from(Strings::only(payload)?, home)?, operation))
        };
        match operation {
            Operation::Control => control(payload),
            Operation::Directory => path(PathOperation::Directory),
            Operation::Read => path(PathOperation::Read),
            Operation::GetPermissions => get_permissions(payload, home),
            Operation::Watch => watch(payload),
            Operation::Unwatch => Ok(Self::Unwatch(Watch::parse(Strings::new(payload))?)),
            // Servers have never looked at the payload of these two.
            Operation::TransactionStart => Ok(Self::TransactionStart),
            Operation::ResetWatches => Ok(Self::ResetWatches),
            Operation::TransactionEnd => match Strings::only(payload)? {
                b"T" => Ok(Self::TransactionEnd { commit: true }),
                b"F" => Ok(Self::TransactionEnd { commit: false }),
                _ => Err(RequestRefusal::NeitherTrueNorFalse),
            },
            Operation::Introduce => introduce(payload),
            Operation::Release => Ok(Self::Release(domain(payload)?)),
            Operation::GetDomainPath => Ok(Self::GetDomainPath(domain(payload)?)),
            Operation::Write => write(payload, home),
            Operation::Mkdir => path(PathOperation::Mkdir),
            Operation::Rm => path(PathOperation::Rm),
            Operation::SetPermissions => set_permissions(payload, home),
            Operation::IsDomainIntroduced => Ok(Self::IsDomainIntroduced(domain(payload)?)),
            Operation::Resume => Ok(Self::Resume(domain(payload)?)),
            Operation::SetTarget => set_target(payload),
            Operation::Restrict => Ok(Self::Restrict(domain(payload)?)),
            Operation::DirectoryPart => directory_part(payload, home),
            Operation::GetFeature => get_feature(payload),
            Operation::SetFeature => set_feature(payload),
            Operation::GetQuota => get_quota(payload),
            Operation::SetQuota => set_quota(payload),
            Operation::WatchEvent | Operation::Error => {
                Err(RequestRefusal::UnknownOperation(number))
            }
        }
    }

    /// The operation that this is a request for.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Control(_) => Operation::Control,
            Self::Path(_, operation) => operation.operation(),
            Self::GetSpecialPermissions(_) => Operation::GetPermissions,
            Self::SetSpecialPermissions(..) => Operation::SetPermissions,
            Self::Watch(_) | Self::WatchDepth(..) => Operation::Watch,
            Self::Unwatch(_) => Operation::Unwatch,
            Self::ResetWatches => Operation::ResetWatches,
            Self::TransactionStart => Operation::TransactionStart,
            Self::TransactionEnd { .. } => Operation::TransactionEnd,
            Self::Introduce { .. } => Operation::Introduce,
            Self::Release(_) => Operation::Release,
            Self::Resume(_) => Operation::Resume,
            Self::SetTarget { .. } => Operation::SetTarget,
            Self::GetDomainPath(_) => Operation::GetDomainPath,
            Self::IsDomainIntroduced(_) => Operation::IsDomainIntroduced,
            Self::GetFeature(_) => Operation::GetFeature,
            Self::SetFeature { .. } => Operation::SetFeature,
            Self::GetQuota { .. } => Operation::GetQuota,
            Self::SetQuota { .. } => Operation::SetQuota,
            Self::Restrict(_) => Operation::Restrict,
        }
    }

    /// Appends the request as a whole message, or leaves `out` as it was.
    pub fn encode(
        &self,
        request_id: u32,
        transaction: TransactionId,
        out: &mut Vec<u8>,
    ) -> Result<(), PayloadTooLong> {
        append_message(out, self.operation(), request_id, transaction, |payload| {
            self.append_payload(payload);
        })
    }

    fn append_payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Control(words) => {
                for word in words {
                    append_string(word, out);
                }
            }
            Self::Path(path, operation) => {
                append_string(path.as_str().as_bytes(), out);
                operation.append_argument(out);
            }
            Self::GetSpecialPermissions(special) => {
                append_string(special.as_str().as_bytes(), out);
            }
            Self::SetSpecialPermissions(special, permissions) => {
                append_string(special.as_str().as_bytes(), out);
                permissions.append(out);
            }
            Self::Watch(watch) | Self::Unwatch(watch) => watch.append(out),
            Self::WatchDepth(watch, depth) => {
                watch.append(out);
                append_string(format!("{depth}").as_bytes(), out);
            }
            Self::ResetWatches | Self::TransactionStart => out.push(0),
            Self::TransactionEnd { commit } => {
                append_string(if *commit { b"T" } else { b"F" }, out)
            }
            Self::Introduce { domain, frame, port } => {
                append_string(format!("{domain}\0{frame}\0{port}").as_bytes(), out);
            }
            Self::GetFeature(domain) => append_domain(*domain, out),
            Self::SetFeature { domain, value } => {
                append_string(format!("{domain}\0{value}").as_bytes(), out);
            }
            Self::GetQuota { domain, name } => {
                append_domain(*domain, out);
                if let Some(name) = name {
                    append_string(name, out);
                }
            }
            Self::SetQuota { domain, name, value } => {
                append_domain(*domain, out);
                append_string(name, out);
                append_string(format!("{value}").as_bytes(), out);
            }
            Self::SetTarget { domain, target } => {
                append_string(format!("{domain}\0{target}").as_bytes(), out);
            }
            Self::Release(domain)
            | Self::Resume(domain)
            | Self::GetDomainPath(domain)
            | Self::IsDomainIntroduced(domain)
            | Self::Restrict(domain) => append_string(format!("{domain}").as_bytes(), out),
        }
    }
}

impl PathOperation {
    /// The operation that this is a request for.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Directory => Operation::Directory,
            Self::DirectoryPart(_) => Operation::DirectoryPart,
            Self::Read => Operation::Read,
            Self::GetPermissions => Operation::GetPermissions,
            Self::Write(_) => Operation::Write,
            Self::Mkdir => Operation::Mkdir,
            Self::Rm => Operation::Rm,
            Self::SetPermissions(_) => Operation::SetPermissions,
        }
    }

    fn append_argument(&self, out: &mut Vec<u8>) {
        match self {
            Self::DirectoryPart(offset) => append_string(format!("{offset}").as_bytes(), out),
            Self::Write(value) => out.extend_from_slice(value),
            Self::SetPermissions(permissions) => permissions.append(out),
            Self::Directory | Self::Read | Self::GetPermissions | Self::Mkdir | Self::Rm => (),
        }
    }
}

fn append_string(string: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(string);
    out.push(0);
}

fn append_domain(domain: Option<DomainId>, out: &mut Vec<u8>) {
    if let Some(domain) = domain {
        append_string(format!("{domain}").as_bytes(), out);
    }
}

/// All strings of a payload, of which there are few.
fn strings<const MAX: usize>(payload: &[u8]) -> Result<Vec<&[u8]>, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let mut found = Vec::new();
    while !strings.is_empty() {
        if found.len() == MAX {
            return Err(RequestRefusal::WrongCount);
        }
        found.push(strings.take()?);
    }
    Ok(found)
}

fn number(text: &[u8]) -> Result<u32, RequestRefusal> {
    let number = decimal(text).ok_or(RequestRefusal::Number)?;
    u32::try_from(number).map_err(|_| RequestRefusal::Number)
}

fn get_feature(payload: &[u8]) -> Result<Request, RequestRefusal> {
    let domain = match strings::<1>(payload)?.as_slice() {
        // Old clients can't send nothing: they send an empty string.
        [] | [b""] => None,
        [domain, ..] => Some(DomainId::parse(domain)?),
    };
    Ok(Request::GetFeature(domain))
}

fn set_feature(payload: &[u8]) -> Result<Request, RequestRefusal> {
    match strings::<2>(payload)?.as_slice() {
        [domain, value] => {
            Ok(Request::SetFeature { domain: DomainId::parse(domain)?, value: number(value)? })
        }
        _ => Err(RequestRefusal::WrongCount),
    }
}

fn get_quota(payload: &[u8]) -> Result<Request, RequestRefusal> {
    let (domain, name) = match strings::<2>(payload)?.as_slice() {
        [] | [b""] => (None, None),
        [name] => (None, Some(name.to_vec())),
        [domain, name, ..] => (Some(DomainId::parse(domain)?), Some(name.to_vec())),
    };
    Ok(Request::GetQuota { domain, name })
}

fn set_quota(payload: &[u8]) -> Result<Request, RequestRefusal> {
    let (domain, name, value) = match strings::<3>(payload)?.as_slice() {
        [name, value] => (None, *name, number(value)?),
        [domain, name, value] => (Some(DomainId::parse(domain)?), *name, number(value)?),
        _ => return Err(RequestRefusal::WrongCount),
    };
    Ok(Request::SetQuota { domain, name: name.to_vec(), value })
}

fn watch(payload: &[u8]) -> Result<Request, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let (name, token) = (strings.take()?, strings.take()?);
    let watch = Watch::of(name, token)?;
    if strings.is_empty() {
        return Ok(Request::Watch(watch));
    }
    let depth = decimal(Strings::only(strings.take_rest())?).ok_or(RequestRefusal::Number)?;
    let depth = u16::try_from(depth).map_err(|_| RequestRefusal::Number)?;
    Ok(Request::WatchDepth(watch, depth))
}

fn control(payload: &[u8]) -> Result<Request, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let mut words = Vec::new();
    while !strings.is_empty() {
        words.push(strings.take()?.to_vec());
    }
    if words.is_empty() { Err(RequestRefusal::WrongCount) } else { Ok(Request::Control(words)) }
}

fn get_permissions(payload: &[u8], home: &Path) -> Result<Request, RequestRefusal> {
    let operation = PathOperation::GetPermissions;
    Ok(match Name::parse(Strings::only(payload)?)? {
        Name::Absolute(path) => Request::Path(path, operation),
        Name::Relative(path) => Request::Path(path.under(home), operation),
        Name::Special(special) => Request::GetSpecialPermissions(special),
        Name::DomainSpecial(_) => return Err(PathRefusal::UnknownSpecial.into()),
    })
}

fn set_permissions(payload: &[u8], home: &Path) -> Result<Request, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let name = Name::parse(strings.take()?)?;
    let permissions = Permissions::parse(strings)?;
    Ok(match name {
        Name::Absolute(path) => Request::Path(path, PathOperation::SetPermissions(permissions)),
        Name::Relative(path) => {
            Request::Path(path.under(home), PathOperation::SetPermissions(permissions))
        }
        Name::Special(special) => Request::SetSpecialPermissions(special, permissions),
        Name::DomainSpecial(_) => return Err(PathRefusal::UnknownSpecial.into()),
    })
}

fn write(payload: &[u8], home: &Path) -> Result<Request, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let path = Path::parse_from(strings.take()?, home)?;
    Ok(Request::Path(path, PathOperation::Write(Arc::from(strings.take_rest()))))
}

fn directory_part(payload: &[u8], home: &Path) -> Result<Request, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let path = Path::parse_from(strings.take()?, home)?;
    let offset = decimal(Strings::only(strings.take_rest())?).ok_or(RequestRefusal::Number)?;
    Ok(Request::Path(path, PathOperation::DirectoryPart(offset)))
}

/// Reads INTRODUCE; old toolstacks send more strings than three, which mean nothing any more.
fn introduce(payload: &[u8]) -> Result<Request, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let domain = DomainId::parse(strings.take()?)?;
    let frame = decimal(strings.take()?).ok_or(RequestRefusal::Number)?;
    let port = decimal(strings.take()?).ok_or(RequestRefusal::Number)?;
    let port = u32::try_from(port).map_err(|_| RequestRefusal::Number)?;
    Ok(Request::Introduce { domain, frame, port })
}

/// Reads SET_TARGET. The form with one domain is of an old dialect and means something else there.
fn set_target(payload: &[u8]) -> Result<Request, RequestRefusal> {
    let mut strings = Strings::new(payload);
    let domain = DomainId::parse(strings.take()?)?;
    let target = DomainId::parse(Strings::only(strings.take_rest())?)?;
    Ok(Request::SetTarget { domain, target })
}

fn domain(payload: &[u8]) -> Result<DomainId, RequestRefusal> {
    Ok(DomainId::parse(Strings::only(payload)?)?)
}

#[cfg(test)]
mod tests;
