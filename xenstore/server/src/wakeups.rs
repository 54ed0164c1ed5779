//! Everything that can wake the loop, as a closed list.
//!
//! What is done about it is the server's.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Wake-ups that are looked at in one turn of the loop: others come in the next.
const BATCH: usize = 256;

// Peers' numbers count up from one and never come near these.
const DOOR: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
const SIGNALS: u64 = u64::MAX - 2;
const PORTS: u64 = u64::MAX - 3;

/// One reason to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Somebody wants to connect.
    Knock,
    /// Some event channels are pending.
    Ports,
    /// It is time.
    Timer,
    /// The process shall end.
    Stop,
    /// A peer can be read from or written to.
    Peer {
        number: u64,
        readable: bool,
        writable: bool,
        /// It reads and writes no more.
        hung_up: bool,
    },
}

/// What a peer is to wake us for. That it hung up wakes us in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// How long to sleep when nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    NotAtAll,
    For(Duration),
    Forever,
}

/// The descriptors that the loop sleeps on.
#[derive(Debug)]
pub(crate) struct Wakeups {
    epoll: Epoll,
    timer: TimerFd,
    signals: Option<SignalFd>,
    events: Vec<EpollEvent>,
}

impl Interest {
    pub(crate) const READ: Self = Self { read: true, write: false };

    fn flags(self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.read);
        flags.set(EpollFlags::EPOLLOUT, self.write);
        flags
    }
}

impl Wakeups {
    /// Sleeps on a timer so far.
    pub(crate) fn new() -> Result<Self, Errno> {
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
        )?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self { epoll, timer, signals: None, events: vec![EpollEvent::empty(); BATCH] })
    }

    /// SIGTERM and SIGINT come by here from now on.
    pub(crate) fn add_signals(&mut self) -> Result<(), Errno> {
        let mut stopping = SigSet::empty();
        stopping.add(Signal::SIGTERM);
        stopping.add(Signal::SIGINT);
        stopping.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&stopping, flags)?;
        self.epoll.add(&signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS))?;
        self.signals = Some(signals);
        Ok(())
    }

    pub(crate) fn add_door(&self, door: &impl AsFd) -> Result<(), Errno> {
        self.epoll.add(door, EpollEvent::new(EpollFlags::EPOLLIN, DOOR))
    }

    pub(crate) fn remove_door(&self, door: &impl AsFd) -> Result<(), Errno> {
        self.epoll.delete(door)
    }

    pub(crate) fn add_ports(&self, ports: &impl AsFd) -> Result<(), Errno> {
        self.epoll.add(ports, EpollEvent::new(EpollFlags::EPOLLIN, PORTS))
    }

    /// Adds a peer; it leaves by being closed.
    pub(crate) fn add_peer(
        &self,
        peer: &impl AsFd,
        number: u64,
        interest: Interest,
    ) -> Result<(), Errno> {
        self.epoll.add(peer, EpollEvent::new(interest.flags(), number))
    }

    pub(crate) fn change_peer(
        &self,
        peer: &impl AsFd,
        number: u64,
        interest: Interest,
    ) -> Result<(), Errno> {
        self.epoll.modify(peer, &mut EpollEvent::new(interest.flags(), number))
    }

    /// Sleeps, and says what happened.
    pub(crate) fn wait(&mut self, sleep: Sleep) -> Result<Vec<Wake>, Errno> {
        let timeout = match sleep {
            Sleep::NotAtAll => EpollTimeout::ZERO,
            Sleep::Forever => EpollTimeout::NONE,
            Sleep::For(time) => {
                // A timer, for epoll itself counts in milliseconds. Setting it to nothing would
                // stop it.
                let time = TimeSpec::from_duration(time.max(Duration::from_nanos(1)));
                self.timer.set(Expiration::OneShot(time), TimerSetTimeFlags::empty())?;
                EpollTimeout::NONE
            }
        };
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno),
        };
        self.events.iter().take(count).map(|event| self.wake(event)).collect()
    }

    fn wake(&self, event: &EpollEvent) -> Result<Wake, Errno> {
        Ok(match event.data() {
            DOOR => Wake::Knock,
            PORTS => Wake::Ports,
            TIMER => {
                // It has to be read to be quiet.
                self.timer.wait().or_else(ignore_again)?;
                Wake::Timer
            }
            SIGNALS => {
                if let Some(signals) = &self.signals {
                    signals.read_signal()?;
                }
                Wake::Stop
            }
            number => {
                let flags = event.events();
                let hung_up = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
                Wake::Peer {
                    number,
                    readable: flags.contains(EpollFlags::EPOLLIN),
                    writable: flags.contains(EpollFlags::EPOLLOUT),
                    hung_up,
                }
            }
        })
    }
}

fn ignore_again(errno: Errno) -> Result<(), Errno> {
    if errno == Errno::EAGAIN { Ok(()) } else { Err(errno) }
}
