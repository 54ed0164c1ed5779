//! Xen itself, as Linux lends it to a process: event channels and grants by their devices, and the
//! kernel's own ring by two files.
//!
//! All four are opened by others and handed in: this process may not be able to open anything. Which
//! domains live is not to be had from them.

#![allow(unsafe_code, reason = "devices are spoken to by ioctl, which passes pointers")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{self, Ioctl, off_t};
use xenstore_store::Life;
use xenstore_wire::DomainId;

use crate::hypervisor::{Hypervisor, HypervisorError, Port};
use crate::ioctl::{
    BIND_INTERDOMAIN, BIND_VIRQ, BindInterdomain, BindVirq, MAP_GRANT, MapGrant, NOTIFY, OnePort,
    RESET, UNBIND, UNMAP_GRANT, UnmapGrant,
};
use crate::lives::Lives;
use crate::page::Page;

/// `VIRQ_DOM_EXC` of `xen.h`: some domain has shut down or died.
const VIRQ_DOM_EXC: u32 = 3;
/// `GNTTAB_RESERVED_XENSTORE` of `grant_table.h`: the ring's page, granted by the domain's builder.
const RING_GRANT: u32 = 1;
/// Ports that are read at once; more come with the next read.
const PORTS_BATCH: usize = 256;
const PORT_BYTES: usize = size_of::<u32>();
/// The digits of a port, and a line's end.
const OWN_PORT_BYTES_MAX: u64 = 16;

/// What Linux lends.
#[derive(Debug)]
pub struct Handles {
    /// `/dev/xen/evtchn`.
    pub channels: OwnedFd,
    /// `/dev/xen/gntdev`. Kernels before 5.5 let nobody map with it but the process that opened it.
    pub grants: OwnedFd,
    /// `/proc/xen/xsd_kva`.
    pub own_page: OwnedFd,
    /// `/proc/xen/xsd_port`.
    pub own_port: OwnedFd,
}

/// Xen, for a store.
#[derive(Debug)]
pub struct Xen {
    channels: File,
    grants: Arc<OwnedFd>,
    own_page: OwnedFd,
    own_port: u32,
    lives: Box<dyn Lives>,
    /// All ports that are bound, to look at every one where some can't be read.
    bound: BTreeSet<Port>,
}

/// A mapping of a grant, to be given back.
#[derive(Debug)]
pub(crate) struct Grant {
    grants: Arc<OwnedFd>,
    index: u64,
}

impl Xen {
    /// Takes the handles, and whom to ask who lives.
    pub fn new(handles: Handles, lives: Box<dyn Lives>) -> Result<Self, HypervisorError> {
        let flags = FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR);
        fcntl(&handles.channels, flags).map_err(|errno| HypervisorError::Ports(errno.into()))?;
        let own_port = read_port(handles.own_port.into())
            .map_err(|source| HypervisorError::Open { path: "/proc/xen/xsd_port", source })?;
        Ok(Self {
            channels: handles.channels.into(),
            grants: Arc::new(handles.grants),
            own_page: handles.own_page,
            own_port,
            lives,
            bound: BTreeSet::new(),
        })
    }

    /// Makes a request that answers with a port of ours.
    fn new_port<Argument>(&mut self, request: Ioctl, argument: &mut Argument) -> io::Result<Port> {
        let port = ioctl(&self.channels, request, argument)?;
        let port = u32::try_from(port).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        self.bound.insert(Port(port));
        Ok(Port(port))
    }

    fn read_ports(&mut self) -> io::Result<Vec<Port>> {
        let mut bytes = [0; PORTS_BATCH * PORT_BYTES];
        match self.channels.read(&mut bytes) {
            Ok(size) => {
                let words = bytes.get(..size).unwrap_or_default().as_chunks::<PORT_BYTES>().0;
                Ok(words.iter().map(|word| Port(u32::from_ne_bytes(*word))).collect())
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Vec::new()),
                // More were pending than the kernel has room for, and some were lost: from here on
                // it counts anew, and any port may be one of them.
                io::ErrorKind::FileTooLarge => {
                    ioctl(&self.channels, RESET, &mut ())?;
                    Ok(self.bound.iter().copied().collect())
                }
                _ => Err(error),
            },
        }
    }
}

