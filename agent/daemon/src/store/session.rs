//! One life of the two connections: watches, lists domains, and hands events to their desks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use xenstore_client::{Client, Event, Events};
use xenstore_wire::{DomainId, Name, Permissions, Special, Token, Watch};

use super::caretaker::{Caretaker, Connections};
use super::{Connector, Report, StoreFault, timely};
use crate::paths;

/// The domains are listed again after each of these pauses when one was introduced: its home may
/// come later, and nothing that could be watched would say so without waking this process at every
/// guest's write. A toolstack makes the home first, or at once. After the last pause there is no
/// timer, so that an idle host's agent sleeps.
const LIST_AGAIN_AFTER: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1600),
    Duration::from_millis(6400),
];
/// The tokens of the watches on domains coming and going.
const INTRODUCED: &[u8] = b"introduced";
const RELEASED: &[u8] = b"released";
/// Tokens of one domain's watches: this and its number.
const KEYS: &str = "keys/";
const NICS: &str = "nics/";
const GUEST: &str = "guest/";

/// Both connections, and who works with them.
#[derive(Debug)]
pub(super) struct Session {
    connections: Connections,
    events: Events,
    guest_events: Events,
    /// Whether the store held the agent's mark.
    marked: bool,
    caretakers: JoinSet<StoreFault>,
    present: BTreeMap<DomainId, AbortHandle>,
    /// A caretaker found its domain gone.
    missing: (mpsc::UnboundedSender<DomainId>, mpsc::UnboundedReceiver<DomainId>),
    /// When the domains are listed next without being told to, and the pauses that follow.
    list_again: Option<(Instant, &'static [Duration])>,
}

/// What woke the session.
enum Woken {
    /// Something of the agent's own watches.
    Event(Option<Event>),
    /// Something that a guest wrote.
    GuestEvent(Option<Event>),
    /// An order; none when nobody gives them any more.
    Order(Option<(DomainId, super::Order)>),
    /// A caretaker ended.
    Ended(StoreFault),
    /// It is time to list the domains.
    List,
}

/// What a token means.
enum Meaning {
    Introduced,
    Released,
    Keys(DomainId),
    Nics(DomainId),
    Guest(DomainId),
    Nothing,
}

fn meaning(token: &Token) -> Meaning {
    let Ok(text) = std::str::from_utf8(token.as_bytes()) else { return Meaning::Nothing };
    let number = |text: &str| DomainId::parse(text.as_bytes()).ok();
    if text.as_bytes() == INTRODUCED {
        Meaning::Introduced
    } else if text.as_bytes() == RELEASED {
        Meaning::Released
    } else if let Some(domain) = text.strip_prefix(KEYS).and_then(number) {
        Meaning::Keys(domain)
    } else if let Some(domain) = text.strip_prefix(NICS).and_then(number) {
        Meaning::Nics(domain)
    } else if let Some(domain) = text.strip_prefix(GUEST).and_then(number) {
        Meaning::Guest(domain)
    } else {
        Meaning::Nothing
    }
}

fn watch(name: impl Into<Name>, token: &[u8]) -> Watch {
    let token = Token::new(token).expect("the agent's tokens have no NUL");
    Watch { name: name.into(), token }
}

/// Which of a domain's network interfaces is otherwise.
#[derive(Debug, PartialEq, Eq)]
enum ChangedNic {
    All,
    One(u16),
    None,
}

/// The keys of a network interface that are read.
const NIC_KEYS: [&str; 3] = ["mac", "bridge", "hotplug-status"];

/// What a change of a node says: of the many keys that a device's driver writes, three matter.
fn changed_nic(domain: DomainId, node: &str) -> ChangedNic {
    let nics = paths::nics(domain);
    let Some(below) = node.strip_prefix(nics.as_str()).and_then(|rest| rest.strip_prefix('/'))
    else {
        return ChangedNic::All;
    };
    let (devid, key) = below.split_once('/').unwrap_or((below, ""));
    match devid.parse() {
        Ok(devid) if key.is_empty() || NIC_KEYS.contains(&key) => ChangedNic::One(devid),
        Ok(_) | Err(_) => ChangedNic::None,
    }
}

/// The watches on a domain's keys that its toolstack writes.
pub(super) fn key_watches(domain: DomainId) -> [Watch; 5] {
    let token = format!("{KEYS}{domain}");
    let on = |path| watch(Name::Absolute(path), token.as_bytes());
    [
        // The directories of the ttys: a watch's first event is one for its own name, and no write
        // of a tty.
        on(paths::console(domain)),
        on(paths::serial(domain)),
        on(paths::name(domain)),
        on(paths::vm(domain)),
        // Its first event is the first look at them.
        watch(Name::Absolute(paths::nics(domain)), format!("{NICS}{domain}").as_bytes()),
    ]
}

/// The watch on what the guest writes.
pub(super) fn guest_watch(domain: DomainId) -> Watch {
    watch(Name::Absolute(paths::vm_data(domain)), format!("{GUEST}{domain}").as_bytes())
}

impl Connector {
    /// Connects, marks the store, and watches for domains.
    pub(super) async fn connect(&self) -> Result<Session, StoreFault> {
        let connecting = async {
            let (own, events) = Client::connect(&self.socket).await?;
            let (guests, guest_events) = Client::connect(&self.socket).await?;
            let marked = own.read_optional(&paths::mark()).await?.is_some();
            let (introduced, released) = (Special::IntroduceDomain, Special::ReleaseDomain);
            for (special, token) in [(introduced, INTRODUCED), (released, RELEASED)] {
                own.watch(&watch(Name::Special(special), token)).await?;
            }
            let connections = Connections { own, guests };
            Ok(Session {
                connections,
                events,
                guest_events,
                marked,
                caretakers: JoinSet::new(),
                present: BTreeMap::new(),
                missing: mpsc::unbounded_channel(),
                list_again: None,
            })
        };
        timely(connecting).await
    }

