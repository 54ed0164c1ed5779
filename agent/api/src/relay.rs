//! An open console: bytes both ways until somebody ends it, and the reason told to all.
//!
//! How the console was asked for is in [`crate::console`].

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use xenwarden_model::{Closing, ConsoleProtocol};

use crate::agent::Console;
use crate::viewer::Viewer;
use crate::websocket::{State, WebSocket};

/// Bytes on their way to the console: keystrokes, and what is pasted.
const TO_CONSOLE: usize = 4 * 1024;
/// Bytes on their way to the viewer.
const TO_VIEWER: usize = 16 * 1024;
/// How often a WebSocket is asked whether its client is still there ...
const PING_EVERY: Duration = Duration::from_secs(30);
/// ... and how long it may be silent then.
const SILENT_MAX: Duration = Duration::from_secs(90);
/// Answers to a WebSocket's client that wait for it to read.
const ANSWERS_MAX: usize = 4 * 1024;
/// How long a console's last words may take after the agent has said why it closes.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the agent may take to know why: a guest's end is a reboot when its VM is back soon.
const WHY_TIME: Duration = Duration::from_secs(3);
/// How long a client may take to read why, and to answer.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What is between the network and the console's bytes.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Nothing: CONNECT.
    Raw,
    /// A WebSocket.
    WebSocket(Box<WebSocket>),
}

/// The code of a WebSocket's close frame: a page's script and a person's log know why.
pub(crate) fn code(closing: Closing) -> u16 {
    match closing {
        Closing::Left => 1000,
        Closing::Malformed => 1008,
        Closing::Ended => 4000,
        Closing::ShutDown => 4001,
        Closing::Rebooted => 4002,
        Closing::Moved => 4003,
        Closing::Off => 4004,
        Closing::Restarts => 4005,
        Closing::Idle => 4006,
    }
}

/// What both directions share.
struct Shared {
    websocket: Option<RefCell<Box<WebSocket>>>,
    viewer: RefCell<Viewer>,
    /// Output that no byte of the console's has caused.
    output: Notify,
    /// That has been taken.
    taken: Notify,
    heard_at: Cell<Instant>,
    typed_at: Cell<Instant>,
}

/// Serves a viewer to the end of its console. `typed_ahead` came right behind the request.
pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    typed_ahead: Vec<u8>,
    transport: Transport,
    console: Console,
    idle: Option<Duration>,
) -> io::Result<()> {
    let Console { socket, mut note, opened } = console;
    let socket = StdStream::from(socket);
    socket.set_nonblocking(true)?;
    // A QEMU's is a TCP socket, which reads and writes alike.
    let (console_read, console_write) = UnixStream::from_std(socket)?.into_split();
    let now = Instant::now();
    let shared = Shared {
        websocket: match transport {
            Transport::Raw => None,
            Transport::WebSocket(websocket) => Some(RefCell::new(websocket)),
        },
        viewer: RefCell::new(Viewer::new(opened.protocol, opened.view_only)),
        output: Notify::new(),
        taken: Notify::new(),
        heard_at: Cell::new(now),
        typed_at: Cell::new(now),
    };
    let (closing, told_by_agent) = {
        let (client_read, client_write) = split(&mut stream);
        let mut up = pin!(shared.to_console(client_read, typed_ahead, console_write));
        let mut down = pin!(shared.to_viewer(console_read, client_write));
        let mut why = pin!(note.closing());
        let first = tokio::select! {
            closing = &mut up => (closing, false),
            closing = &mut down => (closing, false),
            closing = &mut why => {
                // Its last picture, or its last words.
                let _ = timeout(LAST_WORDS, &mut down).await;
                (closing, true)
            }
            () = shared.idle(idle) => (Closing::Idle, false),
        };
        match first {
            // Only a WebSocket can say it; others are better off to come again at once.
            (Closing::Ended, false) if shared.websocket.is_some() => {
                match timeout(WHY_TIME, &mut why).await {
                    Ok(closing) => (closing, true),
                    Err(_) => (Closing::Ended, false),
                }
            }
            other => other,
        }
    };
    if !told_by_agent {
        note.say(closing).await;
    }
    let farewell = async {
        match &shared.websocket {
            Some(websocket) => say_close(&mut stream, websocket, closing).await,
            None => {
                // The console itself has said why it ends; text has room for what is ours.
                if opened.protocol == ConsoleProtocol::Vt100 && closing == Closing::Idle {
                    let line = format!("\r\n-- closed: {} --\r\n", closing.sentence());
                    stream.write_all(line.as_bytes()).await?;
                }
                stream.shutdown().await
            }
        }
    };
    timeout(CLOSE_TIME, farewell).await.unwrap_or(Ok(()))
}

