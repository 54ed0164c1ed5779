//! A demo: the whole of the product as a user starts it, in a folder of its own, and proof that
//! nothing of it is left afterwards.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;
use tempfile::TempDir;

use crate::deadline::Deadline;
use crate::folder;
use crate::proc::Process;
use crate::program::{self, Finished, Running};
use crate::store::Store;

/// How long a demo may take to be whole.
const START_S: u64 = 60;
/// How long it may take to be gone.
const END_S: u64 = 30;
/// How long it lives where a test forgets it.
const LIFE_S: u64 = 600;
/// How long one run of the command line may take.
const COMMAND_S: u64 = 30;

/// A demo that runs.
#[derive(Debug)]
pub struct Demo {
    /// The folder given to it.
    pub folder: TempDir,
    /// What its demo.json says.
    pub facts: Facts,
    running: Option<Running>,
}

/// What demo.json says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The agent's socket.
    pub agent: PathBuf,
    /// The store's socket.
    pub xenstore: PathBuf,
    /// The simulated guests.
    pub domains: Vec<Domain>,
}

/// A simulated guest of the demo.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its number.
    pub domid: u16,
    /// Its VM's uuid.
    pub uuid: String,
    /// Its VM's name.
    pub name: String,
    /// Where its screen is.
    pub vnc: Option<SocketAddr>,
    /// Where its text is.
    pub vt100: Option<SocketAddr>,
    /// Its converter.
    pub converter: Option<Process>,
}

impl Demo {
    /// Starts a demo with these further words, and waits until it is whole.
    ///
    /// # Panics
    /// When it isn't, or the test doesn't run as root.
    #[must_use]
    pub fn start(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        assert!(Uid::effective().is_root(), "these tests start the demo, which needs root");
        let folder = tempfile::Builder::new().prefix("xenwarden-test.").tempdir();
        let folder = folder.expect("a temporary folder");
        // The guests' own users pass through it to their homes.
        let passable = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(folder.path(), passable).expect("it is ours");
        let mut command = program::command("xenwarden", ["demo", "--dir"]);
        command.arg(folder.path()).args(["--for", &LIFE_S.to_string()]).args(words);
        let mut running = Running::start(&mut command);
        let gave_up = || running.ended(Duration::ZERO).is_some();
        if !folder::has(folder.path(), "demo.json", Deadline::seconds(START_S), gave_up) {
            panic!("the demo isn't whole; it said:\n{}", running.said());
        }
        let facts = Facts::read(&folder.path().join("demo.json"));
        Self { folder, facts, running: Some(running) }
    }

    /// The demo's own process.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn process(&self) -> Process {
        let pid = self.running.as_ref().expect("the demo has been ended").pid();
        Process::find(pid).expect("the demo runs")
    }

    /// A simulated guest, by its name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn domain(&self, name: &str) -> &Domain {
        let found = self.facts.domains.iter().find(|domain| domain.name == name);
        found.unwrap_or_else(|| panic!("the demo has no {name}"))
    }

    /// A connection to the demo's store.
    ///
    /// # Panics
    /// When it doesn't answer.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::connect(&self.facts.xenstore).expect("the demo's store answers")
    }

    /// Runs the command line against the demo's agent.
    pub fn xenwarden(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        program::run(&mut self.command(words), Deadline::seconds(COMMAND_S))
    }

    /// Runs the command line against the demo's agent; it must succeed.
    ///
    /// # Panics
    /// When it fails.
    pub fn xenwarden_well(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        program::run_well(&mut self.command(words), Deadline::seconds(COMMAND_S))
    }

    fn command(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = program::command("xenwarden", ["--agent"]);
        command.arg(&self.facts.agent).args(words);
        command
    }

    /// The demo's process that runs this program, the first where it has started itself again.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn process_of(&self, program: &str) -> Process {
        let runs =
            |process: &Process| process.words().first().is_some_and(|word| word.ends_with(program));
        let found: Vec<Process> = self.processes().into_iter().filter(runs).collect();
        let first = found
            .iter()
            .find(|process| !found.iter().any(|other| other.children().contains(process)));
        *first.unwrap_or_else(|| panic!("the demo runs no {program}"))
    }

    /// Every process of the demo but the test's own.
    #[must_use]
    pub fn processes(&self) -> BTreeSet<Process> {
        let mut found: BTreeSet<Process> =
            self.facts.domains.iter().filter_map(|domain| domain.converter).collect();
        if let Some(running) = &self.running {
            found.extend(Process::find(running.pid()));
        }
        let descendants: Vec<Process> =
            found.iter().flat_map(|process| process.descendants()).collect();
        found.extend(descendants);
        let test = std::process::id();
        found.extend(
            Process::all()
                .into_iter()
                .filter(|process| process.pid != test && process.is_about(self.folder.path())),
        );
        found.retain(|process| process.lives());
        found
    }

    /// Kills one of the demo's programs with -9, and waits until the demo has started it again.
    ///
    /// # Panics
    /// When it doesn't.
    pub fn kill_and_see_restarted(&self, program: &str) {
        let killed = self.process_of(program);
        let words = killed.words();
        kill_9(killed);
        let again = || self.processes().iter().any(|process| process.words() == words);
        Deadline::seconds(START_S)
            .until(&format!("{program} runs again"), || again().then_some(()));
    }

    /// Everything that the demo has said, and the log files in its folder.
    #[must_use]
    pub fn said(&self) -> String {
        let mut said: Vec<String> = self.running.iter().map(Running::said).collect();
        said.extend(logs(self.folder.path()));
        said.join("\n")
    }

    /// Ends the demo as a user does, and proves that nothing is left.
    ///
    /// # Panics
    /// When something is.
    pub fn end(mut self) {
        let processes = self.processes();
        let ports: Vec<SocketAddr> = self
            .facts
            .domains
            .iter()
            .flat_map(|domain| [domain.vnc, domain.vt100])
            .flatten()
            .collect();
        let mut running = self.running.take().expect("a demo ends once");
        running.signal(Signal::SIGTERM);
        let status = running.wait(Deadline::seconds(END_S));
        assert!(status.success(), "the demo ended with {status}; it said:\n{}", running.said());
        for process in processes {
            Deadline::seconds(END_S)
                .until(&format!("process {} {:?} has ended", process.pid, process.words()), || {
                    (!process.lives()).then_some(())
                });
        }
        for process in Process::all() {
            let about = process.pid != std::process::id() && process.is_about(self.folder.path());
            assert!(!about, "left behind: {} {:?}", process.pid, process.words());
        }
        for port in ports {
            let answer = TcpStream::connect_timeout(&port, Duration::from_secs(5));
            assert!(answer.is_err(), "somebody still listens on {port}");
        }
    }
}

