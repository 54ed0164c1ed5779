//! The resource limits that a plan sets, and what the kernel calls them on its two sides.
//!
//! Their values are not here: those are a plan's.

use nix::sys::resource::Resource;

/// A resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Bytes of a core dump.
    Core,
    /// Bytes of memory that may be locked.
    LockedMemory,
    /// Bytes of POSIX message queues.
    MessageQueues,
    /// Locks on files.
    FileLocks,
    /// Bytes of a file that is written.
    FileSize,
    /// Open descriptors, and with them the highest number.
    OpenFiles,
    /// Bytes of address space.
    AddressSpace,
    /// Processes and threads of the user.
    Processes,
}

impl Limit {
    /// Every limit, in the order in which a plan lists them.
    pub const ALL: [Self; 8] = [
        Self::Core,
        Self::LockedMemory,
        Self::MessageQueues,
        Self::FileLocks,
        Self::FileSize,
        Self::OpenFiles,
        Self::AddressSpace,
        Self::Processes,
    ];

    /// What it counts, in the plural.
    #[must_use]
    pub fn noun(self) -> &'static str {
        self.names().2
    }

    /// What `setrlimit` calls it.
    pub(crate) fn resource(self) -> Resource {
        self.names().0
    }

    /// What `/proc/<pid>/limits` calls it (fs/proc/base.c, `lnames`).
    pub(crate) fn proc_name(self) -> &'static str {
        self.names().1
    }

    /// The one table: for `setrlimit`, in `/proc`, for people.
    fn names(self) -> (Resource, &'static str, &'static str) {
        match self {
            Self::Core => (Resource::RLIMIT_CORE, "Max core file size", "bytes in a core dump"),
            Self::LockedMemory => {
                (Resource::RLIMIT_MEMLOCK, "Max locked memory", "bytes of locked memory")
            }
            Self::MessageQueues => {
                (Resource::RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes of message queues")
            }
            Self::FileLocks => (Resource::RLIMIT_LOCKS, "Max file locks", "file locks"),
            Self::FileSize => (Resource::RLIMIT_FSIZE, "Max file size", "bytes in a written file"),
            Self::OpenFiles => (Resource::RLIMIT_NOFILE, "Max open files", "open descriptors"),
            Self::AddressSpace => {
                (Resource::RLIMIT_AS, "Max address space", "bytes of address space")
            }
            Self::Processes => {
                (Resource::RLIMIT_NPROC, "Max processes", "further processes and threads")
            }
        }
    }
}
