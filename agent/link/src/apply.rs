//! The host's devices: applies what is wanted of each, step by step, and reads it back.
//!
//! A step that fails is noted by its keys and stops no other.

use std::collections::{BTreeMap, BTreeSet};

use xenwarden_nic::{Active, Direction, Failure, Key, LinkWish, Rule, Rules, Step, Wanted, plan};

use crate::ethtool::Ethtool;
use crate::fault::Fault;
use crate::link::{Kind, Link};
use crate::message::attribute;
use crate::route::Route;
use crate::traffic;

/// Parts of a link's messages (linux/if_link.h).
const IFLA_MTU: u16 = 4;
const IFLA_PROTINFO: u16 = 12;
const IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
const IFLA_BRPORT_MULTICAST_ROUTER: u16 = 25;
/// Told that its bit says so, the kernel looks into a nested attribute.
const NESTED: u16 = 0x8000;
/// Whether a port gets what is for many and nobody has asked for: as the bridge finds out, always.
const ROUTER_BY_QUERY: u8 = 1;
const ROUTER_ALWAYS: u8 = 2;

/// Sockets that reach the devices of this network namespace.
#[derive(Debug)]
pub struct Devices {
    ethtool: Ethtool,
    route: Route,
    /// The rules that stand at each place; none where some do that are not known.
    rules: BTreeMap<(u32, Direction), Option<Vec<Rule>>>,
    /// Bridge ports that see everything, by us.
    watchers: BTreeSet<u32>,
    /// Whether an earlier agent's rules have been looked for.
    cleaned: bool,
}