impl Drop for Demo {
    /// For tests that have failed: leaves nothing behind either.
    fn drop(&mut self) {
        if self.running.is_none() {
            return;
        }
        let processes = self.processes();
        if let Some(running) = &mut self.running {
            eprintln!("the demo said:\n{}", running.said());
            running.signal(Signal::SIGTERM);
            running.ended(Duration::from_secs(END_S));
        }
        for process in processes.into_iter().filter(|process| process.lives()) {
            let _gone = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGKILL);
        }
    }
}

impl Facts {
    fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("demo.json can be read");
        let json: Value = serde_json::from_str(&text).expect("demo.json is JSON");
        let path = |name: &str| PathBuf::from(json[name].as_str().expect("a path in demo.json"));
        let domains = json["domains"].as_array().expect("domains in demo.json");
        Self {
            agent: path("agent"),
            xenstore: path("xenstore"),
            domains: domains.iter().map(Domain::read).collect(),
        }
    }
}

impl Domain {
    fn read(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let address = |name: &str| text(name).map(|text| text.parse().expect("an address"));
        let number = json["domid"].as_u64().and_then(|number| u16::try_from(number).ok());
        let converter = json["converter_pid"].as_u64().map(|pid| {
            let pid = u32::try_from(pid).expect("a process id");
            Process::find(pid).expect("the converter that demo.json names runs")
        });
        Self {
            domid: number.expect("a domid"),
            uuid: text("uuid").expect("a uuid"),
            name: text("name").expect("a name"),
            vnc: address("vnc"),
            vt100: address("vt100"),
            converter,
        }
    }
}

/// The texts of the log files below a folder.
fn logs(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut texts = Vec::new();
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            texts.extend(logs(&path));
        } else if kind.is_file() && path.extension() == Some(OsStr::new("log")) {
            texts.extend(std::fs::read_to_string(&path));
        }
    }
    texts
}

/// The address of a port on this machine's loopback.
#[must_use]
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Kills a process at once, and waits until it is gone.
///
/// # Panics
/// When it doesn't go.
pub fn kill_9(process: Process) {
    end_by(process, Signal::SIGKILL);
}

/// Tells a process to end, as a host does that shuts down, and waits until it is gone.
///
/// # Panics
/// When it is gone already, or stays.
pub fn terminate(process: Process) {
    end_by(process, Signal::SIGTERM);
}

fn end_by(process: Process, signal: Signal) {
    kill(Pid::from_raw(process.pid.cast_signed()), signal).expect("it can be signalled");
    Deadline::seconds(10).until("the process is gone", || (!process.lives()).then_some(()));
}
