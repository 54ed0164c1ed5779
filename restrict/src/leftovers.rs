//! Ends what still runs under a domain's user id before the id is used again.
//!
//! A domid is used again when its domain is gone, and its user id with it: a process left behind
//! would own the next guest's converter. Nothing outside a range is ever signalled.

#![allow(unsafe_code, reason = "forks a process that signals as the leftovers' own user")]

use std::io::{self, Read};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::identity::Uid;
use crate::range::UidRange;
use crate::status;

/// `/proc/<pid>/status` is 1.5 KB long: with room for that, one read fetches it.
const STATUS_BYTES: usize = 4 * 1024;
const STATUS_BYTES_MAX: u64 = 16 * 1024;
/// Killing is repeated: a leftover may kill the killer, and may fork before it is hit.
const KILLS_MAX: u32 = 10;
/// How long killed processes may take to go, and how often they are looked for.
const GOING: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// `_LINUX_CAPABILITY_VERSION_3`, and 0 for the calling process (capset(2)).
const CAPABILITY_HEADER: [u32; 2] = [0x2008_0522, 0];
/// Effective, permitted and inheritable, twice 32 bits of each: none.
const NO_CAPABILITIES: [u32; 6] = [0; 6];

/// What still runs under a domain's user id could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum LeftoverError {
    /// The processes could not be listed.
    #[error("look for processes of uid {uid}")]
    Look {
        /// The user id.
        uid: Uid,
        /// The cause.
        source: io::Error,
    },
    /// They could not be killed.
    #[error("kill the processes of uid {uid}")]
    Kill {
        /// The user id.
        uid: Uid,
        /// The cause.
        source: io::Error,
    },
    /// They are still there.
    #[error("processes {pids:?} of uid {uid} do not end")]
    Stay {
        /// The user id.
        uid: Uid,
        /// Their pids.
        pids: Vec<i32>,
    },
}

impl UidRange {
    /// Ends every process of the domain's user id, and says how many there were.
    ///
    /// To be called before the domid's next process is started. It signals nothing else: neither
    /// another id of the range nor any id outside. Where there are any, it waits until they are
    /// gone, for seconds at most.
    pub fn end_leftovers(self, domid: u16) -> Result<usize, LeftoverError> {
        let Some(uid) = self.uid(domid) else { return Ok(0) };
        let look = |source| LeftoverError::Look { uid, source };
        // Mostly there are none, which the kernel says at once: to read the status of every process
        // takes longer than the rest of a start.
        if !is_anybody(uid).map_err(look)? {
            return Ok(0);
        }
        let mut left = processes_of(uid).map_err(look)?;
        let count = left.len();
        for _ in 0..KILLS_MAX {
            if left.is_empty() {
                return Ok(count);
            }
            signal_as(uid, Signal::SIGKILL)
                .map_err(|source| LeftoverError::Kill { uid, source })?;
            let killed = Instant::now();
            while !left.is_empty() && killed.elapsed() < GOING / KILLS_MAX {
                std::thread::sleep(LOOK_AGAIN);
                left = processes_of(uid).map_err(look)?;
            }
        }
        if left.is_empty() { Ok(count) } else { Err(LeftoverError::Stay { uid, pids: left }) }
    }
}

/// The processes that have this user id in any of their four, and are more than a zombie.
fn processes_of(uid: Uid) -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    let mut bytes = Vec::with_capacity(STATUS_BYTES);
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // A process that has ended since the list was made is none of them.
        let Ok(file) = std::fs::File::open(format!("/proc/{pid}/status")) else { continue };
        bytes.clear();
        if file.take(STATUS_BYTES_MAX).read_to_end(&mut bytes).is_err() {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        let uids = status::numbers(&text, "Uid").unwrap_or_default();
        let ended = status::field(&text, "State").is_none_or(|state| state.starts_with(['Z', 'X']));
        if uids.contains(&uid.number()) && !ended {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// Whether a process has this user id, be it a zombie.
///
/// The kernel goes by the real and the saved one, and no process gets rid of both without a capability.
fn is_anybody(uid: Uid) -> io::Result<bool> {
    signal_as(uid, None)
}

/// Signals every process of `uid` at once, from a throw-away process that may signal no other, and
/// says whether there was any. No signal only asks.
///
/// One by one, a process that forks could stay ahead.
fn signal_as(uid: Uid, signal: impl Into<Option<Signal>>) -> io::Result<bool> {
    let signal = signal.into().map_or(0, |signal| signal as libc::c_int);
    // SAFETY: the child makes system calls only, and ends; there may be other threads here.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let errno = signal_all_as(uid.number(), signal);
            // SAFETY: ends this process; its exit handlers are the parent's.
            unsafe { libc::_exit(errno) }
        }
        ForkResult::Parent { child } => loop {
            match waitpid(child, None) {
                Ok(WaitStatus::Exited(_, libc::ESRCH)) => return Ok(false),
                // A signal: a leftover was faster, this time.
                Ok(WaitStatus::Exited(_, 0) | WaitStatus::Signaled(..)) => return Ok(true),
                Ok(WaitStatus::Exited(_, errno)) => {
                    return Err(io::Error::from_raw_os_error(errno));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        },
    }
}

/// Becomes `uid` and signals everything that it may; an error number, or 0.
///
/// The saved id stays root's, so that no process of `uid` can trace this one. Whatever is left of
/// root is given up before it signals, and that it is gone is tried on process 1.
fn signal_all_as(uid: u32, signal: libc::c_int) -> libc::c_int {
    // Not by the C library, which would ask threads that are not there any more.
    // SAFETY: this system call takes numbers only.
    if unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, 0) } != 0 {
        return Errno::last_raw();
    }
    // The kernel has done so, unless SECBIT_NO_SETUID_FIXUP is set.
    let (header, none) = (CAPABILITY_HEADER.as_ptr(), NO_CAPABILITIES.as_ptr());
    // SAFETY: the arrays are as long as version 3 of the two structures.
    if unsafe { libc::syscall(libc::SYS_capset, header, none) } != 0 {
        return Errno::last_raw();
    }
    // SAFETY: takes numbers only; signal 0 asks and does nothing.
    if unsafe { libc::kill(1, 0) } == 0 {
        return libc::EPERM;
    }
    // SAFETY: takes numbers only. -1: every process that this one may signal.
    if unsafe { libc::kill(-1, signal) } != 0 {
        return Errno::last_raw();
    }
    0
}
