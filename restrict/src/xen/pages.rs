//! Mapped pages that something outside this process reads and writes as well.
//!
//! Nobody gets a reference into them: bytes are copied out and in, as they change at any moment.

#![allow(unsafe_code, reason = "memory that is shared with a guest or the hypervisor is mapped")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use nix::errno::Errno;

/// Bytes of a page, in Xen's interfaces on x86.
pub(super) const PAGE_BYTES: usize = 4096;

/// Pages in this process's address space, unmapped when dropped.
#[derive(Debug)]
pub struct Pages {
    address: NonNull<u8>,
    length: usize,
}

impl Pages {
    /// Memory of this process that stays where it is, for the hypervisor to read and write.
    pub(super) fn locked(count: usize) -> Result<Self, Errno> {
        // Populated at once: a page that is not there cannot be faulted in by the hypervisor.
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_LOCKED | libc::MAP_POPULATE;
        Self::map(count, flags, -1)
    }

    /// Room for pages of another domain, to be filled through `device`.
    pub(super) fn of(device: &File, count: usize) -> Result<Self, Errno> {
        Self::map(count, libc::MAP_SHARED, device.as_raw_fd())
    }

    fn map(count: usize, flags: libc::c_int, device: libc::c_int) -> Result<Self, Errno> {
        let length = count.checked_mul(PAGE_BYTES).ok_or(Errno::ENOMEM)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses: nothing is replaced.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, device, 0) };
        if address == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let address = NonNull::new(address.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { address, length })
    }

    /// Where they are, for the kernel.
    pub(super) fn address(&self) -> u64 {
        self.address.addr().get() as u64
    }

    /// Copies `into.len()` bytes from `offset` on; false where they are not all there.
    #[must_use]
    pub fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        if !self.holds(offset, into.len()) {
            return false;
        }
        for (index, byte) in (offset..).zip(into) {
            // SAFETY: within the mapping, as was checked; a byte at a time, as it may change.
            *byte = unsafe { self.address.as_ptr().wrapping_add(index).read_volatile() };
        }
        true
    }

    /// Copies bytes in, from `offset` on; false where there is no room for all of them.
    #[must_use]
    pub fn write(&mut self, offset: usize, from: &[u8]) -> bool {
        if !self.holds(offset, from.len()) {
            return false;
        }
        for (index, byte) in (offset..).zip(from) {
            // SAFETY: within the mapping, as was checked, which is mapped for writing.
            unsafe { self.address.as_ptr().wrapping_add(index).write_volatile(*byte) };
        }
        true
    }

    fn holds(&self, offset: usize, length: usize) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.length)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: this mapping is its own, and no reference into it was ever given out.
        let unmapped = unsafe { libc::munmap(self.address.as_ptr().cast(), self.length) };
        debug_assert_eq!(unmapped, 0, "a mapping is unmapped once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_nothing_is_reached_outside() {
        let mut pages = Pages::locked(1).unwrap();
        assert!(pages.write(PAGE_BYTES - 3, b"xen"));
        let mut read = [0; 3];
        assert!(pages.read(PAGE_BYTES - 3, &mut read));
        assert_eq!(&read, b"xen");
        assert!(!pages.read(PAGE_BYTES - 2, &mut read));
        assert!(!pages.read(usize::MAX, &mut read));
        assert!(!pages.write(PAGE_BYTES, b"x"));
        assert!(pages.write(PAGE_BYTES, b""));
    }
}
