//! Looks at a process from outside, and says of each property of its plan whether it holds.
//!
//! Nothing that the process says of itself is believed. What cannot be read does not hold. What
//! follows from a property that does not hold is decided elsewhere.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::RawFd;

use crate::child::Child;
use crate::descriptors::Found;
use crate::plan::{Kind, Network, Plan};
use crate::spawn::FileId;
use crate::status;

mod device_model;
mod process;
mod store;

pub use device_model::look_at_device_model;
use process::Process;
pub use store::{StoreLook, look_at_store};

/// What a process should be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The process.
    pub child: Child,
    /// The plan that it should have entered.
    pub plan: &'a Plan,
    /// The program that it should run.
    pub program: FileId,
    /// The network namespace that it should have joined, where its plan says so.
    pub network: Option<FileId>,
    /// How far it should be.
    pub moment: Moment,
}

/// How far a process is, which decides what descriptors it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Confined and nothing else: it has what the plan keeps, and no more.
    Started,
    /// At work: it may have been given more sockets, ttys and files, or have closed some.
    Serving,
}

/// One property of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// A short name, the same in every release.
    pub name: &'static str,
    /// What must hold, as a sentence.
    pub claim: String,
    /// Whether it does.
    pub holds: bool,
    /// What was found.
    pub found: String,
}

/// What was found of a process, property by property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    properties: Vec<Property>,
}

impl Attestation {
    /// Every property, in the order in which they were looked at.
    #[must_use]
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// Whether every property holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.properties.iter().all(|property| property.holds)
    }

    /// The properties that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Property> {
        self.properties.iter().filter(|property| !property.holds)
    }
}

/// What a look at one property found, and whether that is as it must be.
type Look = io::Result<(bool, String)>;

/// Looks at every property of the process. An error means that there is no such process, or only
/// what is left of one that ends.
pub fn attest(expected: &Expected<'_>) -> io::Result<Attestation> {
    let claim = descriptors_claim(expected.plan, expected.moment);
    attest_with(expected, claim, |process| look_at_descriptors(process, expected))
}

/// The same, with something else to be said of the descriptors.
fn attest_with(
    expected: &Expected<'_>,
    descriptors: String,
    look_at_descriptors: impl FnOnce(&Process) -> Look,
) -> io::Result<Attestation> {
    let process = Process::open(expected.child.pid())?;
    let own = Process::open_own()?;
    let mut properties = Vec::new();
    let mut note = |name, claim: String, look: Look| {
        let (holds, found) = look.unwrap_or_else(|error| (false, error.to_string()));
        properties.push(Property { name, claim, holds, found });
    };
    let plan = expected.plan;

    let start = format!("it is the process that started at tick {}", expected.child.start_time());
    note("start-time", start, look_at_start_time(&process, expected.child));
    note("program", "it runs the program that was started".into(), {
        process.program().map(|found| (found == expected.program, file(found)))
    });
    note("environment", "its environment is empty".into(), look_at_environment(&process));

    let text = process.read("status");
    let status = || text.as_deref().map_err(|error| io::Error::from(error.kind()));
    note("user", format!("its user is {}, in all four ids", plan.uid()), {
        status().map(|text| four_times(text, "Uid", plan.uid().number()))
    });
    note("group", format!("its group is {}, in all four ids", plan.gid()), {
        status().map(|text| four_times(text, "Gid", plan.gid().number()))
    });
    note("groups", "it has no supplementary group".into(), {
        status().map(|text| is(text, "Groups", ""))
    });
    note("capabilities", "its five capability sets are empty".into(), {
        status().map(look_at_capabilities)
    });
    note("no-new-privileges", "it cannot gain privileges by executing".into(), {
        status().map(|text| is(text, "NoNewPrivs", "1"))
    });
    note("seccomp", "a filter judges its system calls".into(), {
        status().map(|text| is(text, "Seccomp", "2"))
    });
    note("threads", "it has one thread".into(), status().map(|text| is(text, "Threads", "1")));

    for (name, kind) in [("mount", "mnt"), ("pid", "pid"), ("ipc", "ipc"), ("uts", "uts")] {
        note(namespace_name(kind), format!("its {name} namespace is its own"), {
            look_at_namespace(&process, &own, kind)
        });
    }
    note("first-process", "it is process 1 of its pid namespace".into(), {
        status().map(look_at_inner_pid)
    });
    note("network", network_claim(plan.network()).into(), {
        look_at_network(&process, &own, expected)
    });
    note("interfaces", "it sees no network interface but lo".into(), look_at_interfaces(&process));
    note("root", "its root is an empty read-only tmpfs".into(), look_at_root(&process));
    note("mounts", "its root is the only mount it has".into(), look_at_mounts(&process));
    note("limits", "its resource limits are those of its plan".into(), {
        look_at_limits(&process, plan)
    });
    note("descriptors", descriptors, look_at_descriptors(&process));
    note("not-dumpable", "its own user can neither trace it nor read its memory".into(), {
        process.owner().map(|(uid, gid)| (uid == 0 && gid == 0, format!("owned by {uid}:{gid}")))
    });
    let attestation = Attestation { properties };
    // What is just ending has given up some of it, which says nothing.
    let is_ending = || process.read("stat").map_or(true, |stat| status::is_exiting(&stat));
    if !attestation.holds() && is_ending() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(attestation)
}

