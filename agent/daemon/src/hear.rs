//! What the agent makes of reports: they are logged, noted, and told to the host.
//!
//! What the host decides then is performed elsewhere.

use std::collections::BTreeMap;
use std::time::Instant;

use uuid::Uuid;
use vncterm_launch::Terminal;
use xenstore_wire::DomainId;
use xenwarden_model::Closing;

use crate::book::{Newcomer, Welcome};
use crate::causes::causes;
use crate::console::Line;
use crate::database::Safety;
use crate::effect::{Effect, SavedBy};
use crate::graphics::{Claim, Listeners, Unproven};
use crate::host::Life;
use crate::host_console::Login;
use crate::run::{Agent, Note, now_ms};
use crate::sighting::{Sighting, Tty};
use crate::{converter, domain, store, vm_data};

impl Agent {
    /// The store's tasks tell something.
    pub(crate) fn hear_store(&mut self, report: store::Report) -> Vec<Effect> {
        match report {
            store::Report::Connected => {
                tracing::info!(socket = %self.config.xenstore.socket.display(), "store is there");
                self.store_lost = None;
                self.host.store_back()
            }
            store::Report::Lost(fault) => {
                let why = causes(&fault);
                tracing::warn!(why, "store is not there; what runs goes on");
                self.store_lost = Some((Instant::now(), why));
                Vec::new()
            }
            store::Report::Compared(present) => self.host.compare(&present),
            store::Report::Fresh(present) => {
                self.host.doubt_others(&present);
                Vec::new()
            }
            store::Report::Ended(domain) => {
                self.nics.forget(domain);
                self.store.forget(domain);
                self.host.end(domain)
            }
            store::Report::Seen { domain, sighting, written } => {
                self.see(domain, &sighting, written)
            }
            store::Report::Nics { domain, vifs } => {
                self.nics.see(domain, vifs);
                Vec::new()
            }
            store::Report::Written { domain, generation } => {
                self.store.note_written(domain, generation);
                Vec::new()
            }
            store::Report::ReadBack { domain, found, generation } => {
                self.read_back(domain, found, generation);
                Vec::new()
            }
        }
    }

    /// A domain was looked at: it is met, if it is a new one, and then seen.
    fn see(&mut self, domain: DomainId, sighting: &Sighting, written: u32) -> Vec<Effect> {
        let mut sighting = sighting.clone();
        if domain == DomainId::DOM0 {
            sighting.name = format!("Control domain on host: {}", self.hostname);
            sighting.tty = self.host_tty();
        }
        let mut effects = Vec::new();
        let known = self.host.life_of(domain).filter(|life| {
            self.host.entry(*life).is_some_and(|entry| entry.domain_uuid == sighting.uuid)
        });
        let life = match known {
            Some(life) => life,
            None => {
                // Another domain had this number.
                effects.extend(self.host.end(domain));
                let (life, met) = self.meet(domain, &sighting);
                effects.extend(met);
                life
            }
        };
        if let Some(entry) = self.host.entry(life)
            && entry.owns_vm()
        {
            let renamed = self.records.book().renamed(entry.vm, &sighting.name);
            self.records.note(renamed, Safety::Lazy);
        }
        effects.extend(self.host.see(life, &sighting, written));
        self.see_graphics(life, &sighting);
        effects
    }

    /// Notes the screen that another program serves, and tells once why it isn't believed.
    fn see_graphics(&mut self, life: Life, sighting: &Sighting) {
        let Some(entry) = self.host.entry(life) else { return };
        let ours = entry.ports.and_then(|ports| ports.vnc);
        let foreign = sighting.vnc_port.filter(|port| Some(*port) != ours);
        let claim = foreign.map(|port| Claim { port, pid: sighting.device_model_pid });
        let doubt = claim.and_then(|claim| {
            let proven = Listeners::look()
                .map_err(Unproven::from)
                .and_then(|listeners| listeners.prove(entry.domain, claim));
            proven.err().map(|unproven| causes(&unproven))
        });
        let note = self.notes.entry(life).or_default();
        if let Some(why) = doubt.as_ref().filter(|why| note.graphics_doubt.as_ref() != Some(why)) {
            let (domain, name) = (entry.domain, entry.name.escape_debug().to_string());
            tracing::warn!(%domain, name, why, "console/vnc-port is not listed");
        }
        (note.graphics, note.graphics_doubt) = (claim, doubt);
    }

