//! Who has which console open through the network front: counted, logged, and told why it closes.
//!
//! A guest's end is told when it is known what it was: its VM may be running again in a moment.
//! Which consoles there are, and who may open one, is not known here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;
use xenwarden_model::{Closing, SessionKey};

use super::sessions::Sessions;
use crate::host::Life;

/// How long after a guest's end its VM may come back for that to have been a reboot: toolstacks
/// need about a second.
pub(crate) const REBOOT_TIME: Duration = Duration::from_secs(2);
/// Names of viewers that are told to one who finds no place.
const NAMES_MAX: usize = 3;

/// Who opened which console from where.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) user: String,
    pub(crate) address: IpAddr,
    pub(crate) vm: Uuid,
    pub(crate) life: Life,
    pub(crate) domid: u16,
    pub(crate) protocol: &'static str,
    /// Whether a converter serves it, not the guest's device model.
    pub(crate) by_converter: bool,
    pub(crate) view_only: bool,
}

/// How many consoles may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Most {
    /// Of one VM; 0 is no bound of the agent's.
    pub(crate) of_a_vm: u32,
    /// In all.
    pub(crate) in_all: u32,
}

#[derive(Debug)]
struct Open {
    visit: Visit,
    tell: Option<oneshot::Sender<Closing>>,
    /// Set when its guest has ended and nothing was said of it yet.
    parting: bool,
}

/// Every console that is open through the front.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    last: u64,
    open: BTreeMap<u64, Open>,
}

impl Visits {
    /// Why there is no place for one more viewer of a VM; none where there is.
    pub(crate) fn refuse(&self, vm: Uuid, name: &str, most: Most) -> Option<String> {
        let there: Vec<&Visit> =
            self.open.values().map(|open| &open.visit).filter(|visit| visit.vm == vm).collect();
        let is_full = |count: usize, most: u32| u32::try_from(count).is_ok_and(|n| n >= most);
        if most.of_a_vm != 0 && is_full(there.len(), most.of_a_vm) {
            let names: Vec<String> = there
                .iter()
                .take(NAMES_MAX)
                .map(|visit| format!("{} ({})", visit.user.escape_debug(), visit.address))
                .collect();
            let (name, limit) = (name.escape_debug(), most.of_a_vm);
            let names = names.join(", ");
            return Some(format!("the console of VM {name} takes {limit} at a time: {names}"));
        }
        let is_full = is_full(self.open.len(), most.in_all);
        is_full.then(|| format!("{} consoles are open, and no more may be", most.in_all))
    }

    /// Tells the viewers of one domain why their consoles close; those of its converter alone, or
    /// all.
    pub(crate) fn tell(&mut self, life: Life, converters_alone: bool, closing: Closing) {
        for open in self.open.values_mut() {
            let meant = open.visit.life == life && (open.visit.by_converter || !converters_alone);
            if meant && !open.parting {
                open.say(closing);
            }
        }
    }

    /// A domain has ended: what that was is told by [`Self::returned`], or after a while by
    /// [`Self::gone`].
    pub(crate) fn part(&mut self, life: Life) {
        for open in self.open.values_mut().filter(|open| open.visit.life == life) {
            open.parting = true;
        }
    }

    /// The VM of domains that have ended runs again.
    pub(crate) fn returned(&mut self, vm: Uuid) {
        for open in self.open.values_mut().filter(|open| open.visit.vm == vm && open.parting) {
            open.say(Closing::Rebooted);
        }
    }

    /// A domain that has ended has not come back.
    pub(crate) fn gone(&mut self, life: Life) {
        for open in self.open.values_mut().filter(|open| open.visit.life == life) {
            open.say(Closing::ShutDown);
        }
    }
}

impl Open {
    /// Says it once; a client that went away needs no word.
    fn say(&mut self, closing: Closing) {
        if let Some(tell) = self.tell.take() {
            let _ = tell.send(closing);
        }
    }
}

/// A console that a session has open. Its end is this value's end.
#[derive(Debug)]
pub(crate) struct OpenConsole {
    visits: Rc<RefCell<Visits>>,
    sessions: Rc<RefCell<Sessions>>,
    number: u64,
    key: SessionKey,
    visit: Visit,
    since: Instant,
    told: oneshot::Receiver<Closing>,
    closing: Option<Closing>,
}

