//! The store's end of a guest's ring: bytes in, bytes out, and the words beside them.
//!
//! Nothing in the page is believed. The guest's index of each direction is read once and compared
//! before it is used; bytes are copied out before anybody looks at them; and the store's own indices
//! are kept here, where the guest can't reach them: what the page says of these is only written.

use std::iter;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::page::{Page, RING_BYTES};

/// `XENSTORE_CONNECTED`.
const CONNECTED: u32 = 0;
/// `XENSTORE_RECONNECT`.
const RECONNECT: u32 = 1;
/// `XENSTORE_ERROR_NONE`.
const NO_ERROR: u32 = 0;
/// What unused room is filled with: no message begins so.
const UNUSED: u8 = 0xff;

/// A ring that is mapped.
#[derive(Debug)]
pub struct Ring {
    page: Page,
    /// How far the store has read, counted freely.
    consumed: u32,
    /// How far the store has written, counted freely.
    produced: u32,
}

/// A guest's index is further from the store's than a ring is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest's index is outside its ring")]
pub struct Broken;

/// Why a guest's connection was given up, as the page's error word says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// `XENSTORE_ERROR_COMM`: it can't be talked to, as it takes in nothing.
    Communication,
    /// `XENSTORE_ERROR_RINGIDX`: an index is outside its ring.
    Indices,
    /// `XENSTORE_ERROR_PROTO`: what it says are no messages.
    Protocol,
}

impl From<Broken> for Trouble {
    fn from(_: Broken) -> Self {
        Self::Indices
    }
}

impl Trouble {
    fn word(self) -> u32 {
        match self {
            Self::Communication => 1,
            Self::Indices => 2,
            Self::Protocol => 3,
        }
    }
}

impl Ring {
    /// Takes a ring where it stands: at its beginning, or where an earlier store has left it. The
    /// guest sees which `XENSTORE_SERVER_FEATURE_*` it is offered.
    #[must_use]
    pub fn take(page: Page, features: u32) -> Self {
        let interface = page.interface();
        let consumed = interface.request_consumer.load(Ordering::Relaxed);
        let produced = interface.response_producer.load(Ordering::Relaxed);
        interface.features.store(features, Ordering::Relaxed);
        interface.error.store(NO_ERROR, Ordering::Relaxed);
        let mut ring = Self { page, consumed, produced };
        // Who waits for a store, or asked an earlier one to begin anew, is told that it may begin.
        if ring.wants_reconnection() {
            ring.reset();
        }
        ring
    }

    /// How far the store has read and written.
    #[must_use]
    pub fn indices(&self) -> (u32, u32) {
        (self.consumed, self.produced)
    }

    /// Goes on where an earlier store stood, whatever the page says of that.
    pub fn resume(&mut self, consumed: u32, produced: u32) {
        (self.consumed, self.produced) = (consumed, produced);
        let interface = self.page.interface();
        interface.request_consumer.store(consumed, Ordering::Release);
        interface.response_producer.store(produced, Ordering::Release);
    }

    /// True when there is something to receive, or a lie to be found out.
    #[must_use]
    pub fn has_requests(&self) -> bool {
        self.page.interface().request_producer.load(Ordering::Relaxed) != self.consumed
    }

    /// Takes all bytes that the guest has written, at most a whole ring; says how many.
    pub fn receive(&mut self, into: &mut Vec<u8>) -> Result<usize, Broken> {
        self.receive_noted(into, |_| ())
    }

    /// Takes all bytes, and has them noted before the guest is told that they are taken.
    pub fn receive_noted(
        &mut self,
        into: &mut Vec<u8>,
        note: impl FnOnce(&[u8]),
    ) -> Result<usize, Broken> {
        let interface = self.page.interface();
        // Read once. Acquire: the bytes before it are the guest's by then.
        let producer = interface.request_producer.load(Ordering::Acquire);
        let length = within_a_ring(producer.wrapping_sub(self.consumed))?;
        let places = places(&interface.requests, self.consumed);
        let before = into.len();
        into.extend(places.take(length).map(|byte| byte.load(Ordering::Relaxed)));
        note(into.get(before..).unwrap_or_default());
        self.consumed = producer;
        // Release: the guest may write there only after the bytes were read.
        interface.request_consumer.store(producer, Ordering::Release);
        Ok(length)
    }

    /// Writes as many of the bytes as there is room for; says how many.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.send_noted(bytes, |_| ())
    }

    /// Writes bytes, and has it noted how many before the guest is told that they are there.
    pub fn send_noted(&mut self, bytes: &[u8], note: impl FnOnce(usize)) -> Result<usize, Broken> {
        let interface = self.page.interface();
        // Read once. Acquire: what is written to was read by then.
        let consumer = interface.response_consumer.load(Ordering::Acquire);
        let unread = within_a_ring(self.produced.wrapping_sub(consumer))?;
        let mut sent = 0_u32;
        let places = places(&interface.responses, self.produced).take(RING_BYTES - unread);
        for (place, byte) in places.zip(bytes) {
            place.store(*byte, Ordering::Relaxed);
            sent += 1;
        }
        self.produced = self.produced.wrapping_add(sent);
        note(within_a_ring(sent)?);
        // Release: the bytes are there before the guest is told so.
        interface.response_producer.store(self.produced, Ordering::Release);
        within_a_ring(sent)
    }

    /// True when the guest wants to begin anew.
    #[must_use]
    pub fn wants_reconnection(&self) -> bool {
        self.page.interface().connection.load(Ordering::Acquire) == RECONNECT
    }

    /// Empties both directions and lets the guest begin anew.
    pub fn reset(&mut self) {
        (self.consumed, self.produced) = (0, 0);
        let interface = self.page.interface();
        for byte in interface.requests.iter().chain(&interface.responses) {
            byte.store(UNUSED, Ordering::Relaxed);
        }
        let indices: [&AtomicU32; 4] = [
            &interface.request_consumer,
            &interface.request_producer,
            &interface.response_consumer,
            &interface.response_producer,
        ];
        for index in indices {
            index.store(0, Ordering::Relaxed);
        }
        interface.error.store(NO_ERROR, Ordering::Relaxed);
        // Last: the guest goes on when it sees this.
        interface.connection.store(CONNECTED, Ordering::Release);
    }

    /// Tells the guest why it is no longer listened to.
    pub fn tell(&self, trouble: Trouble) {
        self.page.interface().error.store(trouble.word(), Ordering::Release);
    }
}

/// A distance between indices, as a number of bytes; refused where it can't be true.
fn within_a_ring(distance: u32) -> Result<usize, Broken> {
    usize::try_from(distance).ok().filter(|distance| *distance <= RING_BYTES).ok_or(Broken)
}

/// The places of a ring from an index on, once around.
fn places(ring: &[AtomicU8; RING_BYTES], from: u32) -> impl Iterator<Item = &AtomicU8> {
    // The remainder of any index is below the length of the ring.
    let start = usize::try_from(from).map_or(0, |from| from % RING_BYTES);
    let (before, after) = ring.split_at(start);
    iter::chain(after, before)
}

#[cfg(all(test, feature = "fake"))]
mod tests;
