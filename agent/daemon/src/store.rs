//! The agent's side of xenstore: connects, watches, looks, and writes what the agent decides.
//!
//! One task keeps two connections, the second for watches on what guests can write, and one task a
//! domain does that domain's work in order, charged to a bucket of its own. A store that goes away
//! is connected to again; what that means for domains is decided by the host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use xenstore_bucket::Rates;
use xenstore_client::ClientError;
use xenstore_wire::{DomainId, Path};

use crate::effect::Ports;
use crate::nic::Vif;
use crate::sighting::Sighting;

mod caretaker;
mod desk;
mod session;

use desk::Desk;

/// The pause before the first new attempt to connect, and the longest one.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// A store that takes longer for one answer is not there.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What the store's tasks tell the agent.
#[derive(Debug)]
pub(crate) enum Report {
    /// The store is there, and is watched.
    Connected,
    /// The store is not there, and is connected to again.
    Lost(StoreFault),
    /// The store held the agent's mark and has these domains: others that were known have ended.
    Compared(BTreeSet<DomainId>),
    /// The store held no mark and has these domains: what became of others it can't tell.
    Fresh(BTreeSet<DomainId>),
    /// A domain's home went.
    Ended(DomainId),
    /// A domain was looked at.
    Seen {
        /// The domain.
        domain: DomainId,
        /// What is there.
        sighting: Sighting,
        /// How often its tty's node was seen to be written.
        written: u32,
    },
    /// A domain's network interfaces were looked at.
    Nics {
        /// The domain.
        domain: DomainId,
        /// What is there, by number.
        vifs: BTreeMap<u16, Vif>,
    },
    /// A data order was carried out.
    Written {
        /// The domain.
        domain: DomainId,
        /// The order, and with it all before.
        generation: u64,
    },
    /// A guest's `vm-data` was read back.
    ReadBack {
        /// The domain.
        domain: DomainId,
        /// Its keys and values.
        found: BTreeMap<String, String>,
        /// The last data order that was carried out before.
        generation: u64,
    },
}

/// Why the store does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFault {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// A connection's events ended.
    #[error("the store closed the connection")]
    Closed,
    /// An answer did not come.
    #[error("the store did not answer within {} s", ANSWER_MAX.as_secs())]
    Silent,
    /// A task that does a domain's work ended as it must not.
    #[error("the work on a domain ended unexpectedly")]
    Broken,
}

impl StoreFault {
    /// Whether the connection is of no use any more; else one call was refused.
    fn is_lost(&self) -> bool {
        match self {
            Self::Call(
                ClientError::Refused { .. }
                | ClientError::TooLong { .. }
                | ClientError::Unlistable { .. },
            ) => false,
            Self::Call(
                ClientError::Connect { .. }
                | ClientError::Malformed { .. }
                | ClientError::Disconnected(_),
            )
            | Self::Closed
            | Self::Silent
            | Self::Broken => true,
        }
    }
}

/// An answer, if it comes in time.
async fn timely<T>(call: impl Future<Output = Result<T, ClientError>>) -> Result<T, StoreFault> {
    match tokio::time::timeout(ANSWER_MAX, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreFault::Silent),
    }
}

/// What the agent has done for a domain in the store.
#[derive(Debug)]
pub(crate) enum Order {
    /// Look at its keys.
    Look,
    /// Put a converter's ports there, where no other program's stand.
    Publish(Ports),
    /// Take them back, where they still stand.
    Retract(Ports),
    /// Write (`Some`) and remove (`None`) nodes of its `vm-data`, and make that directory.
    Data {
        /// The nodes.
        changes: Vec<(Path, Option<String>)>,
        /// The number of this order, counted up for each domain.
        generation: u64,
    },
}

/// Gives orders to the store's tasks.
#[derive(Debug)]
pub(crate) struct Store {
    orders: mpsc::UnboundedSender<(DomainId, Order)>,
    /// The last data order of each domain.
    generations: BTreeMap<DomainId, u64>,
    /// The last one that was carried out.
    written: BTreeMap<DomainId, u64>,
}

impl Store {
    /// Starts the task that keeps the connections, on the current thread's local set.
    pub(crate) fn open(
        socket: PathBuf,
        rates: Rates,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let (orders, incoming) = mpsc::unbounded_channel();
        let connector = Connector { socket, rates, reports, incoming, desks: BTreeMap::new() };
        tokio::task::spawn_local(connector.keep());
        Self { orders, generations: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// Gives an order. It is carried out when the store is there and the domain's tokens are.
    pub(crate) fn order(&self, domain: DomainId, order: Order) {
        // The task ends only with this process.
        let _ = self.orders.send((domain, order));
    }

    /// Changes a domain's `vm-data`.
    pub(crate) fn change_data(&mut self, domain: DomainId, changes: Vec<(Path, Option<String>)>) {
        let generation = self.generations.entry(domain).or_default();
        *generation += 1;
        let generation = *generation;
        self.order(domain, Order::Data { changes, generation });
    }

    /// Whether a read-back saw every change that was ordered.
    pub(crate) fn is_current(&self, domain: DomainId, generation: u64) -> bool {
        self.generations.get(&domain).copied().unwrap_or_default() == generation
    }

    /// Notes that an order was carried out.
    pub(crate) fn note_written(&mut self, domain: DomainId, generation: u64) {
        self.written.insert(domain, generation);
    }

    /// Whether everything that was ordered for a domain stands in the store.
    pub(crate) fn is_written(&self, domain: DomainId) -> bool {
        self.is_current(domain, self.written.get(&domain).copied().unwrap_or_default())
    }

    /// Forgets a domain that has ended.
    pub(crate) fn forget(&mut self, domain: DomainId) {
        self.written.remove(&domain);
        self.generations.remove(&domain);
    }
}

/// Keeps the connections, and the desks of the domains over their loss.
#[derive(Debug)]
struct Connector {
    socket: PathBuf,
    rates: Rates,
    reports: mpsc::UnboundedSender<Report>,
    incoming: mpsc::UnboundedReceiver<(DomainId, Order)>,
    desks: BTreeMap<DomainId, Arc<Desk>>,
}

impl Connector {
    async fn keep(mut self) {
        let mut pause = RECONNECT_MIN;
        let mut told = false;
        loop {
            let fault = match self.connect().await {
                Ok(session) => {
                    (pause, told) = (RECONNECT_MIN, false);
                    self.serve(session).await
                }
                Err(fault) => fault,
            };
            if !told {
                told = true;
                self.report(Report::Lost(fault));
            }
            if self.rest(pause).await.is_none() {
                return;
            }
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    /// Keeps taking orders while there is no store; none when nobody gives them any more.
    async fn rest(&mut self, pause: Duration) -> Option<()> {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Some(()),
                order = self.incoming.recv() => {
                    let (domain, order) = order?;
                    self.desk(domain).take_order(order);
                }
            }
        }
    }

    fn desk(&mut self, domain: DomainId) -> Arc<Desk> {
        Arc::clone(self.desks.entry(domain).or_default())
    }

    fn report(&self, report: Report) {
        // Nobody listens when this process is about to end.
        let _ = self.reports.send(report);
    }
}
