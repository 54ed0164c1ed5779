//! The command line.
//!
//! Options that C xenstored has are called as they are there.

use std::env;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::os::fd::RawFd;
use std::path::PathBuf;

use lexopt::Parser;
use lexopt::prelude::*;
use xenstore_store::{Limits, Quota, QuotaName, Rates, RatesRefusal};
use xenstore_wire::DomainId;

pub(crate) const USAGE: &str = "\
Usage: xenstored [options]

Serves xenstore to Xen's guests on their rings, and to programs on a UNIX socket: $XENSTORED_PATH,
else $XENSTORED_RUNDIR/socket, else /run/xenstored/socket. Root may do everything. Everybody else is
turned away from the socket, but see --uid-range. Where the socket is served already, it says so and
leaves well.

  -D, --no-domain-init          serve sockets only, without a hypervisor
  -N, --no-fork                 stay in the foreground
  -F, --pid-file FILE           write the process id to FILE
  -P, --output-pid              print the process id
  -U, --live-update             go on where another xenstored ended that has run this program for a
                                live update: from $XENSTORED_RUNDIR/state_dump, and what it had open
      --store-uid UID           the user that the store's process becomes where it starts as root
                                (1879146479)
      --uid-range BASE          a user BASE+N is domain N, for N from 1 to 32751

How often a domain may ask, all of its connections together; dom0 is not limited:
      --operations-per-second N tokens that come in a second (1000)
      --burst N                 tokens that can be saved up (4000)
      --transaction-cost N      tokens that opening a transaction takes (20); all else takes one

How much a domain may hold; dom0 is not limited:
  -E, --entry-nb N              nodes (1000)
  -S, --entry-size N            bytes of a value (2048)
  -W, --watch-nb N              watches (128)
  -t, --transaction N           open transactions (10)
  -A, --perm-nb N               permissions of a node (5)
  -M, --path-max N              bytes of a path below its home (2048)
  -Q, --quota NAME=N            any quota by its name: nodes, watches, outstanding (20), memory
                                (2621440), transactions, transaction-nodes (1024),
                                node-permissions, path-max, node-size; 0 is no limit
  -q, --quota-soft memory=N     bytes of memory, before there is a warning (2097152)

Taken as C xenstored takes them, but with nothing to choose here, for the store is kept in memory
alone: -I, --internal-db; -L, --preserve-local; -R, --no-recovery; -V, --verbose.

  -H, --help                    print this and leave
      --version                 print the version and leave
";

/// The option that makes a process the store's: for the parent alone, so that help doesn't name it.
pub(crate) const STORE: &str = "store";
/// With it, the store's process only tries whether it could go on.
pub(crate) const TRY: &str = "try";
/// With it, the store's process begins with what another program's store has left.
pub(crate) const FOLLOW: &str = "follow";
/// With it, the store's process comes after one that crashed.
pub(crate) const AFTER_CRASH: &str = "after-crash";
/// Where the program is installed, for the store to say so.
pub(crate) const INSTALLED: &str = "installed";
/// The option of a program that goes on in a parent's process, with the descriptor of what is left.
pub(crate) const GO_ON: &str = "go-on";
/// The last user id of the third default range, which begins 65,536 above the converters': nothing
/// else on a host has it.
const STORE_UID: u32 = 1_879_146_479;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Serve(Options),
    /// Be the store's process, which the parent starts with its own options after its words to it.
    Store(Options),
    /// Say as the store's process whether it could go on.
    Try(Options),
    /// Go on in the process of another xenstored, from the stream that it has left.
    TakeOver(Options),
    /// Go on in the process of a parent of another program.
    GoOn(Options, RawFd),
}

/// How to serve.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) fork: bool,
    /// No hypervisor: no guests, no rings.
    pub(crate) sockets_only: bool,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) print_pid: bool,
    pub(crate) uids: Option<UidRange>,
    /// The user that the store's process becomes.
    pub(crate) store_uid: u32,
    pub(crate) limits: Limits,
    /// Where the program is installed, as the parent has told the store's process.
    pub(crate) installed: Option<String>,
    /// The store's process begins where another program's store ended, which has left a stream.
    pub(crate) follows: bool,
    /// It comes after one that crashed.
    pub(crate) after_crash: bool,
}

