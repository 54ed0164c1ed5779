//! The user's own terminal: raw while a console is shown, as it was before after that, whatever
//! ends the visit.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// What a guest may have switched on and nobody else switches off: a scroll region, colours,
/// another character set, a hidden cursor, mouse reports, bracketed paste, the alternate screen,
/// application keys. Each is harmless where it wasn't on. Ends with the title as it was.
const CALM: &str = "\x1b7\x1b[r\x1b8\x1b[0m\x1b(B\x0f\x1b[?25h\
    \x1b[?9;1000;1002;1003;1004;1005;1006;2004l\x1b[?1047l\x1b[?7h\x1b[?1l\x1b>\x1b[23;2t";

/// The terminal in raw mode; dropped, it is as it was.
#[derive(Debug)]
pub(crate) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Switches the terminal that standard input is. The title says where the user is, because
    /// the guest's screen covers all else.
    pub(crate) fn enter(title: &str) -> io::Result<Self> {
        if io::stdout().is_terminal() {
            let mut out = io::stdout().lock();
            write!(out, "\x1b[22;2t\x1b]2;{title}\x07")?;
            out.flush()?;
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // TCSAFLUSH: keys typed for the guest must not run in the user's shell.
        if let Err(error) = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.before) {
            eprintln!("xenwarden: cannot restore the terminal: {error}; try: reset");
        }
        if io::stdout().is_terminal() {
            let mut out = io::stdout().lock();
            // A terminal that takes nothing more has nobody in front of it.
            let _ = out.write_all(CALM.as_bytes()).and_then(|()| out.write_all(b"\r\n"));
            let _ = out.flush();
        }
    }
}

/// The signals that end a program, taken as events, so that they can't leave the terminal raw.
#[derive(Debug)]
pub(crate) struct Signals {
    descriptor: SignalFd,
}

impl Signals {
    /// Blocks the signals and hears of them from now on.
    pub(crate) fn catch() -> io::Result<Self> {
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT]
            .into_iter()
            .collect();
        set.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self { descriptor: SignalFd::with_flags(&set, flags)? })
    }

    /// What to poll for a signal.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The signal that has come, if one has.
    pub(crate) fn next(&self) -> io::Result<Option<Signal>> {
        let Some(found) = self.descriptor.read_signal()? else {
            return Ok(None);
        };
        let number = i32::try_from(found.ssi_signo).unwrap_or_default();
        Ok(Signal::try_from(number).ok())
    }

    /// Asks again and again until there is an answer, a key is pressed or a signal comes, or
    /// `wait` is over.
    pub(crate) fn wait_for_reboot<T>(
        &self,
        wait: Duration,
        ask_every: Duration,
        mut ask: impl FnMut() -> Option<T>,
    ) -> io::Result<Option<T>> {
        let until = Instant::now() + wait;
        let step = PollTimeout::try_from(ask_every).unwrap_or(PollTimeout::ZERO);
        while Instant::now() < until {
            if let Some(answer) = ask() {
                return Ok(Some(answer));
            }
            let stdin = io::stdin();
            let mut polled = [
                PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.descriptor(), PollFlags::POLLIN),
            ];
            match poll(&mut polled, step) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}
