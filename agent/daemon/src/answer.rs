//! What the agent itself knows of an answer, drafted without waiting for anybody.
//!
//! What is asked for is done here as well, record by record. What converters have to say is added
//! by [`crate::finish`]. The network front's calls come here from [`crate::front`].

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use nix::unistd::Uid;
use uuid::Uuid;
use vncterm_control::Viewer;
use xenstore_wire::DomainId;
use xenwarden_model::{
    Ask, Console, ConsoleOpened, ConsoleProtocol, ConsoleState, ConverterAudit, PowerState,
    Refusal, RefusalCode, Reply, Status, Vm, VmMap,
};

use crate::config::CONSOLE_ADDRESS;
use crate::converter::Keeper;
use crate::domain::Domain;
use crate::effect::Ports;
use crate::front::{LoggingIn, Opening, may_open_the_hosts};
use crate::graphics::{Claim, Listeners};
use crate::host::{Entry, Life};
use crate::nic::NicsDraft;
use crate::record::Record;
use crate::run::{Agent, now_ms};
use crate::store_audit::StoreSite;
use crate::vm_data;

/// How a viewer comes to a converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// As any that speaks this.
    Viewer(Viewer),
    /// To text, at a position of it.
    Reader(u64),
}

/// An answer before converters were asked.
#[derive(Debug)]
pub(crate) enum Draft {
    /// Nobody needs to be asked.
    Whole(Reply),
    /// The VMs, with the converters that serve them.
    Vms(Vec<(Vm, Option<Keeper>)>),
    /// How the agent is, but for viewers, with the converters to ask for them.
    Status(Box<Status>, Vec<Keeper>),
    /// What each converter is, but for its properties, and where the store is to be looked at.
    Audit(Vec<(ConverterAudit, Keeper)>, StoreSite),
    /// A console to open.
    Console(ConsoleOpened, Keeper, Entrance),
    /// The screen of a domain's own device model, to be connected to.
    Graphics(ConsoleOpened, DomainId, Claim),
    /// A log-in, whose password is to be looked at.
    Login(Box<LoggingIn>),
    /// Network interfaces, but for their devices.
    Nics(NicsDraft),
    /// A console to open for a session.
    Open(Opening),
}

impl Agent {
    /// Does what is asked, and drafts the answer.
    pub(crate) fn draft(&mut self, ask: Ask, by: Uid) -> Draft {
        let done = match ask {
            Ask::Status => return self.draft_status(),
            Ask::Vms => return Draft::Vms(self.vms()),
            Ask::Nics => return self.draft_nics(),
            Ask::AddVif { vm, device } => self.add_vif(vm, device),
            Ask::SetNicKey { nic, key, value } => self.change_nic_key(nic, &key, Some(value)),
            Ask::RemoveNicKey { nic, key } => self.change_nic_key(nic, &key, None),
            Ask::Audit => {
                self.attested_at = Some(Instant::now());
                return Draft::Audit(self.draft_audit(), StoreSite::of(&self.config));
            }
            Ask::Console { vm, protocol } => {
                return self.draft_console(vm, protocol, None, may_open_the_hosts(by));
            }
            // Asked for by who waits, and answered when it is so.
            Ask::Ready { domid } => Err(Refusal {
                code: RefusalCode::Failed,
                message: format!("domain {domid} is not ready"),
            }),
            Ask::Register { name, uuid } => self.register(&name, uuid),
            Ask::Forget { vm } => self.forget(vm),
            Ask::SetKey { vm, map, key, value } => self.set_key(vm, map, &key, value),
            Ask::RemoveKey { vm, map, key } => self.remove_key(vm, map, &key),
            Ask::SetName { vm, name } => {
                let changes = self.records.book().rename(vm, &name, &self.host.live_vms());
                changes.and_then(|changes| self.records.keep(changes)).map(|()| Reply::Done)
            }
        };
        Draft::Whole(done.unwrap_or_else(Reply::Refused))
    }

    fn register(&mut self, name: &str, uuid: Option<Uuid>) -> Result<Reply, Refusal> {
        let live = self.host.live_vms();
        let new = Uuid::new_v4();
        let (vm, changes) = self.records.book().register(name, uuid, &live, new, now_ms())?;
        self.records.keep(changes)?;
        Ok(Reply::Registered(vm))
    }

    fn forget(&mut self, vm: Uuid) -> Result<Reply, Refusal> {
        let changes = self.records.book().forget(vm, &self.host.live_vms())?;
        self.records.keep(changes)?;
        self.delete_screen(vm);
        Ok(Reply::Done)
    }

    pub(crate) fn set_key(
        &mut self,
        vm: Uuid,
        map: VmMap,
        key: &str,
        value: String,
    ) -> Result<Reply, Refusal> {
        let changes = self.records.book().set_key(vm, map, key, &value)?;
        self.records.keep(changes)?;
        if map == VmMap::XenstoreData {
            self.change_data(vm, key, Some(value));
        }
        Ok(Reply::Done)
    }

