//! Going on where a xenstored of another make ended that has run this program for a live update.
//!
//! What it has left is found in `predecessor`, and its state is read by the store's process.

use std::fs;

use super::{Parent, ParentError};
use crate::listener::{self, Listener, Named};
use crate::options::Options;
use crate::predecessor::Predecessor;

impl Parent {
    /// Starts a store that goes on from what was left. The state's file stays where it is if that fails,
    /// and is named.
    pub(crate) fn take_over(
        left: Predecessor,
        options: &Options,
    ) -> Result<(Self, Listener), ParentError> {
        let Predecessor { state, path, listener, clients } = left;
        let named = |source| ParentError::TakeOver { path: path.clone(), source: Box::new(source) };
        let parent = Self::begin(options, Some(state.into()), clients).map_err(named)?;
        let listener = match listener {
            Some((socket, name)) => Listener::inherit(socket, name, options.uids),
            // Nobody is connected, and everybody may come again.
            None => listener::path_from_environment()
                .and_then(|path| Named::bind(&path, options.uids)?.listen())
                .map_err(ParentError::Listener)?,
        };
        // From here on the ledger has it. What stays would only mislead a later start.
        if let Err(error) = fs::remove_file(&path) {
            eprintln!("xenstored: remove {}: {error}", path.display());
        }
        Ok((parent, listener))
    }
}
