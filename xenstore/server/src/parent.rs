//! The part of the daemon that stays root: it starts the store's process, and another one where it
//! ends; lets clients in, and keeps a copy of each; and says which domains live.
//!
//! Nothing that a guest or a client writes is read here. What the store prints is passed on, and
//! what it asks is a list of domains' numbers.

mod launching;
mod taking_over;
mod updating;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use restrict::{Child, Ending, Expected, Moment, Plan, Program, Reaped, SpawnError, attest};
use xenstore_store::Caller;

use crate::census::Answering;
use crate::confinement::ConfinementError;
use crate::handover::{self, Word, is_ready};
use crate::installed;
use crate::ledger;
use crate::listener::{self, Listener, ListenerError};
use crate::options::{self, AFTER_CRASH, FOLLOW, INSTALLED, Options, STORE};
use crate::pid_file::PidFile;
use launching::{Start, Started, launch};

/// This program, whatever has become of its path.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// A store that takes longer to confine itself doesn't: hundreds of times the usual.
const CONFINED_WITHIN: Duration = Duration::from_secs(20);
/// A store that has been told to end has nothing to do before it does.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How long nobody is let in where there is no room for anybody.
const FULL_FOR: Duration = Duration::from_millis(100);
/// A copy of each client that the store may have, and a few of its own.
const OPEN_FILES: u64 = 4096 + 64;
/// A store that ends sooner after its start has a short life.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// So many in a row are too many.
const SHORT_LIVES_MAX: u32 = 5;
/// Before the second of them; each pause after it is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// What Rust's programs exit with that panic.
const PANICKED: i32 = 101;
/// What the store prints is passed on in pieces of this.
const LOG_BYTES: usize = 4096;

/// A store's process, and what the parent holds of it.
#[derive(Debug)]
pub(crate) struct Parent {
    child: Child,
    /// Clients are handed in here; when it is closed, the store ends.
    clients: Option<OwnedFd>,
    /// None where sockets alone are served.
    census: Option<Answering>,
    /// What the store prints, until it has ended.
    log: Option<PipeReader>,
    signals: SignalFd,
    /// What the next store's process goes on from.
    ledger: OwnedFd,
    /// The program that a live update runs.
    installed: PathBuf,
    /// A copy of each client's socket, by a number of its own, and whom it speaks for.
    copies: BTreeMap<u64, (UnixStream, Caller)>,
    last_copy: u64,
    /// Copies that are to be handed in, in this order.
    line: VecDeque<u64>,
    /// All whom an earlier store had were handed in.
    all_there: bool,
    started: Instant,
    /// How many stores in a row have ended soon.
    short_lives: u32,
    /// It is to end, and was waiting for something else when it heard so.
    told_to_end: bool,
}

