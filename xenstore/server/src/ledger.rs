//! Memory that outlives the store's process: what the next one needs to go on where this one ended.
//!
//! The parent makes it, and keeps it without ever looking inside. The store appends entries and then
//! says how far they count: what it was writing when it was killed doesn't. There are two halves, and
//! one counts: the other is where the state is written anew when the first has grown too long.

#![allow(
    unsafe_code,
    reason = "memory shared with a later process is mapped, and seen by a pointer"
)]

use std::cell::UnsafeCell;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, compiler_fence, fence};

use nix::errno::Errno;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, munmap};
use nix::unistd::{Whence, ftruncate, lseek};

use xenstore_wire::numbered;

use crate::transport::Heard;

/// Where the slot is in the head's page.
const SLOT_AT: usize = 1024;
/// Where what is being received is put.
const CAME_AT: usize = 4096;
/// So much at once: sixteen of the longest requests, hundreds of usual ones.
const CAME_BYTES: usize = 64 << 10;
/// What stands before the halves.
const HEAD_BYTES: usize = CAME_AT + CAME_BYTES;
/// Room for a state, of which only what is used takes memory: twice this is a quarter of what the
/// store's process may map.
const HALF_BYTES: usize = 512 << 20;
const LEDGER_BYTES: usize = HEAD_BYTES + 2 * HALF_BYTES;
/// A ledger is written anew when it has this many bytes at least, some ten thousand requests: few
/// enough for a processor's cache...
const ANEW_BYTES_MIN: usize = 2 << 20;
/// ...and is so many times as long as it was then, so that no request pays for more than its share.
const ANEW_TIMES: usize = 3;
/// So much of either half stays in memory: to have it made anew, page by page, costs about as much as
/// to write it. It is more than the least, for only the end of a turn sees that it is long.
const KEPT_BYTES: usize = ANEW_BYTES_MIN + (1 << 20);
/// Says that it is a ledger, and of which make: entries of another make are not read.
const MAKE: u64 = u64::from_le_bytes(*b"xwstore1");
/// A number of what kind, and a length, stand before each entry's peer and bytes.
const ENTRY_HEAD_BYTES: usize = 1 + 4 + 8;

/// The words before the halves.
#[repr(C)]
struct Head {
    make: AtomicU64,
    /// How far the entries count in the half that counts, which is the lowest bit; the rest is the
    /// length in bytes. One word, so that it changes at once.
    state: AtomicU64,
    /// How many stores there were.
    stores: AtomicU64,
    /// The peer whose request is being done, if any.
    doing: AtomicU64,
    /// The one whose request was being done when a store crashed last, if any.
    suspect: AtomicU64,
}

/// One receiving or sending that is under way. The kernel itself writes here how many bytes it moved,
/// before the call can end by a signal: so it is known even of a process that was killed there.
#[repr(C)]
struct Slot {
    /// A kind of entry, by its number; none when nothing is under way.
    kind: AtomicU8,
    peer: AtomicU64,
    /// How far the entries counted when it began: with more of them, it was noted already.
    state: AtomicU64,
    message: UnsafeCell<libc::mmsghdr>,
    part: UnsafeCell<libc::iovec>,
}

/// No kind of entry.
const NOTHING: u8 = 0;

numbered! {
    /// What an entry is about.
    pub(crate) enum Kind {
        /// Records of the store itself.
        Store = 1,
        /// How a peer is reached.
        Peer = 2,
        /// Bytes that came of a peer.
        Came = 3,
        /// How many of these are done with.
        Done = 4,
        /// Bytes for a peer.
        Due = 5,
        /// How many of these it has got.
        Sent = 6,
    }
}

/// One entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: Kind,
    pub(crate) peer: u64,
    pub(crate) bytes: &'a [u8],
}

/// The mapped memory.
#[derive(Debug)]
pub(crate) struct Ledger {
    start: NonNull<u8>,
    half: usize,
    /// How far it is written, and how far of this counts.
    written: usize,
    /// How long it was when it was written anew.
    anew: usize,
}

