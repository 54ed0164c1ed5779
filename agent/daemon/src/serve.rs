//! agent.sock: one JSON request a line, one reply a line, a descriptor with a console.
//!
//! Clients are believed by SO_PEERCRED: root may ask everything, the network front its own list. Lines, connections and time are bounded; nothing is ever
//! received but bytes: there is no room for a descriptor.

use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{Group, Uid, User, chown};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::timeout;
use xenwarden_model::front::{CALL_MAX, Call, WAIT_MAX_MS};
use xenwarden_model::{REPLY_MAX, REQUEST_MAX, Refusal, RefusalCode, Reply};

use crate::config::Agent as Settings;
use crate::event::{Question, Request};
use crate::finish::Finished;
use crate::front::OpenConsole;

/// The socket, below the run folder.
const SOCKET: &str = "agent.sock";
/// Clients at once; one more is closed at accept.
pub(crate) const CLIENTS_MAX: usize = 64;
/// Clients of the network front's at once: it has one for each call, for each of its own clients that
/// waits for a change, and for each console that it has open.
const FRONT_CLIENTS_MAX: usize = 4096;
/// Consoles among them at once: the rest is for calls.
pub(crate) const FRONT_CONSOLES_MAX: u32 = 3000;
/// How long a request may take from its first byte to its last.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long a client may stay without asking.
const IDLE_TIME: Duration = Duration::from_secs(300);
/// How long the agent may take for a draft: only what waits for something else to happen takes long.
const DRAFT_TIME: Duration = Duration::from_secs(60);
/// How long a client may take to read a reply.
const REPLY_TIME: Duration = Duration::from_secs(30);
/// The pause after an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are read at once.
const CHUNK: usize = 4096;
/// The longest word on why a console closes.
const CLOSE_MAX: usize = 256;

/// Why nobody could be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The socket can't be had.
    #[error("listen at {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such group or user.
    #[error("[agent] {key} = \"{name}\": there is no such {key}")]
    Unknown {
        /// `group` or `user`.
        key: &'static str,
        /// The name.
        name: String,
    },
}

/// Who is served.
#[derive(Debug, Clone, Copy)]
struct Served {
    /// The network front's user, beside root.
    front: Option<Uid>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Root,
    Front,
}

impl Client {
    /// The longest request of such a client, in bytes.
    fn request_max(self) -> usize {
        match self {
            Self::Root => REQUEST_MAX,
            Self::Front => CALL_MAX,
        }
    }

    fn read(self, line: &[u8]) -> serde_json::Result<Request> {
        match self {
            Self::Root => serde_json::from_slice(line).map(Request::Ask),
            Self::Front => serde_json::from_slice(line).map(Request::Call),
        }
    }
}

/// Listens, and serves clients from now on.
pub(crate) fn listen(
    settings: &Settings,
    questions: mpsc::Sender<Question>,
) -> Result<(), ServeError> {
    let path = settings.run_dir.join(SOCKET);
    let group = settings.group.as_deref().map(find_group).transpose()?;
    let front = settings.user.as_deref().map(find_user).transpose()?;
    let listener = bind(&settings.run_dir, &path, group)
        .map_err(|source| ServeError::Listen { path, source })?;
    spawn_local(accept(listener, Served { front }, questions));
    Ok(())
}

/// A group by name, or by number where no name is given to it.
fn find_group(name: &str) -> Result<nix::unistd::Gid, ServeError> {
    if let Ok(number) = name.parse() {
        return Ok(nix::unistd::Gid::from_raw(number));
    }
    let found = Group::from_name(name).ok().flatten().map(|group| group.gid);
    found.ok_or_else(|| ServeError::Unknown { key: "group", name: name.to_owned() })
}

/// A user by name, or by number where no name is given to it.
fn find_user(name: &str) -> Result<Uid, ServeError> {
    if let Ok(number) = name.parse() {
        return Ok(Uid::from_raw(number));
    }
    let found = User::from_name(name).ok().flatten().map(|user| user.uid);
    found.ok_or_else(|| ServeError::Unknown { key: "user", name: name.to_owned() })
}