fn file(id: FileId) -> String {
    format!("device {}, inode {}", id.device, id.inode)
}

fn look_at_start_time(process: &Process, child: Child) -> Look {
    let found = status::start_time(&process.read("stat")?);
    Ok((
        found == Some(child.start_time()),
        found.map_or("unreadable".into(), |tick| tick.to_string()),
    ))
}

fn look_at_environment(process: &Process) -> Look {
    let length = process.read_bytes("environ")?.len();
    Ok((length == 0, format!("{length} bytes")))
}

fn four_times(status: &str, name: &str, id: u32) -> (bool, String) {
    let found = status::numbers(status, name);
    (found.as_deref() == Some(&[id; 4]), shown(status, name))
}

fn is(status: &str, name: &str, wanted: &str) -> (bool, String) {
    (status::field(status, name) == Some(wanted), shown(status, name))
}

fn shown(status: &str, name: &str) -> String {
    match status::field(status, name) {
        Some("") => format!("{name}: none"),
        Some(value) => format!("{name}: {}", value.replace('\t', " ")),
        None => format!("no {name}"),
    }
}

fn look_at_capabilities(text: &str) -> (bool, String) {
    let mut found = Vec::new();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let value = status::field(text, set).unwrap_or("unreadable");
        if value.is_empty() || value.contains(|digit| digit != '0') {
            found.push(format!("{set} {value}"));
        }
    }
    (found.is_empty(), if found.is_empty() { "all empty".into() } else { found.join(", ") })
}

/// Namespaces nest: the last pid is the one that the process itself sees.
fn look_at_inner_pid(text: &str) -> (bool, String) {
    let pids = status::numbers(text, "NSpid").unwrap_or_default();
    (pids.len() > 1 && pids.last() == Some(&1), shown(text, "NSpid"))
}

fn namespace_name(kind: &str) -> &'static str {
    match kind {
        "mnt" => "mount-namespace",
        "pid" => "pid-namespace",
        "ipc" => "ipc-namespace",
        _ => "uts-namespace",
    }
}

fn look_at_namespace(process: &Process, own: &Process, kind: &str) -> Look {
    let (found, ours) = (process.namespace(kind)?, own.namespace(kind)?);
    Ok((found != ours, format!("{kind}:[{}], ours is {}", found.inode, ours.inode)))
}

fn network_claim(network: Network) -> &'static str {
    match network {
        Network::Own => "its network namespace is its own",
        Network::Join(_) => "its network namespace is the empty one that was made for its kind",
        Network::Host => "its network is the host's",
    }
}

fn look_at_network(process: &Process, own: &Process, expected: &Expected<'_>) -> Look {
    let (found, ours) = (process.namespace("net")?, own.namespace("net")?);
    let holds = match expected.plan.network() {
        Network::Own => found != ours,
        Network::Join(_) => expected.network == Some(found) && found != ours,
        Network::Host => found == ours,
    };
    Ok((holds, format!("net:[{}], ours is {}", found.inode, ours.inode)))
}

