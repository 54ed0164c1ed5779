//! The domains of this host: which there are, which stands before which, and who has which VM,
//! terminal and port.
//!
//! Pure: what the store and the converters say goes in, what is to be done comes out. A domain's
//! own life is in [`crate::domain`]; records are not here but by the uuid of the VM.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;
use vncterm_launch::Terminal;
use xenstore_wire::DomainId;

use crate::console::{Console, Screen, Sight};
use crate::domain::{self, Domain, Wanted};
use crate::doubt::Doubt;
use crate::effect::{Effect, Ports, SavedBy};
use crate::sighting::{Sighting, Tty};

/// One domain from its first sight to its end: numbers and uuids come again, a life doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Life(u64);

#[cfg(test)]
impl Life {
    /// Some life, for tests of what lives are told.
    pub(crate) fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of one life.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its number.
    pub(crate) domain: DomainId,
    /// The uuid that it comes with.
    pub(crate) domain_uuid: Uuid,
    /// The VM whose record it has, or waits for.
    pub(crate) vm: Uuid,
    /// Its name.
    pub(crate) name: String,
    /// What its converter was last told that viewers call it.
    title: String,
    /// Where it is in its life.
    pub(crate) state: Domain,
    /// The last ports that were published for it: those in the store are ours.
    pub(crate) ports: Option<Ports>,
    /// The port of its text that stood in the store when that was last looked at.
    pub(crate) seen_text_port: Option<u16>,
    wanted: Wanted,
    /// The terminals that a converter of it reads or is to read, the one that it is to read last,
    /// from its start to their hang-up or its end.
    terminals: Vec<Terminal>,
    /// The terminal that its key names and another domain's converter has.
    awaited: Option<Terminal>,
    /// What was told last of why it has no converter; nothing is told twice in a row.
    reported: Option<Doubt>,
    /// Whether its home is still in the store.
    pub(crate) present: bool,
    /// Whether it is missing from a store that knew nobody: that tells nothing of it.
    unknown: bool,
    /// Whose picture the saved screen holds, until a converter of its own has begun.
    screen: SavedBy,
}

impl Entry {
    /// Whether the VM's record, screen and converter are its own.
    pub(crate) fn owns_vm(&self) -> bool {
        match self.state {
            Domain::Behind | Domain::Gone => false,
            Domain::Off
            | Domain::Waiting
            | Domain::Refused { .. }
            | Domain::Starting { .. }
            | Domain::Serving { .. }
            | Domain::Stranded { .. }
            | Domain::Closing(_)
            | Domain::Resting { .. }
            | Domain::Leaving => true,
        }
    }
}

/// A converter that outlived the agent that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adopted {
    /// Its domain.
    pub(crate) domain: DomainId,
    /// The uuid that the domain came with.
    pub(crate) domain_uuid: Uuid,
    /// The VM.
    pub(crate) vm: Uuid,
    /// What it reads.
    pub(crate) console: Console,
    /// Its ports.
    pub(crate) ports: Ports,
}

/// The domains of this host.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// In the order of their first sight.
    entries: BTreeMap<Life, Entry>,
    lives: u64,
    /// Ports of converters that died with the agent before: they may stand in the store still.
    remnants: BTreeMap<DomainId, Ports>,
}

