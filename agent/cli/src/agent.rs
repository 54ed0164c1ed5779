//! The agent's socket, from a caller's side: one request, one reply, at most one descriptor.
//!
//! What the requests mean is in `xenwarden-model`.

use std::io::{self, IoSliceMut, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use xenwarden_model::{Ask, REPLY_MAX, Refusal, Reply};

/// How long a reply may take: an audit looks at every converter before it is answered.
const REPLY_WAIT: Duration = Duration::from_secs(60);

/// Bytes taken from the socket at a time.
const CHUNK: usize = 64 * 1024;

/// What to do about an agent that can't be reached.
fn cure(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "only root may ask it, and its network front's user",
        _ => "is xenwardend running?",
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// Nobody answers at the socket.
    #[error("cannot reach the agent at {}: {source}; {}", socket.display(), cure(source))]
    Unreachable {
        /// The socket's path.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke between request and reply.
    #[error("cannot get the agent's reply: {0}")]
    Lost(#[source] io::Error),
    /// Nothing came in time.
    #[error("the agent does not answer in time; is this xenwardend's socket?")]
    Silent,
    /// The agent closed the connection instead of replying: it serves root alone.
    #[error("the agent closed the connection without a reply; are you root?")]
    Closed,
    /// The reply is none of the protocol.
    #[error("cannot read the agent's reply: {0}")]
    Malformed(#[source] serde_json::Error),
    /// The reply is over its bound.
    #[error("the agent's reply is longer than {REPLY_MAX} bytes")]
    TooLong,
    /// The reply is one of the protocol, to another request.
    #[error("the agent's reply is to another request")]
    Unexpected,
    /// The agent says no.
    #[error(transparent)]
    Refused(Refusal),
}

/// Whoever answers requests: the agent's socket, or a test's records.
pub(crate) trait Agent {
    /// Asks one thing and waits for the reply; a refusal is an error.
    fn ask(&mut self, ask: &Ask) -> Result<Reply, AgentError>;
}

/// A connection to the agent.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    /// The descriptor that came with the last reply.
    descriptor: Option<OwnedFd>,
}

impl Connection {
    /// Connects to the agent's socket.
    pub(crate) fn open(socket: &Path) -> Result<Self, AgentError> {
        let unreachable = |source| AgentError::Unreachable { socket: socket.to_path_buf(), source };
        let stream = UnixStream::connect(socket).map_err(unreachable)?;
        stream.set_read_timeout(Some(REPLY_WAIT)).map_err(unreachable)?;
        stream.set_write_timeout(Some(REPLY_WAIT)).map_err(unreachable)?;
        Ok(Self { stream, descriptor: None })
    }

    /// Waits for replies no longer than this.
    pub(crate) fn wait_at_most(&self, limit: Duration) -> Result<(), AgentError> {
        self.stream.set_read_timeout(Some(limit)).map_err(AgentError::Lost)
    }

    /// Takes the descriptor that came with the last reply.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptor.take()
    }

    /// Reads up to and without the end of a line.
    fn read_line(&mut self) -> Result<Vec<u8>, AgentError> {
        let mut line = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = self.receive(&mut chunk)?;
            let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Err(AgentError::Closed);
            };
            if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                line.extend(bytes.iter().take(end));
                return Ok(line);
            }
            line.extend_from_slice(bytes);
            if line.len() > REPLY_MAX {
                return Err(AgentError::TooLong);
            }
        }
    }

    fn receive(&mut self, chunk: &mut [u8]) -> Result<usize, AgentError> {
        let mut room = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        let mut slices = [IoSliceMut::new(chunk)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = loop {
            match recvmsg::<()>(self.stream.as_raw_fd(), &mut slices, Some(&mut room), flags) {
                Err(nix::Error::EINTR) => {}
                Err(nix::Error::EAGAIN) => return Err(AgentError::Silent),
                Err(error) => return Err(AgentError::Lost(error.into())),
                Ok(message) => break message,
            }
        };
        let control = message.cmsgs().map_err(|error| AgentError::Lost(error.into()))?;
        for one in control {
            if let ControlMessageOwned::ScmRights(numbers) = one {
                for number in numbers {
                    self.descriptor = Some(owned(number));
                }
            }
        }
        Ok(message.bytes)
    }
}

