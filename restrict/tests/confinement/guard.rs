//! Starts captives, talks with them, and hears how they end.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use restrict::{
    Attestation, Child, Ending, Expected, FileId, Launch, Moment, Network, Plan, Program, Reaped,
    SpawnError, Uid, UidRange, attest, become_subreaper, empty_network,
};

use crate::cell;

/// A range that neither the defaults nor another crate's tests use.
const BASE: u32 = 2_000_000_000;
/// A captive that takes longer to confine itself is given up: hundreds of times the usual.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A user id for one captive.
pub(crate) fn uid() -> Uid {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Several runs at once should not share ids either.
    let own = u16::try_from(std::process::id() % 300).unwrap() * 100;
    let domid = own + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
    UidRange::new(BASE).unwrap().uid(domid).unwrap()
}

/// Where `cargo test` puts an example: beside the folder of the test programs.
pub(crate) fn example_path(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not there: cargo test builds it", path.display());
    path
}

pub(crate) fn captive_path() -> PathBuf {
    example_path("captive")
}

/// A captive's descriptors, on the test's side and on its own.
pub(crate) struct Cell {
    pub(crate) plan: Plan,
    pub(crate) handed: Vec<(i32, OwnedFd)>,
    pub(crate) control: UnixStream,
    pub(crate) tty: OwnedFd,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) screen: File,
    pub(crate) log: std::io::PipeReader,
    pub(crate) network: Option<FileId>,
    stderr: OwnedFd,
    pub(crate) name: String,
}

impl Cell {
    pub(crate) fn new(network: Network) -> Self {
        assert!(geteuid().is_root(), "the tests of confinement need root: run them as root");
        become_subreaper().unwrap();
        let pty = nix::pty::openpty(None, None).unwrap();
        let (control, theirs) = UnixStream::pair().unwrap();
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let screen = tempfile::tempfile().unwrap();
        let (log, stderr) = std::io::pipe().unwrap();
        let mut handed: Vec<(i32, OwnedFd)> = vec![
            (cell::TTY, pty.slave),
            (cell::LISTENER, listener.into()),
            (cell::CONTROL, theirs.into()),
            (cell::SCREEN, screen.try_clone().unwrap().into()),
        ];
        let mut joined = None;
        if let Network::Join(number) = network {
            let namespace = empty_network().unwrap();
            joined = Some(FileId::of(&namespace).unwrap());
            handed.push((number, namespace));
        }
        Self {
            plan: cell::plan(uid(), network),
            handed,
            control,
            tty: pty.master,
            address,
            screen,
            log,
            network: joined,
            stderr: stderr.into(),
            name: "captive".to_owned(),
        }
    }

    /// Starts the captive, and waits until it is confined.
    pub(crate) fn lock(self, deed: &str) -> Captive {
        let program = Program::open(&captive_path()).unwrap();
        self.try_lock(&program, deed, PATIENCE).unwrap()
    }

    pub(crate) fn try_lock(
        self,
        program: &Program,
        deed: &str,
        limit: Duration,
    ) -> Result<Captive, SpawnError> {
        let network = match self.plan.network() {
            Network::Own | Network::Host => "own",
            Network::Join(_) => "join",
        };
        let arguments = [deed, &self.plan.uid().to_string(), network];
        let launch = Launch {
            program,
            name: self.name.into(),
            arguments: arguments.map(Into::into).to_vec(),
            plan: &self.plan,
            report: cell::REPORT,
            descriptors: self.handed,
            stderr: self.stderr,
        };
        let child = launch.run(limit)?;
        Ok(Captive {
            child,
            plan: self.plan,
            control: BufReader::new(self.control),
            tty: self.tty,
            address: self.address,
            screen: self.screen,
            log: self.log,
            network: self.network,
            program: program.id(),
        })
    }
}

/// A confined process that a test holds.
pub(crate) struct Captive {
    pub(crate) child: Child,
    pub(crate) plan: Plan,
    pub(crate) control: BufReader<UnixStream>,
    /// Kept open: without a master the tty would hang up.
    #[allow(dead_code, reason = "held for what its drop would do")]
    pub(crate) tty: OwnedFd,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) screen: File,
    pub(crate) log: std::io::PipeReader,
    pub(crate) network: Option<FileId>,
    pub(crate) program: FileId,
}

impl Captive {
    /// A captive that has nothing more to do than to be looked at.
    pub(crate) fn waiting() -> Self {
        let mut captive = Cell::new(Network::Join(cell::NETWORK)).lock("wait");
        assert_eq!(captive.hear(), "waiting");
        captive
    }

    /// The next line that the captive says; empty when it has ended.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.control.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn expected(&self, moment: Moment) -> Expected<'_> {
        Expected {
            child: self.child,
            plan: &self.plan,
            program: self.program,
            network: self.network,
            moment,
        }
    }

    pub(crate) fn attest(&self, moment: Moment) -> Attestation {
        attest(&self.expected(moment)).unwrap()
    }

    /// How the captive ended, with what its log held.
    pub(crate) fn end(mut self) -> (Ending, String) {
        // Nothing but the captive holds the other end, so that this waits for its end.
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.child.reap().unwrap() {
                Reaped::Ended(ending) => return (ending, log),
                Reaped::Running => std::thread::yield_now(),
                Reaped::Foreign => panic!("the captive is not this process's child"),
            }
        }
        panic!("the captive does not end");
    }
}

impl Drop for Captive {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
