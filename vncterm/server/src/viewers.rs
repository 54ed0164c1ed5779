//! All viewers of a console: who comes in, who is served, who has to go.

#![allow(unsafe_code, reason = "accept hands a new descriptor over as a bare number")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{SockFlag, accept4};
use vncterm_control::{Farewell, Reading};
use vncterm_rfb::Limits;
use vncterm_screen::Screen;

use crate::history::History;
use crate::memory;
use crate::rfb_viewer::{RfbViewer, Stays};
use crate::text_viewer::{TextViewer, Typed};
use crate::tty::Tty;

/// Viewers of each kind that one console takes, as many as XenServer's vncterm.
const VIEWERS_MAX: usize = 8;

/// A viewer that has taken nothing for so long, though output waits, may lose its place to a new
/// one. It keeps the place while nobody wants it: a hidden window stops reading for hours.
const STALLED: Duration = Duration::from_secs(30);

/// Bytes read from a text viewer at once.
const TYPED_MAX: usize = 1024;

/// Room for keys that a text viewer needs to be read: what it sends in bulk leaves as much for the
/// keys of others.
const ROOM_MIN: usize = 2 * TYPED_MAX;

/// Where viewers come in, and whether one waits there.
#[derive(Debug)]
struct Door {
    listener: OwnedFd,
    knocked: bool,
}

/// Viewers and the listeners that they come by.
#[derive(Debug)]
pub(crate) struct Viewers {
    rfb_door: Option<Door>,
    text_door: Option<Door>,
    limits: Limits,
    rfb: Vec<RfbViewer>,
    text: Vec<TextViewer>,
}

impl Viewers {
    /// No viewers yet.
    pub(crate) fn new(
        rfb_listener: Option<OwnedFd>,
        text_listener: Option<OwnedFd>,
        limits: Limits,
    ) -> Self {
        let door = |listener| Door { listener, knocked: false };
        let (rfb_door, text_door) = (rfb_listener.map(door), text_listener.map(door));
        Self { rfb_door, text_door, limits, rfb: Vec::new(), text: Vec::new() }
    }

    /// How many there are: RFB and text.
    pub(crate) fn count(&self) -> (u16, u16) {
        let count = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        (count(self.rfb.len()), count(self.text.len()))
    }

