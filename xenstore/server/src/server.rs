//! The loop: it reads from those who speak, gives each a short turn, writes what came of it, and
//! sleeps until somebody speaks or a waiting request's tokens are there.
//!
//! What requests mean is for the store to say.

mod clients;
mod control;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod lasting;
mod rings;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzz"))]
#[cfg_attr(not(test), allow(dead_code, reason = "the fuzz targets need a part of it"))]
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use xenstore_hypervisor::{HypervisorError, Trouble};
use xenstore_store::{Caller, ConnectionId, Limits, Notice, Outcome, Store};
use xenstore_wire::{Message, Operation, Reply};

use crate::door::Door;
use crate::guests::Guests;
use crate::ledger::Ledger;
use crate::live_update::LiveUpdate;
use crate::peer::{Held, Next, Peer};
use crate::resuming::Senseless;
use crate::transport::Transport;
use crate::waiting::Waiting;
use crate::wakeups::{Sleep, Wake, Wakeups};

/// Bytes that are read from a peer at once: sixteen of the longest requests, hundreds of usual ones.
const READ_BYTES: usize = 64 << 10;
/// Requests of dom0's that are done in one turn, before the others get theirs.
const DOM0_TURN: usize = 64;
/// Requests of a domain's that are done in one turn.
const DOMAIN_TURN: usize = 16;
/// A turn ends after this time, though it may have requests left: some take a thousand times as long
/// as others.
const TURN_TIME: Duration = Duration::from_micros(500);
/// After so many requests the clock is looked at, which takes a good part of the time of one.
const REQUESTS_A_LOOK: usize = 4;
/// Who waits for tokens is asked again at most so often, all together: to wake up for each token of a
/// guest that asks without end would cost more than its requests. Nobody waits longer by more.
const ROUND: Duration = Duration::from_millis(10);
/// With this many bytes of events unread, one of dom0's connections is given up.
const DOM0_OUTPUT_MAX: usize = 64 << 20;
/// With this many bytes of events unread, a domain's connection is given up.
const DOMAIN_OUTPUT_MAX: usize = 1 << 20;

/// No peer has this number.
const NOBODY: u64 = 0;

/// What was before a server, beside what its ledger says.
#[derive(Debug, Default)]
pub(crate) struct Before<'a> {
    /// Another program's store, which has left this stream.
    pub(crate) stream: Option<&'a [u8]>,
    /// A store that crashed, rather than that it was ended.
    pub(crate) crash: bool,
}

/// A store and those who are connected to it.
#[derive(Debug)]
pub(crate) struct Server {
    store: Store,
    door: Option<Door>,
    /// False while there is no room for another connection.
    listening: bool,
    /// None where sockets alone are served.
    guests: Option<Guests>,
    wakeups: Wakeups,
    peers: BTreeMap<u64, Peer>,
    /// Who gets a turn, in order.
    line: VecDeque<u64>,
    waiting: Waiting,
    /// Not before that time are those asked again who wait.
    next_round: Duration,
    /// Whose output or interest may have changed.
    touched: BTreeSet<u64>,
    /// The store has something to do that nobody waits for.
    untidy: bool,
    /// What a later process goes on from; none where nobody would start one.
    ledger: Option<Ledger>,
    /// The parent's numbers of clients that have left, which it doesn't know yet.
    let_go: Vec<u64>,
    /// The program that the parent would have go on.
    installed: Option<String>,
    update: LiveUpdate,
    /// Another process goes on from the ledger: nothing may happen here any more.
    is_followed: bool,
    /// What is asked and answered is logged.
    logs: bool,
    /// The store's records of a turn, of which the room is used again.
    records: Vec<u8>,
    scratch: Vec<u8>,
}

