//! A live update: the installed program goes on in this process, and its store in another.
//!
//! All that can be checked is checked before: the program's file, and that it can read what it is to
//! go on from, which it tries itself in a store's confinement. The store waits meanwhile. Where one of
//! these fails, nothing has happened, and the store hears why.
//!
//! What one version hands to another is a contract: for the trial the options `--store --try` and the
//! descriptors of `confinement`; then `--go-on` and a succession; and the ledger. Where a later version
//! changes its part, it refuses the trial, and the change takes a restart.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, execv};
use restrict::Child;
use xenstore_hypervisor::Privcmd;
use xenstore_store::Caller;
use xenstore_wire::DomainId;

use super::launching::{Start, Started, launch};
use super::{CONFINED_WITHIN, ENDS_WITHIN, LOG_BYTES, Parent, ParentError, rounded_up};
use super::{hold_many, keep_state, take_signals, was_killed};
use crate::census::Answering;
use crate::handover::{self, is_ready};
use crate::installed::{self, InstalledError};
use crate::listener::Listener;
use crate::options::{self, GO_ON, NotAllowed, Options, STORE, TRY};
use crate::pid_file::PidFile;
use crate::succession::{self, Succession};

/// What keeps the installed program from going on.
#[derive(Debug, thiserror::Error)]
enum UpdateError {
    #[error(transparent)]
    Installed(#[from] InstalledError),
    #[error(transparent)]
    Options(NotAllowed),
    #[error("write down what is left to it")]
    Succession(#[source] io::Error),
    #[error("try whether it can go on")]
    Start(#[source] ParentError),
    #[error("try whether it can go on")]
    Prepare(#[source] io::Error),
    #[error("it can't go on: {0}")]
    CanNot(String),
    #[error("run it")]
    Run(#[source] io::Error),
}

impl Parent {
    /// Has the installed program go on here, with other options where there are any. Returns where it
    /// doesn't, which the store has heard then.
    pub(super) fn update(
        &mut self,
        listener: &Listener,
        options: &Options,
        pid_file: Option<&PidFile>,
        replacing: Option<String>,
    ) -> Result<(), ParentError> {
        let asked_for: Option<Vec<OsString>> =
            replacing.map(|line| line.split_whitespace().map(OsString::from).collect());
        let updated = match asked_for {
            Some(words) => options
                .allow(&words)
                .map_err(UpdateError::Options)
                .and_then(|()| self.try_update(listener, options, pid_file, &words)),
            None => {
                let words: Vec<OsString> = options::own_arguments().collect();
                self.try_update(listener, options, pid_file, &words)
            }
        };
        let Err(error) = updated;
        let reason = format!("{}: {}", self.installed.display(), crate::on_one_line(&error));
        eprintln!("xenstored: live update: {reason}");
        self.say(|store| handover::refuse(store, &reason))
    }

    fn try_update(
        &mut self,
        listener: &Listener,
        options: &Options,
        pid_file: Option<&PidFile>,
        arguments: &[OsString],
    ) -> Result<Infallible, UpdateError> {
        installed::look_at(&self.installed)?;
        let succession = self.succession(listener, options, pid_file);
        let heirlooms = succession.write().map_err(UpdateError::Succession)?;
        self.try_program(options, arguments, &heirlooms)?;
        self.run_program(listener, arguments, &heirlooms).map_err(UpdateError::Run)
    }

    fn succession(
        &self,
        listener: &Listener,
        options: &Options,
        pid_file: Option<&PidFile>,
    ) -> Succession {
        let number = |descriptor: BorrowedFd<'_>| descriptor.as_raw_fd();
        Succession {
            sockets_only: options.sockets_only,
            ledger: number(self.ledger.as_fd()),
            listener: number(listener.as_fd()),
            store: (self.child.pid(), self.child.start_time()),
            // There is one while a store asks.
            clients: self.clients.as_ref().map_or(-1, |clients| number(clients.as_fd())),
            census: self.census.as_ref().map(|census| number(census.socket().as_fd())),
            log: self.log.as_ref().map(|log| number(log.as_fd())),
            socket: listener.path().to_owned(),
            pid_file: pid_file.map(|file| file.path().to_owned()),
            installed: self.installed.clone(),
            last_copy: self.last_copy,
            copies: self
                .copies
                .iter()
                .map(|(copy, (client, caller))| {
                    (*copy, number(client.as_fd()), caller.domain().number())
                })
                .collect(),
        }
    }

    /// Has the program say whether it can read all that it would go on from.
    fn try_program(
        &self,
        options: &Options,
        own: &[OsString],
        heirlooms: &File,
    ) -> Result<(), UpdateError> {
        let prepare = UpdateError::Prepare;
        let mut arguments: Vec<OsString> =
            vec![format!("--{STORE}").into(), format!("--{TRY}").into()];
        arguments.extend_from_slice(own);
        let copy = OwnedFd::from(heirlooms.try_clone().map_err(prepare)?);
        let (mut log, stderr) = io::pipe().map_err(prepare)?;
        // Who is left of a trial that failed can't make this one wait.
        fcntl(&log, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|errno| prepare(errno.into()))?;
        let start = Start {
            program: &self.installed,
            arguments,
            ledger: &self.ledger,
            heirlooms: Some(copy),
            stderr,
        };
        let could = match launch(options, start) {
            Ok(trial) => is_well(&trial),
            Err(error) => Err(error),
        };
        if could.as_ref().is_ok_and(|could| *could) {
            return Ok(());
        }
        // Nobody has the pipe's other end any more: what is there was said, or nothing was.
        let mut said = vec![0; LOG_BYTES];
        let size = log.read(&mut said).unwrap_or_default();
        let said = String::from_utf8_lossy(said.get(..size).unwrap_or_default());
        let said = said.lines().next_back().unwrap_or_default();
        let said = said.strip_prefix("xenstored: ").unwrap_or(said).to_owned();
        Err(match could {
            Err(error) if said.is_empty() => UpdateError::Start(error),
            Ok(_) | Err(_) => UpdateError::CanNot(said),
        })
    }

    /// Becomes the program. Returns only where that fails.
    fn run_program(
        &self,
        listener: &Listener,
        own: &[OsString],
        mut heirlooms: &File,
    ) -> io::Result<Infallible> {
        // The trial has read it.
        heirlooms.rewind()?;
        let go_on = format!("--{GO_ON}={}", heirlooms.as_raw_fd());
        let name = std::env::args_os().next().unwrap_or_else(|| self.installed.clone().into());
        let arguments = [name, go_on.into()].into_iter().chain(own.iter().cloned());
        let arguments = arguments
            .map(|argument| CString::new(argument.into_vec()))
            .collect::<Result<Vec<_>, _>>()?;
        let program = CString::new(self.installed.clone().into_os_string().into_vec())?;
        let mut heritage = vec![self.ledger.as_fd(), listener.as_fd(), heirlooms.as_fd()];
        heritage.extend(self.clients.as_ref().map(|clients| clients.as_fd()));
        heritage.extend(self.census.as_ref().map(|census| census.socket().as_fd()));
        heritage.extend(self.log.as_ref().map(|log| log.as_fd()));
        heritage.extend(self.copies.values().map(|(client, _)| client.as_fd()));
        let ran =
            succession::let_through(&heritage, true).and_then(|()| execv(&program, &arguments));
        succession::let_through(&heritage, false)?;
        Ok(ran?)
    }

    /// Says something to the store, which takes it as soon as it has taken what was said before.
    fn say(&self, word: impl Fn(BorrowedFd<'_>) -> io::Result<()>) -> Result<(), ParentError> {
        let Some(clients) = &self.clients else { return Ok(()) };
        let deadline = Instant::now() + ENDS_WITHIN;
        while let Err(error) = word(clients.as_fd()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if error.kind() != io::ErrorKind::WouldBlock || left.is_zero() {
                // It has gone, as is heard next, or never takes anything: then it is ended.
                return self.child.kill().map(drop).map_err(ParentError::Attest);
            }
            let mut fds = [PollFd::new(clients.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, rounded_up(left)) {
                Ok(_) | Err(Errno::EINTR) => (),
                Err(errno) => return Err(ParentError::Wait(errno)),
            }
        }
        Ok(())
    }

    /// Goes on in the place of the program that was run here before, with a store of its own.
    pub(crate) fn succeed(
        left: File,
        options: &Options,
    ) -> Result<(Self, Listener, Option<PidFile>), ParentError> {
        let left = Succession::read(left).map_err(ParentError::Succession)?;
        let ledger = succession::take(left.ledger).map_err(ParentError::Succession)?;
        let kept = ledger.try_clone().map_err(ParentError::Prepare)?;
        let inherited = Self::inherit(left, ledger, options);
        let (mut parent, listener, pid_file) =
            inherited.map_err(|error| keep_state(&kept, error))?;
        parent.follow(options)?;
        Ok((parent, listener, pid_file))
    }

    fn inherit(
        left: Succession,
        ledger: OwnedFd,
        options: &Options,
    ) -> Result<(Self, Listener, Option<PidFile>), ParentError> {
        let take = |number: RawFd| succession::take(number).map_err(ParentError::Succession);
        let mut copies = BTreeMap::new();
        for (copy, descriptor, domain) in &left.copies {
            let caller = caller(*domain).ok_or(ParentError::Succession(senseless()))?;
            copies.insert(*copy, (take(*descriptor)?.into(), caller));
        }
        let (listener, clients) = (take(left.listener)?, take(left.clients)?);
        let (census, log) = (left.census.map(take).transpose()?, left.log.map(take).transpose()?);
        let census = match census {
            Some(socket) => {
                let privcmd = Privcmd::open().map_err(ParentError::Privcmd)?;
                Some(Answering::new(socket, Box::new(privcmd)))
            }
            None => None,
        };
        let (pid, start_time) = left.store;
        let parent = Self {
            child: Child::known(pid, start_time),
            clients: Some(clients),
            census,
            log: log.map(Into::into),
            ledger,
            signals: take_signals().map_err(ParentError::Signals)?,
            installed: left.installed,
            copies,
            last_copy: left.last_copy,
            line: VecDeque::new(),
            all_there: true,
            started: Instant::now(),
            short_lives: 0,
            told_to_end: false,
        };
        restrict::become_subreaper().map_err(ParentError::Prepare)?;
        hold_many().map_err(|errno| ParentError::Prepare(errno.into()))?;
        let listener = Listener::inherit(listener, left.socket, options.uids);
        let pid_file = left.pid_file.map(PidFile::inherit);
        Ok((parent, listener, pid_file))
    }

    /// Has the store end, which has waited for it, and another one go on.
    fn follow(&mut self, options: &Options) -> Result<(), ParentError> {
        let followed = self.part_with_store().and_then(|()| self.go_on(options, false));
        match followed {
            Ok(()) => Ok(()),
            Err(ended) if was_killed(&ended) => self.begin_again(options, ended),
            Err(error) => Err(keep_state(&self.ledger, error)),
        }
    }

    fn part_with_store(&mut self) -> Result<(), ParentError> {
        self.say(handover::grant)?;
        if self.wait_for_the_end().is_none() {
            self.child.kill().map_err(ParentError::Attest)?;
            self.wait_for_the_end();
        }
        self.pass_rest_of_log_on();
        Ok(())
    }
}

/// Whether a trial says that all is well. It ends either way, and is reaped.
fn is_well(trial: &Started) -> Result<bool, ParentError> {
    let deadline = Instant::now() + CONFINED_WITHIN;
    let is_well = loop {
        match is_ready(trial.clients.as_fd()) {
            Ok(true) => break true,
            Ok(false) if Instant::now() < deadline => (),
            Ok(false) | Err(_) => break false,
        }
        let mut fds = [PollFd::new(trial.clients.as_fd(), PollFlags::POLLIN)];
        let pause = deadline.saturating_duration_since(Instant::now());
        match poll(&mut fds, rounded_up(pause)) {
            Ok(_) | Err(Errno::EINTR) => (),
            Err(errno) => return Err(ParentError::Wait(errno)),
        }
    };
    let killed = trial.child.kill();
    // It has ended, or was killed just now.
    let reaped = waitpid(Pid::from_raw(trial.child.pid()), None);
    killed.map_err(ParentError::Attest)?;
    reaped.map_err(|errno| ParentError::Attest(errno.into()))?;
    Ok(is_well)
}

fn caller(domain: u16) -> Option<Caller> {
    match DomainId::new(domain).ok()? {
        DomainId::DOM0 => Some(Caller::Dom0),
        domain => Some(Caller::Domain(domain)),
    }
}

fn senseless() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, succession::Senseless)
}
