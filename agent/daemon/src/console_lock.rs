//! xenconsole's lock: whoever holds it reads a domain's paravirtual console, and nobody else.
//!
//! The file is `xenconsole.<domid>`, locked by flock and deleted by xenconsole when it ends
//! (Xen, tools/console/client/main.c). The agent locks it and hands it to the converter, whose
//! descriptor holds it from then on.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xenstore_wire::DomainId;

/// How often a lock is tried that was deleted under our hands.
const TRIES_MAX: u32 = 8;

/// Why the lock is not held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another program reads the console.
    #[error("another program reads this console, such as \"xl console\": {} is locked", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The lock file can't be opened or locked.
    #[error("lock {}", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Takes the lock of a domain's console.
pub(crate) fn lock(folder: &Path, domain: DomainId) -> Result<OwnedFd, LockError> {
    let path = folder.join(format!("xenconsole.{domain}"));
    let fault = |source| LockError::Lock { path: path.clone(), source };
    for _ in 0..TRIES_MAX {
        let file = open(&path).map_err(fault)?;
        // The same flock that xenconsole takes; it goes with the last descriptor of this open file.
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Busy { path }),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        // xenconsole deletes the file at its end: then this is a lock on nothing.
        if is_at(&file, &path).map_err(fault)? {
            return Ok(file.into());
        }
    }
    Err(fault(io::ErrorKind::ResourceBusy.into()))
}

fn open(path: &Path) -> io::Result<File> {
    let file = open_or_make(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

fn open_or_make(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    // O_NONBLOCK: anybody may have put a FIFO into a folder like /tmp, which would be waited at.
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    options.write(true).mode(0o600).custom_flags(flags);
    match options.clone().create(true).truncate(false).open(path) {
        // In a folder like /tmp, the kernel may refuse O_CREAT for a file that is somebody else's
        // (fs.protected_regular).
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
        opened => opened,
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> DomainId {
        DomainId::new(7).unwrap()
    }

    #[test]
    fn one_reader_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path(), domain()).unwrap();
        let refused = lock(folder.path(), domain()).unwrap_err();
        assert!(matches!(refused, LockError::Busy { .. }), "{refused}");
        drop(held);
        assert!(lock(folder.path(), domain()).is_ok());
    }

    #[test]
    fn the_lock_goes_with_its_last_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path(), domain()).unwrap();
        let converters = held.try_clone().unwrap();
        drop(held);
        assert!(lock(folder.path(), domain()).is_err());
        drop(converters);
        assert!(lock(folder.path(), domain()).is_ok());
    }

    #[test]
    fn waits_at_no_fifo_and_locks_none() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("xenconsole.7");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(lock(folder.path(), domain()), Err(LockError::Lock { .. })));
        let _reader = File::options().read(true).write(true).open(&fifo).unwrap();
        assert!(matches!(lock(folder.path(), domain()), Err(LockError::Lock { .. })));
    }

    #[test]
    fn follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, folder.path().join("xenconsole.7")).unwrap();
        assert!(matches!(lock(folder.path(), domain()), Err(LockError::Lock { .. })));
        assert!(!target.exists());
    }
}
