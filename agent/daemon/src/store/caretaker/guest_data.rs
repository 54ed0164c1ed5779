//! A guest's `vm-data`: written for it, and read back from it, in bounds.

use std::collections::BTreeMap;

use xenstore_bucket::Cost;
use xenstore_client::ClientError;
use xenstore_wire::{Path, Permissions};

use super::Caretaker;
use crate::paths;
use crate::store::{Report, StoreFault, timely};
use crate::vm_data::{self, BYTES_MAX, DEPTH_MAX, NODES_MAX};

impl Caretaker {
    /// Writes and removes nodes of the guest's data, in a directory that the guest owns.
    pub(super) async fn change_data(
        &mut self,
        nodes: &BTreeMap<Path, Option<String>>,
    ) -> Result<(), StoreFault> {
        let domain = self.domain;
        let directory = paths::vm_data(domain);
        // A node that goes is looked at first.
        let operations: usize =
            nodes.values().map(|value| if value.is_some() { 1 } else { 2 }).sum();
        let outcome = self
            .transact(3 + operations, async |tree| {
                let is_guests = match tree.directory_optional(&directory).await? {
                    Some(_) => tree.permissions(&directory).await?.owner == domain,
                    None => {
                        tree.make_directory(&directory).await?;
                        false
                    }
                };
                // Whoever made it: the guest writes there.
                if !is_guests {
                    tree.set_permissions(&directory, &Permissions::private(domain)).await?;
                }
                for (path, value) in nodes {
                    let outcome = match value {
                        Some(value) => tree.write(path, value.as_bytes()).await,
                        None => match tree.read_optional(path).await? {
                            Some(_) => tree.remove(path).await,
                            None => Ok(()),
                        },
                    };
                    pass_refusal(outcome)?;
                }
                Ok(())
            })
            .await;
        // What stands there now is worth a look, whatever came of it.
        self.desk.guest_changed();
        outcome
    }

    /// Reads the guest's data, in bounds, and reports it.
    pub(super) async fn read_back(&mut self) -> Result<(), StoreFault> {
        let Some(generation) = self.desk.generation() else { return Ok(()) };
        let domain = self.domain;
        let mut found = BTreeMap::new();
        let mut unread = vec![(paths::vm_data(domain), 0)];
        let (mut nodes, mut bytes) = (0, 0);
        while let Some((path, depth)) = unread.pop() {
            self.pay(Cost::Operation).await?;
            let listing = timely(self.connections.guests.directory_optional(&path)).await?;
            let Some(children) = listing else {
                if depth == 0 {
                    return Ok(()); // no directory: the domain is going, or has none
                }
                continue;
            };
            nodes += 1;
            if depth > 0 {
                self.pay(Cost::Operation).await?;
                let value = timely(self.connections.guests.read_optional(&path)).await?;
                let text = value.and_then(|value| String::from_utf8(value).ok());
                // A node that only holds others together is no key of its own.
                if let (Some(key), Some(text)) = (vm_data::key(domain, &path), text)
                    && (children.is_empty() || !text.is_empty())
                {
                    bytes += key.len() + text.len();
                    found.insert(key, text);
                }
            }
            for name in &children {
                if let Ok(child) = path.child(name) {
                    unread.push((child, depth + 1));
                }
            }
            if nodes + unread.len() > NODES_MAX + 1 || bytes > BYTES_MAX || depth > DEPTH_MAX {
                return self.refuse_read_back();
            }
        }
        if self.desk.generation() == Some(generation) {
            let _ = self.reports.send(Report::ReadBack { domain, found, generation });
        }
        Ok(())
    }

    fn refuse_read_back(&mut self) -> Result<(), StoreFault> {
        if !std::mem::replace(&mut self.told_too_much, true) {
            let domain = self.domain;
            tracing::warn!(%domain, "vm-data is over its bounds: the guest's changes are not kept");
        }
        Ok(())
    }
}

/// A node that the store refuses doesn't stop the next one.
fn pass_refusal(outcome: Result<(), ClientError>) -> Result<(), ClientError> {
    match outcome {
        Err(error @ (ClientError::Disconnected(_) | ClientError::Malformed { .. })) => Err(error),
        Err(
            error @ (ClientError::Refused { .. }
            | ClientError::TooLong { .. }
            | ClientError::Connect { .. }
            | ClientError::Unlistable { .. }),
        ) => {
            tracing::debug!(error = %error, "a node of vm-data is left out");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
