//! The state file of a stand-alone console: a copy of the saved screen, where XenServer's vncterm has it.
//!
//! This process copies the bytes and does not look at them; `-l` hands them to the next converter,
//! which parses them confined.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use vncterm_screen::SAVE_MAX;

/// Below it each console has a folder, named by its pid.
const FOLDER: &str = "/var/xen/vncterm";

/// The file's name, and its name until it is whole.
const NAME: &str = "vncterm.statefile";
const UNFINISHED: &str = "vncterm.statefile.new";

/// Copies what a converter has saved into this process's state file; gives its path.
pub(crate) fn keep(saved: &File) -> io::Result<PathBuf> {
    let folder = Path::new(FOLDER).join(std::process::id().to_string());
    keep_below(&folder, saved)
}

fn keep_below(folder: &Path, saved: &File) -> io::Result<PathBuf> {
    // Read at places of its own: the descriptor's position is the converter's as well.
    let mut bytes = vec![0; SAVE_MAX];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match saved.read_at(rest, u64::try_from(length).map_err(io::Error::other)?)? {
            0 => break,
            read => length += read,
        }
    }
    // What a guest has printed is for root's eyes.
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (path, unfinished) = (folder.join(NAME), folder.join(UNFINISHED));
    // One that was left half-written, or put there by somebody else, gives way.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes.get(..length).unwrap_or_default())?;
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_state_file_is_whole_roots_alone_and_replaced_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("7/8");
        for text in ["a longer screen", "short"] {
            let mut saved = tempfile::tempfile().unwrap();
            saved.write_all(text.as_bytes()).unwrap();
            let path = keep_below(&below, &saved).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_dir(&below).unwrap().count(), 1);
        }
    }
}
