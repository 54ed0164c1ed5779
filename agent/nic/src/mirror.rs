//! Which frames of a bridge are copied to a port that asked to see them all.
//!
//! A frame reaches that port once: either the bridge forwards it there, or it is copied. What a
//! bridge forwards to it anyhow (its own address, and what is for many) is therefore not copied;
//! what the bridge would flood, as it doesn't know the receiver, is no longer flooded to that port
//! (whoever applies these rules sees to that).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// Ports of one bridge that may see everything: a filter of the kernel's has at most 32 actions
/// (TCA_ACT_MAX_PRIO), and each is a copy of every frame.
const WATCHERS_MAX: usize = 32;

/// A device that is a port of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// The device's index.
    pub index: u32,
    /// The bridge's index.
    pub bridge: u32,
    /// Where it asked for all frames: the guest's address behind it.
    pub watches: Option<Mac>,
}

/// Where at a device frames are caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// As they come in: at ports.
    In,
    /// As they go out: at the bridge itself, where the control domain's own frames pass.
    Out,
}

/// The frames that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frames {
    /// For many.
    ForMany,
    /// For one address.
    For(Mac),
    /// All that no rule before was about.
    Others,
}

/// One rule; the first that a frame fits decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The frames.
    pub frames: Frames,
    /// The devices that get a copy.
    pub copies: Vec<u32>,
}

/// The rules of each place, in order.
pub type Rules = BTreeMap<(u32, Direction), Vec<Rule>>;

/// The rules by which every watching port sees its whole bridge, and no other port more than
/// before; of too many on one bridge, the first.
#[must_use]
pub fn mirrors(ports: &[Port]) -> Rules {
    let mut rules = Rules::new();
    let bridges: BTreeSet<u32> =
        ports.iter().filter(|port| port.watches.is_some()).map(|port| port.bridge).collect();
    for bridge in bridges {
        let members = || ports.iter().filter(move |port| port.bridge == bridge);
        let asking = members().filter_map(|port| Some((port.index, port.watches?)));
        let watchers: BTreeMap<u32, Mac> = asking.take(WATCHERS_MAX).collect();
        let ins = members().map(|port| (port.index, Direction::In));
        for place in ins.chain([(bridge, Direction::Out)]) {
            let here = |index: u32| place == (index, Direction::In);
            let others: BTreeMap<u32, Mac> = watchers
                .iter()
                .filter(|(index, _)| !here(**index))
                .map(|(i, mac)| (*i, *mac))
                .collect();
            if !others.is_empty() {
                rules.insert(place, rules_of(&others));
            }
        }
    }
    rules
}

fn rules_of(watchers: &BTreeMap<u32, Mac>) -> Vec<Rule> {
    let mut rules = vec![Rule { frames: Frames::ForMany, copies: Vec::new() }];
    for mac in watchers.values().copied().collect::<BTreeSet<Mac>>() {
        let copies = watchers.iter().filter(|(_, other)| **other != mac).map(|(i, _)| *i).collect();
        rules.push(Rule { frames: Frames::For(mac), copies });
    }
    rules.push(Rule { frames: Frames::Others, copies: watchers.keys().copied().collect() });
    rules
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: Mac = [0, 0x16, 0x3e, 0, 0, 1];
    const B: Mac = [0, 0x16, 0x3e, 0, 0, 2];

    fn port(index: u32, bridge: u32, watches: Option<Mac>) -> Port {
        Port { index, bridge, watches }
    }

    /// Who gets a copy of a frame that passes a place.
    fn copies(rules: &Rules, place: (u32, Direction), to: Mac) -> Vec<u32> {
        let fits = |rule: &&Rule| match rule.frames {
            Frames::ForMany => to[0] & 1 == 1,
            Frames::For(mac) => mac == to,
            Frames::Others => true,
        };
        let rules = rules.get(&place).map(Vec::as_slice).unwrap_or_default();
        rules.iter().find(fits).map(|rule| rule.copies.clone()).unwrap_or_default()
    }

    #[test]
    fn nobody_who_did_not_ask_sees_anything_and_nothing_is_set_up_for_nobody() {
        assert!(mirrors(&[port(1, 9, None), port(2, 9, None)]).is_empty());
        let rules = mirrors(&[port(1, 9, Some(A)), port(2, 9, None), port(3, 8, None)]);
        assert!(rules.values().flatten().all(|rule| rule.copies.iter().all(|to| *to == 1)));
        assert!(
            !rules.contains_key(&(3, Direction::In)) && !rules.contains_key(&(8, Direction::Out))
        );
        assert!(!rules.contains_key(&(1, Direction::In)), "its own frames come back to nobody");
    }

    #[test]
    fn two_who_ask_see_each_others_frames_and_their_own_once() {
        let rules = mirrors(&[port(1, 9, Some(A)), port(2, 9, Some(B)), port(3, 9, None)]);
        let from_third = (3, Direction::In);
        assert_eq!(copies(&rules, from_third, [2, 0, 0, 0, 0, 9]), [1, 2]);
        assert_eq!(copies(&rules, from_third, A), [2]);
        assert_eq!(copies(&rules, from_third, B), [1]);
        assert_eq!(copies(&rules, from_third, [0xff; 6]), [0_u32; 0]);
        assert_eq!(copies(&rules, (9, Direction::Out), [2, 0, 0, 0, 0, 9]), [1, 2]);
        assert_eq!(copies(&rules, (1, Direction::In), [2, 0, 0, 0, 0, 9]), [2]);
    }

    #[test]
    fn no_rule_copies_more_often_than_a_filter_can() {
        let ports: Vec<Port> = (1..100).map(|index| port(index, 100, Some(A))).collect();
        let rules = mirrors(&ports);
        assert!(rules.values().flatten().all(|rule| rule.copies.len() <= WATCHERS_MAX));
    }

    proptest! {
        /// Compared with the plain sentence: a frame for one goes to every watcher of the bridge
        /// but the sender and the receiver.
        #[test]
        fn a_frame_for_one_is_copied_to_every_watcher_that_would_not_get_it(
            ports in proptest::collection::vec((1..4_u32, any::<bool>()), 1..8), sender in 0..8_usize, receiver in 0..8_usize,
        ) {
            let mac = |index: u32| [0, 0x16, 0x3e, 0, 0, u8::try_from(index).unwrap()];
            let ports: Vec<Port> = (1..).zip(ports)
                .map(|(index, (bridge, watches))| port(index, 100 + bridge, watches.then(|| mac(index)))).collect();
            let (sender, receiver) = (ports[sender % ports.len()], ports[receiver % ports.len()]);
            let expected: Vec<u32> = ports.iter()
                .filter(|port| port.watches.is_some() && port.bridge == sender.bridge)
                .filter(|port| port.index != sender.index && port.index != receiver.index)
                .map(|port| port.index).collect();
            let rules = mirrors(&ports);
            prop_assert_eq!(copies(&rules, (sender.index, Direction::In), mac(receiver.index)), expected);
        }
    }
}
