//! The rtnetlink sockets: one that asks, and one that hears of links (rtnetlink(7)).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, connect, recv,
    send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::fault::Fault;
use crate::link::Link;
use crate::message::{Message, attributes, messages, read_text, u32_at};

/// The kernel answers in one datagram of this size at most, unless it is told otherwise.
const DATAGRAM_MAX: usize = 64 * 1024;
/// How long the kernel may take over one answer: a device's firmware may take seconds.
const ANSWER_MAX_S: i64 = 20;
/// A listing that changed meanwhile is begun again so often.
const LISTINGS_MAX: u32 = 8;
/// Bytes of the kernel's number and of the request's header in an acknowledgement.
const ACKNOWLEDGEMENT: usize = 4 + 16;
/// The kernel's own words (linux/netlink.h, NLMSGERR_ATTR_MSG).
const ERROR_WORDS: u16 = 1;
/// Changes of links (linux/rtnetlink.h, RTMGRP_LINK).
const LINKS: u32 = 1;
/// Bytes that wait for who hears of links. When they are not enough, the kernel says so.
const EVENTS_MAX: usize = 1024 * 1024;

/// A socket that asks.
#[derive(Debug)]
pub(crate) struct Route {
    socket: OwnedFd,
    sequence: u32,
}

fn flag(number: i32) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

impl Route {
    pub(crate) fn open() -> Result<Self, Fault> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(ANSWER_MAX_S))?;
        words_in_refusals(&socket)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Has one thing done.
    pub(crate) fn order(
        &mut self,
        kind: u16,
        flags: i32,
        body: &[u8],
        attributes: &[(u16, Vec<u8>)],
    ) -> Result<(), Fault> {
        let flags = flag(libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags);
        let mut message = Message::new(kind, flags, body);
        for (kind, value) in attributes {
            message = message.with(*kind, value);
        }
        let sequence = self.send(message)?;
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let length = self.receive(&mut buffer)?;
            for came in messages(buffer.get(..length).unwrap_or_default()) {
                // Else it is the rest of an answer that was given up.
                if came.sequence == sequence && i32::from(came.kind) == libc::NLMSG_ERROR {
                    return acknowledged(came.payload, came.flags);
                }
            }
        }
    }

    /// Lists: the payloads of every message that comes.
    pub(crate) fn list(&mut self, kind: u16, body: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        for _ in 0..LISTINGS_MAX {
            if let Some(listed) = self.list_once(kind, body)? {
                return Ok(listed);
            }
        }
        Err(Errno::EAGAIN.into())
    }

    /// One listing; none where it changed under way.
    fn list_once(&mut self, kind: u16, body: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Fault> {
        let flags = flag(libc::NLM_F_REQUEST | libc::NLM_F_DUMP);
        let sequence = self.send(Message::new(kind, flags, body))?;
        let mut buffer = vec![0; DATAGRAM_MAX];
        let (mut listed, mut whole) = (Vec::new(), true);
        loop {
            let length = self.receive(&mut buffer)?;
            let came = messages(buffer.get(..length).unwrap_or_default());
            for came in came.filter(|came| came.sequence == sequence) {
                whole &= came.flags & flag(libc::NLM_F_DUMP_INTR) == 0;
                match i32::from(came.kind) {
                    libc::NLMSG_ERROR => {
                        acknowledged(came.payload, came.flags)?;
                    }
                    libc::NLMSG_DONE => return Ok(whole.then_some(listed)),
                    _ => listed.push(came.payload.to_vec()),
                }
            }
        }
    }

    fn send(&mut self, message: Message) -> Result<u32, Fault> {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let bytes = message.finish(self.sequence);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        Ok(self.sequence)
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<usize, Fault> {
        loop {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(length) if length > buffer.len() => return Err(Fault::Malformed),
                Ok(length) => return Ok(length),
            }
        }
    }
}

/// Has refusals come with words, and without the request that they refuse.
#[allow(unsafe_code, reason = "nix knows no option of netlink's")]
fn words_in_refusals(socket: &OwnedFd) -> Result<(), Fault> {
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        let on: libc::c_int = 1;
        // c_int is four bytes wherever Linux runs.
        let length: libc::socklen_t = 4;
        // SAFETY: the kernel reads `length` bytes at `on`, which has that many.
        let done = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                (&raw const on).cast(),
                length,
            )
        };
        Errno::result(done)?;
    }
    Ok(())
}

/// What an acknowledgement says.
fn acknowledged(payload: &[u8], flags: u16) -> Result<(), Fault> {
    let number = u32_at(payload, 0).ok_or(Fault::Malformed)?.cast_signed();
    if number == 0 {
        return Ok(());
    }
    let mut words = None;
    // linux/netlink.h, NLM_F_ACK_TLVS.
    if flags & 0x200 != 0 {
        let said = attributes(payload, ACKNOWLEDGEMENT).find(|(kind, _)| *kind == ERROR_WORDS);
        words = said.map(|(_, value)| read_text(value));
    }
    Err(Fault::Kernel { errno: Errno::from_raw(-number), words })
}

/// What has become of links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// One is there, or is otherwise than before.
    Changed(Link),
    /// One is gone, by its index.
    Gone(u32),
    /// More happened than could be kept: all links are to be listed again.
    Lost,
}

/// Hears of links coming, changing and going. Its descriptor is readable when there is news.
#[derive(Debug)]
pub struct LinkEvents {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl LinkEvents {
    /// Hears of what happens from now on.
    pub fn open() -> Result<Self, Fault> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkRoute,
        )?;
        // More than the default where the system allows it; less only means more listings.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &EVENTS_MAX)
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &EVENTS_MAX));
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, LINKS))?;
        Ok(Self { socket, buffer: vec![0; DATAGRAM_MAX] })
    }

    /// What has happened, at most one datagram of it; none where nothing has.
    pub fn take(&mut self) -> Result<Option<Vec<News>>, Fault> {
        match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
            Err(Errno::EAGAIN) => Ok(None),
            Err(Errno::EINTR) => Ok(Some(Vec::new())),
            Err(Errno::ENOBUFS) => Ok(Some(vec![News::Lost])),
            Err(errno) => Err(errno.into()),
            Ok(length) if length > self.buffer.len() => Ok(Some(vec![News::Lost])),
            Ok(length) => {
                let came = messages(self.buffer.get(..length).unwrap_or_default());
                Ok(Some(came.filter_map(|came| news(came.kind, came.payload)).collect()))
            }
        }
    }
}

fn news(kind: u16, payload: &[u8]) -> Option<News> {
    // A bridge tells of its ports by messages of its own family; the device itself is meant here.
    if payload.first().copied() != Some(0) {
        return None;
    }
    match kind {
        libc::RTM_NEWLINK => Link::parse(payload).map(News::Changed),
        libc::RTM_DELLINK => Link::parse(payload).map(|link| News::Gone(link.index)),
        _ => None,
    }
}

impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for LinkEvents {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}
