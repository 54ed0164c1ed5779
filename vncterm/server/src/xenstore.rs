//! A small blocking xenstore connection, for a stand-alone console with `-x`.
//!
//! It asks one thing at a time and waits for the answer. Transactions, and the agent's many
//! watches, are `xenstore-client`'s.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use xenstore_wire::{
    Decoder, ErrorCode, Message, Name, Operation, PAYLOAD_MAX, Path, PathOperation, Permissions,
    Progress, Reply, ReplyRefusal, Request, Token, TransactionId, Watch,
};

/// A store that has not answered by then is taken for broken: who waits for it can't be told to end.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A connection to the store.
#[derive(Debug)]
pub(crate) struct Xenstore {
    stream: UnixStream,
    decoder: Decoder,
    input: VecDeque<u8>,
    requests: u32,
    /// A watch event came that nobody has waited for yet.
    changed: bool,
}

/// Why the store was not asked, or what it said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XenstoreError {
    /// No store at the socket.
    #[error("connect to xenstore at {path}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("talk to xenstore")]
    Io(#[from] io::Error),
    /// The store said no.
    #[error("xenstore: {operation} {path}: {}", .code.name())]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// Of which node.
        path: String,
        /// The store's answer.
        code: ErrorCode,
    },
    /// The store's answer is none of the protocol.
    #[error("xenstore's answer is not understood")]
    Reply(#[from] ReplyRefusal),
    /// The stream of answers is broken.
    #[error("xenstore's answers are not understood")]
    Stream,
}

impl Xenstore {
    /// Connects to the socket that libxenstore would use.
    pub(crate) fn connect() -> Result<Self, XenstoreError> {
        let path = socket_path();
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(source) => return Err(XenstoreError::Connect { path, source }),
        };
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(Self {
            stream,
            decoder: Decoder::new(PAYLOAD_MAX),
            input: VecDeque::new(),
            requests: 0,
            changed: false,
        })
    }

    /// The value of a node; `None` when there is no such node.
    pub(crate) fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>, XenstoreError> {
        match self.ask(path, PathOperation::Read) {
            Ok(Reply::Value(value)) => Ok(Some(value.to_vec())),
            Err(XenstoreError::Refused { code: ErrorCode::Enoent, .. }) => Ok(None),
            other => other.and(Err(XenstoreError::Stream)),
        }
    }

    /// The permissions of a node.
    pub(crate) fn permissions(&mut self, path: &Path) -> Result<Permissions, XenstoreError> {
        match self.ask(path, PathOperation::GetPermissions)? {
            Reply::Permissions(permissions) => Ok(permissions),
            _ => Err(XenstoreError::Stream),
        }
    }

    /// Writes a node.
    pub(crate) fn write(&mut self, path: &Path, value: &str) -> Result<(), XenstoreError> {
        self.ask(path, PathOperation::Write(value.as_bytes().into())).map(drop)
    }

    /// Removes a node.
    pub(crate) fn remove(&mut self, path: &Path) -> Result<(), XenstoreError> {
        self.ask(path, PathOperation::Rm).map(drop)
    }

    /// Watches a path; [`Xenstore::wait`] returns at once the first time.
    pub(crate) fn watch(&mut self, path: &Path) -> Result<(), XenstoreError> {
        let token = Token::new(b"console").map_err(|_| XenstoreError::Stream)?;
        let name = Name::Absolute(path.clone());
        let request = Request::Watch(Watch { name, token });
        self.exchange(&request, path.as_str()).map(drop)
    }

    /// Waits until something that is watched changes, for as long as that takes.
    pub(crate) fn wait(&mut self) -> Result<(), XenstoreError> {
        self.stream.set_read_timeout(None)?;
        while !std::mem::take(&mut self.changed) {
            let message = self.next_message()?;
            self.changed = message.operation() == Some(Operation::WatchEvent);
        }
        Ok(())
    }

    fn ask(&mut self, path: &Path, operation: PathOperation) -> Result<Reply, XenstoreError> {
        self.exchange(&Request::Path(path.clone(), operation), path.as_str())
    }

    fn exchange(&mut self, request: &Request, path: &str) -> Result<Reply, XenstoreError> {
        self.requests = self.requests.wrapping_add(1);
        let mut bytes = Vec::new();
        let sent = request.encode(self.requests, TransactionId::NONE, &mut bytes);
        sent.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        self.stream.set_read_timeout(Some(ANSWER_MAX))?;
        self.stream.write_all(&bytes)?;
        loop {
            let message = self.next_message()?;
            if message.operation() == Some(Operation::WatchEvent) {
                self.changed = true;
                continue;
            }
            return match Reply::parse(message.number, &message.payload)? {
                Reply::Error(code) => Err(XenstoreError::Refused {
                    operation: request.operation().name(),
                    path: path.to_owned(),
                    code,
                }),
                reply => Ok(reply),
            };
        }
    }

    fn next_message(&mut self) -> Result<Message, XenstoreError> {
        loop {
            if !self.input.is_empty() {
                let (used, progress) = self.decoder.feed(self.input.make_contiguous());
                self.input.drain(..used);
                match progress {
                    Progress::Message(message) => return Ok(message),
                    Progress::Refused(_) => return Err(XenstoreError::Stream),
                    Progress::Need(_) => {}
                }
            }
            let mut buffer = [0; PAYLOAD_MAX];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                length => self.input.extend(buffer.iter().take(length)),
            }
        }
    }
}

/// `$XENSTORED_PATH`, else `$XENSTORED_RUNDIR/socket`, else the usual place.
fn socket_path() -> PathBuf {
    if let Some(path) = std::env::var_os("XENSTORED_PATH") {
        return path.into();
    }
    let folder = std::env::var_os("XENSTORED_RUNDIR").map(PathBuf::from);
    folder.unwrap_or_else(|| "/run/xenstored".into()).join("socket")
}
