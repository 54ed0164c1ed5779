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

#[cfg(test)]
mod tests {
    use std::os::fd::FromRawFd;

    use nix::sys::socket::{accept, send};
    use vncterm_control::{Farewell, VERSION, Viewer};

    use super::*;

    #[allow(unsafe_code, reason = "an accepted descriptor comes as a bare number")]
    fn accept_from(listener: &OwnedFd) -> OwnedFd {
        let raw = accept(listener.as_raw_fd()).unwrap();
        // SAFETY: `accept` has just returned this number, and nothing else owns it.
        unsafe { OwnedFd::from_raw_fd(raw) }
    }

    fn connected() -> (tempfile::TempDir, Link, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let listener = listen_at(&path).unwrap();
        let link = Link::connect(&path).unwrap();
        let converter = accept_from(&listener);
        (folder, link, converter)
    }

    #[tokio::test]
    async fn orders_are_numbered_and_answers_come_back_whole() {
        let (_folder, mut link, converter) = connected();
        let (viewer, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let order = Order::Viewer(Viewer::Rfb);
        assert_eq!(link.order(&order, &[viewer.as_raw_fd()]).unwrap(), 1);
        assert_eq!(link.order(&Order::Stop(Farewell::Replaced), &[]).unwrap(), 2);
        let mut packet = [0; 64];
        let length = recv(converter.as_raw_fd(), &mut packet, MsgFlags::empty()).unwrap();
        assert_eq!(Order::decode(&packet[..length]), Ok((1, order)));
        let hello = Answer::Confined(VERSION);
        send(converter.as_raw_fd(), &hello.encode(), MsgFlags::empty()).unwrap();
        assert_eq!(link.hear().await.unwrap(), hello);
    }

    #[tokio::test]
    async fn a_malformed_or_overlong_packet_is_no_answer() {
        let (_folder, link, converter) = connected();
        for packet in [vec![99; 5], vec![6; PACKET_MAX + 10]] {
            send(converter.as_raw_fd(), &packet, MsgFlags::empty()).unwrap();
            assert!(matches!(link.hear().await, Err(LinkError::Malformed(_))));
        }
    }

    #[tokio::test]
    async fn the_end_of_a_converter_is_heard() {
        let (_folder, link, converter) = connected();
        drop(converter);
        assert!(matches!(link.hear().await, Err(LinkError::Closed)));
    }

    #[tokio::test]
    async fn a_converter_that_reads_nothing_holds_nobody_up() {
        let (_folder, mut link, _converter) = connected();
        let refused = (0..100_000).find_map(|_| link.order(&Order::State, &[]).err());
        assert!(matches!(refused, Some(LinkError::Io(_))));
    }

    #[tokio::test]
    async fn a_new_control_socket_takes_the_place_of_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        drop(listen_at(&path).unwrap());
        assert!(Link::connect(&path).is_err());
        let _listener = listen_at(&path).unwrap();
        assert!(Link::connect(&path).is_ok());
    }
}
