//! The loop: it reads from those who speak, gives each a short turn, writes what came of it, and
//! sleeps until somebody speaks or a waiting request's tokens are there.
//!
//! What requests mean is for the store to say.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use xenstore_store::{Answer, Caller, Limits, Outcome, Store};
use xenstore_wire::Message;

use crate::listener::Listener;
use crate::peer::{Next, Peer};
use crate::waiting::Waiting;
use crate::wakeups::{Interest, Sleep, Wake, Wakeups};

/// Bytes that are read from a peer at once: sixteen of the longest requests, hundreds of usual ones.
const READ_BYTES: usize = 64 << 10;
/// Requests of dom0's that are done in one turn, before the others get theirs.
const DOM0_TURN: usize = 64;
/// Requests of a domain's that are done in one turn.
const DOMAIN_TURN: usize = 16;
/// Connections that are taken in at once, before those that are there get their turn.
const KNOCKS: usize = 64;
/// Connections that users may have who are one domain: a device model, a converter and their kin.
const DOMAIN_CONNECTIONS_MAX: usize = 32;
/// With this many bytes of events unread, one of dom0's connections is given up.
const DOM0_OUTPUT_MAX: usize = 64 << 20;
/// With this many bytes of events unread, a domain's connection is given up.
const DOMAIN_OUTPUT_MAX: usize = 1 << 20;

/// A store and those who are connected to it.
#[derive(Debug)]
pub(crate) struct Server {
    store: Store,
    listener: Listener,
    /// False while there is no room for another connection.
    listening: bool,
    wakeups: Wakeups,
    peers: BTreeMap<u64, Peer>,
    /// Who gets a turn, in order.
    line: VecDeque<u64>,
    waiting: Waiting,
    /// Whose output or interest may have changed.
    touched: BTreeSet<u64>,
    started: Instant,
    scratch: Vec<u8>,
}

