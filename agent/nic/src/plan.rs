//! The order in which settings are applied, so that one does not undo another.

use alloc::vec::Vec;

use crate::key::Offload;
use crate::setting::{Duplex, Setting, Wanted};

/// What is wanted of a link: one call says all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkWish {
    /// Whether speed and duplex are agreed with the other end.
    pub autoneg: Option<bool>,
    /// Megabits a second.
    pub speed: Option<u32>,
    /// See [`Duplex`].
    pub duplex: Option<Duplex>,
    /// The link modes that are offered.
    pub advertise: Option<u128>,
}

impl LinkWish {
    /// Its parts, each alone, those first that others need.
    #[must_use]
    pub fn parts(self) -> Vec<Self> {
        let none = Self::default();
        [
            Self { autoneg: self.autoneg, ..none },
            Self { advertise: self.advertise, ..none },
            Self { speed: self.speed, ..none },
            Self { duplex: self.duplex, ..none },
        ]
        .into_iter()
        .filter(|part| *part != none)
        .collect()
    }
}

/// One thing to do to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Set the link.
    Link(LinkWish),
    /// Switch an offload.
    Offload(Offload, bool),
    /// Set the MTU.
    Mtu(u32),
    /// Take frames for others, or not.
    Promiscuous(bool),
}

/// The steps of a wish. The link is first, as some drivers begin anew with it. Offloads go off
/// before others go on, and who stands on another goes off before and on after it. The MTU follows:
/// some devices take a large one only with scatter-gather on.
#[must_use]
pub fn plan(wanted: &Wanted) -> Vec<Step> {
    let mut link = LinkWish::default();
    let (mut mtu, mut promiscuous) = (None, None);
    let mut switches = Vec::new();
    for setting in wanted.settings() {
        match setting {
            Setting::Offload(offload, on) => switches.push((offload, on)),
            Setting::Autoneg(on) => link.autoneg = Some(on),
            Setting::Speed(speed) => link.speed = Some(speed),
            Setting::Duplex(duplex) => link.duplex = Some(duplex),
            Setting::Advertise(mask) => link.advertise = Some(mask),
            Setting::Promiscuous(on) => promiscuous = Some(on),
            Setting::Mtu(bytes) => mtu = Some(bytes),
        }
    }
    let in_order = |on: bool| {
        let mut wanted = Offload::ALL.to_vec();
        wanted.retain(|offload| switches.contains(&(*offload, on)));
        wanted.into_iter().map(|offload| Step::Offload(offload, on)).collect::<Vec<_>>()
    };
    let mut off = in_order(false);
    off.reverse();
    let link = (link != LinkWish::default()).then_some(Step::Link(link));
    link.into_iter()
        .chain(off)
        .chain(in_order(true))
        .chain(mtu.map(Step::Mtu))
        .chain(promiscuous.map(Step::Promiscuous))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bases_go_on_first_and_off_last() {
        use Offload::{Gso, Sg, Tso, Tx};
        let all = |on| [Tso, Gso, Sg, Tx].map(|offload| Setting::Offload(offload, on));
        let steps = |settings: [Setting; 4]| plan(&settings.into_iter().collect());
        assert_eq!(
            steps(all(true)),
            [Tx, Sg, Tso, Gso].map(|offload| Step::Offload(offload, true))
        );
        assert_eq!(
            steps(all(false)),
            [Gso, Tso, Sg, Tx].map(|offload| Step::Offload(offload, false))
        );
    }

    #[test]
    fn all_of_a_link_is_said_at_once_and_first() {
        let wanted = [
            Setting::Mtu(9000),
            Setting::Promiscuous(true),
            Setting::Speed(100),
            Setting::Autoneg(false),
            Setting::Offload(Offload::Rx, false),
        ];
        let link = LinkWish { autoneg: Some(false), speed: Some(100), ..LinkWish::default() };
        assert_eq!(
            plan(&wanted.into_iter().collect()),
            [
                Step::Link(link),
                Step::Offload(Offload::Rx, false),
                Step::Mtu(9000),
                Step::Promiscuous(true),
            ]
        );
        assert_eq!(link.parts().len(), 2);
    }

    #[test]
    fn nothing_wanted_is_nothing_done() {
        assert_eq!(plan(&Wanted::default()), []);
    }

    proptest! {
        /// A device whose bases switch off what stands on them ends up as wanted, wherever a wish
        /// doesn't contradict itself.
        #[test]
        fn no_step_undoes_another(wishes in proptest::collection::vec(proptest::option::of(any::<bool>()), 8), start in proptest::collection::vec(any::<bool>(), 8)) {
            let mut device: alloc::collections::BTreeMap<Offload, bool> =
                Offload::ALL.into_iter().zip(start).collect();
            let wanted: Vec<(Offload, bool)> = Offload::ALL.into_iter().zip(wishes)
                .filter_map(|(offload, wish)| Some((offload, wish?))).collect();
            let contradicts = wanted.iter().any(|(offload, on)| *on && offload.stands_on().iter()
                .any(|base| wanted.contains(&(*base, false)) || !wanted.contains(&(*base, true)) && !device[base]));
            let settings = wanted.iter().map(|(offload, on)| Setting::Offload(*offload, *on));
            for step in plan(&settings.collect()) {
                let Step::Offload(offload, on) = step else { continue };
                let may = !on || offload.stands_on().iter().all(|base| device[base]);
                device.insert(offload, on && may);
                if !on {
                    for other in Offload::ALL {
                        if other.stands_on().contains(&offload) {
                            device.insert(other, false);
                        }
                    }
                }
            }
            if !contradicts {
                for (offload, on) in wanted {
                    prop_assert_eq!(device[&offload], on, "{:?}", offload);
                }
            }
        }
    }
}
