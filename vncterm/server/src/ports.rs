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

/// Keys that were written, and are removed at the end.
#[derive(Debug)]
pub(crate) struct Published {
    store: Xenstore,
    keys: Vec<(Path, String)>,
}

impl Published {
    /// Writes the ports below `folder`.
    pub(crate) fn publish(
        folder: &str,
        (rfb, text): (u16, Option<u16>),
    ) -> Result<Self, PublishError> {
        let mut published = Self { store: Xenstore::connect()?, keys: Vec::new() };
        for (key, port) in [("vnc-port", Some(rfb)), ("tc-port", text)] {
            let Some(port) = port else { continue };
            let path = key_below(folder, key)?;
            published.store.write(&path, &port.to_string())?;
            published.keys.push((path, port.to_string()));
        }
        Ok(published)
    }

    /// Removes the keys that still hold what was written.
    pub(crate) fn take_back(mut self) -> Result<(), PublishError> {
        for (path, value) in &self.keys {
            if self.store.read(path)?.as_deref() == Some(value.as_bytes()) {
                self.store.remove(path)?;
            }
        }
        Ok(())
    }
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
