//! What clients see and set of network interfaces.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;
use xenwarden_link::{Kind, Link};
use xenwarden_model::{Map, Nic, NicKey, NicOwner, Refusal, RefusalCode, Reply};
use xenwarden_nic::{GuestNic, Line, Side, Wanted};

use super::keeper::{Order, Snapshot};
use super::mac_text;
use crate::answer::Draft;
use crate::book::change_key;
use crate::causes::causes;
use crate::run::Agent;

/// How long devices may take to say how they are: a driver may be busy with one for a while.
const DEVICES_MAX: Duration = Duration::from_secs(20);

/// What is known of interfaces before the devices were looked at.
#[derive(Debug)]
pub(crate) struct NicsDraft {
    /// Guests', with the name of the device where the guest runs.
    guests: Vec<(Nic, Option<GuestNic>)>,
    /// Keys of the host's, by what each is known by.
    hosts: BTreeMap<String, Map>,
    host: Uuid,
    snapshot: oneshot::Receiver<Snapshot>,
}

/// Which interface a uuid means.
enum Meant {
    Vif(Uuid, u16),
    Pif(String),
}

impl Agent {
    /// Every interface.
    pub(crate) fn draft_nics(&self) -> Draft {
        let (asker, snapshot) = oneshot::channel();
        self.nics.order(Order::Tell(asker));
        let mut guests = Vec::new();
        for (vm, record) in self.records.book().records() {
            let owner = self.host.owner(vm).filter(|(_, entry)| entry.present);
            let domain = owner.map(|(_, entry)| entry.domain);
            let seen = domain.and_then(|domain| self.nics.seen.get(&domain));
            for (devid, kept) in &record.vifs {
                let plugged = seen.is_some_and(|seen| seen.contains_key(devid));
                let device = domain
                    .filter(|_| plugged)
                    .map(|domain| GuestNic { domid: domain.number(), devid: *devid });
                let nic = Nic {
                    uuid: Nic::uuid_of_vif(vm, *devid),
                    owner: NicOwner::Vm { vm, name_label: record.name.clone(), device: *devid },
                    device: None,
                    mac: kept.mac.clone(),
                    network: kept.network.clone(),
                    mtu: None,
                    mtu_max: None,
                    other_config: kept.other_config.clone(),
                    keys: Vec::new(),
                };
                guests.push((nic, device));
            }
        }
        guests.sort_by_key(|(nic, _)| sort_key(nic));
        let hosts = self.front.identity.pifs().clone();
        let host = self.front.identity.host();
        Draft::Nics(NicsDraft { guests, hosts, host, snapshot })
    }

    /// Makes the record of an interface that isn't plugged yet.
    pub(crate) fn add_vif(&mut self, vm: Uuid, devid: u16) -> Result<Reply, Refusal> {
        let changes = self.records.book().add_vif(vm, devid)?;
        self.records.keep(changes)?;
        Ok(Reply::Registered(Nic::uuid_of_vif(vm, devid)))
    }

    /// Sets a key (`Some`) of an interface, or removes it. A setting that can't be is refused.
    pub(crate) fn change_nic_key(
        &mut self,
        nic: Uuid,
        key: &str,
        value: Option<String>,
    ) -> Result<Reply, Refusal> {
        let meant = self.meant(nic).ok_or_else(|| Refusal {
            code: RefusalCode::UnknownNic,
            message: format!("no network interface has the uuid {nic}"),
        })?;
        if let Some(value) = &value {
            Wanted::parse(key, value)
                .map_err(|message| Refusal { code: RefusalCode::Malformed, message })?;
        }
        match meant {
            Meant::Vif(vm, devid) => {
                let changes = self.records.book().change_vif_key(vm, devid, key, value)?;
                self.records.keep(changes)?;
            }
            Meant::Pif(known_by) => {
                let kept = self.front.identity.pifs().get(&known_by);
                let mut entries = kept.cloned().unwrap_or_default();
                change_key(&mut entries, key, value)?;
                self.front.identity.set_pif(&known_by, entries).map_err(|fault| Refusal {
                    code: RefusalCode::Failed,
                    message: causes(&fault),
                })?;
            }
        }
        self.nics.changed();
        Ok(Reply::Done)
    }

