//! The requests that Xen's devices take: their numbers, computed from what they carry, and the
//! structures themselves.
//!
//! As in include/uapi/xen of Linux, all of them are `_IOC(_IOC_NONE, ...)`. When they are made is
//! decided elsewhere.

use std::mem::size_of;

use nix::libc::Ioctl;

/// `_IOC(_IOC_NONE, kind, number, size)` of include/uapi/asm-generic/ioctl.h.
const fn request<Argument>(kind: u8, number: u8) -> Ioctl {
    // A structure of an ioctl is far below the 14 bits of its size's field.
    ((size_of::<Argument>() as Ioctl) << 16) | ((kind as Ioctl) << 8) | (number as Ioctl)
}

/// Of `/dev/xen/evtchn`.
pub(crate) const BIND_VIRQ: Ioctl = request::<BindVirq>(b'E', 0);
pub(crate) const BIND_INTERDOMAIN: Ioctl = request::<BindInterdomain>(b'E', 1);
pub(crate) const UNBIND: Ioctl = request::<OnePort>(b'E', 3);
pub(crate) const NOTIFY: Ioctl = request::<OnePort>(b'E', 4);
pub(crate) const RESET: Ioctl = request::<()>(b'E', 5);
/// Of `/dev/xen/gntdev`.
pub(crate) const MAP_GRANT: Ioctl = request::<MapGrant>(b'G', 0);
pub(crate) const UNMAP_GRANT: Ioctl = request::<UnmapGrant>(b'G', 1);
/// Of `/dev/xen/privcmd`.
pub(crate) const HYPERCALL: Ioctl = request::<Hypercall>(b'P', 0);

/// `struct ioctl_evtchn_bind_virq`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct BindVirq {
    pub(crate) virq: u32,
}

/// `struct ioctl_evtchn_bind_interdomain`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct BindInterdomain {
    pub(crate) domain: u32,
    pub(crate) port: u32,
}

/// `struct ioctl_evtchn_unbind` and `struct ioctl_evtchn_notify`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct OnePort {
    pub(crate) port: u32,
}

/// `struct ioctl_gntdev_map_grant_ref`, of one grant.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct MapGrant {
    pub(crate) count: u32,
    pub(crate) pad: u32,
    /// What it is mapped at, which the kernel says.
    pub(crate) index: u64,
    pub(crate) domain: u32,
    pub(crate) reference: u32,
}

/// `struct ioctl_gntdev_unmap_grant_ref`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct UnmapGrant {
    pub(crate) index: u64,
    pub(crate) count: u32,
    pub(crate) pad: u32,
}

/// `struct privcmd_hypercall`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Hypercall {
    pub(crate) operation: u64,
    pub(crate) arguments: [u64; 5],
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a C compiler computes them from the kernel's headers.
    #[test]
    fn requests_have_the_kernels_numbers() {
        assert_eq!(BIND_VIRQ, 0x0004_4500);
        assert_eq!(BIND_INTERDOMAIN, 0x0008_4501);
        assert_eq!(UNBIND, 0x0004_4503);
        assert_eq!(NOTIFY, 0x0004_4504);
        assert_eq!(RESET, 0x0000_4505);
        assert_eq!(MAP_GRANT, 0x0018_4700);
        assert_eq!(UNMAP_GRANT, 0x0010_4701);
        assert_eq!(HYPERCALL, 0x0030_5000);
    }
}
