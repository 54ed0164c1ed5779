//! Looks at a store from outside, and at its parent: the one serves without a way to make hypercalls,
//! the other has one and reads nothing of anybody's.
//!
//! Descriptors are told apart by what they are, not by their numbers: clients come and go. Which
//! process is a store's parent is for the caller to know.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, SFlag};
use nix::sys::statfs::{FsType, statfs};

use super::process::Process;
use super::{Attestation, Expected, Look, Moment, Property, attest_with, four_times, is};
use crate::child::Child;
use crate::identity::Uid;
use crate::plan::Plan;
use crate::spawn::FileId;
use crate::status;

/// Processes that are looked at to find a parent's children: more than a kernel has by default.
const PROCESSES_MAX: usize = 65_536;
/// More descriptors than a store may open are not looked at one by one.
const DESCRIPTORS_MAX: usize = 8192;
/// Xen's own file system, with what it offers to the control domain (`XENFS_SUPER_MAGIC`).
const XENFS: FsType = FsType(0xabba_1974);
/// The major of all devices that have no major of their own; `/proc/misc` names them by their minors.
const MISC_MAJOR: u64 = 10;
/// What hypercalls can be made with, whether it is a device or an older kernel's file.
const HYPERCALLS: [&str; 2] = ["privcmd", "hypercall"];
/// Xen's devices that a store serves guests with, which make no hypercalls of its choice.
const DEVICES: [&str; 2] = ["xen/evtchn", "xen/gntdev"];
/// Xen's files of the ring of the kernel that the store runs on.
const OWN_RING: [&str; 2] = ["xsd_kva", "xsd_port"];
/// The ledger: what a later store's process goes on from.
const LEDGER: &str = "/memfd:xenstore (deleted)";
/// What a process waits with. Other inodes without a file do more (io_uring, perf, kvm).
const WAITING: [&str; 5] = [
    "anon_inode:[eventpoll]",
    "anon_inode:[timerfd]",
    "anon_inode:[eventfd]",
    "anon_inode:[signalfd]",
    "anon_inode:[pidfd]",
];

/// What was found of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLook {
    /// The store's own process; none where its parent has none.
    pub store: Option<i32>,
    /// What holds of it, and then of its parent.
    pub attestation: Attestation,
}

/// Looks at the store that this process is the parent of, and at the parent. An error means that there
/// is no such process.
pub fn look_at_store(parent: i32) -> io::Result<StoreLook> {
    let above = Process::open(parent)?;
    let program = above.program()?;
    let children = children(parent)?;
    let mut properties = Vec::new();
    let mut note = |name, claim: &str, look: Look| {
        let (holds, found) = look.unwrap_or_else(|error| (false, error.to_string()));
        properties.push(Property { name, claim: claim.to_owned(), holds, found });
    };
    let misc = fs::read_to_string("/proc/misc").unwrap_or_default();
    let text = above.read("status");
    let status = || text.as_deref().map_err(|error| io::Error::from(error.kind()));
    note("one-store", "its parent has one child: the store", {
        Ok((children.len() == 1, format!("{children:?}")))
    });
    note("parent-user", "its parent is root, which reads nothing of clients or guests", {
        status().map(|text| four_times(text, "Uid", 0))
    });
    note("parent-threads", "its parent has one thread", {
        status().map(|text| is(text, "Threads", "1"))
    });
    note("parent-descriptors", "its parent has sockets, its log, the ledger and hypercalls", {
        look_at_handles(parent, &misc, Handle::is_the_parents)
    });
    let [store] = *children.as_slice() else {
        return Ok(StoreLook { store: None, attestation: Attestation { properties } });
    };
    let own = attest_store(store, program, &misc)?;
    Ok(StoreLook {
        store: Some(store),
        attestation: Attestation { properties: own.into_iter().chain(properties).collect() },
    })
}

