//! Bytes between standard input and output and a console, until one side ends.
//!
//! Each direction holds one bounded buffer and reads only when it is empty, so that neither side
//! can make this program grow, and a terminal that is stopped never keeps a signal waiting.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{read, write};

use crate::console::keys::{Act, EscapeKey, Keys};
use crate::console::terminal::Signals;
use crate::visible::visible;

/// Bytes moved at a time: what a pipe that can be written takes for sure (PIPE_BUF).
const CHUNK: usize = 4096;

/// How long the escape key stands alone before it means: leave.
const ALONE: Duration = Duration::from_secs(1);

/// How long a console prints nothing before a pipe's visit ends.
const QUIET: Duration = Duration::from_secs(1);

/// How long a pipe's visit lasts at most once its input has ended: some guests are never quiet.
const VISIT_MAX: Duration = Duration::from_secs(5);

/// When a relay is over, besides when the console closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// When the user says so.
    ByKey,
    /// When standard input has ended and the console has been quiet for [`QUIET`], or
    /// [`VISIT_MAX`] has gone by since.
    WhenQuiet,
}

/// Why a relay is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The user left.
    Left,
    /// Standard input has ended.
    InputEnded,
    /// The console has closed.
    Closed,
    /// A signal came.
    Signalled(Signal),
}

/// Moves bytes until the end. The stream must be non-blocking.
pub(crate) fn relay(
    console: &UnixStream,
    keys: &mut Keys,
    signals: &Signals,
    ends: Ends,
) -> io::Result<End> {
    let mut relay = Relay {
        console,
        keys,
        ends,
        to_guest: Vec::new(),
        to_user: Vec::new(),
        input_ended_at: None,
        last_heard: Instant::now(),
        escaped_at: None,
    };
    loop {
        if let Some(end) = relay.overdue() {
            return Ok(end);
        }
        let ready = relay.wait(signals)?;
        if ready.signal
            && let Some(signal) = signals.next()?
        {
            return Ok(End::Signalled(signal));
        }
        if ready.output
            && let Some(end) = relay.print()?
        {
            return Ok(end);
        }
        if ready.input
            && let Some(end) = relay.read_user()?
        {
            return Ok(end);
        }
        if ready.console
            && let Some(end) = relay.exchange()?
        {
            return Ok(end);
        }
    }
}

struct Relay<'a> {
    console: &'a UnixStream,
    keys: &'a mut Keys,
    ends: Ends,
    to_guest: Vec<u8>,
    to_user: Vec<u8>,
    /// Set once standard input has ended.
    input_ended_at: Option<Instant>,
    last_heard: Instant,
    escaped_at: Option<Instant>,
}

/// What can be done without waiting.
struct Ready {
    signal: bool,
    input: bool,
    output: bool,
    console: bool,
}

