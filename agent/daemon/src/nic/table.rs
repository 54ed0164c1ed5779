//! Which devices are touched, and when: pure, told the time.
//!
//! A device is touched when it is there and ready and is wanted otherwise than it was last made:
//! a new device, a new wish, or one that was switched on again, as drivers begin anew then. What
//! somebody else does to a device in between is left alone, and seen when somebody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use xenwarden_link::{Kind, Link, News};
use xenwarden_nic::{
    Direction, Failure, GuestNic, Key, Line, Mac, Port, Rules, Setting, Wanted, account, mirrors,
};

/// A guest can have its device switched off and on: it is not touched more often for that.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is wanted of a guest's interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The settings.
    pub(crate) wanted: Wanted,
    /// The guest's address.
    pub(crate) mac: Option<Mac>,
    /// Whether the toolstack is done with the device.
    pub(crate) is_ready: bool,
}

/// What was last done to a device.
#[derive(Debug)]
struct Done {
    wanted: Wanted,
    /// Whether it was on then, and ever since.
    is_up: bool,
    at: Instant,
    failures: BTreeMap<Key, Failure>,
}

/// Devices, and what is wanted of them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    links: BTreeMap<u32, Link>,
    guests: BTreeMap<GuestNic, Wish>,
    hosts: BTreeMap<String, Wanted>,
    /// Devices that are the host's whatever they were made as.
    also_hosts: BTreeSet<String>,
    done: BTreeMap<u32, Done>,
    /// Why a guest does not see its bridge, by device.
    unseen: BTreeMap<u32, Failure>,
}

/// What is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Devices, and the settings to apply.
    pub(crate) apply: Vec<(Link, Wanted)>,
    /// When to look again, where something has to wait.
    pub(crate) again: Option<Instant>,
}

impl Table {
    /// Nothing is known yet.
    pub(crate) fn new(also_hosts: impl IntoIterator<Item = String>) -> Self {
        Self { also_hosts: also_hosts.into_iter().collect(), ..Self::default() }
    }

    /// These are all links there are.
    pub(crate) fn list(&mut self, links: Vec<Link>) {
        let there: BTreeSet<u32> = links.iter().map(|link| link.index).collect();
        let gone: Vec<u32> =
            self.links.keys().filter(|index| !there.contains(index)).copied().collect();
        gone.into_iter().for_each(|index| self.hear(News::Gone(index)));
        links.into_iter().for_each(|link| self.hear(News::Changed(link)));
    }

    /// A link came, changed or went.
    pub(crate) fn hear(&mut self, news: News) {
        match news {
            News::Changed(link) => {
                if let Some(done) = self.done.get_mut(&link.index) {
                    done.is_up &= link.is_up;
                }
                self.links.insert(link.index, link);
            }
            News::Gone(index) => {
                self.links.remove(&index);
                self.done.remove(&index);
                self.unseen.remove(&index);
            }
            News::Lost => {}
        }
    }

    /// This is wanted of guests' interfaces.
    pub(crate) fn want_of_guests(&mut self, guests: BTreeMap<GuestNic, Wish>) {
        self.guests = guests;
    }

    /// This is wanted of the host's, by what each is known by.
    pub(crate) fn want_of_hosts(&mut self, hosts: BTreeMap<String, Wanted>) {
        self.hosts = hosts;
    }

    /// Every link.
    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The host's interfaces: what each is known by, and its device.
    pub(crate) fn hosts(&self) -> BTreeMap<String, String> {
        let hosts = self.links().filter_map(|link| Some((self.known_by(link)?, link.name.clone())));
        hosts.collect()
    }

