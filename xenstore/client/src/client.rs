//! A connection to the store, as its user sees it.

use std::num::NonZeroU32;
use std::ops::Deref;
use std::path::Path as FilePath;
use std::sync::Arc;

use tokio::net::UnixStream;
use xenstore_wire::{DomainId, ErrorCode, Path, Reply, Request, TransactionId, Watch};

use crate::connection::{self, unexpected};
use crate::error::ClientError;
use crate::events::Events;
use crate::transaction::Transaction;
use crate::tree::Tree;

/// A connection to the store; its operations on nodes, outside of any transaction, are those of
/// [`Tree`].
///
/// Clones share the connection, which is closed when the last of them and of their transactions
/// has gone.
#[derive(Clone, Debug)]
pub struct Client {
    tree: Tree,
}

impl Client {
    /// Connects to the store. The connection's task runs on the current runtime, of either
    /// flavour.
    pub async fn connect(socket: impl AsRef<FilePath>) -> Result<(Self, Events), ClientError> {
        let socket = socket.as_ref();
        let stream = UnixStream::connect(socket).await.map_err(|error| ClientError::Connect {
            socket: socket.to_owned(),
            source: Arc::new(error),
        })?;
        Ok(Self::from_stream(stream))
    }

    /// Speaks over a stream that is connected already. Call it from within a runtime.
    #[must_use]
    pub fn from_stream(stream: UnixStream) -> (Self, Events) {
        let (connection, events) = connection::start(stream);
        (Self { tree: Tree { connection, transaction: TransactionId::NONE } }, events)
    }

    /// Resolves when the connection has ended.
    pub async fn closed(&self) {
        self.tree.connection.closed().await;
    }

    /// Asks to hear of changes. One event comes at once, and says that the watch is there.
    pub async fn watch(&self, watch: &Watch) -> Result<(), ClientError> {
        self.order(Request::Watch(watch.clone())).await
    }

    /// Takes a watch back. Its events that wait already are still handed out.
    pub async fn unwatch(&self, watch: &Watch) -> Result<(), ClientError> {
        self.order(Request::Unwatch(watch.clone())).await
    }

    /// Drops every watch and every transaction of the connection.
    pub async fn reset_watches(&self) -> Result<(), ClientError> {
        self.order(Request::ResetWatches).await
    }

    /// Tells the store of a new domain: the guest frame of its ring, and its event channel.
    pub async fn introduce(
        &self,
        domain: DomainId,
        frame: u64,
        port: u32,
    ) -> Result<(), ClientError> {
        self.order(Request::Introduce { domain, frame, port }).await
    }

    /// Tells the store that a domain has gone.
    pub async fn release(&self, domain: DomainId) -> Result<(), ClientError> {
        self.order(Request::Release(domain)).await
    }

    /// A domain's home in the store.
    pub async fn domain_path(&self, domain: DomainId) -> Result<Path, ClientError> {
        let request = Request::GetDomainPath(domain);
        match self.call(&request).await? {
            Reply::DomainPath(path) => Ok(path),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// Whether the store was told of a domain.
    pub async fn is_introduced(&self, domain: DomainId) -> Result<bool, ClientError> {
        let request = Request::IsDomainIntroduced(domain);
        match self.call(&request).await? {
            Reply::Introduced(introduced) => Ok(introduced),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// Narrows the connection, all clones of it, to what a domain may do. It is never widened
    /// again.
    pub async fn restrict(&self, domain: DomainId) -> Result<(), ClientError> {
        self.order(Request::Restrict(domain)).await
    }

    /// Gives the daemon a command, and returns what it has to say.
    pub async fn control(&self, words: &[&[u8]]) -> Result<Vec<u8>, ClientError> {
        let request = Request::Control(words.iter().map(|word| word.to_vec()).collect());
        match self.call(&request).await? {
            Reply::Text(text) => Ok(text),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// Opens a transaction.
    pub async fn transaction(&self) -> Result<Transaction, ClientError> {
        let open = self.tree.connection.open().await?;
        Ok(Transaction::new(&self.tree, open))
    }

    /// Runs `body` in a transaction and commits it.
    ///
    /// When the store answers the commit with EAGAIN, because others changed what was read, `body`
    /// runs again in a new transaction, at most `attempts_max` times in all. What `body` fails with
    /// aborts the transaction and is returned.
    pub async fn transact<T, E: From<ClientError>>(
        &self,
        attempts_max: NonZeroU32,
        mut body: impl AsyncFnMut(&Tree) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut attempts = 0;
        loop {
            let transaction = self.transaction().await?;
            let value = body(&transaction).await?;
            attempts += 1;
            match transaction.commit().await {
                Ok(()) => return Ok(value),
                Err(error)
                    if error.code() == Some(ErrorCode::Eagain) && attempts < attempts_max.get() => {
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn call(&self, request: &Request) -> Result<Reply, ClientError> {
        self.tree.connection.call(TransactionId::NONE, request).await
    }

    async fn order(&self, request: Request) -> Result<(), ClientError> {
        self.call(&request).await.map(|_| ())
    }
}

impl Deref for Client {
    type Target = Tree;

    fn deref(&self) -> &Tree {
        &self.tree
    }
}
