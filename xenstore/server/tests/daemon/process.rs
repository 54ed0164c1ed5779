//! A running `xenstored` in a folder of its own, ended when the test is.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

use crate::client::Client;

/// Longer than a start or an end takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Process {
    pub(crate) folder: TempDir,
    child: Child,
}

/// The program, with its socket in `folder`.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xenstored"));
    command.env_remove("XENSTORED_PATH").env("XENSTORED_RUNDIR", folder);
    command.env_remove("NOTIFY_SOCKET");
    command
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().expect("the program starts")
}

/// A folder that every user may look into.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("the folder is ours");
    folder
}

/// Where a program that is installed in a folder is.
pub(crate) fn installed_in(folder: &Path) -> PathBuf {
    folder.canonicalize().expect("the folder is there").join("xenstored")
}

/// Puts a program to a path where one may be running, as a package does.
pub(crate) fn install(program: &[u8], path: &Path) {
    let new = path.with_extension("new");
    fs::write(&new, program).expect("the folder is ours");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    fs::rename(&new, path).expect("the folder is ours");
}

/// Asks again and again until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}: it never comes");
        std::thread::yield_now();
    }
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(open_folder(), arguments)
    }

    pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let command = program(folder.path());
        Self::run_in(folder, command, arguments)
    }

    /// One that was installed in its own folder, where it may be replaced.
    pub(crate) fn start_installed(arguments: &[&str]) -> Self {
        let folder = open_folder();
        let program = installed_in(folder.path());
        install(&fs::read(env!("CARGO_BIN_EXE_xenstored")).expect("the program"), &program);
        let mut command = Command::new(program);
        command.env_remove("XENSTORED_PATH").env("XENSTORED_RUNDIR", folder.path());
        command.env_remove("NOTIFY_SOCKET");
        Self::run_in(folder, command, arguments)
    }

    fn run_in(folder: TempDir, mut command: Command, arguments: &[&str]) -> Self {
        assert!(geteuid().is_root(), "xenstored serves root: run these tests as root");
        let child = command
            .args(["-N", "-D"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut process = Self { folder, child };
        let path = process.socket();
        wait_until("a socket", || {
            if let Some(status) = process.child.try_wait().expect("a child") {
                panic!("{status}: {}", process.complaint());
            }
            UnixStream::connect(&path).is_ok()
        });
        process
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(UnixStream::connect(self.socket()).expect("the server listens"))
    }

    /// A connection that is restricted to a domain, whose home there is.
    pub(crate) fn connect_as_domain(&self, number: u16) -> Client {
        let mut client = self.connect();
        for request in [
            format!("MKDIR /local/domain/{number}|"),
            format!("SET_PERMS /local/domain/{number}|n{number}|"),
            format!("RESTRICT {number}|"),
        ] {
            assert_eq!(client.ask(&request), "OK|", "{request}");
        }
        client
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    /// The process that serves, which is the only child of the one that was started.
    pub(crate) fn store_id(&self) -> Pid {
        self.try_store_id().expect("one child")
    }

    /// The same, where there is one now. One that was killed may wait to be reaped beside it.
    pub(crate) fn try_store_id(&self) -> Option<Pid> {
        let parent = self.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        let is_dead = |id: &&str| {
            let status = fs::read_to_string(format!("/proc/{id}/status"));
            status.is_ok_and(|status| status.contains("State:\tZ"))
        };
        let mut living = children.split_whitespace().filter(|id| !is_dead(id));
        Some(Pid::from_raw(living.next()?.parse().ok()?)).filter(|_| living.next().is_none())
    }

    /// How often the process that serves has slept so far.
    pub(crate) fn sleeps(&self) -> u64 {
        let status = format!("/proc/{}/status", self.store_id());
        let status = fs::read_to_string(status).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
        let (_, count) = line.and_then(|line| line.split_once('\t')).expect("a count");
        count.parse().expect("a number")
    }

    /// Sends a signal, and waits for the end.
    pub(crate) fn stop(&mut self, signal: Signal) -> ExitStatus {
        kill(self.id(), signal).expect("it runs");
        self.child.wait().expect("a child")
    }

    /// Waits for the end: the exit code, and what it said.
    pub(crate) fn wait(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("a child");
        (status.code(), self.complaint())
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        let read: io::Result<usize> =
            self.child.stderr.as_mut().map_or(Ok(0), |stderr| stderr.read_to_string(&mut text));
        read.map(|_| text).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
