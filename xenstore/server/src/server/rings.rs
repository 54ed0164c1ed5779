//! Guests on rings: met when they are introduced, heard when they kick, silenced when they lie, and
//! left when their domain has gone.
//!
//! A guest that breaks its ring loses its own connection. It is told why, and may begin anew.

use std::time::Duration;

use xenstore_hypervisor::Trouble;
use xenstore_store::{Answer, Caller, Introduction, Way};
use xenstore_wire::{DomainId, ErrorCode, Reply};

use super::{Server, ServerError};
use crate::guests::Pending;
use crate::peer::{Held, Peer};
use crate::transport::{Seat, Transport};

impl Server {
    /// Serves the kernel that the store runs on, where there is a hypervisor.
    pub(super) fn meet_own_kernel(&mut self, now: Duration) -> Result<(), ServerError> {
        if let Some(guests) = &mut self.guests {
            let seat = guests.own(self.store.features(DomainId::DOM0))?;
            self.sit(seat, Caller::Dom0, now);
        }
        Ok(())
    }

    /// Maps the ring of a domain that dom0 introduces, and introduces it to the store.
    pub(super) fn introduce(
        &mut self,
        introduction: Introduction,
        now: Duration,
    ) -> Result<Answer, ServerError> {
        let Some(guests) = &mut self.guests else {
            return Ok(self.store.introduce(introduction, now));
        };
        let domain = introduction.domain;
        let met = match guests.meet_again(introduction) {
            Ok(Some((number, port))) => {
                let moved = |seat: &mut Seat| {
                    (seat.port, seat.masked) = (port, false);
                    seat.remote = Some(introduction);
                };
                self.begin_anew(number, moved, now);
                Ok(None)
            }
            Ok(None) => guests.meet(introduction, self.store.features(domain)).map(Some),
            Err(error) => Err(error),
        };
        let seat = match met {
            Ok(seat) => seat,
            Err(error) => {
                // The toolstack hears that it failed; why is for people.
                eprintln!("xenstored: introduce domain {domain}: {error}");
                let reply = Reply::Error(ErrorCode::Einval);
                return Ok(Answer { reply, notices: vec![], ended: vec![] });
            }
        };
        let answer = self.store.introduce(introduction, now);
        if let Some(seat) = seat {
            self.sit(seat, Caller::Domain(domain), now);
        }
        // From now on it is known which domain of that number it is.
        self.hear_of(&[domain])?;
        Ok(answer)
    }

    /// Hears which guests kick, and which domains have ended.
    pub(super) fn hear_ports(&mut self, now: Duration) -> Result<(), ServerError> {
        let Some(guests) = &mut self.guests else { return Ok(()) };
        for pending in guests.pending()? {
            match pending {
                Pending::Kick(number) => self.hear_kick(number, now),
                Pending::Exit => {
                    let domains: Vec<DomainId> = self.store.introduced().collect();
                    self.hear_of(&domains)?;
                }
            }
        }
        Ok(())
    }

    /// Asks how domains are, and tells those who are to hear of it.
    pub(super) fn hear_of(&mut self, domains: &[DomainId]) -> Result<(), ServerError> {
        if let Some(guests) = &mut self.guests {
            let lives = guests.lives(domains)?;
            let news = self.store.hear_of_lives(&lives);
            self.tell(news.notices, news.ended);
        }
        Ok(())
    }

    fn hear_kick(&mut self, number: u64, now: Duration) {
        let Some(seat) = self.peers.get_mut(&number).and_then(|peer| peer.transport.seat()) else {
            return;
        };
        (seat.masked, seat.kicked) = (true, true);
        let number = match seat.ring.wants_reconnection() {
            true => self.begin_anew(number, |_| (), now),
            false => number,
        };
        self.line_up(number);
    }

    /// Has a guest pay for a kick that brought nothing; false when nothing can be done before.
    pub(super) fn charge_kick(&mut self, number: u64, now: Duration) -> bool {
        let Some(peer) = self.peers.get_mut(&number) else { return false };
        match self.store.charge_kick(peer.id, now) {
            Some(time) => {
                peer.hold(Held::Kick);
                self.waiting.wait(number, now.saturating_add(time));
                false
            }
            None => {
                if let Some(seat) = peer.transport.seat() {
                    seat.kicked = false;
                }
                self.waiting.forget(number);
                true
            }
        }
    }

    /// Wakes a guest whose bytes have moved, and listens to its port again unless it has to wait or
    /// has more to say anyway.
    pub(super) fn settle_ring(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let stays_masked = peer.is_waiting() || peer.in_line;
        let (Some(seat), Some(guests)) = (peer.transport.seat(), &mut self.guests) else { return };
        if std::mem::take(&mut seat.moved) {
            guests.wake(seat.port);
        }
        if seat.masked && !stays_masked {
            seat.masked = false;
            guests.listen_to(seat.port);
        }
    }

    /// Tells a guest that it is no longer listened to, and why. Its watches and transactions go.
    pub(super) fn silence(&mut self, number: u64, trouble: Trouble, now: Duration) {
        let number = self.replace(number, now, |seat| {
            seat.ring.tell(trouble);
            (seat.mute, seat.moved) = (true, true);
        });
        self.touched.insert(number);
    }

    /// Empties a guest's ring and forgets what it had open; its new peer's number.
    fn begin_anew(&mut self, number: u64, change: impl FnOnce(&mut Seat), now: Duration) -> u64 {
        let number = self.replace(number, now, |seat| {
            seat.ring.reset();
            (seat.mute, seat.moved) = (false, true);
            change(seat);
        });
        self.touched.insert(number);
        number
    }

    /// Puts a new peer, of the same caller, in the place of one on a ring.
    fn replace(&mut self, number: u64, now: Duration, change: impl FnOnce(&mut Seat)) -> u64 {
        let Some(caller) = self.peers.get(&number).and_then(|peer| self.store.caller(peer.id))
        else {
            return number;
        };
        let Some(peer) = self.peers.remove(&number) else { return number };
        self.store.disconnect(peer.id);
        self.wait_no_more(number);
        let Transport::Ring(mut seat) = peer.transport else { return number };
        change(&mut seat);
        self.sit(seat, caller, now)
    }

    /// Gives a ring a peer; its number.
    pub(super) fn sit(&mut self, seat: Seat, caller: Caller, now: Duration) -> u64 {
        let id = self.store.connect(caller, Way::Ring, now);
        let number = id.number();
        if let Some(guests) = &mut self.guests {
            guests.seat(seat.port, number);
        }
        self.peers.insert(number, Peer::on_ring(seat, id));
        self.touched.insert(number);
        self.commit();
        // It is woken, and what it wrote before it was met is heard.
        self.line_up(number);
        number
    }
}
