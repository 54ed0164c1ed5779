//! Our xenstored without a hypervisor, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::deadline::Deadline;
use crate::folder;
use crate::program::{self, Running};
use crate::store::Store;

/// How long the store may take to start.
const START_S: u64 = 20;

/// A store that runs; dropped, it ends.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    /// Its process.
    pub running: Running,
}

impl Server {
    /// Starts a store in the foreground, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let running = Running::start(command(folder.path()).args(["-N", "-D"]));
        let there = folder::has(folder.path(), "socket", Deadline::seconds(START_S), || false);
        assert!(there, "xenstored has no socket; it said:\n{}", running.said());
        let server = Self { folder, running };
        Deadline::seconds(START_S)
            .until("xenstored listens", || Store::connect(&server.socket()).ok());
        server
    }

    /// The folder of its socket and its pid file.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it doesn't answer.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::connect(&self.socket()).expect("the store answers")
    }
}

/// The command for a store that has its socket and its pid file in a folder.
#[must_use]
pub fn command(folder: &Path) -> Command {
    let mut command = program::command("xenstored", ["--pid-file"]);
    command.arg(folder.join("pid"));
    command.env("XENSTORED_PATH", folder.join("socket")).env("XENSTORED_RUNDIR", folder);
    command
}

/// The process that a store's pid file names; it stands there before anybody can connect.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn recorded_pid(folder: &Path) -> u32 {
    let text = std::fs::read_to_string(folder.join("pid")).expect("a pid file");
    text.trim().parse().expect("a process id")
}