    /// What to wait for. A text viewer is read only while the guest has room for what it types;
    /// without a guest, it is read to notice when it leaves.
    pub(crate) fn interests<'a>(&'a self, room: Option<usize>, polled: &mut Vec<PollFd<'a>>) {
        for door in [&self.rfb_door, &self.text_door].into_iter().flatten() {
            polled.push(PollFd::new(door.listener.as_fd(), PollFlags::POLLIN));
        }
        for viewer in &self.rfb {
            let mut interest = PollFlags::POLLIN;
            interest.set(PollFlags::POLLOUT, viewer.wants_write());
            polled.push(PollFd::new(viewer.as_fd(), interest));
        }
        for viewer in &self.text {
            let mut interest = PollFlags::empty();
            interest.set(PollFlags::POLLIN, room.is_none_or(|room| room >= ROOM_MIN));
            interest.set(PollFlags::POLLOUT, viewer.wants_write());
            polled.push(PollFd::new(viewer.as_fd(), interest));
        }
    }

    /// Notes where something came, in the order of [`Self::interests`]: nobody else is read from in
    /// the next turn, so that a turn costs a system call only where it has something to do.
    pub(crate) fn found(&mut self, came: impl IntoIterator<Item = bool>) {
        let doors = [&mut self.rfb_door, &mut self.text_door].into_iter().flatten();
        let doors = doors.map(|door| &mut door.knocked);
        let rfb = self.rfb.iter_mut().map(RfbViewer::has_sent);
        let text = self.text.iter_mut().map(TextViewer::has_sent);
        for (noted, came) in doors.chain(rfb).chain(text).zip(came) {
            *noted = came;
        }
    }

    /// The next time that a viewer must be looked at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.rfb.iter().filter_map(RfbViewer::deadline).min()
    }

    /// Hands the guest's output to the text viewers.
    pub(crate) fn show(&mut self, bytes: &[u8]) {
        self.text.iter_mut().for_each(|viewer| viewer.show(bytes));
    }

    /// Notes that the screen looks different, and whether the bell rang.
    pub(crate) fn changed(&mut self, bell: bool) {
        for viewer in &mut self.rfb {
            viewer.changed();
            if bell {
                viewer.bell();
            }
        }
    }

    /// Tells the viewers that can hear it that the console is called otherwise.
    pub(crate) fn rename(&mut self, title: &str) {
        self.rfb.iter_mut().for_each(|viewer| viewer.rename(title));
    }

    /// Notes that the screen has jumped: text viewers get it whole.
    pub(crate) fn restart(&mut self, screen: &Screen) {
        self.text.retain(|viewer| !viewer.counts());
        let replay = screen.replay();
        self.text.iter_mut().for_each(|viewer| viewer.show(&replay));
        self.changed(false);
    }

    /// Gives every viewer its turn, and takes in who waits at the listeners: into the places of
    /// those who have left, if need be. Gives the size that a viewer wants the screen to have; that
    /// one is answered by [`Self::refresh`].
    pub(crate) fn serve(
        &mut self,
        screen: &Screen,
        mut tty: Option<&mut Tty>,
        title: &str,
        now: Instant,
    ) -> Option<(u16, u16)> {
        let mut wanted_size = None;
        let before = self.rfb.len() + self.text.len();
        self.rfb.retain_mut(|viewer| {
            if viewer.read(screen, tty.as_deref_mut(), now) == Stays::No {
                return false;
            }
            let wants = viewer.take_wanted_size();
            wanted_size = wants.or(wanted_size);
            wants.is_some() || viewer.refresh(screen, now) == Stays::Yes
        });
        self.text.retain_mut(|viewer| {
            hear(viewer, tty.as_deref_mut()) && viewer.write(|| screen.replay(), now)
        });
        self.tidy_up_after(before);
        // A bounded number a turn: who comes in faster waits, and holds nobody up.
        for _ in 0..VIEWERS_MAX {
            let Some(socket) = accept(self.rfb_door.as_mut()) else { break };
            self.take_rfb(socket, title, screen, now);
        }
        for _ in 0..VIEWERS_MAX {
            let Some(socket) = accept(self.text_door.as_mut()) else { break };
            self.take_text(socket, screen, now);
        }
        wanted_size
    }

    /// Shows RFB viewers what has changed, as far as they wait for it.
    pub(crate) fn refresh(&mut self, screen: &Screen, now: Instant) {
        let before = self.rfb.len() + self.text.len();
        self.rfb.retain_mut(|viewer| viewer.refresh(screen, now) == Stays::Yes);
        self.tidy_up_after(before);
    }

    /// Gives back what viewers took, if there are fewer than before.
    fn tidy_up_after(&self, before: usize) {
        if self.rfb.len() + self.text.len() < before {
            memory::give_back();
        }
    }

    /// Takes an RFB viewer; says whether there was a place. A viewer that has not finished its
    /// handshake, or is stalled, gives its place up.
    pub(crate) fn take_rfb(
        &mut self,
        socket: OwnedFd,
        title: &str,
        screen: &Screen,
        now: Instant,
    ) -> bool {
        if self.rfb.len() >= VIEWERS_MAX {
            let half_open =
                oldest(&self.rfb, |v| if v.is_ready() { None } else { Some(v.came_at()) });
            let stalled =
                || oldest(&self.rfb, |v| v.stalled_since().filter(|s| now > *s + STALLED));
            let Some(index) = half_open.or_else(stalled) else { return false };
            self.rfb.remove(index);
        }
        self.rfb.push(RfbViewer::new(socket, title, screen, self.limits, now));
        true
    }

    /// Takes a text viewer, who sees the screen first; says whether there was a place. A viewer
    /// that has hung up, while what it typed still waits for the guest, or is stalled, gives its
    /// place up.
    pub(crate) fn take_text(&mut self, socket: OwnedFd, screen: &Screen, now: Instant) -> bool {
        let has_place = self.has_text_place(now);
        if has_place {
            self.text.push(TextViewer::new(socket, screen.replay(), now));
        }
        has_place
    }

    /// The same for one that counts the guest's bytes, and what its own begin with: it goes on at
    /// `from`, or sees the scrollback and the screen first.
    pub(crate) fn take_reader(
        &mut self,
        socket: OwnedFd,
        from: u64,
        history: &History,
        screen: &Screen,
        now: Instant,
    ) -> Option<Reading> {
        if !self.has_text_place(now) {
            return None;
        }
        let (reading, begin) = match history.since(from) {
            Some(bytes) => (Reading { at: from, repaint: 0 }, bytes),
            None => {
                let bytes = screen.replay_with_scrollback();
                let repaint = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                (Reading { at: history.end(), repaint }, bytes)
            }
        };
        self.text.push(TextViewer::reader(socket, begin, now));
        Some(reading)
    }

    /// Whether one more text viewer has a place, made if need be.
    fn has_text_place(&mut self, now: Instant) -> bool {
        if self.text.len() >= VIEWERS_MAX {
            let hung_up = self.text.iter().position(TextViewer::has_hung_up);
            let stalled =
                || oldest(&self.text, |v| v.stalled_since().filter(|s| now > *s + STALLED));
            let Some(index) = hung_up.or_else(stalled) else { return false };
            self.text.remove(index);
        }
        true
    }

    /// Shows the last picture, and tells the text viewers why this is the end, as far as sockets
    /// have room now.
    pub(crate) fn say_farewell(&mut self, farewell: Farewell, screen: &Screen, now: Instant) {
        for viewer in &mut self.rfb {
            viewer.show_last(screen, now);
        }
        let line = format!("\r\n-- {} --\r\n", farewell.sentence());
        for viewer in &mut self.text {
            viewer.show(line.as_bytes());
            viewer.write(|| screen.replay(), now);
        }
    }
}

