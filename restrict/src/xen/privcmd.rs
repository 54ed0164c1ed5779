//! `/dev/xen/privcmd`: hypercalls, and pages of other domains.
//!
//! Unrestricted it is as good as root over the whole host. Restricted to a guest it still maps
//! every page of that guest: a device model needs that, a console converter must not be given one.
//! The hypercalls here are the few that are used.

#![allow(unsafe_code, reason = "hypercalls and mappings take addresses")]

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::abi::{self, DeviceModelOperation, Domid, Hypercall, MapBatch};
use super::guest::Guest;
use super::pages::Pages;
use super::scope::{self, Attempt, Fresh, HandleError, Restricted, Scope, Unrestricted};

/// The node, and where older control domains have it.
const PATHS: [&str; 2] = ["/dev/xen/privcmd", "/proc/xen/privcmd"];
/// Pages mapped at once. Rings have at most 16 pages, and nothing else is mapped here.
const FRAMES_MAX: usize = 64;

/// `__HYPERVISOR_xen_version` and its `XENVER_version`, which takes no argument (Xen's `xen.h`).
const XEN_VERSION: u64 = 17;
/// `__HYPERVISOR_event_channel_op`, and its `EVTCHNOP_alloc_unbound` (`event_channel.h`).
const EVENT_CHANNEL_OP: u64 = 32;
const ALLOC_UNBOUND: u64 = 6;
/// `__HYPERVISOR_domctl`, its `XEN_DOMCTL_getdomaininfo`, and the versions of the interface whose
/// first fields are those that are read here: Xen 4.17 has the first (`domctl.h`).
const DOMCTL: u64 = 36;
const GET_DOMAIN_INFO: u32 = 5;
const DOMCTL_VERSIONS: std::ops::RangeInclusive<u32> = 0x15..=0x18;
/// `struct xen_domctl` with its union, and where the union and the flags in it begin.
const DOMCTL_BYTES: usize = 144;
const DOMCTL_ANSWER_AT: usize = 16;
const DOMCTL_FLAGS_AT: usize = DOMCTL_ANSWER_AT + 4;

/// An open `/dev/xen/privcmd`.
///
/// A restricted one maps pages of its guest:
///
/// ```no_run
/// use restrict::xen::{Guest, Privcmd};
/// let privcmd = Privcmd::open()?.restrict(Guest::new(7).unwrap())?;
/// let pages = privcmd.map(&[0x1234]);
/// # Ok::<(), restrict::xen::HandleError>(())
/// ```
///
/// Hypercalls are there without restriction,
///
/// ```no_run
/// use restrict::xen::{Privcmd, Unrestricted};
/// fn ask(privcmd: &Privcmd<Unrestricted>) {
///     privcmd.hypervisor_version().unwrap();
/// }
/// ```
///
/// and not with it.
///
/// ```compile_fail,E0599
/// use restrict::xen::{Privcmd, Restricted};
/// fn ask(privcmd: &Privcmd<Restricted>) {
///     privcmd.hypervisor_version().unwrap();
/// }
/// ```
#[derive(Debug)]
pub struct Privcmd<S> {
    device: File,
    path: &'static str,
    scope: S,
}

/// Pages of a domain that could not be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// So many at once are not mapped, or none was asked for.
    #[error("map {0} pages, not 1 to {FRAMES_MAX}")]
    Count(usize),
    /// The call failed as a whole; `EPERM` where the handle is restricted to another domain.
    #[error("map pages of domain {domid}")]
    Call {
        /// The domain.
        domid: u16,
        /// The cause.
        source: Errno,
    },
    /// One page could not be mapped.
    #[error("map page {frame:#x} of domain {domid}")]
    Frame {
        /// The domain.
        domid: u16,
        /// The page's frame number.
        frame: u64,
        /// The cause.
        source: Errno,
    },
}

impl Privcmd<Fresh> {
    /// Opens the node.
    pub fn open() -> Result<Self, HandleError> {
        let (path, device) = scope::open(&PATHS, 0)?;
        Ok(Self { device, path, scope: Fresh(()) })
    }

    /// Keeps all of its reach.
    #[must_use]
    pub fn unrestricted(self) -> Privcmd<Unrestricted> {
        Privcmd { device: self.device, path: self.path, scope: Unrestricted(()) }
    }

