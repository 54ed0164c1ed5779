//! Records of the Management API (VM, console, VIF, PIF) and the agent's socket protocol.
//!
//! Values only: no socket, no file, no clock. The daemon keeps the records and answers; the
//! command line asks by the list of [`Ask`], the network front by the shorter one of
//! [`front::Call`].

mod audit;
mod closing;
mod console;
pub mod front;
mod name;
mod nic;
mod object;
mod protocol;
mod reference;
mod status;
mod vm;

pub use audit::{Audit, ConverterAudit, Property, StoreAudit};
pub use closing::Closing;
pub use console::{Console, ConsoleProtocol};
pub use name::{Choice, choose};
pub use nic::{Nic, NicKey, NicOwner};
pub use object::{Class, ConsoleObject, HostObject, Map, Object, PoolObject, TaskObject, VmObject};
pub use protocol::{
    Ask, ConsoleOpened, REPLY_MAX, REQUEST_MAX, Reading, Refusal, RefusalCode, Reply, VmMap,
};
pub use reference::{NoReference, Reference, SessionKey};
pub use status::{Problem, Severity, Status};
pub use vm::{ConsoleState, PowerState, Vm};

/// Version of the JSON that programs print for other programs (`--json`).
pub const JSON_SCHEMA: u32 = 1;
