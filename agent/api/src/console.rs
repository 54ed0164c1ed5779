//! `CONNECT /console`: from a request to bytes that go both ways.
//!
//! The reply's head is a write of its own, after the console has taken the viewer: clients take
//! their first read for the whole of it, and a dead console is an error, not silence.

use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream as StdStream;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::UnixStream;
use xenwarden_model::front::{Call, Password};
use xenwarden_model::{Refusal, RefusalCode, Reply as Answer, SessionKey};

use crate::agent::{Agent, Console};
use crate::head::Head;
use crate::http::{Connection, FORBIDDEN, INTERNAL, LIMIT, NOT_FOUND, Reply, Status, UNAUTHORISED};
use crate::request::{Place, basic, parameter};

/// What a viewer is told, byte for byte as in the original, for HTTP/1.0 as well.
const OPENED: &[u8] =
    b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nCache-Control: no-cache, no-store\r\n\r\n";
/// Bytes on their way to the console: keystrokes, and what is pasted.
const TO_CONSOLE: usize = 4 * 1024;
/// Bytes on their way to the viewer.
const TO_VIEWER: usize = 16 * 1024;

/// Serves a `CONNECT`, to its end.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<S>,
    head: &Head,
    address: IpAddr,
    agent: &Agent,
) -> io::Result<()> {
    match open(head, address, agent).await {
        Ok(console) => {
            let (mut stream, typed_ahead) = connection.into_parts();
            // Before any byte of the console's, and on its way before them.
            stream.write_all(OPENED).await?;
            stream.flush().await?;
            relay(stream, &typed_ahead, console).await
        }
        Err(reply) => connection.send(*reply, false).await,
    }
}

async fn relay<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    typed_ahead: &[u8],
    console: Console,
) -> io::Result<()> {
    let socket = StdStream::from(console.socket);
    socket.set_nonblocking(true)?;
    // A QEMU's is a TCP socket, which reads and writes alike.
    let mut socket = UnixStream::from_std(socket)?;
    socket.write_all(typed_ahead).await?;
    copy_bidirectional_with_sizes(&mut stream, &mut socket, TO_CONSOLE, TO_VIEWER).await?;
    Ok(())
}

async fn open(head: &Head, address: IpAddr, agent: &Agent) -> Result<Console, Box<Reply>> {
    let place = Place::parse(&head.target);
    if place.path.trim_end_matches('/') != "/console" {
        return Err(Box::new(Reply::error(FORBIDDEN, "There is nothing to connect to here.")));
    }
    let (session, is_own) = session(head, &place, address, agent).await?;
    let opened = match place.target() {
        Some(Ok(target)) => {
            agent.open(&Call::Open { session, target, address }).await.map_err(|no| refuse(&no))
        }
        Some(Err(text)) => {
            let why = format!("{} is neither a reference nor a uuid", text.escape_debug());
            Err(Box::new(Reply::error(INTERNAL, &why)))
        }
        None => Err(Box::new(Reply::error(INTERNAL, "Neither ref nor uuid was given."))),
    };
    if is_own {
        // It was opened for this console; it stays on the agent's books no longer than needed.
        let _ = agent.ask(&Call::Logout { session }).await;
    }
    opened
}

/// The session that the request names, or a new one by a Basic log-in: then it is this request's own.
async fn session(
    head: &Head,
    place: &Place,
    address: IpAddr,
    agent: &Agent,
) -> Result<(SessionKey, bool), Box<Reply>> {
    let unauthorised = |why| {
        let challenge = "Basic realm=\"connect_console\"";
        Box::new(Reply::error(UNAUTHORISED, why).with("WWW-Authenticate", challenge))
    };
    if let Some(text) = parameter(head, place, "session_id") {
        let key = text.parse().map_err(|_| unauthorised("There is no such session."))?;
        return Ok((key, false));
    }
    let Some((user, password)) = basic(head) else {
        return Err(unauthorised("Neither a session nor a log-in was given."));
    };
    let password = Password(password);
    let originator = "console using Basic auth".to_owned();
    match agent.ask(&Call::Login { user, password, address, originator }).await {
        Ok(Answer::Opened(opened)) => Ok((opened.session, true)),
        Ok(_) => Err(Box::new(Reply::error(INTERNAL, "The agent gave no session."))),
        Err(refusal) => Err(match refusal.code {
            RefusalCode::WrongPassword | RefusalCode::Slowed => unauthorised(&refusal.message),
            _ => refuse(&refusal),
        }),
    }
}

/// The error table of the original, with words.
fn refuse(refusal: &Refusal) -> Box<Reply> {
    let status: Status = match refusal.code {
        RefusalCode::NoSession | RefusalCode::WrongPassword | RefusalCode::Slowed => UNAUTHORISED,
        RefusalCode::Forbidden => FORBIDDEN,
        RefusalCode::NoConsole => NOT_FOUND,
        RefusalCode::ViewerLimit => LIMIT,
        RefusalCode::UnknownVm
        | RefusalCode::UnknownNic
        | RefusalCode::UnknownObject
        | RefusalCode::Halted
        | RefusalCode::Malformed
        | RefusalCode::Exists
        | RefusalCode::Running
        | RefusalCode::RecordLimit
        | RefusalCode::TooLong
        | RefusalCode::Failed => INTERNAL,
    };
    let reply = Reply::error(status, &refusal.message);
    Box::new(match status {
        UNAUTHORISED => reply.with("WWW-Authenticate", "Basic realm=\"connect_console\""),
        _ => reply,
    })
}