/// Makes an empty ledger for a store that is yet to come.
pub(crate) fn create() -> io::Result<OwnedFd> {
    let memory = memfd_create("xenstore", MFdFlags::MFD_CLOEXEC)?;
    ftruncate(&memory, i64::try_from(LEDGER_BYTES).map_err(|_| Errno::EFBIG)?)?;
    Ok(memory)
}

/// Writes a ledger to a file that only root may read. What was never written takes no room there.
pub(crate) fn keep(memory: &OwnedFd, path: &Path) -> io::Result<()> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let length = u64::try_from(LEDGER_BYTES).unwrap_or(u64::MAX);
    file.set_len(length)?;
    let memory = File::from(memory.try_clone()?);
    let mut at = 0;
    while let Some(from) = found(lseek(&memory, at, Whence::SeekData))? {
        at = lseek(&memory, from, Whence::SeekHole)?;
        let mut bytes = vec![0; usize::try_from(at - from).map_err(|_| Errno::EFBIG)?];
        let from = u64::try_from(from).map_err(|_| Errno::EINVAL)?;
        memory.read_exact_at(&mut bytes, from)?;
        file.write_all_at(&bytes, from)?;
    }
    Ok(())
}

/// Writes a ledger of these bytes, whatever they are, that an earlier store seems to have left.
#[cfg(feature = "fuzz")]
pub(crate) fn forge(memory: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let memory = File::from(memory.try_clone()?);
    let state = u64::try_from(bytes.len()).unwrap_or(u64::MAX >> 1) << 1;
    let head: Vec<u8> = [MAKE, state, 1].iter().flat_map(|word| word.to_le_bytes()).collect();
    memory.write_all_at(&head, 0)?;
    memory.write_all_at(bytes, u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX))
}

