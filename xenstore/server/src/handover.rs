//! A client handed from the parent to the store: its socket, and whom it speaks for.
//!
//! Who may come in was decided before.

#![allow(unsafe_code, reason = "a descriptor that was received is a bare number at first")]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{self, ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use xenstore_store::Caller;
use xenstore_wire::DomainId;

/// The number of the domain that a client speaks for.
const CALLER_BYTES: usize = size_of::<u16>();
/// The parent's number of its copy, then whom the client speaks for.
const PACKET_BYTES: usize = size_of::<u64>() + CALLER_BYTES;
/// In place of a number: whoever an earlier store had is there again.
const ALL_THERE: u64 = u64::MAX;

/// What came in.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// With the parent's number of its copy, where it has one.
    Client(UnixStream, Caller, Option<u64>),
    /// All that an earlier store had came before this.
    AllThere,
    /// Somebody whose socket found no room here.
    Nobody,
    /// Nobody will come any more.
    End,
}

/// What the store says once, when it can serve.
const READY: &[u8] = b"!";

/// Says to the parent that clients may come.
pub(crate) fn announce(to: BorrowedFd<'_>) -> io::Result<()> {
    socket::send(to.as_raw_fd(), READY, MsgFlags::MSG_NOSIGNAL)?;
    Ok(())
}

/// Whether the store has said that clients may come: an error where it has not, and never will.
pub(crate) fn is_ready(from: BorrowedFd<'_>) -> io::Result<bool> {
    let mut word = [0; READY.len()];
    match socket::recv(from.as_raw_fd(), &mut word, MsgFlags::MSG_DONTWAIT) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Hands a client over, without waiting.
pub(crate) fn send(
    to: BorrowedFd<'_>,
    client: &UnixStream,
    caller: Caller,
    number: u64,
) -> io::Result<()> {
    let packet = packet(number, caller.domain().number());
    let descriptors = [client.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&descriptors)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(&packet)], &control, flags, None)?;
    Ok(())
}

/// Says that all whom an earlier store had were handed over.
pub(crate) fn send_all_there(to: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    socket::send(to.as_raw_fd(), &packet(ALL_THERE, 0), flags)?;
    Ok(())
}

/// Has the parent let go of a client that has left.
pub(crate) fn let_go(to: BorrowedFd<'_>, number: u64) -> io::Result<()> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    socket::send(to.as_raw_fd(), &number.to_le_bytes(), flags)?;
    Ok(())
}

/// The number of a client that the store has let go of, without waiting.
pub(crate) fn receive_let_go(from: BorrowedFd<'_>) -> io::Result<u64> {
    let mut number = [0; size_of::<u64>()];
    match socket::recv(from.as_raw_fd(), &mut number, MsgFlags::MSG_DONTWAIT)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(u64::from_le_bytes(number)),
    }
}

fn packet(number: u64, domain: u16) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[..size_of::<u64>()].copy_from_slice(&number.to_le_bytes());
    packet[size_of::<u64>()..].copy_from_slice(&domain.to_le_bytes());
    packet
}

/// Takes the next client, without waiting.
pub(crate) fn receive(from: BorrowedFd<'_>) -> io::Result<Arrival> {
    let mut packet = [0; PACKET_BYTES];
    let mut space = cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let (size, client) = {
        let mut slices = [IoSliceMut::new(&mut packet)];
        let message = recvmsg::<()>(from.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
        let mut client = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                client = descriptors.first().map(|number| take(*number));
            }
        }
        (message.bytes, client)
    };
    let [a, b, c, d, e, f, g, h, i, j] = packet;
    let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let domain = DomainId::new(u16::from_le_bytes([i, j]));
    Ok(match (size, client, domain) {
        (0, _, _) => Arrival::End,
        (PACKET_BYTES, None, _) if number == ALL_THERE => Arrival::AllThere,
        (PACKET_BYTES, Some(client), Ok(domain)) => {
            let caller = match domain {
                DomainId::DOM0 => Caller::Dom0,
                domain => Caller::Domain(domain),
            };
            Arrival::Client(client, caller, Some(number))
        }
        (_, _, _) => Arrival::Nobody,
    })
}

fn take(number: RawFd) -> UnixStream {
    // SAFETY: `recvmsg` has just put this descriptor into this process; there was room for one, so
    // that none is left without an owner.
    UnixStream::from(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        let kind = SockType::SeqPacket;
        socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).expect("a pair")
    }

    #[test]
    fn the_parent_hears_whether_the_store_can_serve() {
        let (parent, store) = pair();
        assert!(!is_ready(parent.as_fd()).expect("it is there"));
        announce(store.as_fd()).expect("the parent listens");
        assert!(is_ready(parent.as_fd()).expect("it is there"));
        drop(store);
        assert!(is_ready(parent.as_fd()).is_err());
    }

    #[test]
    fn a_client_arrives_with_whom_it_speaks_for() {
        let (parent, store) = pair();
        let five = Caller::Domain(DomainId::new(5).expect("a small number"));
        for caller in [Caller::Dom0, five] {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            send(parent.as_fd(), &theirs, caller, 7).expect("there is room");
            drop(theirs);
            let Ok(Arrival::Client(mut client, arrived, Some(7))) = receive(store.as_fd()) else {
                panic!("nobody arrived");
            };
            assert_eq!(arrived, caller);
            (&ours).write_all(b"?").expect("it is connected");
            client.read_exact(&mut [0]).expect("it is connected");
        }
        let nothing = receive(store.as_fd()).expect_err("nobody came");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        drop(parent);
        assert!(matches!(receive(store.as_fd()), Ok(Arrival::End)));
    }
}
