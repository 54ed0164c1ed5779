//! What a server answers, as a closed list, read from payloads and written to them.
//!
//! Watch events are no replies: nobody asked for them. They are in `watch`.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::header::append_message;
use crate::path::{Component, Path, PathRefusal};
use crate::strings::{Strings, WrongCount, decimal};
use crate::{ErrorCode, Operation, PayloadTooLong, Permissions, PermissionsRefusal, TransactionId};

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The operation was done, and there is nothing more to say.
    Done(Operation),
    /// READ: the value.
    Value(Arc<[u8]>),
    /// DIRECTORY: the children's names.
    Names(Vec<Component>),
    /// DIRECTORY_PART: some of the children's names.
    Part {
        /// Changes when the list does, so that a reader can start again.
        generation: u64,
        /// The names from the offset on, as many as fit.
        names: Vec<Component>,
        /// True when no name comes after these.
        last: bool,
    },
    /// GET_PERMS: the permissions.
    Permissions(Permissions),
    /// TRANSACTION_START: what the new transaction is called.
    Transaction(TransactionId),
    /// GET_DOMAIN_PATH: the domain's home.
    DomainPath(Path),
    /// IS_DOMAIN_INTRODUCED: whether it is.
    Introduced(bool),
    /// GET_FEATURE or GET_QUOTA: the value.
    Number(Operation, u32),
    /// GET_QUOTA: the names of all quotas, with blanks between them.
    QuotaNames(Vec<u8>),
    /// CONTROL: what the command has to say.
    Text(Vec<u8>),
    /// The request was refused.
    Error(ErrorCode),
}

/// Why a message is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyRefusal {
    /// The number is no operation's, or one that has no replies known here.
    #[error("operation {0} has no known reply")]
    UnknownOperation(u32),
    /// The payload has too few strings or too many, or one isn't ended.
    #[error("the reply has the wrong number of strings")]
    WrongCount,
    /// The payload is not what the operation answers with.
    #[error("the reply to {} is none", .0.name())]
    Malformed(Operation),
    /// A path or a child's name breaks a rule.
    #[error("the reply has a path that is none")]
    Path(#[source] PathRefusal),
    /// A permission is none.
    #[error("the reply has permissions that are none")]
    Permissions(#[source] PermissionsRefusal),
}

impl From<WrongCount> for ReplyRefusal {
    fn from(_: WrongCount) -> Self {
        Self::WrongCount
    }
}

impl Reply {
    /// Reads a message's payload.
    ///
    /// An error name that is not in the protocol's list is read as EINVAL, as Xen's own client
    /// library does: oxenstored has names of its own.
    pub fn parse(number: u32, payload: &[u8]) -> Result<Self, ReplyRefusal> {
        let operation =
            Operation::from_number(number).ok_or(ReplyRefusal::UnknownOperation(number))?;
        let malformed = ReplyRefusal::Malformed(operation);
        match operation {
            Operation::Control => Ok(Self::Text(Strings::only(payload)?.to_vec())),
            Operation::Directory => Ok(Self::Names(names(Strings::new(payload))?)),
            Operation::Read => Ok(Self::Value(Arc::from(payload))),
            Operation::GetPermissions => Permissions::parse(Strings::new(payload))
                .map(Self::Permissions)
                .map_err(ReplyRefusal::Permissions),
            Operation::TransactionStart => decimal(Strings::only(payload)?)
                .and_then(|id| u32::try_from(id).ok())
                .map(|id| Self::Transaction(TransactionId(id)))
                .ok_or(malformed),
            Operation::GetDomainPath => {
                let path = Path::parse(Strings::only(payload)?).map_err(ReplyRefusal::Path)?;
                Ok(Self::DomainPath(path))
            }
            Operation::IsDomainIntroduced => match Strings::only(payload)? {
                b"T" => Ok(Self::Introduced(true)),
                b"F" => Ok(Self::Introduced(false)),
                _ => Err(malformed),
            },
            Operation::DirectoryPart => part(payload),
            Operation::Error => {
                let code = ErrorCode::from_name(Strings::only(payload)?);
                Ok(Self::Error(code.unwrap_or(ErrorCode::Einval)))
            }
            Operation::Watch
            | Operation::Unwatch
            | Operation::TransactionEnd
            | Operation::Introduce
            | Operation::Release
            | Operation::Write
            | Operation::Mkdir
            | Operation::Rm
            | Operation::SetPermissions
            | Operation::Resume
            | Operation::SetTarget
            | Operation::Restrict
            | Operation::ResetWatches
            | Operation::SetFeature
            | Operation::SetQuota => match Strings::only(payload)? {
                b"OK" => Ok(Self::Done(operation)),
                _ => Err(malformed),
            },
            Operation::GetFeature | Operation::GetQuota => {
                let text = Strings::only(payload)?;
                match decimal(text).and_then(|value| u32::try_from(value).ok()) {
                    Some(value) => Ok(Self::Number(operation, value)),
                    None if operation == Operation::GetQuota => Ok(Self::QuotaNames(text.to_vec())),
                    None => Err(malformed),
                }
            }
            Operation::WatchEvent => Err(ReplyRefusal::UnknownOperation(number)),
        }
    }

    /// The operation whose number the reply carries.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Done(operation) | Self::Number(operation, _) => *operation,
            Self::QuotaNames(_) => Operation::GetQuota,
            Self::Value(_) => Operation::Read,
            Self::Names(_) => Operation::Directory,
            Self::Part { .. } => Operation::DirectoryPart,
            Self::Permissions(_) => Operation::GetPermissions,
            Self::Transaction(_) => Operation::TransactionStart,
            Self::DomainPath(_) => Operation::GetDomainPath,
            Self::Introduced(_) => Operation::IsDomainIntroduced,
            Self::Text(_) => Operation::Control,
            Self::Error(_) => Operation::Error,
        }
    }

    /// Appends the reply as a whole message with the request's own ids, or leaves `out` as it was.
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
            Self::Done(_) => append_string(b"OK", out),
            Self::Value(value) => out.extend_from_slice(value),
            Self::Names(names) => append_names(names, out),
            Self::Part { generation, names, last } => {
                append_string(format!("{generation}").as_bytes(), out);
                append_names(names, out);
                if *last {
                    out.push(0);
                }
            }
            Self::Permissions(permissions) => permissions.append(out),
            Self::Transaction(TransactionId(id)) => append_string(format!("{id}").as_bytes(), out),
            Self::DomainPath(path) => append_string(path.as_str().as_bytes(), out),
            Self::Introduced(introduced) => {
                append_string(if *introduced { b"T" } else { b"F" }, out);
            }
            Self::Number(_, number) => append_string(format!("{number}").as_bytes(), out),
            Self::QuotaNames(text) | Self::Text(text) => append_string(text, out),
            Self::Error(code) => append_string(code.name().as_bytes(), out),
        }
    }
}

