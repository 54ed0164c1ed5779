//! How far a handle reaches, as a type; opening a node; and why a handle is not to be had.
//!
//! What can be done within a scope is said by each kind of handle.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;

use super::guest::Guest;

/// Just opened: nothing was bound or mapped with it.
#[derive(Debug)]
pub struct Fresh(pub(super) ());

/// As far as the node itself reaches: as good as root.
#[derive(Debug)]
pub struct Unrestricted(pub(super) ());

/// To one guest, until it is closed; tried before it was handed out.
#[derive(Debug)]
pub struct Restricted(pub(super) Guest);

impl Restricted {
    /// The guest.
    #[must_use]
    pub fn guest(&self) -> Guest {
        self.0
    }
}

/// A scope in which a handle is used: every one but [`Fresh`].
pub trait Scope: sealed::Sealed {}

impl Scope for Unrestricted {}
impl Scope for Restricted {}

mod sealed {
    /// Nobody else defines scopes.
    pub trait Sealed {}

    impl Sealed for super::Unrestricted {}
    impl Sealed for super::Restricted {}
}

/// A handle that is not to be had. Where there was a descriptor, it is closed.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The node could not be opened. It is absent where no Xen runs, and root's alone where one does.
    #[error("open {path}")]
    Open {
        /// Its path.
        path: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The kernel did not restrict it.
    #[error("restrict a handle of {path} to domain {guest}")]
    Restrict {
        /// The node's path.
        path: &'static str,
        /// The guest.
        guest: Guest,
        /// The cause; `ENOTTY` or `ENOSYS` from a kernel that has no restriction.
        source: Errno,
    },
    /// It was said to be restricted, and something that must be refused was not.
    #[error("a handle of {path} restricted to domain {guest} may {deed}: {found}")]
    Unproven {
        /// The node's path.
        path: &'static str,
        /// The guest.
        guest: Guest,
        /// What was tried.
        deed: &'static str,
        /// What came of it.
        found: Outcome,
    },
}

/// What came of a call that must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It failed, but was not refused.
    Failed(Errno),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("it was carried out"),
            Self::Failed(errno) => write!(f, "it was not refused, but failed: {errno}"),
        }
    }
}

/// One call that must be refused, what it tries, and what it came to.
pub(super) struct Attempt {
    pub(super) deed: &'static str,
    pub(super) refusal: Errno,
    pub(super) result: Result<(), Errno>,
}

/// Every attempt was refused, in the very way that the restriction refuses.
pub(super) fn prove(
    path: &'static str,
    guest: Guest,
    attempts: impl IntoIterator<Item = Attempt>,
) -> Result<(), HandleError> {
    for Attempt { deed, refusal, result } in attempts {
        let found = match result {
            Err(errno) if errno == refusal => continue,
            Ok(()) => Outcome::Done,
            Err(errno) => Outcome::Failed(errno),
        };
        return Err(HandleError::Unproven { path, guest, deed, found });
    }
    Ok(())
}

/// Opens the first of these paths that is there, for reading and writing.
pub(super) fn open(
    paths: &[&'static str],
    flags: libc::c_int,
) -> Result<(&'static str, File), HandleError> {
    let mut absent = None;
    for &path in paths {
        match File::options().read(true).write(true).custom_flags(flags).open(path) {
            Ok(file) => return Ok((path, file)),
            Err(source) => {
                let goes_on = source.kind() == io::ErrorKind::NotFound;
                let error = HandleError::Open { path, source };
                if !goes_on {
                    return Err(error);
                }
                // The first path is the usual one: people know it.
                absent.get_or_insert(error);
            }
        }
    }
    Err(absent.unwrap_or(HandleError::Open { path: "", source: io::ErrorKind::NotFound.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(result: Result<(), Errno>) -> Result<(), HandleError> {
        let refused = Attempt { deed: "bind", refusal: Errno::EACCES, result: Err(Errno::EACCES) };
        let tried = Attempt { deed: "make a hypercall", refusal: Errno::EPERM, result };
        prove("/dev/xen/privcmd", Guest::new(7).unwrap(), [refused, tried])
    }

    #[test]
    fn only_the_right_refusal_is_one() {
        assert!(attempt(Err(Errno::EPERM)).is_ok());
        assert_eq!(
            attempt(Ok(())).unwrap_err().to_string(),
            "a handle of /dev/xen/privcmd restricted to domain 7 may make a hypercall: it was carried out"
        );
        // A call that fails because its arguments are bad says nothing about restriction.
        for errno in [Errno::EINVAL, Errno::ENOTTY, Errno::ENOSYS, Errno::EACCES] {
            assert!(matches!(
                attempt(Err(errno)),
                Err(HandleError::Unproven { found: Outcome::Failed(found), .. }) if found == errno
            ));
        }
    }

    #[test]
    fn a_missing_node_is_named_by_its_usual_path() {
        let error = open(&["/nonexistent/a", "/nonexistent/b"], 0).unwrap_err();
        assert_eq!(error.to_string(), "open /nonexistent/a");
        assert!(matches!(error, HandleError::Open { source, .. }
            if source.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn the_second_path_stands_in_for_the_first() {
        let (path, _file) = open(&["/nonexistent/a", "/dev/zero"], 0).unwrap();
        assert_eq!(path, "/dev/zero");
    }

    #[test]
    fn another_error_than_absence_ends_the_search() {
        let error = open(&["/proc", "/dev/zero"], 0).unwrap_err();
        assert!(matches!(error, HandleError::Open { path: "/proc", .. }));
    }
}
