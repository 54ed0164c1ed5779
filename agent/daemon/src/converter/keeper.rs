//! Keeps one converter: starts it or takes it over, passes orders and answers, and hears its end.
//!
//! It decides nothing about whether there should be one; a converter that does not answer is ended,
//! as one that has ended can be started again.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use restrict::{Moment, Reaped};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;
use uuid::Uuid;
use vncterm_control::{Answer, Farewell, Order, Reading, Refusal, State, VERSION, shown_title};
use vncterm_launch::Terminal;
use xenstore_wire::DomainId;

use super::end::End;
use super::launch::{Assignment, LaunchError, Running, launch, look_at, open_lock};
use super::link::{Link, LinkError};
use super::log::Log;
use super::manifest::note_terminal;
use super::site::Site;
use super::{Command, Identity, NoViewer, Report, Reports, remove_files};
use crate::causes::causes;
use crate::console::Console;
use crate::domain::{Failure, Served};
use crate::host::Life;

/// Orders that may wait for their answers at once.
const PENDING_MAX: usize = 64;
/// A converter that has not answered by then never will: each of its turns is bounded.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a converter may take to save its screen and to say farewell.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long a converter may live after its control connection has broken.
const LINK_LOST_MAX: Duration = Duration::from_secs(2);
/// A converter that served so long has got over what ended the one before it.
const SERVED_LONG: Duration = Duration::from_secs(60);
/// What the screen says where a new terminal begins.
const NEW_TTY_MARK: &str = "-- new console --";

/// Starts a converter and keeps it to its end.
pub(crate) async fn keep(
    site: Rc<Site>,
    life: Life,
    assignment: Assignment,
    mut commands: mpsc::UnboundedReceiver<Command>,
    reports: Reports,
) {
    let told = |report| {
        // Nobody listens when this process is about to end.
        let _ = reports.send((life, report));
    };
    let launched = tokio::select! {
        launched = launch(&site, &assignment) => launched.map_err(|error| {
            (error.failure(), causes(&error))
        }),
        () = stopped(&mut commands) => Err((Failure::Failed, "it was not wanted any more".into())),
    };
    match launched {
        Err((failure, why)) => {
            remove_files(&site, assignment.vm);
            told(Report::NotStarted { failure, why });
        }
        Ok(running) => {
            let (ports, pid) = (running.ports, running.identity.child.pid());
            told(Report::Started { ports, pid });
            told(Report::Attested { holds: true });
            let whose = Whose { life, domain: assignment.domain, vm: assignment.vm };
            Keeping::new(site, whose, running, commands, reports).run().await;
        }
    }
}

/// Waits until the start is called off. Questions meanwhile have no answer.
async fn stopped(commands: &mut mpsc::UnboundedReceiver<Command>) {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Stop(_) => return,
            Command::HandTty(_)
            | Command::Rename(_)
            | Command::State(_)
            | Command::Thumbnail(_)
            | Command::View(..)
            | Command::Read(..)
            | Command::Attest(_) => {}
        }
    }
    std::future::pending::<()>().await;
}

/// An order that waits for its answer.
#[derive(Debug)]
enum Pending {
    State(oneshot::Sender<Option<State>>),
    Thumbnail(oneshot::Sender<Option<String>>),
    View(oneshot::Sender<Result<(), NoViewer>>),
    Read(oneshot::Sender<Result<Reading, NoViewer>>),
    Tty(Terminal),
    Title,
}

/// Whose converter it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose {
    pub(super) life: Life,
    pub(super) domain: DomainId,
    pub(super) vm: Uuid,
}