impl Relay<'_> {
    /// The end that time brings, if it is over.
    fn overdue(&self) -> Option<End> {
        let now = Instant::now();
        let (deadline, end) = self.deadline()?;
        (now >= deadline).then_some(end)
    }

    fn deadline(&self) -> Option<(Instant, End)> {
        let alone = self.escaped_at.map(|since| (since + ALONE, End::Left));
        // Nothing that was typed or printed is lost by ending.
        let nothing_waits = self.to_guest.is_empty() && self.to_user.is_empty();
        let over = self.input_ended_at.filter(|_| nothing_waits);
        let visit = over.map(|ended| {
            let quiet = self.last_heard + QUIET;
            (quiet.min(ended + VISIT_MAX), End::InputEnded)
        });
        alone.or(visit)
    }

    fn wait(&self, signals: &Signals) -> io::Result<Ready> {
        let (input, output) = (io::stdin(), io::stdout());
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::POLLIN, self.to_user.is_empty());
        wanted.set(PollFlags::POLLOUT, !self.to_guest.is_empty());
        // A descriptor of which nothing is wanted would still report a hang-up, again and again:
        // it is left out.
        let candidates = [
            (signals.descriptor(), PollFlags::POLLIN, true),
            (self.console.as_fd(), wanted, !wanted.is_empty()),
            (
                input.as_fd(),
                PollFlags::POLLIN,
                self.input_ended_at.is_none() && self.to_guest.is_empty(),
            ),
            (output.as_fd(), PollFlags::POLLOUT, !self.to_user.is_empty()),
        ];
        let mut polled: Vec<PollFd<'_>> = candidates
            .iter()
            .filter(|(_, _, is_wanted)| *is_wanted)
            .map(|(descriptor, flags, _)| PollFd::new(*descriptor, *flags))
            .collect();
        match poll(&mut polled, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut answers = polled.iter().map(|one| one.any().unwrap_or(false));
        let [signal, console, input, output] =
            candidates.map(|(_, _, is_wanted)| is_wanted && answers.next().unwrap_or(false));
        Ok(Ready { signal, console, input, output })
    }

    fn timeout(&self) -> PollTimeout {
        let Some((deadline, _)) = self.deadline() else {
            return PollTimeout::NONE;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: a poll that ends a little early would be begun again at once.
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    }

    fn print(&mut self) -> io::Result<Option<End>> {
        let chunk = self.to_user.get(..CHUNK).unwrap_or(&self.to_user);
        match write(io::stdout(), chunk) {
            Ok(written) => {
                self.to_user.drain(..written);
                Ok(None)
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
            // Nobody reads on.
            Err(Errno::EPIPE | Errno::EIO) => Ok(Some(End::Left)),
            Err(error) => Err(error.into()),
        }
    }

    fn read_user(&mut self) -> io::Result<Option<End>> {
        let mut chunk = [0; CHUNK];
        let count = match read(io::stdin(), &mut chunk) {
            Ok(count) => count,
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(None),
            // The terminal has gone.
            Err(Errno::EIO) => 0,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            self.last_heard = Instant::now();
            self.input_ended_at = Some(self.last_heard);
            return Ok((self.ends == Ends::ByKey).then_some(End::InputEnded));
        }
        for act in self.keys.take(chunk.get(..count).unwrap_or_default()) {
            match act {
                Act::Send(bytes) => self.to_guest.extend_from_slice(&bytes),
                Act::Leave => return Ok(Some(End::Left)),
                Act::Help => eprint!("{}", help(self.keys.escape())),
                Act::Unknown(key) => eprint!("{}", unknown(self.keys.escape(), key)),
            }
        }
        self.escaped_at = self.keys.is_escaped().then(Instant::now);
        Ok(None)
    }

    /// Sends what waits for the guest and takes what the guest has printed.
    fn exchange(&mut self) -> io::Result<Option<End>> {
        let mut console = self.console;
        if !self.to_guest.is_empty() {
            match console.write(&self.to_guest) {
                Ok(written) => drop(self.to_guest.drain(..written)),
                Err(error) if is_for_later(&error) => {}
                Err(error) if is_gone(&error) => return Ok(Some(End::Closed)),
                Err(error) => return Err(error),
            }
        }
        if !self.to_user.is_empty() {
            return Ok(None);
        }
        let mut chunk = [0; CHUNK];
        match console.read(&mut chunk) {
            Ok(0) => Ok(Some(End::Closed)),
            Ok(count) => {
                self.to_user.extend_from_slice(chunk.get(..count).unwrap_or_default());
                self.last_heard = Instant::now();
                Ok(None)
            }
            Err(error) if is_for_later(&error) => Ok(None),
            Err(error) if is_gone(&error) => Ok(Some(End::Closed)),
            Err(error) => Err(error),
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// The keys, for a terminal in raw mode.
fn help(escape: EscapeKey) -> String {
    format!(
        "\r\n-- after {escape}:  .  leave   {escape}  send one   ?  this help;  \
         {escape} alone for a second leaves too --\r\n"
    )
}

fn unknown(escape: EscapeKey, key: u8) -> String {
    let key = visible(&char::from(key).to_string());
    format!("\r\n-- {escape} {key} means nothing; help: {escape} ? --\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_the_key_that_was_chosen() {
        assert_eq!(
            help(EscapeKey::Byte(1)),
            "\r\n-- after Ctrl-A:  .  leave   Ctrl-A  send one   ?  this help;  \
             Ctrl-A alone for a second leaves too --\r\n"
        );
        assert!(unknown(EscapeKey::Byte(0x1d), 0x1b).contains("Ctrl-] ^[ means nothing"));
    }
}
