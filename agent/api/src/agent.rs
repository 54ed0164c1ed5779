//! Questions to the agent: a connection for each, and one that stays with each open console.

use std::future::pending;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;
use xenwarden_model::front::{Call, WAIT_MAX_MS};
use xenwarden_model::{Closing, ConsoleOpened, REPLY_MAX, Refusal, RefusalCode, Reply};

/// The agent's socket, below its folder.
const SOCKET: &str = "agent.sock";
/// How long an answer may take: a log-in may wait for others, a change for as long as it is waited for.
const REPLY_TIME: Duration = Duration::from_millis(WAIT_MAX_MS as u64 + 10_000);
/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Where the agent is.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    socket: PathBuf,
}

/// An open console.
#[derive(Debug)]
pub(crate) struct Console {
    pub(crate) socket: OwnedFd,
    pub(crate) note: Note,
    pub(crate) opened: ConsoleOpened,
}

/// The connection that an open console came with: on it both say why the console closes, and its
/// end tells the agent of the console's end.
#[derive(Debug)]
pub(crate) struct Note(UnixStream);

impl Note {
    #[cfg(test)]
    pub(crate) fn of(connection: UnixStream) -> Self {
        Self(connection)
    }

    /// Waits until the agent says why the console closes. One that goes away says nothing: the
    /// console outlives it.
    pub(crate) async fn closing(&mut self) -> Closing {
        match read_line(&self.0).await {
            Ok((line, _)) => match serde_json::from_slice(&line) {
                Ok(Reply::Closed(closing)) => closing,
                Ok(_) | Err(_) => pending().await,
            },
            Err(_) => pending().await,
        }
    }

    /// Says why the front closes it.
    pub(crate) async fn say(&mut self, closing: Closing) {
        if let Ok(mut line) = serde_json::to_vec(&Call::Close { closing }) {
            line.push(b'\n');
            // An agent that has gone keeps no record of this console.
            let _ = self.0.write_all(&line).await;
        }
    }
}

impl Agent {
    /// The agent whose folder is shown here.
    pub(crate) fn shown() -> Self {
        Self { socket: PathBuf::from(restrict::SHOWN).join(SOCKET) }
    }

    /// Asks one thing; a refusal is an error.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Reply, Refusal> {
        self.converse(call).await.map(|(reply, _, _)| reply)
    }

    /// Opens a console.
    pub(crate) async fn open(&self, call: &Call) -> Result<Console, Refusal> {
        match self.converse(call).await? {
            (Reply::Console(opened), Some(socket), note) => {
                Ok(Console { socket, note: Note(note), opened })
            }
            _ => Err(failed("the agent gave no console")),
        }
    }

    async fn converse(&self, call: &Call) -> Result<(Reply, Option<OwnedFd>, UnixStream), Refusal> {
        let conversed = timeout(REPLY_TIME, async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            if stream.peer_cred()?.uid() != 0 {
                return Err(io::Error::other("another program has its socket"));
            }
            let mut line = serde_json::to_vec(call)?;
            line.push(b'\n');
            stream.write_all(&line).await?;
            let (line, descriptor) = read_line(&stream).await?;
            Ok((serde_json::from_slice(&line)?, descriptor, stream))
        });
        match conversed.await {
            Ok(Ok((Reply::Refused(refusal), _, _))) => Err(refusal),
            Ok(Ok(conversed)) => Ok(conversed),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the agent does not answer");
                Err(failed("the agent does not answer"))
            }
            Err(_) => Err(failed("the agent took too long")),
        }
    }
}

fn failed(why: &str) -> Refusal {
    Refusal { code: RefusalCode::Failed, message: why.to_owned() }
}

async fn read_line(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut line = Vec::new();
    let mut descriptor = None;
    let mut chunk = vec![0; CHUNK];
    loop {
        let receive = || receive(stream, &mut chunk, &mut descriptor);
        let length = stream.async_io(Interest::READABLE, receive).await?;
        let bytes = chunk.get(..length).unwrap_or_default();
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                line.extend(bytes.iter().take(end));
                return Ok((line, descriptor));
            }
            None if length == 0 || line.len() > REPLY_MAX => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            None => line.extend_from_slice(bytes),
        }
    }
}

fn receive(
    stream: &UnixStream,
    chunk: &mut [u8],
    descriptor: &mut Option<OwnedFd>,
) -> io::Result<usize> {
    let mut room = nix::cmsg_space!([RawFd; 1]);
    let mut slices = [IoSliceMut::new(chunk)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut room), flags)?;
    for one in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = one {
            for number in numbers {
                *descriptor = Some(owned(number));
            }
        }
    }
    Ok(message.bytes)
}

/// Takes over a descriptor that `recvmsg` has just put into this process.
#[allow(unsafe_code, reason = "a received descriptor comes as a bare number")]
fn owned(number: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(number) }
}
