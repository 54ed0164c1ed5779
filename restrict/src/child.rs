//! A process that was spawned, told from every other one by its pid and its start time.
//!
//! How it is spawned is in [`crate::Launch`]; what it is like, in [`crate::attest()`]. The processes
//! told apart here may be another run's children: they outlive the agent.

#![allow(unsafe_code, reason = "pidfds have no safe wrapper")]

use std::fmt;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::status;

/// `/proc/<pid>/stat` is one line of about 52 numbers.
const STAT_BYTES_MAX: u64 = 4096;

/// A process, by its pid and the time when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Child {
    pid: i32,
    start_time: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(Signal),
}

impl Ending {
    /// Whether the policy's filter ended it.
    #[must_use]
    pub fn is_forbidden_call(self) -> bool {
        self == Self::Killed(Signal::SIGSYS)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Killed(Signal::SIGSYS) => {
                f.write_str("was killed by SIGSYS: it made a system call that its policy forbids")
            }
            Self::Killed(signal) => write!(f, "was killed by {signal}"),
        }
    }
}

/// What is known of a process's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// It runs.
    Running,
    /// It has ended, and is gone now.
    Ended(Ending),
    /// It is not a child of this process: whoever is its parent hears how it ends.
    Foreign,
}

impl Child {
    /// The process that has this pid now.
    pub fn find(pid: i32) -> io::Result<Self> {
        let start_time = status::start_time(&stat(pid)?).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, start_time })
    }

    /// The process that had this pid and start time when they were noted.
    #[must_use]
    pub fn known(pid: i32, start_time: u64) -> Self {
        Self { pid, start_time }
    }

    /// The pid, as this process sees it.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// When it started, in clock ticks since boot.
    #[must_use]
    pub fn start_time(&self) -> u64 {
        self.start_time
    }

    /// Whether it is still there, and not only waits to be reaped.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_ok_and(|stat| {
            status::start_time(&stat) == Some(self.start_time)
                && !matches!(status::state(&stat), Some('Z' | 'X') | None)
        })
    }

    /// Kills it with SIGKILL, and says whether it was there to be killed.
    ///
    /// Where the kernel has pidfds (Linux 5.3), another process that got the pid in the meantime
    /// cannot be hit. Else it can, in the moment between looking and killing.
    pub fn kill(&self) -> io::Result<bool> {
        let pidfd = match self.pidfd() {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
            other => other?,
        };
        if !self.is_alive() {
            return Ok(false);
        }
        let sent = match pidfd {
            Some(pidfd) => send_kill(&pidfd),
            None => kill(Pid::from_raw(self.pid), Signal::SIGKILL).map_err(io::Error::from),
        };
        match sent {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
            sent => sent.map(|()| true),
        }
    }

    /// A descriptor that becomes readable when the process ends; none before Linux 5.3.
    ///
    /// It may be another process's that got the pid: ask [`Child::is_alive`] after taking it.
    pub fn pidfd(&self) -> io::Result<Option<OwnedFd>> {
        // SAFETY: this system call takes numbers only.
        let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, self.pid, 0) };
        match Errno::result(opened) {
            Ok(number) => {
                let number = i32::try_from(number).map_err(io::Error::other)?;
                // SAFETY: the kernel has just opened this number, and nothing else owns it.
                Ok(Some(unsafe { OwnedFd::from_raw_fd(number) }))
            }
            // A seccomp filter around this program may answer EPERM for calls it does not know.
            Err(Errno::ENOSYS | Errno::EPERM) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Hears how it ended, without waiting.
    pub fn reap(&self) -> io::Result<Reaped> {
        match waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => Ok(Reaped::Ended(Ending::Exited(status))),
            Ok(WaitStatus::Signaled(_, signal, _)) => Ok(Reaped::Ended(Ending::Killed(signal))),
            Ok(_) => Ok(Reaped::Running),
            Err(Errno::ECHILD) => Ok(Reaped::Foreign),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Lets this process hear how its children's children end when their parents are gone.
///
/// A confined process is one: the half that forked it has ended by then.
pub fn become_subreaper() -> io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(io::Error::from)
}

fn stat(pid: i32) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(format!("/proc/{pid}/stat"))?
        .take(STAT_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn send_kill(pidfd: &OwnedFd) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open as long as its owner is borrowed; a null siginfo is allowed.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            Signal::SIGKILL as libc::c_int,
            none,
            0,
        )
    };
    Errno::result(sent).map(drop).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn sleeper() -> (std::process::Child, Child) {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let known = Child::find(i32::try_from(child.id()).unwrap()).unwrap();
        (child, known)
    }

    #[test]
    fn a_process_is_alive_until_it_is_killed() {
        let (mut process, child) = sleeper();
        assert!(child.is_alive());
        assert_eq!(child.reap().unwrap(), Reaped::Running);
        assert!(child.kill().unwrap());
        process.wait().unwrap();
        assert!(!child.is_alive());
        assert!(!child.kill().unwrap());
        assert_eq!(child.reap().unwrap(), Reaped::Foreign);
    }

    #[test]
    fn another_process_of_the_same_pid_is_neither_alive_nor_killed() {
        let (mut process, child) = sleeper();
        let earlier = Child::known(child.pid(), child.start_time() - 1);
        assert!(!earlier.is_alive());
        assert!(!earlier.kill().unwrap());
        assert!(child.is_alive());
        process.kill().unwrap();
        process.wait().unwrap();
    }

    #[test]
    fn a_zombie_is_not_alive_and_tells_its_end_when_reaped() {
        let (_process, child) = sleeper();
        let pidfd = child.pidfd().unwrap().expect("this kernel has pidfds");
        assert!(child.kill().unwrap());
        let mut ends = [nix::poll::PollFd::new(
            std::os::fd::AsFd::as_fd(&pidfd),
            nix::poll::PollFlags::POLLIN,
        )];
        nix::poll::poll(&mut ends, nix::poll::PollTimeout::NONE).unwrap();
        assert!(!child.is_alive());
        assert_eq!(child.reap().unwrap(), Reaped::Ended(Ending::Killed(Signal::SIGKILL)));
    }

    #[test]
    fn an_ending_says_what_a_forbidden_call_is() {
        assert!(Ending::Killed(Signal::SIGSYS).is_forbidden_call());
        assert!(!Ending::Exited(31).is_forbidden_call());
        assert_eq!(Ending::Exited(1).to_string(), "exited with status 1");
        assert_eq!(Ending::Killed(Signal::SIGKILL).to_string(), "was killed by SIGKILL");
    }
}
