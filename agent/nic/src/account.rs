//! What came of a wish: key by key, what is wanted, what is so, and why where the two differ.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::key::{Key, Offload};
use crate::setting::{Setting, Wanted};
use crate::state::{Active, Feature};

/// Why a step was not done, as the device or the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The device has nothing of the kind.
    Unsupported,
    /// It says no, in the kernel's words.
    Refused(String),
}

/// Why a device is not as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It never changes that.
    #[error("fixed: the device never changes it")]
    Fixed,
    /// It has nothing of the kind.
    #[error("unsupported: the device has nothing of the kind")]
    Unsupported,
    /// It goes on once another key is on.
    #[error("needs {} on", .0.name())]
    Needs(Key),
    /// Speed and duplex are agreed with the other end.
    #[error("needs ethtool-autoneg off")]
    NeedsAutonegOff,
    /// It is asked for, and waits for the other end: a guest's driver, a cable.
    #[error("needs peer: asked for, and the other end does not have it")]
    NeedsPeer,
    /// The largest MTU is smaller.
    #[error("too large: the device's maximum is {0}")]
    AboveMaximum(u32),
    /// It was refused.
    #[error("refused: {0}")]
    Refused(String),
    /// It was done, and is otherwise now.
    #[error("changed by somebody else since")]
    Changed,
}

/// One key's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The key.
    pub key: Key,
    /// What is wanted.
    pub wanted: Setting,
    /// What is so; none where the device has no word for it.
    pub active: Option<String>,
    /// Why not, where it isn't as wanted.
    pub reason: Option<Reason>,
}

/// Accounts for every wanted key. `failures` are those of the steps, by key.
#[must_use]
pub fn account(wanted: &Wanted, active: &Active, failures: &BTreeMap<Key, Failure>) -> Vec<Line> {
    wanted.settings().map(|setting| line(setting, active, failures.get(&setting.key()))).collect()
}

fn line(wanted: Setting, active: &Active, failure: Option<&Failure>) -> Line {
    let key = wanted.key();
    let (found, reason) = match wanted {
        Setting::Offload(offload, on) => offload_account(offload, on, active),
        Setting::Autoneg(on) => {
            let found = active.link.map(|link| Setting::Autoneg(link.autoneg));
            (found, link_reason(active, link_word(active, found == Some(Setting::Autoneg(on)))))
        }
        Setting::Advertise(mask) => {
            let found = active.link.map(|link| link.advertising);
            let reason = link_word(active, found == Some(mask));
            (found.map(Setting::Advertise), reason)
        }
        Setting::Speed(speed) => {
            let found = active.link.and_then(|link| link.speed);
            let reason = link_reason(active, link_word(active, found == Some(speed)));
            (found.map(Setting::Speed), reason)
        }
        Setting::Duplex(duplex) => {
            let found = active.link.and_then(|link| link.duplex);
            let reason = link_reason(active, link_word(active, found == Some(duplex)));
            (found.map(Setting::Duplex), reason)
        }
        Setting::Promiscuous(on) => {
            let reason = (active.promiscuous != on).then_some(Reason::Changed);
            (Some(Setting::Promiscuous(active.promiscuous)), reason)
        }
        Setting::Mtu(bytes) => {
            let above = active.mtu_max.filter(|max| bytes > *max).map(Reason::AboveMaximum);
            let differs = (active.mtu != bytes).then_some(Reason::Changed);
            (Some(Setting::Mtu(active.mtu)), differs.map(|reason| above.unwrap_or(reason)))
        }
    };
    let reason = reason.map(|reason| match (reason, failure) {
        // Only where nothing better is known does the kernel's own word say more.
        (Reason::Changed | Reason::NeedsPeer, Some(Failure::Unsupported)) => Reason::Unsupported,
        (Reason::Changed | Reason::NeedsPeer, Some(Failure::Refused(why))) => {
            Reason::Refused(why.clone())
        }
        (reason, _) => reason,
    });
    Line { key, wanted, active: found.map(|setting| setting.to_string()), reason }
}

fn offload_account(
    offload: Offload,
    on: bool,
    active: &Active,
) -> (Option<Setting>, Option<Reason>) {
    let Some(feature) = active.offloads.get(&offload) else {
        // What a device has nothing of is off.
        let reason = on.then_some(Reason::Unsupported);
        return (Some(Setting::Offload(offload, false)), reason);
    };
    let Feature { active: is_on, requested, fixed } = *feature;
    let is_off = |base: &Offload| !active.offloads.get(base).is_some_and(|base| base.active);
    let missing = offload.stands_on().iter().copied().find(is_off);
    let reason = if is_on == on {
        None
    } else if fixed {
        Some(Reason::Fixed)
    } else if on && let Some(base) = missing {
        Some(Reason::Needs(Key::Offload(base)))
    } else if requested == on {
        Some(Reason::NeedsPeer)
    } else {
        Some(Reason::Changed)
    };
    (Some(Setting::Offload(offload, is_on)), reason)
}

