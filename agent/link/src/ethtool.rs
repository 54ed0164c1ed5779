//! ethtool's ioctls (linux/ethtool.h): offloads by name, and the link.
//!
//! The netlink family that replaces them came with Linux 5.6; these work from 4.6 on.
#![allow(unsafe_code, reason = "SIOCETHTOOL has no safe wrapper")]

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use xenwarden_nic::{Duplex, Feature, LinkMode, LinkWish, Offload};

use crate::fault::Fault;
use crate::message::read_text;

const SIOCETHTOOL: libc::Ioctl = 0x8946;

const GET_STRINGS: u32 = 0x1b;
const GET_STRINGS_COUNT: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
const SET_FEATURES: u32 = 0x3b;
const GET_LINK: u32 = 0x4c;
const SET_LINK: u32 = 0x4d;

/// The set of features' names, ETH_SS_FEATURES.
const FEATURES: u32 = 4;
/// Features that are asked for: there were 64 of them for years, and 67 since.
const FEATURES_MAX: u32 = 1024;
/// Bytes of a feature's name.
const NAME: usize = 32;
/// Words of `struct ethtool_link_settings`, before the masks of link modes.
const LINK_WORDS: usize = 12;
/// Words of a mask: the kernel has three or four.
const MASK_WORDS_MAX: usize = 32;
/// A speed that nobody knows.
const UNKNOWN_SPEED: u32 = u32::MAX;

/// The features that one key of ours stands for, by the kernel's names; as ethtool has it.
fn is_part_of(offload: Offload, name: &str) -> bool {
    match offload {
        Offload::Rx => name == "rx-checksum",
        Offload::Tx => name.starts_with("tx-checksum-"),
        Offload::Sg => matches!(name, "tx-scatter-gather" | "tx-scatter-gather-fraglist"),
        // Plain, with ECN, with AccECN since 6.17, with changed ids, over IPv6.
        Offload::Tso => name.starts_with("tx-tcp") && name.ends_with("-segmentation"),
        Offload::Ufo => name == "tx-udp-fragmentation",
        Offload::Gso => name == "tx-generic-segmentation",
        Offload::Gro => name == "rx-gro",
        Offload::Lro => name == "rx-lro",
    }
}

/// A socket whose ioctls reach devices.
#[derive(Debug)]
pub(crate) struct Ethtool {
    socket: OwnedFd,
    /// The features' names, by number: the running kernel's, the same for every device.
    names: Vec<String>,
}

/// The bits of one word of features.
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    available: u32,
    requested: u32,
    active: u32,
    never_changed: u32,
}

/// The features that a device can change, word by word: always the same ones.
#[derive(Debug)]
pub(crate) struct Changeable(Vec<u32>);

