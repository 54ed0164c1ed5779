//! A hypervisor for tests: its guests' rings are real shared pages, its event channels an eventfd.
//!
//! It masks, merges and delivers as `/dev/xen/evtchn` does. What guests do is up to the tests.

mod guest;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;
use xenstore_store::Life;
use xenstore_wire::DomainId;

use crate::hypervisor::{Hypervisor, HypervisorError, Port};
use crate::page::Page;

pub use guest::{Guest, Word};

/// A page's length, as files have theirs.
const PAGE_LENGTH: i64 = 4096;
/// The end of the channel that every guest's ring is kicked through.
pub(crate) const GUEST_PORT: u32 = 3;

/// A machine with guests, on which stores come and go.
#[derive(Clone, Debug, Default)]
pub struct Machine(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    domains: BTreeMap<DomainId, Domain>,
    ports: BTreeMap<Port, Channel>,
    last_port: u32,
    exits: Option<Port>,
    /// The store's, while there is one.
    wakeup: Option<Arc<EventFd>>,
}

#[derive(Debug)]
struct Domain {
    memory: OwnedFd,
    life: Life,
    /// How often the store has notified the ring's port.
    notified: u64,
}

/// A port of the store's.
#[derive(Debug, Default)]
struct Channel {
    remote: Option<(DomainId, u32)>,
    pending: bool,
    masked: bool,
}

impl Machine {
    /// Starts a guest whose ring is empty.
    ///
    /// # Panics
    /// When the system has no memory for it.
    #[must_use]
    pub fn start(&self, domain: DomainId, identity: u128) -> Guest {
        let memory = memfd_create("ring", MFdFlags::MFD_CLOEXEC).expect("memory for a ring");
        ftruncate(&memory, PAGE_LENGTH).expect("memory for a ring");
        let page = Page::map(&memory, 0).expect("a mapping of it");
        let life = Life::Running(identity);
        self.state().domains.insert(domain, Domain { memory, life, notified: 0 });
        Guest::new(self.clone(), domain, page)
    }

    /// Has a domain shut down or die, of which the store is told if it asked to be.
    pub fn set_life(&self, domain: DomainId, life: Life) {
        let mut state = self.state();
        match life {
            Life::Gone => drop(state.domains.remove(&domain)),
            Life::Running(_) | Life::ShutDown(_) => {
                if let Some(known) = state.domains.get_mut(&domain) {
                    known.life = life;
                }
            }
        }
        if let Some(exits) = state.exits {
            state.raise(exits);
        }
    }

    /// True when a port that leads to the domain's ring is masked; none when no port does.
    #[must_use]
    pub fn masked(&self, domain: DomainId) -> Option<bool> {
        let state = self.state();
        let mut channels = state.ports.values();
        channels
            .find(|channel| channel.remote == Some((domain, GUEST_PORT)))
            .map(|channel| channel.masked)
    }

    /// How many ports the store holds.
    #[must_use]
    pub fn ports(&self) -> usize {
        self.state().ports.len()
    }

    fn kick(&self, domain: DomainId, port: u32) {
        let mut state = self.state();
        let wanted = Some((domain, port));
        let to = state.ports.iter().find(|(_, channel)| channel.remote == wanted);
        if let Some(to) = to.map(|(to, _)| *to) {
            state.raise(to);
        }
    }

