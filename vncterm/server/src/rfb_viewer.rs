//! One RFB viewer: its socket, its session, and what it has scrolled to, selected and cut.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use vncterm_rfb::{Event, Limits, Session};
use vncterm_screen::{Action, Keyboard, Paste, Position, Screen};

use crate::selection::{Place, Selection};
use crate::tty::Tty;
use crate::view::{self, View};

/// A viewer that has not finished its handshake by then is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// While something changes all the time, a viewer gets a picture this often; the first one after
/// a pause goes out at once.
const PACE: Duration = Duration::from_millis(8);

/// Lines that one step of the wheel scrolls.
const WHEEL_LINES: i32 = 3;

/// Bytes read from a viewer at once; a viewer that sends more waits its turn.
const READ_MAX: usize = 4096;

/// Pointer buttons, as RFB numbers them (RFC 6143, 7.5.5).
const LEFT: u8 = 1;
const MIDDLE: u8 = 1 << 1;
const WHEEL_UP: u8 = 1 << 3;
const WHEEL_DOWN: u8 = 1 << 4;

/// One connection.
#[derive(Debug)]
pub(crate) struct RfbViewer {
    socket: OwnedFd,
    session: Session,
    keyboard: Keyboard,
    /// Whether the socket may have something to read.
    sent: bool,
    came_at: Instant,
    /// When the socket last took something, or the viewer came.
    moved_at: Instant,
    /// When the last picture was made.
    pictured_at: Option<Instant>,
    /// Something may look different from the last picture.
    stale: bool,
    /// Lines scrolled back.
    offset: usize,
    /// Lines that had left the screen when the offset was last right.
    pushed: u64,
    /// The size that the viewer wants, in cells.
    wanted_size: Option<(u16, u16)>,
    buttons: u8,
    selection: Option<Selection>,
    /// Text that the viewer cut elsewhere; typed only when the viewer asks for it here.
    cut: String,
}

/// Whether a viewer stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    /// It stays.
    Yes,
    /// It is gone, or has to go.
    No,
}

impl RfbViewer {
    /// Takes a connected socket.
    pub(crate) fn new(
        socket: OwnedFd,
        title: &str,
        screen: &Screen,
        limits: Limits,
        now: Instant,
    ) -> Self {
        Self {
            socket,
            session: Session::new(title, view::size_of(screen), limits),
            keyboard: Keyboard::default(),
            sent: true,
            came_at: now,
            moved_at: now,
            pictured_at: None,
            stale: true,
            offset: 0,
            pushed: screen.scrollback_pushed(),
            wanted_size: None,
            buttons: 0,
            selection: None,
            cut: String::new(),
        }
    }

    /// Whether it has sent something, or left; to be noted before a turn.
    pub(crate) fn has_sent(&mut self) -> &mut bool {
        &mut self.sent
    }

    /// Whether its handshake is over.
    pub(crate) fn is_ready(&self) -> bool {
        self.session.is_ready()
    }

