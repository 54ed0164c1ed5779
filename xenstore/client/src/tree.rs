//! The operations on nodes, in a transaction or outside of any.
//!
//! Watches, domains and transactions themselves belong to the connection: they are in `client`.

use std::sync::Arc;

use xenstore_wire::{
    Component, ErrorCode, Path, PathOperation, Permissions, Reply, Request, TransactionId,
};

use crate::connection::{Connection, unexpected};
use crate::error::ClientError;

/// How often a directory that changes while it is read in parts is begun again.
const LISTING_ATTEMPTS_MAX: usize = 16;
/// The longest list of children in bytes: a thousand times what fits one reply.
const LISTING_MAX: usize = 4 << 20;

/// The store's nodes, as they are seen from one transaction or from none.
///
/// A function that takes a `&Tree` works in both.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(crate) connection: Connection,
    pub(crate) transaction: TransactionId,
}

impl Tree {
    /// A node's value.
    pub async fn read(&self, path: &Path) -> Result<Vec<u8>, ClientError> {
        let request = Request::Path(path.clone(), PathOperation::Read);
        match self.call(&request).await? {
            Reply::Value(value) => Ok(value.to_vec()),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// A node's value; none where there is no such node.
    pub async fn read_optional(&self, path: &Path) -> Result<Option<Vec<u8>>, ClientError> {
        optional(self.read(path).await)
    }

    /// Writes a node's value, and makes it and its missing ancestors.
    pub async fn write(&self, path: &Path, value: &[u8]) -> Result<(), ClientError> {
        self.change(path, PathOperation::Write(Arc::from(value))).await
    }

    /// Makes a node with an empty value where it is missing, and its missing ancestors.
    pub async fn make_directory(&self, path: &Path) -> Result<(), ClientError> {
        self.change(path, PathOperation::Mkdir).await
    }

    /// Removes a node and everything below it. A missing node whose parent is there is no error.
    pub async fn remove(&self, path: &Path) -> Result<(), ClientError> {
        self.change(path, PathOperation::Rm).await
    }

    /// The names of a node's children, in the store's order, however many there are.
    pub async fn directory(&self, path: &Path) -> Result<Vec<Component>, ClientError> {
        let request = Request::Path(path.clone(), PathOperation::Directory);
        match self.call(&request).await {
            Ok(Reply::Names(names)) => Ok(names),
            Ok(other) => Err(unexpected(&request, &other)),
            Err(error) if error.code() == Some(ErrorCode::E2big) => {
                self.directory_in_parts(path).await
            }
            Err(error) => Err(error),
        }
    }

    /// The names of a node's children; none where there is no such node.
    pub async fn directory_optional(
        &self,
        path: &Path,
    ) -> Result<Option<Vec<Component>>, ClientError> {
        optional(self.directory(path).await)
    }

    /// A node's permissions.
    pub async fn permissions(&self, path: &Path) -> Result<Permissions, ClientError> {
        let request = Request::Path(path.clone(), PathOperation::GetPermissions);
        match self.call(&request).await? {
            Reply::Permissions(permissions) => Ok(permissions),
            other => Err(unexpected(&request, &other)),
        }
    }

    /// Replaces a node's permissions.
    pub async fn set_permissions(
        &self,
        path: &Path,
        permissions: &Permissions,
    ) -> Result<(), ClientError> {
        self.change(path, PathOperation::SetPermissions(permissions.clone())).await
    }

    async fn call(&self, request: &Request) -> Result<Reply, ClientError> {
        self.connection.call(self.transaction, request).await
    }

    async fn change(&self, path: &Path, operation: PathOperation) -> Result<(), ClientError> {
        self.call(&Request::Path(path.clone(), operation)).await.map(|_| ())
    }

    /// Lists a directory whose names don't fit one reply. The parts belong together only while
    /// their generation stays the same.
    async fn directory_in_parts(&self, path: &Path) -> Result<Vec<Component>, ClientError> {
        let unlistable = |why| ClientError::Unlistable { path: path.as_str().to_owned(), why };
        for _ in 0..LISTING_ATTEMPTS_MAX {
            let mut listing = Listing::default();
            loop {
                match listing.add(self.part(path, listing.length).await?) {
                    Step::More => {}
                    Step::Whole => return Ok(listing.names),
                    Step::Changed => break,
                    Step::Endless => return Err(unlistable("the list has no end")),
                }
            }
        }
        Err(unlistable("it changed each time that it was read"))
    }

    async fn part(&self, path: &Path, offset: usize) -> Result<Part, ClientError> {
        // Below LISTING_MAX, so the conversion loses nothing.
        let operation = PathOperation::DirectoryPart(offset as u64);
        let request = Request::Path(path.clone(), operation);
        match self.call(&request).await? {
            Reply::Part { generation, names, last } => Ok(Part { generation, names, last }),
            other => Err(unexpected(&request, &other)),
        }
    }
}

/// A stretch of a directory's list.
struct Part {
    generation: u64,
    names: Vec<Component>,
    last: bool,
}

/// What has come of a directory's list.
#[derive(Default)]
struct Listing {
    generation: Option<u64>,
    names: Vec<Component>,
    /// In bytes, each name ended by a NUL: the offset of the next part.
    length: usize,
}

/// Where a listing stands after a part.
enum Step {
    More,
    Whole,
    Changed,
    Endless,
}

impl Listing {
    fn add(&mut self, part: Part) -> Step {
        if *self.generation.get_or_insert(part.generation) != part.generation {
            return Step::Changed;
        }
        let length: usize = part.names.iter().map(|name| name.as_str().len() + 1).sum();
        self.length += length;
        self.names.extend(part.names);
        match part.last {
            true => Step::Whole,
            false if length == 0 || self.length > LISTING_MAX => Step::Endless,
            false => Step::More,
        }
    }
}

fn optional<T>(result: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == Some(ErrorCode::Enoent) => Ok(None),
        Err(error) => Err(error),
    }
}