/// What keeps a store from being started, or ended it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParentError {
    #[error("take signals")]
    Signals(#[source] Errno),
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    #[error("ask Xen which domains live; without a hypervisor, say -D")]
    Privcmd(#[source] io::Error),
    #[error("prepare to start the store")]
    Prepare(#[source] io::Error),
    #[error("start the store")]
    Spawn(#[from] SpawnError),
    #[error("look at the store's process")]
    Attest(#[source] io::Error),
    #[error("the store's process is not confined: {0}")]
    Unconfined(String),
    #[error("wait for clients")]
    Wait(#[source] Errno),
    #[error("the store {0}")]
    Ended(Ending),
    #[error("the store has gone")]
    Gone,
    #[error("the store took too long to begin")]
    Late,
    #[error("told to end before the store could serve")]
    ToldToEnd,
    #[error("take what the program before left to this one")]
    Succession(#[source] io::Error),
    #[error("go on from what another xenstored left, which is kept in {path}")]
    TakeOver { path: PathBuf, source: Box<Self> },
    #[error(transparent)]
    Listener(#[from] ListenerError),
}

/// What happened, as far as the parent cares.
#[derive(Debug, Default)]
struct Happened {
    signal: bool,
    log: bool,
    question: bool,
    knock: bool,
    room: bool,
}

impl Parent {
    /// Starts a store's process, and believes that it is confined when it has seen it.
    pub(crate) fn start(options: &Options) -> Result<Self, ParentError> {
        Self::begin(options, None, BTreeMap::new())
    }

    /// Starts one that begins with another store's state, and has its clients.
    fn begin(
        options: &Options,
        state: Option<OwnedFd>,
        copies: BTreeMap<u64, (UnixStream, Caller)>,
    ) -> Result<Self, ParentError> {
        // Before there is a child whose end could be missed.
        let signals = take_signals().map_err(ParentError::Signals)?;
        restrict::become_subreaper().map_err(ParentError::Prepare)?;
        hold_many().map_err(|errno| ParentError::Prepare(errno.into()))?;
        let ledger = ledger::create().map_err(ParentError::Prepare)?;
        let installed = installed::path().map_err(ParentError::Prepare)?;
        let (started, log) = start_store(options, &ledger, &installed, state, false)?;
        let mut parent = Self {
            child: started.child,
            clients: Some(started.clients),
            census: started.census,
            log: Some(log),
            signals,
            ledger,
            installed,
            last_copy: copies.keys().next_back().copied().unwrap_or_default(),
            line: copies.keys().copied().collect(),
            copies,
            all_there: false,
            started: Instant::now(),
            short_lives: 0,
            told_to_end: false,
        };
        parent.attest(&started.plan, &started.program)?;
        parent.wait_until_it_serves()?;
        Ok(parent)
    }

    /// Starts another store's process in the place of one that ended, which goes on where that one
    /// was. One that ends soon again and again isn't started for ever, whether it had begun to serve
    /// or not: what it goes on from may be what ends it. Then, and where that makes no sense, it is
    /// kept for people.
    fn begin_again(
        &mut self,
        options: &Options,
        mut ended: ParentError,
    ) -> Result<(), ParentError> {
        let mut was_short = self.started.elapsed() < SHORT_LIFE;
        loop {
            self.short_lives = if was_short { self.short_lives + 1 } else { 0 };
            if self.short_lives > SHORT_LIVES_MAX {
                return Err(keep_state(&self.ledger, ended));
            }
            eprintln!("xenstored: {ended}: another one goes on");
            reap_all();
            if let Some(times) = self.short_lives.checked_sub(1) {
                thread::sleep(PAUSE * 2_u32.pow(times));
            }
            match self.go_on(options, is_crash(&ended)) {
                Ok(()) => return Ok(()),
                Err(again) if was_killed(&again) => (ended, was_short) = (again, true),
                Err(error) => return Err(keep_state(&self.ledger, error)),
            }
        }
    }

    fn go_on(&mut self, options: &Options, after_crash: bool) -> Result<(), ParentError> {
        let (started, log) =
            start_store(options, &self.ledger, &self.installed, None, after_crash)?;
        (self.child, self.clients, self.census, self.log) =
            (started.child, Some(started.clients), started.census, Some(log));
        (self.line, self.all_there) = (self.copies.keys().copied().collect(), false);
        self.started = Instant::now();
        self.attest(&started.plan, &started.program)?;
        match self.wait_until_it_serves() {
            // It served before, so that this is as any end.
            Err(ParentError::ToldToEnd) => self.told_to_end = true,
            served => served?,
        }
        Ok(())
    }
}

/// Starts a store's process, which goes on from a ledger, or from what another store has left where that
/// is empty; and the pipe that it prints to.
fn start_store(
    options: &Options,
    ledger: &OwnedFd,
    installed: &Path,
    state: Option<OwnedFd>,
    after_crash: bool,
) -> Result<(Started, PipeReader), ParentError> {
    let mut arguments: Vec<OsString> =
        vec![format!("--{STORE}").into(), format!("--{INSTALLED}").into(), installed.into()];
    arguments.extend(state.is_some().then(|| format!("--{FOLLOW}").into()));
    arguments.extend(after_crash.then(|| format!("--{AFTER_CRASH}").into()));
    arguments.extend(options::own_arguments());
    let program = Path::new(OWN_PROGRAM);
    let (log, stderr) = io::pipe().map_err(ParentError::Prepare)?;
    let start = Start { program, arguments, ledger, heirlooms: state, stderr };
    Ok((launch(options, start)?, log))
}

impl Parent {
    /// Answers the store until it can serve.
    fn wait_until_it_serves(&mut self) -> Result<(), ParentError> {
        let deadline = Instant::now() + CONFINED_WITHIN;
        loop {
            self.hand_in();
            let ready = self.clients.as_ref().map_or(Ok(false), |fd| is_ready(fd.as_fd()));
            match ready {
                Ok(true) => return Ok(()),
                Ok(false) if Instant::now() < deadline => (),
                Ok(false) => return Err(self.give_up(ParentError::Late)),
                // It ends, and has said why.
                Err(_) => return Err(self.give_up(ParentError::Gone)),
            }
            let pause = deadline.saturating_duration_since(Instant::now());
            let room = if self.all_there { PollFlags::empty() } else { PollFlags::POLLOUT };
            let happened = self.wait(None, PollFlags::POLLIN | room, Some(pause))?;
            if happened.log {
                self.pass_log_on();
            }
            if happened.question {
                self.answer();
            }
            if happened.signal && self.is_told_to_end()? {
                return Err(self.give_up(ParentError::ToldToEnd));
            }
        }
    }

    /// Ends the store's process, passes on what it had to say, and says how it ended, where it did
    /// so by itself.
    fn give_up(&mut self, otherwise: ParentError) -> ParentError {
        let ending = match otherwise {
            // It has closed its end, which it only does when it ends.
            ParentError::Gone => self.wait_for_the_end(),
            _ => None,
        };
        if ending.is_none()
            && let Err(error) = self.child.kill()
        {
            return ParentError::Attest(error);
        }
        self.pass_rest_of_log_on();
        ending.unwrap_or(otherwise)
    }

    /// Looks at the process from outside, and ends it where a property doesn't hold.
    fn attest(&mut self, plan: &Plan, program: &Program) -> Result<(), ParentError> {
        let (child, program) = (self.child, program.id());
        // It may have begun to serve by now.
        let moment = Moment::Serving;
        let expected = Expected { child, plan, program, network: None, moment };
        let attestation = match attest(&expected) {
            Ok(attestation) => attestation,
            // It ended meanwhile: how says more than that it isn't there.
            Err(error) => {
                return Err(self.wait_for_the_end().unwrap_or(ParentError::Attest(error)));
            }
        };
        if attestation.holds() {
            return Ok(());
        }
        // What is not confined doesn't stay.
        self.child.kill().map_err(ParentError::Attest)?;
        let failed =
            attestation.failures().map(|failed| format!("{} ({})", failed.name, failed.found));
        Err(ParentError::Unconfined(failed.collect::<Vec<_>>().join(", ")))
    }

    /// Lets clients in and answers the store until told to end, which is well, or until the store
    /// ends again and again, which is not.
    pub(crate) fn serve(
        mut self,
        listener: &Listener,
        options: &Options,
        pid_file: Option<&PidFile>,
    ) -> Result<(), ParentError> {
        loop {
            match self.serve_one(listener, options, pid_file) {
                Ok(()) => return self.end(),
                Err(ended @ ParentError::Ended(_)) => self.begin_again(options, ended)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Serves until told to end, or until the store's process has ended.
    fn serve_one(
        &mut self,
        listener: &Listener,
        options: &Options,
        pid_file: Option<&PidFile>,
    ) -> Result<(), ParentError> {
        let mut full_until: Option<Instant> = None;
        while !self.told_to_end {
            let now = Instant::now();
            full_until = full_until.filter(|until| *until > now);
            let listens = self.line.is_empty() && full_until.is_none();
            let pause = full_until.map(|until| until.saturating_duration_since(now));
            let room = if listens { PollFlags::empty() } else { PollFlags::POLLOUT };
            let room = PollFlags::POLLIN | room;
            let happened = self.wait(listens.then_some(listener), room, pause)?;
            if happened.log {
                self.pass_log_on();
            }
            if happened.signal && self.is_told_to_end()? {
                return Ok(());
            }
            if happened.question {
                self.answer();
            }
            if happened.room {
                if let Some(replacing) = self.let_go() {
                    self.update(listener, options, pid_file, replacing)?;
                }
                self.hand_in();
            }
            if happened.knock {
                match listener.accept() {
                    Ok(Some(client)) => {
                        self.last_copy += 1;
                        self.copies.insert(self.last_copy, client);
                        self.line.push_back(self.last_copy);
                        self.hand_in();
                    }
                    Ok(None) => (),
                    Err(error) => match error.kind() {
                        io::ErrorKind::WouldBlock
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::Interrupted => (),
                        _ => full_until = Some(now + FULL_FOR),
                    },
                }
            }
        }
        Ok(())
    }

    /// Sleeps until something happens.
    fn wait(
        &self,
        listener: Option<&Listener>,
        clients: PollFlags,
        pause: Option<Duration>,
    ) -> Result<Happened, ParentError> {
        let mut watched =
            vec![(PollFd::new(self.signals.as_fd(), PollFlags::POLLIN), Watched::Signals)];
        watched.extend(
            self.clients.as_ref().map(|fd| (PollFd::new(fd.as_fd(), clients), Watched::Clients)),
        );
        let readable = |fd, watched| (PollFd::new(fd, PollFlags::POLLIN), watched);
        watched.extend(self.log.as_ref().map(|log| readable(log.as_fd(), Watched::Log)));
        let census = self.census.as_ref();
        watched.extend(census.map(|census| readable(census.socket().as_fd(), Watched::Census)));
        watched.extend(listener.map(|listener| readable(listener.as_fd(), Watched::Listener)));

        let (mut fds, names): (Vec<_>, Vec<_>) = watched.into_iter().unzip();
        match poll(&mut fds, pause.map_or(PollTimeout::NONE, rounded_up)) {
            Ok(_) | Err(Errno::EINTR) => (),
            Err(errno) => return Err(ParentError::Wait(errno)),
        }
        let mut happened = Happened::default();
        for (fd, name) in fds.iter().zip(names) {
            let ready = fd.revents().is_some_and(|events| !events.is_empty());
            match name {
                Watched::Signals => happened.signal = ready,
                Watched::Log => happened.log = ready,
                Watched::Census => happened.question = ready,
                Watched::Listener => happened.knock = ready,
                Watched::Clients => happened.room = ready,
            }
        }
        Ok(happened)
    }

    /// Hands clients in, as far as the store has room for them now.
    fn hand_in(&mut self) {
        let Some(clients) = &self.clients else { return };
        while let Some(number) = self.line.front() {
            let sent = match self.copies.get(number) {
                Some((client, caller)) => handover::send(clients.as_fd(), client, *caller, *number),
                None => Ok(()),
            };
            match sent {
                // Without a store there is nobody to serve it; that it has gone is heard next.
                Ok(()) => drop(self.line.pop_front()),
                Err(_) => return,
            }
        }
        if !self.all_there {
            self.all_there = handover::send_all_there(clients.as_fd()).is_ok();
        }
    }

    /// Lets go of clients whom the store has let go of, until it asks for a live update: for that with
    /// the options that it brings, if any.
    fn let_go(&mut self) -> Option<Option<String>> {
        loop {
            match handover::receive_word(self.clients.as_ref()?.as_fd()) {
                Ok(Word::LetGo(number)) => drop(self.copies.remove(&number)),
                Ok(Word::Update(options)) => return Some(options),
                Err(_) => return None,
            }
        }
    }

    fn answer(&mut self) {
        let goes_on = self.census.as_mut().is_none_or(|census| census.answer().unwrap_or(false));
        if !goes_on {
            // The store has gone, as is heard next.
            self.census = None;
        }
    }

    fn pass_log_on(&mut self) {
        let mut bytes = [0; LOG_BYTES];
        match self.log.as_mut().map(|log| log.read(&mut bytes)) {
            Some(Ok(size)) if size > 0 => {
                // Where nobody reads it, nobody can be told so.
                let _ = io::stderr().write_all(bytes.get(..size).unwrap_or_default());
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => (),
            Some(Ok(_) | Err(_)) | None => self.log = None,
        }
    }

    /// The same to its end, which it has once the store has ended: nobody else has the pipe.
    fn pass_rest_of_log_on(&mut self) {
        while self.log.is_some() {
            self.pass_log_on();
        }
    }

    /// Reads a signal: whether it says to end. That the store has ended is an error.
    fn is_told_to_end(&mut self) -> Result<bool, ParentError> {
        let signal = self.signals.read_signal().map_err(ParentError::Signals)?;
        let number = signal.and_then(|signal| i32::try_from(signal.ssi_signo).ok());
        match number.and_then(|number| Signal::try_from(number).ok()) {
            Some(Signal::SIGTERM | Signal::SIGINT) => Ok(true),
            Some(_) | None => match self.ending() {
                Some(ended) => Err(ended),
                None => Ok(false),
            },
        }
    }

    /// How the store ended, where it has. What it had to say is passed on before.
    fn ending(&mut self) -> Option<ParentError> {
        match self.child.reap() {
            Ok(Reaped::Ended(ending)) => {
                self.pass_rest_of_log_on();
                Some(ParentError::Ended(ending))
            }
            Ok(Reaped::Running) => None,
            Ok(Reaped::Foreign) => Some(ParentError::Gone),
            Err(error) => Some(ParentError::Attest(error)),
        }
    }

    /// Has the store end, and sees that it has.
    fn end(mut self) -> Result<(), ParentError> {
        // This tells it to.
        (self.clients, self.census) = (None, None);
        if self.wait_for_the_end().is_none() {
            self.child.kill().map_err(ParentError::Attest)?;
        }
        Ok(())
    }

    /// How the store ended; none where it doesn't in time.
    fn wait_for_the_end(&mut self) -> Option<ParentError> {
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            let ended = self.ending();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            // No signal is taken meanwhile: one that says to end is heard afterwards.
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Keeps what no store could go on from, and names it.
fn keep_state(ledger: &OwnedFd, otherwise: ParentError) -> ParentError {
    let path = listener::path_from_environment()
        .unwrap_or_default()
        .with_file_name(format!("state.{}", std::process::id()));
    match ledger::keep(ledger, &path) {
        Ok(()) => eprintln!("xenstored: what the store held is kept in {}", path.display()),
        Err(error) => eprintln!("xenstored: keep what the store held: {error}"),
    }
    otherwise
}

/// Whether a store that began was ended, rather than found that it can't go on.
fn was_killed(ended: &ParentError) -> bool {
    let (ParentError::Ended(ending) | ParentError::Spawn(SpawnError::Ended(ending))) = ended else {
        return false;
    };
    matches!(ending, Ending::Killed(_))
}

/// Whether a store ended by what it did itself, rather than by somebody who ended it.
fn is_crash(ended: &ParentError) -> bool {
    let ParentError::Ended(ending) = ended else { return false };
    match ending {
        Ending::Killed(signal) => !matches!(signal, Signal::SIGKILL | Signal::SIGTERM),
        // A panic, where it doesn't abort.
        Ending::Exited(status) => *status == PANICKED,
    }
}

/// Reaps what a store's start left that was killed halfway: nobody else is this process's child then.
fn reap_all() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|one| one != WaitStatus::StillAlive) {
    }
}

/// A time to wait in `poll`'s milliseconds, so that the last one is not spent spinning.
fn rounded_up(time: Duration) -> PollTimeout {
    PollTimeout::try_from(time.as_millis() + 1).unwrap_or(PollTimeout::MAX)
}

/// What the parent sleeps on.
#[derive(Clone, Copy, Debug)]
enum Watched {
    Signals,
    Log,
    Census,
    Clients,
    Listener,
}

/// SIGTERM, SIGINT and SIGCHLD come by the descriptor from now on.
fn take_signals() -> Result<SignalFd, Errno> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Lets this process hold a copy of every client that the store may have, as far as it may.
fn hold_many() -> Result<(), Errno> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, now.max(OPEN_FILES).min(most), most)
}
