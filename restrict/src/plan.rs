//! What a process keeps once it is confined: a value that is entered, attested and printed.
//!
//! Nothing is done here; [`crate::enter()`] carries a plan out and [`crate::attest()`] compares a
//! process with it. There is one released plan for converters, used by the tests as well.

use std::collections::BTreeSet;
use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use crate::identity::{Gid, Uid};
use crate::limit::Limit;
use crate::policy::{Policy, PolicyError};

/// Where the root shows a folder of the host, for a plan that has one.
pub const SHOWN: &str = "/agent";

/// Descriptors 0, 1 and 2 are always there: `/dev/null` twice, and stderr.
const FIRST_KEPT: RawFd = 3;

/// Descriptors open at once in a converter: a dozen are handed in, the rest are viewers.
const CONVERTER_OPEN_FILES: u64 = 64;
/// A saved screen: the longest scrollback with every cell in a colour of its own is below it.
const CONVERTER_FILE_SIZE: u64 = 1024 * 1024;
/// Program, stack, one screen with scrollback, and a picture for each of its viewers.
const CONVERTER_ADDRESS_SPACE: u64 = 64 * 1024 * 1024;
/// How much likelier than others the kernel's out-of-memory killer takes a converter: before
/// anything that the host itself needs.
const CONVERTER_OOM_SCORE: i16 = 500;
/// What `uname` answers inside, whatever the host is called.
const CONVERTER_HOSTNAME: &str = "converter";

/// Descriptors open at once in a store: its devices, and its clients on sockets. Every kernel lets
/// root have as many; guests on rings take none.
const STORE_OPEN_FILES: u64 = 4096;
/// Program, the whole tree with its transactions, and what waits for clients to read it.
const STORE_ADDRESS_SPACE: u64 = 4 * 1024 * 1024 * 1024;
/// What `uname` answers inside.
const STORE_HOSTNAME: &str = "xenstored";

/// Descriptors open at once in the network front: its clients, half-open ones among them, and a
/// connection to the agent for each that waits or watches a console.
const FRONT_OPEN_FILES: u64 = 16_384;
/// Program, and a bounded request of each client that is being served.
const FRONT_ADDRESS_SPACE: u64 = 4 * 1024 * 1024 * 1024;
/// What `uname` answers inside.
const FRONT_HOSTNAME: &str = "xenwarden-api";

/// What a kept descriptor is, as far as `fstat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pseudo-terminal, either end.
    Terminal,
    /// A socket: a listener, or a connected one.
    Socket,
    /// A regular file: a lock, or a state file opened by the parent.
    File,
    /// A pipe.
    Pipe,
    /// A device that is neither a terminal nor `/dev/null`: a restricted handle of Xen's
    /// ([`crate::xen`]).
    Device,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminal => "a pseudo-terminal",
            Self::Socket => "a socket",
            Self::File => "a regular file",
            Self::Pipe => "a pipe",
            Self::Device => "a device",
        })
    }
}

/// A descriptor that is handed in, and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its number in the confined process, 3 or more.
    pub number: RawFd,
    /// What it must be.
    pub kind: Kind,
    /// What it is for, in a word or two.
    pub purpose: &'static str,
}

/// A file that the process opens itself while it still can, and keeps: some devices serve nobody but
/// the process that opened them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Its number in the confined process, 3 or more.
    pub number: RawFd,
    /// The file.
    pub path: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// What it is for, in a word or two.
    pub purpose: &'static str,
}

/// The network namespace of a confined process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A new, empty one.
    Own,
    /// The empty one whose descriptor is handed in at this number. It is closed after joining.
    Join(RawFd),
    /// The host's: the process serves clients from outside.
    Host,
}

/// What a process keeps once it is confined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    uid: Uid,
    gid: Gid,
    network: Network,
    kept: Vec<Kept>,
    opened: Vec<Opened>,
    oom_score: Option<i16>,
    limits: Vec<(Limit, u64)>,
    policy: Policy,
    hostname: &'static str,
    shown: Option<PathBuf>,
    own_pids: bool,
}

