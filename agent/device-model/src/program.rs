//! Finds QEMU, and refuses one that anybody but root could have put there or changed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where distributions have the QEMU that knows Xen: Debian, Xen's own builds, Fedora and SUSE.
const USUAL: [&str; 6] = [
    "/usr/libexec/xen-qemu-system-i386",
    "/usr/lib/xen/bin/qemu-system-i386",
    "/usr/lib64/xen/bin/qemu-system-i386",
    "/usr/libexec/xen/bin/qemu-system-i386",
    "/usr/local/lib/xen/bin/qemu-system-i386",
    "/usr/bin/qemu-system-i386",
];

/// Writing by the group and by others; and the mark by which only owners remove entries.
const WRITABLE: u32 = 0o022;
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o111;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("find QEMU: none of {} is there", USUAL.join(", "))]
    Nowhere,
    #[error("find QEMU at {path}")]
    Find { path: String, source: io::Error },
    #[error("{0} is no executable file")]
    NotExecutable(String),
    #[error("{path} is not root's alone: {what}")]
    NotRoots { path: String, what: &'static str },
}

/// QEMU's file: `wanted`, or the first of the usual ones that is there.
pub(crate) fn find(wanted: Option<&Path>) -> Result<PathBuf, ProgramError> {
    let usual = || USUAL.iter().map(Path::new).find(|path| path.exists());
    let path = wanted.or_else(usual).ok_or(ProgramError::Nowhere)?;
    let find = |source| ProgramError::Find { path: path.display().to_string(), source };
    // Without links, each of which anybody could have made.
    let path = path.canonicalize().map_err(find)?;
    let file = fs::metadata(&path).map_err(find)?;
    if !file.is_file() || file.mode() & EXECUTABLE == 0 {
        return Err(ProgramError::NotExecutable(path.display().to_string()));
    }
    for part in path.ancestors() {
        let found = fs::metadata(part).map_err(find)?;
        if let Some(what) = flaw(found.uid(), found.mode(), found.is_dir()) {
            return Err(ProgramError::NotRoots { path: part.display().to_string(), what });
        }
    }
    Ok(path)
}

/// How somebody but root could exchange this file, or an entry of this directory.
fn flaw(owner: u32, mode: u32, is_directory: bool) -> Option<&'static str> {
    // Of a sticky directory nobody removes an entry that is root's, as the next part is found to be.
    let is_guarded = is_directory && mode & STICKY != 0;
    match (owner, mode & WRITABLE) {
        (0, 0) => None,
        (0, _) if is_guarded => None,
        (0, _) => Some("others may write to it"),
        (_, _) => Some("another user owns it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_root_alone_can_change_is_believed() {
        assert_eq!(flaw(0, 0o755, false), None);
        assert_eq!(flaw(0, 0o1777, true), None);
        assert_eq!(flaw(0, 0o1777, false), Some("others may write to it"));
        assert_eq!(flaw(0, 0o775, true), Some("others may write to it"));
        assert_eq!(flaw(0, 0o757, false), Some("others may write to it"));
        assert_eq!(flaw(1000, 0o755, true), Some("another user owns it"));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let refused = |path: &str| find(Some(Path::new(path))).unwrap_err().to_string();
        assert_eq!(refused("/nonexistent/qemu"), "find QEMU at /nonexistent/qemu");
        assert_eq!(refused("/etc/passwd"), "/etc/passwd is no executable file");
        assert_eq!(refused("/"), "/ is no executable file");
    }
}