    /// Restricts it to one guest, for good, and tries that it is. After an error it is closed.
    pub fn restrict(self, guest: Guest) -> Result<Privcmd<Restricted>, HandleError> {
        let Self { device, path, scope: _ } = self;
        abi::call(&device, &abi::PRIVCMD_RESTRICT, &mut Domid { domid: guest.domid() })
            .map_err(|source| HandleError::Restrict { path, guest, source })?;
        scope::prove(path, guest, attempts(&device, guest))?;
        Ok(Privcmd { device, path, scope: Restricted(guest) })
    }
}

/// What a restricted handle must refuse. None of it changes anything where it is not refused.
fn attempts(device: &File, guest: Guest) -> [Attempt; 4] {
    let another = guest.another().domid();
    let widen = &mut Domid { domid: another };
    [
        ("make a hypercall", Errno::EPERM, hypervisor_version(device).map(drop)),
        ("be device model of another guest", Errno::EPERM, operate_nothing(device, another)),
        ("be device model of domain 0", Errno::EPERM, operate_nothing(device, 0)),
        (
            "be restricted to another guest",
            Errno::EINVAL,
            abi::call(device, &abi::PRIVCMD_RESTRICT, widen).map(drop),
        ),
    ]
    .map(|(deed, refusal, result)| Attempt { deed, refusal, result })
}

fn hypervisor_version(device: &File) -> Result<(u16, u16), Errno> {
    // SAFETY: this hypercall takes no address.
    let version = unsafe { hypercall(device, XEN_VERSION, [0; 5]) }?;
    let version = u32::try_from(version).map_err(|_| Errno::EINVAL)?;
    let [major_high, major_low, minor_high, minor_low] = version.to_be_bytes();
    let number = |high, low| u16::from_be_bytes([high, low]);
    Ok((number(major_high, major_low), number(minor_high, minor_low)))
}

/// A device model's operation of no buffers: the kernel looks whether the domain is allowed, and
/// then there is nothing to do.
fn operate_nothing(device: &File, domid: u16) -> Result<(), Errno> {
    let mut nothing = DeviceModelOperation { domid, count: 0, buffers: std::ptr::null() };
    // SAFETY: `buffers` leads to none of them, as `count` says.
    unsafe { abi::call_pointing(device, &abi::DEVICE_MODEL_OPERATION, &mut nothing) }.map(drop)
}

/// # Safety
/// Each argument that the hypercall takes for an address leads to what it reads or writes there.
unsafe fn hypercall(device: &File, op: u64, arguments: [u64; 5]) -> Result<libc::c_int, Errno> {
    // SAFETY: the structure has no pointer of the kernel's; the caller answers for the hypervisor's.
    unsafe { abi::call_pointing(device, &abi::HYPERCALL, &mut Hypercall { op, arguments }) }
}

impl Privcmd<Unrestricted> {
    /// The hypervisor's major and minor version.
    pub fn hypervisor_version(&self) -> Result<(u16, u16), Errno> {
        hypervisor_version(&self.device)
    }

    /// Makes an unbound port in `owner` that domain `remote` may bind to; its number there.
    pub fn allocate_unbound(&self, owner: Guest, remote: u16) -> Result<u32, Errno> {
        // struct evtchn_alloc_unbound: two domids in, a port out.
        let mut words = [0; 8];
        words[..2].copy_from_slice(&owner.domid().to_ne_bytes());
        words[2..4].copy_from_slice(&remote.to_ne_bytes());
        let buffer = self.exchange(EVENT_CHANNEL_OP, Some(ALLOC_UNBOUND), &words)?;
        word(&buffer, 4)
    }

