//! The task that keeps devices as they are wanted: hears of links, and has a thread do what is due.
//!
//! Calls to a device wait for its driver, so none is made in the agent's own thread. Nothing wakes
//! this task but news: of links, of wishes, of somebody who looks.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;
use xenwarden_link::{Devices, Fault, Link, LinkEvents, News};
use xenwarden_nic::{GuestNic, Line, Wanted};

use super::table::{Table, Wish};
use crate::causes::causes;

/// The host's interfaces: what each is known by, and its device.
pub(crate) type Hosts = BTreeMap<String, String>;

/// What the keeper is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// This is wanted of guests' interfaces.
    Guests {
        /// The wishes.
        wishes: BTreeMap<GuestNic, Wish>,
        /// The number of this order, counted up.
        generation: u64,
    },
    /// This is wanted of the host's, by what each is known by.
    Hosts(BTreeMap<String, Wanted>),
    /// Look at every device, and say how it is.
    Tell(oneshot::Sender<Snapshot>),
}

/// What the keeper tells.
#[derive(Debug)]
pub(crate) enum Report {
    /// The host's interfaces are others.
    Hosts(Hosts),
    /// What was wanted of guests' interfaces by this order, and all before, is done where it can be.
    Done(u64),
}

/// Devices as they were found.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Every one, with what came of what is wanted of it.
    pub(crate) devices: Vec<(Link, Vec<Line>)>,
    /// The host's.
    pub(crate) hosts: Hosts,
}

/// What only one thread at a time has.
struct Bench {
    devices: Devices,
    table: Table,
    /// Whether links are to be listed: none is known yet, or more happened than could be kept.
    is_to_list: bool,
    /// The last order of guests' wishes.
    generation: u64,
}

/// Keeps devices until the agent ends.
pub(crate) async fn keep(
    also_hosts: Vec<String>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    reports: mpsc::UnboundedSender<Report>,
) {
    let why = match keep_until_failed(also_hosts, &mut orders, &reports).await {
        Ok(()) => return,
        Err(why) => why,
    };
    tracing::error!(why, "network interfaces are left as they are");
    // Who asks is told that they can't be looked at; and nobody is kept waiting for settings.
    let _ = reports.send(Report::Done(u64::MAX));
    while let Some(order) = orders.recv().await {
        drop(order);
    }
}

async fn keep_until_failed(
    also_hosts: Vec<String>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    reports: &mpsc::UnboundedSender<Report>,
) -> Result<(), String> {
    // Heard from before the first listing on, so that nothing is missed between.
    let events = LinkEvents::open().map_err(|fault| causes(&fault))?;
    let mut events = register(events).map_err(|error| error.to_string())?;
    let mut bench = Bench {
        devices: Devices::open().map_err(|fault| causes(&fault))?,
        table: Table::new(also_hosts),
        is_to_list: true,
        generation: 0,
    };
    let (mut again, mut told): (Option<Instant>, Hosts) = (None, Hosts::new());
    let mut done = 0;
    let mut looks: Vec<oneshot::Sender<Snapshot>> = Vec::new();
    loop {
        // Whatever has come meanwhile is done in the same go.
        while let Ok(order) = orders.try_recv() {
            looks.extend(bench.take(order));
        }
        let asked = std::mem::take(&mut looks);
        let worked = spawn_blocking(move || {
            let again = bench.work();
            for asker in asked {
                let snapshot = bench.look();
                // Who went away needs no answer.
                let _ = asker.send(snapshot);
            }
            (bench, again)
        });
        (bench, again) = match worked.await {
            Ok((back, later)) => (back, later.or(again.filter(|at| *at > Instant::now()))),
            Err(error) => return Err(error.to_string()),
        };
        let hosts_now = bench.table.hosts();
        if hosts_now != told {
            told.clone_from(&hosts_now);
            // Nobody listens when this process is about to end.
            let _ = reports.send(Report::Hosts(hosts_now));
        }
        if done != bench.generation {
            done = bench.generation;
            let _ = reports.send(Report::Done(done));
        }
        let due = async {
            match again {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => looks.extend(bench.take(order)),
                None => return Ok(()),
            },
            ready = events.ready_mut(Interest::READABLE) => {
                let mut ready = ready.map_err(|error| error.to_string())?;
                let heard = hear(&mut bench, ready.get_inner_mut());
                ready.clear_ready();
                heard.map_err(|fault| causes(&fault))?;
            }
            () = due => again = None,
        }
    }
}

#[allow(unsafe_code, reason = "tokio has a descriptor's owner promise to keep it")]
fn register(events: LinkEvents) -> io::Result<AsyncFd<LinkEvents>> {
    // SAFETY: `LinkEvents` owns its one socket, gives out the same number always, and closes it only
    // when it is dropped, with the `AsyncFd`.
    let registered = unsafe { AsyncFd::register_with_interest(events, Interest::READABLE) };
    registered.map_err(Into::into)
}

/// Takes what has happened to links.
fn hear(bench: &mut Bench, events: &mut LinkEvents) -> Result<(), Fault> {
    while let Some(news) = events.take()? {
        for one in news {
            bench.is_to_list |= one == News::Lost;
            bench.table.hear(one);
        }
    }
    Ok(())
}

impl Bench {
    /// Takes an order; who wants to be told how devices are is returned.
    fn take(&mut self, order: Order) -> Option<oneshot::Sender<Snapshot>> {
        match order {
            Order::Guests { wishes, generation } => {
                self.table.want_of_guests(wishes);
                self.generation = generation;
            }
            Order::Hosts(hosts) => self.table.want_of_hosts(hosts),
            Order::Tell(asker) => return Some(asker),
        }
        None
    }

    /// Does what is due, and says when to come again.
    fn work(&mut self) -> Option<Instant> {
        if std::mem::take(&mut self.is_to_list) {
            self.list();
        }
        let due = self.table.due(Instant::now());
        for (link, wanted) in due.apply {
            let failures = self.devices.apply(&link, &wanted);
            for (key, failure) in &failures {
                let (device, key) = (&link.name, key.name());
                tracing::info!(device, key, ?failure, "setting is not taken");
            }
            tracing::debug!(device = link.name, ?wanted, "settings are applied");
            self.table.note(link.index, failures);
        }
        let links: Vec<Link> = self.table.links().cloned().collect();
        let failures = self.devices.mirror(&self.table.rules(), &links);
        self.table.note_mirrors(failures);
        due.again
    }

    fn list(&mut self) {
        match self.devices.links() {
            Ok(links) => self.table.list(links),
            Err(fault) => tracing::warn!(fault = causes(&fault), "links can't be listed"),
        }
    }

    /// Every device as it is now.
    fn look(&mut self) -> Snapshot {
        self.list();
        let links: Vec<Link> = self.table.links().cloned().collect();
        let mut devices = Vec::with_capacity(links.len());
        for link in links {
            let mut lines = Vec::new();
            if self.table.is_wanted(&link) {
                match self.devices.read(&link) {
                    Ok(active) => lines = self.table.account(&link, &active),
                    // It has just gone.
                    Err(fault) => {
                        tracing::debug!(device = link.name, fault = causes(&fault), "can't read");
                    }
                }
            }
            devices.push((link, lines));
        }
        Snapshot { devices, hosts: self.table.hosts() }
    }
}
