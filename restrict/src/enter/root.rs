//! An empty root: a tmpfs that nothing can be written to, in a mount namespace that has no other.
//!
//! `chroot` is not used: a process that holds a directory from outside leaves it again.

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, mkdir, pivot_root};

use crate::plan::SHOWN;

/// Where the new root is mounted before it becomes the root: the one directory that is surely
/// there, as the program was executed through it. It is covered in this mount namespace only.
const COVERED: &str = "/proc";
/// The least that tmpfs takes: one page, and one inode besides the root's.
const OPTIONS: &str = "size=4k,nr_inodes=3,mode=0555";

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Mounts would still have reached the namespace outside.
    #[error("make every mount private")]
    Private(#[source] Errno),
    /// The tmpfs could not be mounted.
    #[error("mount an empty tmpfs")]
    Mount(#[source] Errno),
    /// The host's folder can't be shown in it.
    #[error("show the host's folder in the new root")]
    Show(#[source] Errno),
    /// The tmpfs could not be entered.
    #[error("enter the empty tmpfs")]
    Enter(#[source] Errno),
    /// The roots could not be exchanged. An initramfs as the root cannot be.
    #[error("make the empty tmpfs the root")]
    Pivot(#[source] Errno),
    /// The old root could not be left.
    #[error("detach the old root")]
    Detach(#[source] Errno),
    /// The working directory could not be made the new root.
    #[error("change to the new root")]
    Change(#[source] Errno),
}

pub(super) fn empty_and_pivot(shown: Option<&Path>) -> Result<(), RootError> {
    const NONE: Option<&str> = None;
    // Before anything is mounted: a shared mount would carry it to the host.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)
        .map_err(RootError::Private)?;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Read-only from its first moment where nothing ever needs to be made in it.
    let flags = if shown.is_some() { safe } else { safe | MsFlags::MS_RDONLY };
    mount(Some("tmpfs"), COVERED, Some("tmpfs"), flags, Some(OPTIONS)).map_err(RootError::Mount)?;
    if let Some(shown) = shown {
        show(shown, safe).map_err(RootError::Show)?;
    }
    chdir(COVERED).map_err(RootError::Enter)?;
    // The old root is put on top of the new one, which spares a directory for it (pivot_root(2)).
    pivot_root(".", ".").map_err(RootError::Pivot)?;
    // "." is the old root now: the mount that lies on top.
    umount2(".", MntFlags::MNT_DETACH).map_err(RootError::Detach)?;
    chdir("/").map_err(RootError::Change)
}

/// Shows one folder of the host in the new root, then makes both read-only.
fn show(shown: &Path, safe: MsFlags) -> Result<(), Errno> {
    const NONE: Option<&str> = None;
    let place = format!("{COVERED}{SHOWN}");
    mkdir(place.as_str(), Mode::from_bits_truncate(0o555))?;
    mount(Some(shown), place.as_str(), NONE, MsFlags::MS_BIND, NONE)?;
    // A bind mount takes its flags by a second call only (mount(2)).
    let again = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | safe;
    mount(NONE, place.as_str(), NONE, again, NONE)?;
    mount(NONE, COVERED, NONE, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | safe, NONE)
}
