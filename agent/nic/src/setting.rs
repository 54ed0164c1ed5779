//! One setting, and all that are wanted of an interface: parsed, so that none can be half right.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::key::{Key, NoSuchKey, Offload};

/// The smallest MTU that carries IP (RFC 791); Ethernet devices take none below.
const MTU_MIN: u32 = 68;
/// How much of a bad value is repeated, in characters.
const QUOTED_MAX: usize = 32;

/// Whether both ends of a link may send at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duplex {
    /// One at a time.
    Half,
    /// Both.
    Full,
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Work taken over, or not.
    Offload(Offload, bool),
    /// Whether speed and duplex are agreed with the other end.
    Autoneg(bool),
    /// Megabits a second, above zero.
    Speed(u32),
    /// See [`Duplex`].
    Duplex(Duplex),
    /// The link modes that are offered, a bit each, as the kernel numbers them; not zero.
    Advertise(u128),
    /// Whether frames for others are taken too.
    Promiscuous(bool),
    /// The largest packet, in bytes; 68 at least.
    Mtu(u32),
}

/// A value that a key can't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is {found:?}; it may be {may_be}", key.name())]
pub struct BadValue {
    /// The key.
    pub key: Key,
    /// The value, cut.
    pub found: String,
    /// What it may be.
    pub may_be: &'static str,
}

/// What a switch may say.
const SWITCH: &str = "on or true, off or false";

impl Setting {
    /// Parses a key's value.
    pub fn parse(key: Key, value: &str) -> Result<Self, BadValue> {
        let (setting, may_be) = match key {
            Key::Offload(offload) => (switch(value).map(|on| Self::Offload(offload, on)), SWITCH),
            Key::Autoneg => (switch(value).map(Self::Autoneg), SWITCH),
            Key::Promiscuous => (switch(value).map(Self::Promiscuous), SWITCH),
            Key::Speed => (
                // The largest number means that nobody knows.
                number(value).filter(|speed| (1..u32::MAX).contains(speed)).map(Self::Speed),
                "10, 100, 1000 or another speed in Mb/s that the device has",
            ),
            Key::Duplex => (duplex(value).map(Self::Duplex), "half or full"),
            Key::Advertise => (
                mask(value).filter(|mask| *mask != 0).map(Self::Advertise),
                "a mask of link modes such as 0x20, not zero",
            ),
            Key::Mtu => (
                number(value).filter(|mtu| *mtu >= MTU_MIN).map(Self::Mtu),
                "a number of bytes, 68 at least",
            ),
        };
        setting.ok_or_else(|| BadValue {
            key,
            found: value.chars().take(QUOTED_MAX).collect(),
            may_be,
        })
    }

    /// Its key.
    #[must_use]
    pub fn key(self) -> Key {
        match self {
            Self::Offload(offload, _) => Key::Offload(offload),
            Self::Autoneg(_) => Key::Autoneg,
            Self::Speed(_) => Key::Speed,
            Self::Duplex(_) => Key::Duplex,
            Self::Advertise(_) => Key::Advertise,
            Self::Promiscuous(_) => Key::Promiscuous,
            Self::Mtu(_) => Key::Mtu,
        }
    }
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "on" | "true" => Some(true),
        "off" | "false" => Some(false),
        _ => None,
    }
}

fn duplex(value: &str) -> Option<Duplex> {
    match value {
        "half" => Some(Duplex::Half),
        "full" => Some(Duplex::Full),
        _ => None,
    }
}

/// Digits alone: a sign or a blank is no part of a number here.
fn number(value: &str) -> Option<u32> {
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

fn mask(value: &str) -> Option<u128> {
    let digits = value.strip_prefix("0x")?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

impl fmt::Display for Duplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Half => "half",
            Self::Full => "full",
        })
    }
}

/// The value, in the one form that all programs print.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offload(_, on) | Self::Autoneg(on) | Self::Promiscuous(on) => {
                f.write_str(if *on { "on" } else { "off" })
            }
            Self::Speed(number) | Self::Mtu(number) => write!(f, "{number}"),
            Self::Duplex(duplex) => write!(f, "{duplex}"),
            Self::Advertise(mask) => write!(f, "{mask:#x}"),
        }
    }
}

/// All that is wanted of one interface: one setting a key at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(BTreeMap<Key, Setting>);

