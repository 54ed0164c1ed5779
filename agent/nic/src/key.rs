//! The keys of other-config that are settings of an interface, each by its one name.
//!
//! What their values may be is in `setting.rs`.

/// Work that an interface may take over from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Offload {
    /// Checksums of what comes in.
    Rx,
    /// Checksums of what goes out.
    Tx,
    /// Frames in several pieces of memory.
    Sg,
    /// Cutting TCP into segments.
    Tso,
    /// Cutting UDP into fragments.
    Ufo,
    /// Cutting late, in the kernel.
    Gso,
    /// Joining what comes in, in the kernel.
    Gro,
    /// Joining what comes in.
    Lro,
}

impl Offload {
    /// Every one: who stands on another comes after it.
    pub const ALL: [Self; 8] =
        [Self::Rx, Self::Tx, Self::Sg, Self::Tso, Self::Ufo, Self::Gso, Self::Gro, Self::Lro];

    /// Those without which it can't be on.
    #[must_use]
    pub fn stands_on(self) -> &'static [Self] {
        match self {
            Self::Rx | Self::Tx | Self::Sg | Self::Gro => &[],
            Self::Tso | Self::Ufo => &[Self::Tx, Self::Sg],
            Self::Gso => &[Self::Sg],
            Self::Lro => &[Self::Rx],
        }
    }
}

/// One setting's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `ethtool-rx` and the like.
    Offload(Offload),
    /// `ethtool-autoneg`
    Autoneg,
    /// `ethtool-speed`
    Speed,
    /// `ethtool-duplex`
    Duplex,
    /// `ethtool-advertise`
    Advertise,
    /// `promiscuous`
    Promiscuous,
    /// `mtu`
    Mtu,
}

/// What every key of the first kinds begins with.
const FAMILY: &str = "ethtool-";

/// A key of the family that isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no such ethtool key; they are ethtool-rx, -tx, -sg, -tso, -ufo, -gso, -gro, -lro, -autoneg, -speed, -duplex and -advertise"
)]
pub struct NoSuchKey;

impl Key {
    /// Every key and its name.
    const NAMES: [(Self, &'static str); 14] = [
        (Self::Offload(Offload::Rx), "ethtool-rx"),
        (Self::Offload(Offload::Tx), "ethtool-tx"),
        (Self::Offload(Offload::Sg), "ethtool-sg"),
        (Self::Offload(Offload::Tso), "ethtool-tso"),
        (Self::Offload(Offload::Ufo), "ethtool-ufo"),
        (Self::Offload(Offload::Gso), "ethtool-gso"),
        (Self::Offload(Offload::Gro), "ethtool-gro"),
        (Self::Offload(Offload::Lro), "ethtool-lro"),
        (Self::Autoneg, "ethtool-autoneg"),
        (Self::Speed, "ethtool-speed"),
        (Self::Duplex, "ethtool-duplex"),
        (Self::Advertise, "ethtool-advertise"),
        (Self::Promiscuous, "promiscuous"),
        (Self::Mtu, "mtu"),
    ];

    /// Every key.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|(key, _)| *key)
    }

    /// Its name in other-config.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(key, _)| *key == self).map_or("", |(_, name)| name)
    }

    /// The key of a name; none where other-config may hold it and it means nothing here.
    pub fn parse(name: &str) -> Result<Option<Self>, NoSuchKey> {
        match Self::NAMES.iter().find(|(_, known)| *known == name) {
            Some((key, _)) => Ok(Some(*key)),
            None if name.starts_with(FAMILY) => Err(NoSuchKey),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_name_and_is_found_by_it() {
        for key in Key::all() {
            assert_eq!(Key::parse(key.name()), Ok(Some(key)));
        }
        for offload in Offload::ALL {
            assert!(Key::all().any(|key| key == Key::Offload(offload)), "{offload:?}");
        }
        assert_eq!(Key::all().count(), 14);
    }

    #[test]
    fn a_key_that_is_almost_one_is_refused_and_others_mean_nothing() {
        assert_eq!(Key::parse("ethtool-txx"), Err(NoSuchKey));
        assert_eq!(Key::parse("ethtool-"), Err(NoSuchKey));
        for free in ["", "MTU", "static-routes", "ethtool"] {
            assert_eq!(Key::parse(free), Ok(None), "{free}");
        }
    }

    #[test]
    fn who_stands_on_another_comes_after_it() {
        let place = |offload| Offload::ALL.iter().position(|other| *other == offload);
        for offload in Offload::ALL {
            for base in offload.stands_on() {
                assert!(place(*base) < place(offload), "{base:?} {offload:?}");
            }
        }
    }
}