    /// What one of the host's interfaces is known by: the address that it was made with, if it is
    /// the only one with that, else its name. Names may change with a boot.
    pub(crate) fn known_by(&self, link: &Link) -> Option<String> {
        if link.kind != Kind::Host && !self.also_hosts.contains(&link.name) {
            return None;
        }
        let is_its_own = |mac: &Mac| {
            !self.links().any(|other| other.index != link.index && other.permanent == Some(*mac))
        };
        Some(match link.permanent.filter(is_its_own) {
            Some(mac) => format!("mac:{}", super::mac_text(mac)),
            None => format!("name:{}", link.name),
        })
    }

    /// What is wanted of a device now.
    fn wanted(&self, link: &Link) -> Wanted {
        match link.kind {
            Kind::Guest(nic, _) => {
                let wish = self.guests.get(&nic).filter(|wish| wish.is_ready);
                wish.map(|wish| wish.wanted.clone()).unwrap_or_default()
            }
            Kind::Host | Kind::Bridge | Kind::OpenVswitch | Kind::Other => {
                let known_by = self.known_by(link);
                known_by.and_then(|known| self.hosts.get(&known)).cloned().unwrap_or_default()
            }
        }
    }

    /// What is to be done now.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        let wanted: Vec<(u32, Wanted)> =
            self.links().map(|link| (link.index, self.wanted(link))).collect();
        for (index, wanted) in wanted {
            let Some(link) = self.links.get(&index) else { continue };
            let last = self.done.get(&index);
            if last.is_none() && wanted.is_empty() {
                continue;
            }
            let mut apply = wanted.clone();
            if let Some(last) = last {
                if last.wanted == wanted && (last.is_up || !link.is_up) {
                    continue;
                }
                let from = last.at + AGAIN_AFTER;
                if last.wanted == wanted && now < from {
                    due.again = Some(due.again.map_or(from, |again| again.min(from)));
                    continue;
                }
                // What nobody wants any more stays as it is, until the device is made anew; but
                // frames for others are not listened to any longer.
                let listened = last.wanted.promiscuous() == Some(true);
                if listened && wanted.promiscuous().is_none() {
                    apply = wanted.settings().chain([Setting::Promiscuous(false)]).collect();
                }
            }
            due.apply.push((link.clone(), apply));
            let done = Done { wanted, is_up: link.is_up, at: now, failures: BTreeMap::new() };
            self.done.insert(index, done);
        }
        due
    }

    /// What failed of a device's settings.
    pub(crate) fn note(&mut self, index: u32, failures: BTreeMap<Key, Failure>) {
        if let Some(done) = self.done.get_mut(&index) {
            done.failures = failures;
        }
    }

    /// The rules by which guests see their bridges, where they want to.
    pub(crate) fn rules(&self) -> Rules {
        let ports = self.links().filter_map(|link| {
            let bridge = self.links.get(&link.controller?).filter(|of| of.kind == Kind::Bridge)?;
            let watches = self.sees_all(link).then(|| self.mac_behind(link));
            Some(Port { index: link.index, bridge: bridge.index, watches })
        });
        let mut rules = mirrors(&ports.collect::<Vec<Port>>());
        // Where VLANs come in too, copies would be made before they are told apart: a guest would see
        // other networks. It goes without what comes in there for others.
        let carriers: BTreeSet<u32> = self.links().filter_map(|link| link.vlan_of).collect();
        rules.retain(|(index, direction), _| {
            *direction == Direction::Out || !carriers.contains(index)
        });
        rules
    }

    /// Whether a guest's device is to see all of its bridge.
    fn sees_all(&self, link: &Link) -> bool {
        matches!(link.kind, Kind::Guest(..)) && self.wanted(link).promiscuous() == Some(true)
    }

    /// The guest's address behind a device; where none is known, one that nobody has.
    fn mac_behind(&self, link: &Link) -> Mac {
        match link.kind {
            Kind::Guest(nic, _) => {
                self.guests.get(&nic).and_then(|wish| wish.mac).unwrap_or_default()
            }
            Kind::Host | Kind::Bridge | Kind::OpenVswitch | Kind::Other => Mac::default(),
        }
    }

    /// Notes which mirrors failed, by device; and who can't have one at all.
    pub(crate) fn note_mirrors(&mut self, failures: BTreeMap<u32, Failure>) {
        let without: Vec<(u32, Failure)> = self
            .links()
            .filter(|link| self.sees_all(link))
            .filter_map(|link| Some((link.index, self.why_no_bridge(link)?)))
            .collect();
        self.unseen = failures.into_iter().chain(without).collect();
    }

    fn why_no_bridge(&self, link: &Link) -> Option<Failure> {
        let bridge = link.controller.and_then(|index| self.links.get(&index));
        let why = match bridge.map(|bridge| &bridge.kind) {
            Some(Kind::Bridge) => return None,
            Some(Kind::OpenVswitch) => {
                "Open vSwitch has no mirror that leaves the port to its guest"
            }
            Some(_) | None => "it is no port of a bridge",
        };
        Some(Failure::Refused(why.to_owned()))
    }

    /// Accounts for a device that was just read.
    pub(crate) fn account(&self, link: &Link, active: &xenwarden_nic::Active) -> Vec<Line> {
        let mut failures =
            self.done.get(&link.index).map(|done| done.failures.clone()).unwrap_or_default();
        if let Some(failure) = self.unseen.get(&link.index) {
            failures.insert(Key::Promiscuous, failure.clone());
        }
        account(&self.wanted(link), active, &failures)
    }

    /// Whether anything is wanted of a device.
    pub(crate) fn is_wanted(&self, link: &Link) -> bool {
        !self.wanted(link).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use xenwarden_nic::{Offload, Side};

    use super::*;

    const NIC: GuestNic = GuestNic { domid: 7, devid: 0 };
    const MAC: Mac = [0, 0x16, 0x3e, 0, 0, 7];

    fn link(index: u32, name: &str, kind: Kind) -> Link {
        Link {
            index,
            name: name.to_owned(),
            address: None,
            permanent: None,
            mtu: 1500,
            mtu_max: None,
            controller: None,
            vlan_of: None,
            is_up: true,
            is_promiscuous: false,
            kind,
        }
    }

    fn vif(index: u32) -> Link {
        link(index, "vif7.0", Kind::Guest(NIC, Side::Vif))
    }

    fn wish(is_ready: bool, settings: &[Setting]) -> BTreeMap<GuestNic, Wish> {
        let wanted = settings.iter().copied().collect();
        [(NIC, Wish { wanted, mac: Some(MAC), is_ready })].into()
    }

    const TX_OFF: Setting = Setting::Offload(Offload::Tx, false);

    fn applied(table: &mut Table, now: Instant) -> Vec<(u32, Wanted)> {
        table.due(now).apply.into_iter().map(|(link, wanted)| (link.index, wanted)).collect()
    }

    #[test]
    fn a_device_is_touched_once_it_is_there_and_its_script_is_done() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.want_of_guests(wish(false, &[TX_OFF]));
        table.hear(News::Changed(vif(3)));
        assert_eq!(applied(&mut table, now), []);
        table.want_of_guests(wish(true, &[TX_OFF]));
        assert_eq!(applied(&mut table, now), [(3, [TX_OFF].into_iter().collect())]);
        assert_eq!(applied(&mut table, now), [], "and then left alone");
        table.hear(News::Changed(vif(3)));
        assert_eq!(applied(&mut table, now), []);
    }

    #[test]
    fn it_is_touched_again_when_its_script_runs_again_or_it_is_made_again() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.hear(News::Changed(vif(3)));
        table.want_of_guests(wish(true, &[TX_OFF]));
        assert_eq!(applied(&mut table, now).len(), 1);
        table.want_of_guests(wish(false, &[TX_OFF]));
        applied(&mut table, now);
        table.want_of_guests(wish(true, &[TX_OFF]));
        assert_eq!(applied(&mut table, now).len(), 1);
        table.hear(News::Gone(3));
        table.hear(News::Changed(vif(4)));
        assert_eq!(applied(&mut table, now).len(), 1);
        table.list(vec![vif(5)]);
        assert_eq!(applied(&mut table, now)[0].0, 5);
    }

    #[test]
    fn a_guest_that_switches_its_device_off_and_on_is_obeyed_once_a_second() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.hear(News::Changed(vif(3)));
        table.want_of_guests(wish(true, &[TX_OFF]));
        assert_eq!(applied(&mut table, now).len(), 1);
        for _ in 0..100 {
            table.hear(News::Changed(Link { is_up: false, ..vif(3) }));
            table.hear(News::Changed(vif(3)));
            let due = table.due(now);
            assert_eq!((due.apply.len(), due.again), (0, Some(now + AGAIN_AFTER)));
        }
        assert_eq!(applied(&mut table, now + AGAIN_AFTER).len(), 1);
        assert_eq!(table.due(now + AGAIN_AFTER), Due::default());
    }

    #[test]
    fn a_key_that_changes_is_applied_at_once_and_one_that_goes_stops_the_listening() {
        let (mut table, now) = (Table::default(), Instant::now());
        table.hear(News::Changed(link(2, "eth0", Kind::Host)));
        let want = |settings: &[Setting]| {
            [("name:eth0".to_owned(), settings.iter().copied().collect())].into()
        };
        table.want_of_hosts(want(&[Setting::Promiscuous(true)]));
        assert_eq!(applied(&mut table, now).len(), 1);
        table.want_of_hosts(want(&[Setting::Mtu(9000)]));
        let off = [Setting::Mtu(9000), Setting::Promiscuous(false)].into_iter().collect();
        assert_eq!(applied(&mut table, now), [(2, off)]);
        table.want_of_hosts(BTreeMap::new());
        assert_eq!(applied(&mut table, now), [(2, Wanted::default())]);
    }

    #[test]
    fn a_hosts_interface_is_known_by_its_own_address_or_else_by_its_name() {
        let mut table = Table::new(["veth9".to_owned()]);
        let card =
            |index, name: &str, mac| Link { permanent: Some(mac), ..link(index, name, Kind::Host) };
        table.list(vec![
            card(1, "eth0", MAC),
            card(2, "eth1", [2; 6]),
            card(3, "eth2", [2; 6]),
            link(4, "veth9", Kind::Other),
            link(5, "veth8", Kind::Other),
            vif(6),
        ]);
        let known: Vec<String> = table.hosts().into_keys().collect();
        assert_eq!(known, ["mac:00:16:3e:00:00:07", "name:eth1", "name:eth2", "name:veth9"]);
    }

    #[test]
    fn a_guest_that_asks_is_mirrored_to_and_one_without_a_bridge_is_told_why() {
        let mut table = Table::default();
        table.want_of_guests(wish(true, &[Setting::Promiscuous(true)]));
        table.list(vec![
            link(1, "xenbr0", Kind::Bridge),
            Link { controller: Some(1), ..vif(3) },
            Link { controller: Some(1), ..link(4, "eth0", Kind::Host) },
        ]);
        let places: Vec<(u32, Direction)> = table.rules().into_keys().collect();
        assert_eq!(places, [(1, Direction::Out), (4, Direction::In)]);
        table.hear(News::Changed(Link { vlan_of: Some(4), ..link(5, "eth0.20", Kind::Host) }));
        let places: Vec<(u32, Direction)> = table.rules().into_keys().collect();
        assert_eq!(
            places,
            [(1, Direction::Out)],
            "VLANs come in at eth0, which are not its to see"
        );
        table.note_mirrors(BTreeMap::new());
        assert!(table.unseen.is_empty());
        table.hear(News::Changed(vif(3)));
        assert!(table.rules().is_empty());
        table.note_mirrors(BTreeMap::new());
        assert_eq!(table.unseen.len(), 1);
    }
}