impl Wanted {
    /// Reads a map of other-config. What is no setting is passed over; what is none although it
    /// looks like one is returned beside, by its key's name.
    #[must_use]
    pub fn read(other_config: &BTreeMap<String, String>) -> (Self, Vec<(String, String)>) {
        let mut wanted = Self::default();
        let mut bad = Vec::new();
        for (name, value) in other_config {
            match Self::parse(name, value) {
                Ok(Some(setting)) => drop(wanted.0.insert(setting.key(), setting)),
                Ok(None) => {}
                Err(why) => bad.push((name.to_owned(), why)),
            }
        }
        (wanted, bad)
    }

    /// Parses one key and value; none where the key means nothing here. An error is a sentence for
    /// who set it.
    pub fn parse(name: &str, value: &str) -> Result<Option<Setting>, String> {
        use alloc::string::ToString;
        match Key::parse(name) {
            Ok(Some(key)) => Setting::parse(key, value).map(Some).map_err(|bad| bad.to_string()),
            Ok(None) => Ok(None),
            Err(NoSuchKey) => Err(NoSuchKey.to_string()),
        }
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wanted of one key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Setting> {
        self.0.get(&key).copied()
    }

    /// Every setting.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.0.values().copied()
    }

    /// Whether frames for others are wanted, where anything is said of it.
    #[must_use]
    pub fn promiscuous(&self) -> Option<bool> {
        match self.get(Key::Promiscuous) {
            Some(Setting::Promiscuous(on)) => Some(on),
            _ => None,
        }
    }
}

impl FromIterator<Setting> for Wanted {
    fn from_iter<I: IntoIterator<Item = Setting>>(settings: I) -> Self {
        Self(settings.into_iter().map(|setting| (setting.key(), setting)).collect())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_those_of_the_seed_document_and_no_others() {
        for (key, good, bad) in [
            (
                Key::Offload(Offload::Tx),
                &["on", "true", "off", "false"][..],
                &["", "On", "1", "yes", "on "][..],
            ),
            (Key::Autoneg, &["on", "off"], &["auto"]),
            (Key::Promiscuous, &["on", "true", "off", "false"], &["promisc"]),
            (
                Key::Speed,
                &["10", "100", "1000", "2500", "100000"],
                &["0", "-1", "1e3", "", "4294967295", "+10", " 10"],
            ),
            (Key::Duplex, &["half", "full"], &["Full", "both", ""]),
            (
                Key::Advertise,
                &["0x20", "0xF"],
                &["20", "0x", "0x0", "0xg", "0x1ffffffffffffffffffffffffffffffff"],
            ),
            (
                Key::Mtu,
                &["68", "1500", "9000", "65535"],
                &["67", "0", "9k", "0x5dc", "99999999999"],
            ),
        ] {
            for value in good {
                let setting = Setting::parse(key, value);
                assert_eq!(setting.map(Setting::key), Ok(key), "{value}");
            }
            for value in bad {
                assert!(Setting::parse(key, value).is_err(), "{key:?} {value}");
            }
        }
    }

    #[test]
    fn a_refusal_names_key_value_and_what_it_may_be() {
        let bad = Setting::parse(Key::Offload(Offload::Tso), "yes").unwrap_err();
        assert_eq!(bad.to_string(), "ethtool-tso is \"yes\"; it may be on or true, off or false");
    }

    #[test]
    fn a_bad_value_leaves_the_other_keys_wanted() {
        let map = [("ethtool-tx", "off"), ("mtu", "tiny"), ("note", "x"), ("ethtool-x", "on")];
        let map = map.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let (wanted, bad) = Wanted::read(&map);
        assert_eq!(wanted, [Setting::Offload(Offload::Tx, false)].into_iter().collect());
        let names: Vec<&str> = bad.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ethtool-x", "mtu"]);
    }

    proptest! {
        #[test]
        fn what_is_printed_of_a_setting_is_the_same_setting(index in 0..14_usize, value in ".{0,12}", number: u32) {
            let key = Key::all().nth(index).unwrap();
            for text in [value, number.to_string(), alloc::format!("{number:#x}")] {
                if let Ok(setting) = Setting::parse(key, &text) {
                    prop_assert_eq!(Setting::parse(key, &setting.to_string()), Ok(setting));
                }
            }
        }
    }
}
