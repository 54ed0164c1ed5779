//! The work on one domain: looks at its keys, publishes ports, writes and reads its data.
//!
//! Everything is charged to a bucket of the domain, one token an operation and more for opening a
//! transaction. When the bucket is empty the work waits, and the watch on what the guest writes is
//! taken back until there are tokens again, so that a guest can't make the agent work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use xenstore_bucket::{Admission, Bucket, Cost, Rates};
use xenstore_client::{Client, ClientError, Tree};
use xenstore_wire::{Access, DomainId, ErrorCode, Path, Permissions};

mod guest_data;
mod look;
mod nics;

use super::desk::{Desk, Work};
use super::session::{guest_watch, key_watches};
use super::{Report, StoreFault, timely};
use crate::causes::causes;
use crate::effect::Ports;
use crate::nic::Vif;
use crate::paths;

/// A port is published by a look, a write and its permissions.
const OPERATIONS_A_PORT: usize = 3;
/// How often a transaction is begun again that others got in the way of.
const ATTEMPTS_MAX: u32 = 5;
/// The shortest time between two read-backs of one guest's data: each may become a disk write.
const READ_BACK_EVERY: Duration = Duration::from_secs(1);
/// Events of one guest that are charged for at once, however many came: the bucket is empty by
/// then at any rate that makes sense.
const EVENTS_CHARGED_MAX: u32 = 4096;

/// However slowly a bucket fills, its guest is heard again after this time.
const REFILL_MAX: Duration = Duration::from_secs(60);
/// How often the log is told that a domain is over its limit: a guest decides when it is.
const TELL_OVER_EVERY: Duration = Duration::from_secs(600);

/// The two connections.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    /// For what belongs to the control domain.
    pub(super) own: Client,
    /// For what guests can write.
    pub(super) guests: Client,
}

/// Does one domain's work.
#[derive(Debug)]
pub(super) struct Caretaker {
    domain: DomainId,
    connections: Connections,
    desk: Arc<Desk>,
    bucket: Bucket,
    begun: Instant,
    /// When the bucket was last found without the tokens that were needed.
    emptied_at: Option<Instant>,
    /// How long it takes to fill again.
    refill: Duration,
    reports: mpsc::UnboundedSender<Report>,
    missing: mpsc::UnboundedSender<DomainId>,
    /// Whether the guest's own changes are watched.
    hears_guest: bool,
    /// When the log was last told that the domain is over its limit.
    told_over_at: Option<Instant>,
    read_back_at: Option<Instant>,
    /// Its network interfaces, as they were seen last.
    vifs: BTreeMap<u16, Vif>,
    /// Whether the log says already that the guest's data is not read back.
    told_too_much: bool,
}

impl Caretaker {
    pub(super) fn new(
        domain: DomainId,
        connections: Connections,
        desk: Arc<Desk>,
        rates: Rates,
        reports: mpsc::UnboundedSender<Report>,
        missing: mpsc::UnboundedSender<DomainId>,
    ) -> Self {
        Self {
            domain,
            connections,
            desk,
            bucket: Bucket::new(rates, Duration::ZERO),
            begun: Instant::now(),
            emptied_at: None,
            refill: refill_time(rates),
            reports,
            missing,
            hears_guest: false,
            told_over_at: None,
            read_back_at: None,
            vifs: BTreeMap::new(),
            told_too_much: false,
        }
    }

    /// Works until the store is lost.
    pub(super) async fn work(mut self) -> StoreFault {
        match self.work_until_lost().await {
            Ok(never) => match never {},
            Err(fault) => fault,
        }
    }

    async fn work_until_lost(&mut self) -> Result<std::convert::Infallible, StoreFault> {
        for watch in key_watches(self.domain) {
            self.pay(Cost::Operation).await?;
            let own = self.connections.own.clone();
            timely(own.watch(&watch)).await?;
        }
        loop {
            while !self.hears_guest {
                self.hear_guest_when_affordable().await?;
            }
            let work = self.next().await;
            match self.carry_out(work).await {
                Err(fault) if fault.is_lost() => return Err(fault),
                Err(fault) => {
                    let domain = self.domain;
                    tracing::warn!(%domain, fault = %causes(&fault), "store refused work");
                }
                Ok(()) => {}
            }
        }
    }

