//! Starts a program that confines itself: by the file that was opened once, with descriptors at
//! fixed numbers and nothing else from this process.
//!
//! A confined program is executed, never forked off: it shares no memory with its spawner. What it
//! then does to itself is [`crate::enter()`]'s; whether it has done so is for [`crate::attest()`] to say.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::fstat;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

use crate::child::{Child, Ending};
use crate::plan::{Network, Plan};
use crate::report::{self, Line, REPORT_BYTES_MAX};

mod image;

use image::Image;

/// The device and inode numbers of a file: which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    /// The file behind an open descriptor.
    pub fn of(descriptor: impl AsFd) -> io::Result<Self> {
        Ok(Self::from_stat(&fstat(descriptor)?))
    }

    pub(crate) fn from_stat(stat: &nix::sys::stat::FileStat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// A program's file, opened once: an upgrade that replaces the path does not change what is run.
#[derive(Debug)]
pub struct Program {
    file: File,
    id: FileId,
}

impl Program {
    /// Opens the program's file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).custom_flags(libc::O_PATH).open(path)?;
        let id = FileId::of(&file)?;
        Ok(Self { file, id })
    }

    /// Which file it is.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }
}

/// Everything a program is started with.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program.
    pub program: &'a Program,
    /// What `ps` shows; its first argument.
    pub name: OsString,
    /// Its further arguments. Everybody can read them: no secrets.
    pub arguments: Vec<OsString>,
    /// The plan that it will enter.
    pub plan: &'a Plan,
    /// The number at which it reports.
    pub report: RawFd,
    /// What the plan keeps, and the network namespace to join, each with its number.
    pub descriptors: Vec<(RawFd, OwnedFd)>,
    /// Where its log lines go. A pipe or a socket: the limit on file sizes would end a file.
    pub stderr: OwnedFd,
}

/// A launch that failed.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The descriptors are not those of the plan.
    #[error("hand over descriptors {given:?}, where the plan has {planned:?}")]
    Descriptors {
        /// The numbers that were given.
        given: Vec<RawFd>,
        /// The numbers that the plan wants.
        planned: Vec<RawFd>,
    },
    /// The report's number is another descriptor's.
    #[error("report at descriptor {0}, which is another's")]
    ReportNumber(RawFd),
    /// Descriptors or the report's pipe could not be made ready.
    #[error("prepare descriptors for {name}")]
    Prepare {
        /// What was to be started.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The program could not be executed.
    #[error("execute {name}")]
    Execute {
        /// What was to be started.
        name: String,
        /// The cause.
        source: io::Error,
    },
    /// The report could not be read.
    #[error("read what the new process reports")]
    Report(#[source] io::Error),
    /// The report says something that no program of ours says.
    #[error("the new process reports nonsense")]
    Nonsense,
    /// A step of the confinement failed in the program.
    #[error("the new process was not confined: {0}")]
    Refused(String),
    /// The program ended before it had reported; its log may say why.
    #[error("the new process {0} before it was confined")]
    Ended(Ending),
    /// The program did not report in time.
    #[error("the new process was not confined within {} ms", .0.as_millis())]
    Late(Duration),
}

impl Launch<'_> {
    /// Executes the program. The descriptors that were handed over are closed here.
    ///
    /// It returns at once: whether the program could be executed comes with what it reports.
    pub fn start(self) -> Result<Launching, SpawnError> {
        self.refuse_other_descriptors()?;
        let name = self.name.to_string_lossy().into_owned();
        let prepare = |source| SpawnError::Prepare { name: name.clone(), source };
        let (image, report) = self.prepare().map_err(prepare)?;
        let stage = image.fork().map_err(|errno| prepare(errno.into()))?;
        Ok(Launching { name, stage, report, text: Vec::new(), child: None, over: false })
    }

    /// Executes the program and waits until it is confined, at most for `limit`.
    pub fn run(self, limit: Duration) -> Result<Child, SpawnError> {
        self.start()?.wait(limit)
    }

    fn refuse_other_descriptors(&self) -> Result<(), SpawnError> {
        let mut given: Vec<RawFd> = self.descriptors.iter().map(|(number, _)| *number).collect();
        let mut planned: Vec<RawFd> = self.plan.kept().iter().map(|kept| kept.number).collect();
        match self.plan.network() {
            Network::Own | Network::Host => {}
            Network::Join(number) => planned.push(number),
        }
        given.sort_unstable();
        planned.sort_unstable();
        if given != planned {
            return Err(SpawnError::Descriptors { given, planned });
        }
        if planned.contains(&self.report) || self.report <= 2 {
            return Err(SpawnError::ReportNumber(self.report));
        }
        Ok(())
    }

    /// Everything that may allocate happens here, before the fork.
    fn prepare(self) -> io::Result<(Image, File)> {
        let (report, report_end) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&report, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let mut arguments = vec![self.name];
        arguments.extend(self.arguments);
        let image = Image::new(
            &self.program.file,
            arguments,
            &self.descriptors,
            &self.stderr,
            (self.report, &report_end),
        )?;
        Ok((image, File::from(report)))
    }
}