    /// Serves until the connections are of no use any more.
    pub(super) async fn serve(&mut self, mut session: Session) -> StoreFault {
        match self.serve_until_lost(&mut session).await {
            Ok(never) => match never {},
            Err(fault) => fault,
        }
    }

    async fn serve_until_lost(
        &mut self,
        session: &mut Session,
    ) -> Result<std::convert::Infallible, StoreFault> {
        self.report(Report::Connected);
        let present = self.list(session).await?;
        self.desks.retain(|domain, _| present.contains(domain));
        if session.marked {
            self.report(Report::Compared(present));
        } else {
            self.report(Report::Fresh(present));
            session.mark().await?;
        }
        loop {
            match session.wake(self).await {
                Woken::Event(Some(event)) => self.hear(session, event).await?,
                Woken::GuestEvent(Some(event)) => self.hear_guest(session, &event),
                Woken::Event(None) | Woken::GuestEvent(None) | Woken::Order(None) => {
                    return Err(StoreFault::Closed);
                }
                Woken::Order(Some((domain, order))) => self.desk(domain).take_order(order),
                Woken::Ended(fault) => return Err(fault),
                Woken::List => self.update(session).await?,
            }
        }
    }

    async fn hear(&mut self, session: &mut Session, event: Event) -> Result<(), StoreFault> {
        let token = match &event {
            Event::Changed(change) => &change.token,
            Event::Many(token) => token,
            Event::Overflow => {
                self.desks.values().for_each(|desk| {
                    desk.look();
                    desk.nics_changed();
                });
                return self.update(session).await;
            }
        };
        match meaning(token) {
            Meaning::Introduced => {
                session.list_again_after(&LIST_AGAIN_AFTER);
                self.update(session).await?;
            }
            Meaning::Released => self.update(session).await?,
            Meaning::Keys(domain) => {
                let desk = self.desk(domain);
                let ttys = [paths::console_tty(domain), paths::serial_tty(domain)];
                match event {
                    Event::Changed(change)
                        if ttys.iter().any(|tty| change.name.as_str() == tty.as_str()) =>
                    {
                        desk.tty_written();
                    }
                    Event::Changed(_) | Event::Many(_) | Event::Overflow => desk.look(),
                }
            }
            Meaning::Nics(domain) if session.present.contains_key(&domain) => {
                let desk = self.desk(domain);
                match event {
                    Event::Changed(change) => match changed_nic(domain, change.name.as_str()) {
                        ChangedNic::All => desk.nics_changed(),
                        ChangedNic::One(devid) => desk.nic_changed(devid),
                        ChangedNic::None => {}
                    },
                    Event::Many(_) | Event::Overflow => desk.nics_changed(),
                }
            }
            Meaning::Nics(_) | Meaning::Guest(_) | Meaning::Nothing => {}
        }
        Ok(())
    }

    fn hear_guest(&mut self, session: &Session, event: &Event) {
        let token = match event {
            Event::Changed(change) => &change.token,
            Event::Many(token) => token,
            Event::Overflow => {
                self.desks.values().for_each(|desk| desk.guest_changed());
                return;
            }
        };
        // An event of a watch that was taken back may still come.
        if let Meaning::Guest(domain) = meaning(token)
            && session.present.contains_key(&domain)
        {
            self.desk(domain).guest_changed();
        }
    }