/// One converter that serves.
pub(super) struct Keeping {
    site: Rc<Site>,
    whose: Whose,
    identity: Identity,
    link: Link,
    version: u8,
    log: Option<Log>,
    end: End,
    /// What it reads; none when that has hung up.
    terminal: Option<Terminal>,
    commands: mpsc::UnboundedReceiver<Command>,
    reports: Reports,
    pending: BTreeMap<u32, (Instant, Pending)>,
    began: Instant,
    /// When it is killed if it has not ended; set when it was told to end.
    stop_by: Option<Instant>,
    /// Whether it was told to end.
    told: bool,
    /// Why nothing more is heard from it.
    link_fault: Option<String>,
    /// Why it is being killed.
    fault: Option<String>,
}

/// What woke the keeper.
enum Woken {
    Command(Option<Command>),
    Answer(Result<Answer, LinkError>),
    Ended,
    Line(String),
    Late,
}

impl Keeping {
    pub(super) fn new(
        site: Rc<Site>,
        whose: Whose,
        running: Running,
        commands: mpsc::UnboundedReceiver<Command>,
        reports: Reports,
    ) -> Self {
        let Running { born, link, version, log, identity, terminal, .. } = running;
        let child = identity.child;
        // From here on it outlives this process.
        born.keep();
        Self {
            site,
            whose,
            link,
            version,
            log,
            end: End::of(child),
            terminal,
            identity,
            commands,
            reports,
            pending: BTreeMap::new(),
            began: Instant::now(),
            stop_by: None,
            told: false,
            link_fault: None,
            fault: None,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.wake().await {
                Woken::Ended => break,
                Woken::Line(line) => {
                    let (domain, pid) = (self.whose.domain, self.identity.child.pid());
                    tracing::info!(%domain, pid, line, "converter says");
                }
                Woken::Command(Some(command)) => self.obey(command),
                // The agent ends, and leaves the converter as it is.
                Woken::Command(None) => return,
                Woken::Answer(Ok(answer)) => self.hear(answer),
                Woken::Answer(Err(error)) => self.lose_link(&error),
                Woken::Late if self.link_fault.is_some() => {
                    let fault = self.link_fault.take().unwrap_or_default();
                    self.give_up(fault);
                }
                Woken::Late if self.stop_by.is_some() => {
                    self.give_up("it did not end when it was told to".into());
                }
                Woken::Late => self.give_up("it does not answer".into()),
            }
        }
        self.bury();
    }

