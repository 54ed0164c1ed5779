//! Completes a drafted answer: asks the converters, all at once, and waits for them no longer than a
//! person would.
//!
//! This runs in the client's own task. What the agent knows by itself is in the draft.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{timeout, timeout_at};
use vncterm_control::{Refusal as ConverterRefusal, State};
use xenstore_wire::DomainId;
use xenwarden_model::{
    Audit, ConsoleOpened, ConsoleState, ConverterAudit, Property, Reading, Refusal, RefusalCode,
    Reply, Vm,
};

use crate::answer::{Draft, Entrance};
use crate::causes::causes;
use crate::config::CONSOLE_ADDRESS;
use crate::converter::{Command, Keeper, NoViewer};
use crate::front::OpenConsole;
use crate::graphics::{Claim, Listeners, Unproven};

/// How long converters may take to say how they are.
const CONVERTERS_MAX: Duration = Duration::from_secs(2);
/// Characters of a screen's last line that are told.
const LAST_LINE_MAX: usize = 200;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What is said.
    pub(crate) reply: Reply,
    /// What comes with it: a console.
    pub(crate) descriptor: Option<OwnedFd>,
    /// What the client has open from then on.
    pub(crate) open: Option<OpenConsole>,
}

impl From<Reply> for Finished {
    fn from(reply: Reply) -> Self {
        Self { reply, descriptor: None, open: None }
    }
}

impl Draft {
    /// Asks the converters, and completes the answer; a console comes with a descriptor.
    pub(crate) async fn finish(self) -> Finished {
        let (reply, descriptor) = match self {
            Self::Whole(reply) => (reply, None),
            Self::Login(login) => (login.finish().await, None),
            Self::Open(opening) => {
                let (reply, descriptor, open) = opening.finish().await;
                return Finished { reply, descriptor, open };
            }
            Self::Nics(nics) => (nics.finish().await, None),
            Self::Vms(vms) => (Reply::Vms(finish_vms(vms).await), None),
            Self::Status(mut status, keepers) => {
                let states = ask_all(keepers.iter(), Command::State).await;
                status.viewers = states.iter().flatten().flatten().map(count_viewers).sum();
                (Reply::Status(status), None)
            }
            Self::Audit(audits, store) => {
                let (converters, store) = tokio::join!(finish_audit(audits), store.audit());
                (Reply::Audit(Box::new(Audit { converters, store })), None)
            }
            Self::Console(opened, keeper, entrance) => {
                match open_console(opened, &keeper, entrance).await {
                    Ok((opened, socket)) => (Reply::Console(opened), Some(socket)),
                    Err(refusal) => (Reply::Refused(refusal), None),
                }
            }
            Self::Graphics(opened, domain, claim) => match open_graphics(domain, claim).await {
                Ok(socket) => (Reply::Console(opened), Some(socket)),
                Err(why) => (Reply::Refused(not_opened(&opened, &why)), None),
            },
        };
        Finished { reply, descriptor, open: None }
    }
}

async fn finish_vms(vms: Vec<(Vm, Option<Keeper>)>) -> Vec<Vm> {
    let keepers: Vec<Keeper> = vms.iter().filter_map(|(_, keeper)| keeper.clone()).collect();
    let states = ask_all(keepers.iter(), Command::State).await;
    let screens = ask_all(keepers.iter(), Command::Thumbnail).await;
    let mut answers = states.into_iter().zip(screens);
    let mut finished = Vec::with_capacity(vms.len());
    for (mut vm, keeper) in vms {
        let answer = keeper.and_then(|_| answers.next());
        if let (Some((state, screen)), ConsoleState::Serving { viewers, quiet_ms, last_line, .. }) =
            (answer, &mut vm.console_state)
        {
            if let Some(state) = state.flatten() {
                *viewers = count_viewers(&state);
                *quiet_ms = (state.quiet_ms != u64::MAX).then_some(state.quiet_ms);
            }
            *last_line = screen.flatten().map(|text| last_line_of(&text)).unwrap_or_default();
        }
        finished.push(vm);
    }
    finished
}

async fn finish_audit(audits: Vec<(ConverterAudit, Keeper)>) -> Vec<ConverterAudit> {
    let answers = ask_all(audits.iter().map(|(_, keeper)| keeper), Command::Attest).await;
    let mut finished = Vec::with_capacity(audits.len());
    for ((mut audit, _), properties) in audits.into_iter().zip(answers) {
        // One that has just ended is none any more: that is heard next.
        if properties.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        audit.properties = properties
            .unwrap_or_default()
            .into_iter()
            .map(|property| Property {
                name: property.name.to_owned(),
                claim: property.claim,
                holds: property.holds,
                found: property.found,
            })
            .collect();
        if audit.properties.is_empty() {
            // Nothing was found where something must be.
            audit.properties.push(Property {
                name: "alive".to_owned(),
                claim: "its process can be looked at".to_owned(),
                holds: false,
                found: "no answer".to_owned(),
            });
        }
        finished.push(audit);
    }
    finished
}