    /// The next piece of work; the guest's own changes not more often than they may be read.
    async fn next(&mut self) -> Work {
        let wait = self
            .read_back_at
            .map_or(Duration::ZERO, |last| READ_BACK_EVERY.saturating_sub(last.elapsed()));
        if !wait.is_zero() {
            tokio::select! {
                work = self.desk.next(false) => return work,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.desk.next(true).await
    }

    async fn carry_out(&mut self, work: Work) -> Result<(), StoreFault> {
        match work {
            Work::Look => self.look().await,
            Work::LookAtNics(looks) => self.look_at_nics(looks).await,
            Work::Publish(ports) => self.publish(ports).await,
            Work::Retract(ports) => self.retract(ports).await,
            Work::Data(nodes) => {
                self.change_data(&nodes).await?;
                if let Some(generation) = self.desk.generation() {
                    let domain = self.domain;
                    let _ = self.reports.send(Report::Written { domain, generation });
                }
                Ok(())
            }
            Work::ReadBack(events) => {
                for _ in 0..events.min(EVENTS_CHARGED_MAX) {
                    self.pay(Cost::Operation).await?;
                }
                self.read_back_at = Some(Instant::now());
                self.read_back().await
            }
        }
    }

    /// Takes tokens, as soon as they are there.
    async fn pay(&mut self, cost: Cost) -> Result<(), StoreFault> {
        loop {
            match self.bucket.admit(cost, self.begun.elapsed()) {
                Admission::Granted => return Ok(()),
                Admission::Wait(wait) => {
                    self.emptied_at = Some(Instant::now());
                    self.stop_hearing_guest().await?;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Takes the tokens of so many operations.
    async fn pay_for(&mut self, operations: usize) -> Result<(), StoreFault> {
        for _ in 0..operations {
            self.pay(Cost::Operation).await?;
        }
        Ok(())
    }

    /// The bucket is empty: what the guest does has to wait.
    async fn stop_hearing_guest(&mut self) -> Result<(), StoreFault> {
        if !std::mem::take(&mut self.hears_guest) {
            return Ok(());
        }
        if self.told_over_at.is_none_or(|told| told.elapsed() >= TELL_OVER_EVERY) {
            self.told_over_at = Some(Instant::now());
            let domain = self.domain;
            tracing::info!(%domain, "domain is over its store limit: its changes wait");
        }
        match timely(self.connections.guests.unwatch(&guest_watch(self.domain))).await {
            Err(fault) if fault.is_lost() => Err(fault),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Watches the guest's own changes, once there are tokens for it: as many as a transaction
    /// takes, and after the bucket was empty a whole bucket, as the watch's first event says: look
    /// again. With less, that look would empty the bucket again, and so on for ever.
    async fn hear_guest_when_affordable(&mut self) -> Result<(), StoreFault> {
        let refilled = self.emptied_at.map(|since| self.refill.saturating_sub(since.elapsed()));
        let admission = match refilled {
            Some(wait) if !wait.is_zero() => Admission::Wait(wait),
            Some(_) | None => self.bucket.admit(Cost::Transaction, self.begun.elapsed()),
        };
        if let Admission::Wait(wait) = admission {
            let desk = Arc::clone(&self.desk);
            tokio::select! {
                // Other work goes first; this is asked again after it.
                work = desk.next(false) => return self.carry_out_or_lose(work).await,
                () = tokio::time::sleep(wait) => return Ok(()),
            }
        }
        match timely(self.connections.guests.watch(&guest_watch(self.domain))).await {
            Err(fault) if !fault.is_lost() => {}
            other => other?,
        }
        self.hears_guest = true;
        Ok(())
    }

    async fn carry_out_or_lose(&mut self, work: Work) -> Result<(), StoreFault> {
        match self.carry_out(work).await {
            Err(fault) if fault.is_lost() => Err(fault),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn read(&mut self, path: &Path) -> Result<Option<Vec<u8>>, StoreFault> {
        self.pay(Cost::Operation).await?;
        timely(self.connections.own.read_optional(path)).await
    }

    /// Puts ports into the store, where no other program's stand.
    async fn publish(&mut self, ports: Ports) -> Result<(), StoreFault> {
        let domain = self.domain;
        let screen = ports.vnc.map(|port| (paths::vnc_port(domain), port));
        let text = (paths::text_port(domain), ports.text);
        let mut readable = Permissions::private(DomainId::DOM0);
        readable.exceptions.push((domain, Access::Read));
        let operations = OPERATIONS_A_PORT * (usize::from(screen.is_some()) + 1);
        self.transact(operations, async |tree| {
            let publish = async |(path, port): &(Path, u16)| {
                let ours = port.to_string();
                match tree.read_optional(path).await? {
                    Some(standing) if standing == ours.as_bytes() => {}
                    Some(standing) if !standing.is_empty() => {
                        let node = path.as_str();
                        tracing::warn!(%domain, node, "another program's port stands here");
                    }
                    Some(_) | None => {
                        let written = tree.write(path, ours.as_bytes());
                        tokio::try_join!(written, tree.set_permissions(path, &readable))?;
                    }
                }
                Ok::<(), ClientError>(())
            };
            let publish_screen = async {
                match &screen {
                    Some(screen) => publish(screen).await,
                    None => Ok(()),
                }
            };
            tokio::try_join!(publish_screen, publish(&text)).map(drop)
        })
        .await
    }

    /// Takes ports back, where they still stand.
    async fn retract(&mut self, ports: Ports) -> Result<(), StoreFault> {
        let domain = self.domain;
        let vnc = ports.vnc.map(|port| (paths::vnc_port(domain), port));
        let ours: Vec<_> =
            vnc.into_iter().chain([(paths::text_port(domain), ports.text)]).collect();
        self.transact(2 * ours.len(), async |tree| {
            for (path, port) in &ours {
                let standing = tree.read_optional(path).await?;
                if standing.is_some_and(|standing| standing == port.to_string().as_bytes()) {
                    tree.remove(path).await?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Runs `body` in a transaction, begun again when others got in the way. Nothing is done for a
    /// domain that has gone: a write would make its home anew.
    async fn transact(
        &mut self,
        operations: usize,
        mut body: impl AsyncFnMut(&Tree) -> Result<(), ClientError>,
    ) -> Result<(), StoreFault> {
        // Not every toolstack gives the control domain a VM.
        let needed = match self.domain {
            DomainId::DOM0 => paths::name(self.domain),
            domain => paths::vm(domain),
        };
        for attempt in 1..=ATTEMPTS_MAX {
            self.pay(Cost::Transaction).await?;
            // The look at the VM, and the commit.
            self.pay_for(operations + 2).await?;
            let transaction = timely(self.connections.own.transaction()).await?;
            let done = async {
                if transaction.read_optional(&needed).await?.is_some() {
                    body(&transaction).await?;
                    transaction.commit().await?;
                }
                Ok(())
            };
            match timely(done).await {
                Err(StoreFault::Call(error))
                    if error.code() == Some(ErrorCode::Eagain) && attempt < ATTEMPTS_MAX => {}
                outcome => return outcome,
            }
        }
        Ok(())
    }
}

/// How long an empty bucket takes to be full.
fn refill_time(rates: Rates) -> Duration {
    let seconds = f64::from(rates.burst().get()) / f64::from(rates.operations_per_second().get());
    Duration::try_from_secs_f64(seconds).unwrap_or(REFILL_MAX).min(REFILL_MAX)
}

#[cfg(test)]
mod tests;