impl OpenConsole {
    /// A console that was opened just now.
    pub(crate) fn begin(
        visits: Rc<RefCell<Visits>>,
        sessions: Rc<RefCell<Sessions>>,
        key: SessionKey,
        visit: Visit,
    ) -> Self {
        let (tell, told) = oneshot::channel();
        let number = {
            let mut visits = visits.borrow_mut();
            visits.last += 1;
            let number = visits.last;
            let open = Open { visit: visit.clone(), tell: Some(tell), parting: false };
            visits.open.insert(number, open);
            number
        };
        sessions.borrow_mut().console_opened(key);
        let Visit { user, address, vm, domid, protocol, view_only, .. } = &visit;
        let (user, session) = (user.escape_debug().to_string(), key.hash());
        tracing::info!(user, %address, %vm, domid, protocol, view_only, session, "console opened");
        let since = Instant::now();
        Self { visits, sessions, number, key, visit, since, told, closing: None }
    }

    /// Waits until the agent knows why it closes.
    pub(crate) async fn told(&mut self) -> Closing {
        match (&mut self.told).await {
            Ok(closing) => {
                self.closing.get_or_insert(closing);
                closing
            }
            // The sender goes with this value alone.
            Err(_) => std::future::pending().await,
        }
    }

    /// Notes why the front closed it.
    pub(crate) fn closed_for(&mut self, closing: Closing) {
        self.closing.get_or_insert(closing);
    }
}

impl Drop for OpenConsole {
    fn drop(&mut self) {
        self.visits.borrow_mut().open.remove(&self.number);
        self.sessions.borrow_mut().console_closed(self.key, Instant::now());
        let Visit { user, address, vm, domid, protocol, .. } = &self.visit;
        let (user, session) = (user.escape_debug().to_string(), self.key.hash());
        let seconds = self.since.elapsed().as_secs();
        let why = self.closing.unwrap_or(Closing::Left).word();
        tracing::info!(user, %address, %vm, domid, protocol, session, seconds, why, "console closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VM: Uuid = Uuid::from_u128(7);

    #[derive(Default)]
    struct Table {
        visits: Rc<RefCell<Visits>>,
        sessions: Rc<RefCell<Sessions>>,
    }

    impl Table {
        fn opens(&self, life: u64, by_converter: bool) -> OpenConsole {
            let visit = Visit {
                user: "ann".into(),
                address: [10, 0, 0, 7].into(),
                vm: VM,
                life: Life::from_number(life),
                domid: 1,
                protocol: "RFB",
                by_converter,
                view_only: false,
            };
            let (visits, sessions) = (Rc::clone(&self.visits), Rc::clone(&self.sessions));
            OpenConsole::begin(visits, sessions, SessionKey::random(), visit)
        }
    }

    fn said(console: &mut OpenConsole) -> Option<Closing> {
        console.told.try_recv().ok()
    }

    #[test]
    fn a_guest_that_comes_back_has_rebooted_and_one_that_does_not_has_shut_down() {
        let table = Table::default();
        let (mut one, mut other) = (table.opens(1, true), table.opens(1, false));
        table.visits.borrow_mut().part(Life::from_number(1));
        assert_eq!(said(&mut one), None);
        table.visits.borrow_mut().returned(VM);
        assert_eq!(
            (said(&mut one), said(&mut other)),
            (Some(Closing::Rebooted), Some(Closing::Rebooted))
        );
        let mut next = table.opens(2, true);
        table.visits.borrow_mut().part(Life::from_number(2));
        table.visits.borrow_mut().tell(Life::from_number(2), false, Closing::Restarts);
        table.visits.borrow_mut().gone(Life::from_number(2));
        assert_eq!(said(&mut next), Some(Closing::ShutDown));
    }

    #[test]
    fn a_converters_end_is_not_the_device_models() {
        let table = Table::default();
        let (mut text, mut screen) = (table.opens(1, true), table.opens(1, false));
        table.visits.borrow_mut().tell(Life::from_number(1), true, Closing::Restarts);
        assert_eq!((said(&mut text), said(&mut screen)), (Some(Closing::Restarts), None));
    }

    #[test]
    fn a_full_console_says_who_is_there_and_a_closed_one_gives_its_place_back() {
        let table = Table::default();
        let most = Most { of_a_vm: 1, in_all: 2 };
        let refuse = |vm| table.visits.borrow().refuse(vm, "db01", most);
        assert_eq!(refuse(VM), None);
        let one = table.opens(1, true);
        let why = refuse(VM).unwrap();
        assert!(why.contains("db01 takes 1") && why.contains("ann (10.0.0.7)"), "{why}");
        assert_eq!(refuse(Uuid::nil()), None);
        let other = table.opens(1, true);
        assert!(refuse(Uuid::nil()).unwrap().contains("2 consoles are open"));
        drop((one, other));
        assert_eq!(refuse(VM), None);
    }
}
