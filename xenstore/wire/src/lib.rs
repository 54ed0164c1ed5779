//! The xenstore wire protocol: bytes to messages and back, paths and permissions.
//!
//! No input or output happens here, and no rule of the store: who may do what is for
//! `xenstore-store`, how messages are matched to waiting requests is for the client.
//!
//! The protocol is the one of Xen's `docs/misc/xenstore.txt` and `xen/include/public/io/xs_wire.h`.
//! Deviations: number 20, a hole in today's header, is RESTRICT again, as it was in Xen 4.8's
//! oxenstored; of the special names only `@introduceDomain` and `@releaseDomain` are known.

#![no_std]

extern crate alloc;

mod decoder;
mod domain_id;
mod error_code;
mod header;
mod numbered;
mod operation;
mod path;
mod permissions;
mod reply;
mod request;
mod strings;
mod watch;

pub use decoder::{DecodeRefusal, Decoder, Message, Progress};
pub use domain_id::{DomainId, DomainIdRefusal};
pub use error_code::ErrorCode;
pub use header::{Header, PAYLOAD_MAX, PayloadTooLong, TransactionId};
pub use operation::Operation;
pub use path::{
    ABSOLUTE_PATH_MAX, Component, DomainSpecial, Name, Path, PathRefusal, RELATIVE_PATH_MAX,
    RelativePath, Special,
};
pub use permissions::{Access, Permissions, PermissionsRefusal};
pub use reply::{Reply, ReplyRefusal};
pub use request::{PathOperation, Request, RequestRefusal};
pub use watch::{Token, TokenRefusal, Watch, WatchEvent, WatchEventRefusal};
