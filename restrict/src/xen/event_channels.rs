//! `/dev/xen/evtchn`: ports that domains ring each other with.
//!
//! Who is rung when is not here, nor waiting: a handle can be polled, and never blocks.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::abi::{self, Domid, Interdomain, Port, Unbound, Virq};
use super::guest::Guest;
use super::scope::{self, Attempt, Fresh, HandleError, Restricted, Scope, Unrestricted};

const PATHS: [&str; 1] = ["/dev/xen/evtchn"];
/// No domain has this port, and no hypervisor this virtual interrupt: trying them changes nothing,
/// whether it is refused or not.
const NO_PORT: u32 = u32::MAX;
const NO_VIRQ: u32 = u32::MAX;
/// Pending ports taken with one read; more stay for the next.
const PENDING_MAX: usize = 64;
const PORT_BYTES: usize = size_of::<u32>();

/// A port of this domain, bound through one handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPort(u32);

impl LocalPort {
    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    fn from_result(result: libc::c_int) -> Result<Self, Errno> {
        u32::try_from(result).map(Self).map_err(|_| Errno::EINVAL)
    }
}

/// An open `/dev/xen/evtchn`. Its ports are closed with it.
///
/// A restricted one binds to its guest and to nothing else:
///
/// ```no_run
/// use restrict::xen::{EventChannels, Guest};
/// let guest = Guest::new(7).unwrap();
/// let channels = EventChannels::open()?.restrict(guest)?;
/// let port = channels.bind_interdomain(3).unwrap();
/// channels.notify(port).unwrap();
/// # Ok::<(), restrict::xen::HandleError>(())
/// ```
///
/// What an unrestricted one may do besides,
///
/// ```no_run
/// use restrict::xen::{EventChannels, Unrestricted};
/// fn reach(channels: &EventChannels<Unrestricted>) {
///     channels.bind_virq(12).unwrap();
/// }
/// ```
///
/// does not exist on it,
///
/// ```compile_fail,E0599
/// use restrict::xen::{EventChannels, Restricted};
/// fn reach(channels: &EventChannels<Restricted>) {
///     channels.bind_virq(12).unwrap();
/// }
/// ```
///
/// and one that has been used is not restricted any more: its old ports would stay.
///
/// ```compile_fail,E0599
/// use restrict::xen::{EventChannels, Guest, Unrestricted};
/// fn too_late(channels: EventChannels<Unrestricted>, guest: Guest) {
///     channels.restrict(guest).unwrap();
/// }
/// ```
#[derive(Debug)]
pub struct EventChannels<S> {
    device: File,
    scope: S,
}

impl EventChannels<Fresh> {
    /// Opens the node.
    pub fn open() -> Result<Self, HandleError> {
        let (_, device) = scope::open(&PATHS, libc::O_NONBLOCK)?;
        Ok(Self { device, scope: Fresh(()) })
    }

    /// Keeps all of its reach.
    #[must_use]
    pub fn unrestricted(self) -> EventChannels<Unrestricted> {
        EventChannels { device: self.device, scope: Unrestricted(()) }
    }

    /// Restricts it to one guest, for good, and tries that it is. After an error it is closed.
    pub fn restrict(self, guest: Guest) -> Result<EventChannels<Restricted>, HandleError> {
        let [path] = PATHS;
        abi::call(&self.device, &abi::EVTCHN_RESTRICT, &mut Domid { domid: guest.domid() })
            .map_err(|source| HandleError::Restrict { path, guest, source })?;
        scope::prove(path, guest, attempts(&self.device, guest))?;
        Ok(EventChannels { device: self.device, scope: Restricted(guest) })
    }
}

/// What a restricted handle must refuse. None of it changes anything where it is not refused.
fn attempts(device: &File, guest: Guest) -> [Attempt; 4] {
    let bind = |domid: u16| {
        let remote_domain = u32::from(domid);
        bind_interdomain(device, Interdomain { remote_domain, remote_port: NO_PORT }).map(drop)
    };
    let widen = &mut Domid { domid: guest.another().domid() };
    let virq = &mut Virq { virq: NO_VIRQ };
    [
        ("bind to domain 0", bind(0)),
        ("bind to another guest", bind(guest.another().domid())),
        ("bind a virtual interrupt", abi::call(device, &abi::BIND_VIRQ, virq).map(drop)),
        ("be restricted anew", abi::call(device, &abi::EVTCHN_RESTRICT, widen).map(drop)),
    ]
    .map(|(deed, result)| Attempt { deed, refusal: Errno::EACCES, result })
}

fn bind_interdomain(device: &File, mut wanted: Interdomain) -> Result<LocalPort, Errno> {
    abi::call(device, &abi::BIND_INTERDOMAIN, &mut wanted).and_then(LocalPort::from_result)
}

