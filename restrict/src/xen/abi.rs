//! The ioctls of Xen's device nodes: numbers, each made from its argument's size, and arguments.
//!
//! Linux's `include/uapi/xen/evtchn.h` and `privcmd.h`. What may be asked when is not here.

#![allow(unsafe_code, reason = "ioctl has no safe form")]

use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;

/// Where `_IOC` puts the argument's size and the group; the direction is `_IOC_NONE` in all of them.
const SIZE_AT: u32 = 16;
const GROUP_AT: u32 = 8;

/// One ioctl, whose argument is a `T`.
pub(super) struct Request<T> {
    number: libc::Ioctl,
    argument: PhantomData<fn(&mut T)>,
}

impl<T> Request<T> {
    const fn new(group: u8, number: u8) -> Self {
        let size = size_of::<T>();
        assert!(size < 1 << 14, "_IOC has 14 bits for the size");
        #[allow(clippy::cast_lossless, reason = "a const fn cannot use From")]
        let number = (size << SIZE_AT) as libc::Ioctl
            | (group as libc::Ioctl) << GROUP_AT
            | number as libc::Ioctl;
        Self { number, argument: PhantomData }
    }
}

/// An argument without pointers: the kernel reads and writes it, and nothing else of the process.
///
/// # Safety
/// Every bit pattern must be a value, and no field a pointer.
pub(super) unsafe trait Plain {}

/// Makes a call whose argument is all that it touches.
pub(super) fn call<T: Plain>(
    device: impl AsFd,
    request: &Request<T>,
    argument: &mut T,
) -> Result<libc::c_int, Errno> {
    // SAFETY: `T: Plain` has no pointer, and nothing else of this process is reached.
    unsafe { call_pointing(device, request, argument) }
}

/// Makes a call whose argument may point to more.
///
/// # Safety
/// Every pointer in `argument` leads to as much memory as the call's fields say.
pub(super) unsafe fn call_pointing<T>(
    device: impl AsFd,
    request: &Request<T>,
    argument: &mut T,
) -> Result<libc::c_int, Errno> {
    // SAFETY: the request's number carries the size of `T`, which is what the kernel copies; the
    // caller answers for what the argument points to.
    let result = unsafe {
        libc::ioctl(device.as_fd().as_raw_fd(), request.number, std::ptr::from_mut(argument))
    };
    Errno::result(result)
}

macro_rules! arguments {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy)]
        pub(super) struct $name { $(pub(super) $field: $type),* }

        // SAFETY: integers alone, laid out as C does.
        unsafe impl Plain for $name {}
    )*};
}

arguments! {
    /// `struct ioctl_evtchn_bind_virq`.
    Virq { virq: u32 }
    /// `struct ioctl_evtchn_bind_interdomain`.
    Interdomain { remote_domain: u32, remote_port: u32 }
    /// `struct ioctl_evtchn_bind_unbound_port`.
    Unbound { remote_domain: u32 }
    /// `struct ioctl_evtchn_unbind`, and `..._notify`.
    Port { port: u32 }
    /// `struct ioctl_evtchn_restrict_domid`, and the argument of `IOCTL_PRIVCMD_RESTRICT`.
    Domid { domid: u16 }
}

// SAFETY: it has no bits at all.
unsafe impl Plain for () {}

/// `struct privcmd_hypercall`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Hypercall {
    pub(super) op: u64,
    pub(super) arguments: [u64; 5],
}

/// `struct privcmd_mmapbatch_v2`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct MapBatch {
    pub(super) count: u32,
    pub(super) domid: u16,
    pub(super) address: u64,
    pub(super) frames: *const u64,
    pub(super) errors: *mut libc::c_int,
}

/// `struct privcmd_dm_op`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct DeviceModelOperation {
    pub(super) domid: u16,
    pub(super) count: u16,
    pub(super) buffers: *const libc::c_void,
}

pub(super) const BIND_VIRQ: Request<Virq> = Request::new(b'E', 0);
pub(super) const BIND_INTERDOMAIN: Request<Interdomain> = Request::new(b'E', 1);
pub(super) const BIND_UNBOUND: Request<Unbound> = Request::new(b'E', 2);
pub(super) const UNBIND: Request<Port> = Request::new(b'E', 3);
pub(super) const NOTIFY: Request<Port> = Request::new(b'E', 4);
pub(super) const RESET: Request<()> = Request::new(b'E', 5);
pub(super) const EVTCHN_RESTRICT: Request<Domid> = Request::new(b'E', 6);

pub(super) const HYPERCALL: Request<Hypercall> = Request::new(b'P', 0);
pub(super) const MAP_BATCH: Request<MapBatch> = Request::new(b'P', 4);
pub(super) const DEVICE_MODEL_OPERATION: Request<DeviceModelOperation> = Request::new(b'P', 5);
pub(super) const PRIVCMD_RESTRICT: Request<Domid> = Request::new(b'P', 6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_made_from_sizes_are_those_of_the_kernels_headers() {
        assert_eq!(BIND_VIRQ.number, 0x0004_4500);
        assert_eq!(BIND_INTERDOMAIN.number, 0x0008_4501);
        assert_eq!(BIND_UNBOUND.number, 0x0004_4502);
        assert_eq!(UNBIND.number, 0x0004_4503);
        assert_eq!(NOTIFY.number, 0x0004_4504);
        assert_eq!(RESET.number, 0x0000_4505);
        assert_eq!(EVTCHN_RESTRICT.number, 0x0002_4506);

        assert_eq!(HYPERCALL.number, 0x0030_5000);
        assert_eq!(MAP_BATCH.number, 0x0020_5004);
        assert_eq!(DEVICE_MODEL_OPERATION.number, 0x0010_5005);
        assert_eq!(PRIVCMD_RESTRICT.number, 0x0002_5006);
    }

    #[test]
    fn fields_lie_where_the_kernel_reads_them() {
        assert_eq!(std::mem::offset_of!(MapBatch, domid), 4);
        assert_eq!(std::mem::offset_of!(MapBatch, address), 8);
        assert_eq!(std::mem::offset_of!(MapBatch, errors), 24);
        assert_eq!(std::mem::offset_of!(DeviceModelOperation, buffers), 8);
        assert_eq!(std::mem::offset_of!(Hypercall, arguments), 8);
    }

    #[test]
    fn a_device_that_is_no_xen_node_knows_none_of_them() {
        let zero = std::fs::File::open("/dev/zero").unwrap();
        assert_eq!(call(&zero, &RESET, &mut ()), Err(Errno::ENOTTY));
        assert_eq!(call(&zero, &EVTCHN_RESTRICT, &mut Domid { domid: 1 }), Err(Errno::ENOTTY));
    }
}
