//! Which domains live, asked of Xen itself.
//!
//! The handle that this takes can do anything to any domain. Only the store's parent has one, which
//! reads nothing that a guest writes.

#![allow(unsafe_code, reason = "a hypercall's argument is a pointer to memory that can't move")]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use xenstore_store::Life;
use xenstore_wire::DomainId;

use crate::ioctl::{HYPERCALL, Hypercall};
use crate::lives::Lives;
use crate::page::PAGE_BYTES;
use crate::xen::ioctl;

const CALLS: &str = "/dev/xen/privcmd";
/// Memory that never faults, as hypercalls need it.
const BUFFERS: &str = "/dev/xen/hypercall";

/// `__HYPERVISOR_domctl` of `xen.h`.
const DOMCTL: u64 = 36;
/// `XEN_DOMCTL_getdomaininfo`, and its interface's versions, from Xen 4.21 back to 4.13: each
/// hypervisor takes one only. What is read here lies at the same places in all of them.
const GET_DOMAIN_INFO: u32 = 5;
const INFO_VERSIONS: [u32; 7] = [0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12];
/// `XEN_DOMCTL_get_domain_state`, a stable call since Xen 4.21, whose version is none.
const GET_DOMAIN_STATE: u32 = 90;

/// `XEN_DOMINF_dying` and `XEN_DOMINF_shutdown` of getdomaininfo's flags. The first is set once a
/// domain is dead and nothing but its remains is left.
const INFO_DEAD: u32 = 1 << 0;
const INFO_SHUT_DOWN: u32 = 1 << 2;
/// `XEN_DOMCTL_GETDOMSTATE_STATE_*` of get_domain_state's state.
const STATE_EXISTS: u16 = 1 << 0;
const STATE_SHUT_DOWN: u16 = 1 << 1;
const STATE_DEAD: u16 = 1 << 3;

/// Where `struct xen_domctl` has its fields; the answer begins at `ANSWER`.
const COMMAND: usize = 0;
const VERSION: usize = 4;
const DOMAIN: usize = 8;
const ANSWER: usize = 16;
/// Where `struct xen_domctl_getdomaininfo` has its own.
const INFO_DOMAIN: usize = ANSWER;
const INFO_FLAGS: usize = ANSWER + 4;
/// Where `struct xen_domctl_get_domain_state` has its own.
const STATE_STATE: usize = ANSWER;
const STATE_IDENTITY: usize = ANSWER + 8;
/// The identity of every domain where the hypervisor numbers none. Its uuid won't do, for it isn't
/// the domain's for life: xenopsd gives a domain another one as the first step of destroying it. A
/// domid comes again only after every other one was given, by when the end of its domain was seen.
const NO_IDENTITY: u128 = 0;
/// `sizeof(struct xen_domctl)`.
const DOMCTL_BYTES: usize = 144;

/// A handle that hypercalls can be made with.
#[derive(Debug)]
pub struct Privcmd {
    calls: File,
    buffer: Buffer,
    call: Call,
}

/// How this hypervisor says which domains live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    State,
    Info { version: u32 },
}

/// A page that hypercalls' arguments lie in.
#[derive(Debug)]
struct Buffer {
    start: NonNull<[u8; DOMCTL_BYTES]>,
}

