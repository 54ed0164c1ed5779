//! The agent's part for one converter: start it, attest it, say go, and wait for its end.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect,
    getsockname, listen, recv, send, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::pipe2;
use restrict::{
    Child, Expected, FileId, IdentityError, Moment, NetworkError, PlanError, Program, Reaped,
    SpawnError, Uid,
};
use vncterm_control::{Answer, Farewell, Order, PACKET_MAX, Report, Start, VERSION};
use vncterm_launch::Handed;

use crate::command::{CommandError, Repeated};
use crate::log::Log;
use crate::say::say;

/// A converter is confined by then, or there is none; and it answers by then.
const CONFINED_MAX: Duration = Duration::from_secs(10);

/// A converter that was told to stop has saved its screen and said farewell by then, or is killed.
const FAREWELL_MAX: Duration = Duration::from_secs(10);

/// A running converter, and what is needed to hear of its end.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    control: OwnedFd,
    /// What the converter saves its screen in.
    screen: File,
    /// Until the converter closes it.
    log: Option<Log>,
    signals: SignalFd,
    /// Until the converter closes the control connection.
    hears_answers: bool,
}

/// What a converter is started with, but for what the keeper makes itself.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) tty: OwnedFd,
    pub(crate) rfb_listener: OwnedFd,
    pub(crate) text_listener: Option<OwnedFd>,
    pub(crate) screen: OwnedFd,
}

