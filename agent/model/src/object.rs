//! Objects of the Management API, as the agent holds them: what does not change by itself.
//!
//! Which fields a client sees of them, and what the many others that this host has no word for
//! hold, is for the network front.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::console::ConsoleProtocol;
use crate::reference::Reference;
use crate::vm::PowerState;

/// Keys and values of a map that users write.
pub type Map = BTreeMap<String, String>;

/// A class of objects that the agent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// This host alone, as a pool.
    Pool,
    /// This host.
    Host,
    /// A VM.
    Vm,
    /// A VM's console.
    Console,
    /// Work that takes time.
    Task,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Pool, Self::Host, Self::Vm, Self::Console, Self::Task];

    /// The Management API's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Host => "host",
            Self::Vm => "VM",
            Self::Console => "console",
            Self::Task => "task",
        }
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "class")]
pub enum Object {
    /// See [`Class::Pool`].
    Pool(PoolObject),
    /// See [`Class::Host`].
    Host(HostObject),
    /// See [`Class::Vm`].
    Vm(Box<VmObject>),
    /// See [`Class::Console`].
    Console(ConsoleObject),
    /// See [`Class::Task`].
    Task(TaskObject),
}

impl Object {
    /// Its class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Pool(_) => Class::Pool,
            Self::Host(_) => Class::Host,
            Self::Vm(_) => Class::Vm,
            Self::Console(_) => Class::Console,
            Self::Task(_) => Class::Task,
        }
    }

    /// Its name in the API.
    #[must_use]
    pub fn reference(&self) -> Reference {
        match self {
            Self::Pool(pool) => pool.reference,
            Self::Host(host) => host.reference,
            Self::Vm(vm) => vm.reference,
            Self::Console(console) => console.reference,
            Self::Task(task) => task.reference,
        }
    }

    /// Its uuid.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        match self {
            Self::Pool(pool) => pool.uuid,
            Self::Host(host) => host.uuid,
            Self::Vm(vm) => vm.uuid,
            Self::Console(console) => console.uuid,
            Self::Task(task) => task.uuid,
        }
    }

    /// What people call it; consoles have no name.
    #[must_use]
    pub fn name_label(&self) -> Option<&str> {
        match self {
            Self::Pool(pool) => Some(&pool.name_label),
            Self::Host(host) => Some(&host.name_label),
            Self::Vm(vm) => Some(&vm.name_label),
            Self::Console(_) => None,
            Self::Task(task) => Some(&task.name_label),
        }
    }
}

/// This host alone, as a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolObject {
    /// Its name in the API.
    pub reference: Reference,
    /// Its uuid: made once.
    pub uuid: Uuid,
    /// What people call it.
    pub name_label: String,
    /// The host.
    pub master: Reference,
    /// Free keys.
    pub other_config: Map,
}

/// This host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostObject {
    /// Its name in the API.
    pub reference: Reference,
    /// Its uuid: made once.
    pub uuid: Uuid,
    /// Its host name.
    pub name_label: String,
    /// The agent's version.
    pub version: String,
    /// The control domain, where it has a record.
    pub control_domain: Option<Reference>,
    /// The VMs that run here.
    pub resident_vms: Vec<Reference>,
    /// Free keys.
    pub other_config: Map,
}

/// A VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmObject {
    /// Its name in the API.
    pub reference: Reference,
    /// Its uuid.
    pub uuid: Uuid,
    /// What people call it.
    pub name_label: String,
    /// Whether it runs.
    pub power_state: PowerState,
    /// Its domain, while it runs.
    pub domid: Option<u16>,
    /// Whether it is the control domain.
    pub is_control_domain: bool,
    /// The host that it runs on.
    pub resident_on: Option<Reference>,
    /// Free keys.
    pub other_config: Map,
    /// What is written below the guest's `vm-data`.
    pub xenstore_data: Map,
    /// Its consoles: none while it is halted, or they are switched off.
    pub consoles: Vec<Reference>,
}

/// A VM's console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleObject {
    /// Its name in the API.
    pub reference: Reference,
    /// Its uuid: the same for a VM and protocol, however often it restarts.
    pub uuid: Uuid,
    /// The VM.
    pub vm: Reference,
    /// What it speaks.
    pub protocol: ConsoleProtocol,
}

/// Work that takes time. This host gives none of its own to tasks: a client makes and ends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskObject {
    /// Its name in the API.
    pub reference: Reference,
    /// Its uuid.
    pub uuid: Uuid,
    /// What people call it.
    pub name_label: String,
    /// What it is about.
    pub name_description: String,
    /// When it was made, in seconds since 1970.
    pub created_s: u64,
    /// The host.
    pub resident_on: Reference,
    /// Free keys.
    pub other_config: Map,
}