/// A program that was executed and is confining itself.
///
/// Its descriptor is readable when [`Launching::advance`] has something to do. Dropping it before
/// it is done ends the program.
#[derive(Debug)]
pub struct Launching {
    name: String,
    /// The process that was executed; it ends as soon as it has made the confined one.
    stage: Pid,
    report: File,
    text: Vec<u8>,
    child: Option<Child>,
    over: bool,
}

impl AsFd for Launching {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }
}

impl Launching {
    /// Waits until the program is confined, at most for `limit`; past it, the program is ended.
    pub fn wait(mut self, limit: Duration) -> Result<Child, SpawnError> {
        let begun = Instant::now();
        loop {
            if let Some(child) = self.advance()? {
                return Ok(child);
            }
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(SpawnError::Late(limit));
            }
            // Rounded up, so that the last millisecond is not spent spinning.
            let left = PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.report.as_fd(), PollFlags::POLLIN)], left) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(SpawnError::Report(errno.into())),
            }
        }
    }

    /// Reads what has been reported, without waiting. The child, once it is confined.
    ///
    /// After an error, nothing of the program is left.
    pub fn advance(&mut self) -> Result<Option<Child>, SpawnError> {
        let advanced = self.read_report();
        if advanced.is_err() {
            self.end();
        }
        advanced
    }

    fn read_report(&mut self) -> Result<Option<Child>, SpawnError> {
        let ended = self.fill().map_err(SpawnError::Report)?;
        let mut confined = false;
        for line in report::lines(&self.text).ok_or(SpawnError::Nonsense)? {
            match line {
                // Gone already, if it cannot be found: then its verdict comes, or the end.
                Line::Pid(pid) => self.child = self.child.or_else(|| Child::find(pid).ok()),
                Line::Confined => confined = true,
                Line::Refused(error) => return Err(SpawnError::Refused(error)),
                Line::Unexecuted(errno) => {
                    let source = io::Error::from_raw_os_error(errno);
                    return Err(SpawnError::Execute { name: self.name.clone(), source });
                }
            }
        }
        if !ended {
            // Not even with the verdict: until the pipe ends, the child still has it.
            return Ok(None);
        }
        // Nobody holds the other end of the pipe, so that this has nothing left to do but to end. A
        // program that only closed it ends as well; one that has ended keeps its status.
        let _ = kill(self.stage, Signal::SIGKILL);
        let ending = self.reap_stage().map_err(|errno| SpawnError::Report(errno.into()))?;
        match self.child {
            Some(child) if confined && ending == Ending::Exited(0) => Ok(Some(child)),
            Some(_) | None => Err(SpawnError::Ended(ending)),
        }
    }

    /// Waits until the executed process has ended. To be called once.
    fn reap_stage(&mut self) -> Result<Ending, Errno> {
        self.over = true;
        loop {
            match waitpid(self.stage, None) {
                Ok(WaitStatus::Exited(_, status)) => return Ok(Ending::Exited(status)),
                Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Reads what is there; true at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = [0; REPORT_BYTES_MAX];
        loop {
            match self.report.read(&mut bytes) {
                Ok(0) => return Ok(true),
                Ok(read) if self.text.len() + read <= REPORT_BYTES_MAX => {
                    self.text.extend_from_slice(bytes.get(..read).unwrap_or_default());
                }
                Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends what there is of the program, and reaps it. Processes that are gone are no failure.
    fn end(&mut self) {
        if !self.over {
            let _ = kill(self.stage, Signal::SIGKILL);
            let _ = self.reap_stage();
        }
        if let Some(child) = self.child.take()
            && let Ok(killed) = child.kill()
        {
            // What was killed ends soon. What had ended before may wait to be reaped, or be gone: its
            // pid may be another's. And it is another's child where this process is no subreaper.
            let wait = if killed { None } else { Some(WaitPidFlag::WNOHANG) };
            let _ = waitpid(Pid::from_raw(child.pid()), wait);
        }
    }
}

impl Drop for Launching {
    fn drop(&mut self) {
        if !self.over {
            self.end();
        }
    }
}