    async fn wake(&mut self) -> Woken {
        let late = self.late_at();
        let line = async {
            match &mut self.log {
                Some(log) => log.line().await,
                None => std::future::pending().await,
            }
        };
        let answer = async {
            // The link of a converter that is being killed has nothing more to say.
            if self.fault.is_some() || self.link_fault.is_some() || self.version != VERSION {
                std::future::pending::<()>().await;
            }
            self.link.hear().await
        };
        let late = async {
            match late {
                Some(late) => sleep_until(late.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // Its last words come before its end.
            line = line => Woken::Line(line),
            () = self.end.reached() => Woken::Ended,
            answer = answer => Woken::Answer(answer),
            command = self.commands.recv() => Woken::Command(command),
            () = late => Woken::Late,
        }
    }

    /// When the converter has been silent for too long.
    fn late_at(&self) -> Option<Instant> {
        if self.fault.is_some() {
            return None;
        }
        let oldest = self.pending.values().map(|(since, _)| *since + ANSWER_MAX).min();
        [self.stop_by, oldest].into_iter().flatten().min()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::HandTty(console) => self.hand_tty(console),
            Command::Rename(title) => {
                self.ask(&Order::Title(shown_title(&title)), &[], Pending::Title);
            }
            Command::Stop(farewell) => self.stop(farewell),
            Command::State(asker) => self.ask(&Order::State, &[], Pending::State(asker)),
            Command::Thumbnail(asker) => {
                self.ask(&Order::Thumbnail, &[], Pending::Thumbnail(asker));
            }
            Command::View(viewer, socket, asker) => {
                self.ask(&Order::Viewer(viewer), &[socket], Pending::View(asker));
            }
            Command::Read(from, socket, asker) => {
                self.ask(&Order::Reader { from }, &[socket], Pending::Read(asker));
            }
            Command::Attest(asker) => self.attest(asker),
        }
    }

    /// Sends an order whose answer somebody waits for.
    fn ask(&mut self, order: &Order, descriptors: &[OwnedFd], pending: Pending) {
        let gone = self.fault.is_some() || self.link_fault.is_some();
        // These are no client's questions: they are not lost because clients ask so much.
        let ours = matches!(pending, Pending::Tty(_) | Pending::Title);
        let full = self.pending.len() >= PENDING_MAX && !ours;
        if full || gone || self.is_foreign() {
            return; // the asker hears that nobody answers
        }
        let numbers: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        match self.link.order(order, &numbers) {
            Ok(serial) => drop(self.pending.insert(serial, (Instant::now(), pending))),
            Err(error) => self.lose_link(&error),
        }
    }

    fn stop(&mut self, farewell: Farewell) {
        self.told = true;
        self.stop_by = Some(Instant::now() + STOP_MAX);
        if self.is_foreign() {
            return; // its terminal hangs up with its guest, or its time runs out
        }
        if let Err(error) = self.link.order(&Order::Stop(farewell), &[]) {
            self.lose_link(&error);
        }
    }

    /// Whether it is of a release whose packets this one doesn't speak: it is left alone, and ends
    /// with its guest.
    fn is_foreign(&self) -> bool {
        self.version != VERSION
    }

    fn hand_tty(&mut self, console: Console) {
        if self.is_foreign() {
            let why = "the converter is of another release".to_owned();
            return self.tty_not_taken(Failure::Failed, why);
        }
        match self.open_tty(console) {
            Ok(descriptors) => {
                let mark = NEW_TTY_MARK.to_owned();
                let pending = Pending::Tty(console.terminal);
                self.ask(&Order::Tty(mark), &descriptors, pending);
            }
            Err(error) => self.tty_not_taken(error.failure(), causes(&error)),
        }
    }

    /// The tty and its lock. A serial port has no lock to hand over, and needs a new converter.
    fn open_tty(&self, console: Console) -> Result<[OwnedFd; 2], LaunchError> {
        let tty = console.terminal.open()?;
        let lock = open_lock(&self.site, self.whose.domain, console.line)?;
        let lock = lock.ok_or_else(|| LaunchError::System {
            attempt: "hand over a serial port",
            source: std::io::ErrorKind::Unsupported.into(),
        })?;
        Ok([tty, lock])
    }

    /// It reads another terminal from now on; the next agent has to know.
    fn move_to(&mut self, terminal: Terminal) {
        self.terminal = Some(terminal);
        if let Err(error) = note_terminal(&self.site, self.whose.vm, terminal) {
            let (domain, why) = (self.whose.domain, causes(&error));
            tracing::warn!(%domain, why, "can't note a converter's new terminal");
        }
    }

    fn tty_not_taken(&self, failure: Failure, why: String) {
        self.report(Report::TtyNotTaken { failure, why });
    }

    fn attest(&self, asker: oneshot::Sender<Vec<restrict::Property>>) {
        // A process that is not there any more has no properties; its end is heard next.
        let properties = look_at(&self.identity, Moment::Serving).unwrap_or_default();
        let holds = !properties.is_empty() && properties.iter().all(|property| property.holds);
        self.report(Report::Attested { holds });
        let _ = asker.send(properties);
    }

    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::TtyLost => match self.terminal.take() {
                Some(terminal) => self.report(Report::TtyLost(terminal)),
                None => self.give_up("it says twice that its terminal has hung up".into()),
            },
            Answer::Confined(_) => self.give_up("it says twice that it is confined".into()),
            Answer::To(serial, report) => match self.pending.remove(&serial) {
                Some((_, pending)) => self.pass_on(pending, report),
                None => self.give_up("it answers what nobody asked".into()),
            },
        }
    }

    /// Hands an answer to whoever asked; somebody who went away doesn't need it.
    fn pass_on(&mut self, pending: Pending, report: vncterm_control::Report) {
        use vncterm_control::Report as Said;
        match (pending, report) {
            (Pending::State(asker), Said::State(state)) => drop(asker.send(Some(state))),
            (Pending::Thumbnail(asker), Said::Thumbnail(text)) => drop(asker.send(Some(text))),
            (Pending::View(asker), Said::Done) => {
                let _ = asker.send(Ok(()));
            }
            (Pending::View(asker), Said::Refused(refusal)) => {
                let _ = asker.send(Err(NoViewer::Refused(refusal)));
            }
            (Pending::Read(asker), Said::Reading(reading)) => drop(asker.send(Ok(reading))),
            (Pending::Read(asker), Said::Refused(refusal)) => {
                let _ = asker.send(Err(NoViewer::Refused(refusal)));
            }
            (Pending::Tty(terminal), Said::Done) => self.move_to(terminal),
            (Pending::Tty(_), Said::Refused(refusal)) => {
                let why = format!("the converter refuses it: {}", refusal_text(refusal));
                self.tty_not_taken(Failure::Failed, why);
            }
            // Old viewers keep the old name; new ones hear the new one.
            (Pending::Title, Said::Done | Said::Refused(_)) => {}
            // An answer of the wrong kind is none: the asker hears that nobody answers.
            (
                Pending::State(_),
                Said::Done | Said::Refused(_) | Said::Thumbnail(_) | Said::Reading(_),
            )
            | (
                Pending::Thumbnail(_),
                Said::Done | Said::Refused(_) | Said::State(_) | Said::Reading(_),
            )
            | (Pending::Read(_), Said::Done | Said::State(_) | Said::Thumbnail(_))
            | (
                Pending::View(_) | Pending::Tty(_) | Pending::Title,
                Said::State(_) | Said::Thumbnail(_) | Said::Reading(_),
            ) => {}
        }
    }

    /// A broken connection is what the end of a converter looks like at first, and that of one
    /// that was told to end: it gets a moment for it.
    fn lose_link(&mut self, error: &LinkError) {
        self.pending.clear();
        self.link_fault = Some(causes(error));
        self.stop_by.get_or_insert_with(|| Instant::now() + LINK_LOST_MAX);
    }

    /// Ends a converter that is of no use any more.
    fn give_up(&mut self, why: String) {
        self.pending.clear();
        if self.identity.child.is_alive()
            && let Err(error) = self.identity.child.kill()
        {
            let pid = self.identity.child.pid();
            tracing::error!(pid, %error, "can't end a converter that is of no use");
        }
        self.fault.get_or_insert(why);
    }

    /// Tells how it ended, and leaves nothing of it.
    fn bury(mut self) {
        remove_files(&self.site, self.whose.vm);
        let (expected, how) = match self.identity.child.reap() {
            Ok(Reaped::Ended(restrict::Ending::Exited(0))) => (true, "ended".to_owned()),
            Ok(Reaped::Ended(ending)) => (false, ending.to_string()),
            // Another agent's child: its end is heard elsewhere.
            Ok(Reaped::Foreign | Reaped::Running) | Err(_) => {
                let how = if self.told { "ended" } else { "ended, and nobody here heard how" };
                (self.told, how.to_owned())
            }
        };
        let (expected, how) = match self.fault.take() {
            Some(fault) => (false, format!("{how}: {fault}")),
            None => (expected, how),
        };
        let long = self.began.elapsed() >= SERVED_LONG;
        let served = if long { Served::Long } else { Served::Briefly };
        self.report(Report::Ended { served, how, expected });
    }

    fn report(&self, report: Report) {
        let _ = self.reports.send((self.whose.life, report));
    }
}

fn refusal_text(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::ViewerLimit => "it has as many viewers as it takes",
        Refusal::WrongPhase => "it is not at that point",
        Refusal::WrongDescriptors => "the descriptors are not those that it must have",
        Refusal::NotSaved => "its screen could not be saved",
    }
}

#[cfg(test)]
mod tests;
