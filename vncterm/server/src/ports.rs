//! What a stand-alone console with `-x` reads from the store and writes there.

use std::os::fd::OwnedFd;

use vncterm_launch::{Disbelief, Terminal, believe};
use xenstore_wire::{Component, Path, PathRefusal};

use crate::xenstore::{Xenstore, XenstoreError};

/// Why the store was of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// The store said no, or nothing.
    #[error(transparent)]
    Store(#[from] XenstoreError),
    /// The folder is no path of the store.
    #[error("xenstore path {0:?}")]
    Path(String, #[source] PathRefusal),
    /// What the tty key names is not believed.
    #[error("open the tty that {0} names")]
    Tty(String, #[source] Disbelief),
}

/// Keys that were written, and are removed at the end. No connection is kept meanwhile: the store
/// may be restarted.
#[derive(Debug, Default)]
pub(crate) struct Published {
    keys: Vec<(Path, String)>,
}

impl Published {
    /// Writes the ports below `folder`: all of them, or none.
    pub(crate) fn publish(folder: &str, ports: (u16, Option<u16>)) -> Result<Self, PublishError> {
        let mut published = Self::default();
        match published.write(folder, ports) {
            Ok(()) => Ok(published),
            Err(error) => {
                // What went wrong first is what counts; if this fails too, it is for that reason.
                let _ = published.take_back();
                Err(error)
            }
        }
    }

    fn write(&mut self, folder: &str, (rfb, text): (u16, Option<u16>)) -> Result<(), PublishError> {
        let mut store = Xenstore::connect()?;
        for (key, port) in [("vnc-port", Some(rfb)), ("tc-port", text)] {
            let Some(port) = port else { continue };
            let path = key_below(folder, key)?;
            let value = port.to_string();
            // Noted first: a write whose answer is lost may have been done.
            self.keys.push((path.clone(), value.clone()));
            store.write(&path, &value)?;
        }
        Ok(())
    }

    /// Removes the keys that still hold what was written.
    pub(crate) fn take_back(self) -> Result<(), PublishError> {
        let mut store = Xenstore::connect()?;
        for (path, value) in &self.keys {
            if store.read(path)?.as_deref() == Some(value.as_bytes()) {
                store.remove(path)?;
            }
        }
        Ok(())
    }
}

/// Tells where the screen was saved, as `folder/statefile`. It stays: the file does too.
pub(crate) fn tell_state_file(folder: &str, path: &str) -> Result<(), PublishError> {
    let key = key_below(folder, "statefile")?;
    Ok(Xenstore::connect()?.write(&key, path)?)
}

/// Waits until `folder/tty` names a terminal, and opens it: the same checks as the agent's.
pub(crate) fn wait_for_tty(folder: &str) -> Result<OwnedFd, PublishError> {
    let path = key_below(folder, "tty")?;
    let mut store = Xenstore::connect()?;
    store.watch(&path)?;
    let value = loop {
        store.wait()?;
        // The toolstack writes an empty value first; xenconsoled fills it in.
        match store.read(&path)? {
            Some(value) if !value.is_empty() => break value,
            Some(_) | None => {}
        }
    };
    let refused = |error| PublishError::Tty(path.as_str().to_owned(), error);
    let permissions = store.permissions(&path)?;
    believe(&value, &permissions).and_then(Terminal::open).map_err(refused)
}

fn key_below(folder: &str, key: &str) -> Result<Path, PublishError> {
    let refused = |error| PublishError::Path(folder.to_owned(), error);
    let name = Component::parse(key.as_bytes()).map_err(refused)?;
    Path::parse(folder.as_bytes()).and_then(|path| path.child(&name)).map_err(refused)
}
