//! Records of the Management API (VM, console) and the agent's socket protocol.
//!
//! Values only: no socket, no file, no clock. The daemon keeps the records and answers; the
//! command line (and later the network front) asks.

mod audit;
mod console;
mod name;
mod protocol;
mod status;
mod vm;

pub use audit::{ConverterAudit, Property};
pub use console::{Console, ConsoleProtocol};
pub use name::{Choice, choose};
pub use protocol::{
    Ask, ConsoleOpened, REPLY_MAX, REQUEST_MAX, Refusal, RefusalCode, Reply, VmMap,
};
pub use status::{Problem, Severity, Status};
pub use vm::{ConsoleState, PowerState, Vm};

/// Version of the JSON that programs print for other programs (`--json`).
pub const JSON_SCHEMA: u32 = 1;