impl Ethtool {
    pub(crate) fn open() -> Result<Self, Fault> {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self { socket, names: Vec::new() })
    }

    /// Has the kernel fill a command's words.
    fn call(&self, device: &str, words: &mut [u32]) -> Result<(), Fault> {
        let mut name = [0; libc::IFNAMSIZ];
        // The last byte stays the NUL.
        if device.is_empty() || device.len() >= name.len() {
            return Err(Fault::NoName);
        }
        for (place, byte) in name.iter_mut().zip(device.bytes()) {
            *place = byte.cast_signed();
        }
        let data = libc::__c_anonymous_ifr_ifru { ifru_data: words.as_mut_ptr().cast() };
        let mut request = libc::ifreq { ifr_name: name, ifr_ifru: data };
        // SAFETY: SIOCETHTOOL reads an ifreq with a NUL-ended name, which `request` is, and reads
        // and writes at its pointer as many bytes as the command's own length fields announce;
        // every caller passes the words of that length.
        let done = unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
        Errno::result(done)?;
        Ok(())
    }

    /// The names of features, read once.
    fn names(&mut self, device: &str) -> Result<&[String], Fault> {
        if self.names.is_empty() {
            let mut count = [GET_STRINGS_COUNT, 0, 0, 0, 0];
            let mask = (1_u64 << FEATURES).to_ne_bytes();
            for (place, half) in count.iter_mut().skip(2).zip(mask.as_chunks().0) {
                *place = u32::from_ne_bytes(*half);
            }
            self.call(device, &mut count)?;
            let [.., count] = count;
            // The kernel fills in as many as it has, whatever room it is told of.
            if count > FEATURES_MAX {
                return Err(Fault::Malformed);
            }
            let words = usize::try_from(count).unwrap_or_default() * NAME / 4;
            let mut strings = vec![0; 3 + words];
            for (place, word) in strings.iter_mut().zip([GET_STRINGS, FEATURES, count]) {
                *place = word;
            }
            self.call(device, &mut strings)?;
            let bytes: Vec<u8> =
                strings.iter().skip(3).flat_map(|word| word.to_ne_bytes()).collect();
            self.names = bytes.chunks(NAME).map(read_text).collect();
        }
        Ok(&self.names)
    }

    fn words(&self, device: &str) -> Result<Vec<Word>, Fault> {
        let count = self.names.len().div_ceil(32);
        let mut words = vec![0; 2 + 4 * count];
        let head = [GET_FEATURES, u32::try_from(count).unwrap_or_default()];
        for (place, word) in words.iter_mut().zip(head) {
            *place = word;
        }
        self.call(device, &mut words)?;
        let (groups, _) = words.get(2..).unwrap_or_default().as_chunks();
        Ok(groups
            .iter()
            .map(|[available, requested, active, never_changed]| Word {
                available: *available,
                requested: *requested,
                active: *active,
                never_changed: *never_changed,
            })
            .collect())
    }

    /// The offloads that the kernel knows of a device.
    pub(crate) fn offloads(&mut self, device: &str) -> Result<BTreeMap<Offload, Feature>, Fault> {
        self.names(device)?;
        let words = self.words(device)?;
        let mut offloads = BTreeMap::new();
        for offload in Offload::ALL {
            for (word, bit) in self.places(offload) {
                let Some(word) = words.get(word) else { continue };
                let feature = offloads.entry(offload).or_insert(Feature {
                    active: false,
                    requested: false,
                    fixed: true,
                });
                feature.active |= word.active & bit != 0;
                feature.requested |= word.requested & bit != 0;
                feature.fixed &= word.available & !word.never_changed & bit == 0;
            }
        }
        Ok(offloads)
    }

    /// The features that a device can change.
    pub(crate) fn changeable(&mut self, device: &str) -> Result<Changeable, Fault> {
        self.names(device)?;
        let words = self.words(device)?;
        Ok(Changeable(words.iter().map(|word| word.available & !word.never_changed).collect()))
    }

    /// Switches an offload: those of its features that the device can change.
    pub(crate) fn switch(
        &self,
        device: &str,
        changeable: &Changeable,
        offload: Offload,
        on: bool,
    ) -> Result<(), Fault> {
        let Changeable(words) = changeable;
        let mut order = vec![SET_FEATURES, u32::try_from(words.len()).unwrap_or_default()];
        let mut any = false;
        for (number, word) in words.iter().enumerate() {
            let bits = self.places(offload).filter(|(other, _)| *other == number);
            let valid = bits.fold(0, |bits, (_, bit)| bits | bit) & word;
            any |= valid != 0;
            order.extend([valid, if on { valid } else { 0 }]);
        }
        // What the device never changes is as it is; reading it back tells.
        if any { self.call(device, &mut order) } else { Ok(()) }
    }

    /// The words and bits of an offload's features.
    fn places(&self, offload: Offload) -> impl Iterator<Item = (usize, u32)> {
        let named = self.names.iter().enumerate();
        named
            .filter(move |(_, name)| is_part_of(offload, name))
            .map(|(number, _)| (number / 32, 1 << (number % 32)))
    }

    /// A device's link; none where it has no word for one.
    pub(crate) fn link(&self, device: &str) -> Result<Option<LinkMode>, Fault> {
        match self.link_words(device) {
            Ok(words) => Ok(Some(LinkWords(words).mode())),
            // Some drivers have other words for having none, above all while they are down.
            Err(Fault::Kernel { errno, .. }) if errno != Errno::ENODEV => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn link_words(&self, device: &str) -> Result<Vec<u32>, Fault> {
        let mut words = vec![0; LINK_WORDS];
        set(&mut words, 0, GET_LINK);
        // Asked with no room, the kernel says how many words a mask has: as a negative number.
        self.call(device, &mut words)?;
        let count = usize::from(LinkWords(words).byte(15).cast_signed().unsigned_abs());
        if count == 0 || count > MASK_WORDS_MAX {
            return Err(Fault::Malformed);
        }
        let mut words = vec![0; LINK_WORDS + 3 * count];
        set(&mut words, 0, GET_LINK);
        let mut asked = LinkWords(words);
        asked.set_byte(15, u8::try_from(count).map_err(|_| Fault::Malformed)?);
        self.call(device, &mut asked.0)?;
        Ok(asked.0)
    }

    /// Sets what is wanted of a link, and leaves the rest of it.
    pub(crate) fn set_link(&self, device: &str, wish: LinkWish) -> Result<(), Fault> {
        let mut words = LinkWords(self.link_words(device)?);
        set(&mut words.0, 0, SET_LINK);
        if let Some(speed) = wish.speed {
            set(&mut words.0, 1, speed);
        }
        match wish.duplex {
            Some(Duplex::Half) => words.set_byte(8, 0),
            Some(Duplex::Full) => words.set_byte(8, 1),
            None => {}
        }
        if let Some(on) = wish.autoneg {
            words.set_byte(11, u8::from(on));
        }
        match (wish.advertise, wish.autoneg) {
            (Some(mask), _) => words.advertise(|index| u32_of(mask, index)),
            // Everything that the device can, as long as nothing else is said.
            (None, Some(true)) => {
                let supported = words.0.clone();
                words.advertise(|index| supported.get(LINK_WORDS + index).copied().unwrap_or(0));
            }
            (None, Some(false) | None) => {}
        }
        self.call(device, &mut words.0)
    }
}

fn set(words: &mut [u32], place: usize, word: u32) {
    if let Some(there) = words.get_mut(place) {
        *there = word;
    }
}

/// The word of a mask that begins with the lowest bits.
fn u32_of(mask: u128, index: usize) -> u32 {
    let bytes = mask.to_le_bytes();
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.get(index).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// `struct ethtool_link_settings` and its three masks: supported, offered, the other end's.
#[derive(Debug)]
struct LinkWords(Vec<u32>);

impl LinkWords {
    fn byte(&self, place: usize) -> u8 {
        let word = self.0.get(place / 4).copied().unwrap_or_default().to_ne_bytes();
        word.get(place % 4).copied().unwrap_or_default()
    }

    fn set_byte(&mut self, place: usize, byte: u8) {
        if let Some(word) = self.0.get_mut(place / 4) {
            let mut bytes = word.to_ne_bytes();
            if let Some(there) = bytes.get_mut(place % 4) {
                *there = byte;
            }
            *word = u32::from_ne_bytes(bytes);
        }
    }

    fn mask_words(&self) -> usize {
        self.0.len().saturating_sub(LINK_WORDS) / 3
    }

    fn advertise(&mut self, word: impl Fn(usize) -> u32) {
        let count = self.mask_words();
        for index in 0..count {
            set(&mut self.0, LINK_WORDS + count + index, word(index));
        }
    }

    fn mode(&self) -> LinkMode {
        let speed = self.0.get(1).copied().filter(|speed| ![0, UNKNOWN_SPEED].contains(speed));
        let duplex = match self.byte(8) {
            0 => Some(Duplex::Half),
            1 => Some(Duplex::Full),
            _ => None,
        };
        let count = self.mask_words();
        let offered = self.0.iter().skip(LINK_WORDS + count).take(count.min(4));
        let advertising = offered.rev().fold(0, |mask, word| mask << 32 | u128::from(*word));
        LinkMode { autoneg: self.byte(11) != 0, speed, duplex, advertising }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_the_same_in_words_and_back() {
        let mask = 0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128;
        let mut words = LinkWords(vec![0; LINK_WORDS + 3 * 4]);
        words.advertise(|index| u32_of(mask, index));
        words.set_byte(8, 1);
        let mode = words.mode();
        assert_eq!(mode.advertising, mask);
        assert_eq!((mode.duplex, mode.speed, mode.autoneg), (Some(Duplex::Full), None, false));
    }

    #[test]
    fn a_speed_and_a_duplex_that_nobody_knows_are_none() {
        let mut words = LinkWords(vec![0; LINK_WORDS + 3 * 4]);
        set(&mut words.0, 1, UNKNOWN_SPEED);
        words.set_byte(8, 0xff);
        assert_eq!((words.mode().speed, words.mode().duplex), (None, None));
    }

    #[test]
    fn every_feature_belongs_to_one_key_at_most() {
        for name in [
            "rx-checksum",
            "tx-checksum-ipv4",
            "tx-scatter-gather",
            "tx-tcp6-segmentation",
            "tx-tcp-accecn-segmentation",
            "tx-udp-fragmentation",
            "tx-generic-segmentation",
            "rx-gro",
            "rx-lro",
        ] {
            assert_eq!(
                Offload::ALL.iter().filter(|offload| is_part_of(**offload, name)).count(),
                1,
                "{name}"
            );
        }
        for name in
            ["rx-gro-hw", "rx-gro-list", "tx-gso-robust", "tx-udp-segmentation", "rx-vlan-hw-parse"]
        {
            assert!(Offload::ALL.iter().all(|offload| !is_part_of(*offload, name)), "{name}");
        }
    }
}