/// The properties of the plan, whatever user the store was given, and those of its descriptors.
fn attest_store(store: i32, program: FileId, misc: &str) -> io::Result<Vec<Property>> {
    let process = Process::open(store)?;
    let ids = status::numbers(&process.read("status")?, "Uid").unwrap_or_default();
    let mut properties = match ids.first().and_then(|id| Uid::new(*id).ok()) {
        Some(uid) => {
            let plan = Plan::store(uid, uid.into(), vec![], vec![]).map_err(io::Error::other)?;
            let (child, moment) = (Child::find(store)?, Moment::Serving);
            let expected = Expected { child, plan: &plan, program, network: None, moment };
            let look = look_at_handles(store, misc, Handle::is_the_stores);
            let claim = "it has its log, sockets, the ledger, event channels, grants, and what it \
                         waits with";
            attest_with(&expected, claim.to_owned(), |_| look)?.properties
        }
        // Nothing else that a root had given up would say anything.
        None => {
            let (claim, found) = ("its user is one without privilege".into(), format!("{ids:?}"));
            vec![Property { name: "user", claim, holds: false, found }]
        }
    };
    let look = look_at_handles(store, misc, |handle| *handle != Handle::Hypercalls);
    let (holds, found) = look.unwrap_or_else(|error| (false, error.to_string()));
    let claim = "no descriptor of its can make a hypercall".to_owned();
    properties.push(Property { name: "no-hypercalls", claim, holds, found });
    Ok(properties)
}