    /// Where the control domain's console is; it is made when there is to be one and none is. A
    /// converter of an earlier agent has one that is not this agent's, and keeps it to its end.
    fn host_tty(&mut self) -> Tty {
        if self.login == Login::Off {
            return Tty::Absent;
        }
        if let Some(terminal) = self.adopted_host_terminal {
            return Tty::Named(terminal, Line::Host);
        }
        match self.site.open_host_console() {
            Ok(Some(terminal)) => self.start_login(terminal),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "can't open the control domain's console"),
        }
        match self.site.host_terminal() {
            Some(terminal) => Tty::Named(terminal, Line::Host),
            None => Tty::Absent,
        }
    }

    fn start_login(&self, terminal: Terminal) {
        let login = self.login.clone();
        // It waits for a program, and this loop waits for nothing.
        tokio::task::spawn_blocking(move || match login.start(terminal) {
            Ok(()) => tracing::info!(%terminal, "a login is at the control domain's console"),
            Err(error) => {
                let why = causes(&error);
                tracing::error!(%terminal, why, "no login is at the control domain's console");
            }
        });
    }

    fn meet(&mut self, domain: DomainId, sighting: &Sighting) -> (Life, Vec<Effect>) {
        let newcomer = Newcomer {
            domid: domain.number(),
            uuid: sighting.uuid,
            name: &sighting.name,
            boot: self.boot,
        };
        let live = self.host.live_vms();
        let Welcome { vm, wanted, first, changes } =
            self.records.book().welcome(newcomer, &live, Uuid::new_v4(), now_ms());
        self.records.note(changes, Safety::Kept);
        let name = sighting.name.escape_debug().to_string();
        tracing::info!(%domain, name, %vm, console = ?wanted, "domain is here");
        if first && domain != DomainId::DOM0 {
            let data = self.records.book().get(vm).map(|record| &record.xenstore_data);
            let nodes = data.map(|data| vm_data::nodes(domain, data)).unwrap_or_default();
            let changes = nodes.into_iter().map(|(path, value)| (path, Some(value))).collect();
            self.store.change_data(domain, changes);
        }
        self.nics.changed();
        let screen = if first { SavedBy::Earlier } else { SavedBy::This };
        self.host.meet(domain, sighting.uuid, vm, wanted, screen)
    }

    fn read_back(&mut self, domain: DomainId, found: BTreeMap<String, String>, generation: u64) {
        // One that a change has overtaken is followed by another.
        if !self.store.is_current(domain, generation) {
            return;
        }
        let life = self.host.life_of(domain);
        let Some(entry) = life.and_then(|life| self.host.entry(life)) else { return };
        if let Some(record) = self.records.book().get(entry.vm).filter(|_| entry.owns_vm()) {
            let data = vm_data::read_back(domain, &record.xenstore_data, found);
            let changes = self.records.book().read_back(entry.vm, data);
            self.records.note(changes, Safety::Lazy);
        }
    }

    /// A converter's keeper tells something.
    pub(crate) fn hear_converter(&mut self, life: Life, report: converter::Report) -> Vec<Effect> {
        let (domain, name) = match self.host.entry(life) {
            Some(entry) => (entry.domain.number(), entry.name.escape_debug().to_string()),
            None => return Vec::new(),
        };
        let note = self.notes.entry(life).or_default();
        match report {
            converter::Report::Started { ports, pid } => {
                tracing::info!(
                    domain, name, pid, vnc_port = ?ports.vnc, text_port = ports.text,
                    "console is served"
                );
                (note.pid, note.why) = (Some(pid), None);
                (note.failures, note.without_since) = (0, None);
                self.host.started(life, ports)
            }
            converter::Report::NotStarted { failure, why } => {
                self.keepers.remove(&life);
                // The same failure again and again is told once; the status has it all the time.
                if note.why.as_ref() != Some(&why) && failure == domain::Failure::Failed {
                    tracing::warn!(domain, name, why, "console is not served");
                }
                note.fail(why);
                self.host.hear(life, domain::Event::NotStarted(failure))
            }
            converter::Report::TtyLost(terminal) => {
                tracing::info!(domain, name, %terminal, "console's terminal has hung up");
                self.host.lose_terminal(life, terminal)
            }
            converter::Report::TtyNotTaken { failure, why } => {
                tracing::warn!(domain, name, why, "new terminal is not served yet");
                self.host.hear(life, domain::Event::TtyNotTaken(failure))
            }
            converter::Report::Attested { holds } => {
                if !holds {
                    tracing::error!(domain, name, "converter is not confined as planned");
                }
                note.confined = Some(holds);
                Vec::new()
            }
            converter::Report::Ended { served, how, expected } => {
                self.keepers.remove(&life);
                self.front.visits.borrow_mut().tell(life, true, Closing::Restarts);
                let lost = self.adopted_host_terminal.take_if(|_| domain == 0);
                if let Some(terminal) = lost {
                    // Its terminal went with it; there is to be another.
                    let login = self.login.clone();
                    tokio::task::spawn_blocking(move || {
                        if let Err(error) = login.stop(terminal) {
                            tracing::warn!(%terminal, why = causes(&error), "a login stays");
                        }
                    });
                    self.store.order(DomainId::DOM0, store::Order::Look);
                }
                note.pid = None;
                note.confined = None;
                if expected {
                    tracing::info!(domain, name, how, "converter ended");
                } else {
                    tracing::warn!(domain, name, how, "converter ended");
                }
                note.fail(how);
                self.host.hear(life, domain::Event::Ended(served))
            }
        }
    }
}

impl Note {
    fn fail(&mut self, why: String) {
        self.why = Some(why);
        self.without_since.get_or_insert_with(Instant::now);
    }
}
