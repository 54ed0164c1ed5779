//! The agent's socket protocol: one JSON value a line, one reply a request.
//!
//! A closed list of bounded requests. The agent believes uid 0 and the network front's uid by
//! `SO_PEERCRED`: uid 0 has [`Ask`], the front [`crate::front::Call`] alone. It sends a descriptor
//! with [`Reply::Console`] and never receives one.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::Audit;
use crate::closing::Closing;
use crate::console::ConsoleProtocol;
use crate::front::{Changes, Moment, Opened, SessionInfo};
use crate::nic::Nic;
use crate::reference::Reference;
use crate::status::Status;
use crate::vm::{ConsoleState, Vm};

/// The longest request line, in bytes: a key and a value of the largest xenstore size, escaped.
pub const REQUEST_MAX: usize = 64 * 1024;

/// The longest reply line, in bytes: ten thousand records of a few hundred bytes, and room.
pub const REPLY_MAX: usize = 64 * 1024 * 1024;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask", deny_unknown_fields)]
pub enum Ask {
    /// How the agent is.
    Status,
    /// Every VM record.
    Vms,
    /// Attest every converter again, and look at the store, now.
    Audit,
    /// Make a record of a VM that is not here yet; with no uuid, a new one is made.
    Register {
        /// The VM's name.
        name: String,
        /// The VM's uuid.
        uuid: Option<Uuid>,
    },
    /// Delete the record, and the kept screen, of a VM that is halted.
    Forget {
        /// The VM.
        vm: Uuid,
    },
    /// Set one key of a map of a VM's record.
    SetKey {
        /// The VM.
        vm: Uuid,
        /// Which map.
        map: VmMap,
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Remove one key of a map of a VM's record; a key that is not there is no error.
    RemoveKey {
        /// The VM.
        vm: Uuid,
        /// Which map.
        map: VmMap,
        /// The key.
        key: String,
    },
    /// Wait until a domain's data is written and its console is as it should be. Refused when that
    /// takes longer than a minute.
    Ready {
        /// The domain, which may come into sight later.
        domid: u16,
    },
    /// Every network interface, as its device is now.
    Nics,
    /// Make the record of a VM's network interface that isn't plugged yet; one that is there
    /// already is no error.
    AddVif {
        /// The VM.
        vm: Uuid,
        /// Its number among the VM's.
        device: u16,
    },
    /// Set one key of a network interface's `other_config`. A setting that can't be is refused.
    SetNicKey {
        /// The interface.
        nic: Uuid,
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Remove one key of a network interface's `other_config`; a key that is not there is no error.
    RemoveNicKey {
        /// The interface.
        nic: Uuid,
        /// The key.
        key: String,
    },
    /// Rename a VM's record while it is halted.
    SetName {
        /// The VM.
        vm: Uuid,
        /// The new name.
        name: String,
    },
    /// Open a console. The reply carries one end of a socketpair whose other end a converter has
    /// taken as a viewer.
    Console {
        /// The VM.
        vm: Uuid,
        /// What the viewer speaks.
        protocol: ConsoleProtocol,
    },
}

/// A map of a VM's record that users may write. Other objects have an `other_config` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VmMap {
    /// `other_config`
    OtherConfig,
    /// `xenstore_data`
    XenstoreData,
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply", content = "value")]
pub enum Reply {
    /// To [`Ask::Status`].
    Status(Box<Status>),
    /// To [`Ask::Vms`], ordered by name and then uuid.
    Vms(Vec<Vm>),
    /// To [`Ask::Audit`].
    Audit(Box<Audit>),
    /// To [`Ask::Register`] and [`Ask::AddVif`]: the record's uuid.
    Registered(Uuid),
    /// To [`Ask::Nics`], guests' first, by VM and number.
    Nics(Vec<Nic>),
    /// To [`Ask::Ready`]: what the console does.
    Ready(ConsoleState),
    /// It is done.
    Done,
    /// To [`Ask::Console`] and [`crate::front::Call::Open`], with a descriptor.
    Console(ConsoleOpened),
    /// After [`crate::front::Call::Open`]: why the console closes.
    Closed(Closing),
    /// To [`crate::front::Call::Login`].
    Opened(Opened),
    /// To [`crate::front::Call::Session`].
    Session(SessionInfo),
    /// To [`crate::front::Call::Changes`].
    Changes(Box<Changes>),
    /// To [`crate::front::Call::Wait`] and [`crate::front::Call::Inject`].
    Moment(Moment),
    /// To [`crate::front::Call::CreateTask`].
    Reference(Reference),
    /// It is not done, and why.
    Refused(Refusal),
}

/// What a newly opened console is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleOpened {
    /// The VM's name.
    pub name_label: String,
    /// Its domain.
    pub domid: u16,
    /// The host's name.
    pub host: String,
    /// Viewers that were there before.
    pub other_viewers: u32,
    /// Whether what the viewer types must not reach the guest.
    pub view_only: bool,
    /// What the viewer speaks.
    pub protocol: ConsoleProtocol,
    /// What its bytes begin with, where it counts them.
    pub reading: Option<Reading>,
}

/// What the bytes of a viewer begin with that counts the guest's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The position of the first byte of the guest's.
    pub at: u64,
    /// Bytes before it that repaint the screen; 0 where the viewer goes on.
    pub repaint: u32,
}

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct Refusal {
    /// What a program may act on.
    pub code: RefusalCode,
    /// One line for a person: the object and the attempt.
    pub message: String,
}

/// What a program may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalCode {
    /// The request is not one of the closed list, or is over its bounds.
    Malformed,
    /// There is no such VM.
    UnknownVm,
    /// There is no such network interface.
    UnknownNic,
    /// There is no such object, or it has no such map.
    UnknownObject,
    /// User and password don't fit together.
    WrongPassword,
    /// Too many wrong passwords came from that address: it waits.
    Slowed,
    /// There is no such session, or it has expired.
    NoSession,
    /// The session's user may not.
    Forbidden,
    /// The VM is halted, and this needs it running.
    Halted,
    /// A record of that name or uuid is there already.
    Exists,
    /// The VM runs, and this needs it halted.
    Running,
    /// The VM has no such console now; the message says why.
    NoConsole,
    /// The console takes no more viewers.
    ViewerLimit,
    /// The agent keeps as many records as it may.
    RecordLimit,
    /// A name, key or value is over its bounds.
    TooLong,
    /// Something failed on this side; the message says what.
    Failed,
}