    pub(crate) fn remove_key(&mut self, vm: Uuid, map: VmMap, key: &str) -> Result<Reply, Refusal> {
        let changes = self.records.book().remove_key(vm, map, key)?;
        self.records.keep(changes)?;
        if map == VmMap::XenstoreData {
            // A node that others stand below stays, empty: they are keys of their own.
            let below = format!("{key}/");
            let data = self.records.book().get(vm).map(|record| &record.xenstore_data);
            let stays = data.is_some_and(|data| data.keys().any(|key| key.starts_with(&below)));
            self.change_data(vm, key, stays.then(String::new));
        }
        Ok(Reply::Done)
    }

    /// Brings one key of the record to a running guest.
    fn change_data(&mut self, vm: Uuid, key: &str, value: Option<String>) {
        let Some((_, entry)) = self.host.owner(vm).filter(|(_, entry)| entry.present) else {
            return;
        };
        let domain = entry.domain;
        if let Some(path) = vm_data::node(domain, key, value.as_deref().unwrap_or_default()) {
            self.store.change_data(domain, vec![(path, value)]);
        }
    }

    /// Every record, by name and then uuid, with what is known at once.
    pub(crate) fn vms(&self) -> Vec<(Vm, Option<Keeper>)> {
        let mut vms: Vec<(Vm, Option<Keeper>)> = Vec::new();
        // Looked at once for all, and only if there is anything to prove.
        let claimed = self.notes.values().any(|note| note.graphics.is_some());
        let listeners = if claimed { Listeners::look().ok() } else { None };
        for (uuid, record) in self.records.book().records() {
            let owner = self.host.owner(uuid).filter(|(_, entry)| entry.present);
            let vm = Vm {
                uuid,
                name_label: record.name.clone(),
                power_state: match owner {
                    Some(_) => PowerState::Running,
                    None => PowerState::Halted,
                },
                domid: owner.map(|(_, entry)| entry.domain.number()),
                is_control_domain: record.is_control_domain,
                other_config: record.other_config.clone(),
                xenstore_data: record.xenstore_data.clone(),
                consoles: owner
                    .map(|(life, entry)| {
                        let graphics = listeners
                            .as_ref()
                            .and_then(|listeners| self.prove_graphics(listeners, life, entry));
                        consoles(uuid, entry, graphics)
                    })
                    .unwrap_or_default(),
                console_state: owner
                    .map_or(ConsoleState::Halted, |(life, entry)| self.console_state(life, entry)),
            };
            let keeper = match vm.console_state {
                ConsoleState::Serving { .. } => {
                    owner.and_then(|(life, _)| self.keepers.get(&life)).cloned()
                }
                ConsoleState::Halted
                | ConsoleState::Waiting
                | ConsoleState::Off
                | ConsoleState::Starting
                | ConsoleState::Restarting { .. }
                | ConsoleState::Refused { .. } => None,
            };
            vms.push((vm, keeper));
        }
        vms.sort_by(|(one, _), (other, _)| {
            (&one.name_label, one.uuid).cmp(&(&other.name_label, other.uuid))
        });
        vms
    }

    pub(crate) fn console_state(&self, life: Life, entry: &Entry) -> ConsoleState {
        match entry.state {
            Domain::Behind | Domain::Waiting => ConsoleState::Waiting,
            Domain::Off => ConsoleState::Off,
            Domain::Refused { doubt, .. } => {
                ConsoleState::Refused { why: format!("its console is not believed: {doubt}") }
            }
            Domain::Starting { .. } | Domain::Closing(_) => ConsoleState::Starting,
            Domain::Resting { .. } => {
                let due = self.wakes.get(&life).copied().unwrap_or_else(Instant::now);
                ConsoleState::Restarting { in_ms: millis(due - Instant::now().min(due)) }
            }
            Domain::Serving { .. } | Domain::Stranded { .. } => {
                let pid = self.notes.get(&life).and_then(|note| note.pid).unwrap_or_default();
                let ports = entry.ports.unwrap_or(Ports { vnc: None, text: 0 });
                ConsoleState::Serving {
                    pid,
                    vnc_port: ports.vnc,
                    text_port: ports.text,
                    viewers: 0,
                    quiet_ms: None,
                    last_line: String::new(),
                }
            }
            Domain::Leaving | Domain::Gone => ConsoleState::Halted,
        }
    }

    fn opened(&self, record: &Record, entry: &Entry, protocol: ConsoleProtocol) -> ConsoleOpened {
        ConsoleOpened {
            name_label: record.name.clone(),
            domid: entry.domain.number(),
            host: self.hostname.clone(),
            other_viewers: 0,
            view_only: false,
            protocol,
            reading: None,
        }
    }

