//! A program with everything it is executed with, made ready so that a forked process only has to
//! make system calls.
//!
//! The standard library's `Command` is not used: it keeps a descriptor of its own between fork and
//! exec, at a number that may be one of those which a plan gives away.

#![allow(unsafe_code, reason = "what runs between fork and exec is unsafe by its place")]

use std::ffi::{CStr, CString, OsString, c_char};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::unistd::{ForkResult, Pid, fork};

use crate::descriptors;
use crate::report;

/// What a shell answers for a command that it could not execute.
const NOT_EXECUTED: libc::c_int = 127;

/// A program, its arguments and its descriptors. The environment is empty.
pub(super) struct Image {
    /// Keeps the file open that `path` leads to.
    _program: OwnedFd,
    path: CString,
    /// Owns what `pointers` points to.
    _arguments: Vec<CString>,
    /// As `execve` takes them: with a null at the end.
    pointers: Vec<*const c_char>,
    /// Parked descriptors, each with the number that it gets.
    places: Vec<(OwnedFd, RawFd)>,
    /// The parked end of the report, for an execution that fails.
    report: OwnedFd,
}

impl Image {
    /// Parks copies of every descriptor. `stderr` and `report` become the descriptors 2 and
    /// `report_number`; 0 and 1 become `/dev/null`.
    pub(super) fn new(
        program: &File,
        arguments: Vec<OsString>,
        descriptors: &[(RawFd, OwnedFd)],
        stderr: &OwnedFd,
        (report_number, report): (RawFd, &OwnedFd),
    ) -> io::Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let mut places = vec![
            (descriptors::park(&null)?, 0),
            (descriptors::park(&null)?, 1),
            (descriptors::park(stderr)?, 2),
            (descriptors::park(report)?, report_number),
        ];
        for (number, descriptor) in descriptors {
            places.push((descriptors::park(descriptor)?, *number));
        }
        let program = descriptors::park(program)?;
        let path = CString::new(format!("/proc/self/fd/{}", program.as_raw_fd()))?;
        let arguments = arguments
            .into_iter()
            .map(|argument| CString::new(argument.into_vec()))
            .collect::<Result<Vec<_>, _>>()?;
        let pointers =
            arguments.iter().map(|argument| argument.as_ptr()).chain([std::ptr::null()]).collect();
        let report = descriptors::park(report)?;
        Ok(Self { _program: program, path, _arguments: arguments, pointers, places, report })
    }

    /// Executes the program in a new process. Whether that has worked, the report tells.
    pub(super) fn fork(self) -> Result<Pid, Errno> {
        // SAFETY: there may be other threads; the child makes system calls on what is ready here,
        // without allocating and without locks, and never returns.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(child),
            ForkResult::Child => {
                let failed = self.execute();
                let line = report::Unexecuted::new(failed.raw_os_error().unwrap_or(0));
                let bytes = line.bytes();
                // SAFETY: the memory is as long as is said. If the spawner has gone, nobody asks.
                unsafe { libc::write(self.report.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
                // SAFETY: ends this process; its exit handlers are the parent's.
                unsafe { libc::_exit(NOT_EXECUTED) }
            }
        }
    }

    /// Returns only when it fails.
    fn execute(&self) -> io::Error {
        if let Err(error) = unblock_signals().and_then(|()| self.keep_only_places()) {
            return error;
        }
        // A folder that is held here could not be unmounted elsewhere.
        // SAFETY: the path is a C string literal.
        if unsafe { libc::chdir(c"/".as_ptr()) } != 0 {
            return io::Error::last_os_error();
        }
        let environment = [std::ptr::null()];
        let path: &CStr = &self.path;
        // SAFETY: a C string, and two lists of C strings that end with a null; all are owned by
        // this value or this function.
        unsafe { libc::execve(path.as_ptr(), self.pointers.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }

    /// Places the descriptors, and has every other one closed by the execution.
    fn keep_only_places(&self) -> io::Result<()> {
        for (parked, number) in &self.places {
            descriptors::place(parked.as_raw_fd(), *number)?;
        }
        descriptors::for_each_open(|open| {
            let stays = self.places.iter().any(|(_, number)| *number == open);
            if stays { Ok(()) } else { descriptors::close_on_exec(open) }
        })
    }
}

/// The spawner may take its signals by descriptor; the program should be able to be ended.
fn unblock_signals() -> io::Result<()> {
    nix::sys::signal::SigSet::empty().thread_set_mask().map_err(io::Error::from)
}