/// The users that are domains: the first one's number, less the first domain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UidRange {
    base: NonZeroU32,
}

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionsError {
    #[error(transparent)]
    Malformed(#[from] lexopt::Error),
    #[error("limits: {0}")]
    Rates(RatesRefusal),
    #[error("no quota is set by {0}")]
    Quota(String),
    #[error("--uid-range {0}: has to leave out root and end before the last user")]
    UidRange(u32),
}

/// Options that a running store can't be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAllowed {
    #[error(transparent)]
    Senseless(#[from] OptionsError),
    #[error("options may change limits alone: -D, --uid-range and --store-uid have to stay")]
    MoreThanLimits,
}

impl Options {
    pub(crate) fn parse(mut parser: Parser) -> Result<Command, OptionsError> {
        let mut sockets_only = false;
        let mut fork = true;
        let mut pid_file = None;
        let mut print_pid = false;
        let (mut is_store, mut is_trial, mut left, mut installed) = (false, false, None, None);
        let (mut follows, mut takes_over, mut after_crash) = (false, false, false);
        let mut store_uid = STORE_UID;
        let mut uids = None;
        let mut quota = Quota::default();
        let mut operations_per_second = Rates::DEFAULT.operations_per_second().get();
        let mut burst = Rates::DEFAULT.burst().get();
        let mut transaction_cost = Rates::DEFAULT.transaction_cost().get();
        while let Some(argument) = parser.next()? {
            match argument {
                Short('D') | Long("no-domain-init") => sockets_only = true,
                Short('N') | Long("no-fork") => fork = false,
                Short('F') | Long("pid-file") => pid_file = Some(parser.value()?.into()),
                Short('P') | Long("output-pid") => print_pid = true,
                Short('L' | 'R' | 'V') => (),
                Long("preserve-local" | "no-recovery" | "verbose") => (),
                // The one of them that C xenstored gives a value, of which it takes any.
                Short('I') | Long("internal-db") => drop(parser.optional_value()),
                Long(STORE) => is_store = true,
                Long(TRY) => is_trial = true,
                Long(FOLLOW) => follows = true,
                Long(AFTER_CRASH) => after_crash = true,
                Short('U') | Long("live-update") => takes_over = true,
                Long(INSTALLED) => installed = Some(parser.value()?.string()?),
                Long(GO_ON) => left = Some(parser.value()?.parse()?),
                Long("store-uid") => store_uid = number(&mut parser)?,
                Long("uid-range") => uids = Some(UidRange::new(number(&mut parser)?)?),
                Long("operations-per-second") => operations_per_second = number(&mut parser)?,
                Long("burst") => burst = number(&mut parser)?,
                Long("transaction-cost") => transaction_cost = number(&mut parser)?,
                Short('E') | Long("entry-nb") => quota.nodes = number(&mut parser)?,
                Short('S') | Long("entry-size") => quota.node_size = number(&mut parser)?,
                Short('W') | Long("watch-nb") => quota.watches = number(&mut parser)?,
                Short('t') | Long("transaction") => quota.transactions = number(&mut parser)?,
                Short('A') | Long("perm-nb") => quota.permissions = number(&mut parser)?,
                Short('M') | Long("path-max") => quota.path = number(&mut parser)?,
                Short('Q') | Long("quota") => set(&mut quota, &parser.value()?.string()?)?,
                Short('q') | Long("quota-soft") => {
                    let setting = parser.value()?.string()?;
                    match setting.strip_prefix("memory=") {
                        Some(_) => set(&mut quota, &format!("soft-{setting}"))?,
                        None => return Err(OptionsError::Quota(setting)),
                    }
                }
                Short('H' | 'h') | Long("help") => return Ok(Command::Help),
                Long("version") => return Ok(Command::Version),
                Short(_) | Long(_) | Value(_) => {
                    return Err(argument.unexpected().into());
                }
            }
        }
        let rates = Rates::new(operations_per_second, burst, transaction_cost)
            .map_err(OptionsError::Rates)?;
        let limits = Limits { quota, rates };
        let options = Self {
            fork,
            sockets_only,
            pid_file,
            print_pid,
            uids,
            store_uid,
            limits,
            installed,
            follows,
            after_crash,
        };
        Ok(match (is_store, is_trial, left) {
            (true, true, _) => Command::Try(options),
            (true, false, _) => Command::Store(options),
            (false, _, Some(left)) => Command::GoOn(options, left),
            (false, _, None) if takes_over => Command::TakeOver(options),
            (false, _, None) => Command::Serve(options),
        })
    }
}

impl Options {
    /// Refuses words, which the store's process brings, unless they are options that differ from these
    /// in limits alone: nothing that it asks for changes what root does.
    pub(crate) fn allow(&self, words: &[OsString]) -> Result<(), NotAllowed> {
        let Command::Serve(other) = Self::parse(Parser::from_args(words.iter().cloned()))? else {
            return Err(NotAllowed::MoreThanLimits);
        };
        let are_a_parents = other.installed.is_none() && !other.follows && !other.after_crash;
        let is_as_before = other.sockets_only == self.sockets_only
            && (other.uids, other.store_uid) == (self.uids, self.store_uid);
        (are_a_parents && is_as_before).then_some(()).ok_or(NotAllowed::MoreThanLimits)
    }
}

/// The options of whoever started this process, without what another parent has put before them.
pub(crate) fn own_arguments() -> impl Iterator<Item = OsString> {
    let go_on = format!("--{GO_ON}=");
    let mut arguments = env::args_os().skip(1).peekable();
    arguments.next_if(|first| first.as_encoded_bytes().starts_with(go_on.as_bytes()));
    arguments
}

impl UidRange {
    fn new(base: u32) -> Result<Self, OptionsError> {
        let refusal = OptionsError::UidRange(base);
        match (NonZeroU32::new(base), base.checked_add(u32::from(DomainId::MAX.number()))) {
            // The last number means "no user" to the kernel.
            (Some(base), Some(last)) if last != u32::MAX => Ok(Self { base }),
            _ => Err(refusal),
        }
    }

    /// The domain that a user is. Nobody is dom0 by its number: that is root's.
    pub(crate) fn domain(self, uid: u32) -> Option<DomainId> {
        let number = u16::try_from(uid.checked_sub(self.base.get())?).ok()?;
        DomainId::new(number).ok().filter(|domain| *domain != DomainId::DOM0)
    }
}

/// Sets a quota by its name.
fn set(quota: &mut Quota, setting: &str) -> Result<(), OptionsError> {
    let refusal = || OptionsError::Quota(setting.to_owned());
    let (name, value) = setting.split_once('=').ok_or_else(refusal)?;
    let name = QuotaName::parse(name.as_bytes()).ok_or_else(refusal)?;
    quota.set(name, value.parse().map_err(|_| refusal())?);
    Ok(())
}

fn number(parser: &mut Parser) -> Result<u32, lexopt::Error> {
    parser.value()?.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, OptionsError> {
        Options::parse(Parser::from_args(line.split_whitespace()))
    }

    fn served(line: &str) -> Options {
        match parse(line) {
            Ok(Command::Serve(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_store() {
        let options = served("-D");
        assert!(options.fork && options.sockets_only);
        assert!(!served("-N").sockets_only);
        assert_eq!(options.limits, Limits::default());
        assert_eq!(options.uids, None);
        assert_eq!(options.pid_file, None);
    }

    #[test]
    fn a_store_may_ask_for_other_limits_and_for_nothing_else() {
        let options = served("-N -D --uid-range 1000");
        let allow = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            options.allow(&words).is_ok()
        };
        assert!(allow("-D --uid-range 1000 --burst 300 -Q nodes=7"));
        for other in [
            "--go-on=3",
            "--go-on 3",
            "--store",
            "--store --try",
            "--follow",
            "--after-crash",
            "--installed=/bin/sh",
            "-U",
            "--store-uid 7",
            "--help",
            "--what",
        ] {
            assert!(!allow(&format!("-D --uid-range 1000 {other}")), "{other}");
        }
        assert!(!allow("-D --uid-range 2000") && !allow("-D") && !allow("--uid-range 1000"));
    }

    #[test]
    fn every_limit_can_be_set() {
        let options = served(
            "-N -D -F /x --operations-per-second 5 --burst 30 --transaction-cost 3 \
             -E 1 -S 2 -W 3 -t 4 -A 6 -M 7",
        );
        assert!(!options.fork);
        assert_eq!(options.pid_file, Some("/x".into()));
        assert_eq!(Ok(options.limits.rates), Rates::new(5, 30, 3));
        let Quota { nodes, node_size, watches, transactions, permissions, path, .. } =
            options.limits.quota;
        assert_eq!(
            [nodes, node_size, watches, transactions, permissions, path],
            [1, 2, 3, 4, 6, 7]
        );
    }

    #[test]
    fn what_another_store_is_started_with_starts_this_one() {
        let options = served("--pid-file /run/xenstore.pid -P -Ion --internal-db=off -I -L -R -V");
        assert_eq!(options.pid_file, Some("/run/xenstore.pid".into()));
        assert!(options.print_pid && options.fork && !options.sockets_only);
        assert_eq!(options.limits, Limits::default());
    }

    #[test]
    fn a_quota_is_set_by_its_name() {
        let options = served("-D -Q memory=5 --quota transaction-nodes=6 -q memory=4 -Q nodes=0");
        let quota = options.limits.quota;
        let values = [quota.memory, quota.transaction_nodes, quota.soft_memory, quota.nodes];
        assert_eq!(values, [5, 6, 4, 0]);
        for line in ["-D -Q memory", "-D -Q x=1", "-D -Q nodes=x", "-D -q nodes=1"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for line in [
            "-D --burst 19",
            "-D --burst x",
            "-D --burst",
            "-D --burst 0 --transaction-cost 0",
            "-D --operations-per-second 0",
            "-D --uid-range 0",
            "-D --uid-range 4294967295",
            "-D --uid-range 4294934544",
            "-D --nonsense",
            "-D stray",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_user_of_the_range_is_its_domain_and_no_other_is_any() {
        let range = UidRange::new(100_000).expect("a range");
        let domain = |uid| range.domain(uid).map(DomainId::number);
        assert_eq!(domain(100_001), Some(1));
        assert_eq!(domain(132_751), Some(32_751));
        for uid in [0, 1, 99_999, 100_000, 132_752, 165_537, u32::MAX] {
            assert_eq!(domain(uid), None, "{uid}");
        }
        assert!(UidRange::new(u32::MAX - 1 - 32_751).is_ok());
    }
}
