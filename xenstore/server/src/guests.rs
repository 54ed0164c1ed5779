//! The guests whose rings are served: which port is whose, and what has to be unmasked.
//!
//! What they say is their peers'.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use xenstore_hypervisor::{Hypervisor, HypervisorError, Port, Ring};
use xenstore_store::{Introduction, Life};
use xenstore_wire::DomainId;

use crate::transport::Seat;

/// A hypervisor, and who is served on which of its ports.
#[derive(Debug)]
pub(crate) struct Guests {
    hypervisor: Box<dyn Hypervisor>,
    /// Each ring's peer, by the port it is heard on.
    peers: BTreeMap<Port, u64>,
    /// Each domain's port.
    ports: BTreeMap<DomainId, Port>,
    /// Pending when some domain has shut down or died.
    exits: Port,
    /// Ports to be heard of again when the turn ends.
    unmask: Vec<Port>,
}

/// What a pending port means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// A guest kicked: this peer.
    Kick(u64),
    /// Some domain has shut down or died.
    Exit,
}

impl Guests {
    /// Is told of domains' ends from now on.
    pub(crate) fn new(mut hypervisor: Box<dyn Hypervisor>) -> Result<Self, HypervisorError> {
        let exits = hypervisor.bind_exits()?;
        Ok(Self {
            hypervisor,
            peers: BTreeMap::new(),
            ports: BTreeMap::new(),
            exits,
            unmask: Vec::new(),
        })
    }

    /// The ring of the kernel that the store runs on.
    pub(crate) fn own(&mut self, features: u32) -> Result<Seat, HypervisorError> {
        let (page, port) = self.hypervisor.own_ring()?;
        Ok(Seat::new(Ring::take(page, features), port, None))
    }

    /// The ring of a domain that was introduced.
    pub(crate) fn meet(
        &mut self,
        introduction: Introduction,
        features: u32,
    ) -> Result<Seat, HypervisorError> {
        let Introduction { domain, port } = introduction;
        let page = self.hypervisor.map(domain)?;
        let port = self.hypervisor.bind(domain, port)?;
        self.ports.insert(domain, port);
        Ok(Seat::new(Ring::take(page, features), port, Some(introduction)))
    }

    /// The peer of a domain that was met already, with a new port for it.
    pub(crate) fn meet_again(
        &mut self,
        introduction: Introduction,
    ) -> Result<Option<(u64, Port)>, HypervisorError> {
        let Introduction { domain, port } = introduction;
        let known = self.ports.get(&domain).copied();
        let Some((old, peer)) = known.and_then(|old| Some((old, *self.peers.get(&old)?))) else {
            return Ok(None);
        };
        let new = self.hypervisor.bind(domain, port)?;
        self.peers.remove(&old);
        self.ports.insert(domain, new);
        self.hypervisor.unbind(old)?;
        Ok(Some((peer, new)))
    }

    /// Notes whose port it is.
    pub(crate) fn seat(&mut self, port: Port, peer: u64) {
        self.peers.insert(port, peer);
    }

    /// Gives up a port: its domain has gone.
    pub(crate) fn leave(&mut self, port: Port) {
        self.peers.remove(&port);
        self.ports.retain(|_, known| *known != port);
        // The domain may have taken the channel with it; there is nothing else to be given back.
        let _ = self.hypervisor.unbind(port);
    }

    /// What has happened, each once.
    pub(crate) fn pending(&mut self) -> Result<Vec<Pending>, HypervisorError> {
        let ports = self.hypervisor.pending()?;
        let meaning = |port: Port| match self.peers.get(&port) {
            Some(peer) => Some(Pending::Kick(*peer)),
            None => (port == self.exits).then_some(Pending::Exit),
        };
        let pending = ports.into_iter().filter_map(meaning).collect::<Vec<_>>();
        if pending.contains(&Pending::Exit) {
            self.unmask.push(self.exits);
        }
        Ok(pending)
    }

    /// How domains are now.
    pub(crate) fn lives(
        &mut self,
        domains: &[DomainId],
    ) -> Result<Vec<(DomainId, Life)>, HypervisorError> {
        let lives = self.hypervisor.lives(domains)?;
        Ok(domains.iter().copied().zip(lives).collect())
    }

    /// Wakes a guest. One that has closed its end can't be woken, and needn't be.
    pub(crate) fn wake(&mut self, port: Port) {
        let _ = self.hypervisor.notify(port);
    }

    /// Has a port be heard of again, when the turn ends.
    pub(crate) fn listen_to(&mut self, port: Port) {
        self.unmask.push(port);
    }

    /// Unmasks what is to be heard of again.
    pub(crate) fn end_turn(&mut self) -> Result<(), HypervisorError> {
        if self.unmask.is_empty() {
            return Ok(());
        }
        let unmasked = self.hypervisor.unmask(&self.unmask);
        self.unmask.clear();
        unmasked
    }
}

impl AsFd for Guests {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.hypervisor.as_fd()
    }
}
