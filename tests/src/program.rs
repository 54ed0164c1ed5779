//! Child processes: where the programs under test are, and what a running one says and comes to.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::deadline::Deadline;

/// Lines kept of one program; a test that needs more is looking at the wrong thing.
const LINES_MAX: usize = 100_000;
/// How long a program that was killed may take to be gone.
const KILLED: Duration = Duration::from_secs(10);

/// The folder of the programs under test: `$XENWARDEN_BIN_DIR`, else the target folder that the
/// running test was built into.
#[must_use]
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("XENWARDEN_BIN_DIR") {
        return PathBuf::from(folder);
    }
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test.parent().and_then(Path::parent).expect("tests are in <profile>/deps");
    profile.to_owned()
}

/// The path of a program under test.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn path_of(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins`", path.display());
    path
}

/// A command for a program that the system must have.
///
/// # Panics
/// When it isn't installed: names the Debian package.
#[must_use]
pub fn system(name: &str, package: &str) -> Command {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|folder| folder.join(name).exists());
    assert!(found, "{name} is missing: install Debian's package {package}, or run tests/setup");
    Command::new(name)
}

/// A child that runs, its output kept line by line.
#[derive(Debug)]
pub struct Running {
    name: String,
    pid: Pid,
    exit: Receiver<ExitStatus>,
    exited: Option<ExitStatus>,
    log: Arc<Log>,
}

/// What a program has said so far.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    said: Vec<(Stream, String)>,
    open: usize,
}

/// Which of its outputs a program used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// What a program came to.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub output: String,
    /// All of its standard error.
    pub errors: String,
}

impl Running {
    /// Starts a child in a process group of its own, without input.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {name}: {error}"));
        let log = Arc::new(Log::default());
        log.lines().open = 2;
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        Log::follow(&log, Stream::Output, output);
        Log::follow(&log, Stream::Errors, errors);
        let pid = Pid::from_raw(child.id().cast_signed());
        let (tell, exit) = mpsc::channel();
        std::thread::spawn(move || {
            if let Ok(status) = child.wait() {
                // Nobody may be left to be told.
                let _gone = tell.send(status);
            }
        });
        Self { name, pid, exit, exited: None, log }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended(Duration::ZERO).is_none() {
            // It may end in this very moment.
            let _gone = kill(self.pid, signal);
        }
    }

    /// How it ended, as soon as it has, or none after `time`.
    pub fn ended(&mut self, time: Duration) -> Option<ExitStatus> {
        if self.exited.is_none() {
            self.exited = self.exit.recv_timeout(time).ok();
        }
        self.exited
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// When it hasn't by the deadline; shows what it said.
    pub fn wait(&mut self, deadline: Deadline) -> ExitStatus {
        let left = deadline.left().unwrap_or_default();
        match self.ended(left) {
            Some(status) => status,
            None => panic!("{} has not ended; it said:\n{}", self.name, self.said()),
        }
    }

    /// Waits for a line, said or still to come; returns it.
    ///
    /// # Panics
    /// When none has come by the deadline, or the program has closed its outputs without it.
    pub fn line(&self, deadline: Deadline, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let mut lines = self.log.lines();
        loop {
            if let Some((_, line)) = lines.said.iter().find(|(_, line)| wanted(line)) {
                return line.clone();
            }
            let said = lines.text();
            assert!(lines.open > 0, "{} ended without {what}; it said:\n{said}", self.name);
            let Some(left) = deadline.left() else {
                panic!("{} did not say {what}; it said:\n{said}", self.name)
            };
            lines = match self.log.grown.wait_timeout(lines, left) {
                Ok((lines, _)) => lines,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    /// Everything it has said so far, on both outputs.
    #[must_use]
    pub fn said(&self) -> String {
        self.log.lines().text()
    }

    /// Waits until it has ended and everything it said has come.
    ///
    /// # Panics
    /// When it hasn't ended by the deadline.
    pub fn finish(mut self, deadline: Deadline) -> Finished {
        let status = self.wait(deadline);
        let mut lines = self.log.lines();
        while lines.open > 0 {
            // A grandchild may keep the pipe: the deadline holds for it too.
            let left = deadline.left_for("the end of a program's output");
            lines = match self.log.grown.wait_timeout(lines, left) {
                Ok((lines, _)) => lines,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        let of = |wanted: Stream| {
            let said = lines.said.iter().filter(|(stream, _)| *stream == wanted);
            said.map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
        };
        Finished { status, output: of(Stream::Output), errors: of(Stream::Errors) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended(KILLED);
    }
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(log: &Arc<Self>, stream: Stream, source: impl Read + Send + 'static) {
        let log = Arc::clone(log);
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let mut lines = log.lines();
                if lines.said.len() < LINES_MAX {
                    lines.said.push((stream, line));
                }
                log.grown.notify_all();
            }
            log.lines().open -= 1;
            log.grown.notify_all();
        });
    }
}

impl Lines {
    fn text(&self) -> String {
        self.said.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>().join("\n")
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it hasn't ended by the deadline.
pub fn run(command: &mut Command, deadline: Deadline) -> Finished {
    Running::start(command).finish(deadline)
}

/// Runs a command that must succeed; returns its standard output without the last newline.
///
/// # Panics
/// When it fails.
pub fn run_well(command: &mut Command, deadline: Deadline) -> String {
    let finished = run(command, deadline);
    assert!(
        finished.status.success(),
        "{command:?} failed ({}):\n{}\n{}",
        finished.status,
        finished.output,
        finished.errors
    );
    finished.output
}

/// The command for a program under test.
#[must_use]
pub fn command(name: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(path_of(name));
    command.args(arguments);
    command
}