/// `struct ifinfomsg`.
fn head(family: u8, index: u32, flags: i32, change: i32) -> Vec<u8> {
    let mut bytes = vec![family, 0, 0, 0];
    bytes.extend(index.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(change.to_ne_bytes());
    bytes
}

impl Devices {
    /// Opens the sockets.
    pub fn open() -> Result<Self, Fault> {
        let (ethtool, route) = (Ethtool::open()?, Route::open()?);
        Ok(Self {
            ethtool,
            route,
            rules: BTreeMap::new(),
            watchers: BTreeSet::new(),
            cleaned: false,
        })
    }

    /// Every link.
    pub fn links(&mut self) -> Result<Vec<Link>, Fault> {
        let listed = self.route.list(libc::RTM_GETLINK, &head(0, 0, 0, 0))?;
        Ok(listed.iter().filter_map(|payload| Link::parse(payload)).collect())
    }

    /// Applies what is wanted of a device, but for a guest's wish to see its whole bridge, which
    /// is a matter of other devices ([`Self::mirror`]). Returns what failed, by key.
    pub fn apply(&mut self, link: &Link, wanted: &Wanted) -> BTreeMap<Key, Failure> {
        let mut failures = BTreeMap::new();
        let mut changeable = None;
        for step in plan(wanted) {
            match step {
                Step::Link(wish) => self.apply_link(link, wish, &mut failures),
                Step::Offload(offload, on) => {
                    let known = changeable
                        .get_or_insert_with(|| self.ethtool.changeable(&link.name))
                        .as_ref();
                    let done = known.map_err(Clone::clone).and_then(|changeable| {
                        self.ethtool.switch(&link.name, changeable, offload, on)
                    });
                    note(&mut failures, &[Key::Offload(offload)], done);
                }
                Step::Mtu(bytes) => {
                    let mtu = [(IFLA_MTU, bytes.to_ne_bytes().to_vec())];
                    let body = head(0, link.index, 0, 0);
                    let done = self.route.order(libc::RTM_SETLINK, 0, &body, &mtu);
                    note(&mut failures, &[Key::Mtu], done);
                }
                Step::Promiscuous(on) => {
                    if !matches!(link.kind, Kind::Guest(..)) {
                        let done = self.take_all(link, on);
                        note(&mut failures, &[Key::Promiscuous], done);
                    }
                }
            }
        }
        failures
    }

    /// Switches whether a device takes frames for others.
    fn take_all(&mut self, link: &Link, on: bool) -> Result<(), Fault> {
        let flags = if on { libc::IFF_PROMISC } else { 0 };
        let body = head(0, link.index, flags, libc::IFF_PROMISC);
        self.route.order(libc::RTM_SETLINK, 0, &body, &[])
    }

    /// All of a link's wishes at once, as they may need each other; where that is refused, one by
    /// one, so that one does not keep back the others.
    fn apply_link(&mut self, link: &Link, wish: LinkWish, failures: &mut BTreeMap<Key, Failure>) {
        if self.ethtool.set_link(&link.name, wish).is_ok() {
            return;
        }
        for part in wish.parts() {
            let keys = keys_of(part);
            note(failures, &keys, self.ethtool.set_link(&link.name, part));
        }
    }

    /// How a device is. A guest's is promiscuous where its bridge is mirrored to it.
    pub fn read(&mut self, link: &Link) -> Result<Active, Fault> {
        let offloads = match self.ethtool.offloads(&link.name) {
            Err(fault) if Failure::from(fault.clone()) == Failure::Unsupported => BTreeMap::new(),
            other => other?,
        };
        let promiscuous = match link.kind {
            Kind::Guest(..) => self.watchers.contains(&link.index),
            Kind::Host | Kind::Bridge | Kind::OpenVswitch | Kind::Other => link.is_promiscuous,
        };
        Ok(Active {
            offloads,
            link: self.ethtool.link(&link.name)?,
            mtu: link.mtu,
            mtu_max: link.mtu_max,
            promiscuous,
        })
    }

    /// Brings the mirrors to what is wanted. `links` are all there are. Returns what failed, by the
    /// device that should see everything.
    pub fn mirror(&mut self, rules: &Rules, links: &[Link]) -> BTreeMap<u32, Failure> {
        if !self.cleaned && !links.is_empty() {
            self.find_earlier(links);
        }
        let there: BTreeSet<u32> = links.iter().map(|link| link.index).collect();
        let is_there = |index: u32| there.contains(&index);
        let mut failures = BTreeMap::new();
        let mut stand = BTreeMap::new();
        let places: Vec<(u32, Direction)> = self
            .rules
            .keys()
            .chain(rules.keys())
            .copied()
            .filter(|(index, _)| is_there(*index))
            .collect();
        for place in places {
            let (index, direction) = place;
            let wanted: &[Rule] = rules.get(&place).map(Vec::as_slice).unwrap_or_default();
            if stand.contains_key(&place) {
                continue;
            }
            let done = match self.rules.get(&place) {
                Some(Some(there)) if there == wanted => Ok(()),
                Some(_) | None => traffic::put(&mut self.route, index, direction, wanted),
            };
            match done {
                Ok(()) if wanted.is_empty() => {}
                Ok(()) => drop(stand.insert(place, Some(wanted.to_vec()))),
                Err(fault) => {
                    // Half of the rules would copy some frames twice; all are put anew the next time.
                    let _ = traffic::put(&mut self.route, index, direction, &[]);
                    stand.insert(place, None);
                    for watcher in wanted.iter().flat_map(|rule| &rule.copies) {
                        failures.insert(*watcher, Failure::from(fault.clone()));
                    }
                }
            }
        }
        self.rules = stand;
        let watchers: BTreeSet<u32> =
            rules.values().flatten().flat_map(|rule| rule.copies.clone()).collect();
        let before = std::mem::take(&mut self.watchers);
        for index in before.iter().filter(|index| is_there(**index) && !watchers.contains(index)) {
            // One that left its bridge has nothing to take back.
            let _ = self.flood(*index, true);
        }
        for index in watchers {
            if before.contains(&index) {
                self.watchers.insert(index);
                continue;
            }
            match self.flood(index, false) {
                Ok(()) => {
                    self.watchers.insert(index);
                }
                Err(fault) => drop(failures.insert(index, fault.into())),
            }
        }
        self.watchers.retain(|index| !failures.contains_key(index));
        failures
    }

    /// Whether a bridge floods frames to a port: one that is sent copies gets them that way.
    fn flood(&mut self, index: u32, on: bool) -> Result<(), Fault> {
        let router = if on { ROUTER_BY_QUERY } else { ROUTER_ALWAYS };
        let flood = attribute(IFLA_BRPORT_UNICAST_FLOOD, &[u8::from(on)]);
        let body = head(bridge_family(), index, 0, 0);
        let port = [(IFLA_PROTINFO | NESTED, flood)];
        self.route.order(libc::RTM_SETLINK, 0, &body, &port)?;
        let port = attribute(IFLA_BRPORT_MULTICAST_ROUTER, &[router]);
        match self.route.order(libc::RTM_SETLINK, 0, &body, &[(IFLA_PROTINFO | NESTED, port)]) {
            // A bridge that doesn't look into what is for many floods all of it.
            Err(fault) if Failure::from(fault.clone()) == Failure::Unsupported => Ok(()),
            other => other,
        }
    }

    /// Finds what an agent before this one has left, so that it is taken away or put anew.
    fn find_earlier(&mut self, links: &[Link]) {
        for link in links {
            for direction in [Direction::In, Direction::Out] {
                if traffic::any(&mut self.route, link.index, direction).unwrap_or(false) {
                    self.rules.insert((link.index, direction), None);
                    // Whoever gets copies is not known; every port of that bridge may.
                    if let (Direction::In, Some(bridge)) = (direction, link.controller) {
                        let ports = links.iter().filter(|port| port.controller == Some(bridge));
                        self.watchers.extend(
                            ports
                                .filter(|port| matches!(port.kind, Kind::Guest(..)))
                                .map(|port| port.index),
                        );
                    }
                }
            }
        }
        for index in std::mem::take(&mut self.watchers) {
            let _ = self.flood(index, true);
        }
        self.cleaned = true;
    }
}

fn bridge_family() -> u8 {
    u8::try_from(libc::AF_BRIDGE).unwrap_or_default()
}

fn keys_of(part: LinkWish) -> Vec<Key> {
    [
        part.autoneg.map(|_| Key::Autoneg),
        part.speed.map(|_| Key::Speed),
        part.duplex.map(|_| Key::Duplex),
        part.advertise.map(|_| Key::Advertise),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn note(failures: &mut BTreeMap<Key, Failure>, keys: &[Key], done: Result<(), Fault>) {
    if let Err(fault) = done {
        failures.extend(keys.iter().map(|key| (*key, Failure::from(fault.clone()))));
    }
}
