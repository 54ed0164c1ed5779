//! The control socket: one agent at a time, believed only if it is root.

#![allow(unsafe_code, reason = "descriptors arrive from the kernel as bare numbers")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockFlag, accept4, getsockopt, recvmsg, send, sockopt,
};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use vncterm_control::{Answer, Order, VERSION};

use crate::say::say;

/// Descriptors that one packet may carry (`SCM_MAX_FD` of the kernel). There is room for all of
/// them, however few an order needs: those of a packet that is cut off would stay open, unknown.
const DESCRIPTORS_MAX: usize = 253;

/// Bytes of the longest order: a mark line and its header.
const ORDER_MAX: usize = 4096;

/// The listening end, and the agent that is connected.
#[derive(Debug)]
pub(crate) struct Control {
    listener: OwnedFd,
    agent: Option<OwnedFd>,
    /// Since when no agent is there.
    orphan_since: Instant,
}

/// What came from the agent.
#[derive(Debug)]
pub(crate) enum Received {
    /// An order with just the descriptors that it must carry.
    Order(u32, Order, Vec<OwnedFd>),
    /// An order with other descriptors than it must carry.
    WrongDescriptors(u32),
    /// Nothing now.
    Nothing,
}

impl Control {
    /// Takes the inherited listener.
    pub(crate) fn new(listener: OwnedFd, now: Instant) -> Self {
        Self { listener, agent: None, orphan_since: now }
    }

    /// The descriptor to wait on: the agent, or, while there is none, the listener.
    pub(crate) fn waits_on(&self) -> BorrowedFd<'_> {
        self.agent.as_ref().unwrap_or(&self.listener).as_fd()
    }

    /// Since when no agent is there; `None` while one is.
    pub(crate) fn orphan_since(&self) -> Option<Instant> {
        if self.agent.is_none() { Some(self.orphan_since) } else { None }
    }

    /// Accepts an agent if one is waiting, none is there, and it is root.
    pub(crate) fn accept(&mut self) {
        if self.agent.is_some() {
            return;
        }
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let Ok(raw) = accept4(self.listener.as_raw_fd(), flags) else { return };
        let peer = own(raw);
        let root = getsockopt(&peer, sockopt::PeerCredentials).is_ok_and(|peer| peer.uid() == 0);
        if root {
            self.agent = Some(peer);
        }
    }

    /// Whether an agent is there.
    pub(crate) fn connected(&self) -> bool {
        self.agent.is_some()
    }

    /// Says that the converter is confined, and which packets it speaks.
    pub(crate) fn greet(&mut self, now: Instant) {
        self.answer(&Answer::Confined(VERSION), now);
    }

    /// Sends one answer. An agent that has no room for it, or is gone, is let go: it connects
    /// again when it is well.
    pub(crate) fn answer(&mut self, answer: &Answer, now: Instant) {
        let Some(agent) = &self.agent else { return };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        if send(agent.as_raw_fd(), &answer.encode(), flags).is_err() {
            self.let_go(now);
        }
    }

    /// Takes the next order. A malformed packet ends the connection, not the converter.
    pub(crate) fn receive(&mut self, now: Instant) -> Received {
        let Some(agent) = &self.agent else { return Received::Nothing };
        match receive_packet(agent) {
            Ok((packet, descriptors, whole)) => match Order::decode(&packet) {
                Ok((serial, order)) if whole && descriptors.len() == order.descriptors() => {
                    Received::Order(serial, order, descriptors)
                }
                Ok((serial, _)) => Received::WrongDescriptors(serial),
                Err(malformed) => {
                    say(format_args!("vncterm: agent's order not understood: {malformed}"));
                    self.let_go(now);
                    Received::Nothing
                }
            },
            Err(Errno::EAGAIN | Errno::EINTR) => Received::Nothing,
            Err(_) => {
                self.let_go(now);
                Received::Nothing
            }
        }
    }

    fn let_go(&mut self, now: Instant) {
        self.agent = None;
        self.orphan_since = now;
    }
}

/// Reads one packet: its bytes, its descriptors, and whether all of both arrived.
fn receive_packet(agent: &OwnedFd) -> Result<(Vec<u8>, Vec<OwnedFd>, bool), Errno> {
    let mut bytes = [0_u8; ORDER_MAX];
    let mut space = cmsg_space!([RawFd; DESCRIPTORS_MAX]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(agent.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let mut descriptors = Vec::new();
    // An error here is control data that was cut off, which the flags say as well.
    for control in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmRights(raws) = control {
            descriptors.extend(raws.into_iter().map(own));
        }
    }
    let cut = message.flags.intersects(MsgFlags::MSG_CTRUNC | MsgFlags::MSG_TRUNC);
    let length = message.bytes;
    if length == 0 {
        return Err(Errno::ECONNRESET); // a seqpacket peer that is gone
    }
    Ok((bytes.get(..length).unwrap_or_default().to_vec(), descriptors, !cut))
}

/// Owns a descriptor that a system call has just made for this process.
fn own(raw: RawFd) -> OwnedFd {
    // SAFETY: accept4 and recvmsg return descriptors that are new and nobody else's.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, ControlMessage, SockType, sendmsg, socketpair};
    use std::fs::File;
    use std::io::{IoSlice, Read};

    #[test]
    fn no_descriptor_of_an_order_with_too_many_stays_open() {
        let (agent, converter) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::empty()).unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut control =
            Control { listener: agent, agent: Some(converter), orphan_since: Instant::now() };
        let sent = [writer.as_raw_fd(); 5];
        let packet = Order::State.encode(7);
        sendmsg::<()>(
            control.listener.as_raw_fd(),
            &[IoSlice::new(&packet)],
            &[ControlMessage::ScmRights(&sent)],
            MsgFlags::empty(),
            None,
        )
        .unwrap();
        drop(writer);
        assert!(matches!(control.receive(Instant::now()), Received::WrongDescriptors(7)));
        // The pipe ends when nobody has its other end any more.
        assert_eq!(File::from(reader).read(&mut [0]).unwrap(), 0);
    }
}
