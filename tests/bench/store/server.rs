//! The servers under measurement: ours as it is released, Debian's two where they are installed, and
//! the floor.
//!
//! What is asked of them is the measures'.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::client::Client;
use super::echo;
use crate::Failure;

/// A server is up by then, or the bench fails.
const START_MAX: Duration = Duration::from_secs(10);
/// Where Debian's package xen-utils-4.17 has the other two.
const PEERS: &str = "/usr/lib/xen-4.17/bin";

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    Ours,
    C,
    Ocaml,
}

/// A server that runs; dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    child: Child,
    folder: TempDir,
    /// What the bench had when this was started.
    cores: usize,
}

impl Server {
    /// Starts a server and waits until it answers; none where it isn't installed.
    pub(crate) fn start(kind: Kind) -> Result<Option<Self>, Failure> {
        let folder = tempfile::tempdir()?;
        let Some(mut command) = command(kind, folder.path())? else { return Ok(None) };
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let cores = thread::available_parallelism()?.get();
        let mut server = Self { kind, child, folder, cores };
        let began = Instant::now();
        while Client::connect(&server.socket()).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{kind:?} ended at once: {status}").into());
            }
            if began.elapsed() > START_MAX {
                return Err(format!("{kind:?} does not come up").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Some(server))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Its process, and those that it has started.
    fn processes(&self) -> Result<Vec<u32>, Failure> {
        let parent = self.child.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        let children = children.split_whitespace().map(str::parse::<u32>);
        Ok([Ok(parent)].into_iter().chain(children).collect::<Result<_, _>>()?)
    }

    /// Has it and whoever measures share one core, or take any.
    ///
    /// One request at a time has either side sleep while the other works: on cores of their own they
    /// would be timed being woken, which takes longer than all that is asked.
    pub(crate) fn share_a_core(&self, share: bool) -> Result<(), Failure> {
        let mut cores = CpuSet::new();
        let count = if share { 1 } else { self.cores };
        for core in 0..count {
            cores.set(core)?;
        }
        sched_setaffinity(Pid::from_raw(0), &cores)?;
        for pid in self.processes()? {
            sched_setaffinity(Pid::from_raw(i32::try_from(pid)?), &cores)?;
        }
        Ok(())
    }

    /// What all of its processes have of the machine's memory, in kibibytes.
    pub(crate) fn resident_kib(&self) -> Result<u64, Failure> {
        self.processes()?.into_iter().map(resident_kib).sum()
    }

    /// What the one that serves has: the last one that was started.
    pub(crate) fn resident_kib_of_the_store(&self) -> Result<u64, Failure> {
        resident_kib(self.processes()?.pop().ok_or("no process")?)
    }
}

fn resident_kib(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().next());
    Ok(size.ok_or("a process without memory")?.parse()?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ours ends its store with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(kind: Kind, folder: &Path) -> Result<Option<Command>, Failure> {
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let mut command = match kind {
        Kind::Floor => {
            let mut command = Command::new(&own);
            command.arg(echo::ECHO).arg(folder.join("socket"));
            return Ok(Some(command));
        }
        Kind::Ours => {
            let program = beside.join("xenstored");
            if !program.exists() {
                return Err(format!("no {}", program.display()).into());
            }
            let mut command = Command::new(program);
            command.args(["-N", "-D", "--pid-file"]).arg(folder.join("pid"));
            command
        }
        Kind::C | Kind::Ocaml => {
            let name = if kind == Kind::C { "xenstored" } else { "oxenstored" };
            let (program, shim) =
                (Path::new(PEERS).join(name), beside.join("examples/libno_xen.so"));
            if !program.exists() || !shim.exists() {
                return Ok(None);
            }
            fs::write(folder.join("own_port"), "2")?;
            fs::write(folder.join("own_page"), [0; 4096])?;
            let mut command = Command::new(program);
            command.env("LD_PRELOAD", shim).env("NO_XEN_FOLDER", folder);
            match kind {
                Kind::C => command.args(["-N", "-F"]).arg(folder.join("pid")),
                Kind::Floor | Kind::Ours | Kind::Ocaml => {
                    let settings = folder.join("oxenstored.conf");
                    let at = folder.display();
                    // It renames its logs when they are long, devices too: they are in the folder,
                    // whatever becomes of them, and none is kept, for the others keep none.
                    fs::write(
                        &settings,
                        format!(
                            "pid-file = {at}/pid\nxenstored-log-file = {at}/log\n\
                             xenstored-log-nb-files = 0\naccess-log-file = {at}/access\n\
                             access-log-nb-files = 0\nxenstored-kva = {at}/own_page\n\
                             xenstored-port = {at}/own_port\n"
                        ),
                    )?;
                    command.arg("--no-fork").arg("--config-file").arg(settings)
                }
            };
            command
        }
    };
    command.env("XENSTORED_PATH", folder.join("socket")).env("XENSTORED_RUNDIR", folder);
    Ok(Some(command))
}