    /// Where a domain's device model shows its screen, if it does.
    fn prove_graphics(
        &self,
        listeners: &Listeners,
        life: Life,
        entry: &Entry,
    ) -> Option<SocketAddrV4> {
        let claim = self.notes.get(&life)?.graphics?;
        listeners.prove(entry.domain, claim).ok()
    }

    fn draft_audit(&self) -> Vec<(ConverterAudit, Keeper)> {
        let mut audits = Vec::new();
        for (life, entry) in self.host.entries() {
            let note = self.notes.get(&life);
            let pid = note.and_then(|note| note.pid);
            if let (Some(pid), Some(keeper)) = (pid, self.keepers.get(&life)) {
                let audit = ConverterAudit {
                    vm: entry.vm,
                    name_label: entry.name.clone(),
                    domid: entry.domain.number(),
                    pid,
                    properties: Vec::new(),
                };
                audits.push((audit, keeper.clone()));
            }
        }
        audits
    }

    /// Drafts the opening of a console; the control domain's own is not everybody's.
    pub(crate) fn draft_console(
        &self,
        vm: Uuid,
        protocol: ConsoleProtocol,
        from: Option<u64>,
        may_open_the_hosts: bool,
    ) -> Draft {
        let refuse = |code, message| Draft::Whole(Reply::Refused(Refusal { code, message }));
        let Some(record) = self.records.book().get(vm) else {
            return refuse(RefusalCode::UnknownVm, format!("no VM has the uuid {vm}"));
        };
        if record.is_control_domain && !may_open_the_hosts {
            let message = "only administrators open the control domain's console".to_owned();
            return refuse(RefusalCode::Forbidden, message);
        }
        let owner = self.host.owner(vm).filter(|(_, entry)| entry.present);
        let state = match owner {
            Some((life, entry)) => self.console_state(life, entry),
            None => ConsoleState::Halted,
        };
        if let Some((life, entry)) = owner
            && protocol == ConsoleProtocol::Rfb
            && let Some(claim) = self.notes.get(&life).and_then(|note| note.graphics)
        {
            return Draft::Graphics(self.opened(record, entry, protocol), entry.domain, claim);
        }
        let why = match &state {
            ConsoleState::Serving { .. } => None,
            ConsoleState::Halted => Some("it is halted".to_owned()),
            ConsoleState::Waiting => Some("it has no text console yet".to_owned()),
            ConsoleState::Off => {
                Some("it is switched off by other_config:disable_pv_vnc".to_owned())
            }
            ConsoleState::Starting => Some("its converter is just being started".to_owned()),
            ConsoleState::Restarting { in_ms } => {
                let why = owner.and_then(|(life, _)| self.notes.get(&life)?.why.clone());
                let why = why.unwrap_or_else(|| "its converter ended".to_owned());
                Some(format!("{why}; the next try is in {} s", in_ms.div_ceil(1000)))
            }
            ConsoleState::Refused { why } => Some(why.clone()),
        };
        let name = record.name.escape_debug();
        if let Some(why) = why {
            return refuse(RefusalCode::NoConsole, format!("VM {name} has no console: {why}"));
        }
        let Some((life, entry)) = owner else {
            return refuse(RefusalCode::NoConsole, format!("VM {name} has no console"));
        };
        let Some(keeper) = self.keepers.get(&life) else {
            return refuse(RefusalCode::NoConsole, format!("VM {name} has lost its converter"));
        };
        let opened = self.opened(record, entry, protocol);
        let entrance = match (protocol, from) {
            (ConsoleProtocol::Rfb, _) => Entrance::Viewer(Viewer::Rfb),
            (ConsoleProtocol::Vt100, None) => Entrance::Viewer(Viewer::Text),
            (ConsoleProtocol::Vt100, Some(from)) => Entrance::Reader(from),
        };
        Draft::Console(opened, keeper.clone(), entrance)
    }
}

/// The consoles of a running VM, as they can be opened on this host.
fn consoles(vm: Uuid, entry: &Entry, graphics: Option<SocketAddrV4>) -> Vec<Console> {
    let ports = entry.ports.filter(|_| entry.state.is_served());
    let console = |protocol, scheme, port| Console {
        uuid: Console::uuid_of(vm, protocol),
        protocol,
        location: format!("{scheme}://{CONSOLE_ADDRESS}:{port}"),
    };
    // The device model's screen is the guest's own; the converter's is a picture of its text.
    let screen = graphics.map(|address| address.port()).or(ports.and_then(|ports| ports.vnc));
    // RFC 7869 and RFC 4248.
    let screen = screen.map(|port| console(ConsoleProtocol::Rfb, "vnc", port));
    let text = ports.map(|ports| console(ConsoleProtocol::Vt100, "telnet", ports.text));
    screen.into_iter().chain(text).collect()
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A count of something that there are few of.
pub(crate) fn few(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
