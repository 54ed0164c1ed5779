//! What parent and store say to each other, in packets: a client handed in, with its socket and whom
//! it speaks for; one that has left; and whether the program is replaced by the installed one.
//!
//! Who may come in, and what is run, is decided elsewhere.

#![allow(unsafe_code, reason = "a descriptor that was received is a bare number at first")]

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{self, ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use xenstore_store::Caller;
use xenstore_wire::{DomainId, PAYLOAD_MAX};

/// The number of the domain that a client speaks for.
const CALLER_BYTES: usize = size_of::<u16>();
/// The parent's number of its copy, then whom the client speaks for.
const PACKET_BYTES: usize = size_of::<u64>() + CALLER_BYTES;
/// In place of a number: whoever an earlier store had is there again.
const ALL_THERE: u64 = u64::MAX;
/// In place of a number: another program's store goes on from here.
const GRANTED: u64 = u64::MAX - 1;
/// In place of a number: this store goes on itself; why follows.
const REFUSED: u64 = u64::MAX - 2;
/// More than any reason is worth, and less than one answer to a client holds.
const REASON_BYTES_MAX: usize = 2048;
/// In place of the number of a client that has left: a live update is asked for.
const UPDATE: u64 = u64::MAX;
/// The bytes of a command line are fewer than those of the request that it came in.
const COMMAND_LINE_BYTES_MAX: usize = PAYLOAD_MAX;

/// What came in.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// With the parent's number of its copy, where it has one.
    Client(UnixStream, Caller, Option<u64>),
    /// All that an earlier store had came before this.
    AllThere,
    /// Somebody whose socket found no room here.
    Nobody,
    /// Another program's store goes on from here: this one is to end.
    Granted,
    /// No other program's store does, for this reason.
    Refused(String),
    /// Nobody will come any more.
    End,
}

/// What the store says while it serves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A client has left, by the parent's number.
    LetGo(u64),
    /// The installed program is to go on, with these options in place of ours where there are any.
    Update(Option<String>),
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

/// Has the installed program go on, where it can.
pub(crate) fn ask_for_update(to: BorrowedFd<'_>, options: Option<&str>) -> io::Result<()> {
    let mut packet = UPDATE.to_le_bytes().to_vec();
    packet.push(options.is_some().into());
    packet.extend_from_slice(options.unwrap_or_default().as_bytes());
    socket::send(to.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL)?;
    Ok(())
}

/// Says that another program's store goes on.
pub(crate) fn grant(to: BorrowedFd<'_>) -> io::Result<()> {
    socket::send(to.as_raw_fd(), &packet(GRANTED, 0), MsgFlags::MSG_NOSIGNAL)?;
    Ok(())
}

/// Says why none does.
pub(crate) fn refuse(to: BorrowedFd<'_>, reason: &str) -> io::Result<()> {
    let mut bytes = packet(REFUSED, 0).to_vec();
    bytes.extend(reason.bytes().take(REASON_BYTES_MAX));
    socket::send(to.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL)?;
    Ok(())
}

/// What the store has to say, without waiting.
pub(crate) fn receive_word(from: BorrowedFd<'_>) -> io::Result<Word> {
    let mut bytes = [0; size_of::<u64>() + 1 + COMMAND_LINE_BYTES_MAX];
    let size = socket::recv(from.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT)?;
    let bytes = bytes.get(..size).unwrap_or_default();
    let Some((number, rest)) = bytes.split_first_chunk() else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    Ok(match (u64::from_le_bytes(*number), rest) {
        (UPDATE, [1, options @ ..]) => {
            Word::Update(Some(String::from_utf8_lossy(options).into_owned()))
        }
        (UPDATE, _) => Word::Update(None),
        (number, _) => Word::LetGo(number),
    })
}

fn packet(number: u64, domain: u16) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    packet[..size_of::<u64>()].copy_from_slice(&number.to_le_bytes());
    packet[size_of::<u64>()..].copy_from_slice(&domain.to_le_bytes());
    packet
}

/// Takes the next client, without waiting.
pub(crate) fn receive(from: BorrowedFd<'_>) -> io::Result<Arrival> {
    let mut bytes = [0; PACKET_BYTES + REASON_BYTES_MAX];
    let mut space = cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let (size, client) = {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg::<()>(from.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
        let mut client = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                client = descriptors.first().map(|number| take(*number));
            }
        }
        (message.bytes, client)
    };
    let (packet, reason) = match bytes.get(..size).and_then(<[u8]>::split_first_chunk) {
        Some((packet, reason)) => (*packet, reason),
        None => ([0; PACKET_BYTES], &[][..]),
    };
    let [a, b, c, d, e, f, g, h, i, j]: [u8; PACKET_BYTES] = packet;
    let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let domain = DomainId::new(u16::from_le_bytes([i, j]));
    Ok(match (size, client, domain) {
        (0, _, _) => Arrival::End,
        (PACKET_BYTES, None, _) if number == ALL_THERE => Arrival::AllThere,
        (PACKET_BYTES, None, _) if number == GRANTED => Arrival::Granted,
        (PACKET_BYTES.., None, _) if number == REFUSED => {
            Arrival::Refused(String::from_utf8_lossy(reason).into_owned())
        }
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
    #[test]
    fn an_update_is_asked_for_and_granted_or_refused() {
        let (parent, store) = pair();
        for options in [None, Some(""), Some("--burst 40")] {
            ask_for_update(store.as_fd(), options).expect("the parent listens");
            let heard = receive_word(parent.as_fd()).expect("it was said");
            assert_eq!(heard, Word::Update(options.map(str::to_owned)));
        }
        let_go(store.as_fd(), 7).expect("the parent listens");
        assert_eq!(receive_word(parent.as_fd()).expect("it was said"), Word::LetGo(7));
        refuse(parent.as_fd(), &"no".repeat(5000)).expect("the store listens");
        let Ok(Arrival::Refused(reason)) = receive(store.as_fd()) else { panic!("no reason") };
        assert_eq!(reason, "no".repeat(REASON_BYTES_MAX / 2));
        grant(parent.as_fd()).expect("the store listens");
        assert!(matches!(receive(store.as_fd()), Ok(Arrival::Granted)));
        drop(store);
        assert!(receive_word(parent.as_fd()).is_err());
    }
}
