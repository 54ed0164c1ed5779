//! What applying settings costs beside the bare calls that say the same: `make bench`.
#![allow(unsafe_code, reason = "the floor is bare ioctls")]

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use xenwarden_nic::{Offload, Setting, Wanted};

use crate::world::{in_own_network, ip};

const DEVICE: &str = "eth0";
const ROUNDS: usize = 200;
/// Ours may cost so much more.
const RATIO_MAX: f64 = 1.5;

/// The old commands that switch one thing each (linux/ethtool.h), bases first.
const SWITCHES: [(u32, Offload); 6] = [
    (0x15, Offload::Rx),
    (0x17, Offload::Tx),
    (0x19, Offload::Sg),
    (0x1f, Offload::Tso),
    (0x24, Offload::Gso),
    (0x2c, Offload::Gro),
];

fn settings(on: bool) -> Wanted {
    let offloads = SWITCHES.map(|(_, offload)| Setting::Offload(offload, on));
    let others = [Setting::Mtu(if on { 9000 } else { 1500 }), Setting::Promiscuous(on)];
    offloads.into_iter().chain(others).collect()
}

/// Says the same without asking anything.
fn say(socket: &OwnedFd, on: bool) {
    let mut switches = SWITCHES;
    if !on {
        switches.reverse();
    }
    for (command, _) in switches {
        let mut words = [command, u32::from(on)];
        let data = libc::__c_anonymous_ifr_ifru { ifru_data: words.as_mut_ptr().cast() };
        call(socket, 0x8946, data);
    }
    let mtu = if on { 9000 } else { 1500 };
    call(socket, libc::SIOCSIFMTU, libc::__c_anonymous_ifr_ifru { ifru_mtu: mtu });
    let promiscuous = if on { libc::IFF_PROMISC } else { 0 };
    let flags = i16::try_from(libc::IFF_UP | promiscuous).expect("flags");
    call(socket, libc::SIOCSIFFLAGS, libc::__c_anonymous_ifr_ifru { ifru_flags: flags });
}

fn call(socket: &OwnedFd, number: libc::Ioctl, argument: libc::__c_anonymous_ifr_ifru) {
    let mut name = [0; libc::IFNAMSIZ];
    for (place, byte) in name.iter_mut().zip(DEVICE.bytes()) {
        *place = byte.cast_signed();
    }
    let mut request = libc::ifreq { ifr_name: name, ifr_ifru: argument };
    // SAFETY: each of these reads an ifreq with a NUL-ended name; ethtool's reads and writes two
    // words where it points, and there are two.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), number, &raw mut request) };
    assert_eq!(done, 0, "{number:#x}: {}", std::io::Error::last_os_error());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement: make bench"]
fn what_applying_every_setting_costs_beside_the_bare_calls() {
    in_own_network(|world| {
        ip(&format!("link add {DEVICE} type veth peer name cable"));
        ip(&format!("link set dev {DEVICE} up"));
        let link = world.link(DEVICE);
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None);
        let socket = socket.expect("a socket");
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // Both switch everything, in turn: one off, the other on again, and the next round the
            // other way.
            let on = round % 2 == 0;
            let began = Instant::now();
            assert!(world.devices.apply(&link, &settings(on)).is_empty());
            ours.push(began.elapsed());
            let began = Instant::now();
            say(&socket, !on);
            floor.push(began.elapsed());
            say(&socket, on);
        }
        let (ours, floor) = (median(ours), median(floor));
        let ratio = ours.as_secs_f64() / floor.as_secs_f64();
        println!("eight settings of one device  {ours:?}, bare calls {floor:?}: {ratio:.2}");
        assert!(ratio <= RATIO_MAX, "{ratio:.2}");
    });
}
