//! How a device is now, as it was read back.

use alloc::collections::BTreeMap;

use crate::key::Offload;
use crate::setting::Duplex;

/// An offload, as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Whether it is on.
    pub active: bool,
    /// Whether it was asked for: it goes on by itself once nothing is in its way.
    pub requested: bool,
    /// Whether the device never changes it.
    pub fixed: bool,
}

/// A link, as the device has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkMode {
    /// Whether speed and duplex are agreed with the other end.
    pub autoneg: bool,
    /// Megabits a second, where the device knows.
    pub speed: Option<u32>,
    /// See [`Duplex`], where the device knows.
    pub duplex: Option<Duplex>,
    /// The link modes that are offered.
    pub advertising: u128,
}

/// A device, as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Active {
    /// Offloads that the kernel knows of this device.
    pub offloads: BTreeMap<Offload, Feature>,
    /// Its link; none where it has no word for one.
    pub link: Option<LinkMode>,
    /// Its MTU, in bytes.
    pub mtu: u32,
    /// The largest MTU that it takes; none where it doesn't say.
    pub mtu_max: Option<u32>,
    /// Whether it takes frames for others.
    pub promiscuous: bool,
}