    /// Since when nothing moved, while output waits.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        if self.session.output().is_empty() { None } else { Some(self.moved_at) }
    }

    /// When it came.
    pub(crate) fn came_at(&self) -> Instant {
        self.came_at
    }

    /// Notes that the screen may look different. A selection whose rows are not what they were
    /// is given up by whoever changed them: new output moves text away from under it.
    pub(crate) fn changed(&mut self) {
        self.stale = true;
        if self.buttons & LEFT == 0 {
            self.selection = None;
        }
    }

    /// The console is called otherwise from now on.
    pub(crate) fn rename(&mut self, title: &str) {
        self.session.rename(title);
        self.stale = true;
    }

    /// Rings the viewer's bell.
    pub(crate) fn bell(&mut self) {
        self.session.bell();
        self.stale = true;
    }

    /// Whether output waits for room in the socket.
    pub(crate) fn wants_write(&self) -> bool {
        !self.session.output().is_empty()
    }

    /// When this viewer needs to be looked at again, if nothing comes before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if !self.session.is_ready() {
            return Some(self.came_at + HANDSHAKE);
        }
        if self.stale && self.session.wants_update() {
            self.pictured_at.map(|at| at + PACE)
        } else {
            None
        }
    }

    /// Reads what the viewer sent, and does what it asks.
    pub(crate) fn read(&mut self, screen: &Screen, tty: Option<&mut Tty>, now: Instant) -> Stays {
        if !self.sent {
            return Stays::Yes;
        }
        let mut buffer = [0; READ_MAX];
        let received = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return Stays::No,
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(Errno::EAGAIN | Errno::EINTR) => return Stays::Yes,
            Err(_) => return Stays::No,
        };
        // It may have asked for what it was not shown yet, or in another form.
        self.stale = true;
        let mut rest = received;
        let mut tty = tty;
        loop {
            match self.session.receive(&mut rest) {
                Ok(Some(event)) => self.react(event, screen, tty.as_deref_mut()),
                Ok(None) => return Stays::Yes,
                // Whatever the viewer did wrong ends this connection and nothing else; the reason
                // goes out if it fits.
                Err(_fault) => {
                    self.write(now);
                    return Stays::No;
                }
            }
        }
    }

    /// The size that the viewer has asked for and not been given yet, in cells.
    pub(crate) fn take_wanted_size(&mut self) -> Option<(u16, u16)> {
        self.wanted_size.take()
    }

    /// Makes a picture when the viewer waits for one and it is time, and sends what the socket
    /// has room for.
    pub(crate) fn refresh(&mut self, screen: &Screen, now: Instant) -> Stays {
        if !self.session.is_ready() && now >= self.came_at + HANDSHAKE {
            return Stays::No;
        }
        loop {
            if self.write(now) == Stays::No {
                return Stays::No;
            }
            if self.wants_write() || !self.is_due(now) {
                return Stays::Yes;
            }
            self.keep_place(screen);
            let view = View::new(screen, self.offset, self.selection);
            if self.session.update(&view) {
                self.pictured_at = Some(now);
            } else {
                // It has all that it asked for.
                self.stale = false;
            }
        }
    }

    /// Shows how the screen is at the end: no later turn will.
    pub(crate) fn show_last(&mut self, screen: &Screen, now: Instant) {
        self.stale = true;
        self.pictured_at = None;
        // Whether it stays does not matter any more.
        let _ = self.refresh(screen, now);
    }

    /// Whether the viewer waits for a picture, and it is time for one.
    fn is_due(&self, now: Instant) -> bool {
        let paced = self.pictured_at.is_some_and(|at| now < at + PACE);
        self.stale && self.session.wants_update() && (self.session.is_updating() || !paced)
    }

    fn write(&mut self, now: Instant) -> Stays {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        while !self.session.output().is_empty() {
            match send(self.socket.as_raw_fd(), self.session.output(), flags) {
                Ok(sent) => {
                    self.session.wrote(sent);
                    self.moved_at = now;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Stays::Yes,
                Err(_) => return Stays::No,
            }
        }
        Stays::Yes
    }

    fn react(&mut self, event: Event, screen: &Screen, tty: Option<&mut Tty>) {
        match event {
            Event::Key { down, keysym } => {
                let action = self.keyboard.key(keysym, down, &screen.key_modes());
                self.act(action, screen, tty);
            }
            Event::ScanCode { down, code } => {
                let action = self.keyboard.scan_code(code, down, &screen.key_modes());
                self.act(action, screen, tty);
            }
            Event::Pointer { buttons, x, y } => self.pointer(buttons, x, y, screen, tty),
            Event::CutText(text) => self.cut = text,
            // The last wish counts.
            Event::Resize { columns, rows } => self.wanted_size = Some((columns, rows)),
            // Every viewer shares; one that asks to be alone is not obeyed.
            Event::Ready { .. } => {}
        }
    }

    fn act(&mut self, action: Action, screen: &Screen, tty: Option<&mut Tty>) {
        match action {
            Action::Send(bytes) => {
                if let Some(tty) = tty {
                    tty.press(&bytes);
                }
                self.scroll_to(0);
            }
            Action::Scroll(lines) => self.scroll(lines, screen),
            Action::Paste => self.paste(screen, tty),
            Action::Nothing => {}
        }
    }

    fn pointer(&mut self, buttons: u8, x: u16, y: u16, screen: &Screen, tty: Option<&mut Tty>) {
        let place = Place {
            row: (y / vncterm_font::CELL_HEIGHT).min(screen.rows().saturating_sub(1)),
            column: (x / vncterm_font::CELL_WIDTH).min(screen.columns().saturating_sub(1)),
        };
        let before = std::mem::replace(&mut self.buttons, buttons);
        let pressed = buttons & !before;
        if pressed & LEFT != 0 {
            self.select(Some(Selection::begin(place)));
        } else if buttons & LEFT != 0 {
            self.select(self.selection.map(|selection| selection.drag(place)));
        } else if before & LEFT != 0 {
            self.select(self.selection.map(|selection| selection.drag(place)));
            self.send_selection(screen);
        }
        if pressed & MIDDLE != 0 {
            self.paste(screen, tty);
        }
        if pressed & WHEEL_UP != 0 {
            self.scroll(WHEEL_LINES, screen);
        }
        if pressed & WHEEL_DOWN != 0 {
            self.scroll(-WHEEL_LINES, screen);
        }
    }

    fn select(&mut self, selection: Option<Selection>) {
        self.stale |= self.selection != selection;
        self.selection = selection;
    }

    fn send_selection(&mut self, screen: &Screen) {
        if let Some(selection) = self.selection.filter(|selection| selection.is_drag()) {
            let (first, last) = selection.ends();
            let from = Position { row: first.row, column: first.column };
            let to = Position { row: last.row, column: last.column };
            self.session.cut_text(&screen.selected_text(from, to, self.offset));
            self.stale = true;
        }
    }

    fn paste(&mut self, screen: &Screen, tty: Option<&mut Tty>) {
        if let Some(tty) = tty {
            tty.paste(Paste::new(&self.cut, screen.brackets()));
        }
        self.scroll_to(0);
    }

    /// Lets a view that is scrolled back stay on its lines, while others leave the screen below
    /// it and the oldest are lost above.
    fn keep_place(&mut self, screen: &Screen) {
        let pushed = screen.scrollback_pushed();
        let before = std::mem::replace(&mut self.pushed, pushed);
        if self.offset > 0 {
            let more = usize::try_from(pushed.saturating_sub(before)).unwrap_or(usize::MAX);
            self.offset = self.offset.saturating_add(more).min(screen.scrollback_len());
        }
    }

    /// Scrolls back by `lines`, or forth when negative.
    fn scroll(&mut self, lines: i32, screen: &Screen) {
        self.keep_place(screen);
        let step = usize::try_from(lines.unsigned_abs()).unwrap_or(usize::MAX);
        let offset = if lines < 0 {
            self.offset.saturating_sub(step)
        } else {
            self.offset.saturating_add(step).min(screen.scrollback_len())
        };
        self.scroll_to(offset);
    }

    fn scroll_to(&mut self, offset: usize) {
        if self.offset != offset {
            self.offset = offset;
            self.selection = None;
            self.stale = true;
        }
    }
}

impl AsFd for RfbViewer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
