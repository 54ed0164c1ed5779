//! The screen file: a descriptor that the converter was given, written when the screen is saved.
//!
//! What was read from it is bounded by its own size limit, and parsed only after confinement.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use vncterm_screen::{LoadError, Screen};

/// The largest saved screen, in bytes: the file size limit of the converter's plan.
const SIZE_MAX: u64 = 1 << 20;

/// An open screen file.
#[derive(Debug)]
pub(crate) struct ScreenFile(File);

/// Why a saved screen is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file can't be read.
    #[error("read the saved screen: {0}")]
    Io(#[from] io::Error),
    /// The file holds something else.
    #[error("load the saved screen: {0}")]
    Load(#[from] LoadError),
}

impl ScreenFile {
    /// Takes the descriptor.
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    /// The saved screen; `None` when nothing was saved yet.
    pub(crate) fn load(&mut self) -> Result<Option<Screen>, ReadError> {
        let mut bytes = Vec::new();
        self.0.seek(SeekFrom::Start(0))?;
        (&self.0).take(SIZE_MAX).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some(Screen::load(&bytes)?))
    }

    /// Replaces what was saved. A reader of a half-written file is refused by its checksum.
    pub(crate) fn save(&mut self, screen: &Screen) -> io::Result<()> {
        let bytes = screen.save();
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&bytes)?;
        self.0.set_len(bytes.len().try_into().map_err(io::Error::other)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_screen_comes_back_and_a_shorter_one_replaces_a_longer() {
        let mut file = ScreenFile::new(tempfile::tempfile().unwrap());
        assert!(file.load().unwrap().is_none());
        let mut screen = Screen::new(80, 24, 100);
        for line in 0..100 {
            screen.feed(format!("line {line}\r\n").as_bytes());
        }
        file.save(&screen).unwrap();
        assert_eq!(file.load().unwrap().unwrap().text(), screen.text());
        let mut small = Screen::new(80, 24, 100);
        small.feed(b"short");
        file.save(&small).unwrap();
        assert_eq!(file.load().unwrap().unwrap().text(), small.text());
    }

    #[test]
    fn a_foreign_file_is_refused_with_a_reason() {
        let mut raw = tempfile::tempfile().unwrap();
        raw.write_all(b"#!/bin/sh\n").unwrap();
        let refused = ScreenFile::new(raw).load().unwrap_err();
        assert!(refused.to_string().starts_with("load the saved screen: "));
    }
}