/// The processes that have this parent.
fn children(parent: i32) -> io::Result<Vec<i32>> {
    let mut children = Vec::new();
    let wanted = parent.to_string();
    for entry in fs::read_dir("/proc")?.take(PROCESSES_MAX) {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // Others come and go meanwhile.
        let text = Process::open(pid).and_then(|process| process.read("status"));
        if text.is_ok_and(|text| status::field(&text, "PPid") == Some(&wanted)) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// What an open descriptor is, as far as stores have any.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Handle {
    /// /dev/null, or one of the first three: whatever it is started with, and its log.
    Standard,
    Socket,
    Pipe,
    /// epoll, a timer, a pidfd and their like.
    Waiting,
    Ledger,
    /// One of [`DEVICES`], or of [`OWN_RING`].
    Xen(String),
    /// Hypercalls can be made with it.
    Hypercalls,
    Other(PathBuf),
}

impl Handle {
    /// Of a link in `/proc/PID/fd`, and what it leads to.
    fn of(number: RawFd, link: &Path, stat: &FileStat, is_xenfs: bool, misc: &str) -> Self {
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        let last = link.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let device = (kind == SFlag::S_IFCHR).then_some(stat.st_rdev);
        let device = device.and_then(|device| misc_name(device, misc));
        let by = |names: &[&str]| names.contains(&last);
        // By what the kernel calls it, or, to be safe, by what somebody else does.
        if by(&HYPERCALLS)
            || device.is_some_and(|name| HYPERCALLS.iter().any(|it| name.ends_with(it)))
        {
            return Self::Hypercalls;
        }
        match (device, kind) {
            (Some(name), _) if DEVICES.contains(&name) => Self::Xen(name.to_owned()),
            _ if is_xenfs && by(&OWN_RING) => Self::Xen(last.to_owned()),
            _ if link == Path::new(LEDGER) => Self::Ledger,
            _ if (0..=2).contains(&number) || link == Path::new("/dev/null") => Self::Standard,
            (_, SFlag::S_IFSOCK) => Self::Socket,
            (_, SFlag::S_IFIFO) => Self::Pipe,
            _ if WAITING.iter().any(|what| link == Path::new(what)) => Self::Waiting,
            _ => Self::Other(link.to_owned()),
        }
    }

    fn is_the_stores(&self) -> bool {
        match self {
            Self::Standard | Self::Socket | Self::Waiting | Self::Ledger | Self::Xen(_) => true,
            Self::Pipe | Self::Hypercalls | Self::Other(_) => false,
        }
    }

    fn is_the_parents(&self) -> bool {
        match self {
            Self::Standard
            | Self::Socket
            | Self::Pipe
            | Self::Waiting
            | Self::Ledger
            | Self::Hypercalls => true,
            Self::Xen(_) | Self::Other(_) => false,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Standard => "the log and its like".into(),
            Self::Socket => "a socket".into(),
            Self::Pipe => "a pipe".into(),
            Self::Waiting => "something to wait with".into(),
            Self::Ledger => "the ledger".into(),
            Self::Xen(name) => name.clone(),
            Self::Hypercalls => "hypercalls".into(),
            Self::Other(link) => link.display().to_string(),
        }
    }
}

/// The name of a device that has no major of its own.
fn misc_name(device: u64, misc: &str) -> Option<&str> {
    if libc::major(device) != u32::try_from(MISC_MAJOR).ok()? {
        return None;
    }
    let minor = libc::minor(device).to_string();
    misc.lines().find_map(|line| {
        let (number, name) = line.trim().split_once(' ')?;
        (number == minor).then_some(name.trim())
    })
}

/// Every descriptor, counted by what it is; what isn't allowed, by its number.
fn look_at_handles(pid: i32, misc: &str, is_allowed: impl Fn(&Handle) -> bool) -> Look {
    let mut counted: Vec<(String, usize)> = Vec::new();
    let mut wrong = Vec::new();
    let folder = PathBuf::from(format!("/proc/{pid}/fd"));
    for entry in fs::read_dir(&folder)?.take(DESCRIPTORS_MAX) {
        let path = entry?.path();
        let number = path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse().ok());
        let number: RawFd = number.ok_or(io::ErrorKind::InvalidData)?;
        let (link, stat) = match (fs::read_link(&path), nix::sys::stat::stat(&path)) {
            (Ok(link), Ok(stat)) => (link, stat),
            // A client has left meanwhile.
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => continue,
            (_, Err(nix::errno::Errno::ENOENT)) => continue,
            (Err(error), _) => return Err(error),
            (_, Err(errno)) => return Err(errno.into()),
        };
        let is_xenfs = statfs(&path).is_ok_and(|found| found.filesystem_type() == XENFS);
        let handle = Handle::of(number, &link, &stat, is_xenfs, misc);
        let name = handle.name();
        if !is_allowed(&handle) {
            wrong.push(format!("{number} is {name}"));
        }
        match counted.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
    let counts = counted.iter().map(|(name, count)| format!("{count} of {name}"));
    let found = counts.collect::<Vec<_>>().join(", ");
    Ok((wrong.is_empty(), if wrong.is_empty() { found } else { wrong.join(", ") }))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::stat::fstat;

    use super::*;

    const MISC: &str =
        " 62 xen/hypercall\n 63 xen/privcmd\n125 xen/gntdev\n126 xen/evtchn\n130 watchdog\n";

    fn device(minor: u32) -> FileStat {
        let mut stat =
            fstat(fs::File::open("/dev/null").expect("it is there").as_fd()).expect("it is open");
        stat.st_rdev = libc::makedev(10, minor);
        stat
    }

    #[test]
    fn a_hypercall_device_is_known_by_its_number_whatever_it_is_called() {
        let of = |minor, link: &str| Handle::of(6, Path::new(link), &device(minor), false, MISC);
        assert_eq!(of(63, "/x/harmless"), Handle::Hypercalls);
        assert_eq!(of(62, "/dev/xen/hypercall"), Handle::Hypercalls);
        assert_eq!(of(126, "/dev/xen/evtchn"), Handle::Xen("xen/evtchn".into()));
        assert!(!of(130, "/dev/watchdog").is_the_stores());
        assert!(!of(9, "/dev/unnamed").is_the_stores());
    }

    #[test]
    fn an_older_kernels_file_is_known_by_its_name_and_its_file_system() {
        let file = fstat(tempfile().as_fd()).expect("it is open");
        let of = |link: &str, is_xenfs| Handle::of(8, Path::new(link), &file, is_xenfs, MISC);
        assert_eq!(of("/proc/xen/privcmd", true), Handle::Hypercalls);
        assert_eq!(of("/privcmd", false), Handle::Hypercalls);
        assert_eq!(of("/xsd_kva", true), Handle::Xen("xsd_kva".into()));
        assert!(!of("/tmp/xsd_kva", false).is_the_stores(), "anybody can call a file so");
    }

    #[test]
    fn of_inodes_without_a_file_only_those_to_wait_with_are_a_stores() {
        let file = fstat(tempfile().as_fd()).expect("it is open");
        let of = |link: &str| Handle::of(9, Path::new(link), &file, false, MISC);
        assert!(of("anon_inode:[eventpoll]").is_the_stores());
        assert!(!of("anon_inode:[io_uring]").is_the_stores());
    }

    #[test]
    fn the_standard_three_are_no_place_to_hide_a_handle() {
        let hidden = Handle::of(2, Path::new("/dev/xen/privcmd"), &device(63), false, MISC);
        assert!(!hidden.is_the_stores());
    }

    fn tempfile() -> fs::File {
        fs::File::open("/proc/self/exe").expect("this program's file")
    }
}
