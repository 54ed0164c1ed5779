//! The console and its one loop: tty, viewers, agent.
//!
//! Everything here runs confined: [`Console::serve`] takes the proof. Nothing is opened; new
//! descriptors come from listeners that were handed in, and from the agent's orders.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use restrict::Confined;
use vncterm_control::{
    Answer, Farewell, Order, Phase, Refusal, Report, State, Viewer, shown_title,
};
use vncterm_rfb::Limits;
use vncterm_screen::Screen;

use crate::control::{Control, Received};
use crate::history::History;
use crate::say::say;
use crate::screen_file::ScreenFile;
use crate::tty::{Output, Tty};
use crate::viewers::Viewers;

/// Bytes of output read from the guest before viewers and agent get their turn. A text viewer's
/// queue holds several turns, so that one that keeps up loses nothing.
const TURN_MAX: usize = 64 * 1024;

/// Bytes read from the guest at once: a pty hands over at most 4096.
const READ_MAX: usize = 4096;

/// How long a converter waits for its first agent at least: a busy host attests slowly.
const FIRST_AGENT: Duration = Duration::from_secs(30);

/// What the console is told when it starts.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The VM.
    pub(crate) uuid: [u8; 16],
    /// The desktop name.
    pub(crate) title: String,
    /// Columns of the screen.
    pub(crate) columns: u16,
    /// Rows of the screen.
    pub(crate) rows: u16,
    /// Whether viewers may ask for another size.
    pub(crate) resize: bool,
    /// How long it lives without an agent.
    pub(crate) orphan: Duration,
    /// How long it lives without a tty.
    pub(crate) tty_wait: Duration,
}

/// The descriptors that the console is handed.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) tty: OwnedFd,
    pub(crate) rfb_listener: Option<OwnedFd>,
    pub(crate) text_listener: Option<OwnedFd>,
    pub(crate) control: OwnedFd,
    pub(crate) screen: ScreenFile,
    /// Held, never used: it keeps `xenconsole` away while this console reads the tty.
    pub(crate) lock: Option<OwnedFd>,
}

/// Why a console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The agent said so.
    Told(Farewell),
    /// The tty went and no other came.
    TtyGone,
    /// No agent came.
    Orphaned,
}

impl Ending {
    /// One line for the log.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Told(farewell) => farewell.sentence(),
            Self::TtyGone => "closed: the guest's console went, and no other came",
            Self::Orphaned => "closed: no agent came",
        }
    }
}

/// A guest's console.
#[derive(Debug)]
pub(crate) struct Console {
    settings: Settings,
    screen: Screen,
    tty: Option<Tty>,
    lock: Option<OwnedFd>,
    viewers: Viewers,
    control: Control,
    /// Whether the screen shows what an earlier converter of this VM has saved.
    restored: bool,
    screen_file: ScreenFile,
    phase: Phase,
    tty_lost_at: Option<Instant>,
    bytes_read: u64,
    history: History,
    output_at: Option<Instant>,
}

/// What poll found of the tty and the agent.
#[derive(Debug, Clone, Copy)]
struct Ready {
    tty: bool,
    control: bool,
}

impl Console {
    /// Prepares a console; the saved screen is parsed here, so confinement comes first.
    pub(crate) fn new(settings: Settings, handed: Handed, _: &Confined, now: Instant) -> Self {
        let mut screen_file = handed.screen;
        let saved = screen_file.load().unwrap_or_else(|error| {
            say(format_args!("vncterm: {error}; the screen begins blank"));
            None
        });
        let restored = saved.is_some();
        let limits = Limits { resize: settings.resize, ..Limits::default() };
        let screen = match saved {
            Some(mut screen) => {
                screen.resize(settings.columns, settings.rows);
                screen
            }
            None => blank(&settings),
        };
        Self {
            screen,
            tty: Some(Tty::new(handed.tty)),
            lock: handed.lock,
            viewers: Viewers::new(handed.rfb_listener, handed.text_listener, limits),
            control: Control::new(handed.control, now),
            restored,
            screen_file,
            phase: Phase::Waiting,
            tty_lost_at: None,
            bytes_read: 0,
            history: History::begin(),
            output_at: None,
            settings,
        }
    }

    /// Serves until there is a reason to end. It reads nothing from the guest and takes no viewer
    /// before the agent has said go.
    pub(crate) fn serve(mut self, _: &Confined) -> Ending {
        loop {
            let ready = self.wait();
            let now = Instant::now();
            if ready.control
                && let Some(farewell) = self.hear_agent(now)
            {
                self.say_farewell(farewell, now);
                return Ending::Told(farewell);
            }
            if self.phase == Phase::Running && ready.tty {
                self.drain_tty(now);
            }
            if self.phase != Phase::Waiting {
                self.serve_viewers(now);
            }
            if let Some(tty) = self.tty.as_mut().filter(|tty| tty.wants_write()) {
                tty.write();
            }
            if let Some(ending) = self.over(now) {
                let farewell = match ending {
                    Ending::Told(farewell) => farewell,
                    Ending::TtyGone => Farewell::GuestEnded,
                    Ending::Orphaned => Farewell::Ended,
                };
                self.say_farewell(farewell, now);
                return ending;
            }
        }
    }