/// `/proc/<pid>/net/dev` has two lines of headings, then a line for each interface.
fn look_at_interfaces(process: &Process) -> Look {
    let text = process.read("net/dev")?;
    let names: Vec<&str> =
        text.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    Ok((names.iter().all(|name| *name == "lo"), names.join(", ")))
}

fn look_at_root(process: &Process) -> Look {
    let root = process.root()?;
    let holds = root.entries == 0 && root.is_tmpfs && root.is_read_only;
    let kind = if root.is_tmpfs { "a tmpfs" } else { "no tmpfs" };
    let mode = if root.is_read_only { "read-only" } else { "writable" };
    Ok((holds, format!("{} entries, {kind}, {mode}", root.entries)))
}

fn look_at_mounts(process: &Process) -> Look {
    let mounts = process.read("mountinfo")?.lines().count();
    Ok((mounts == 1, format!("{mounts} mounts")))
}

fn look_at_limits(process: &Process, plan: &Plan) -> Look {
    let text = process.read("limits")?;
    let mut wrong = Vec::new();
    for (limit, value) in plan.limits() {
        let wanted = value.to_string();
        let found = status::limit(&text, limit.proc_name());
        if found != Some((wanted.as_str(), wanted.as_str())) {
            wrong.push(match found {
                Some((soft, hard)) => format!("{} {soft} (hard {hard})", limit.proc_name()),
                None => format!("no {}", limit.proc_name()),
            });
        }
    }
    if wrong.is_empty() {
        let planned = plan.limits().iter().map(|(limit, value)| format!("{limit:?} {value}"));
        return Ok((true, planned.collect::<Vec<_>>().join(", ")));
    }
    Ok((false, wrong.join(", ")))
}

fn descriptors_claim(plan: &Plan, moment: Moment) -> String {
    match moment {
        Moment::Started => {
            let numbers: Vec<String> =
                planned(plan).map(|(number, _)| number.to_string()).collect();
            format!("its descriptors are 0, 1, 2 and {}, of the planned kinds", numbers.join(", "))
        }
        Moment::Serving => {
            "its descriptors are of the planned kinds, or sockets, ttys and files".into()
        }
    }
}

/// The numbers of everything that a plan has open, each with what it is for.
fn planned(plan: &Plan) -> impl Iterator<Item = (RawFd, &'static str)> + '_ {
    let kept = plan.kept().iter().map(|kept| (kept.number, kept.purpose));
    kept.chain(plan.opened().iter().map(|opened| (opened.number, opened.purpose)))
}

fn look_at_descriptors(process: &Process, expected: &Expected<'_>) -> Look {
    let open = process.descriptors()?;
    let plan = expected.plan;
    // A process that may make a wait queue or a timer has some at work.
    let waits = plan.policy().calls().any(|call| call == "epoll_create1");
    let mut wrong = Vec::new();
    for &(number, found) in &open {
        let as_planned = match (number, found, expected.moment) {
            (0 | 1, found, _) => found == Found::Null,
            (2, found, _) => {
                matches!(found, Found::Null | Found::Planned(Kind::Pipe | Kind::Socket))
            }
            (number, Found::Planned(kind), _) if plan.kind_of(number) == Some(kind) => true,
            (_, Found::Planned(Kind::Socket | Kind::Terminal | Kind::File), Moment::Serving) => {
                true
            }
            (_, Found::Anonymous, Moment::Serving) => waits,
            (_, Found::Planned(_) | Found::Anonymous | Found::Null | Found::Directory, _) => false,
        };
        if !as_planned {
            wrong.push(format!("{number} is {found}"));
        }
    }
    if expected.moment == Moment::Started {
        let open: BTreeSet<_> = open.iter().map(|(number, _)| *number).collect();
        for (number, purpose) in planned(plan).filter(|(number, _)| !open.contains(number)) {
            wrong.push(format!("{number} ({purpose}) is missing"));
        }
    }
    let found = format!("{} open", open.len());
    Ok((wrong.is_empty(), if wrong.is_empty() { found } else { wrong.join(", ") }))
}
