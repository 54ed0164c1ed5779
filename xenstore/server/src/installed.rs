//! The one program that a live update runs: where this one is installed, if nobody but root could have
//! put it there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the group and others could write with.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// A folder that others may write to, but where they can't replace what is root's.
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o100;

/// Why it is not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstalledError {
    #[error("look at {path}")]
    Look { path: PathBuf, source: io::Error },
    #[error("{path} is no program")]
    NoProgram { path: PathBuf },
    #[error("{path} is not root's alone to change")]
    Anybodys { path: PathBuf },
}

/// Where this program is installed: the path that it was run by, though another may be there by now.
pub(crate) fn path() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/exe")
}

/// Sees that a program, and every folder on the way to it, is root's and writable by nobody else: then
/// what is looked at now is what is run afterwards, but for what root does.
pub(crate) fn look_at(path: &Path) -> Result<(), InstalledError> {
    for place in path.ancestors() {
        let failed = |source| InstalledError::Look { path: place.to_owned(), source };
        // Links are not followed: the path was found without any.
        let found = fs::symlink_metadata(place).map_err(failed)?;
        let is_program = place == path;
        if is_program && !(found.is_file() && found.mode() & EXECUTABLE != 0) {
            return Err(InstalledError::NoProgram { path: place.to_owned() });
        }
        let is_guarded = found.mode() & WRITABLE_BY_OTHERS == 0
            || (found.is_dir() && found.mode() & STICKY != 0);
        if found.file_type().is_symlink() || found.uid() != 0 || !is_guarded {
            return Err(InstalledError::Anybodys { path: place.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn only_what_root_alone_can_change_is_run() {
        assert!(nix::unistd::geteuid().is_root(), "xenstored serves root: run these tests as root");
        let folder = tempfile::tempdir().expect("a folder");
        let open = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        };
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        let program = bin.join("program");
        assert!(matches!(look_at(&program), Err(InstalledError::Look { .. })));
        fs::write(&program, "x").expect("a file");
        open(&program, 0o644);
        assert!(matches!(look_at(&program), Err(InstalledError::NoProgram { .. })));
        open(&program, 0o755);
        look_at(&program).expect("it is root's alone");
        open(&program, 0o775);
        assert!(matches!(look_at(&program), Err(InstalledError::Anybodys { .. })));
        open(&program, 0o755);
        open(&bin, 0o777);
        let refused = look_at(&program);
        assert!(matches!(&refused, Err(InstalledError::Anybodys { path }) if *path == bin));
        open(&bin, 0o1777);
        look_at(&program).expect("nobody else can replace it there");
        chown(&program, Some(1), None).expect("we are root");
        assert!(matches!(look_at(&program), Err(InstalledError::Anybodys { .. })));
        let link = folder.path().join("link");
        symlink("bin", &link).expect("a link");
        assert!(look_at(&link.join("program")).is_err());
    }
}
