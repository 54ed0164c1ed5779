//! One process, read through one open descriptor of its `/proc/<pid>`.
//!
//! When the process ends, everything here fails: the descriptor never becomes that of another
//! process which gets the same pid. What is read means nothing here.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{OwnedFd, RawFd};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use crate::descriptors::Found;
use crate::spawn::FileId;

/// A confined process has 2 KB in the longest of these files; what is cut off does not hold.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// More open descriptors than any plan allows are not looked at one by one.
const DESCRIPTORS_MAX: usize = 1024;
/// Entries of a root that should have none are counted up to here.
const ROOT_ENTRIES_MAX: usize = 100;

pub(super) struct Process {
    directory: OwnedFd,
}

/// What a process sees at `/`.
pub(super) struct Root {
    pub(super) entries: usize,
    pub(super) is_tmpfs: bool,
    pub(super) is_read_only: bool,
}

impl Process {
    pub(super) fn open(pid: i32) -> io::Result<Self> {
        Self::open_at(&format!("/proc/{pid}"))
    }

    pub(super) fn open_own() -> io::Result<Self> {
        Self::open_at("/proc/self")
    }

    fn open_at(path: &str) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { directory: open(path, flags, Mode::empty())? })
    }

    /// The beginning of one of its files.
    pub(super) fn read_bytes(&self, name: &str) -> io::Result<Vec<u8>> {
        let file =
            openat(&self.directory, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(file).take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The same as text. The process's own name is in some, so that it need not be UTF-8.
    pub(super) fn read(&self, name: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read_bytes(name)?).into_owned())
    }

    /// What one of its links leads to, which may have no path in any root.
    fn follow(&self, name: &str) -> io::Result<FileStat> {
        Ok(fstatat(&self.directory, name, AtFlags::empty())?)
    }

    pub(super) fn program(&self) -> io::Result<FileId> {
        self.follow("exe").map(|stat| FileId::from_stat(&stat))
    }

    pub(super) fn namespace(&self, kind: &str) -> io::Result<FileId> {
        self.follow(&format!("ns/{kind}")).map(|stat| FileId::from_stat(&stat))
    }

    /// Who owns its files in `/proc`: root, if it is not dumpable. The directory itself is always
    /// its user's (fs/proc/base.c, `task_dump_owner`).
    pub(super) fn owner(&self) -> io::Result<(u32, u32)> {
        self.follow("status").map(|stat| (stat.st_uid, stat.st_gid))
    }

    pub(super) fn root(&self) -> io::Result<Root> {
        let mut directory = self.list("root")?;
        let is_tmpfs = fstatfs(&directory)?.filesystem_type() == TMPFS_MAGIC;
        let is_read_only = fstatvfs(&directory)?.flags().contains(FsFlags::ST_RDONLY);
        let entries = names(&mut directory, ROOT_ENTRIES_MAX)?.len();
        Ok(Root { entries, is_tmpfs, is_read_only })
    }

    /// The numbers of its open descriptors, and what each of them is.
    pub(super) fn descriptors(&self) -> io::Result<Vec<(RawFd, Found)>> {
        let mut found = Vec::new();
        for name in names(&mut self.list("fd")?, DESCRIPTORS_MAX)? {
            let number = name.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            found.push((number, Found::of(&self.follow(&format!("fd/{name}"))?)));
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        Ok(found)
    }

    fn list(&self, name: &str) -> io::Result<Dir> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Dir::openat(&self.directory, name, flags, Mode::empty())?)
    }
}

/// The names in a directory but for its own and its parent's, at most `limit`.
fn names(directory: &mut Dir, limit: usize) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in directory.iter().take(limit) {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}
