//! The open descriptors of this process: listed, placed at fixed numbers, and told apart by kind.
//!
//! Listing and placing also run between fork and exec in a program with threads: there they make
//! system calls on a stack buffer, and nothing else. What a process should keep is not decided
//! here.

#![allow(
    unsafe_code,
    reason = "descriptors are placed by number, which safe types cannot express, and listed by a \
              system call that the C library wraps only with an allocation"
)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::stat::FileStat;

use crate::plan::Kind;

/// Where descriptors wait before they are placed: above every number that a plan may use.
pub(crate) const PARKED: RawFd = 100;

/// Bytes of directory entries read at a time; an entry of `/proc/self/fd` takes 24.
const ENTRIES_BYTES: usize = 2048;
/// `struct linux_dirent64`: where the record's length is, and where its name begins.
const RECORD_LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// The major of every Unix98 pseudo-terminal slave: devpts numbers them all by their minors.
const PTS_MAJOR: u32 = 136;
/// `/dev/ptmx`, which is what an open master is.
const PTMX: (u32, u32) = (5, 2);
/// `/dev/null`.
const NULL: (u32, u32) = (1, 3);

/// What an open descriptor turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A kind that a plan may ask for.
    Planned(Kind),
    /// `/dev/null`.
    Null,
    /// An inode without a file type: epoll, eventfd and their like.
    Anonymous,
    /// A directory: a way out of an empty root.
    Directory,
}

impl Found {
    pub(crate) fn of(stat: &FileStat) -> Self {
        let device = (libc::major(stat.st_rdev), libc::minor(stat.st_rdev));
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFSOCK => Self::Planned(Kind::Socket),
            libc::S_IFREG => Self::Planned(Kind::File),
            libc::S_IFIFO => Self::Planned(Kind::Pipe),
            libc::S_IFDIR => Self::Directory,
            libc::S_IFCHR if device == NULL => Self::Null,
            libc::S_IFCHR if device == PTMX || device.0 == PTS_MAJOR => {
                Self::Planned(Kind::Terminal)
            }
            0 => Self::Anonymous,
            _ => Self::Planned(Kind::Device),
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Planned(kind) => kind.fmt(f),
            Self::Null => f.write_str("/dev/null"),
            Self::Anonymous => f.write_str("an anonymous inode"),
            Self::Directory => f.write_str("a directory"),
        }
    }
}

/// Calls `visit` with the number of each open descriptor.
///
/// The list is `/proc/self/fd`, on every kernel alike, so that there is no second way to trust.
/// Safe between fork and exec if `visit` is.
pub(crate) fn for_each_open(mut visit: impl FnMut(RawFd) -> io::Result<()>) -> io::Result<()> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string literal; `open` reads nothing else.
    let opened = check(unsafe { libc::open(c"/proc/self/fd".as_ptr(), flags) })?;
    // SAFETY: `open` has just returned this number, and nothing else owns it.
    let directory = unsafe { OwnedFd::from_raw_fd(opened) };
    let mut entries = [0_u8; ENTRIES_BYTES];
    loop {
        // SAFETY: the kernel writes at most `entries.len()` bytes, to an array of that length.
        let read = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                directory.as_raw_fd(),
                entries.as_mut_ptr(),
                entries.len(),
            )
        };
        if read < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut rest = usize::try_from(read).ok().and_then(|read| entries.get(..read));
        if rest.is_none_or(<[u8]>::is_empty) {
            return Ok(());
        }
        while let Some((number, following)) = rest.and_then(split_entry) {
            rest = Some(following);
            if let Some(number) = number
                && number != directory.as_raw_fd()
            {
                visit(number)?;
            }
        }
    }
}

/// The first entry's number, if its name is one, and the entries after it.
fn split_entry(entries: &[u8]) -> Option<(Option<RawFd>, &[u8])> {
    let length = entries.get(RECORD_LENGTH_AT..)?.first_chunk::<2>()?;
    let (entry, following) = entries.split_at_checked(usize::from(u16::from_ne_bytes(*length)))?;
    let mut number = None;
    for byte in entry.get(NAME_AT..)?.iter().take_while(|byte| **byte != 0) {
        // "." and ".." are no numbers; they have no digit at all.
        let digit = char::from(*byte).to_digit(10).and_then(|digit| RawFd::try_from(digit).ok());
        number =
            digit.and_then(|digit| number.unwrap_or(0_i32).checked_mul(10)?.checked_add(digit));
        if number.is_none() {
            break;
        }
    }
    Some((number, following))
}

/// A copy of `descriptor` at [`PARKED`] or above, closed on exec.
pub(crate) fn park(descriptor: &impl AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes and returns numbers only.
    let number =
        check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, PARKED) })?;
    // SAFETY: `fcntl` has just returned this number, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes `number` another name of the parked descriptor, not closed on exec.
///
/// Whatever `number` was before is closed: call this where no one else owns it.
pub(crate) fn place(parked: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: takes numbers only; the caller answers for the owner of `number`.
    check(unsafe { libc::dup2(parked, number) }).map(drop)
}

/// Closes `number` at the next exec.
pub(crate) fn close_on_exec(number: RawFd) -> io::Result<()> {
    // SAFETY: takes numbers only, and closes nothing now.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Closes `number` now.
///
/// Call this where no one owns it, as for a descriptor that was inherited unasked.
pub(crate) fn close(number: RawFd) -> io::Result<()> {
    // SAFETY: takes a number only; the caller answers for its owner.
    check(unsafe { libc::close(number) }).map(drop)
}

/// Takes the ownership of a descriptor that was inherited at a fixed number, if it is open.
///
/// It is closed on exec from now on. Call this once for a number.
pub(crate) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    close_on_exec(number)?;
    // SAFETY: the number is open, as the call above has proven; it was inherited, so that this is
    // its first owner in this program.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::sys::stat::fstat;

    use super::*;

    #[test]
    fn lists_every_open_descriptor_and_not_the_list_itself() {
        let files: Vec<File> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
        let mut open = Vec::new();
        for_each_open(|number| {
            open.push(number);
            Ok(())
        })
        .unwrap();
        for file in &files {
            assert!(open.contains(&file.as_raw_fd()));
        }
        assert!(open.contains(&0) && open.contains(&2));
        open.sort_unstable();
        open.dedup();
        assert!(open.len() >= files.len() + 3);
    }

    #[test]
    fn tells_kinds_apart() {
        let of = |file: &dyn std::os::fd::AsFd| Found::of(&fstat(file.as_fd()).unwrap());
        assert_eq!(of(&File::open("/dev/null").unwrap()), Found::Null);
        assert_eq!(of(&File::open("/dev/zero").unwrap()), Found::Planned(Kind::Device));
        assert_eq!(of(&File::open("/").unwrap()), Found::Directory);
        assert_eq!(of(&File::open("/proc/self/exe").unwrap()), Found::Planned(Kind::File));
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(of(&socket), Found::Planned(Kind::Socket));
        let (pipe, _other) = io::pipe().unwrap();
        assert_eq!(of(&pipe), Found::Planned(Kind::Pipe));
        let pty = nix::pty::openpty(None, None).unwrap();
        assert_eq!(of(&pty.master), Found::Planned(Kind::Terminal));
        assert_eq!(of(&pty.slave), Found::Planned(Kind::Terminal));
        let epoll =
            nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::empty()).unwrap();
        assert_eq!(of(&epoll.0), Found::Anonymous);
    }

    #[test]
    fn a_parked_descriptor_is_out_of_the_way() {
        let file = File::open("/dev/null").unwrap();
        assert!(park(&file).unwrap().as_raw_fd() >= PARKED);
    }
}
