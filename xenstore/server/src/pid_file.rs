//! The file that says which process serves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

/// A written file; it goes when it is dropped.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("write the process id to {path}")]
pub(crate) struct PidFileError {
    path: PathBuf,
    source: io::Error,
}

impl PidFile {
    pub(crate) fn write(path: &Path) -> Result<Self, PidFileError> {
        fs::write(path, format!("{}\n", process::id()))
            .map_err(|source| PidFileError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned() })
    }

    /// The file that the program before wrote, of the same process.
    pub(crate) fn inherit(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Nothing depends on it: the next server overwrites what is left.
        let _ = fs::remove_file(&self.path);
    }
}
