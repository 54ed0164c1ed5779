//! The agent's end of a converter's control socket: packets out with descriptors, packets in.
//!
//! Every packet that comes in is bounded, and none brings a descriptor: there is no room for one.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect,
    listen, recv, sendmsg, socket,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vncterm_control::{Answer, Malformed, Order, PACKET_MAX};

use super::watched::watch;

/// One agent is served at a time; a new one may wait while the old one's end is noticed.
const BACKLOG: i32 = 4;

/// A connection to a converter.
#[derive(Debug)]
pub(super) struct Link {
    socket: AsyncFd<OwnedFd>,
    serial: u32,
}

/// What came in, or did not.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The socket failed.
    #[error("speak with the converter")]
    Io(#[from] io::Error),
    /// The converter closed it.
    #[error("the converter closed its control connection")]
    Closed,
    /// The converter sent what it must not.
    #[error("the converter sent a malformed packet")]
    Malformed(#[from] Malformed),
}

/// A control socket for a converter that is to be started; whatever was there before goes.
pub(super) fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = new_socket()?;
    // The agent's umask makes it root's alone from its first moment.
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener)
}

fn new_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

impl Link {
    /// Connects to a control socket. The converter accepts when it is ready to.
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let socket = new_socket()?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(Self { socket: watch(socket, Interest::READABLE)?, serial: 0 })
    }

    /// Sends an order with its descriptors, and returns its serial.
    ///
    /// It does not wait: a converter that leaves its orders lying is of no use.
    pub(super) fn order(&mut self, order: &Order, descriptors: &[RawFd]) -> Result<u32, LinkError> {
        self.serial = self.serial.wrapping_add(1);
        let packet = order.encode(self.serial);
        let rights = [ControlMessage::ScmRights(descriptors)];
        let control: &[ControlMessage<'_>] = if descriptors.is_empty() { &[] } else { &rights };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let parts = [IoSlice::new(&packet)];
        sendmsg::<()>(self.socket.as_raw_fd(), &parts, control, flags, None)
            .map_err(io::Error::from)?;
        Ok(self.serial)
    }

    /// Waits for the next packet. Nothing is lost when this is dropped before it is done.
    pub(super) async fn hear(&self) -> Result<Answer, LinkError> {
        let receive = |socket: &OwnedFd| {
            let mut packet = vec![0; PACKET_MAX + 1];
            let length = recv(socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT)?;
            packet.truncate(length);
            Ok(packet)
        };
        let packet = self.socket.async_io(Interest::READABLE, receive).await?;
        match packet.len() {
            0 => Err(LinkError::Closed),
            length if length > PACKET_MAX => Err(LinkError::Malformed(Malformed::TrailingBytes)),
            _ => Ok(Answer::decode(&packet)?),
        }
    }
}