/// Where there is more, if there is.
fn found(place: nix::Result<i64>) -> io::Result<Option<i64>> {
    match place {
        Ok(place) => Ok(Some(place)),
        Err(Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

impl Ledger {
    /// Maps a ledger; says how many stores there were before this one.
    pub(crate) fn open(memory: impl AsFd) -> io::Result<(Self, u32)> {
        Self::map(memory, MapFlags::MAP_SHARED)
    }

    /// Maps a ledger to be looked at: nothing of it changes for whoever else has it.
    pub(crate) fn look_at(memory: impl AsFd) -> io::Result<(Self, u32)> {
        Self::map(memory, MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE)
    }

    fn map(memory: impl AsFd, how: MapFlags) -> io::Result<(Self, u32)> {
        let length = NonZeroUsize::new(LEDGER_BYTES).ok_or(Errno::EINVAL)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses the place: nothing that is mapped already is replaced.
        let start = unsafe { mmap(None, length, protection, how, memory, 0) }?;
        let mut ledger = Self { start: start.cast(), half: 0, written: 0, anew: 0 };
        let head = ledger.head();
        let stores = head.stores.fetch_add(1, Ordering::Relaxed);
        match head.make.load(Ordering::Relaxed) {
            0 if stores == 0 => head.make.store(MAKE, Ordering::Relaxed),
            MAKE => (),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        let state = head.state.load(Ordering::Relaxed);
        ledger.half = usize::from(state & 1 == 1);
        ledger.written = usize::try_from(state >> 1).unwrap_or(usize::MAX);
        if ledger.written > HALF_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        ledger.anew = ledger.written;
        ledger.finish_what_was_under_way()?;
        Ok((ledger, u32::try_from(stores).unwrap_or(u32::MAX)))
    }

    /// Notes what an earlier process had received or sent, and was killed before it could.
    fn finish_what_was_under_way(&mut self) -> io::Result<()> {
        let (slot, state) = (self.slot(), self.head().state.load(Ordering::Relaxed));
        let kind = Kind::from_number(slot.kind.load(Ordering::Relaxed));
        if slot.state.load(Ordering::Relaxed) == state
            && let Some(kind) = kind
        {
            let moved = self.moved();
            self.note_moved(kind, slot.peer.load(Ordering::Relaxed), moved)?;
        }
        self.slot().kind.store(NOTHING, Ordering::SeqCst);
        Ok(())
    }

    /// Receives from a client's socket, which counts at once.
    pub(crate) fn receive(
        &mut self,
        socket: &UnixStream,
        peer: u64,
        into: &mut Vec<u8>,
    ) -> io::Result<Heard> {
        // SAFETY: the place lies in the mapping.
        let place = unsafe { self.start.add(CAME_AT) };
        let part = libc::iovec { iov_base: place.as_ptr().cast(), iov_len: CAME_BYTES };
        let came = self.move_bytes(Kind::Came, socket, peer, part)?;
        into.extend_from_slice(self.came(came));
        Ok(if came > 0 { Heard::Bytes } else { Heard::End })
    }

    /// Sends to a client's socket, which counts at once.
    pub(crate) fn send(
        &mut self,
        socket: &UnixStream,
        peer: u64,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        self.move_bytes(Kind::Sent, socket, peer, part)
    }

    fn move_bytes(
        &mut self,
        kind: Kind,
        socket: &UnixStream,
        peer: u64,
        part: libc::iovec,
    ) -> io::Result<usize> {
        #[cfg(test)]
        let part = libc::iovec { iov_len: crate::faults::suffer(part.iov_len)?, ..part };
        let slot = self.slot();
        // SAFETY: all of its fields are numbers and pointers, for which zero is nothing.
        let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
        message.msg_hdr.msg_iov = slot.part.get();
        message.msg_hdr.msg_iovlen = 1;
        // SAFETY: the slot lies in the mapping, and this process's only thread is here.
        unsafe { slot.part.get().write(part) };
        // SAFETY: as above.
        unsafe { slot.message.get().write(message) };
        slot.peer.store(peer, Ordering::Relaxed);
        slot.state.store(self.head().state.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.kind.store(kind.number(), Ordering::SeqCst);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let done = if kind == Kind::Came {
            // SAFETY: one message, whose one part is the mapping's place for what comes.
            unsafe {
                libc::recvmmsg(socket.as_raw_fd(), slot.message.get(), 1, flags, ptr::null_mut())
            }
        } else {
            // SAFETY: one message, whose one part is bytes of the caller's, which are only read.
            unsafe { libc::sendmmsg(socket.as_raw_fd(), slot.message.get(), 1, flags) }
        };
        let moved = Errno::result(done).map(|_| self.moved());
        let noted = match moved {
            Ok(moved) => self.note_moved(kind, peer, moved).map(|()| moved),
            Err(errno) => Err(errno.into()),
        };
        self.slot().kind.store(NOTHING, Ordering::SeqCst);
        noted
    }

    fn note_moved(&mut self, kind: Kind, peer: u64, moved: usize) -> io::Result<()> {
        match (kind, moved) {
            (_, 0) => return Ok(()),
            (Kind::Came, moved) => {
                // SAFETY: the place lies in the mapping.
                let place = unsafe { self.start.add(CAME_AT) };
                let length = moved.min(CAME_BYTES);
                // SAFETY: it has so many bytes, and what is appended goes to a half, not here.
                let came = unsafe { std::slice::from_raw_parts(place.as_ptr(), length) };
                self.append(kind, peer, came)?;
            }
            (_, moved) => {
                let sent = u32::try_from(moved).unwrap_or(u32::MAX);
                self.append(kind, peer, &sent.to_le_bytes())?;
            }
        }
        self.publish();
        Ok(())
    }

    /// How many bytes the kernel moved.
    fn moved(&self) -> usize {
        // SAFETY: the slot lies in the mapping; any bytes are a value of it.
        let message = unsafe { self.slot().message.get().read() };
        usize::try_from(message.msg_len).unwrap_or_default()
    }

    /// The first bytes of what came last.
    fn came(&self, length: usize) -> &[u8] {
        // SAFETY: the place lies in the mapping.
        let place = unsafe { self.start.add(CAME_AT) };
        // SAFETY: it has so many bytes, and nobody receives while this is borrowed.
        unsafe { std::slice::from_raw_parts(place.as_ptr(), length.min(CAME_BYTES)) }
    }

    fn slot(&self) -> &Slot {
        // SAFETY: the slot lies in the mapping.
        let slot = unsafe { self.start.add(SLOT_AT) };
        // SAFETY: the place is aligned for a slot; it is zero or what this program wrote, and of its
        // plain fields no reference is ever made.
        unsafe { slot.cast().as_ref() }
    }

    /// Adds an entry, which doesn't count yet.
    pub(crate) fn append(&mut self, kind: Kind, peer: u64, bytes: &[u8]) -> io::Result<()> {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let end = self.written.checked_add(ENTRY_HEAD_BYTES + bytes.len()).ok_or_else(full)?;
        let length = u32::try_from(bytes.len()).map_err(|_| full())?;
        if end > HALF_BYTES {
            return Err(full());
        }
        self.put(&[kind.number()]);
        self.put(&length.to_le_bytes());
        self.put(&peer.to_le_bytes());
        self.put(bytes);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        let at = HEAD_BYTES + self.half * HALF_BYTES + self.written;
        // SAFETY: `append` has seen that the half has room for it, and a half lies in the mapping.
        let to = unsafe { self.start.as_ptr().add(at) };
        // SAFETY: as above; the bytes are of this process's own memory, which no mapping overlaps.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.written += bytes.len();
    }

    /// Has all that was appended count from now on.
    pub(crate) fn publish(&mut self) {
        let length = u64::try_from(self.written).unwrap_or(u64::MAX >> 1);
        let half = u64::from(self.half == 1);
        // Nothing after it may be seen before it, whoever reads: also a socket, or a guest.
        fence(Ordering::SeqCst);
        self.head().state.store(length << 1 | half, Ordering::SeqCst);
    }

    /// Notes whose request is being done from now on: a peer's, or nobody's, which is zero.
    pub(crate) fn do_for(&self, peer: u64) {
        self.head().doing.store(peer, Ordering::Relaxed);
        // What is done for it comes after it, and before the next, wherever it crashes.
        compiler_fence(Ordering::SeqCst);
    }

    /// After a crash: the peer whose request was being done, if that of the crash before was its, too.
    pub(crate) fn blame(&self) -> Option<u64> {
        let doing = self.head().doing.swap(0, Ordering::Relaxed);
        let suspect = self.head().suspect.swap(doing, Ordering::Relaxed);
        Some(doing).filter(|peer| *peer != 0 && *peer == suspect)
    }

    /// True when it should be written anew.
    pub(crate) fn is_long(&self) -> bool {
        self.written > ANEW_BYTES_MIN.max(self.anew.saturating_mul(ANEW_TIMES))
    }

    /// Writes it anew, in the other half, and gives back what this one has of memory beyond the usual.
    pub(crate) fn write_anew(
        &mut self,
        write: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let (old, length) = (self.half, self.written);
        (self.half, self.written) = (1 - old, 0);
        if let Err(error) = write(self) {
            (self.half, self.written) = (old, length);
            return Err(error);
        }
        self.publish();
        self.anew = self.written;
        if length <= KEPT_BYTES {
            return Ok(());
        }
        // SAFETY: the half is longer than what is kept of it, and lies in the mapping.
        let start = unsafe { self.start.add(HEAD_BYTES + old * HALF_BYTES + KEPT_BYTES) };
        let rest = HALF_BYTES - KEPT_BYTES;
        // SAFETY: nothing refers to the half any more; these bytes are zero from here on.
        let freed = unsafe { madvise(start.cast(), rest, MmapAdvise::MADV_REMOVE) };
        Ok(freed?)
    }

    /// All that counts, entry by entry; an error where it makes no sense.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<Entry<'_>, usize>> {
        let at = HEAD_BYTES + self.half * HALF_BYTES;
        // SAFETY: the half lies in the mapping.
        let start = unsafe { self.start.add(at) };
        // SAFETY: so many bytes of the half were written, and nothing is while this is borrowed.
        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), self.written) };
        entries(bytes)
    }

    fn head(&self) -> &Head {
        // SAFETY: the mapping begins at a page's boundary with room for a head, of which every field
        // is atomic and any bytes are values.
        unsafe { self.start.cast().as_ref() }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no reference to it outlives this value.
        let unmapped = unsafe { munmap(self.start.cast(), LEDGER_BYTES) };
        // It can only fail where there is no such mapping, and there is.
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// Cuts bytes into entries.
fn entries(bytes: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, usize>> {
    let mut rest = bytes;
    let mut broken = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || broken {
            return None;
        }
        let at = bytes.len() - rest.len();
        let entry = take(&mut rest);
        broken = entry.is_none();
        Some(entry.ok_or(at))
    })
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Entry<'a>> {
    let (head, after) = rest.split_first_chunk::<ENTRY_HEAD_BYTES>()?;
    let (kind, after_kind) = head.split_first()?;
    let (length, peer) = after_kind.split_first_chunk::<4>()?;
    let peer = u64::from_le_bytes(*peer.first_chunk()?);
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (bytes, after) = after.split_at_checked(length)?;
    let kind = Kind::from_number(*kind)?;
    *rest = after;
    Some(Entry { kind, peer, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ledger: &Ledger) -> Vec<(Kind, u64, Vec<u8>)> {
        let whole = ledger.entries().map(|entry| entry.expect("it was written so"));
        whole.map(|entry| (entry.kind, entry.peer, entry.bytes.to_vec())).collect()
    }

    #[test]
    fn what_counts_is_there_for_the_next_one_and_what_was_being_written_is_not() {
        let memory = create().expect("memory");
        let (mut first, stores) = Ledger::open(&memory).expect("a ledger");
        assert_eq!(stores, 0);
        first.append(Kind::Came, 7, b"abc").expect("room");
        first.append(Kind::Done, 7, b"").expect("room");
        first.publish();
        first.append(Kind::Due, 7, b"torn").expect("room");
        let (next, stores) = Ledger::open(&memory).expect("a ledger");
        assert_eq!(stores, 1);
        let expected = [(Kind::Came, 7, b"abc".to_vec()), (Kind::Done, 7, vec![])];
        assert_eq!(read(&next), expected);
    }

    #[test]
    fn written_anew_it_is_what_was_written_then_and_later() {
        let memory = create().expect("memory");
        let (mut first, _) = Ledger::open(&memory).expect("a ledger");
        for round in 0..5_u8 {
            first.append(Kind::Came, 1, &[b'x'; 5000]).expect("room");
            first.publish();
            first.write_anew(|anew| anew.append(Kind::Store, 0, &[round])).expect("room");
        }
        first.append(Kind::Sent, 2, b"later").expect("room");
        first.publish();
        let (next, _) = Ledger::open(&memory).expect("a ledger");
        let expected = [(Kind::Store, 0, vec![4]), (Kind::Sent, 2, b"later".to_vec())];
        assert_eq!(read(&next), expected);
    }

    #[test]
    fn entries_that_make_no_sense_are_refused_with_where_they_are() {
        let mut bytes = vec![4, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([99, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        let found: Vec<_> = entries(&bytes).map(|entry| entry.map(|entry| entry.kind)).collect();
        assert_eq!(found, [Ok(Kind::Done), Err(13)]);
        let found: Vec<_> = entries(&bytes[..9]).map(|entry| entry.is_err()).collect();
        assert_eq!(found, [true]);
    }
}
