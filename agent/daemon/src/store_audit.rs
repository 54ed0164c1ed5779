//! Whose process serves the store, and whether it is confined, where it is ours.
//!
//! Who listens at the socket is what the kernel says of the connection; what must hold of a store of
//! ours is `restrict`'s.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use restrict::look_at_store;
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use xenwarden_model::{Property, StoreAudit};

use crate::config::Config;

/// How long a store may take to let the agent in.
const CONNECTED_WITHIN: Duration = Duration::from_secs(2);
/// What the kernel adds to the path of a program whose file was replaced.
const REPLACED: &str = " (deleted)";

/// Where to look.
#[derive(Debug)]
pub(crate) struct StoreSite {
    socket: PathBuf,
    /// Our store's program.
    program: PathBuf,
}

impl StoreSite {
    /// Our programs lie beside each other.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            socket: config.xenstore.socket.clone(),
            program: config.converters.program.with_file_name("xenstored"),
        }
    }

    /// Looks now.
    pub(crate) async fn audit(self) -> StoreAudit {
        let unseen = |why: String| StoreAudit::Unseen { why };
        let connection = match timeout(CONNECTED_WITHIN, UnixStream::connect(&self.socket)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                return unseen(format!("connect to {}: {error}", self.socket.display()));
            }
            Err(_) => return unseen(format!("{} lets nobody in", self.socket.display())),
        };
        // Who called listen(), which the kernel notes at the socket.
        let listener = connection.peer_cred().ok().and_then(|who| who.pid()).filter(|pid| *pid > 0);
        let Some(listener) = listener else {
            return unseen("the kernel doesn't say who listens".to_owned());
        };
        let looked = spawn_blocking(move || look(listener, &self.program)).await;
        match looked.map_err(io::Error::other).and_then(|found| found) {
            Ok(found) => found,
            Err(error) => unseen(format!("look at process {listener}: {error}")),
        }
    }
}

fn look(listener: i32, ours: &Path) -> io::Result<StoreAudit> {
    let program = fs::read_link(format!("/proc/{listener}/exe"))?.display().to_string();
    let program = program.strip_suffix(REPLACED).unwrap_or(&program).to_owned();
    let ours = ours.canonicalize().unwrap_or_else(|_| ours.to_owned());
    if Path::new(&program) != ours {
        return Ok(StoreAudit::Other { pid: listener, program });
    }
    let found = look_at_store(listener)?;
    let property = |found: &restrict::Property| Property {
        name: found.name.to_owned(),
        claim: found.claim.clone(),
        holds: found.holds,
        found: found.found.clone(),
    };
    Ok(StoreAudit::Own {
        parent: listener,
        pid: found.store,
        properties: found.attestation.properties().iter().map(property).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::env::current_exe;
    use std::process;

    use super::*;

    #[tokio::test]
    async fn anothers_store_is_named_by_who_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let program = folder.path().join("xenstored");
        let site = |program: PathBuf| StoreSite { socket: socket.clone(), program };
        let nobody = site(program.clone()).audit().await;
        assert!(matches!(nobody, StoreAudit::Unseen { .. }), "{nobody:?}");
        let _listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let own = current_exe().expect("this program").display().to_string();
        let pid = i32::try_from(process::id()).expect("a pid");
        let found = site(program).audit().await;
        assert_eq!(found, StoreAudit::Other { pid, program: own });
    }

    #[tokio::test]
    async fn a_process_of_ours_that_has_no_store_of_its_own_does_not_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let _listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let program = current_exe().expect("this program");
        let found = StoreSite { socket, program }.audit().await;
        assert!(matches!(found, StoreAudit::Own { .. }) && !found.holds(), "{found:?}");
    }
}
