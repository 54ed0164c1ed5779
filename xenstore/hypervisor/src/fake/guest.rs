//! The guest's end of a ring: honest where a test wants it so, and a liar where it doesn't.
//!
//! It writes whatever it is told to wherever it is told to; that is what guests can do.

use std::sync::atomic::{AtomicU32, Ordering};

use xenstore_wire::DomainId;

use super::{GUEST_PORT, Machine};
use crate::page::{Interface, Page, RING_BYTES};

/// A word of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// How far the store has read.
    RequestConsumer,
    /// How far the guest has written.
    RequestProducer,
    /// How far the guest has read.
    ResponseConsumer,
    /// How far the store has written.
    ResponseProducer,
    /// What the store offers.
    Features,
    /// Whether the guest wants to begin anew.
    Connection,
    /// Why it is no longer listened to.
    Error,
}

/// A domain that runs on a [`Machine`], with a mapping of its own of its ring.
#[derive(Debug)]
pub struct Guest {
    machine: Machine,
    domain: DomainId,
    page: Page,
}

impl Word {
    fn of(self, interface: &Interface) -> &AtomicU32 {
        match self {
            Self::RequestConsumer => &interface.request_consumer,
            Self::RequestProducer => &interface.request_producer,
            Self::ResponseConsumer => &interface.response_consumer,
            Self::ResponseProducer => &interface.response_producer,
            Self::Features => &interface.features,
            Self::Connection => &interface.connection,
            Self::Error => &interface.error,
        }
    }
}

impl Guest {
    pub(super) fn new(machine: Machine, domain: DomainId, page: Page) -> Self {
        Self { machine, domain, page }
    }

    /// Its number.
    #[must_use]
    pub fn domain(&self) -> DomainId {
        self.domain
    }

    /// Its end of the channel, as INTRODUCE names it.
    #[must_use]
    pub fn port(&self) -> u32 {
        GUEST_PORT
    }

    /// A word of the page as it is now.
    #[must_use]
    pub fn word(&self, word: Word) -> u32 {
        word.of(self.page.interface()).load(Ordering::Acquire)
    }

    /// Writes a word of the page, whoever it is meant for.
    pub fn set(&self, word: Word, value: u32) {
        word.of(self.page.interface()).store(value, Ordering::Release);
    }

    /// How many bytes the store has room for.
    #[must_use]
    pub fn room(&self) -> usize {
        let producer = self.word(Word::RequestProducer);
        let unread = producer.wrapping_sub(self.word(Word::RequestConsumer));
        RING_BYTES.saturating_sub(usize::try_from(unread).unwrap_or(RING_BYTES))
    }

    /// Writes bytes that the store has room for, without waking it; says how many.
    pub fn write(&self, bytes: &[u8]) -> usize {
        let producer = self.word(Word::RequestProducer);
        let room = self.room();
        let mut written = 0_u32;
        for byte in bytes.iter().take(room) {
            self.scribble(producer.wrapping_add(written), *byte);
            written += 1;
        }
        self.set(Word::RequestProducer, producer.wrapping_add(written));
        bytes.len().min(room)
    }

    /// Writes one byte of the requests, at an index that nobody has to agree with.
    pub fn scribble(&self, index: u32, byte: u8) {
        let at = usize::try_from(index).map_or(0, |index| index % RING_BYTES);
        if let Some(place) = self.page.interface().requests.get(at) {
            place.store(byte, Ordering::Relaxed);
        }
    }

    /// Wakes the store.
    pub fn kick(&self) {
        self.machine.kick(self.domain, GUEST_PORT);
    }

    /// Takes the bytes that the store has written, without telling it.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        let producer = self.word(Word::ResponseProducer);
        let mut consumer = self.word(Word::ResponseConsumer);
        let mut bytes = Vec::new();
        while consumer != producer && bytes.len() < RING_BYTES {
            let at = usize::try_from(consumer).map_or(0, |index| index % RING_BYTES);
            let byte = self.page.interface().responses.get(at);
            bytes.extend(byte.map(|byte| byte.load(Ordering::Relaxed)));
            consumer = consumer.wrapping_add(1);
        }
        self.set(Word::ResponseConsumer, consumer);
        bytes
    }

    /// How often the store has woken it.
    #[must_use]
    pub fn woken(&self) -> u64 {
        self.machine.notified(self.domain)
    }
}