fn bind(run_dir: &Path, path: &Path, group: Option<nix::unistd::Gid>) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // By a short name, whatever the run folder is called: a socket's name has 107 bytes at most.
    let folder = fs::File::open(run_dir)?;
    let listener = StdListener::bind(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))?;
    if group.is_some() {
        chown(path, None, group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn accept(listener: UnixListener, served: Served, questions: mpsc::Sender<Question>) {
    let roots_places = Rc::new(Semaphore::new(CLIENTS_MAX));
    let fronts_places = Rc::new(Semaphore::new(FRONT_CLIENTS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "can't accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let uid = match stream.peer_cred() {
            Ok(peer) => Uid::from_raw(peer.uid()),
            Err(_) => continue,
        };
        let (client, places) = match uid {
            root if root.is_root() => (Client::Root, &roots_places),
            front if served.front == Some(front) => (Client::Front, &fronts_places),
            _ => {
                tracing::warn!(%uid, "a client of this user is not served");
                continue;
            }
        };
        let places = Rc::clone(places);
        let questions = questions.clone();
        // With no place left the stream is dropped, which closes it.
        if places.available_permits() > 0 {
            spawn_local(async move {
                if let Ok(_place) = places.try_acquire() {
                    // How a client goes is its own business.
                    let _ = serve(stream, client, uid, questions).await;
                }
            });
        }
    }
}

async fn serve(
    mut stream: UnixStream,
    client: Client,
    by: Uid,
    questions: mpsc::Sender<Question>,
) -> io::Result<()> {
    let mut read = Vec::new();
    loop {
        let line = match read_line(&mut stream, &mut read, client.request_max(), Some(IDLE_TIME))
            .await?
        {
            Line::Whole(line) => line,
            Line::End => return Ok(()),
            Line::TooLong => {
                let message = format!("the request has more than {} bytes", client.request_max());
                let code = RefusalCode::TooLong;
                return send(&mut stream, &Reply::Refused(Refusal { code, message }), None).await;
            }
        };
        match client.read(&line) {
            Ok(request) => {
                let waits = matches!(request, Request::Call(Call::Wait { .. }));
                let (limit, late) = patience(&request);
                let (asker, draft) = oneshot::channel();
                let asked = questions.send(Question { request, by, asker }).await;
                let drafted = match asked {
                    Ok(()) if waits => unless_gone(&stream, timeout(limit, draft)).await,
                    Ok(()) => Some(timeout(limit, draft).await),
                    Err(_) => return Ok(()),
                };
                let Finished { reply, descriptor, open } = match drafted {
                    Some(Ok(Ok(draft))) => draft.finish().await,
                    Some(Ok(Err(_))) | None => return Ok(()),
                    Some(Err(_)) => late.into(),
                };
                send(&mut stream, &reply, descriptor).await?;
                if let Some(open) = open {
                    return stay_open(&mut stream, read, open).await;
                }
            }
            Err(error) => {
                let message = format!("the request is none: {error}");
                let code = RefusalCode::Malformed;
                return send(&mut stream, &Reply::Refused(Refusal { code, message }), None).await;
            }
        }
    }
}

/// Serves a connection that has a console open, which ends with it: the agent may say why the console
/// closes, and so may the front, once each.
async fn stay_open(
    stream: &mut UnixStream,
    mut read: Vec<u8>,
    mut open: OpenConsole,
) -> io::Result<()> {
    let mut is_told = false;
    loop {
        let said = read_line(stream, &mut read, CLOSE_MAX, None);
        tokio::select! {
            // Dropped when the agent is told first: what it has read of a line is in `read`.
            line = said => {
                if let Line::Whole(line) = line?
                    && let Ok(Call::Close { closing }) = serde_json::from_slice(&line)
                {
                    open.closed_for(closing);
                }
                return Ok(());
            }
            closing = open.told(), if !is_told => {
                is_told = true;
                send(stream, &Reply::Closed(closing), None).await?;
            }
        }
    }
}

/// How long a draft may take, and what is said when it takes longer.
fn patience(request: &Request) -> (Duration, Reply) {
    match request {
        Request::Call(Call::Wait { since, limit_ms, .. }) => {
            let limit = (*limit_ms).min(WAIT_MAX_MS);
            (Duration::from_millis(limit.into()), Reply::Moment(*since))
        }
        Request::Ask(_) | Request::Call(_) => {
            let message = format!("it was not so within {} s", DRAFT_TIME.as_secs());
            (DRAFT_TIME, Reply::Refused(Refusal { code: RefusalCode::Failed, message }))
        }
    }
}

/// What comes, unless the client has said before that it sends no more: the front does so only when
/// it has gone.
async fn unless_gone<T>(stream: &UnixStream, coming: impl Future<Output = T>) -> Option<T> {
    let gone = async {
        // Readable is also who has sent its next request already: such a one is still there.
        match stream.ready(Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => std::future::pending().await,
            Ok(_) | Err(_) => (),
        }
    };
    tokio::select! {
        came = coming => Some(came),
        () = gone => None,
    }
}

/// What was read of a client.
enum Line {
    Whole(Vec<u8>),
    End,
    TooLong,
}

/// Reads up to a line's end. A client that is silent, or stops half-way, is let go.
async fn read_line(
    stream: &mut UnixStream,
    read: &mut Vec<u8>,
    length_max: usize,
    idle: Option<Duration>,
) -> io::Result<Line> {
    let mut began = None;
    loop {
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let rest = read.split_off(end + 1);
            let mut line = std::mem::replace(read, rest);
            line.pop();
            return Ok(Line::Whole(line));
        }
        if read.len() > length_max {
            return Ok(Line::TooLong);
        }
        if !read.is_empty() {
            began.get_or_insert_with(tokio::time::Instant::now);
        }
        let patience = match began {
            Some(began) => REQUEST_TIME.saturating_sub(began.elapsed()),
            None => idle.unwrap_or(Duration::MAX),
        };
        let mut chunk = [0; CHUNK];
        // Without room for control data the kernel drops any descriptor that a client sends.
        match timeout(patience, stream.read(&mut chunk)).await {
            Ok(Ok(0)) | Err(_) => return Ok(Line::End),
            Ok(Ok(length)) => read.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Ok(Err(error)) => return Err(error),
        }
    }
}

async fn send(
    stream: &mut UnixStream,
    reply: &Reply,
    descriptor: Option<OwnedFd>,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    if line.len() >= REPLY_MAX {
        let message = format!("the reply has more than {REPLY_MAX} bytes");
        line = serde_json::to_vec(&Reply::Refused(Refusal { code: RefusalCode::Failed, message }))?;
    }
    line.push(b'\n');
    let sent = async {
        let first = match &descriptor {
            Some(descriptor) => send_with(stream, &line, descriptor).await?,
            None => 0,
        };
        stream.write_all(line.get(first..).unwrap_or_default()).await
    };
    timeout(REPLY_TIME, sent).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// Sends the first bytes together with a descriptor; how many they were.
async fn send_with(stream: &UnixStream, bytes: &[u8], descriptor: &OwnedFd) -> io::Result<usize> {
    let numbers = [descriptor.as_raw_fd()];
    let send = || {
        let control = [ControlMessage::ScmRights(&numbers)];
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        Ok(sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(bytes)], &control, flags, None)?)
    };
    stream.async_io(Interest::WRITABLE, send).await
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream as StdStream;

    use tokio::task::LocalSet;
    use xenwarden_model::{Ask, ConsoleOpened, ConsoleProtocol};

    use super::*;
    use crate::answer::Draft;

    /// Serves one client that sends `sent` and says no more; what it hears.
    fn converse_as(client: Client, sent: Vec<u8>) -> Vec<u8> {
        let (ours, mut theirs) = StdStream::pair().unwrap();
        let thread = std::thread::spawn(move || {
            let mut heard = Vec::new();
            // A server that has heard enough may close first.
            let _ = theirs.write_all(&sent);
            let _ = theirs.shutdown(std::net::Shutdown::Write);
            theirs.read_to_end(&mut heard).map(|_| heard)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (questions, mut asked) = mpsc::channel::<Question>(1);
            spawn_local(async move {
                while let Some(Question { request, asker, .. }) = asked.recv().await {
                    let reply = match request {
                        Request::Ask(Ask::Status) => Reply::Done,
                        other => panic!("{other:?}"),
                    };
                    asker.send(Draft::Whole(reply)).unwrap();
                }
            });
            ours.set_nonblocking(true).unwrap();
            let us = Uid::current();
            let _ = serve(UnixStream::from_std(ours).unwrap(), client, us, questions).await;
        });
        thread.join().unwrap().unwrap_or_default()
    }

    fn converse(sent: Vec<u8>) -> Vec<u8> {
        converse_as(Client::Root, sent)
    }

    const DONE: &str = "{\"reply\":\"done\"}\n";

    #[test]
    fn each_request_is_answered_in_order() {
        let heard = converse(b"{\"ask\":\"status\"}\n{\"ask\":\"status\"}\n".to_vec());
        assert_eq!(String::from_utf8(heard).unwrap(), DONE.repeat(2));
    }

    #[test]
    fn nonsense_ends_the_connection_with_a_reason() {
        for nonsense in
            [&b"\n"[..], b"hello\n", b"{\"ask\":\"reboot\"}\n", b"\xff\xfe\n", b"[[[[\n"]
        {
            let then = [nonsense, b"{\"ask\":\"status\"}\n"].concat();
            let heard = String::from_utf8(converse(then)).unwrap();
            assert!(heard.contains("malformed") && heard.lines().count() == 1, "{heard}");
        }
    }

    #[test]
    fn an_overlong_request_is_refused_before_it_is_whole() {
        let heard = String::from_utf8(converse(vec![b'x'; REQUEST_MAX + CHUNK + 1])).unwrap();
        // The client may hear of a reset instead, as it wrote what nobody read.
        assert!(heard.is_empty() || heard.contains("too-long"), "{heard}");
    }

    #[test]
    fn the_front_has_its_own_list_and_root_has_not() {
        let asked = converse_as(Client::Front, b"{\"ask\":\"status\"}\n".to_vec());
        assert!(String::from_utf8(asked).unwrap().contains("malformed"));
        let call = b"{\"call\":\"logout\",\"session\":\"OpaqueRef:00000000-0000-0000-0000-000000000001\"}\n";
        assert!(String::from_utf8(converse(call.to_vec())).unwrap().contains("malformed"));
    }

    #[test]
    fn half_a_request_is_no_request() {
        assert_eq!(converse(b"{\"ask\":\"stat".to_vec()), b"");
    }

    #[tokio::test]
    async fn a_descriptor_comes_with_the_first_byte_of_its_reply() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (one, mut other) = StdStream::pair().unwrap();
        let reply = Reply::Console(ConsoleOpened {
            name_label: "web".into(),
            domid: 1,
            host: "h".into(),
            other_viewers: 0,
            view_only: false,
            protocol: ConsoleProtocol::Rfb,
            reading: None,
        });
        send(&mut ours, &reply, Some(one.into())).await.unwrap();
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        let mut byte = [0];
        let mut parts = [io::IoSliceMut::new(&mut byte)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = nix::sys::socket::recvmsg::<()>(
            theirs.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            flags,
        );
        let descriptors = message.unwrap().cmsgs().unwrap().count();
        assert_eq!(descriptors, 1);
        // Received, it is the open other end: writing to it does not fail.
        other.write_all(b"x").unwrap();
    }
}
