//! A root that is empty but for the devices that a program opens late, and that nothing can be
//! written to.
//!
//! It lies in this process's own mount namespace: outside, its directory stays empty. Who changes
//! to it is not here.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, lstat, mknod};
use nix::unistd::{self, chown, mkdir};

use crate::identity::Uid;

/// A page for each directory and some to spare; inodes for two directories, and a few devices.
const OPTIONS: &str = "size=64k,nr_inodes=16,mode=0555";
/// Everybody may pass and nobody may write: root does not need to be able to.
const DIRECTORY: Mode = Mode::from_bits_truncate(0o555);
/// Its owner alone, as outside.
const DEVICE: Mode = Mode::from_bits_truncate(0o600);

/// A root for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Where it is mounted; made if it is not there.
    pub directory: PathBuf,
    /// Devices of the host that are in it under the same paths, each below `/dev`.
    pub devices: Vec<PathBuf>,
    /// Who owns those devices.
    pub owner: Uid,
}

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Mounts would still have reached the namespace outside.
    #[error("keep mounts from the host")]
    Follow(#[source] Errno),
    /// The directory could not be made.
    #[error("make {path}")]
    Make {
        /// Its path.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// The tmpfs could not be mounted, or not be made read-only.
    #[error("mount an empty root at {path}")]
    Mount {
        /// Where.
        path: String,
        /// The cause.
        source: Errno,
    },
    /// The host has no such device.
    #[error("find the device {path}")]
    Find {
        /// Its path.
        path: String,
        /// The cause.
        source: Errno,
    },
    /// What has the device's name is none, or lies elsewhere than below `/dev`.
    #[error("{path} is no device")]
    NoDevice {
        /// Its path.
        path: String,
    },
    /// A device could not be made.
    #[error("make the device {path}")]
    Device {
        /// Its path.
        path: String,
        /// The cause.
        source: Errno,
    },
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What the host mounts is seen here, and what is mounted here is not seen there.
pub(super) fn follow_the_host() -> Result<(), StageError> {
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE).map_err(StageError::Follow)
}

impl Stage {
    pub(super) fn set(&self) -> Result<(), StageError> {
        let place = &self.directory;
        let failed = |source| StageError::Mount { path: shown(place), source };
        std::fs::create_dir_all(place)
            .map_err(|source| StageError::Make { path: shown(place), source })?;
        let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        if self.devices.is_empty() {
            flags |= MsFlags::MS_NODEV;
        }
        mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(OPTIONS)).map_err(failed)?;
        for device in &self.devices {
            self.place(device)?;
        }
        // A device can be opened for writing all the same.
        let read_only = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(None::<&str>, place, None::<&str>, read_only, None::<&str>).map_err(failed)
    }

    /// Makes one device, and the directories on the way to it.
    fn place(&self, device: &Path) -> Result<(), StageError> {
        let path = || shown(device);
        let below = device.strip_prefix("/").ok().filter(|below| below.starts_with("dev"));
        let below = below.ok_or_else(|| StageError::NoDevice { path: path() })?;
        // The link itself, if it is one: then it is no device.
        let found = lstat(device).map_err(|source| StageError::Find { path: path(), source })?;
        if found.st_mode & libc::S_IFMT != libc::S_IFCHR {
            return Err(StageError::NoDevice { path: path() });
        }
        let failed = |source| StageError::Device { path: path(), source };
        let made = self.directory.join(below);
        for directory in below.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
            match mkdir(&self.directory.join(directory), DIRECTORY) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(source) => return Err(failed(source)),
            }
        }
        mknod(&made, SFlag::S_IFCHR, DEVICE, found.st_rdev).map_err(failed)?;
        let owner = self.owner.number();
        chown(&made, Some(unistd::Uid::from_raw(owner)), Some(unistd::Gid::from_raw(owner)))
            .map_err(failed)
    }
}
