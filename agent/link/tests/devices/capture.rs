//! Frames as they are on the wire: sent and caught at a device.
#![allow(unsafe_code, reason = "packet sockets have no safe wrapper")]

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use xenwarden_nic::Mac;

/// A protocol number for experiments (IEEE 802, 0x88b5): nothing else sends these.
const PROTOCOL: u16 = 0x88b5;
/// How long a frame may take before a test calls it lost.
const STUCK_S: i64 = 20;
/// The text that ends a capture.
const END: &str = "end";

/// A device's wire.
pub(crate) struct Wire {
    socket: OwnedFd,
    pub(crate) mac: Mac,
}

impl Wire {
    /// Opens the wire of a device.
    pub(crate) fn open(index: u32, mac: Mac) -> Self {
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::EthAll,
        )
        .expect("a packet socket");
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET.try_into().expect("a family"),
            sll_protocol: u16::try_from(libc::ETH_P_ALL).expect("a protocol").to_be(),
            sll_ifindex: index.cast_signed(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of_val(&address).try_into().expect("a length");
        // SAFETY: the kernel reads `length` bytes at `address`, which is that long.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        assert_eq!(bound, 0, "it is bound to its device");
        let on: libc::c_int = 1;
        // What this end sends itself (linux/if_packet.h, PACKET_IGNORE_OUTGOING).
        // SAFETY: the kernel reads an int at `on`, which is one.
        let ignored = unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, 23, (&raw const on).cast(), 4)
        };
        assert_eq!(ignored, 0, "its own frames are ignored");
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(STUCK_S)).expect("a limit");
        Self { socket, mac }
    }

    /// Sends a text to an address.
    pub(crate) fn send(&self, to: Mac, text: &str) {
        let mut frame = [&to[..], &self.mac, &PROTOCOL.to_be_bytes(), text.as_bytes()].concat();
        frame.resize(60, 0);
        send(self.socket.as_raw_fd(), &frame, MsgFlags::empty()).expect("it is sent");
    }

    /// Ends the capture of everybody who hears what is for many.
    pub(crate) fn send_end(&self) {
        self.send([0xff; 6], END);
    }

    /// The texts that have come here since the last time, up to the end.
    pub(crate) fn caught(&self) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let mut frame = [0; 2048];
            let length = recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::empty())
                .expect("the capture's end comes");
            if frame[12..14] != PROTOCOL.to_be_bytes() {
                continue;
            }
            let text = frame[14..length].split(|byte| *byte == 0).next().expect("a text");
            match std::str::from_utf8(text).expect("a text of ours") {
                END => return texts,
                text => texts.push(text.to_owned()),
            }
        }
    }
}