impl EventChannels<Unrestricted> {
    /// Binds to an unbound port of any domain.
    pub fn bind_interdomain(&self, domid: u16, remote_port: u32) -> Result<LocalPort, Errno> {
        let remote_domain = u32::from(domid);
        bind_interdomain(&self.device, Interdomain { remote_domain, remote_port })
    }

    /// Makes a port that this domain, and no other, may bind to.
    pub fn bind_unbound(&self, domid: u16) -> Result<LocalPort, Errno> {
        let mut wanted = Unbound { remote_domain: u32::from(domid) };
        abi::call(&self.device, &abi::BIND_UNBOUND, &mut wanted).and_then(LocalPort::from_result)
    }

    /// Binds a virtual interrupt; `EEXIST` while another program has it.
    pub fn bind_virq(&self, virq: u32) -> Result<LocalPort, Errno> {
        let mut wanted = Virq { virq };
        abi::call(&self.device, &abi::BIND_VIRQ, &mut wanted).and_then(LocalPort::from_result)
    }
}

impl EventChannels<Restricted> {
    /// The guest that it is restricted to.
    #[must_use]
    pub fn guest(&self) -> Guest {
        self.scope.guest()
    }

    /// Binds to an unbound port of the guest.
    pub fn bind_interdomain(&self, remote_port: u32) -> Result<LocalPort, Errno> {
        let remote_domain = u32::from(self.guest().domid());
        bind_interdomain(&self.device, Interdomain { remote_domain, remote_port })
    }
}

impl<S: Scope> EventChannels<S> {
    /// Rings the other end.
    pub fn notify(&self, port: LocalPort) -> Result<(), Errno> {
        abi::call(&self.device, &abi::NOTIFY, &mut Port { port: port.0 }).map(drop)
    }

    /// Closes a port.
    pub fn unbind(&self, port: LocalPort) -> Result<(), Errno> {
        abi::call(&self.device, &abi::UNBIND, &mut Port { port: port.0 }).map(drop)
    }

    /// Forgets what is pending, after so much of it that some was lost (a read says `EFBIG`).
    pub fn reset(&self) -> Result<(), Errno> {
        abi::call(&self.device, &abi::RESET, &mut ()).map(drop)
    }

    /// The ports that were rung; they stay masked until [`Self::unmask`]. None where none was.
    pub fn pending(&self) -> io::Result<Vec<LocalPort>> {
        let mut bytes = [0; PENDING_MAX * PORT_BYTES];
        match (&self.device).read(&mut bytes) {
            Ok(read) => Ok(ports(bytes.get(..read).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Lets a port be rung again.
    pub fn unmask(&self, port: LocalPort) -> io::Result<()> {
        (&self.device).write_all(&port.0.to_ne_bytes())
    }
}

/// The ports that a read returned, each a `u32` as the kernel has it in memory.
fn ports(bytes: &[u8]) -> Vec<LocalPort> {
    let (ports, _) = bytes.as_chunks::<PORT_BYTES>();
    ports.iter().map(|port| LocalPort(u32::from_ne_bytes(*port))).collect()
}

/// To poll.
impl<S: Scope> AsFd for EventChannels<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// To hand to a confined process.
impl From<EventChannels<Restricted>> for OwnedFd {
    fn from(channels: EventChannels<Restricted>) -> Self {
        channels.device.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_ports_are_read_whole_words_at_a_time() {
        let mut bytes = 3_u32.to_ne_bytes().to_vec();
        bytes.extend(0x1_0000_u32.to_ne_bytes());
        assert_eq!(ports(&bytes), [LocalPort(3), LocalPort(0x1_0000)]);
        assert_eq!(ports(&bytes[..7]), [LocalPort(3)]);
        assert_eq!(ports(&[]), []);
    }

    #[test]
    fn a_node_that_restricts_nothing_gives_no_restricted_handle() {
        let device = File::options().read(true).write(true).open("/dev/zero").unwrap();
        let fresh = EventChannels { device, scope: Fresh(()) };
        let error = fresh.restrict(Guest::new(1).unwrap()).unwrap_err();
        assert!(matches!(error, HandleError::Restrict { source: Errno::ENOTTY, .. }), "{error}");
    }

    #[test]
    fn a_node_that_refuses_nothing_is_not_proven() {
        let device = File::options().read(true).write(true).open("/dev/zero").unwrap();
        let guest = Guest::new(1).unwrap();
        let error = scope::prove("/dev/zero", guest, attempts(&device, guest)).unwrap_err();
        assert!(matches!(error, HandleError::Unproven { deed: "bind to domain 0", .. }), "{error}");
    }
}