/// Why there is no converter, or how it went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeeperError {
    /// The user id is one that no confined process may have.
    #[error("take the user id")]
    Identity(#[from] IdentityError),
    /// No plan.
    #[error("plan the confinement")]
    Plan(#[from] PlanError),
    /// No empty network.
    #[error("make an empty network")]
    Network(#[from] NetworkError),
    /// It does not start.
    #[error("start the converter")]
    Spawn(#[from] SpawnError),
    /// Something that it needs could not be made.
    #[error("{attempt}")]
    System {
        /// What was tried.
        attempt: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// A property of its confinement does not hold.
    #[error("the converter is not confined: {property} (found {found})")]
    Unconfined {
        /// What should hold.
        property: String,
        /// What was found.
        found: String,
    },
    /// It does not speak as it should.
    #[error("the converter does not answer as it should")]
    Answer,
    /// The command does not run again.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It was killed.
    #[error("the converter {0}")]
    Ended(restrict::Ending),
}

fn system(attempt: &'static str) -> impl Fn(io::Error) -> KeeperError {
    move |source| KeeperError::System { attempt, source }
}

impl Keeper {
    /// Starts a converter and says go once it is attested.
    pub(crate) fn start(start: &Start, parts: Parts) -> Result<Self, KeeperError> {
        restrict::become_subreaper().map_err(system("become a subreaper"))?;
        let signals = take_signals().map_err(system("take signals by descriptor"))?;
        let program = Program::open(Path::new("/proc/self/exe")).map_err(system("open itself"))?;
        let plan = vncterm_launch::plan(start, Uid::new(start.uid)?)?;
        let screen = parts.screen.try_clone().map_err(system("keep the screen's memory"))?;
        let network = restrict::empty_network()?;
        let network_id = FileId::of(&network).map_err(system("look at the empty network"))?;
        let (listener, address) = control_listener().map_err(system("make a control socket"))?;
        let (log, stderr) = pipe2(OFlag::O_CLOEXEC)
            .map_err(io::Error::from)
            .map_err(system("make a pipe for the log"))?;
        let handed = Handed {
            tty: parts.tty,
            rfb_listener: Some(parts.rfb_listener),
            text_listener: parts.text_listener,
            control: listener,
            screen: parts.screen,
            lock: None,
            network,
        };
        let launching = vncterm_launch::start(&program, "vncterm", start, &plan, handed, stderr)?;
        let child = launching.wait(CONFINED_MAX)?;
        let expected = Expected {
            child,
            plan: &plan,
            program: program.id(),
            network: Some(network_id),
            moment: Moment::Started,
        };
        match attest_and_say_go(&expected, &address) {
            Ok(control) => {
                let (screen, log) = (File::from(screen), Some(Log::new(log)));
                Ok(Self { child, control, screen, log, signals, hears_answers: true })
            }
            Err(error) => {
                child.kill().map_err(system("end the converter"))?;
                Err(error)
            }
        }
    }

    /// Waits until the converter ends, by itself or because this process was told to end. A
    /// command that is to be repeated runs again when its terminal has hung up. When told to save
    /// (SIGUSR1), it has the converter do so and hands over where it did.
    pub(crate) fn wait(
        mut self,
        mut repeated: Option<Repeated<'_>>,
        mut saved: impl FnMut(&File),
    ) -> Result<(), KeeperError> {
        let mut end_by = None;
        let mut terminal_lost = false;
        loop {
            let reaped = self.child.reap().map_err(system("reap the converter"))?;
            if reaped != Reaped::Running {
                // Its last words: nobody else can write to the log, so that it has an end.
                while self.log.as_mut().is_some_and(|log| log.pass_on(|line| say(line))) {}
                return outcome(reaped);
            }
            let left = |at: Instant| at.saturating_duration_since(Instant::now());
            if end_by.map(left).is_some_and(|left| left.is_zero()) {
                self.child.kill().map_err(system("end the converter"))?;
                end_by = None;
                continue;
            }
            let mut due = None;
            if let Some(repeated) = repeated.as_mut().filter(|_| terminal_lost && end_by.is_none())
            {
                due = Some(repeated.due());
                if left(repeated.due()).is_zero() {
                    self.hand_over(repeated.run()?)?;
                    (terminal_lost, due) = (false, None);
                }
            }
            let limit = end_by.or(due).map(left);
            let (log, signal, answer) = self.hear(limit)?;
            if answer {
                terminal_lost |= self.take_answer();
            }
            if log
                && let Some(pipe) = &mut self.log
                && !pipe.pass_on(|line| say(line))
            {
                self.log = None;
            }
            let told = if signal { self.told() } else { Told::default() };
            if told.save && end_by.is_none() {
                match self.save(&mut terminal_lost) {
                    Ok(()) => saved(&self.screen),
                    Err(error) => say(format_args!("vncterm: save the screen: {error}")),
                }
            }
            if told.end && end_by.is_none() {
                end_by = Some(Instant::now() + FAREWELL_MAX);
                // If it is gone already, that is heard next.
                let _ = order(&self.control, &Order::Stop(Farewell::Ended));
            }
        }
    }

    /// Gives the converter another terminal.
    fn hand_over(&self, terminal: OwnedFd) -> Result<(), KeeperError> {
        let packet = Order::Tty("-- the command runs again --".into()).encode(ORDER);
        // There is no lock on a terminal of one's own; the order carries two descriptors.
        let both = [terminal.as_raw_fd(); 2];
        sendmsg::<()>(
            self.control.as_raw_fd(),
            &[IoSlice::new(&packet)],
            &[ControlMessage::ScmRights(&both)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map_err(io::Error::from)
        .map_err(system("give the converter another terminal"))?;
        Ok(())
    }

    /// Takes what the converter says; whether that is that its terminal has hung up. A converter
    /// that has closed the connection is about to end, which a signal will say.
    fn take_answer(&mut self) -> bool {
        let mut packet = vec![0; PACKET_MAX];
        match recv(self.control.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => {
                self.hears_answers = false;
                false
            }
            Ok(length) => {
                let answer = Answer::decode(packet.get(..length).unwrap_or_default());
                answer == Ok(Answer::TtyLost)
            }
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            Err(_) => {
                self.hears_answers = false;
                false
            }
        }
    }

    /// Waits until the log, a signal or an answer can be read, at most for `limit`; says which.
    fn hear(&self, limit: Option<Duration>) -> Result<(bool, bool, bool), KeeperError> {
        let mut polled = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        let answers = Some(&self.control).filter(|_| self.hears_answers);
        let others = [self.log.as_ref().map(AsFd::as_fd), answers.map(AsFd::as_fd)];
        let places = others.map(|other| {
            polled.push(PollFd::new(other?, PollFlags::POLLIN));
            Some(polled.len() - 1)
        });
        // Rounded up, so that the last millisecond is not spent spinning.
        let timeout = limit.map_or(PollTimeout::NONE, |limit| {
            PollTimeout::try_from(limit.as_millis() + 1).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut polled, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok((false, false, false)),
            Err(errno) => return Err(system("wait for the converter")(errno.into())),
        }
        let found = |index: usize| {
            polled.get(index).and_then(PollFd::revents).is_some_and(|found| !found.is_empty())
        };
        let [log, answer] = places.map(|place| place.is_some_and(found));
        Ok((log, found(0), answer))
    }

    /// Takes the signals that have come; says what they mean. SIGCHLD says that a child has ended.
    fn told(&mut self) -> Told {
        let mut told = Told::default();
        while let Ok(Some(signal)) = self.signals.read_signal() {
            told.save |= signal.ssi_signo == Signal::SIGUSR1 as u32;
            told.end |=
                ![Signal::SIGUSR1 as u32, Signal::SIGCHLD as u32].contains(&signal.ssi_signo);
        }
        told
    }

    /// Has the converter save its screen. A converter that is about to end, or does not answer in
    /// time, has not. What it says before, it says: that an order was done, or that its terminal
    /// has hung up.
    fn save(&self, terminal_lost: &mut bool) -> Result<(), KeeperError> {
        send_order(&self.control, &Order::Save, SAVE)?;
        for _ in 0..ANSWERS_BEFORE_SAVED_MAX {
            match hear(&self.control)? {
                Answer::To(SAVE, Report::Done) => return Ok(()),
                Answer::TtyLost => *terminal_lost = true,
                Answer::To(ORDER, Report::Done) => {}
                _ => break,
            }
        }
        Err(KeeperError::Answer)
    }
}

/// What signals mean.
#[derive(Debug, Default)]
struct Told {
    save: bool,
    end: bool,
}

/// The number of every order but one: nothing depends on which of them was done.
const ORDER: u32 = 1;
/// The number of the order to save.
const SAVE: u32 = 2;
/// A terminal that was handed over is answered for, and may have hung up before and since.
const ANSWERS_BEFORE_SAVED_MAX: u32 = 4;

/// Proves that the converter is confined, and tells it to go.
fn attest_and_say_go(expected: &Expected<'_>, address: &UnixAddr) -> Result<OwnedFd, KeeperError> {
    let attested = restrict::attest(expected).map_err(system("look at the converter"))?;
    if let Some(failed) = attested.failures().next() {
        let (property, found) = (failed.claim.clone(), failed.found.clone());
        return Err(KeeperError::Unconfined { property, found });
    }
    // Only now: a connection would be one descriptor more than it may have when it starts.
    let control = connect_to(address).map_err(system("connect to the converter"))?;
    expect(&control, &Answer::Confined(VERSION))?;
    order(&control, &Order::Go(String::new()))?;
    expect(&control, &Answer::To(ORDER, Report::Done))?;
    // From here on, what a command leaves behind is for the system to reap.
    nix::sys::prctl::set_child_subreaper(false)
        .map_err(io::Error::from)
        .map_err(system("be no subreaper any more"))?;
    Ok(control)
}

/// What the end of the converter means.
fn outcome(reaped: Reaped) -> Result<(), KeeperError> {
    match reaped {
        Reaped::Ended(restrict::Ending::Exited(0)) | Reaped::Running | Reaped::Foreign => Ok(()),
        Reaped::Ended(ending) => Err(KeeperError::Ended(ending)),
    }
}

fn order(control: &OwnedFd, order: &Order) -> Result<(), KeeperError> {
    send_order(control, order, ORDER)
}

fn send_order(control: &OwnedFd, order: &Order, number: u32) -> Result<(), KeeperError> {
    let sent = send(control.as_raw_fd(), &order.encode(number), MsgFlags::MSG_NOSIGNAL);
    sent.map(drop).map_err(io::Error::from).map_err(system("give the converter an order"))
}

fn expect(control: &OwnedFd, expected: &Answer) -> Result<(), KeeperError> {
    if &hear(control)? == expected { Ok(()) } else { Err(KeeperError::Answer) }
}

fn hear(control: &OwnedFd) -> Result<Answer, KeeperError> {
    let mut packet = vec![0; PACKET_MAX];
    let length = recv(control.as_raw_fd(), &mut packet, MsgFlags::empty())
        .map_err(io::Error::from)
        .map_err(system("hear the converter"))?;
    Answer::decode(packet.get(..length).unwrap_or_default()).map_err(|_| KeeperError::Answer)
}

/// A listening control socket. Its name is one that the kernel chooses; who else connects there is
/// not root, and not believed.
fn control_listener() -> io::Result<(OwnedFd, UnixAddr)> {
    let listener = control_socket(SockFlag::SOCK_NONBLOCK)?;
    bind(listener.as_raw_fd(), &UnixAddr::new_unnamed())?;
    listen(&listener, Backlog::new(1)?)?;
    let address = getsockname(listener.as_raw_fd())?;
    Ok((listener, address))
}

fn connect_to(address: &UnixAddr) -> io::Result<OwnedFd> {
    let control = control_socket(SockFlag::empty())?;
    let limit = TimeVal::seconds(CONFINED_MAX.as_secs().cast_signed());
    setsockopt(&control, sockopt::ReceiveTimeout, &limit)?;
    setsockopt(&control, sockopt::SendTimeout, &limit)?;
    connect(control.as_raw_fd(), address)?;
    Ok(control)
}

fn control_socket(flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

/// The signals that end this process, the one that has the screen saved, and the one that says that
/// a child has ended, as a descriptor.
fn take_signals() -> io::Result<SignalFd> {
    let signals =
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD];
    let signals: SigSet = signals.into_iter().collect();
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
