//! Waits until the agent has filled a domain's `vm-data`.
//!
//! The agent makes the directory in one transaction with everything in it: once it is there, all
//! of it is.

use std::time::Duration;

use tokio::time::timeout;
use xenstore_client::wire::{DomainId, Name, Path, Token, Watch};
use xenstore_client::{Client, ClientError, socket_path};

/// What the watch is called: there is no other.
const TOKEN: &[u8] = b"vm-data";

/// Why it is not known to be filled.
#[derive(Debug, thiserror::Error)]
pub(super) enum FillError {
    /// The store can't be asked.
    #[error(transparent)]
    Store(#[from] ClientError),
    /// There is no runtime to wait in.
    #[error("wait for the store: {0}")]
    Runtime(#[from] std::io::Error),
    /// The agent was too slow.
    #[error("the agent has not written it within {} s", .0.as_secs())]
    Late(Duration),
    /// The store has gone meanwhile.
    #[error("the store has gone")]
    Gone,
}

/// Waits until a domain's `vm-data` is there, as long as is allowed.
pub(super) fn wait_until_filled(domain: DomainId, limit: Duration) -> Result<(), FillError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let waiting = runtime.block_on(async { timeout(limit, filled(domain)).await });
    waiting.unwrap_or(Err(FillError::Late(limit)))
}

async fn filled(domain: DomainId) -> Result<(), FillError> {
    let (store, mut events) = Client::connect(socket_path()).await?;
    let directory = Path::parse(format!("{}/vm-data", domain.home()).as_bytes())
        .expect("a number makes a path");
    let token = Token::new(TOKEN).expect("a plain token");
    store.watch(&Watch { name: Name::Absolute(directory.clone()), token }).await?;
    // The watch's first event comes at once.
    while events.next().await.is_some() {
        if store.directory_optional(&directory).await?.is_some() {
            return Ok(());
        }
    }
    Err(FillError::Gone)
}