/// What keeps the loop from going on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("prepare to wait for connections")]
    Prepare(#[source] Errno),
    #[error("wait for connections")]
    Wait(#[source] Errno),
}

impl Server {
    pub(crate) fn new(listener: Listener, limits: Limits) -> Result<Self, ServerError> {
        let wakeups = Wakeups::new().map_err(ServerError::Prepare)?;
        wakeups.add_listener(&listener).map_err(ServerError::Prepare)?;
        Ok(Self {
            store: Store::new(limits),
            listener,
            listening: true,
            wakeups,
            peers: BTreeMap::new(),
            line: VecDeque::new(),
            waiting: Waiting::default(),
            touched: BTreeSet::new(),
            started: Instant::now(),
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Serves until SIGTERM or SIGINT.
    pub(crate) fn serve(mut self) -> Result<(), ServerError> {
        loop {
            let wakes = self.wakeups.wait(self.sleep()).map_err(ServerError::Wait)?;
            let now = self.started.elapsed();
            for wake in wakes {
                match wake {
                    Wake::Stop => return Ok(()),
                    Wake::Knock => self.take_in(now),
                    Wake::Timer => (),
                    Wake::Peer { number, readable, writable, hung_up } => {
                        self.hear(number, readable || hung_up, hung_up);
                        if writable {
                            self.touched.insert(number);
                        }
                    }
                }
            }
            for number in self.waiting.due(now) {
                self.line_up(number);
            }
            for _ in 0..self.line.len() {
                if let Some(number) = self.line.pop_front() {
                    self.give_turn(number, now);
                }
            }
            while let Some(number) = self.touched.pop_first() {
                self.settle(number);
            }
        }
    }

    /// Not at all while somebody is in line; else until a waiting request's tokens are there.
    fn sleep(&self) -> Sleep {
        if !self.line.is_empty() {
            return Sleep::NotAtAll;
        }
        match self.waiting.next_due() {
            Some(due) => match due.checked_sub(self.started.elapsed()) {
                Some(time) if !time.is_zero() => Sleep::For(time),
                Some(_) | None => Sleep::NotAtAll,
            },
            None => Sleep::Forever,
        }
    }

    /// Takes in those who knock. With no room left, nobody is listened to until somebody leaves:
    /// a full process would else be woken again and again.
    fn take_in(&mut self, now: Duration) {
        for _ in 0..KNOCKS {
            match self.listener.accept() {
                Ok(Some((stream, caller))) => self.welcome(stream, caller, now),
                Ok(None) => (),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    // Who knocked has left already, or was disturbed.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => (),
                    _ => return self.listen(false),
                },
            }
        }
    }

    fn welcome(&mut self, stream: UnixStream, caller: Caller, now: Duration) {
        if let Caller::Domain(domain) = caller
            && self.store.connections_of(domain) >= DOMAIN_CONNECTIONS_MAX
        {
            return;
        }
        let id = self.store.connect(caller, now);
        let peer = Peer::new(stream, id);
        match self.wakeups.add_peer(&peer, id.number(), Interest::READ) {
            Ok(()) => drop(self.peers.insert(id.number(), peer)),
            Err(_) => self.store.disconnect(id),
        }
    }

    fn listen(&mut self, listening: bool) {
        if self.listening == listening {
            return;
        }
        let changed = match listening {
            true => self.wakeups.add_listener(&self.listener),
            false => self.wakeups.remove_listener(&self.listener),
        };
        if changed.is_ok() {
            self.listening = listening;
        }
    }

    /// Reads what a peer says. Who hung up while its request waits is not waited for.
    fn hear(&mut self, number: u64, readable: bool, hung_up: bool) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let heard = match readable {
            true => peer.fill(&mut self.scratch),
            false => Ok(()),
        };
        if heard.is_err() || (hung_up && peer.is_waiting()) {
            self.close(number);
        } else if readable {
            self.line_up(number);
        }
    }

    fn line_up(&mut self, number: u64) {
        if let Some(peer) = self.peers.get_mut(&number)
            && !peer.in_line
        {
            peer.in_line = true;
            self.line.push_back(number);
        }
    }

    /// Does a few of a peer's requests, and puts it in line again when it has more.
    fn give_turn(&mut self, number: u64, now: Duration) {
        self.touched.insert(number);
        let Some(peer) = self.peers.get_mut(&number) else { return };
        peer.in_line = false;
        let turn = match self.store.caller(peer.id) {
            Some(Caller::Dom0) => DOM0_TURN,
            Some(Caller::Domain(_)) | None => DOMAIN_TURN,
        };
        for _ in 0..turn {
            let Some(peer) = self.peers.get_mut(&number) else { return };
            match peer.next_message() {
                Next::Message(message) => {
                    if !self.handle(number, message, now) {
                        return;
                    }
                }
                Next::Nothing => return,
                Next::Broken => {
                    // What came before gets its answers, as far as they go at once.
                    let _ = peer.flush();
                    return self.close(number);
                }
            }
        }
        if self.peers.get(&number).is_some_and(Peer::has_more) {
            self.line_up(number);
        }
    }

    /// Has the store handle a request; false when nothing after it can be done now.
    fn handle(&mut self, number: u64, message: Message, now: Duration) -> bool {
        let Some(peer) = self.peers.get_mut(&number) else { return false };
        match self.store.handle(peer.id, &message, now) {
            Outcome::Waiting(time) => {
                peer.hold(message);
                self.waiting.wait(number, now.saturating_add(time));
                false
            }
            Outcome::Answered(answer) => {
                self.waiting.forget(number);
                peer.output.reply(&answer.reply, message.request_id, message.transaction);
                self.tell(answer);
                true
            }
            Outcome::Ended => {
                self.close(number);
                false
            }
        }
    }

    /// Tells everybody who is to hear of what was done.
    fn tell(&mut self, answer: Answer) {
        for notice in answer.notices {
            let number = notice.to.number();
            if let Some(peer) = self.peers.get_mut(&number) {
                peer.output.event(notice.event);
                self.touched.insert(number);
            }
        }
        for ended in answer.ended {
            self.close(ended.number());
        }
    }

    /// Writes what a peer has to get, sees whether it is to be kept, and what to wake up for.
    fn settle(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let output_max = match self.store.caller(peer.id) {
            Some(Caller::Dom0) => DOM0_OUTPUT_MAX,
            Some(Caller::Domain(_)) | None => DOMAIN_OUTPUT_MAX,
        };
        if peer.flush().is_err() || peer.is_finished() || peer.output.len() > output_max {
            return self.close(number);
        }
        let has_more = peer.has_more() && !peer.is_waiting();
        let wanted = peer.wanted_interest();
        if wanted != peer.interest {
            match self.wakeups.change_peer(peer, number, wanted) {
                Ok(()) => peer.interest = wanted,
                Err(_) => return self.close(number),
            }
        }
        if has_more {
            self.line_up(number);
        }
    }

    fn close(&mut self, number: u64) {
        if let Some(peer) = self.peers.remove(&number) {
            self.store.disconnect(peer.id);
            self.listen(true);
            if self.waiting.forget(number) {
                // Others may have been told to wait until its turn had come.
                for number in self.waiting.due(Duration::MAX) {
                    self.line_up(number);
                }
            }
        }
    }
}
