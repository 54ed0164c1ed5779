//! Confines this process for a program of somebody else's, which it executes as its last step.
//!
//! Such a program opens devices as root before it gives up privilege by itself, and knows nothing
//! of a report. So what is done here holds whatever it then does, and leaves it the few privileges
//! that it needs on its way; the rest is for the program's own options, and for
//! [`crate::look_at_device_model()`] to find done. Which program is executed how is not decided here.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{getrlimit, setrlimit};

use crate::enter::{PrivilegeError, privilege, refuse_more_threads};
use crate::limit::Limit;
use crate::policy::{Policy, PolicyError};

mod device_model;
mod stage;

pub use device_model::Part;
pub use stage::{Stage, StageError};

/// What a program is left with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    /// The most that it may have of each; where this process has less already, it stays less.
    pub limits: Vec<(Limit, u64)>,
    /// What it can ever have of root's privileges.
    pub capabilities: Vec<Capability>,
    /// The calls that it may not make.
    pub policy: Policy,
    /// A root for it to change to by itself.
    pub stage: Option<Stage>,
}

/// A program, and what it is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Its file.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub arguments: Vec<OsString>,
    /// All of its environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// The step that failed. The process is then neither as it was nor confined, and must end.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// Other threads would stay outside, or nobody can tell whether there are any.
    #[error("confine one thread")]
    Threads(#[source] Box<crate::EnterError>),
    /// The policy does not compile.
    #[error("compile the system call policy")]
    Policy(#[from] PolicyError),
    /// The kernel's last capability is unknown.
    #[error("read {}", privilege::LAST_CAPABILITY)]
    LastCapability(#[source] io::Error),
    /// A resource limit could not be set.
    #[error("set the limit of {} to {value}", .limit.noun())]
    Limit {
        /// The limit.
        limit: Limit,
        /// The value.
        value: u64,
        /// The cause.
        source: Errno,
    },
    /// The namespaces could not be made.
    #[error("make new mount, ipc and uts namespaces")]
    Namespaces(#[source] Errno),
    /// The root could not be made.
    #[error("make a root for the program")]
    Stage(#[from] StageError),
    /// Privileges could not be given up.
    #[error("give up privileges")]
    Privilege(#[from] PrivilegeError),
    /// Gaining privileges by executing could not be forbidden.
    #[error("set no_new_privs")]
    NoNewPrivileges(#[source] Errno),
    /// The filter could not be put in force.
    #[error("put the system call filter in force")]
    Filter(#[source] seccompiler::Error),
    /// The program could not be executed.
    #[error("execute {program}")]
    Execute {
        /// The program's file.
        program: String,
        /// The cause.
        source: io::Error,
    },
}

/// Confines this process and executes the program in it, with every descriptor that is inherited.
///
/// Returns only after an error. To be called as root, by one thread.
pub fn execute(wrap: &Wrap, executed: Executed) -> Result<Infallible, WrapError> {
    // What can be refused is refused before anything has changed.
    refuse_more_threads().map_err(|error| WrapError::Threads(Box::new(error)))?;
    let filter = wrap.policy.compile()?;
    let last = privilege::last_capability().map_err(WrapError::LastCapability)?;

    for &(limit, value) in &wrap.limits {
        lower(limit, value).map_err(|source| WrapError::Limit { limit, value, source })?;
    }
    // Not a pid namespace, which would need a process more, and a toolstack that knows of both; not
    // a network namespace, as the program's listeners and its taps are the host's.
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
        .map_err(WrapError::Namespaces)?;
    stage::follow_the_host()?;
    if let Some(stage) = &wrap.stage {
        stage.set()?;
    }

    // From here on nothing is mounted or made.
    privilege::clear_ambient()?;
    privilege::clear_set(CapSet::Inheritable)?;
    privilege::drop_bounding_but(last, &wrap.capabilities)?;
    // The filter needs this, and so does a program that stays root: it loses what it must not keep.
    prctl::set_no_new_privs().map_err(WrapError::NoNewPrivileges)?;
    seccompiler::apply_filter(&filter).map_err(WrapError::Filter)?;

    let Executed { program, arguments, environment } = executed;
    let source = Command::new(&program).args(arguments).env_clear().envs(environment).exec();
    Err(WrapError::Execute { program: program.display().to_string(), source })
}

/// Sets both limits, to less than they are or to what they are: raising is never wanted.
fn lower(limit: Limit, value: u64) -> Result<(), Errno> {
    let (_, hard) = getrlimit(limit.resource())?;
    let value = value.min(hard);
    setrlimit(limit.resource(), value, value)
}
