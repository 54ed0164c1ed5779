//! What a later process needs to go on where this one may end at any moment, and going on from that.
//!
//! What came of a peer counts before it is acted on, and what came of it before any of it is sent.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use xenstore_store::{ConnectionId, Store};
use xenstore_wire::DomainId;

use super::{Server, ServerError};
use crate::handover::Arrival;
use crate::ledger::{Kind, Ledger};
use crate::peer::Peer;
use crate::resuming::{self, Earlier, Known, Reached};
use crate::wakeups::Interest;

/// A buffer for records that has grown beyond this isn't kept for the next turn.
const RECORDS_ROOM_MAX: usize = 1 << 20;

impl Server {
    /// Begins with nothing, or where an earlier process ended, or where another program's store did.
    pub(super) fn begin(
        &mut self,
        ledger: Option<(Ledger, u32)>,
        stream: Option<&[u8]>,
        now: Duration,
    ) -> Result<(), ServerError> {
        let mut earlier = match &ledger {
            Some((ledger, stores)) => resuming::read(ledger, *stores)?,
            None => None,
        };
        if let Some(stream) = stream.filter(|_| earlier.is_none()) {
            earlier = Some(resuming::read_stream(stream, self.store.limits())?);
        }
        self.ledger = ledger.map(|(ledger, _)| ledger);
        match earlier {
            Some(Earlier { store, peers }) => self.go_on(store, peers, now)?,
            None => {
                self.meet_own_kernel(now)?;
                if self.ledger.is_some() {
                    self.wait_for_known(&mut BTreeMap::new(), now)?;
                }
            }
        }
        if self.ledger.is_some() {
            self.store.keep_journal();
            self.write_anew().map_err(ServerError::Resume)?;
        }
        Ok(())
    }

    fn go_on(
        &mut self,
        store: Store,
        mut known: BTreeMap<u64, Known>,
        now: Duration,
    ) -> Result<(), ServerError> {
        self.store = store;
        let connections: Vec<ConnectionId> = self.store.connections().map(|(id, ..)| id).collect();
        let mut sockets = BTreeMap::new();
        let mut has_own_ring = false;
        for id in connections {
            let Some(left) = known.remove(&id.number()) else {
                self.store.disconnect(id);
                continue;
            };
            match left.reached {
                Reached::Socket(parents) => drop(sockets.insert(parents, (id, left))),
                Reached::Ring { remote, .. } => {
                    has_own_ring |= remote.is_none();
                    self.sit_again(id, left);
                }
            }
        }
        if !has_own_ring {
            self.meet_own_kernel(now)?;
        }
        self.wait_for_known(&mut sockets, now)?;
        // Who left meanwhile.
        for (id, _) in sockets.into_values() {
            self.store.disconnect(id);
        }
        // Nobody was told who ended meanwhile.
        let domains: Vec<DomainId> = self.store.introduced().collect();
        self.hear_of(&domains)
    }

    /// Maps the ring of a peer again. One that can't be mapped has no domain any more.
    fn sit_again(&mut self, id: ConnectionId, left: Known) {
        let Reached::Ring { remote, consumed, produced, mute } = left.reached else { return };
        let Some(guests) = &mut self.guests else { return self.store.disconnect(id) };
        let met = match remote {
            Some(introduction) => {
                guests.meet(introduction, self.store.features(introduction.domain))
            }
            None => guests.own(self.store.features(DomainId::DOM0)),
        };
        match met {
            Ok(mut seat) => {
                if !left.stands_in_page {
                    seat.ring.resume(consumed, produced);
                }
                seat.mute = mute;
                guests.seat(seat.port, id.number());
                let mut peer = Peer::on_ring(seat, id);
                peer.resume(left.came, &left.due, None);
                self.peers.insert(id.number(), peer);
                self.line_up(id.number());
            }
            Err(error) => {
                eprintln!("xenstored: map a ring again: {error}");
                self.store.disconnect(id);
            }
        }
    }

    /// Takes in whom the parent has kept, until it says that these are all.
    fn wait_for_known(
        &mut self,
        sockets: &mut BTreeMap<u64, (ConnectionId, Known)>,
        now: Duration,
    ) -> Result<(), ServerError> {
        loop {
            let Some(door) = &self.door else { return Ok(()) };
            let arrival = match door.accept() {
                Ok(arrival) => arrival,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(door.as_fd(), PollFlags::POLLIN)];
                    match poll(&mut fds, PollTimeout::NONE) {
                        Ok(_) | Err(Errno::EINTR) => continue,
                        Err(errno) => return Err(ServerError::Wait(errno)),
                    }
                }
                Err(error) => return Err(ServerError::Resume(error)),
            };
            match arrival {
                Arrival::AllThere => return Ok(()),
                Arrival::End => {
                    return Err(ServerError::Resume(io::ErrorKind::UnexpectedEof.into()));
                }
                Arrival::Nobody | Arrival::Granted | Arrival::Refused(_) => (),
                Arrival::Client(stream, caller, parents) => {
                    match parents.and_then(|parents| sockets.remove(&parents)) {
                        // It had come to the parent, and not yet to the earlier store.
                        None => self.welcome(stream, caller, parents, now),
                        Some((id, left)) => {
                            let number = id.number();
                            self.wakeups
                                .add_peer(&stream, number, Interest::READ)
                                .map_err(ServerError::Prepare)?;
                            let mut peer = Peer::on_socket(stream, id);
                            peer.resume(left.came, &left.due, parents);
                            self.peers.insert(number, peer);
                            self.line_up(number);
                        }
                    }
                }
            }
        }
    }

    /// Has all that was done so far count: from here on it may be told.
    pub(super) fn commit(&mut self) {
        let Some(ledger) = &mut self.ledger else { return };
        self.store.swap_journal(&mut self.records);
        let mut noted = match self.records.is_empty() {
            true => Ok(()),
            false => ledger.append(Kind::Store, 0, &self.records),
        };
        if self.records.capacity() > RECORDS_ROOM_MAX {
            self.records = Vec::new();
        }
        for number in &self.touched {
            if let Some(peer) = self.peers.get_mut(number) {
                noted = noted.and_then(|()| peer.note(ledger));
            }
        }
        match noted {
            Ok(()) => ledger.publish(),
            Err(error) => self.outlast_no_more(&error),
        }
    }

    /// Lets go of who has left, and keeps the ledger short.
    pub(super) fn end_turn(&mut self) {
        if let Some(door) = &self.door {
            self.let_go.retain(|number| !door.let_go(*number));
        }
        if self.ledger.as_ref().is_some_and(Ledger::is_long)
            && let Err(error) = self.write_anew()
        {
            self.outlast_no_more(&error);
        }
    }

    fn write_anew(&mut self) -> io::Result<()> {
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        // What is in the image is not told twice.
        self.store.take_journal();
        ledger.write_anew(|ledger| {
            ledger.append(Kind::Store, 0, &self.store.image())?;
            for peer in self.peers.values_mut() {
                peer.note_whole(ledger)?;
            }
            Ok(())
        })
    }

    /// Serving goes before lasting: a store that outgrew its ledger goes on, and ends with its process.
    fn outlast_no_more(&mut self, error: &io::Error) {
        eprintln!("xenstored: the store is lost when its process ends from now on: {error}");
        self.ledger = None;
    }
}
