//! `xenwarden console`: a guest's text console in this terminal, or through a pipe.
//!
//! What the guest prints reaches the terminal as it is, as with `xenconsole`: who doesn't trust a
//! guest that far looks through a VNC viewer.

mod keys;
mod relay;
mod terminal;

use std::io::{self, IsTerminal};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use uuid::Uuid;
use xenwarden_model::{Ask, ConsoleOpened, ConsoleProtocol, ConsoleState, Reply, Vm};

use crate::agent::{Agent, AgentError, Connection, vms};
use crate::choice::{ChoiceError, chosen};
use crate::clock::time_of_day;
pub(crate) use crate::console::keys::EscapeKey;
use crate::console::keys::Keys;
use crate::console::relay::{End, Ends, relay};
use crate::console::terminal::{RawTerminal, Signals};
use crate::span::span;
use crate::visible::visible;

/// How long the agent may take to notice why a console has ended.
const SETTLE: Duration = Duration::from_secs(2);

/// How long a guest that ended may take to come back: xl needs 6 s for a reboot on slow machines.
const REBOOT_WAIT: Duration = Duration::from_secs(15);

/// How often the agent is asked meanwhile; it has no way to call.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Why a console can't be shown, or not any longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsoleError {
    /// The word doesn't mean one VM.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The agent doesn't give the console.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The reply lacks what it must carry.
    #[error("the agent's reply carries no console")]
    NoDescriptor,
    /// This side fails.
    #[error("cannot show the console: {0}")]
    Io(#[from] io::Error),
}

/// How a visit to a console came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The user left.
    Left,
    /// The pipe's end was sent, and the console has been quiet.
    Sent,
    /// The guest has ended.
    Halted,
    /// The guest runs on, its console doesn't.
    Lost,
    /// A signal asked this program to end.
    Signalled(Signal),
}

/// Shows a VM's console until somebody leaves or it ends.
pub(crate) fn open(socket: &Path, word: &str, escape: EscapeKey) -> Result<ExitCode, ConsoleError> {
    let vms = vms(&mut Connection::open(socket)?)?;
    let vm = chosen(&vms, word)?.uuid;
    let (opened, stream) = connect(socket, vm)?;
    let begun = Instant::now();
    let signals = Signals::catch()?;
    let outcome = if io::stdin().is_terminal() {
        let greeting = greeting(&opened, escape);
        eprintln!("{greeting}");
        let raw = RawTerminal::enter(greeting.trim_matches(['-', ' ']))?;
        let outcome = visit(socket, vm, (opened, stream), escape, &signals);
        drop(raw);
        outcome?
    } else {
        pour(socket, vm, &opened, &stream, &signals)?
    };
    if outcome != Outcome::Sent {
        eprintln!("{}", farewell(outcome, begun.elapsed()));
    }
    Ok(match outcome {
        Outcome::Left | Outcome::Sent | Outcome::Halted => ExitCode::SUCCESS,
        Outcome::Lost | Outcome::Signalled(_) => ExitCode::FAILURE,
    })
}

/// A person at a terminal: through reboots, until they leave.
fn visit(
    socket: &Path,
    vm: Uuid,
    (mut opened, mut stream): (ConsoleOpened, UnixStream),
    escape: EscapeKey,
    signals: &Signals,
) -> Result<Outcome, ConsoleError> {
    let mut keys = Keys::new(escape);
    loop {
        match relay(&stream, &mut keys, signals, Ends::ByKey)? {
            End::Left | End::InputEnded => return Ok(Outcome::Left),
            End::Signalled(signal) => return Ok(Outcome::Signalled(signal)),
            End::Closed => {}
        }
        let mut after = settled(socket, vm, opened.domid);
        if after == After::Halted {
            eprint!("\r\n-- the guest has ended; waiting for a reboot, any key leaves --\r\n");
            after = match signals.wait_for_reboot(REBOOT_WAIT, ASK_EVERY, || {
                state(socket, vm, opened.domid).filter(|after| *after == After::Rebooted)
            })? {
                Some(after) => after,
                None => return Ok(Outcome::Halted),
            };
        }
        match after {
            After::Halted => return Ok(Outcome::Halted),
            After::Lost => return Ok(Outcome::Lost),
            After::Rebooted => (opened, stream) = connect(socket, vm)?,
        }
        let name = visible(&opened.name_label);
        eprint!("\r\n-- {name} rebooted at {}, new console --\r\n", time_of_day());
    }
}

/// A pipe: send it all, print until the console is quiet.
fn pour(
    socket: &Path,
    vm: Uuid,
    opened: &ConsoleOpened,
    stream: &UnixStream,
    signals: &Signals,
) -> Result<Outcome, ConsoleError> {
    let mut keys = Keys::new(EscapeKey::None);
    Ok(match relay(stream, &mut keys, signals, Ends::WhenQuiet)? {
        End::Left => Outcome::Left,
        End::InputEnded => Outcome::Sent,
        End::Signalled(signal) => Outcome::Signalled(signal),
        End::Closed => match settled(socket, vm, opened.domid) {
            After::Halted | After::Rebooted => Outcome::Halted,
            After::Lost => Outcome::Lost,
        },
    })
}