impl AsFd for Xen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channels.as_fd()
    }
}

impl Hypervisor for Xen {
    fn map(&mut self, domain: DomainId) -> Result<Page, HypervisorError> {
        let failed = |source| HypervisorError::Map { domain, source };
        let mut map = MapGrant {
            count: 1,
            pad: 0,
            index: 0,
            domain: domain.number().into(),
            reference: RING_GRANT,
        };
        ioctl(&self.grants, MAP_GRANT, &mut map).map_err(failed)?;
        // From here on it is given back, whatever fails.
        let grant = Grant { grants: self.grants.clone(), index: map.index };
        let offset = off_t::try_from(map.index).map_err(|_| failed(Errno::EOVERFLOW.into()))?;
        let page = Page::map(&self.grants, offset).map_err(|errno| failed(errno.into()))?;
        Ok(page.of_grant(grant))
    }

    fn own_ring(&mut self) -> Result<(Page, Port), HypervisorError> {
        let page = Page::map(&self.own_page, 0).map_err(|errno| HypervisorError::Map {
            domain: DomainId::DOM0,
            source: errno.into(),
        })?;
        let port = self.bind(DomainId::DOM0, self.own_port)?;
        Ok((page, port))
    }

    fn bind(&mut self, domain: DomainId, port: u32) -> Result<Port, HypervisorError> {
        let mut bind = BindInterdomain { domain: domain.number().into(), port };
        self.new_port(BIND_INTERDOMAIN, &mut bind).map_err(|source| HypervisorError::Bind {
            domain,
            port,
            source,
        })
    }

    fn unbind(&mut self, port: Port) -> Result<(), HypervisorError> {
        self.bound.remove(&port);
        ioctl(&self.channels, UNBIND, &mut OnePort { port: port.0 })
            .map(drop)
            .map_err(HypervisorError::Ports)
    }

    fn bind_exits(&mut self) -> Result<Port, HypervisorError> {
        self.new_port(BIND_VIRQ, &mut BindVirq { virq: VIRQ_DOM_EXC })
            .map_err(HypervisorError::Exits)
    }

    fn notify(&mut self, port: Port) -> Result<(), HypervisorError> {
        ioctl(&self.channels, NOTIFY, &mut OnePort { port: port.0 })
            .map(drop)
            .map_err(HypervisorError::Ports)
    }

    fn pending(&mut self) -> Result<Vec<Port>, HypervisorError> {
        self.read_ports().map_err(HypervisorError::Ports)
    }

    fn unmask(&mut self, ports: &[Port]) -> Result<(), HypervisorError> {
        // The device takes no more at once than fits a page.
        for ports in ports.chunks(PORTS_BATCH) {
            let bytes: Vec<u8> = ports.iter().flat_map(|port| port.0.to_ne_bytes()).collect();
            self.channels.write_all(&bytes).map_err(HypervisorError::Ports)?;
        }
        Ok(())
    }

    fn lives(&mut self, domains: &[DomainId]) -> Result<Vec<Life>, HypervisorError> {
        self.lives.lives(domains).map_err(HypervisorError::Lives)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let mut unmap = UnmapGrant { index: self.index, count: 1, pad: 0 };
        // It fails where there is no such mapping, and then nothing is left to be given back.
        let _ = ioctl(&self.grants, UNMAP_GRANT, &mut unmap);
    }
}

/// Makes a request with the structure that its number was computed from.
pub(crate) fn ioctl<Argument>(
    device: &impl AsFd,
    request: Ioctl,
    argument: &mut Argument,
) -> io::Result<libc::c_int> {
    let device = device.as_fd().as_raw_fd();
    // SAFETY: the kernel reads and writes no more than the structure that the request's number
    // names the size of, and `argument` is that one; it outlives the call.
    let answer = unsafe { libc::ioctl(device, request, std::ptr::from_mut(argument)) };
    Ok(Errno::result(answer)?)
}

/// The number that a file of xenfs says.
fn read_port(file: File) -> io::Result<u32> {
    let mut text = String::new();
    file.take(OWN_PORT_BYTES_MAX).read_to_string(&mut text)?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}