/// What is to be said of a link's part that is, or is not, as wanted.
fn link_word(active: &Active, as_wanted: bool) -> Option<Reason> {
    match active.link {
        _ if as_wanted => None,
        None => Some(Reason::Unsupported),
        Some(_) => Some(Reason::Changed),
    }
}

/// The same for what the other end has a say in.
fn link_reason(active: &Active, reason: Option<Reason>) -> Option<Reason> {
    match (reason, active.link) {
        (Some(Reason::Changed), Some(link)) if link.speed.is_none() => Some(Reason::NeedsPeer),
        (reason, _) => reason,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::setting::Duplex;
    use crate::state::LinkMode;

    fn feature(active: bool, requested: bool, fixed: bool) -> Feature {
        Feature { active, requested, fixed }
    }

    fn one(setting: Setting, active: &Active, failure: Option<Failure>) -> Line {
        let failures = failure.map(|failure| (setting.key(), failure)).into_iter().collect();
        account(&[setting].into_iter().collect(), active, &failures).remove(0)
    }

    fn offload(on: bool, feature: Option<Feature>) -> Option<Reason> {
        let offloads = feature.map(|feature| (Offload::Rx, feature)).into_iter().collect();
        one(Setting::Offload(Offload::Rx, on), &Active { offloads, ..Active::default() }, None)
            .reason
    }

    #[test]
    fn an_offload_that_is_as_wanted_needs_no_reason() {
        assert_eq!(offload(true, Some(feature(true, true, false))), None);
        assert_eq!(offload(false, Some(feature(false, false, true))), None);
        assert_eq!(offload(false, None), None);
    }

    #[test]
    fn an_offload_is_fixed_unsupported_waits_or_was_changed() {
        assert_eq!(offload(true, None), Some(Reason::Unsupported));
        assert_eq!(offload(true, Some(feature(false, false, true))), Some(Reason::Fixed));
        assert_eq!(offload(false, Some(feature(true, true, true))), Some(Reason::Fixed));
        assert_eq!(offload(true, Some(feature(false, true, false))), Some(Reason::NeedsPeer));
        assert_eq!(offload(true, Some(feature(false, false, false))), Some(Reason::Changed));
    }

    #[test]
    fn an_offload_whose_base_is_off_says_which() {
        let offloads = [
            (Offload::Tx, feature(false, false, false)),
            (Offload::Sg, feature(true, true, false)),
            (Offload::Tso, feature(false, true, false)),
        ];
        let active = Active { offloads: offloads.into(), ..Active::default() };
        let line = one(Setting::Offload(Offload::Tso, true), &active, None);
        assert_eq!(line.reason, Some(Reason::Needs(Key::Offload(Offload::Tx))));
        assert_eq!(line.reason.unwrap().to_string(), "needs ethtool-tx on");
        assert_eq!(line.active.as_deref(), Some("off"));
    }

    #[test]
    fn an_mtu_above_the_devices_maximum_says_the_maximum() {
        let active = Active { mtu: 1500, mtu_max: Some(65_535), ..Active::default() };
        let refused = Some(Failure::Refused("Invalid argument".into()));
        let line = one(Setting::Mtu(70_000), &active, refused);
        assert_eq!(line.reason, Some(Reason::AboveMaximum(65_535)));
        assert_eq!(line.active.as_deref(), Some("1500"));
    }

    #[test]
    fn a_device_without_a_link_and_one_that_refuses_are_told_apart() {
        let line = one(Setting::Speed(100), &Active::default(), Some(Failure::Unsupported));
        assert_eq!((line.active, line.reason), (None, Some(Reason::Unsupported)));
        let link = LinkMode {
            autoneg: false,
            speed: Some(10_000),
            duplex: Some(Duplex::Full),
            advertising: 0,
        };
        let active = Active { link: Some(link), ..Active::default() };
        let line = one(Setting::Speed(100), &active, Some(Failure::Refused("no".into())));
        assert_eq!(line.active.as_deref(), Some("10000"));
        assert_eq!(line.reason, Some(Reason::Refused("no".into())));
        assert_eq!(one(Setting::Duplex(Duplex::Full), &active, None).reason, None);
    }

    #[test]
    fn a_link_without_a_cable_waits_for_one() {
        let link = LinkMode { autoneg: true, speed: None, duplex: None, advertising: 1 };
        let active = Active { link: Some(link), ..Active::default() };
        assert_eq!(one(Setting::Speed(100), &active, None).reason, Some(Reason::NeedsPeer));
    }

    #[test]
    fn every_wanted_key_has_its_line() {
        let wanted: Wanted =
            vec![Setting::Mtu(1500), Setting::Promiscuous(true)].into_iter().collect();
        let active = Active { mtu: 1500, ..Active::default() };
        let lines = account(&wanted, &active, &BTreeMap::new());
        assert_eq!(lines.len(), 2);
        assert_eq!(lines.iter().filter(|line| line.reason.is_some()).count(), 1);
    }
}
