//! What the network front is answered: log-ins, sessions, objects with their changes, consoles.
//!
//! The front forwards what clients sent; who may do what is decided here. How its calls arrive is in
//! [`crate::serve`].

mod answer;
mod change;
mod gate;
mod identity;
mod ledger;
mod login;
mod objects;
mod open;
mod sessions;
mod tasks;
mod users;
mod visits;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use tokio::sync::oneshot;
use uuid::Uuid;
use xenwarden_model::front::Moment;

use crate::answer::Draft;
use crate::config;

pub(crate) use answer::{TOLD_AFTER, may_open_the_hosts};
pub(crate) use identity::IdentityFault;
pub(crate) use login::LoggingIn;
pub(crate) use open::Opening;
pub(crate) use visits::{Most, OpenConsole, REBOOT_TIME};

use identity::Identity;
use ledger::Ledger;
use login::Checker;
use sessions::Sessions;
use tasks::Tasks;
use visits::Visits;

/// Everything that is kept for the network front.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) identity: Identity,
    ledger: Ledger,
    tasks: Tasks,
    /// Shared with the clients' own tasks, which open and close.
    sessions: Rc<RefCell<Sessions>>,
    /// The same, of the consoles that they have open.
    pub(crate) visits: Rc<RefCell<Visits>>,
    checker: Rc<Checker>,
    waiting: BTreeMap<u64, Waiting>,
    waited: u64,
}

/// A client that waits for a change.
#[derive(Debug)]
struct Waiting {
    since: Moment,
    asker: oneshot::Sender<Draft>,
}

impl Front {
    /// Reads what is kept below the state folder, or makes it.
    pub(crate) fn open(
        state_dir: &Path,
        login: &config::Login,
        hostname: &str,
    ) -> Result<Self, IdentityFault> {
        Ok(Self {
            identity: Identity::open(state_dir, hostname)?,
            ledger: Ledger::new(Uuid::new_v4()),
            tasks: Tasks::default(),
            sessions: Rc::default(),
            visits: Rc::default(),
            checker: Rc::new(Checker::new(login)),
            waiting: BTreeMap::new(),
            waited: 0,
        })
    }

    /// Whether anybody waits for a change.
    pub(crate) fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }
}
