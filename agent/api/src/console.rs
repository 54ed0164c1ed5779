//! `CONNECT /console`, and the WebSocket of the same URL: from a request to an open console.
//!
//! The reply's head is a write of its own, after the console has taken the viewer: clients take
//! their first read for the whole of it, and a dead console is an error, not silence. What happens
//! then is in [`crate::relay`].

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use xenwarden_model::front::{Call, Password};
use xenwarden_model::{Reading, Refusal, RefusalCode, Reply as Answer, SessionKey};

use crate::agent::{Agent, Console};
use crate::head::Head;
use crate::http::{Connection, FORBIDDEN, INTERNAL, LIMIT, NOT_FOUND, Reply, Status, UNAUTHORISED};
use crate::relay::{self, Transport};
use crate::request::{Place, basic, parameter};
use crate::upgrade::{Subprotocol, Upgrade};
use crate::websocket::WebSocket;

/// What a viewer is told, byte for byte as in the original, for HTTP/1.0 as well.
const OPENED: &[u8] =
    b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nCache-Control: no-cache, no-store\r\n\r\n";
/// Where the guest's bytes begin, for a viewer that counts them.
const POSITION: &str = "Xenwarden-Position";
/// How long a page may take to read why it has no console.
const REFUSAL_TIME: Duration = Duration::from_secs(2);
/// A refused console's close code is this and the status that other clients get.
const REFUSED: u16 = 4000;

/// What every console is opened with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewing<'v> {
    pub(crate) agent: &'v Agent,
    /// Where the viewer is.
    pub(crate) address: IpAddr,
    /// How long it may be idle.
    pub(crate) idle: Option<Duration>,
}

/// A console that is not opened: a status for clients, and the words.
struct Refused {
    status: Status,
    why: String,
}

impl Viewing<'_> {
    /// Serves a `CONNECT`, to its end.
    pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        mut connection: Connection<S>,
        head: &Head,
    ) -> io::Result<()> {
        match self.open(head).await {
            Ok(console) => {
                let (mut stream, typed_ahead) = connection.into_parts();
                // Before any byte of the console's, and on its way before them.
                stream.write_all(&with_reading(OPENED, console.opened.reading)).await?;
                stream.flush().await?;
                relay::run(stream, typed_ahead, Transport::Raw, console, self.idle).await
            }
            Err(refused) => connection.send(refused.reply(), false).await,
        }
    }

    /// Serves a WebSocket, to its end.
    pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        mut connection: Connection<S>,
        head: &Head,
        upgrade: &Upgrade,
    ) -> io::Result<()> {
        let opened = self.open(head).await;
        match opened {
            Err(refused) if upgrade.subprotocol != Subprotocol::Page => {
                return connection.send(refused.reply(), false).await;
            }
            Ok(_) | Err(_) => {}
        }
        let (mut stream, typed_ahead) = connection.into_parts();
        let reading = opened.as_ref().ok().and_then(|console| console.opened.reading);
        stream.write_all(&with_reading(upgrade.response().as_bytes(), reading)).await?;
        stream.flush().await?;
        let mut websocket = Box::new(WebSocket::new());
        if let (Some(Reading { at, repaint }), Subprotocol::Page) = (reading, upgrade.subprotocol) {
            // A script sees no header; a number of its own is less than a position.
            websocket.say(&format!("{{\"at\":\"{at}\",\"repaint\":{repaint}}}"));
            stream.write_all(&websocket.take_output()).await?;
            stream.flush().await?;
        }
        match opened {
            Ok(console) => {
                let transport = Transport::WebSocket(websocket);
                relay::run(stream, typed_ahead, transport, console, self.idle).await
            }
            Err(refused) => {
                let Status(status, _) = refused.status;
                websocket.close(REFUSED + status, &refused.why);
                let told = async {
                    stream.write_all(&websocket.take_output()).await?;
                    stream.shutdown().await
                };
                timeout(REFUSAL_TIME, told).await.unwrap_or(Ok(()))
            }
        }
    }

    async fn open(self, head: &Head) -> Result<Console, Refused> {
        let Self { agent, address, .. } = self;
        let refuse = |status, why: &str| Err(Refused { status, why: why.to_owned() });
        let place = Place::parse(&head.target);
        if !is_console(&place) {
            return refuse(FORBIDDEN, "There is nothing to connect to here.");
        }
        let (session, is_own) = session(head, &place, address, agent).await?;
        let view_only = place.query("view") == Some("only");
        // What is no position is one that nobody has kept.
        let from = place.query("from").map(|text| text.parse().unwrap_or(0));
        let opened = match place.target() {
            Some(Ok(target)) => {
                let call = Call::Open { session, target, address, view_only, from };
                agent.open(&call).await.map_err(Refused::from)
            }
            Some(Err(text)) => {
                let why = format!("{} is neither a reference nor a uuid", text.escape_debug());
                refuse(INTERNAL, &why)
            }
            None => refuse(INTERNAL, "Neither ref nor uuid was given."),
        };
        if is_own {
            // It was opened for this console; it stays on the agent's books no longer than needed.
            let _ = agent.ask(&Call::Logout { session }).await;
        }
        opened
    }
}

/// A response's head that tells a viewer which counts bytes what its own begin with.
fn with_reading(head: &[u8], reading: Option<Reading>) -> Vec<u8> {
    let mut told = head.to_vec();
    if let Some(Reading { at, repaint }) = reading {
        told.truncate(head.len() - b"\r\n".len());
        told.extend(format!("{POSITION}: {at}; repaint={repaint}\r\n\r\n").into_bytes());
    }
    told
}

/// Whether a path is where consoles are.
pub(crate) fn is_console(place: &Place) -> bool {
    place.path.trim_end_matches('/') == "/console"
}

/// The session that the request names, or a new one by a Basic log-in: then it is this request's own.
async fn session(
    head: &Head,
    place: &Place,
    address: IpAddr,
    agent: &Agent,
) -> Result<(SessionKey, bool), Refused> {
    let unauthorised = |why: &str| Refused { status: UNAUTHORISED, why: why.to_owned() };
    if let Some(text) = parameter(head, place, "session_id") {
        let key = text.parse().map_err(|_| unauthorised("There is no such session."))?;
        return Ok((key, false));
    }
    let Some((user, password)) = basic(head) else {
        return Err(unauthorised("Neither a session nor a log-in was given."));
    };
    let password = Password(password);
    let originator = "console using Basic auth".to_owned();
    match agent.ask(&Call::Login { user, password, address, originator }).await? {
        Answer::Opened(opened) => Ok((opened.session, true)),
        _ => Err(Refused { status: INTERNAL, why: "The agent gave no session.".to_owned() }),
    }
}

/// The error table of the original, with words.
impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            RefusalCode::NoSession | RefusalCode::WrongPassword | RefusalCode::Slowed => {
                UNAUTHORISED
            }
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
        Self { status, why: refusal.message }
    }
}

impl Refused {
    fn reply(&self) -> Reply {
        let reply = Reply::error(self.status, &self.why);
        match self.status {
            UNAUTHORISED => reply.with("WWW-Authenticate", "Basic realm=\"connect_console\""),
            _ => reply,
        }
    }
}
