//! Carries a plan out, a checked step a line, then proves that it cannot be undone.
//!
//! The order is forced nearly everywhere; each step says why it stands where it does. What the
//! process keeps is not decided here: that is the plan's. A step that fails ends the attempt: the
//! process is then neither privileged nor confined, and must end.

#![allow(unsafe_code, reason = "forking into the new pid namespace has no safe form")]

use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::resource::setrlimit;
use nix::sys::stat::{Mode, fstat, umask};
use nix::unistd::{self, ForkResult, Pid};

use crate::confined::Confined;
use crate::descriptors::{self, Found};
use crate::limit::Limit;
use crate::plan::{Kept, Kind, Network, Opened, Plan};
use crate::policy::PolicyError;
use crate::report::Line;
use crate::status;

mod last_words;
pub(crate) mod privilege;
mod proof;
mod root;

pub use privilege::PrivilegeError;
pub use proof::Leak;
pub use root::RootError;

/// The step that failed.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The plan has a pid namespace, which needs somebody to be told of the process inside.
    #[error("enter a plan with a pid namespace without a spawner")]
    NoSpawner,
    /// The report's descriptor was not handed in.
    #[error("take the report at descriptor {number}")]
    Report {
        /// Its number.
        number: RawFd,
        /// The cause.
        source: io::Error,
    },
    /// The report could not be written: the spawner has gone.
    #[error("report to the spawner")]
    Tell(#[source] io::Error),
    /// What `/proc` says of this process could not be read.
    #[error("read {path}")]
    Read {
        /// The file.
        path: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A plan is entered by one thread; others would stay outside.
    #[error("enter the plan while {0} threads run, not one")]
    Threads(u32),
    /// The policy does not compile.
    #[error("compile the system call policy")]
    Policy(#[from] PolicyError),
    /// A descriptor was not handed in.
    #[error("take descriptor {number} ({purpose})")]
    Take {
        /// Its number.
        number: RawFd,
        /// What it is for.
        purpose: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A descriptor is not what the plan says.
    #[error("descriptor {number} ({purpose}) is {found}, not {wanted}")]
    Kind {
        /// Its number.
        number: RawFd,
        /// What it is for.
        purpose: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: Kind,
    },
    /// A file of the plan's could not be opened.
    #[error("open {path}")]
    Open {
        /// The file.
        path: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The other descriptors could not be closed.
    #[error("close the descriptors that the plan does not keep")]
    Close(#[source] io::Error),
    /// A resource limit could not be set.
    #[error("set the limit of {} to {value}", .limit.noun())]
    Limit {
        /// The limit.
        limit: Limit,
        /// Its planned value.
        value: u64,
        /// The cause.
        source: Errno,
    },
    /// The out-of-memory killer could not be told.
    #[error("write /proc/self/oom_score_adj")]
    OomScore(#[source] io::Error),
    /// The network namespace could not be joined or made.
    #[error("enter an empty network namespace")]
    Network(#[source] Errno),
    /// The other namespaces could not be made.
    #[error("make new mount, ipc, uts and pid namespaces")]
    Namespaces(#[source] Errno),
    /// The process for the new pid namespace could not be made.
    #[error("fork into the new pid namespace")]
    Fork(#[source] Errno),
    /// The forked process is not the first one of its pid namespace.
    #[error("be process 1 of the new pid namespace, not {0}")]
    NotFirst(Pid),
    /// A new session could not be made.
    #[error("start a new session")]
    Session(#[source] Errno),
    /// The empty root could not be made.
    #[error("make an empty root")]
    Root(#[from] RootError),
    /// The host name could not be set.
    #[error("set the host name")]
    Hostname(#[source] Errno),
    /// Privileges could not be given up.
    #[error("give up privileges")]
    Privilege(#[from] PrivilegeError),
    /// The process could not be made untraceable.
    #[error("forbid core dumps and tracing")]
    Dumpable(#[source] Errno),
    /// The process could not be named.
    #[error("name the process")]
    Name(#[source] Errno),
    /// Gaining privileges by executing could not be forbidden.
    #[error("set no_new_privs")]
    NoNewPrivileges(#[source] Errno),
    /// Something that must be impossible is possible.
    #[error("prove the confinement: {0}")]
    Proof(Leak),
    /// The filter could not be put in force.
    #[error("put the system call filter in force")]
    Filter(#[source] seccompiler::Error),
}

/// Confines this process as `plan` says, and tells its spawner through descriptor `report`.
///
/// Call it first in `main`, with privilege and while there is one thread. It returns in another
/// process than it was called in: the first one of a new pid namespace. The calling one has then
/// reported that process's pid and ended. After an error the only thing left to do is to end.
pub fn enter(plan: &Plan, report: RawFd) -> Result<Confined, EnterError> {
    let pipe = descriptors::adopt(report)
        .map_err(|source| EnterError::Report { number: report, source })?;
    let mut pipe = std::fs::File::from(pipe);
    let entered = carry_out(plan, Some((report, &mut pipe)));
    let verdict = match &entered {
        Ok(_) => Line::Confined,
        Err(error) => Line::Refused(with_causes(error)),
    };
    let told = pipe.write_all(verdict.encode().as_bytes());
    let confined = entered?;
    told.map_err(EnterError::Tell)?;
    Ok(confined)
}

/// Enters a plan without a pid namespace of its own, in this process and with nobody to report to:
/// for a program that its service manager starts. An error means that the process must end.
pub fn enter_here(plan: &Plan) -> Result<Confined, EnterError> {
    if plan.has_own_pids() {
        return Err(EnterError::NoSpawner);
    }
    carry_out(plan, None)
}

fn carry_out(
    plan: &Plan,
    report: Option<(RawFd, &mut std::fs::File)>,
) -> Result<Confined, EnterError> {
    // What can be refused is refused before anything has changed.
    refuse_more_threads()?;
    let filter = plan.policy().compile()?;
    // /proc is needed for this, and will be out of sight.
    let last_capability = privilege::last_capability()
        .map_err(|source| EnterError::Read { path: privilege::LAST_CAPABILITY, source })?;
    // The usual hook would open files for a backtrace.
    last_words::go_to_stderr();
    let name = own_name();

    // Descriptors first: from here on, nothing that was inherited unasked can be used or leaked.
    let mut kept = plan.kept().iter().map(take_kept).collect::<Result<Vec<_>, _>>()?;
    let network = take_network(plan.network())?;
    close_all_but(plan, report.as_ref().map(|(number, _)| *number)).map_err(EnterError::Close)?;
    umask(Mode::from_bits_truncate(0o077));

    // Limits that none of the following steps runs into.
    for &(limit, value) in plan.limits().iter().filter(|(limit, _)| *limit != Limit::Processes) {
        lower(limit, value)?;
    }
    if let Some(score) = plan.oom_score() {
        std::fs::write("/proc/self/oom_score_adj", score.to_string())
            .map_err(EnterError::OomScore)?;
    }

    // Namespaces need privilege, so they come before it goes.
    enter_network(plan.network(), network).map_err(EnterError::Network)?;
    let mut own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    own.set(CloneFlags::CLONE_NEWPID, plan.has_own_pids());
    unshare(own).map_err(EnterError::Namespaces)?;

    // A pid namespace holds the children of the process that made it, not that process itself.
    if let Some((_, pipe)) = report.filter(|_| plan.has_own_pids()) {
        fork_inside(pipe)?;
        // Fresh from a fork, it leads no group: it leaves its session and its terminal behind.
        unistd::setsid().map_err(EnterError::Session)?;
    }

    // In this process, as devices may serve the one that opened them alone; by root, and while there
    // are paths.
    for opened in plan.opened() {
        kept.push(open(opened)?);
    }
    root::empty_and_pivot(plan.shown())?;
    unistd::sethostname(plan.hostname()).map_err(EnterError::Hostname)?;

    // The bounding set and the securebits need CAP_SETPCAP, the groups CAP_SETGID: the user is last.
    privilege::clear_ambient()?;
    privilege::drop_bounding(last_capability)?;
    privilege::lock_securebits()?;
    privilege::leave_groups()?;
    privilege::become_group(plan.gid())?;
    privilege::become_user(plan.uid())?;
    // The kernel has cleared the sets by now; this does not rely on it.
    privilege::clear_sets()?;

    // With the user id, as it does not hold for root; nothing forks any more.
    lower(Limit::Processes, plan.limit(Limit::Processes).unwrap_or(0))?;
    // After the ids: changing them sets this to fs.suid_dumpable, which may be anything.
    prctl::set_dumpable(false).map_err(EnterError::Dumpable)?;
    name.map_or(Ok(()), |name| prctl::set_name(&name)).map_err(EnterError::Name)?;
    // The filter below needs this, for a process without privilege.
    prctl::set_no_new_privs().map_err(EnterError::NoNewPrivileges)?;

    proof::prove(plan, last_capability).map_err(EnterError::Proof)?;
    // Last: it forbids every step above.
    seccompiler::apply_filter(&filter).map_err(EnterError::Filter)?;
    Ok(Confined::mint(kept))
}

pub(crate) fn refuse_more_threads() -> Result<(), EnterError> {
    const PATH: &str = "/proc/self/status";
    let read = |source| EnterError::Read { path: PATH, source };
    let text = std::fs::read_to_string(PATH).map_err(read)?;
    match status::numbers(&text, "Threads").as_deref() {
        Some([1]) => Ok(()),
        Some([threads]) => Err(EnterError::Threads(*threads)),
        Some(_) | None => Err(read(io::ErrorKind::InvalidData.into())),
    }
}

/// What `ps` should call this process: executed through a descriptor, it is named by a number.
fn own_name() -> Option<std::ffi::CString> {
    let argument = std::env::args_os().next()?;
    let name = std::path::Path::new(&argument).file_name()?;
    std::ffi::CString::new(name.as_encoded_bytes()).ok()
}

fn take_kept(kept: &Kept) -> Result<(RawFd, OwnedFd), EnterError> {
    let &Kept { number, kind, purpose } = kept;
    let take = |source| EnterError::Take { number, purpose, source };
    let descriptor = descriptors::adopt(number).map_err(take)?;
    let stat = fstat(&descriptor).map_err(|errno| take(errno.into()))?;
    match Found::of(&stat) {
        Found::Planned(found) if found == kind => Ok((number, descriptor)),
        found => Err(EnterError::Kind { number, purpose, found: found.to_string(), wanted: kind }),
    }
}

fn open(opened: &Opened) -> Result<(RawFd, OwnedFd), EnterError> {
    let &Opened { number, path, kind, purpose } = opened;
    let failed = |source| EnterError::Open { path, source };
    let file = std::fs::File::options().read(true).write(true).open(path).map_err(failed)?;
    let stat = fstat(&file).map_err(|errno| failed(errno.into()))?;
    match Found::of(&stat) {
        Found::Planned(found) if found == kind => (),
        found => {
            return Err(EnterError::Kind {
                number,
                purpose,
                found: found.to_string(),
                wanted: kind,
            });
        }
    }
    let file = OwnedFd::from(file);
    if file.as_raw_fd() == number {
        return Ok((number, file));
    }
    // Nothing else has the number: what the plan doesn't keep was closed.
    descriptors::place(file.as_raw_fd(), number).map_err(failed)?;
    descriptors::adopt(number).map(|placed| (number, placed)).map_err(failed)
}

fn take_network(network: Network) -> Result<Option<OwnedFd>, EnterError> {
    match network {
        Network::Own | Network::Host => Ok(None),
        Network::Join(number) => descriptors::adopt(number)
            .map(Some)
            .map_err(|source| EnterError::Take { number, purpose: "network namespace", source }),
    }
}

/// Closes what neither the plan keeps nor the next steps need.
fn close_all_but(plan: &Plan, report: Option<RawFd>) -> io::Result<()> {
    let network = match plan.network() {
        Network::Own | Network::Host => None,
        Network::Join(number) => Some(number),
    };
    descriptors::for_each_open(|number| {
        let kept = number <= 2
            || report == Some(number)
            || network == Some(number)
            || plan.kept().iter().any(|kept| kept.number == number);
        if kept { Ok(()) } else { descriptors::close(number) }
    })
}

/// Sets both the soft and the hard limit.
fn lower(limit: Limit, value: u64) -> Result<(), EnterError> {
    setrlimit(limit.resource(), value, value).map_err(|source| EnterError::Limit {
        limit,
        value,
        source,
    })
}

/// Joins the namespace that was handed in, and lets go of it; or makes one.
fn enter_network(planned: Network, handed: Option<OwnedFd>) -> Result<(), Errno> {
    match (planned, handed) {
        (Network::Host, _) => Ok(()),
        (Network::Own | Network::Join(_), Some(namespace)) => {
            setns(namespace, CloneFlags::CLONE_NEWNET)
        }
        (Network::Own | Network::Join(_), None) => unshare(CloneFlags::CLONE_NEWNET),
    }
}

/// Returns in the child alone. The parent reports the child's pid and ends at once.
fn fork_inside(pipe: &mut std::fs::File) -> Result<(), EnterError> {
    // SAFETY: there is one thread, as was checked, so that the child has all of the process.
    match unsafe { unistd::fork() }.map_err(EnterError::Fork)? {
        ForkResult::Parent { child } => {
            let told = pipe.write_all(Line::Pid(child.as_raw()).encode().as_bytes());
            if told.is_err() {
                // Nobody knows of the child, nor ever will. It may have ended by itself.
                let _ = nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL);
            }
            // SAFETY: ends this process; its exit handlers belong to the child now.
            unsafe { libc::_exit(i32::from(told.is_err())) }
        }
        ForkResult::Child => match unistd::getpid() {
            first if first.as_raw() == 1 => Ok(()),
            other => Err(EnterError::NotFirst(other)),
        },
    }
}

/// An error and its causes as one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