/// Asks for the console: what it is, and the stream of its text.
fn connect(socket: &Path, vm: Uuid) -> Result<(ConsoleOpened, UnixStream), ConsoleError> {
    let mut agent = Connection::open(socket)?;
    let reply = agent.ask(&Ask::Console { vm, protocol: ConsoleProtocol::Vt100 })?;
    let Reply::Console(opened) = reply else {
        return Err(AgentError::Unexpected.into());
    };
    let descriptor = agent.take_descriptor().ok_or(ConsoleError::NoDescriptor)?;
    let stream = UnixStream::from(descriptor);
    stream.set_nonblocking(true)?;
    Ok((opened, stream))
}

/// What has become of a console that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// The VM has ended.
    Halted,
    /// The VM has a new domain, and that one a console.
    Rebooted,
    /// The VM runs on: only its console ended.
    Lost,
}

/// Asks the agent until it knows why the console has ended, or for [`SETTLE`].
fn settled(socket: &Path, vm: Uuid, domid: u16) -> After {
    let until = Instant::now() + SETTLE;
    loop {
        match state(socket, vm, domid) {
            Some(after) => return after,
            None if Instant::now() >= until => return After::Lost,
            None => std::thread::sleep(ASK_EVERY),
        }
    }
}

/// What the agent knows of a console that ended; none while that may still change.
fn state(socket: &Path, vm: Uuid, domid: u16) -> Option<After> {
    let vms = vms(&mut Connection::open(socket).ok()?).ok()?;
    what_became(vms.iter().find(|one| one.uuid == vm)?, domid)
}

fn what_became(vm: &Vm, domid: u16) -> Option<After> {
    match (vm.domid, &vm.console_state) {
        (None, _) => Some(After::Halted),
        (Some(new), ConsoleState::Serving { .. }) if new != domid => Some(After::Rebooted),
        (Some(_), _) => None,
    }
}

fn greeting(opened: &ConsoleOpened, escape: EscapeKey) -> String {
    let keys = match escape {
        EscapeKey::Byte(_) => format!("leave: {escape}   help: {escape} ?"),
        EscapeKey::None => "no key leaves".to_owned(),
    };
    let company = match opened.other_viewers {
        0 => String::new(),
        1 => "   also here: 1 other".to_owned(),
        others => format!("   also here: {others} others"),
    };
    format!(
        "-- {} (domain {}) on {}; {keys}{company} --",
        visible(&opened.name_label),
        opened.domid,
        visible(&opened.host),
    )
}

fn farewell(outcome: Outcome, stayed: Duration) -> String {
    let why = match outcome {
        Outcome::Left => "you left".to_owned(),
        Outcome::Sent => "all is sent".to_owned(),
        Outcome::Halted => "the guest shut down".to_owned(),
        Outcome::Lost => "the console's converter ended; see xenwarden status".to_owned(),
        Outcome::Signalled(signal) => format!("{signal} came"),
    };
    let ms = u64::try_from(stayed.as_millis()).unwrap_or(u64::MAX);
    format!("-- closed: {why} (you were here {}) --", span(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{halted, running, serving};

    fn opened(other_viewers: u32) -> ConsoleOpened {
        ConsoleOpened {
            name_label: "web01".into(),
            domid: 3,
            host: "host-a".into(),
            other_viewers,
            view_only: false,
            protocol: ConsoleProtocol::Vt100,
            reading: None,
        }
    }

    #[test]
    fn the_first_and_the_last_line_look_as_they_should() {
        let lines = [
            greeting(&opened(1), EscapeKey::Byte(0x1d)),
            greeting(&opened(0), EscapeKey::None),
            farewell(Outcome::Halted, Duration::from_secs(240)),
            farewell(Outcome::Left, Duration::from_secs(5)),
        ];
        assert_eq!(lines.join("\n") + "\n", include_str!("../tests/golden/console.txt"));
    }

    #[test]
    fn a_hostile_name_is_written_out() {
        let opened = ConsoleOpened { name_label: "\x1b[2J".into(), ..opened(0) };
        assert!(greeting(&opened, EscapeKey::None).starts_with("-- ^[[2J (domain 3)"));
    }

    #[test]
    fn what_became_of_a_console_follows_from_the_record() {
        assert_eq!(what_became(&halted("web01"), 3), Some(After::Halted));
        assert_eq!(what_became(&serving("web01", 4), 3), Some(After::Rebooted));
        assert_eq!(what_became(&serving("web01", 3), 3), None);
        assert_eq!(what_became(&running("web01", 4, ConsoleState::Starting), 3), None);
    }
}