    fn notified(&self, domain: DomainId) -> u64 {
        self.state().domains.get(&domain).map_or(0, |known| known.notified)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn raise(&mut self, port: Port) {
        let Some(channel) = self.ports.get_mut(&port) else { return };
        channel.pending = true;
        if !channel.masked {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(wakeup) = &self.wakeup {
            wakeup.write(1).expect("an eventfd counts on");
        }
    }

    fn new_port(&mut self, remote: Option<(DomainId, u32)>) -> Port {
        self.last_port += 1;
        let port = Port(self.last_port);
        self.ports.insert(port, Channel { remote, ..Channel::default() });
        port
    }
}

/// What a store has of a machine; when it is dropped, its ports are.
#[derive(Debug)]
pub struct FakeHypervisor {
    machine: Machine,
    wakeup: Arc<EventFd>,
}

impl FakeHypervisor {
    /// # Panics
    /// When the system has no descriptor for it.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wakeup = Arc::new(EventFd::from_flags(flags).expect("an eventfd"));
        machine.state().wakeup = Some(wakeup.clone());
        Self { machine: machine.clone(), wakeup }
    }
}

impl Drop for FakeHypervisor {
    fn drop(&mut self) {
        let mut state = self.machine.state();
        state.ports.clear();
        (state.exits, state.wakeup) = (None, None);
    }
}

impl AsFd for FakeHypervisor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakeup.as_fd()
    }
}

impl Hypervisor for FakeHypervisor {
    fn map(&mut self, domain: DomainId) -> Result<Page, HypervisorError> {
        let failed = |source| HypervisorError::Map { domain, source };
        let state = self.machine.state();
        let known = state.domains.get(&domain).ok_or_else(|| failed(Errno::EINVAL.into()))?;
        Page::map(&known.memory, 0).map_err(|errno| failed(errno.into()))
    }

    fn own_ring(&mut self) -> Result<(Page, Port), HypervisorError> {
        let page = self.map(DomainId::DOM0)?;
        Ok((page, self.bind(DomainId::DOM0, GUEST_PORT)?))
    }

    fn bind(&mut self, domain: DomainId, port: u32) -> Result<Port, HypervisorError> {
        let mut state = self.machine.state();
        if !state.domains.contains_key(&domain) {
            let source = io::Error::from(Errno::ESRCH);
            return Err(HypervisorError::Bind { domain, port, source });
        }
        let bound = state.new_port(Some((domain, port)));
        // As Xen does: what was sent before may be waiting.
        state.raise(bound);
        Ok(bound)
    }

    fn unbind(&mut self, port: Port) -> Result<(), HypervisorError> {
        self.machine.state().ports.remove(&port);
        Ok(())
    }

    fn bind_exits(&mut self) -> Result<Port, HypervisorError> {
        let mut state = self.machine.state();
        let port = state.new_port(None);
        match state.exits.replace(port) {
            Some(_) => Err(HypervisorError::Exits(Errno::EEXIST.into())),
            None => Ok(port),
        }
    }

    fn notify(&mut self, port: Port) -> Result<(), HypervisorError> {
        let mut state = self.machine.state();
        let remote = state.ports.get(&port).and_then(|channel| channel.remote);
        if let Some((domain, _)) = remote
            && let Some(known) = state.domains.get_mut(&domain)
        {
            known.notified += 1;
        }
        Ok(())
    }

    fn pending(&mut self) -> Result<Vec<Port>, HypervisorError> {
        match self.wakeup.read() {
            Ok(_) | Err(Errno::EAGAIN) => (),
            Err(errno) => return Err(HypervisorError::Ports(errno.into())),
        }
        let mut pending = Vec::new();
        for (port, channel) in &mut self.machine.state().ports {
            if channel.pending && !channel.masked {
                (channel.pending, channel.masked) = (false, true);
                pending.push(*port);
            }
        }
        Ok(pending)
    }

    fn unmask(&mut self, ports: &[Port]) -> Result<(), HypervisorError> {
        let mut state = self.machine.state();
        for port in ports {
            let Some(channel) = state.ports.get_mut(port) else { continue };
            channel.masked = false;
            if channel.pending {
                state.wake();
            }
        }
        Ok(())
    }

    fn lives(&mut self, domains: &[DomainId]) -> Result<Vec<Life>, HypervisorError> {
        let state = self.machine.state();
        let life = |domain| state.domains.get(domain).map_or(Life::Gone, |known| known.life);
        Ok(domains.iter().map(life).collect())
    }
}