/// Asks every keeper at once, and waits for all answers together; none where it does not come.
async fn ask_all<'k, T>(
    keepers: impl Iterator<Item = &'k Keeper>,
    question: impl Fn(oneshot::Sender<T>) -> Command,
) -> Vec<Option<T>> {
    let deadline = tokio::time::Instant::now() + CONVERTERS_MAX;
    let mut waiting = Vec::new();
    for keeper in keepers {
        let (sender, answer) = oneshot::channel();
        keeper.command(question(sender));
        waiting.push(answer);
    }
    let mut answers = Vec::with_capacity(waiting.len());
    for answer in waiting {
        answers.push(timeout_at(deadline, answer).await.ok().and_then(Result::ok));
    }
    answers
}

/// Hands one end of a socketpair to the converter; the other is the client's, once the converter
/// has said that it took its own.
async fn open_console(
    mut opened: ConsoleOpened,
    keeper: &Keeper,
    entrance: Entrance,
) -> Result<(ConsoleOpened, OwnedFd), Refusal> {
    let name = opened.name_label.escape_debug().to_string();
    let refused = opened.clone();
    let failed = |why: &str| not_opened(&refused, why);
    let deadline = tokio::time::Instant::now() + CONVERTERS_MAX;
    let state = timeout_at(deadline, keeper.ask(Command::State)).await.ok().flatten().flatten();
    opened.other_viewers = state.as_ref().map_or(0, count_viewers);
    let (ours, theirs) = UnixStream::pair().map_err(|error| failed(&error.to_string()))?;
    let asked = async {
        match entrance {
            Entrance::Viewer(viewer) => {
                let view = |asker| Command::View(viewer, theirs.into(), asker);
                keeper.ask(view).await.map(|taken| taken.map(|()| None))
            }
            Entrance::Reader(from) => {
                let read = |asker| Command::Read(from, theirs.into(), asker);
                keeper.ask(read).await.map(|taken| taken.map(Some))
            }
        }
    };
    let taken = timeout_at(deadline, asked).await.ok().flatten();
    match taken.unwrap_or(Err(NoViewer::Silent)) {
        Ok(reading) => {
            opened.reading = reading.map(|reading| {
                let vncterm_control::Reading { at, repaint } = reading;
                Reading { at, repaint }
            });
            Ok((opened, ours.into()))
        }
        Err(NoViewer::Refused(ConverterRefusal::ViewerLimit)) => Err(Refusal {
            code: RefusalCode::ViewerLimit,
            message: format!("the console of VM {name} has as many viewers as it takes"),
        }),
        Err(NoViewer::Refused(
            ConverterRefusal::WrongPhase
            | ConverterRefusal::WrongDescriptors
            | ConverterRefusal::NotSaved,
        )) => Err(failed("its converter refuses the viewer")),
        Err(NoViewer::Silent) => Err(failed("its converter does not answer")),
    }
}

/// A connection to the domain's own device model, proven after it was made: nobody else can have
/// taken it.
async fn open_graphics(domain: DomainId, claim: Claim) -> Result<OwnedFd, String> {
    let address = SocketAddrV4::new(CONSOLE_ADDRESS, claim.port);
    let socket = match timeout(CONVERTERS_MAX, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_err(|error| format!("connect to {address}: {error}"))?,
        Err(_) => return Err(format!("{address} does not answer")),
    };
    let proven = Listeners::look()
        .map_err(Unproven::from)
        .and_then(|listeners| listeners.prove(domain, claim));
    proven.map_err(|unproven| causes(&unproven))?;
    let blocking = socket.into_std().and_then(|socket| {
        socket.set_nonblocking(false)?;
        Ok(socket)
    });
    blocking.map(OwnedFd::from).map_err(|error| error.to_string())
}

fn not_opened(console: &ConsoleOpened, why: &str) -> Refusal {
    let name = console.name_label.escape_debug();
    let message = format!("can't open the console of VM {name}: {why}");
    Refusal { code: RefusalCode::Failed, message }
}

fn count_viewers(state: &State) -> u32 {
    u32::from(state.rfb_viewers) + u32::from(state.text_viewers)
}

/// The last line of a screen that is not blank, without control characters.
fn last_line_of(screen: &str) -> String {
    let blank = |character: char| character.is_whitespace() || character.is_control();
    let line = screen.lines().rev().find(|line| !line.chars().all(blank)).unwrap_or_default();
    let plain = line.chars().filter(|character| !character.is_control());
    plain.take(LAST_LINE_MAX).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_last_that_is_not_blank() {
        assert_eq!(last_line_of("boot\nweb01 login: \n   \n\n"), "web01 login:");
        assert_eq!(last_line_of("\n \n"), "");
        assert_eq!(last_line_of("a\u{1b}[31mb\u{7}"), "a[31mb");
        assert_eq!(last_line_of(&"ü".repeat(1000)).chars().count(), LAST_LINE_MAX);
    }
}
