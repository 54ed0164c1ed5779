//! A WebSocket after its handshake (RFC 6455), driven by bytes in and bytes out.
//!
//! Pure. The protocol is tungstenite's; the bounds, and which code ends what, are here. The
//! handshake is in [`crate::upgrade`].

use std::io::{self, ErrorKind, Read, Write};

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

/// The largest message: browsers' scripts send what was typed, or pieces of what was pasted.
pub(crate) const MESSAGE_MAX: usize = 64 * 1024;
/// Room for a frame's bytes, to begin with.
const READ_ROOM: usize = 4 * 1024;
/// The longest reason of a close frame, in bytes (RFC 6455, 5.5: 125 with its code).
const REASON_MAX: usize = 123;

/// Whether anything more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It goes on.
    Open,
    /// The client has closed it; the answer is among the output.
    Closed,
    /// The client broke the protocol; what it is told is among the output.
    Broken,
}

/// One end of a WebSocket: the server's.
#[derive(Debug)]
pub(crate) struct WebSocket {
    context: WebSocketContext,
    wire: Wire,
}

/// What tungstenite reads from and writes to.
#[derive(Debug, Default)]
struct Wire {
    input: Vec<u8>,
    taken: usize,
    output: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.input.get(self.taken..).unwrap_or_default();
        if left.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let length = left.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(left) {
            *to = *from;
        }
        self.taken += length;
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WebSocket {
    pub(crate) fn new() -> Self {
        let bounds = WebSocketConfig::default()
            .read_buffer_size(READ_ROOM)
            // Nothing waits here: what is written is output at once.
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX))
            .accept_unmasked_frames(false);
        Self { context: WebSocketContext::new(Role::Server, Some(bounds)), wire: Wire::default() }
    }

    /// Takes bytes off the network, and adds what whole messages carry to `payload`.
    pub(crate) fn receive(&mut self, bytes: &[u8], payload: &mut Vec<u8>) -> State {
        self.wire.input.clear();
        self.wire.input.extend_from_slice(bytes);
        self.wire.taken = 0;
        loop {
            match self.context.read(&mut self.wire) {
                Ok(Message::Binary(bytes)) => payload.extend_from_slice(&bytes),
                Ok(Message::Text(text)) => payload.extend_from_slice(text.as_bytes()),
                // A ping's answer is sent by the next read.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) => {
                    // Sends the answer, and says that it was the last thing.
                    let _ = self.context.flush(&mut self.wire);
                    return State::Closed;
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return State::Open;
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return State::Closed,
                Err(error) => {
                    let code = match error {
                        Error::Capacity(_) => CloseCode::Size,
                        Error::Utf8(_) => CloseCode::Invalid,
                        _ => CloseCode::Protocol,
                    };
                    self.close(code.into(), &error.to_string());
                    return State::Broken;
                }
            }
        }
    }

    /// Sends bytes as one message.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.write(Message::binary(bytes.to_vec()));
    }

    /// Sends a message about the console's bytes, which is none of them.
    pub(crate) fn say(&mut self, text: &str) {
        self.write(Message::text(text));
    }

    /// Asks whether the client is still there.
    pub(crate) fn ping(&mut self) {
        self.write(Message::Ping(Vec::new().into()));
    }

    /// A message after a close goes nowhere.
    fn write(&mut self, message: Message) {
        let _ = self.context.write(&mut self.wire, message);
        let _ = self.context.flush(&mut self.wire);
    }

    /// Says that this is the end, and why; only the first time.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        let mut reason = reason.to_owned();
        while reason.len() > REASON_MAX {
            reason.pop();
        }
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        let _ = self.context.close(&mut self.wire, Some(frame));
    }

    /// Bytes that are to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.wire.output.len()
    }

    /// What is to be sent.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire.output)
    }
}

#[cfg(test)]
mod tests;