    /// Lists the domains again: who went has ended, as it went while the agent watched.
    async fn update(&mut self, session: &mut Session) -> Result<(), StoreFault> {
        let present = self.list(session).await?;
        let gone: Vec<DomainId> =
            session.present.keys().filter(|domain| !present.contains(domain)).copied().collect();
        for domain in gone {
            if let Some(caretaker) = session.present.remove(&domain) {
                caretaker.abort();
            }
            self.desks.remove(&domain);
            session.drop_watches(domain).await?;
            self.report(Report::Ended(domain));
        }
        Ok(())
    }

    /// The domains that are there, each with a caretaker.
    async fn list(&mut self, session: &mut Session) -> Result<BTreeSet<DomainId>, StoreFault> {
        let home = paths::domains();
        let listing = session.connections.own.directory_optional(&home);
        let names = timely(listing).await?.unwrap_or_default();
        let present: BTreeSet<DomainId> = names
            .iter()
            .filter_map(|name| DomainId::parse(name.as_str().as_bytes()).ok())
            .collect();
        for domain in &present {
            if !session.present.contains_key(domain) {
                let desk = self.desk(*domain);
                desk.look();
                let caretaker = Caretaker::new(
                    *domain,
                    session.connections.clone(),
                    Arc::clone(&desk),
                    self.rates,
                    self.reports.clone(),
                    session.missing.0.clone(),
                );
                let task = session.caretakers.spawn_local(caretaker.work());
                session.present.insert(*domain, task);
            }
        }
        Ok(present)
    }
}

impl Session {
    /// Leaves the agent's mark: a store that has it was seen by this agent, or one before it.
    async fn mark(&self) -> Result<(), StoreFault> {
        let marking = async {
            let own = &self.connections.own;
            own.write(&paths::mark(), env!("CARGO_PKG_VERSION").as_bytes()).await?;
            let private = Permissions::private(DomainId::DOM0);
            own.set_permissions(&paths::mark(), &private).await?;
            Ok(())
        };
        timely(marking).await
    }

    /// Takes back the watches on a domain that has gone; its number may come again.
    async fn drop_watches(&self, domain: DomainId) -> Result<(), StoreFault> {
        let Connections { own, guests } = &self.connections;
        let mut outcomes = Vec::new();
        for watch in key_watches(domain) {
            outcomes.push(timely(own.unwatch(&watch)).await);
        }
        outcomes.push(timely(guests.unwatch(&guest_watch(domain))).await);
        for outcome in outcomes {
            // A watch that is not there needs no taking back.
            match outcome {
                Err(fault) if fault.is_lost() => return Err(fault),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Lists the domains again after each of these pauses.
    fn list_again_after(&mut self, pauses: &'static [Duration]) {
        let next = pauses.split_first();
        self.list_again = next.map(|(pause, rest)| (Instant::now() + *pause, rest));
    }

    async fn wake(&mut self, connector: &mut Connector) -> Woken {
        let list_again = self.list_again;
        let due = async {
            match list_again {
                Some((at, rest)) => {
                    sleep_until(at).await;
                    rest
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.events.next() => Woken::Event(event),
            event = self.guest_events.next() => Woken::GuestEvent(event),
            order = connector.incoming.recv() => Woken::Order(order),
            Some(_) = self.missing.1.recv() => Woken::List,
            Some(ended) = self.caretakers.join_next() => match ended {
                Ok(fault) => Woken::Ended(fault),
                // One that was sent away, as its domain has ended.
                Err(error) if error.is_cancelled() => Woken::List,
                Err(_) => Woken::Ended(StoreFault::Broken),
            },
            rest = due => {
                self.list_again_after(rest);
                Woken::List
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_which_network_interface_to_look_at() {
        let domain = DomainId::new(7).unwrap();
        let changed = |node| changed_nic(domain, node);
        assert_eq!(changed("/local/domain/0/backend/vif/7"), ChangedNic::All);
        assert_eq!(changed("/local/domain/0/backend/vif/7/3"), ChangedNic::One(3));
        assert_eq!(changed("/local/domain/0/backend/vif/7/3/hotplug-status"), ChangedNic::One(3));
        assert_eq!(changed("/local/domain/0/backend/vif/7/3/state"), ChangedNic::None);
        assert_eq!(changed("/local/domain/0/backend/vif/7/3/mac/x"), ChangedNic::None);
        assert_eq!(changed("/local/domain/0/backend/vif"), ChangedNic::All, "removed with all");
    }

    /// A watch fires once for its own name when it is set, as if that had been written.
    #[test]
    fn no_watch_looks_like_a_write_of_a_tty_when_it_is_set() {
        let domain = DomainId::new(7).unwrap();
        for watch in key_watches(domain) {
            for tty in [paths::console_tty(domain), paths::serial_tty(domain)] {
                assert_ne!(watch.name, Name::Absolute(tty));
            }
        }
    }
}
