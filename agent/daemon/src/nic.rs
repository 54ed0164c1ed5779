//! Network interfaces: guests' ends in the control domain, and the host's own.
//!
//! What the store says of a guest's is parsed here. Which devices are touched, and when, is
//! decided in `table.rs`; `keeper.rs` has it done, in a thread that may wait; `answer.rs` is what
//! clients see.

mod answer;
mod keeper;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use xenstore_wire::DomainId;
use xenwarden_nic::{GuestNic, Mac, Wanted};

pub(crate) use answer::NicsDraft;
pub(crate) use keeper::{Hosts, Order, Report, keep};
pub(crate) use table::Wish;

use crate::book::quoted;
use crate::run::Agent;

/// Interfaces of one guest that are looked at: xl numbers them up to 255.
pub(crate) const VIFS_MAX: usize = 256;
/// Bytes of a device's name, IFNAMSIZ less its NUL.
const DEVICE_NAME_MAX: usize = 15;
/// What a hotplug script writes when it is done with a device.
const CONNECTED: &[u8] = b"connected";

/// A guest's interface, as the store has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vif {
    /// Its address.
    pub(crate) mac: Option<Mac>,
    /// The bridge that it is to be connected to.
    pub(crate) bridge: Option<String>,
    /// Whether its script is done with it.
    pub(crate) is_connected: bool,
}

impl Vif {
    /// Parses the values of its keys.
    pub(crate) fn parse(mac: Option<&[u8]>, bridge: Option<&[u8]>, status: Option<&[u8]>) -> Self {
        Self {
            mac: mac.and_then(parse_mac),
            bridge: bridge.and_then(parse_device_name),
            is_connected: status == Some(CONNECTED),
        }
    }

    /// Its address, as people write it.
    pub(crate) fn mac_text(&self) -> Option<String> {
        self.mac.map(mac_text)
    }
}

/// An address, as people write it.
pub(crate) fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn parse_mac(text: &[u8]) -> Option<Mac> {
    let text = std::str::from_utf8(text).ok()?;
    let mut bytes = text.split(':').map(|byte| match byte.len() {
        2 if byte.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u8::from_str_radix(byte, 16).ok()
        }
        _ => None,
    });
    let mut mac = [0; 6];
    for place in &mut mac {
        *place = bytes.next()??;
    }
    bytes.next().is_none().then_some(mac)
}

fn parse_device_name(text: &[u8]) -> Option<String> {
    let is_name = !text.is_empty()
        && text.len() <= DEVICE_NAME_MAX
        && text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'/');
    is_name.then(|| String::from_utf8_lossy(text).into_owned())
}

/// What the agent knows of network interfaces.
#[derive(Debug)]
pub(crate) struct Nics {
    /// Guests' ends, by domain and number.
    seen: BTreeMap<DomainId, BTreeMap<u16, Vif>>,
    /// The host's, by what each is known by, with the device's name.
    hosts: Hosts,
    /// Settings that can't be, as they were last logged.
    bad: BTreeSet<String>,
    /// Whether wishes may have changed since they were last told.
    is_stale: bool,
    /// The last order of guests' wishes, and the last that was done.
    generation: u64,
    done: u64,
    told: (BTreeMap<GuestNic, Wish>, BTreeMap<String, Wanted>),
    orders: tokio::sync::mpsc::UnboundedSender<Order>,
}

impl Nics {
    /// Knows nothing yet. Orders go to the keeper.
    pub(crate) fn new(orders: tokio::sync::mpsc::UnboundedSender<Order>) -> Self {
        Self {
            seen: BTreeMap::new(),
            hosts: Hosts::new(),
            bad: BTreeSet::new(),
            is_stale: true,
            generation: 0,
            done: 0,
            told: (BTreeMap::new(), BTreeMap::new()),
            orders,
        }
    }

    /// Wishes may be different from now on.
    pub(crate) fn changed(&mut self) {
        self.is_stale = true;
    }

    /// A domain's interfaces were looked at.
    pub(crate) fn see(&mut self, domain: DomainId, vifs: BTreeMap<u16, Vif>) {
        self.is_stale |= self.seen.get(&domain) != Some(&vifs);
        self.seen.insert(domain, vifs);
    }

    /// A domain has ended.
    pub(crate) fn forget(&mut self, domain: DomainId) {
        self.is_stale |= self.seen.remove(&domain).is_some();
    }

    /// The keeper tells something.
    pub(crate) fn hear(&mut self, report: Report) {
        match report {
            Report::Hosts(hosts) => self.hosts = hosts,
            Report::Done(generation) => self.done = generation,
        }
    }

    /// Whether a domain's settings are applied, as far as they can be.
    pub(crate) fn is_settled(&self, domain: DomainId) -> bool {
        let Some(vifs) = self.seen.get(&domain) else { return false };
        let are_wished = |devid: &u16| {
            let nic = GuestNic { domid: domain.number(), devid: *devid };
            self.told.0.contains_key(&nic)
        };
        let connected = vifs.iter().all(|(devid, vif)| vif.is_connected || !are_wished(devid));
        connected && !self.is_stale && self.done >= self.generation
    }

    fn order(&self, order: Order) {
        // The keeper ends only with this process.
        let _ = self.orders.send(order);
    }
}