impl Host {
    /// Every life, oldest first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Life, &Entry)> {
        self.entries.iter().map(|(life, entry)| (*life, entry))
    }

    /// One life.
    pub(crate) fn entry(&self, life: Life) -> Option<&Entry> {
        self.entries.get(&life)
    }

    /// The life that has a VM's record.
    pub(crate) fn owner(&self, vm: Uuid) -> Option<(Life, &Entry)> {
        self.entries().find(|(_, entry)| entry.vm == vm && entry.owns_vm())
    }

    /// The VMs of every life.
    pub(crate) fn live_vms(&self) -> BTreeSet<Uuid> {
        self.entries.values().map(|entry| entry.vm).collect()
    }

    /// The life of the domain that is in the store now.
    pub(crate) fn life_of(&self, domain: DomainId) -> Option<Life> {
        let mut present =
            self.entries().filter(|(_, entry)| entry.domain == domain && entry.present);
        present.next().map(|(life, _)| life)
    }

    /// Takes in a converter that outlived its agent. Its domain's keys come later.
    pub(crate) fn adopt(&mut self, adopted: Adopted, name: String) -> Life {
        let Adopted { domain, domain_uuid, vm, console, ports } = adopted;
        self.insert(Entry {
            domain,
            domain_uuid,
            vm,
            title: name.clone(),
            name,
            state: Domain::adopted(console),
            ports: Some(ports),
            seen_text_port: None,
            wanted: Wanted::On,
            terminals: vec![console.terminal],
            awaited: None,
            reported: None,
            present: true,
            unknown: false,
            screen: SavedBy::This,
        })
    }

    /// Notes the ports of a converter that died with its agent.
    pub(crate) fn remember_ports(&mut self, domain: DomainId, ports: Ports) {
        self.remnants.insert(domain, ports);
    }

    /// A domain is there that was not: the uuid that it comes with and the VM say whose it is.
    pub(crate) fn meet(
        &mut self,
        domain: DomainId,
        domain_uuid: Uuid,
        vm: Uuid,
        wanted: Wanted,
        screen: SavedBy,
    ) -> (Life, Vec<Effect>) {
        let remnant = self.remnants.remove(&domain);
        let life = self.insert(Entry {
            domain,
            domain_uuid,
            vm,
            name: String::new(),
            title: String::new(),
            state: Domain::Behind,
            ports: remnant,
            seen_text_port: None,
            wanted,
            terminals: Vec::new(),
            awaited: None,
            reported: None,
            present: true,
            unknown: false,
            screen,
        });
        let mut effects: Vec<Effect> =
            remnant.map(|ports| Effect::Retract { domain, ports }).into_iter().collect();
        effects.extend(self.clear());
        (life, effects)
    }

    /// The store was looked at: what it says of a life's console.
    pub(crate) fn see(&mut self, life: Life, sighting: &Sighting, written: u32) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(&life) else { return Vec::new() };
        entry.unknown = false;
        entry.name.clone_from(&sighting.name);
        entry.seen_text_port = sighting.text_port;
        let sight = self.sight_of(life, sighting, written);
        if let Some(entry) = self.entries.get_mut(&life) {
            entry.awaited = match (sight, sighting.tty) {
                (Sight::Unbelieved(Doubt::Taken(_)), Tty::Named(terminal, _)) => Some(terminal),
                (Sight::Absent | Sight::Found(_) | Sight::Unbelieved(_), _) => None,
            };
        }
        let mut effects = self.hear(life, domain::Event::Console(sight));
        effects.extend(self.retitle(life));
        effects.extend(self.publish_again(life, sighting));
        effects
    }

    fn sight_of(&self, life: Life, sighting: &Sighting, written: u32) -> Sight {
        let (terminal, line) = match sighting.tty {
            Tty::Absent => return Sight::Absent,
            Tty::Unbelieved(disbelief) => return Sight::Unbelieved(disbelief.into()),
            Tty::Named(terminal, line) => (terminal, line),
        };
        if let Some(doubt) = self.taken(life, terminal) {
            return Sight::Unbelieved(doubt);
        }
        let ours = self.entry(life).and_then(|entry| entry.ports).and_then(|ports| ports.vnc);
        let screen = match sighting.vnc_port {
            Some(port) if Some(port) != ours => Screen::Another,
            Some(_) | None => Screen::Converter,
        };
        Sight::Found(Console { terminal, line, screen, written })
    }

    /// The doubt about a terminal that another life's converter has.
    fn taken(&self, life: Life, terminal: Terminal) -> Option<Doubt> {
        let mut others = self.entries().filter(|(other, _)| *other != life);
        let (_, holder) = others.find(|(_, entry)| entry.terminals.contains(&terminal))?;
        Some(Doubt::Taken(holder.domain.number()))
    }

    /// Ports that should stand in the store and went from it: its directory was made anew.
    fn publish_again(&self, life: Life, sighting: &Sighting) -> Option<Effect> {
        let entry = self.entry(life)?;
        let ports = entry.ports?;
        let missing =
            sighting.text_port.is_none() || (ports.vnc.is_some() && sighting.vnc_port.is_none());
        let is_due = missing && entry.state.is_served();
        is_due.then_some(Effect::Publish { domain: entry.domain, ports })
    }

    /// A life's converter is confined and attested, and reads the console.
    pub(crate) fn started(&mut self, life: Life, ports: Ports) -> Vec<Effect> {
        if let Some(entry) = self.entries.get_mut(&life) {
            entry.ports = Some(ports);
            entry.reported = None;
            entry.screen = SavedBy::This;
        }
        let mut effects = self.hear(life, domain::Event::Started);
        effects.extend(self.retitle(life));
        effects
    }

    /// Tells a converter the name that its domain has got since.
    fn retitle(&mut self, life: Life) -> Option<Effect> {
        let entry = self.entries.get_mut(&life)?;
        if !entry.state.is_served() || entry.title == entry.name {
            return None;
        }
        entry.title.clone_from(&entry.name);
        Some(Effect::Rename { life, title: entry.name.clone() })
    }

    /// Something happened to a life.
    pub(crate) fn hear(&mut self, life: Life, event: domain::Event) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(&life) else { return Vec::new() };
        let (state, decided) = entry.state.step(event);
        entry.state = state;
        let freed = match event {
            domain::Event::NotStarted(_) | domain::Event::Ended(_) => {
                std::mem::take(&mut entry.terminals)
            }
            domain::Event::Cleared(_)
            | domain::Event::Console(_)
            | domain::Event::Started
            | domain::Event::TtyLost
            | domain::Event::TtyNotTaken(_)
            | domain::Event::Due
            | domain::Event::StoreBack
            | domain::Event::Gone => Vec::new(),
        };
        let mut effects = Vec::new();
        for effect in decided {
            match self.obstacle(life, effect) {
                Some(doubt) => {
                    let not_started = domain::Event::NotStarted(domain::Failure::Unbelieved(doubt));
                    effects.extend(self.hear(life, not_started));
                }
                None => effects.extend(self.address(life, effect)),
            }
        }
        effects.extend(self.look_at_awaiting(&freed));
        effects.extend(self.clear());
        effects
    }

    /// What stands against a start that was put off: another domain's converter may have got the
    /// terminal since it was seen.
    fn obstacle(&mut self, life: Life, effect: domain::Effect) -> Option<Doubt> {
        let domain::Effect::Start(Console { terminal, .. }) = effect else { return None };
        let doubt = self.taken(life, terminal)?;
        self.entries.get_mut(&life)?.awaited = Some(terminal);
        Some(doubt)
    }

    /// A terminal of a life has hung up: its converter reads it no more, whoever opens that number
    /// next. One that has been given another since goes on with that.
    pub(crate) fn lose_terminal(&mut self, life: Life, terminal: Terminal) -> Vec<Effect> {
        let Some(entry) = self.entries.get_mut(&life) else { return Vec::new() };
        let is_current = entry.terminals.last() == Some(&terminal);
        entry.terminals.retain(|one| *one != terminal);
        let mut effects = match is_current {
            true => self.hear(life, domain::Event::TtyLost),
            false => Vec::new(),
        };
        effects.extend(self.look_at_awaiting(&[terminal]));
        effects
    }

    /// A domain's home has gone from the store.
    pub(crate) fn end(&mut self, domain: DomainId) -> Vec<Effect> {
        let Some(life) = self.life_of(domain) else { return Vec::new() };
        if let Some(entry) = self.entries.get_mut(&life) {
            entry.present = false;
        }
        self.hear(life, domain::Event::Gone)
    }

    /// A store that knew nobody has just these: nothing follows for the others, now and when it is
    /// compared later.
    pub(crate) fn doubt_others(&mut self, present: &BTreeSet<DomainId>) {
        for entry in self.entries.values_mut() {
            entry.unknown |= !present.contains(&entry.domain);
        }
    }

    /// A store that has known this agent's domains has just these.
    pub(crate) fn compare(&mut self, present: &BTreeSet<DomainId>) -> Vec<Effect> {
        let missing: Vec<DomainId> = self
            .entries
            .values()
            .filter(|entry| entry.present && !entry.unknown && !present.contains(&entry.domain))
            .map(|entry| entry.domain)
            .collect();
        self.remnants.retain(|domain, _| present.contains(domain));
        missing.into_iter().flat_map(|domain| self.end(domain)).collect()
    }

    /// The store came back.
    pub(crate) fn store_back(&mut self) -> Vec<Effect> {
        let lives: Vec<Life> = self.entries.keys().copied().collect();
        lives.into_iter().flat_map(|life| self.hear(life, domain::Event::StoreBack)).collect()
    }

    fn insert(&mut self, entry: Entry) -> Life {
        self.lives += 1;
        let life = Life(self.lives);
        self.entries.insert(life, entry);
        life
    }

    /// Clears every life that no older one stands before: of its VM, or of its number.
    fn clear(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for life in self.entries.keys().copied().collect::<Vec<_>>() {
            let Some(entry) = self.entries.get(&life) else { continue };
            let stands_before =
                |other: &Entry| other.vm == entry.vm || other.domain == entry.domain;
            let mut older = self.entries.range(..life).map(|(_, other)| other);
            if entry.state != Domain::Behind || older.any(stands_before) {
                continue;
            }
            effects.push(Effect::Own {
                vm: entry.vm,
                domain: entry.domain,
                domain_uuid: entry.domain_uuid,
                wanted: entry.wanted,
            });
            effects.extend(self.hear(life, domain::Event::Cleared(entry.wanted)));
        }
        effects
    }

    /// Terminals came free that other domains' keys may name.
    fn look_at_awaiting(&self, freed: &[Terminal]) -> Vec<Effect> {
        let is_free = |terminal| freed.contains(&terminal);
        let awaiting = self.entries.values().filter(|entry| entry.awaited.is_some_and(is_free));
        awaiting.map(|entry| Effect::Look { domain: entry.domain }).collect()
    }

    /// Gives a life's effect the values that it needs.
    fn address(&mut self, life: Life, effect: domain::Effect) -> Option<Effect> {
        let entry = self.entries.get_mut(&life)?;
        let domain = entry.domain;
        Some(match effect {
            domain::Effect::Start(console) => {
                entry.terminals = vec![console.terminal];
                entry.title.clone_from(&entry.name);
                Effect::StartConverter {
                    life,
                    domain,
                    domain_uuid: entry.domain_uuid,
                    vm: entry.vm,
                    title: entry.name.clone(),
                    console,
                    screen: entry.screen,
                }
            }
            domain::Effect::HandTty(console) => {
                entry.terminals.retain(|one| *one != console.terminal);
                entry.terminals.push(console.terminal);
                Effect::HandTty { life, console }
            }
            domain::Effect::Stop(farewell) => Effect::StopConverter { life, farewell },
            domain::Effect::Publish => Effect::Publish { domain, ports: entry.ports? },
            domain::Effect::Retract => Effect::Retract { domain, ports: entry.ports? },
            domain::Effect::Rest { failures } => Effect::WakeLater { life, failures },
            domain::Effect::Look => Effect::Look { domain },
            domain::Effect::Report(doubt) => {
                if entry.reported.replace(doubt) == Some(doubt) {
                    return None;
                }
                Effect::Report { life, domain, name: entry.name.clone(), doubt }
            }
            domain::Effect::Forget => {
                let (vm, name) = (entry.vm, entry.name.clone());
                self.entries.remove(&life);
                Effect::Forget { life, domain, name, vm }
            }
        })
    }
}

#[cfg(test)]
mod tests;