impl Privcmd {
    /// Opens the devices, and finds out how this hypervisor is asked.
    pub fn open() -> io::Result<Self> {
        let named = |path: &'static str| {
            move |error: io::Error| io::Error::new(error.kind(), format!("open {path}: {error}"))
        };
        let device = |path| File::options().read(true).write(true).open(path);
        let calls = device(CALLS).map_err(named(CALLS))?;
        let buffer = device(BUFFERS).and_then(|file| Buffer::map(&file)).map_err(named(BUFFERS))?;
        let mut privcmd = Self { calls, buffer, call: Call::State };
        let versions = INFO_VERSIONS.map(|version| Call::Info { version });
        let mut refusal = io::Error::from(io::ErrorKind::Unsupported);
        for call in [Call::State].into_iter().chain(versions) {
            privcmd.call = call;
            match privcmd.life(DomainId::DOM0) {
                Ok(Life::Running(_)) => return Ok(privcmd),
                Ok(Life::ShutDown(_) | Life::Gone) => (),
                Err(error) => refusal = error,
            }
        }
        Err(io::Error::new(
            refusal.kind(),
            format!("ask Xen which domains live, in any version that is known here: {refusal}"),
        ))
    }

    fn life(&mut self, domain: DomainId) -> io::Result<Life> {
        let (command, version) = match self.call {
            Call::State => (GET_DOMAIN_STATE, 0),
            Call::Info { version } => (GET_DOMAIN_INFO, version),
        };
        let mut domctl = [0; DOMCTL_BYTES];
        put(&mut domctl, COMMAND, &command.to_ne_bytes());
        put(&mut domctl, VERSION, &version.to_ne_bytes());
        put(&mut domctl, DOMAIN, &domain.number().to_ne_bytes());
        match self.buffer.call(&self.calls, &mut domctl) {
            Ok(()) => Ok(read_answer(self.call, domain, &domctl)),
            Err(Errno::ESRCH | Errno::ENOENT) => Ok(Life::Gone),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Lives for Privcmd {
    fn lives(&mut self, domains: &[DomainId]) -> io::Result<Vec<Life>> {
        domains.iter().map(|domain| self.life(*domain)).collect()
    }
}

impl Buffer {
    fn map(file: &File) -> io::Result<Self> {
        let length = NonZeroUsize::new(PAGE_BYTES).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses the place: nothing that is mapped already is replaced.
        let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { start: start.cast() })
    }

    /// Makes the hypercall with the structure in this page, and reads it back.
    fn call(&mut self, calls: &File, domctl: &mut [u8; DOMCTL_BYTES]) -> Result<(), Errno> {
        // SAFETY: the page is this value's own and longer than the structure; nobody else sees it.
        unsafe { self.start.write(*domctl) };
        let address = u64::try_from(self.start.as_ptr().addr()).map_err(|_| Errno::EFAULT)?;
        let mut hypercall = Hypercall { operation: DOMCTL, arguments: [address, 0, 0, 0, 0] };
        let called = ioctl(calls, HYPERCALL, &mut hypercall);
        // SAFETY: as above; the hypervisor has written by now, and any bytes are bytes.
        *domctl = unsafe { self.start.read() };
        called.map(drop).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no reference to it exists.
        let unmapped = unsafe { munmap(self.start.cast(), PAGE_BYTES) };
        // It can only fail where there is no such mapping, and there is.
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// What the hypervisor has said of a domain.
fn read_answer(call: Call, domain: DomainId, domctl: &[u8; DOMCTL_BYTES]) -> Life {
    let (exists, shut_down, dead, identity) = match call {
        Call::State => {
            let state = u16::from_ne_bytes(get(domctl, STATE_STATE));
            let has = |flag| state & flag != 0;
            let identity = u64::from_ne_bytes(get(domctl, STATE_IDENTITY));
            (has(STATE_EXISTS), has(STATE_SHUT_DOWN), has(STATE_DEAD), u128::from(identity))
        }
        Call::Info { version: _ } => {
            // Old hypervisors answer with the next domain where there is none of this number.
            let found = u16::from_ne_bytes(get(domctl, INFO_DOMAIN));
            let flags = u32::from_ne_bytes(get(domctl, INFO_FLAGS));
            let has = |flag| flags & flag != 0;
            (found == domain.number(), has(INFO_SHUT_DOWN), has(INFO_DEAD), NO_IDENTITY)
        }
    };
    match (exists && !dead, shut_down) {
        (false, _) => Life::Gone,
        (true, true) => Life::ShutDown(identity),
        (true, false) => Life::Running(identity),
    }
}

fn put(domctl: &mut [u8; DOMCTL_BYTES], at: usize, bytes: &[u8]) {
    for (place, byte) in domctl.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

fn get<const LENGTH: usize>(domctl: &[u8; DOMCTL_BYTES], at: usize) -> [u8; LENGTH] {
    domctl.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; LENGTH])
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: Call = Call::Info { version: 0x15 };

    fn five() -> DomainId {
        DomainId::new(5).expect("a small number")
    }

    /// The answer as Xen 4.17 lays it out, field by field.
    fn info(domain: u16, flags: u32, uuid: u128) -> [u8; DOMCTL_BYTES] {
        let mut fields = vec![];
        fields.extend(5_u32.to_ne_bytes());
        fields.extend(0x15_u32.to_ne_bytes());
        fields.extend(u64::from(domain).to_ne_bytes());
        fields.extend(domain.to_ne_bytes());
        fields.extend([0xee; 2]);
        fields.extend(flags.to_ne_bytes());
        // Seven counts of pages, the shared page's frame and time; three small numbers.
        fields.extend([0x77; 7 * 8 + 3 * 4]);
        fields.extend(uuid.to_be_bytes());
        fields.resize(DOMCTL_BYTES, 0x55);
        fields.try_into().expect("as long as the structure")
    }

    #[test]
    fn what_xen_4_17_says_of_a_domain_is_understood() {
        let life = |domain, flags| read_answer(INFO, five(), &info(domain, flags, 0xabc));
        assert_eq!(life(5, 0b10_0000), Life::Running(NO_IDENTITY));
        assert_eq!(life(5, 0b00_0100), Life::ShutDown(NO_IDENTITY));
        assert_eq!(life(5, 0b00_0101), Life::Gone);
        assert_eq!(life(5, 0b00_0001), Life::Gone);
        assert_eq!(life(6, 0b10_0000), Life::Gone, "that is another domain");
    }

    #[test]
    fn a_domain_whose_uuid_changes_is_the_same_domain() {
        let life = |uuid| read_answer(INFO, five(), &info(5, 0b10_0000, uuid));
        assert_eq!(life(1), life(2));
    }

    #[test]
    fn what_xen_4_21_says_of_a_domain_is_understood() {
        let life = |state: u16| {
            let mut domctl = [0; DOMCTL_BYTES];
            put(&mut domctl, 16, &state.to_ne_bytes());
            put(&mut domctl, 24, &77_u64.to_ne_bytes());
            read_answer(Call::State, five(), &domctl)
        };
        assert_eq!(life(0b0001), Life::Running(77));
        assert_eq!(life(0b0011), Life::ShutDown(77));
        assert_eq!(life(0b0101), Life::Running(77), "dying is not dead");
        assert_eq!(life(0b1111), Life::Gone);
        assert_eq!(life(0), Life::Gone);
    }
}
