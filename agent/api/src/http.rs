//! HTTP/1.0 and 1.1 on a stream: heads with a deadline, bounded bodies, replies.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::head::{Head, Parsed};

/// How long a head may take, from the connection's begin or the request's first byte.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may wait for its next request.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(60);
/// How long a client may take to read a reply.
const REPLY_TIME: Duration = Duration::from_secs(60);
/// The longest body of a call, as in the original (300 KiB).
pub(crate) const BODY_MAX: usize = 300 * 1024;
/// Bytes that are read at once.
const CHUNK: usize = 4096;
/// The longest line of a chunked body: a size, and extensions that nobody reads.
const CHUNK_LINE_MAX: usize = 256;

/// A status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u16, pub(crate) &'static str);

pub(crate) const BAD_REQUEST: Status = Status(400, "Bad Request");
pub(crate) const UNAUTHORISED: Status = Status(401, "Unauthorised");
pub(crate) const FORBIDDEN: Status = Status(403, "Forbidden");
pub(crate) const NOT_FOUND: Status = Status(404, "Not Found");
pub(crate) const TIME_OUT: Status = Status(408, "Request Timeout");
pub(crate) const TOO_LONG: Status = Status(413, "Content Too Large");
pub(crate) const UPGRADE_REQUIRED: Status = Status(426, "Upgrade Required");
pub(crate) const HEAD_TOO_LARGE: Status = Status(431, "Request Header Fields Too Large");
pub(crate) const INTERNAL: Status = Status(500, "Internal Error");
pub(crate) const NOT_IMPLEMENTED: Status = Status(501, "Method Not Implemented");
pub(crate) const LIMIT: Status = Status(503, "Connection Limit Exceeded");
pub(crate) const OK: Status = Status(200, "OK");

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: Status,
    pub(crate) kind: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// An error, as a small page.
    pub(crate) fn error(status: Status, why: &str) -> Self {
        let mut shown = String::new();
        for character in why.chars() {
            match character {
                '<' => shown.push_str("&lt;"),
                '>' => shown.push_str("&gt;"),
                '&' => shown.push_str("&amp;"),
                other => shown.push(other),
            }
        }
        let Status(code, words) = status;
        let body = format!(
            "<html><head><title>{code} {words}</title></head>\
             <body><h1>{code} {words}</h1>{shown}</body></html>\n"
        );
        Self { status, kind: "text/html", headers: Vec::new(), body: body.into_bytes() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a client sent.
#[derive(Debug)]
pub(crate) enum Sent {
    Head(Head),
    /// It has gone, or was silent for so long that it may go.
    Nothing,
    /// An error to be told before the connection ends.
    Wrong(Status),
}

/// A connection: a stream, and what was read of it and not used.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    read: Vec<u8>,
    is_first: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new(), is_first: true }
    }

    /// The stream, and what the client has sent after the last head.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.read)
    }

    /// Reads the next head.
    pub(crate) async fn head(&mut self) -> io::Result<Sent> {
        let wait = if self.is_first || !self.read.is_empty() { HEAD_TIME } else { IDLE_TIME };
        self.is_first = false;
        let mut deadline = Instant::now() + wait;
        loop {
            match Head::parse(&self.read) {
                Parsed::Whole(head, length) => {
                    self.read.drain(..length);
                    return Ok(Sent::Head(head));
                }
                Parsed::TooLarge => return Ok(Sent::Wrong(HEAD_TOO_LARGE)),
                Parsed::Malformed => return Ok(Sent::Wrong(BAD_REQUEST)),
                Parsed::Partial => {}
            }
            let was_empty = self.read.is_empty();
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(0)) => return Ok(Sent::Nothing),
                Ok(Ok(_)) if was_empty => deadline = deadline.min(Instant::now() + HEAD_TIME),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) if self.read.is_empty() && wait == IDLE_TIME => return Ok(Sent::Nothing),
                Err(_) => return Ok(Sent::Wrong(TIME_OUT)),
            }
        }
    }

    /// Reads the body that belongs to a head.
    pub(crate) async fn body(&mut self, head: &Head) -> io::Result<Result<Vec<u8>, Status>> {
        let deadline = Instant::now() + BODY_TIME;
        if head.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            self.stream.flush().await?;
        }
        let read = async {
            let lengths: Vec<&str> = head.headers("content-length").collect();
            match (head.header("transfer-encoding"), lengths.as_slice()) {
                (Some(encoding), []) if encoding.eq_ignore_ascii_case("chunked") => {
                    self.chunked().await
                }
                (None, [length]) => match length.parse::<usize>() {
                    Ok(length) if length <= BODY_MAX => self.exactly(length).await.map(Ok),
                    Ok(_) => Ok(Err(TOO_LONG)),
                    Err(_) => Ok(Err(BAD_REQUEST)),
                },
                (None, []) => Ok(Ok(Vec::new())),
                _ => Ok(Err(BAD_REQUEST)),
            }
        };
        timeout_at(deadline, read).await.unwrap_or(Ok(Err(TIME_OUT)))
    }

    async fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.read.split_off(length);
        Ok(std::mem::replace(&mut self.read, rest))
    }

    /// A body in chunks (RFC 9112, 7.1). Trailers are none.
    async fn chunked(&mut self) -> io::Result<Result<Vec<u8>, Status>> {
        let mut body = Vec::new();
        loop {
            let size = loop {
                match httparse::parse_chunk_size(&self.read) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        self.read.drain(..length);
                        break size;
                    }
                    Ok(httparse::Status::Partial) if self.read.len() < CHUNK_LINE_MAX => {
                        if self.fill().await? == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                    }
                    Ok(httparse::Status::Partial) | Err(_) => return Ok(Err(BAD_REQUEST)),
                }
            };
            let Some(size) =
                usize::try_from(size).ok().filter(|size| size + body.len() <= BODY_MAX)
            else {
                return Ok(Err(TOO_LONG));
            };
            let chunk = self.exactly(size + 2).await?;
            let Some(bytes) = chunk.strip_suffix(b"\r\n") else { return Ok(Err(BAD_REQUEST)) };
            if bytes.is_empty() {
                return Ok(Ok(body));
            }
            body.extend_from_slice(bytes);
        }
    }

    /// Sends a reply.
    pub(crate) async fn send(&mut self, reply: Reply, goes_on: bool) -> io::Result<()> {
        let Reply { status: Status(code, words), kind, headers, body } = reply;
        let mut text = format!("HTTP/1.1 {code} {words}\r\n");
        // Writing to a String can't fail.
        let _ = write!(text, "content-type: {kind}\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        let connection = if goes_on { "keep-alive" } else { "close" };
        let _ =
            write!(text, "Cache-Control: no-cache, no-store\r\nConnection: {connection}\r\n\r\n");
        let sent = async {
            self.stream.write_all(&[text.into_bytes(), body].concat()).await?;
            self.stream.flush().await
        };
        let deadline = Instant::now() + REPLY_TIME;
        timeout_at(deadline, sent).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; CHUNK];
        let length = self.stream.read(&mut chunk).await?;
        self.read.extend_from_slice(chunk.get(..length).unwrap_or_default());
        Ok(length)
    }
}