/// Sends a close frame, and reads until the client has answered it or has gone.
async fn say_close<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    websocket: &RefCell<Box<WebSocket>>,
    closing: Closing,
) -> io::Result<()> {
    let output = {
        let mut websocket = websocket.borrow_mut();
        websocket.close(code(closing), closing.sentence());
        websocket.take_output()
    };
    stream.write_all(&output).await?;
    stream.flush().await?;
    if closing == Closing::Left {
        return stream.shutdown().await;
    }
    let (mut chunk, mut dropped) = ([0; TO_CONSOLE], Vec::new());
    loop {
        let length = stream.read(&mut chunk).await?;
        let bytes = chunk.get(..length).unwrap_or_default();
        dropped.clear();
        if bytes.is_empty() || websocket.borrow_mut().receive(bytes, &mut dropped) != State::Open {
            break;
        }
    }
    stream.shutdown().await
}

impl Shared {
    /// Takes what the viewer sends, until one of both ends.
    async fn to_console(
        &self,
        mut client: impl AsyncRead + Unpin,
        typed_ahead: Vec<u8>,
        mut console: OwnedWriteHalf,
    ) -> Closing {
        let (mut payload, mut passed) = (Vec::new(), Vec::new());
        let mut bytes = typed_ahead;
        loop {
            payload.clear();
            passed.clear();
            let state = match &self.websocket {
                Some(websocket) => {
                    let state = websocket.borrow_mut().receive(&bytes, &mut payload);
                    self.output.notify_one();
                    // Who sends pings and reads no answers is not read any more.
                    while websocket.borrow().waiting() > ANSWERS_MAX {
                        self.taken.notified().await;
                    }
                    state
                }
                None => {
                    payload.extend_from_slice(&bytes);
                    State::Open
                }
            };
            match self.viewer.borrow_mut().hear(&payload, &mut passed) {
                Ok(true) => self.typed_at.set(Instant::now()),
                Ok(false) => {}
                Err(_) => return Closing::Malformed,
            }
            if console.write_all(&passed).await.is_err() {
                return Closing::Ended;
            }
            match state {
                State::Open => {}
                State::Closed => return Closing::Left,
                State::Broken => return Closing::Malformed,
            }
            bytes.resize(TO_CONSOLE, 0);
            match client.read(&mut bytes).await {
                Ok(length) if length > 0 => bytes.truncate(length),
                // A client that says no more has gone: none of them half-closes.
                Ok(_) | Err(_) => return Closing::Left,
            }
            self.heard_at.set(Instant::now());
        }
    }

    /// Sends what the console shows, until one of both ends.
    async fn to_viewer(
        &self,
        mut console: OwnedReadHalf,
        mut client: impl AsyncWrite + Unpin,
    ) -> Closing {
        let mut buffer = vec![0; TO_VIEWER];
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        loop {
            let mut shown = 0;
            tokio::select! {
                length = console.read(&mut buffer) => match length {
                    Ok(length) if length > 0 => shown = length,
                    Ok(_) | Err(_) => return Closing::Ended,
                },
                () = self.output.notified(), if self.websocket.is_some() => {}
                _ = pings.tick(), if self.websocket.is_some() => {
                    if self.heard_at.get().elapsed() > SILENT_MAX {
                        return Closing::Left;
                    }
                    if let Some(websocket) = &self.websocket {
                        websocket.borrow_mut().ping();
                    }
                }
            }
            let bytes = buffer.get(..shown).unwrap_or_default();
            self.viewer.borrow_mut().shown(bytes);
            let sent = match &self.websocket {
                Some(websocket) => {
                    let output = {
                        let mut websocket = websocket.borrow_mut();
                        if !bytes.is_empty() {
                            websocket.send(bytes);
                        }
                        websocket.take_output()
                    };
                    self.taken.notify_one();
                    client.write_all(&output).await
                }
                None => client.write_all(bytes).await,
            };
            if sent.is_err() || client.flush().await.is_err() {
                return Closing::Left;
            }
        }
    }

    /// Waits until nobody has typed for so long.
    async fn idle(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return pending().await };
        loop {
            let end = self.typed_at.get() + limit;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

#[cfg(test)]
mod tests;