/// A plan that nothing could enter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A number belongs to the standard three, or lies at or above the limit.
    #[error("descriptor {number} ({purpose}) is not between 3 and {limit}")]
    Number {
        /// The number.
        number: RawFd,
        /// What it was for.
        purpose: &'static str,
        /// The plan's limit of open files.
        limit: u64,
    },
    /// Two descriptors were given one number.
    #[error("descriptor {0} is planned twice")]
    Twice(RawFd),
    /// The policy's text is not a policy.
    #[error("read the system call policy")]
    Policy(#[from] PolicyError),
}

impl Plan {
    /// The released plan for a converter: the program that reads a guest's console.
    pub fn converter(
        uid: Uid,
        gid: Gid,
        network: Network,
        kept: Vec<Kept>,
    ) -> Result<Self, PlanError> {
        refuse_bad_numbers(network, &kept, &[], CONVERTER_OPEN_FILES)?;
        let limits =
            limits(CONVERTER_OPEN_FILES, CONVERTER_ADDRESS_SPACE, Some(CONVERTER_FILE_SIZE));
        let policy = Policy::converter()?;
        Ok(Self {
            uid,
            gid,
            network,
            kept,
            opened: Vec::new(),
            oom_score: Some(CONVERTER_OOM_SCORE),
            limits,
            policy,
            hostname: CONVERTER_HOSTNAME,
            shown: None,
            own_pids: true,
        })
    }

    /// The released plan for a store: the program that reads what guests write into their rings.
    ///
    /// The out-of-memory killer sees it as it sees its parent: without a store the host is lost.
    pub fn store(
        uid: Uid,
        gid: Gid,
        kept: Vec<Kept>,
        opened: Vec<Opened>,
    ) -> Result<Self, PlanError> {
        let network = Network::Own;
        refuse_bad_numbers(network, &kept, &opened, STORE_OPEN_FILES)?;
        let limits = limits(STORE_OPEN_FILES, STORE_ADDRESS_SPACE, Some(0));
        Ok(Self {
            uid,
            gid,
            network,
            kept,
            opened,
            oom_score: None,
            limits,
            policy: Policy::store()?,
            hostname: STORE_HOSTNAME,
            shown: None,
            own_pids: true,
        })
    }

    /// The released plan for the network front: the program that reads what clients send.
    ///
    /// It has the host's network, and its root has one folder, where the agent's socket is. A pid
    /// namespace would need a process more, and it may signal nobody. Files have no limit: it opens
    /// none, and its log may be one.
    pub fn front(uid: Uid, gid: Gid, kept: Vec<Kept>, shown: PathBuf) -> Result<Self, PlanError> {
        let network = Network::Host;
        refuse_bad_numbers(network, &kept, &[], FRONT_OPEN_FILES)?;
        let limits = limits(FRONT_OPEN_FILES, FRONT_ADDRESS_SPACE, None);
        Ok(Self {
            uid,
            gid,
            network,
            kept,
            opened: Vec::new(),
            oom_score: None,
            limits,
            policy: Policy::front()?,
            hostname: FRONT_HOSTNAME,
            shown: Some(shown),
            own_pids: false,
        })
    }

    /// The user id.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// The group id.
    #[must_use]
    pub fn gid(&self) -> Gid {
        self.gid
    }

    /// The network namespace.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// The descriptors that are handed in and stay, besides 0, 1 and 2.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// The files that the process opens itself.
    #[must_use]
    pub fn opened(&self) -> &[Opened] {
        &self.opened
    }

    /// How much likelier than others the kernel's out-of-memory killer takes it, in thousandths of
    /// the memory; none where that stays as it is.
    #[must_use]
    pub fn oom_score(&self) -> Option<i16> {
        self.oom_score
    }

    /// What a descriptor must be, whether it is handed in or opened; none that is not planned.
    #[must_use]
    pub fn kind_of(&self, number: RawFd) -> Option<Kind> {
        let kept = self.kept.iter().map(|kept| (kept.number, kept.kind));
        let opened = self.opened.iter().map(|opened| (opened.number, opened.kind));
        kept.chain(opened).find(|(planned, _)| *planned == number).map(|(_, kind)| kind)
    }