    /// The `XEN_DOMINF_*` flags of a domain; none where there is no such domain.
    pub fn domain_flags(&self, domid: u16) -> Result<Option<u32>, Errno> {
        for version in DOMCTL_VERSIONS {
            let mut words = [0; DOMCTL_BYTES];
            words[..4].copy_from_slice(&GET_DOMAIN_INFO.to_ne_bytes());
            words[4..8].copy_from_slice(&version.to_ne_bytes());
            words[8..10].copy_from_slice(&domid.to_ne_bytes());
            match self.exchange(DOMCTL, None, &words) {
                Ok(buffer) => return word(&buffer, DOMCTL_FLAGS_AT).map(Some),
                Err(Errno::ESRCH) => return Ok(None),
                // Another version of the interface.
                Err(Errno::EACCES) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EACCES)
    }

    /// A hypercall whose last argument is a structure that it reads and writes.
    fn exchange(&self, op: u64, command: Option<u64>, words: &[u8]) -> Result<Pages, Errno> {
        let mut buffer = Pages::locked(1)?;
        if !buffer.write(0, words) {
            return Err(Errno::E2BIG);
        }
        let arguments = match command {
            Some(command) => [command, buffer.address(), 0, 0, 0],
            None => [buffer.address(), 0, 0, 0, 0],
        };
        // SAFETY: the address is that of a whole page, more than these structures have; it stays
        // mapped, and locked, until the call is over.
        unsafe { hypercall(&self.device, op, arguments) }?;
        Ok(buffer)
    }

    /// Maps pages of any domain.
    pub fn map(&self, domid: u16, frames: &[u64]) -> Result<Pages, MapError> {
        map(&self.device, domid, frames)
    }
}

impl Privcmd<Restricted> {
    /// The guest that it is restricted to.
    #[must_use]
    pub fn guest(&self) -> Guest {
        self.scope.guest()
    }

    /// Maps pages of the guest.
    pub fn map(&self, frames: &[u64]) -> Result<Pages, MapError> {
        map(&self.device, self.guest().domid(), frames)
    }
}

fn word(pages: &Pages, offset: usize) -> Result<u32, Errno> {
    let mut bytes = [0; 4];
    if pages.read(offset, &mut bytes) { Ok(u32::from_ne_bytes(bytes)) } else { Err(Errno::EINVAL) }
}

fn map(device: &File, domid: u16, frames: &[u64]) -> Result<Pages, MapError> {
    let counted = Some(frames.len()).filter(|count| (1..=FRAMES_MAX).contains(count));
    let count = counted.and_then(|count| u32::try_from(count).ok());
    let count = count.ok_or(MapError::Count(frames.len()))?;
    let call = |source| MapError::Call { domid, source };
    let pages = Pages::of(device, frames.len()).map_err(call)?;
    let mut errors = vec![0; frames.len()];
    let mut batch = MapBatch {
        count,
        domid,
        address: pages.address(),
        frames: frames.as_ptr(),
        errors: errors.as_mut_ptr(),
    };
    // SAFETY: `frames`, `errors` and the mapping have `count` elements or pages each.
    unsafe { abi::call_pointing(device, &abi::MAP_BATCH, &mut batch) }.map_err(call)?;
    match frames.iter().zip(&errors).find(|(_, error)| **error != 0) {
        None => Ok(pages),
        Some((&frame, error)) => {
            // The kernel returns them negative, as it has them itself.
            let source = Errno::from_raw(error.saturating_neg());
            Err(MapError::Frame { domid, frame, source })
        }
    }
}

/// To give to a call that takes a descriptor.
impl<S: Scope> AsFd for Privcmd<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// To hand to a confined process.
impl From<Privcmd<Restricted>> for OwnedFd {
    fn from(privcmd: Privcmd<Restricted>) -> Self {
        privcmd.device.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zero() -> File {
        File::options().read(true).write(true).open("/dev/zero").unwrap()
    }

    #[test]
    fn a_node_that_restricts_nothing_gives_no_restricted_handle() {
        let fresh = Privcmd { device: zero(), path: "/dev/zero", scope: Fresh(()) };
        let error = fresh.restrict(Guest::new(1).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "restrict a handle of /dev/zero to domain 1");
        assert!(matches!(error, HandleError::Restrict { source: Errno::ENOTTY, .. }));
    }

    #[test]
    fn refuses_to_map_nothing_and_more_than_a_ring_has() {
        for count in [0, FRAMES_MAX + 1] {
            assert_eq!(map(&zero(), 1, &vec![0; count]).unwrap_err(), MapError::Count(count));
        }
        let tried = map(&zero(), 1, &[0; FRAMES_MAX]).unwrap_err();
        assert_eq!(tried, MapError::Call { domid: 1, source: Errno::ENOTTY });
    }
}
