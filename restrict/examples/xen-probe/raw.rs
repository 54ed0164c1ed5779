//! Xen's nodes without the crate's types: any call with any argument, by literal number.

#![allow(unsafe_code, reason = "the probe makes the calls that the crate's types rule out")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

pub(crate) const EVTCHN: &str = "/dev/xen/evtchn";
pub(crate) const PRIVCMD: &str = "/dev/xen/privcmd";

pub(crate) const BIND_VIRQ: libc::Ioctl = 0x0004_4500;
pub(crate) const BIND_INTERDOMAIN: libc::Ioctl = 0x0008_4501;
pub(crate) const BIND_UNBOUND: libc::Ioctl = 0x0004_4502;
pub(crate) const UNBIND: libc::Ioctl = 0x0004_4503;
pub(crate) const NOTIFY: libc::Ioctl = 0x0004_4504;
pub(crate) const RESET: libc::Ioctl = 0x0000_4505;
pub(crate) const EVTCHN_RESTRICT: libc::Ioctl = 0x0002_4506;

const HYPERCALL: libc::Ioctl = 0x0030_5000;
const MMAPBATCH_V2: libc::Ioctl = 0x0020_5004;
const DM_OP: libc::Ioctl = 0x0010_5005;
const PRIVCMD_RESTRICT: libc::Ioctl = 0x0002_5006;
const MMAP_RESOURCE: libc::Ioctl = 0x0020_5007;
/// No ioctl of privcmd.
const UNKNOWN: libc::Ioctl = 0x0000_50FF;

const PAGE_BYTES: usize = 4096;
const XEN_VERSION: u64 = 17;
/// `XENMEM_resource_grant_table`.
const GRANT_TABLE: u64 = 1;

/// A fresh, unrestricted descriptor; without blocking, where it is read.
pub(crate) fn open(path: &str) -> Result<File, Errno> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map_err(|error| errno(&error))
}

pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// An argument of 64-bit words: as long as the longest.
type Words = [u64; 6];

/// Makes the call. What the kernel writes back into the argument is dropped.
pub(crate) fn call(
    device: impl AsFd,
    number: libc::Ioctl,
    mut words: Words,
) -> Result<libc::c_int, Errno> {
    // SAFETY: every number above says at most 48 bytes, as many as the array has; the callers put
    // pointers in it only to what outlives the call.
    let result = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), number, words.as_mut_ptr()) };
    Errno::result(result)
}

/// Two 32-bit fields, as evtchn's calls have them.
pub(crate) fn fields(first: u32, second: u32) -> Words {
    [u64::from(first) | u64::from(second) << 32, 0, 0, 0, 0, 0]
}

/// A call of evtchn that returns a port.
pub(crate) fn port(
    device: impl AsFd,
    number: libc::Ioctl,
    first: u32,
    second: u32,
) -> Result<u32, Errno> {
    call(device, number, fields(first, second)).map(libc::c_int::cast_unsigned)
}

pub(crate) fn restrict_privcmd(device: impl AsFd, domid: u16) -> Result<libc::c_int, Errno> {
    call(device, PRIVCMD_RESTRICT, fields(domid.into(), 0))
}

pub(crate) fn xen_version(device: impl AsFd) -> Result<libc::c_int, Errno> {
    call(device, HYPERCALL, [XEN_VERSION, 0, 0, 0, 0, 0])
}

/// `DM_OP` of no buffers.
pub(crate) fn device_model_operation(device: impl AsFd, domid: u16) -> Result<libc::c_int, Errno> {
    call(device, DM_OP, fields(domid.into(), 0))
}

/// Asks how large a guest's grant table is.
pub(crate) fn resource_size(device: impl AsFd, domid: u16) -> Result<libc::c_int, Errno> {
    call(device, MMAP_RESOURCE, [u64::from(domid) | GRANT_TABLE << 32, 0, 0, 0, 0, 0])
}

pub(crate) fn unknown(device: impl AsFd) -> Result<libc::c_int, Errno> {
    call(device, UNKNOWN, [0; 6])
}

/// One page of another domain, mapped for the rest of the probe's life.
pub(crate) struct Page(*const u8);

impl Page {
    /// Reads its first byte.
    pub(crate) fn read(&self) -> u8 {
        // SAFETY: the page was mapped for reading, and is never unmapped.
        unsafe { self.0.read_volatile() }
    }
}

pub(crate) fn map(device: impl AsFd, domid: u16, frame: u64) -> Result<Page, Errno> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let number = device.as_fd().as_raw_fd();
    // SAFETY: a new mapping at an address that the kernel chooses.
    let address = unsafe {
        libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, libc::MAP_SHARED, number, 0)
    };
    if address == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    let mut error: libc::c_int = 0;
    let words = [
        1 | u64::from(domid) << 32,
        address as u64,
        std::ptr::from_ref(&frame) as u64,
        std::ptr::from_mut(&mut error) as u64,
        0,
        0,
    ];
    call(device, MMAPBATCH_V2, words)?;
    // SAFETY: the kernel has written it in that call, or left it as it was.
    match unsafe { std::ptr::from_ref(&error).read_volatile() } {
        0 => Ok(Page(address.cast())),
        error => Err(Errno::from_raw(error.saturating_neg())),
    }
}

/// Closes a descriptor that nothing owns.
pub(crate) fn close(number: i32) {
    // SAFETY: takes a number, which the caller has just made.
    unsafe { libc::close(number) };
}
