//! Clients on sockets: taken in at the door, and watched for what they can take and give.
//!
//! Who may come in was decided at the door.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use xenstore_store::{Caller, Way};

use super::{Go, Server};
use crate::handover::Arrival;
use crate::peer::Peer;
use crate::transport::Transport;
use crate::wakeups::Interest;

/// Connections that are taken in at once, before those that are there get their turn.
const KNOCKS: usize = 64;
/// Connections that users may have who are one domain: a device model, a converter and their kin.
const DOMAIN_CONNECTIONS_MAX: usize = 32;

impl Server {
    /// Takes in those who knock. With no room left, nobody is listened to until somebody leaves:
    /// a full process would else be woken again and again. Where nobody will come any more, there
    /// is nothing left to serve for.
    pub(super) fn take_in(&mut self, now: Duration) -> Go {
        for _ in 0..KNOCKS {
            let Some(door) = &self.door else { break };
            match door.accept() {
                Ok(Arrival::Client(stream, caller, parents)) => {
                    self.welcome(stream, caller, parents, now);
                }
                // Nothing was asked that could be granted or refused.
                Ok(
                    Arrival::Nobody | Arrival::AllThere | Arrival::Granted | Arrival::Refused(_),
                ) => (),
                Ok(Arrival::End) => return Go::Stop,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    // Who knocked has left already, or was disturbed.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => (),
                    io::ErrorKind::ConnectionReset => return Go::Stop,
                    _ => {
                        self.listen(false);
                        break;
                    }
                },
            }
        }
        Go::On
    }

    pub(super) fn welcome(
        &mut self,
        stream: UnixStream,
        caller: Caller,
        parents: Option<u64>,
        now: Duration,
    ) {
        if let Some(domain) = caller.limited()
            && self.store.connections_of(domain) >= DOMAIN_CONNECTIONS_MAX
        {
            let _ = stream.shutdown(Shutdown::Both);
            self.let_go.extend(parents);
            return;
        }
        let id = self.store.connect(caller, Way::Socket, now);
        match self.wakeups.add_peer(&stream, id.number(), Interest::READ) {
            Ok(()) => {
                let mut peer = Peer::on_socket(stream, id);
                peer.parents = parents;
                self.peers.insert(id.number(), peer);
                self.touched.insert(id.number());
                self.commit();
            }
            Err(_) => {
                let _ = stream.shutdown(Shutdown::Both);
                self.let_go.extend(parents);
                self.store.disconnect(id);
            }
        }
    }

    pub(super) fn listen(&mut self, listening: bool) {
        let Some(door) = self.door.as_ref().filter(|_| self.listening != listening) else {
            return;
        };
        let changed = match listening {
            true => self.wakeups.add_door(door),
            false => self.wakeups.remove_door(door),
        };
        if changed.is_ok() {
            self.listening = listening;
        }
    }

    /// Has the kernel wake us for what the client can do next.
    pub(super) fn settle_socket(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let wanted = peer.wanted_interest();
        if let Transport::Socket(socket) = &peer.transport
            && wanted != peer.interest
        {
            match self.wakeups.change_peer(socket, number, wanted) {
                Ok(()) => peer.interest = wanted,
                Err(_) => self.close(number),
            }
        }
    }
}