impl Agent {
    /// Tells the keeper what is wanted, where that has changed.
    pub(crate) fn tell_wishes(&mut self) {
        if !std::mem::take(&mut self.nics.is_stale) {
            return;
        }
        let mut found = BTreeSet::new();
        let guests = self.guests_wishes(&mut found);
        let mut hosts = BTreeMap::new();
        for (known_by, other_config) in self.front.identity.pifs() {
            let (wanted, bad) = Wanted::read(other_config);
            found.extend(bad.into_iter().map(|bad| skipped(known_by, bad)));
            hosts.insert(known_by.clone(), wanted);
        }
        for setting in found.difference(&self.nics.bad) {
            tracing::warn!(setting, "setting is skipped");
        }
        self.nics.bad = found;
        if self.nics.told.0 != guests {
            self.nics.generation += 1;
            let generation = self.nics.generation;
            self.nics.order(Order::Guests { wishes: guests.clone(), generation });
        }
        if self.nics.told.1 != hosts {
            self.nics.order(Order::Hosts(hosts.clone()));
        }
        self.nics.told = (guests, hosts);
    }

    fn guests_wishes(&mut self, found: &mut BTreeSet<String>) -> BTreeMap<GuestNic, Wish> {
        let mut wishes = BTreeMap::new();
        let mut changes = Vec::new();
        for (domain, vifs) in &self.nics.seen {
            let life = self.host.life_of(*domain);
            let Some(entry) = life.and_then(|life| self.host.entry(life)) else { continue };
            if !entry.owns_vm() {
                continue;
            }
            changes.extend(self.records.book().see_vifs(entry.vm, vifs));
            let record = self.records.book().get(entry.vm);
            for (devid, vif) in vifs {
                let nic = GuestNic { domid: domain.number(), devid: *devid };
                let kept = record.and_then(|record| record.vifs.get(devid));
                let Some(kept) = kept.filter(|kept| !kept.other_config.is_empty()) else {
                    continue;
                };
                let (wanted, bad) = Wanted::read(&kept.other_config);
                found.extend(bad.into_iter().map(|bad| skipped(&nic.vif(), bad)));
                if !wanted.is_empty() {
                    let wish = Wish { wanted, mac: vif.mac, is_ready: vif.is_connected };
                    wishes.insert(nic, wish);
                }
            }
        }
        self.records.note(changes, crate::database::Safety::Lazy);
        wishes
    }
}

/// A value that came past our doors, for the log.
fn skipped(nic: &str, (key, why): (String, String)) -> String {
    format!("{nic}: {}: {why}", quoted(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_interface_is_read_and_what_is_nothing_is_passed_over() {
        let read = |mac: &str, bridge: &str, status: &str| {
            Vif::parse(Some(mac.as_bytes()), Some(bridge.as_bytes()), Some(status.as_bytes()))
        };
        let vif = read("00:16:3e:0A:0b:0c", "xenbr0", "connected");
        assert_eq!(vif.mac_text().as_deref(), Some("00:16:3e:0a:0b:0c"));
        assert_eq!((vif.bridge.as_deref(), vif.is_connected), (Some("xenbr0"), true));
        for mac in [
            "",
            "00:16:3e:0a:0b",
            "00:16:3e:0a:0b:0c:0d",
            "0:16:3e:0a:0b:0c",
            "00-16-3e-0a-0b-0c",
            "+0:16:3e:0a:0b:0c",
        ] {
            assert_eq!(read(mac, "a/b", "error").mac, None, "{mac}");
        }
        assert_eq!(read("", "a/b", "error"), Vif::default());
        assert_eq!(read("", "a-name-of-16-byte", ""), Vif::default());
        assert_eq!(Vif::parse(None, None, None), Vif::default());
    }

    #[test]
    fn a_domain_is_settled_once_its_script_is_done_and_its_settings_are_applied() {
        let (orders, _ordered) = tokio::sync::mpsc::unbounded_channel();
        let mut nics = Nics::new(orders);
        let (domain, nic) = (DomainId::new(7).unwrap(), GuestNic { domid: 7, devid: 0 });
        let vif = |is_connected| [(0, Vif { is_connected, ..Vif::default() })].into();
        // What the agent has told the keeper, where anything is wanted.
        let tell = |nics: &mut Nics, is_ready| {
            let wish = Wish { wanted: Wanted::default(), mac: None, is_ready };
            (nics.is_stale, nics.generation) = (false, nics.generation + 1);
            nics.told.0 = [(nic, wish)].into();
        };
        assert!(!nics.is_settled(domain), "nobody has looked yet");
        nics.see(domain, BTreeMap::new());
        assert!(!nics.is_settled(domain), "nobody has told the keeper yet");
        nics.is_stale = false;
        assert!(nics.is_settled(domain), "there is nothing to set");
        nics.see(domain, vif(false));
        tell(&mut nics, false);
        nics.hear(Report::Done(1));
        assert!(!nics.is_settled(domain), "its script is at work");
        nics.see(domain, vif(true));
        tell(&mut nics, true);
        assert!(!nics.is_settled(domain), "the keeper is at work");
        nics.hear(Report::Done(2));
        assert!(nics.is_settled(domain));
        nics.forget(domain);
        assert!(!nics.is_settled(domain));
    }
}