/// The index of the viewer with the earliest of the times that `time` finds.
fn oldest<V>(viewers: &[V], time: impl Fn(&V) -> Option<Instant>) -> Option<usize> {
    let times = viewers.iter().enumerate().filter_map(|(index, v)| Some((time(v)?, index)));
    times.min().map(|(_, index)| index)
}

/// Types what a text viewer typed; says whether the viewer is still there.
fn hear(viewer: &mut TextViewer, tty: Option<&mut Tty>) -> bool {
    let mut buffer = [0; TYPED_MAX];
    match tty {
        Some(tty) if tty.room() >= ROOM_MIN => match viewer.read(&mut buffer) {
            Typed::Bytes(length) => {
                tty.type_keys(buffer.get(..length).unwrap_or_default());
                true
            }
            Typed::Nothing => true,
            Typed::Gone => false,
        },
        // The guest does not read. What the viewer typed waits in its socket, unless it left.
        Some(_) => !viewer.left(),
        // Without a tty there is nobody to type to; what comes is dropped, so that a viewer who
        // leaves is noticed.
        None => viewer.read(&mut buffer) != Typed::Gone,
    }
}

fn accept(door: Option<&mut Door>) -> Option<OwnedFd> {
    let door = door.filter(|door| door.knocked)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let accepted = accept4(door.listener.as_raw_fd(), flags);
    door.knocked = accepted.is_ok();
    let raw = accepted.ok()?;
    // SAFETY: accept4 has just made this descriptor for this process, and nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    const HANDSHAKE: &[u8] = b"RFB 003.008\n\x01\x01";

    /// A new viewer's own end, if it was let in.
    fn comes(viewers: &mut Viewers, screen: &Screen, now: Instant) -> Option<UnixStream> {
        let (near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        viewers.take_rfb(near.into(), "demo1", screen, now).then_some(far)
    }

    /// Whether the other end of a viewer's socket has been closed.
    fn is_dropped(mut far: &UnixStream) -> bool {
        loop {
            match far.read(&mut [0; 65536]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    #[test]
    fn a_half_open_viewer_is_dropped_by_a_deadline() {
        let (screen, now) = (Screen::new(80, 24, 0), Instant::now());
        let mut viewers = Viewers::new(None, None, Limits::default());
        let half_open = comes(&mut viewers, &screen, now).unwrap();
        let mut established = comes(&mut viewers, &screen, now).unwrap();
        established.write_all(HANDSHAKE).unwrap();
        viewers.serve(&screen, None, "demo1", now);
        let deadline = viewers.deadline().expect("somebody is half open");
        viewers.serve(&screen, None, "demo1", deadline - Duration::from_millis(1));
        assert!(!is_dropped(&half_open));
        viewers.serve(&screen, None, "demo1", deadline);
        assert!(is_dropped(&half_open) && !is_dropped(&established));
        assert_eq!((viewers.count(), viewers.deadline()), ((1, 0), None));
    }

    #[test]
    fn half_open_viewers_lock_nobody_out_and_the_oldest_goes_first() {
        let (screen, now) = (Screen::new(80, 24, 0), Instant::now());
        let mut viewers = Viewers::new(None, None, Limits::default());
        let mut ends: Vec<UnixStream> = (0..VIEWERS_MAX)
            .map(|age| {
                let came = now + Duration::from_millis(u64::try_from(age).unwrap());
                comes(&mut viewers, &screen, came).unwrap()
            })
            .collect();
        ends[0].write_all(HANDSHAKE).unwrap();
        viewers.serve(&screen, None, "demo1", now);
        let _newest = comes(&mut viewers, &screen, now).expect("it is let in");
        let dropped: Vec<bool> = ends.iter().map(is_dropped).collect();
        // The first is established; of the others the second is the oldest.
        assert_eq!(dropped.iter().position(|dropped| *dropped), Some(1));
        assert_eq!(dropped.iter().filter(|dropped| **dropped).count(), 1);
    }

    #[test]
    fn a_stalled_viewer_loses_its_place_to_a_new_one_and_an_honest_one_does_not() {
        let (screen, now) = (Screen::new(80, 24, 0), Instant::now());
        let mut viewers = Viewers::new(None, None, Limits::default());
        let mut ends: Vec<UnixStream> =
            (0..VIEWERS_MAX).map(|_| comes(&mut viewers, &screen, now).unwrap()).collect();
        let everything = [3, 0, 0, 0, 0, 0, 0x02, 0x80, 0x01, 0x80];
        for end in &mut ends {
            end.write_all(HANDSHAKE).unwrap();
            end.write_all(&everything).unwrap();
        }
        viewers.serve(&screen, None, "demo1", now);
        // All but the last read what they are sent.
        let (deaf, honest) = ends.split_last().unwrap();
        assert!(viewers.rfb.iter().all(RfbViewer::wants_write), "the picture fills the sockets");
        for _ in 0..8 {
            assert!(!honest.iter().any(is_dropped));
            viewers.serve(&screen, None, "demo1", now);
        }
        let soon = now + STALLED;
        assert!(comes(&mut viewers, &screen, soon).is_none(), "all places are taken");
        let later = soon + Duration::from_millis(1);
        let _newest = comes(&mut viewers, &screen, later).expect("the stalled one gives way");
        assert!(is_dropped(deaf) && !honest.iter().any(is_dropped));
    }

    #[test]
    fn a_text_viewer_is_read_unless_there_is_a_guest_that_does_not_read() {
        let (near, _far) = UnixStream::pair().unwrap();
        let mut viewers = Viewers::new(None, None, Limits::default());
        assert!(viewers.take_text(near.into(), &Screen::new(80, 24, 0), Instant::now()));
        for (room, read) in [(None, true), (Some(ROOM_MIN), true), (Some(0), false)] {
            let mut polled = Vec::new();
            viewers.interests(room, &mut polled);
            let reads = polled.iter().any(|polled| polled.events().contains(PollFlags::POLLIN));
            assert_eq!(reads, read, "{room:?}");
        }
    }
}