    /// The resource limits, each both soft and hard.
    #[must_use]
    pub fn limits(&self) -> &[(Limit, u64)] {
        &self.limits
    }

    /// One limit's value.
    #[must_use]
    pub fn limit(&self, wanted: Limit) -> Option<u64> {
        self.limits.iter().find(|(limit, _)| *limit == wanted).map(|(_, value)| *value)
    }

    /// The system calls that stay possible.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The host name that the process sees.
    #[must_use]
    pub fn hostname(&self) -> &'static str {
        self.hostname
    }

    /// The folder of the host that its root shows, as [`SHOWN`]; none where the root is empty.
    #[must_use]
    pub fn shown(&self) -> Option<&Path> {
        self.shown.as_deref()
    }

    /// Whether it has a pid namespace of its own.
    #[must_use]
    pub fn has_own_pids(&self) -> bool {
        self.own_pids
    }

    /// The plan as sentences for people: one property each, in the order in which it is entered.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![
            "it starts with an empty environment".to_owned(),
            "descriptors 0 and 1 are /dev/null, 2 is the log".to_owned(),
        ];
        for Kept { number, kind, purpose } in &self.kept {
            sentences.push(format!("descriptor {number} is {kind}: {purpose}"));
        }
        for Opened { number, path, kind, purpose } in &self.opened {
            sentences.push(format!("descriptor {number} is {kind}, {path}: {purpose}"));
        }
        sentences.push(match self.network {
            Network::Own => "its network namespace is its own, and empty".to_owned(),
            Network::Join(_) => {
                "its network namespace is empty, and shared with its kind only".to_owned()
            }
            Network::Host => "its network is the host's".to_owned(),
        });
        let pids = if self.own_pids { "mount, pid, ipc" } else { "mount, ipc" };
        sentences.push(format!("its {pids} and uts namespaces are its own"));
        sentences.push(match &self.shown {
            None => "its root is an empty read-only tmpfs, the only mount it has".to_owned(),
            Some(shown) => {
                format!("its root is a read-only tmpfs that shows {} alone", shown.display())
            }
        });
        sentences.push(format!("its host is called {}", self.hostname));
        for (limit, value) in &self.limits {
            sentences.push(format!("at most {value} {}", limit.noun()));
        }
        sentences.push("it has no capability in any set, and none can be raised".to_owned());
        sentences.push(format!(
            "its user is {} and its group {}, with no other group",
            self.uid, self.gid
        ));
        sentences.push("it leaves no core dump and cannot be traced by its own user".to_owned());
        sentences.push("it can never gain privileges by executing a program".to_owned());
        sentences.push(format!(
            "it may make {} system calls; any other ends it with SIGSYS",
            self.policy.calls().collect::<BTreeSet<_>>().len()
        ));
        sentences
    }
}

/// What every plan limits: nothing at all of what no program needs, and so much of the rest. `None` is
/// for files without a limit.
fn limits(open_files: u64, address_space: u64, file_size: Option<u64>) -> Vec<(Limit, u64)> {
    let nothing = [Limit::Core, Limit::LockedMemory, Limit::MessageQueues, Limit::FileLocks];
    let mut limits: Vec<(Limit, u64)> = nothing.map(|limit| (limit, 0)).into();
    limits.extend(file_size.map(|size| (Limit::FileSize, size)));
    limits.extend([
        (Limit::OpenFiles, open_files),
        (Limit::AddressSpace, address_space),
        (Limit::Processes, 0),
    ]);
    limits
}

fn refuse_bad_numbers(
    network: Network,
    kept: &[Kept],
    opened: &[Opened],
    limit: u64,
) -> Result<(), PlanError> {
    let mut seen = BTreeSet::new();
    let joined = match network {
        Network::Own | Network::Host => None,
        Network::Join(number) => Some((number, "network namespace")),
    };
    let kept = kept.iter().map(|kept| (kept.number, kept.purpose));
    let opened = opened.iter().map(|opened| (opened.number, opened.purpose));
    for (number, purpose) in kept.chain(opened).chain(joined) {
        let within = u64::try_from(number).is_ok_and(|number| number < limit);
        if number < FIRST_KEPT || !within {
            return Err(PlanError::Number { number, purpose, limit });
        }
        if !seen.insert(number) {
            return Err(PlanError::Twice(number));
        }
    }
    Ok(())
}

