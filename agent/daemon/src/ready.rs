//! Whether a domain is ready to run: its data is written, its network interfaces are set, and its
//! console is as it should be.
//!
//! Clients that wait for it are answered after the event that made it so; how long they may wait
//! is for who serves them.

use tokio::sync::oneshot;
use xenstore_wire::DomainId;
use xenwarden_model::{ConsoleState, Reply};

use crate::answer::Draft;
use crate::domain::Domain;
use crate::run::Agent;

/// A client that waits for a domain.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The domain's number.
    pub(crate) domid: u16,
    /// Where the answer goes.
    pub(crate) asker: oneshot::Sender<Draft>,
}

impl Agent {
    /// Answers who waits for what is so now, and forgets who went away.
    pub(crate) fn answer_waiting(&mut self) {
        for Waiting { domid, asker } in std::mem::take(&mut self.waiting) {
            match self.readiness(domid) {
                // Who went away needs no answer.
                Some(console) => drop(asker.send(Draft::Whole(Reply::Ready(console)))),
                None if asker.is_closed() => {}
                None => self.waiting.push(Waiting { domid, asker }),
            }
        }
    }

    /// What a domain's console does, once the domain is ready.
    fn readiness(&self, domid: u16) -> Option<ConsoleState> {
        let domain = DomainId::new(domid).ok()?;
        let life = self.host.life_of(domain)?;
        let entry = self.host.entry(life)?;
        let settled = match entry.state {
            Domain::Off | Domain::Refused { .. } => true,
            // Its ports are in the store.
            Domain::Serving { .. } => entry.ports.map(|ports| ports.text) == entry.seen_text_port,
            // A guest whose screen QEMU serves may have no text console at all.
            Domain::Waiting => self.notes.get(&life).is_some_and(|note| note.graphics.is_some()),
            Domain::Behind
            | Domain::Starting { .. }
            | Domain::Stranded { .. }
            | Domain::Closing(_)
            | Domain::Resting { .. }
            | Domain::Leaving
            | Domain::Gone => false,
        };
        let prepared = self.store.is_written(domain) && self.nics.is_settled(domain);
        (settled && prepared).then(|| self.console_state(life, entry))
    }
}
