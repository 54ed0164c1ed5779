//! What a parent leaves to the program that follows it in its process: which of the descriptors is
//! what, in a file without a name.
//!
//! The ledger says what the store was; nothing of it is here. When it is written, and by whom it is
//! read, is the parent's.

#![allow(unsafe_code, reason = "an inherited descriptor is a bare number at first")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Says that it is a succession, and of which make.
const MAKE: &[u8; 8] = b"xwheirs1";
/// More than all clients that a parent holds take, and three paths.
const BYTES_MAX: u64 = 1 << 20;

/// What is left. Descriptors are numbers here: whoever writes them down keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Succession {
    /// Guests are served, or none.
    pub(crate) sockets_only: bool,
    pub(crate) ledger: RawFd,
    pub(crate) listener: RawFd,
    /// The store's process: its pid and start time, and the ends of what it was given.
    pub(crate) store: (i32, u64),
    pub(crate) clients: RawFd,
    pub(crate) census: Option<RawFd>,
    pub(crate) log: Option<RawFd>,
    /// Where clients look for the socket.
    pub(crate) socket: PathBuf,
    pub(crate) pid_file: Option<PathBuf>,
    /// The program that is installed.
    pub(crate) installed: PathBuf,
    pub(crate) last_copy: u64,
    /// Copies of clients' sockets by their numbers, and which domain each speaks for.
    pub(crate) copies: Vec<(u64, RawFd, u16)>,
}

/// What was left makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the program before left to this one makes no sense to it")]
pub(crate) struct Senseless;

impl Succession {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAKE.to_vec();
        out.push(self.sockets_only.into());
        for number in [self.ledger, self.listener, self.store.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.store.1.to_le_bytes());
        for number in [Some(self.clients), self.census, self.log] {
            // No descriptor has this number.
            out.extend_from_slice(&number.unwrap_or(-1).to_le_bytes());
        }
        let nowhere = Path::new("");
        for path in [&self.socket, self.pid_file.as_deref().unwrap_or(nowhere), &self.installed] {
            let bytes = path.as_os_str().as_bytes();
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        out.extend_from_slice(&self.last_copy.to_le_bytes());
        let count = u32::try_from(self.copies.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&count.to_le_bytes());
        for (number, descriptor, domain) in &self.copies {
            out.extend_from_slice(&number.to_le_bytes());
            out.extend_from_slice(&descriptor.to_le_bytes());
            out.extend_from_slice(&domain.to_le_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        (rest.array()? == *MAKE).then_some(())?;
        let sockets_only = match rest.array()? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let (ledger, listener) = (rest.descriptor()??, rest.descriptor()??);
        let store = (rest.array().map(i32::from_le_bytes)?, rest.array().map(u64::from_le_bytes)?);
        let (clients, census, log) = (rest.descriptor()??, rest.descriptor()?, rest.descriptor()?);
        let (socket, pid_file, installed) = (rest.path()?, rest.path()?, rest.path()?);
        let last_copy = rest.array().map(u64::from_le_bytes)?;
        let mut copies = Vec::new();
        for _ in 0..rest.array().map(u32::from_le_bytes)? {
            let number = rest.array().map(u64::from_le_bytes)?;
            copies.push((number, rest.descriptor()??, rest.array().map(u16::from_le_bytes)?));
        }
        rest.0.is_empty().then_some(())?;
        let pid_file = Some(pid_file).filter(|path| !path.as_os_str().is_empty());
        let succession = Self {
            sockets_only,
            ledger,
            listener,
            store,
            clients,
            census,
            log,
            socket,
            pid_file,
            installed,
            last_copy,
            copies,
        };
        // Nothing is two things.
        let all: Vec<RawFd> = succession.descriptors().collect();
        (all.iter().collect::<BTreeSet<_>>().len() == all.len()).then_some(succession)
    }

    /// Every descriptor in it.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        [Some(self.ledger), Some(self.listener), Some(self.clients), self.census, self.log]
            .into_iter()
            .flatten()
            .chain(self.copies.iter().map(|(_, descriptor, _)| *descriptor))
    }

    /// Writes it to a file without a name.
    pub(crate) fn write(&self) -> io::Result<File> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create("xenstored", flags)?);
        file.write_all(&self.encode())?;
        // The trial has it too, and what it reads was a guest's once: it can't be changed any more.
        let seals = SealFlag::F_SEAL_SEAL
            | SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_WRITE;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        file.rewind()?;
        Ok(file)
    }

    /// Reads what was written so, from where the file stands: who is confined can't say where.
    pub(crate) fn read(file: File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
        Self::decode(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, Senseless))
    }
}

/// Bytes that are being read: each thing is none where there are not as many.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// A descriptor, or that there is none. The first three are not anybody's to leave.
    fn descriptor(&mut self) -> Option<Option<RawFd>> {
        match self.array().map(i32::from_le_bytes)? {
            -1 => Some(None),
            number @ 3.. => Some(Some(number)),
            _ => None,
        }
    }

    fn path(&mut self) -> Option<PathBuf> {
        let length = usize::try_from(self.array().map(u32::from_le_bytes)?).ok()?;
        let (path, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(OsString::from_vec(path.to_vec()).into())
    }
}

/// Takes a descriptor that was left to this program, once, and keeps it from later ones.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the number is looked at, and not kept.
    let found = unsafe { BorrowedFd::borrow_raw(number) };
    // Fails where nothing is open there.
    fcntl(found, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, and was left to this program by the one before: what this one opens itself
    // has other numbers. No number is taken twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets descriptors through to the program that follows, or keeps them from it again.
pub(crate) fn let_through(descriptors: &[BorrowedFd<'_>], through: bool) -> Result<(), Errno> {
    let flag = if through { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
    for descriptor in descriptors {
        fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(flag))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn succession() -> Succession {
        Succession {
            sockets_only: true,
            ledger: 5,
            listener: 6,
            store: (4711, 1 << 40),
            clients: 7,
            census: None,
            log: Some(9),
            socket: "/run/xenstored/socket".into(),
            pid_file: None,
            installed: "/usr/libexec/xenwarden/xenstored".into(),
            last_copy: 12,
            copies: vec![(3, 10, 0), (12, 11, 5)],
        }
    }

    #[test]
    fn what_is_left_is_read_as_it_was_written() {
        let guests = Succession { sockets_only: false, census: Some(8), ..succession() };
        let with_file = Succession { pid_file: Some("/run/pid".into()), ..succession() };
        for left in [succession(), guests, with_file] {
            let file = left.write().expect("memory");
            assert_eq!(Succession::read(file).expect("it was written so"), left);
        }
    }

    #[test]
    fn what_was_cut_short_or_changed_is_refused_or_is_something_else() {
        let whole = succession().encode();
        for length in 0..whole.len() {
            assert_eq!(Succession::decode(&whole[..length]), None, "{length}");
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Succession::decode(&bytes), Some(succession()), "{bit}");
        }
    }

    #[test]
    fn a_descriptor_that_is_two_things_is_refused() {
        let twice = Succession { clients: 6, ..succession() };
        assert_eq!(Succession::decode(&twice.encode()), None);
        let input = Succession { clients: 0, ..succession() };
        assert_eq!(Succession::decode(&input.encode()), None);
    }
}