/// The plan's sentences, one a line.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sentence in self.sentences() {
            writeln!(f, "{sentence}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(network: Network, numbers: &[RawFd]) -> Result<Plan, PlanError> {
        let kept = numbers
            .iter()
            .map(|&number| Kept { number, kind: Kind::Socket, purpose: "test" })
            .collect();
        let uid = Uid::new(1_879_048_193).unwrap();
        Plan::converter(uid, uid.into(), network, kept)
    }

    #[test]
    fn refuses_the_standard_three_and_numbers_above_the_limit() {
        for number in [-1, 0, 2, 64, RawFd::MAX] {
            assert!(matches!(
                plan(Network::Own, &[number]),
                Err(PlanError::Number { number: refused, .. }) if refused == number
            ));
        }
        assert!(plan(Network::Own, &[3, 63]).is_ok());
    }

    #[test]
    fn refuses_one_number_for_two_descriptors() {
        assert_eq!(plan(Network::Own, &[5, 3, 5]), Err(PlanError::Twice(5)));
        assert_eq!(plan(Network::Join(5), &[5]), Err(PlanError::Twice(5)));
    }

    fn store(kept: &[RawFd], opened: &[RawFd]) -> Result<Plan, PlanError> {
        let kept = kept
            .iter()
            .map(|&number| Kept { number, kind: Kind::Socket, purpose: "test" })
            .collect();
        let device = |&number| Opened {
            number,
            path: "/dev/xen/evtchn",
            kind: Kind::Device,
            purpose: "test",
        };
        let uid = Uid::new(1_879_048_193).unwrap();
        Plan::store(uid, uid.into(), kept, opened.iter().map(device).collect())
    }

    #[test]
    fn what_a_store_opens_has_numbers_of_its_own() {
        assert!(matches!(store(&[3], &[2]), Err(PlanError::Number { number: 2, .. })));
        assert_eq!(store(&[3], &[4, 3]), Err(PlanError::Twice(3)));
        let plan = store(&[3], &[4]).unwrap();
        assert_eq!(plan.kind_of(3), Some(Kind::Socket));
        assert_eq!(plan.kind_of(4), Some(Kind::Device));
        assert_eq!(plan.kind_of(5), None);
        let sentence = "descriptor 4 is a device, /dev/xen/evtchn: test".to_owned();
        assert!(plan.sentences().contains(&sentence));
    }

    #[test]
    fn the_released_plans_set_every_limit() {
        for plan in [plan(Network::Own, &[]).unwrap(), store(&[], &[]).unwrap()] {
            for limit in Limit::ALL {
                assert!(plan.limit(limit).is_some(), "{limit:?}");
            }
        }
    }

    #[test]
    fn a_plan_reads_as_sentences() {
        assert_eq!(
            plan(Network::Join(9), &[4]).unwrap().to_string(),
            "\
it starts with an empty environment
descriptors 0 and 1 are /dev/null, 2 is the log
descriptor 4 is a socket: test
its network namespace is empty, and shared with its kind only
its mount, pid, ipc and uts namespaces are its own
its root is an empty read-only tmpfs, the only mount it has
its host is called converter
at most 0 bytes in a core dump
at most 0 bytes of locked memory
at most 0 bytes of message queues
at most 0 file locks
at most 1048576 bytes in a written file
at most 64 open descriptors
at most 67108864 bytes of address space
at most 0 further processes and threads
it has no capability in any set, and none can be raised
its user is 1879048193 and its group 1879048193, with no other group
it leaves no core dump and cannot be traced by its own user
it can never gain privileges by executing a program
it may make 35 system calls; any other ends it with SIGSYS
"
        );
    }
}