    fn serve_viewers(&mut self, now: Instant) {
        let title = &self.settings.title;
        let wanted_size = self.viewers.serve(&self.screen, self.tty.as_mut(), title, now);
        let Some((columns, rows)) = wanted_size else { return };
        self.screen.resize(columns, rows);
        if let Some(tty) = &self.tty {
            tty.resize(self.screen.columns(), self.screen.rows());
        }
        self.viewers.restart(&self.screen);
        // Who asked waits for the answer, and nothing else may come to wake this loop.
        self.viewers.refresh(&self.screen, now);
    }

    /// Waits until something happens or a deadline is due. With no deadline there is no timer.
    fn wait(&mut self) -> Ready {
        let mut polled = vec![PollFd::new(self.control.waits_on(), PollFlags::POLLIN)];
        if let Some(tty) = self.tty.as_ref().filter(|_| self.phase == Phase::Running) {
            let mut interest = PollFlags::POLLIN;
            interest.set(PollFlags::POLLOUT, tty.wants_write());
            polled.push(PollFd::new(tty.as_fd(), interest));
        }
        let tty_polled = polled.len() > 1;
        if self.phase != Phase::Waiting {
            self.viewers.interests(self.tty.as_ref().map(Tty::room), &mut polled);
        }
        let timeout = self.deadline().map_or(PollTimeout::NONE, until);
        // An interrupted wait is a turn in which nothing is ready.
        let is_over = poll(&mut polled, timeout).is_ok();
        let flags = |polled: &PollFd<'_>| {
            polled.revents().filter(|_| is_over).unwrap_or(PollFlags::empty())
        };
        let found: Vec<PollFlags> = polled.iter().map(flags).collect();
        let mut found = found.into_iter();
        let control = found.next().is_some_and(|flags| !flags.is_empty());
        let came = PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR;
        let tty = found.by_ref().take(usize::from(tty_polled)).any(|flags| flags.intersects(came));
        self.viewers.found(found.map(|flags| flags.intersects(came)));
        Ready { control, tty }
    }

    fn deadline(&self) -> Option<Instant> {
        let orphaned = self.control.orphan_since().map(|since| since + self.patience());
        let tty_gone = self.tty_lost_at.map(|since| since + self.settings.tty_wait);
        [orphaned, tty_gone, self.viewers.deadline()].into_iter().flatten().min()
    }

    /// Whether it is over, and why.
    fn over(&self, now: Instant) -> Option<Ending> {
        if self.tty_lost_at.is_some_and(|since| now >= since + self.settings.tty_wait) {
            return Some(Ending::TtyGone);
        }
        let orphan_since = self.control.orphan_since()?;
        if now >= orphan_since + self.patience() { Some(Ending::Orphaned) } else { None }
    }

    /// How long it lives without an agent: its first one needs time to attest it and connect.
    fn patience(&self) -> Duration {
        match self.phase {
            Phase::Waiting => self.settings.orphan.max(FIRST_AGENT),
            Phase::Running | Phase::TtyLost => self.settings.orphan,
        }
    }

    /// Takes the guest's output, whatever the viewers do.
    fn drain_tty(&mut self, now: Instant) {
        let mut buffer = [0; READ_MAX];
        let mut taken = 0;
        while taken < TURN_MAX {
            let Some(tty) = &mut self.tty else { return };
            match tty.read(&mut buffer) {
                Output::Bytes(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.screen.feed(bytes);
                    while let Some(reply) = self.screen.take_reply() {
                        tty.type_keys(&reply);
                    }
                    self.history.push(bytes);
                    self.viewers.show(bytes);
                    taken += length;
                }
                Output::Nothing => break,
                Output::HungUp => {
                    self.lose_tty(now);
                    break;
                }
            }
        }
        if taken > 0 {
            self.bytes_read = self.bytes_read.saturating_add(u64::try_from(taken).unwrap_or(0));
            self.output_at = Some(now);
            self.viewers.changed(self.screen.take_bell());
        }
    }

    fn lose_tty(&mut self, now: Instant) {
        self.tty = None;
        self.lock = None;
        self.tty_lost_at = Some(now);
        self.phase = Phase::TtyLost;
        self.save();
        self.control.answer(&Answer::TtyLost, now);
    }

    fn save(&mut self) -> bool {
        match self.screen_file.save(&self.screen) {
            Ok(()) => true,
            Err(error) => {
                say(format_args!("vncterm: save the screen: {error}"));
                false
            }
        }
    }

    /// Accepts an agent, or obeys the one that is there. Says why to end, if it says so.
    fn hear_agent(&mut self, now: Instant) -> Option<Farewell> {
        if !self.control.connected() {
            self.control.accept();
            if self.control.connected() {
                self.control.greet(now);
            }
            return None;
        }
        match self.control.receive(now) {
            Received::Order(_, Order::Stop(farewell), _) => return Some(farewell),
            Received::Order(serial, order, descriptors) => {
                let report = self.obey(order, descriptors, now);
                self.control.answer(&Answer::To(serial, report), now);
            }
            Received::WrongDescriptors(serial) => {
                let report = Report::Refused(Refusal::WrongDescriptors);
                self.control.answer(&Answer::To(serial, report), now);
            }
            Received::Nothing => {}
        }
        None
    }

    fn obey(&mut self, order: Order, descriptors: Vec<OwnedFd>, now: Instant) -> Report {
        let mut descriptors = descriptors.into_iter();
        match (order, self.phase) {
            (Order::Go(mark), Phase::Waiting) => {
                if self.restored && !mark.is_empty() {
                    self.screen.begin_anew(&mark);
                    // Whoever comes after this converter puts no mark, and must find this one.
                    self.save();
                }
                self.phase = Phase::Running;
                Report::Done
            }
            (Order::Tty(mark), Phase::Running | Phase::TtyLost) => {
                self.tty = descriptors.next().map(Tty::new);
                self.lock = descriptors.next();
                self.tty_lost_at = None;
                self.phase = Phase::Running;
                self.screen.begin_anew(&mark);
                self.history.cut();
                self.viewers.restart(&self.screen);
                Report::Done
            }
            (Order::Viewer(viewer), Phase::Running | Phase::TtyLost) => {
                let Some(socket) = descriptors.next() else {
                    return Report::Refused(Refusal::WrongDescriptors);
                };
                let taken = match viewer {
                    Viewer::Rfb => {
                        let title = &self.settings.title;
                        self.viewers.take_rfb(socket, title, &self.screen, now)
                    }
                    Viewer::Text => self.viewers.take_text(socket, &self.screen, now),
                };
                if taken { Report::Done } else { Report::Refused(Refusal::ViewerLimit) }
            }
            (Order::Reader { from }, Phase::Running | Phase::TtyLost) => {
                let Some(socket) = descriptors.next() else {
                    return Report::Refused(Refusal::WrongDescriptors);
                };
                let (history, screen) = (&self.history, &self.screen);
                let reading = self.viewers.take_reader(socket, from, history, screen, now);
                reading.map_or(Report::Refused(Refusal::ViewerLimit), Report::Reading)
            }
            (Order::Save, Phase::Running | Phase::TtyLost) => {
                if self.save() {
                    Report::Done
                } else {
                    Report::Refused(Refusal::NotSaved)
                }
            }
            (Order::Thumbnail, _) => Report::Thumbnail(self.screen.text()),
            (Order::State, _) => Report::State(self.state(now)),
            (Order::Title(title), _) => {
                self.settings.title = shown_title(&title);
                self.viewers.rename(&self.settings.title);
                Report::Done
            }
            // Stop never comes here; the others come in the wrong phase.
            (
                Order::Go(_)
                | Order::Stop(_)
                | Order::Tty(_)
                | Order::Viewer(_)
                | Order::Reader { .. }
                | Order::Save,
                Phase::Waiting | Phase::Running | Phase::TtyLost,
            ) => Report::Refused(Refusal::WrongPhase),
        }
    }

    fn state(&self, now: Instant) -> State {
        let quiet = self.output_at.map(|at| now.saturating_duration_since(at).as_millis());
        let (rfb_viewers, text_viewers) = self.viewers.count();
        State {
            uuid: self.settings.uuid,
            phase: self.phase,
            columns: self.screen.columns(),
            rows: self.screen.rows(),
            rfb_viewers,
            text_viewers,
            bytes_read: self.bytes_read,
            quiet_ms: quiet.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(u64::MAX),
        }
    }

    /// The end: the last output is taken, the screen saved, and viewers of text hear why.
    fn say_farewell(&mut self, farewell: Farewell, now: Instant) {
        if self.phase == Phase::Running {
            self.drain_tty(now);
        }
        if self.phase != Phase::Waiting {
            self.save();
        }
        self.viewers.say_farewell(farewell, &self.screen, now);
    }
}

/// Lines of scrollback: what XenServer's vncterm keeps.
const SCROLLBACK: usize = 512;

fn blank(settings: &Settings) -> Screen {
    Screen::new(settings.columns, settings.rows, SCROLLBACK)
}

/// The poll timeout that ends no earlier than `deadline`.
fn until(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    let ms =
        left.as_millis().saturating_add(u128::from(!left.subsec_nanos().is_multiple_of(1_000_000)));
    i32::try_from(ms).ok().and_then(|ms| PollTimeout::try_from(ms).ok()).unwrap_or(PollTimeout::MAX)
}