    fn meant(&self, nic: Uuid) -> Option<Meant> {
        let vif = self.records.book().records().find_map(|(vm, record)| {
            let devid = record.vifs.keys().find(|devid| Nic::uuid_of_vif(vm, **devid) == nic)?;
            Some(Meant::Vif(vm, *devid))
        });
        let host = self.front.identity.host();
        let known = self.nics.hosts.keys().chain(self.front.identity.pifs().keys());
        vif.or_else(|| {
            let mut known = known;
            let known_by = known.find(|known_by| Nic::uuid_of_pif(host, known_by) == nic)?;
            Some(Meant::Pif(known_by.clone()))
        })
    }
}

fn sort_key(nic: &Nic) -> (String, Uuid, u16) {
    match &nic.owner {
        NicOwner::Vm { vm, name_label, device } => (name_label.clone(), *vm, *device),
        NicOwner::Host => (String::new(), Uuid::nil(), 0),
    }
}

impl NicsDraft {
    /// Waits for the devices, and completes the answer.
    pub(crate) async fn finish(self) -> Reply {
        let Ok(Ok(snapshot)) = timeout(DEVICES_MAX, self.snapshot).await else {
            let message = "the network interfaces can't be looked at".to_owned();
            return Reply::Refused(Refusal { code: RefusalCode::Failed, message });
        };
        let mut nics = Vec::new();
        for (mut nic, device) in self.guests {
            // The emulated device is the guest's as long as there is no other.
            let of_guest = |side| {
                let is_it = |link: &Link| {
                    Some(&link.kind) == device.map(|nic| Kind::Guest(nic, side)).as_ref()
                };
                snapshot.devices.iter().find(|(link, _)| is_it(link))
            };
            fill(&mut nic, of_guest(Side::Vif).or_else(|| of_guest(Side::Tap)), &snapshot);
            nics.push(nic);
        }
        let absent = self.hosts.keys().filter(|known_by| !snapshot.hosts.contains_key(*known_by));
        let present = snapshot.hosts.iter().map(|(known_by, device)| (known_by, Some(device)));
        for (known_by, device) in present.chain(absent.map(|known_by| (known_by, None))) {
            let mut nic = Nic {
                uuid: Nic::uuid_of_pif(self.host, known_by),
                owner: NicOwner::Host,
                device: None,
                mac: known_by.strip_prefix("mac:").map(str::to_owned),
                network: None,
                mtu: None,
                mtu_max: None,
                other_config: self.hosts.get(known_by).cloned().unwrap_or_default(),
                keys: Vec::new(),
            };
            let found = snapshot.devices.iter().find(|(link, _)| Some(&link.name) == device);
            fill(&mut nic, found, &snapshot);
            nics.push(nic);
        }
        Reply::Nics(nics)
    }
}

/// Adds what was found of an interface's device, and accounts for each of its settings.
fn fill(nic: &mut Nic, found: Option<&(Link, Vec<Line>)>, snapshot: &Snapshot) {
    let mut lines: &[Line] = &[];
    if let Some((link, found)) = found {
        lines = found;
        nic.device = Some(link.name.clone());
        nic.mtu = Some(link.mtu);
        nic.mtu_max = link.mtu_max;
        if nic.owner == NicOwner::Host {
            nic.mac = link.address.map(mac_text).or(nic.mac.take());
        }
        let mut links = snapshot.devices.iter().map(|(link, _)| link);
        let bridge = links.find(|other| Some(other.index) == link.controller);
        if let Some(bridge) = bridge {
            nic.network = Some(bridge.name.clone());
        }
    }
    for (key, value) in &nic.other_config {
        let line = lines.iter().find(|line| line.key.name() == key);
        let (wanted, reason) = match (Wanted::parse(key, value), line) {
            (Ok(None), _) => continue,
            (Err(why), _) => (value.clone(), Some(why)),
            (Ok(Some(setting)), Some(line)) => {
                (setting.to_string(), line.reason.as_ref().map(ToString::to_string))
            }
            (Ok(Some(setting)), None) if found.is_none() => {
                (setting.to_string(), Some("no device is there now".to_owned()))
            }
            (Ok(Some(setting)), None) => (setting.to_string(), Some("not applied yet".to_owned())),
        };
        let active = line.and_then(|line| line.active.clone());
        nic.keys.push(NicKey { key: key.clone(), wanted, active, reason });
    }
}