/// Takes over a descriptor that `recvmsg` has just put into this process.
#[allow(unsafe_code, reason = "a received descriptor comes as a bare number")]
fn owned(number: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(number) }
}

impl Agent for Connection {
    fn ask(&mut self, ask: &Ask) -> Result<Reply, AgentError> {
        let mut request = serde_json::to_vec(ask).map_err(AgentError::Malformed)?;
        request.push(b'\n');
        self.stream.write_all(&request).map_err(AgentError::Lost)?;
        let line = self.read_line()?;
        match serde_json::from_slice(&line).map_err(AgentError::Malformed)? {
            Reply::Refused(refusal) => Err(AgentError::Refused(refusal)),
            reply => Ok(reply),
        }
    }
}

/// Every VM record.
pub(crate) fn vms(agent: &mut impl Agent) -> Result<Vec<xenwarden_model::Vm>, AgentError> {
    match agent.ask(&Ask::Vms)? {
        Reply::Vms(vms) => Ok(vms),
        _ => Err(AgentError::Unexpected),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{BufRead, BufReader};

    use xenwarden_model::{RefusalCode, Vm};

    use super::*;

    /// An agent that keeps what it is told, in memory.
    #[derive(Debug, Default)]
    pub(crate) struct Records {
        pub(crate) vms: Vec<Vm>,
        pub(crate) asked: Vec<Ask>,
    }

    impl Agent for Records {
        fn ask(&mut self, ask: &Ask) -> Result<Reply, AgentError> {
            self.asked.push(ask.clone());
            Ok(match ask {
                Ask::Vms => Reply::Vms(self.vms.clone()),
                _ => Reply::Done,
            })
        }
    }

    fn answering(reply: &'static [u8]) -> Connection {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        std::thread::spawn(move || {
            let mut request = String::new();
            BufReader::new(&theirs).read_line(&mut request).expect("a request");
            (&theirs).write_all(reply).expect("the reply is taken");
        });
        Connection { stream: ours, descriptor: None }
    }

    #[test]
    fn a_reply_is_read_to_the_end_of_its_line() {
        let reply = answering(b"{\"reply\":\"done\"}\n").ask(&Ask::Vms);
        assert_eq!(reply.expect("a reply"), Reply::Done);
    }

    #[test]
    fn a_refusal_is_an_error_that_says_what_the_agent_says() {
        let line = br#"{"reply":"refused","value":{"code":"running","message":"cannot forget web01: it runs"}}"#;
        let both: &'static [u8] = Box::leak([line.as_slice(), b"\n"].concat().into_boxed_slice());
        match answering(both).ask(&Ask::Vms) {
            Err(AgentError::Refused(refusal)) => {
                assert_eq!(refusal.code, RefusalCode::Running);
                assert_eq!(refusal.to_string(), "cannot forget web01: it runs");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_connection_that_ends_early_and_nonsense_are_told_apart() {
        assert!(matches!(answering(b"{\"rep").ask(&Ask::Vms), Err(AgentError::Closed)));
        assert!(matches!(answering(b"hello\n").ask(&Ask::Vms), Err(AgentError::Malformed(_))));
    }

    #[test]
    fn a_missing_agent_is_named_by_its_socket() {
        let error = Connection::open(Path::new("/nonexistent/agent.sock")).expect_err("no agent");
        assert_eq!(
            error.to_string(),
            "cannot reach the agent at /nonexistent/agent.sock: No such file or directory \
             (os error 2); is xenwardend running?"
        );
    }
}
