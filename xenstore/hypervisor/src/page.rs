//! The page that a guest and the store share: `struct xenstore_domain_interface` of `xs_wire.h`.
//!
//! The guest may write any of it at any time, so that every field is atomic and is never seen as
//! plain memory. Which field is whose, and what may be believed, is the ring's.

#![allow(
    unsafe_code,
    reason = "memory that another domain writes to is mapped by system calls, and seen by a pointer"
)]

use std::fmt;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU32};

use nix::errno::Errno;
use nix::libc::off_t;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::xen::Grant;

/// Bytes of a page.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Bytes that a ring holds, one for each direction. It divides 2^32, so that a free-running index
/// leads to its byte by the remainder alone.
pub(crate) const RING_BYTES: usize = 1024;

/// The page's fields, as the header lays them out.
#[repr(C)]
pub(crate) struct Interface {
    pub(crate) requests: [AtomicU8; RING_BYTES],
    pub(crate) responses: [AtomicU8; RING_BYTES],
    pub(crate) request_consumer: AtomicU32,
    pub(crate) request_producer: AtomicU32,
    pub(crate) response_consumer: AtomicU32,
    pub(crate) response_producer: AtomicU32,
    pub(crate) features: AtomicU32,
    pub(crate) connection: AtomicU32,
    pub(crate) error: AtomicU32,
}

/// A mapped page; it is unmapped when it is dropped.
pub struct Page {
    start: NonNull<Interface>,
    /// The grant that it is a mapping of, which is given back after it: fields are dropped in order.
    _grant: Option<Grant>,
}

// SAFETY: the page is this process's whatever thread looks at it, and all its fields are atomic.
unsafe impl Send for Page {}
// SAFETY: as above; nothing but atomic operations is possible through a reference.
unsafe impl Sync for Page {}

impl Page {
    /// Maps one page of a device or a file, to be shared with whoever else has it.
    pub fn map(of: impl AsFd, offset: off_t) -> Result<Self, Errno> {
        let length = NonZeroUsize::new(PAGE_BYTES).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses the place: nothing that is mapped already is replaced.
        let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, of, offset) }?;
        Ok(Self { start: start.cast(), _grant: None })
    }

    /// Gives a grant back when the page is.
    pub(crate) fn of_grant(mut self, grant: Grant) -> Self {
        self._grant = Some(grant);
        self
    }

    /// The fields.
    pub(crate) fn interface(&self) -> &Interface {
        // SAFETY: the mapping is a whole page at a page's boundary, stays as long as `self`, and
        // every field is atomic: others may write to it, and any bytes are values of it.
        unsafe { self.start.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no reference to it outlives this value.
        let unmapped = unsafe { munmap(self.start.cast(), PAGE_BYTES) };
        // It can only fail where there is no such mapping, and there is.
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

impl fmt::Debug for Page {
    /// Nothing of what is in it: that is the guest's.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Page").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// From `xs_wire.h`, compiled by a C compiler.
    #[test]
    fn the_fields_are_where_guests_look_for_them() {
        let offsets = [
            offset_of!(Interface, requests),
            offset_of!(Interface, responses),
            offset_of!(Interface, request_consumer),
            offset_of!(Interface, request_producer),
            offset_of!(Interface, response_consumer),
            offset_of!(Interface, response_producer),
            offset_of!(Interface, features),
            offset_of!(Interface, connection),
            offset_of!(Interface, error),
        ];
        assert_eq!(offsets, [0, 1024, 2048, 2052, 2056, 2060, 2064, 2068, 2072]);
        assert!(size_of::<Interface>() <= PAGE_BYTES);
    }
}