/// What keeps the loop from going on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("prepare to wait for connections")]
    Prepare(#[source] Errno),
    #[error("wait for connections")]
    Wait(#[source] Errno),
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    #[error("go on from what an earlier store left")]
    Resume(#[source] io::Error),
    #[error(transparent)]
    Senseless(#[from] Senseless),
    #[error("ask the parent for a live update")]
    Update(#[source] io::Error),
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    On,
    Stop,
}

impl Server {
    /// A store that is empty yet, served to those who connect and, where there is a hypervisor, to
    /// the kernel that it runs on.
    pub(crate) fn new(
        door: Option<Door>,
        guests: Option<Guests>,
        limits: Limits,
        ledger: Option<(Ledger, u32)>,
    ) -> Result<Self, ServerError> {
        Self::follow(door, guests, limits, ledger, &Before::default())
    }

    /// The same where something was before.
    pub(crate) fn follow(
        door: Option<Door>,
        guests: Option<Guests>,
        limits: Limits,
        ledger: Option<(Ledger, u32)>,
        before: &Before<'_>,
    ) -> Result<Self, ServerError> {
        let wakeups = Wakeups::new().map_err(ServerError::Prepare)?;
        if let Some(door) = &door {
            wakeups.add_door(door).map_err(ServerError::Prepare)?;
        }
        if let Some(guests) = &guests {
            wakeups.add_ports(guests).map_err(ServerError::Prepare)?;
        }
        let mut server = Self {
            store: Store::new(limits),
            door,
            listening: true,
            guests,
            wakeups,
            peers: BTreeMap::new(),
            line: VecDeque::new(),
            waiting: Waiting::default(),
            next_round: Duration::ZERO,
            touched: BTreeSet::new(),
            untidy: false,
            ledger: None,
            let_go: Vec::new(),
            installed: None,
            update: LiveUpdate::default(),
            is_followed: false,
            logs: false,
            records: Vec::new(),
            scratch: vec![0; READ_BYTES],
        };
        let blamed = ledger.as_ref().filter(|_| before.crash).and_then(|(it, _)| it.blame());
        server.begin(ledger, before.stream, clock())?;
        if let Some(number) = blamed {
            eprintln!(
                "xenstored: connection {number} is given up: two crashes came at its requests"
            );
            server.give_up(number, Trouble::Protocol, clock());
        }
        Ok(server)
    }

    /// Can be followed by the program that is installed there, whom the parent would start.
    pub(crate) fn followed_by(mut self, installed: Option<String>) -> Self {
        self.installed = installed;
        self
    }

    /// Lets it be known that clients may come.
    pub(crate) fn announce(&self) -> io::Result<()> {
        self.door.as_ref().map_or(Ok(()), Door::announce)
    }

    /// Has SIGTERM and SIGINT end it.
    pub(crate) fn stop_at_signals(mut self) -> Result<Self, ServerError> {
        self.wakeups.add_signals().map_err(ServerError::Prepare)?;
        Ok(self)
    }

    /// Serves until it is told to end, or nobody will come any more.
    pub(crate) fn serve(mut self) -> Result<(), ServerError> {
        loop {
            let sleep = self.sleep(clock());
            let wakes = self.wakeups.wait(sleep).map_err(ServerError::Wait)?;
            if self.act(wakes, clock())? == Go::Stop {
                return Ok(());
            }
        }
    }

    /// One turn: hears whatever has happened, gives everybody in line a turn, and writes what came
    /// of it.
    fn act(&mut self, wakes: Vec<Wake>, now: Duration) -> Result<Go, ServerError> {
        for wake in wakes {
            match wake {
                Wake::Stop => return Ok(Go::Stop),
                Wake::Knock => {
                    if self.take_in(now) == Go::Stop {
                        return Ok(Go::Stop);
                    }
                }
                Wake::Ports => self.hear_ports(now)?,
                Wake::Timer => (),
                Wake::Peer { number, readable, writable, hung_up } => {
                    self.hear(number, readable || hung_up, hung_up);
                    if writable {
                        self.touched.insert(number);
                    }
                }
            }
        }
        let due = self.due(now);
        if !due.is_empty() {
            self.next_round = now.saturating_add(ROUND);
        }
        for number in due {
            self.line_up(number);
        }
        for _ in 0..self.line.len() {
            if let Some(number) = self.line.pop_front() {
                self.give_turn(number, now)?;
            }
            if self.is_followed {
                self.commit();
                return Ok(Go::Stop);
            }
        }
        self.commit();
        self.look_at_update();
        while let Some(number) = self.touched.pop_first() {
            self.settle(number, now);
        }
        if let Some(guests) = &mut self.guests {
            guests.end_turn()?;
        }
        self.untidy = self.store.tidy();
        self.commit();
        self.end_turn();
        Ok(Go::On)
    }

    /// Not at all while somebody is in line or something is left to be done; else until a waiting
    /// request's tokens are there.
    fn sleep(&self, now: Duration) -> Sleep {
        if !self.line.is_empty() || self.untidy {
            return Sleep::NotAtAll;
        }
        match self.waiting.next_due() {
            Some(due) => match due.max(self.next_round).checked_sub(now) {
                Some(time) if !time.is_zero() => Sleep::For(time),
                Some(_) | None => Sleep::NotAtAll,
            },
            None => Sleep::Forever,
        }
    }

    /// Who waits and is to be asked again.
    fn due(&self, now: Duration) -> Vec<u64> {
        if now < self.next_round { Vec::new() } else { self.waiting.due(now) }
    }

    /// Reads what a client says. Who hung up while its request waits is not waited for.
    fn hear(&mut self, number: u64, readable: bool, hung_up: bool) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let heard = match readable {
            true => peer.fill(&mut self.scratch, &mut self.ledger),
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
    fn give_turn(&mut self, number: u64, now: Duration) -> Result<(), ServerError> {
        self.touched.insert(number);
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        peer.in_line = false;
        peer.limit_outstanding(self.store.outstanding_max(peer.id));
        if let Transport::Ring(_) = peer.transport
            && let Err(trouble) = peer.fill(&mut self.scratch, &mut self.ledger)
        {
            self.give_up(number, trouble, now);
            return Ok(());
        }
        let turn = match self.store.caller(peer.id) {
            Some(Caller::Dom0) => DOM0_TURN,
            Some(Caller::Domain(_) | Caller::Stub { .. }) | None => DOMAIN_TURN,
        };
        let begun = Instant::now();
        for done in 0..turn {
            if done % REQUESTS_A_LOOK == REQUESTS_A_LOOK - 1 && begun.elapsed() >= TURN_TIME {
                break;
            }
            let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
            let goes_on = match peer.next() {
                Next::Message(message) => {
                    self.do_for(number);
                    let goes_on = self.handle(number, message, now)?;
                    self.do_for(NOBODY);
                    goes_on
                }
                Next::Kick => self.charge_kick(number, now),
                Next::Nothing => false,
                Next::Broken => {
                    // What came before gets its answers, as far as they go at once.
                    self.commit();
                    if let Some(peer) = self.peers.get_mut(&number) {
                        let _ = peer.flush(&mut self.ledger);
                    }
                    self.give_up(number, Trouble::Protocol, now);
                    false
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
        if self.peers.get(&number).is_some_and(Peer::has_more) {
            self.line_up(number);
        }
        Ok(())
    }

    /// Notes whose request is being done: that of whom it crashes at again and again is given up.
    fn do_for(&self, number: u64) {
        if let Some(ledger) = &self.ledger {
            ledger.do_for(number);
        }
    }

    /// Has the store handle a request; false when nothing after it can be done now.
    fn handle(
        &mut self,
        number: u64,
        message: Message,
        now: Duration,
    ) -> Result<bool, ServerError> {
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(false) };
        let answer = match self.store.handle(peer.id, &message, now) {
            Outcome::Waiting(time) => {
                peer.hold(Held::Request(message));
                self.waiting.wait(number, now.saturating_add(time));
                return Ok(false);
            }
            Outcome::Answered(answer) => answer,
            Outcome::Introduce(introduction) => self.introduce(introduction, now)?,
            Outcome::Process(words) => match self.control(number, &message, &words, now)? {
                Some(answer) => answer,
                None => return Ok(false),
            },
            Outcome::Ended => {
                self.close(number);
                return Ok(false);
            }
        };
        self.waiting.forget(number);
        if message.operation() == Some(Operation::Control) {
            self.after_control(&message, &answer.reply);
        }
        self.log(number, &message, &answer.reply);
        // Who introduces a domain doesn't end by it.
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.output.reply(&answer.reply, message.request_id, message.transaction);
            peer.finish(&message);
        }
        if let Some(peer) = self.peers.get(&number)
            && let Some(domain) = self.store.take_warning(peer.id)
        {
            eprintln!("xenstored: domain {domain} holds more memory than its soft quota");
        }
        self.tell(answer.notices, answer.ended);
        Ok(!self.is_followed)
    }

    /// Does what CONTROL asks of the process rather than of the store, where it was not refused.
    fn after_control(&mut self, message: &Message, reply: &Reply) {
        let Reply::Text(_) = reply else { return };
        // The rates may be others now.
        for number in self.waiting.due(Duration::MAX) {
            self.line_up(number);
        }
        if let Some(words) = message.payload.strip_prefix(b"print\0") {
            eprintln!("xenstored: {}", words.strip_suffix(b"\0").unwrap_or(words).escape_ascii());
        }
    }

    /// Tells everybody who is to hear of what was done.
    fn tell(&mut self, notices: Vec<Notice>, ended: Vec<ConnectionId>) {
        for notice in notices {
            let number = notice.to.number();
            if let Some(peer) = self.peers.get_mut(&number) {
                peer.output.event(notice.event);
                self.touched.insert(number);
            }
        }
        for ended in ended {
            self.close(ended.number());
        }
    }

    /// Writes what a peer has to get, sees whether it is to be kept, and what to wake up for.
    fn settle(&mut self, number: u64, now: Duration) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let output_max = match self.store.caller(peer.id) {
            Some(Caller::Dom0) => DOM0_OUTPUT_MAX,
            Some(Caller::Domain(_) | Caller::Stub { .. }) | None => DOMAIN_OUTPUT_MAX,
        };
        if let Err(trouble) = peer.flush(&mut self.ledger) {
            return self.give_up(number, trouble, now);
        }
        if peer.output.len() > output_max {
            return self.give_up(number, Trouble::Communication, now);
        }
        if peer.is_finished() {
            return self.close(number);
        }
        let has_more = peer.has_more() && !peer.is_waiting();
        if has_more {
            self.line_up(number);
        }
        match self.peers.get(&number).map(|peer| &peer.transport) {
            Some(Transport::Ring(_)) => self.settle_ring(number),
            Some(Transport::Socket(_)) => self.settle_socket(number),
            None => (),
        }
    }

    /// Gives up what can't be talked to: a client leaves, a guest stays but is no longer listened to.
    fn give_up(&mut self, number: u64, trouble: Trouble, now: Duration) {
        match self.peers.get(&number).map(|peer| &peer.transport) {
            Some(Transport::Ring(_)) => self.silence(number, trouble, now),
            Some(Transport::Socket(_)) => self.close(number),
            None => (),
        }
    }

    fn close(&mut self, number: u64) {
        let Some(peer) = self.peers.remove(&number) else { return };
        self.store.disconnect(peer.id);
        self.update.forget(number);
        self.let_go.extend(peer.parents);
        match (peer.transport, &mut self.guests) {
            (Transport::Ring(seat), Some(guests)) => guests.leave(seat.port),
            (Transport::Ring(_), None) => (),
            (Transport::Socket(socket), _) => {
                // The parent has a copy still. One that has left already is no error.
                let _ = socket.shutdown(Shutdown::Both);
                self.listen(true);
            }
        }
        self.wait_no_more(number);
    }

    /// A peer's turn won't come: others may have been told to wait until it had.
    fn wait_no_more(&mut self, number: u64) {
        if self.waiting.forget(number) {
            for number in self.waiting.due(Duration::MAX) {
                self.line_up(number);
            }
        }
    }
}

/// The time since some fixed start, the same for every process since the machine was booted.
fn clock() -> Duration {
    match clock_gettime(ClockId::CLOCK_MONOTONIC) {
        Ok(time) => time.into(),
        // There is no kernel without this clock.
        Err(_) => Duration::ZERO,
    }
}
