//! The agent's part for one converter: start it, attest it, say go, and wait for its end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, getsockname,
    listen, recv, send, socket,
};
use nix::unistd::pipe2;
use restrict::{
    Child, Expected, FileId, IdentityError, Moment, NetworkError, PlanError, Program, Reaped,
    SpawnError, Uid,
};
use vncterm_control::{Answer, Farewell, Order, PACKET_MAX, Start, VERSION};
use vncterm_launch::Handed;

use crate::log::Log;

/// A converter is confined by then, or there is none.
const CONFINED_MAX: Duration = Duration::from_secs(10);

/// A running converter, and what is needed to hear of its end.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    control: OwnedFd,
    log: Log,
    signals: SignalFd,
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
        let attested = restrict::attest(&expected).map_err(system("look at the converter"))?;
        if let Some(failed) = attested.failures().next() {
            let (property, found) = (failed.claim.clone(), failed.found.clone());
            child.kill().map_err(system("end the converter"))?;
            return Err(KeeperError::Unconfined { property, found });
        }
        // Only now: a connection would be one descriptor more than it may have when it starts.
        let control = connect_to(&address).map_err(system("connect to the converter"))?;
        let keeper = Self { child, control, log: Log::new(log), signals };
        keeper.expect(&Answer::Confined(VERSION))?;
        keeper.order(&Order::Go)?;
        Ok(keeper)
    }

    /// Waits until the converter ends, by itself or because this process was told to end.
    pub(crate) fn wait(mut self) -> Result<(), KeeperError> {
        let mut told = false;
        loop {
            let mut polled = [
                PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.log.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(system("wait for the converter")(errno.into())),
            }
            let [control, log, signal] =
                polled.map(|polled| polled.revents().is_some_and(|found| !found.is_empty()));
            if log {
                self.log.pass_on(show);
            }
            if signal && self.signals.read_signal().is_ok_and(|signal| signal.is_some()) && !told {
                told = true;
                // If it is gone already, the control socket says so.
                let _ = self.order(&Order::Stop(Farewell::Replaced));
            }
            if control && self.ended() {
                return self.outcome();
            }
        }
    }

    /// Takes an answer, which says nothing that matters here, or hears that the converter is gone.
    fn ended(&self) -> bool {
        let mut packet = [0; 64];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        match recv(self.control.as_raw_fd(), &mut packet, flags) {
            Ok(length) => length == 0,
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            Err(_) => true,
        }
    }

    /// How it ended. Its last words come first.
    fn outcome(&mut self) -> Result<(), KeeperError> {
        while self.log.pass_on(show) {}
        let pid = nix::unistd::Pid::from_raw(self.child.pid());
        let waited = nix::sys::wait::waitid(
            nix::sys::wait::Id::Pid(pid),
            nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
        );
        waited.map_err(io::Error::from).map_err(system("wait for the converter"))?;
        match self.child.reap().map_err(system("reap the converter"))? {
            Reaped::Ended(restrict::Ending::Exited(0)) | Reaped::Running | Reaped::Foreign => {
                Ok(())
            }
            Reaped::Ended(ending) => Err(KeeperError::Ended(ending)),
        }
    }

    fn order(&self, order: &Order) -> Result<(), KeeperError> {
        let sent = send(self.control.as_raw_fd(), &order.encode(1), MsgFlags::MSG_NOSIGNAL);
        sent.map(drop).map_err(io::Error::from).map_err(system("give the converter an order"))
    }

    fn expect(&self, expected: &Answer) -> Result<(), KeeperError> {
        let mut packet = vec![0; PACKET_MAX];
        let length = recv(self.control.as_raw_fd(), &mut packet, MsgFlags::empty())
            .map_err(io::Error::from)
            .map_err(system("hear the converter"))?;
        let answer = Answer::decode(packet.get(..length).unwrap_or_default());
        if answer.as_ref() == Ok(expected) { Ok(()) } else { Err(KeeperError::Answer) }
    }
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
    connect(control.as_raw_fd(), address)?;
    Ok(control)
}

fn control_socket(flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

fn show(line: &str) {
    eprintln!("{line}");
}

/// The signals that end this process, as a descriptor.
fn take_signals() -> io::Result<SignalFd> {
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