fn append_string(string: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(string);
    out.push(0);
}

fn append_names(names: &[Component], out: &mut Vec<u8>) {
    for name in names {
        append_string(name.as_str().as_bytes(), out);
    }
}

fn names(mut strings: Strings<'_>) -> Result<Vec<Component>, ReplyRefusal> {
    let mut names = Vec::new();
    while !strings.is_empty() {
        names.push(Component::parse(strings.take()?).map_err(ReplyRefusal::Path)?);
    }
    Ok(names)
}

/// Reads a part of a list: the empty string that ends the last part is no name.
fn part(payload: &[u8]) -> Result<Reply, ReplyRefusal> {
    let mut strings = Strings::new(payload);
    let malformed = ReplyRefusal::Malformed(Operation::DirectoryPart);
    let generation = decimal(strings.take()?).ok_or(malformed)?;
    let rest = strings.take_rest();
    let (list, last) = match rest {
        [0] => (&[][..], true),
        [list @ .., 0, 0] => (rest.get(..=list.len()).unwrap_or_default(), true),
        list => (list, false),
    };
    Ok(Reply::Part { generation, names: names(Strings::new(list))?, last })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn name(text: &str) -> Component {
        text.parse().expect("the component keeps the rules")
    }

    fn replies() -> Vec<Reply> {
        let mut replies = vec![
            Reply::Done(Operation::Write),
            Reply::Value(Arc::from(&b"a\0b"[..])),
            Reply::Value(Arc::from(&b""[..])),
            Reply::Names(vec![]),
            Reply::Names(vec![name("a"), name("b")]),
            Reply::Part { generation: u64::MAX, names: vec![], last: true },
            Reply::Part { generation: 7, names: vec![name("a"), name("b")], last: true },
            Reply::Part { generation: 7, names: vec![name("a")], last: false },
            Reply::Permissions(Permissions::private(crate::DomainId::DOM0)),
            Reply::Transaction(TransactionId(u32::MAX)),
            Reply::DomainPath(crate::DomainId::MAX.home()),
            Reply::Introduced(true),
            Reply::Introduced(false),
            Reply::Number(Operation::GetFeature, u32::MAX),
            Reply::Number(Operation::GetQuota, 0),
            Reply::QuotaNames(b"nodes watches".to_vec()),
            Reply::Text(b"several\nlines\n".to_vec()),
        ];
        replies.extend(ErrorCode::ALL.iter().copied().map(Reply::Error));
        replies
    }

    #[test]
    fn a_reply_that_was_written_is_read_as_it_was() {
        for reply in replies() {
            let mut payload = vec![];
            reply.append_payload(&mut payload);
            assert_eq!(Reply::parse(reply.operation().number(), &payload), Ok(reply));
        }
    }

    #[test]
    fn an_error_name_of_another_server_is_an_invalid_argument() {
        let number = Operation::Error.number();
        assert_eq!(Reply::parse(number, b"EQUOTA\0"), Ok(Reply::Error(ErrorCode::Einval)));
    }

    #[test]
    fn refuses_replies_that_are_not_what_the_operation_answers_with() {
        let cases: &[(Operation, &[u8])] = &[
            (Operation::Write, b"KO\0"),
            (Operation::TransactionStart, b"x\0"),
            (Operation::TransactionStart, b"4294967296\0"),
            (Operation::IsDomainIntroduced, b"X\0"),
            (Operation::DirectoryPart, b"x\0\0"),
        ];
        for (operation, payload) in cases {
            let refusal = ReplyRefusal::Malformed(*operation);
            assert_eq!(Reply::parse(operation.number(), payload), Err(refusal));
        }
        for number in [Operation::WatchEvent.number(), 27, u32::MAX] {
            assert_eq!(Reply::parse(number, b""), Err(ReplyRefusal::UnknownOperation(number)));
        }
    }

    #[test]
    fn a_child_that_is_no_name_is_refused() {
        let refusal = ReplyRefusal::Path(PathRefusal::BadByte(b'/'));
        assert_eq!(Reply::parse(Operation::Directory.number(), b"a/b\0"), Err(refusal));
    }
}
