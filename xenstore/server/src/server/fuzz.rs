//! What the fuzz targets do with their bytes: a guest that writes them to its ring, and a store that
//! goes on from them.
//!
//! Each panics where something is broken that must hold whatever the bytes are. The wire's decoder
//! has a target of its own, which needs no server.

use std::time::Duration;

use xenstore_hypervisor::fake::{Guest, Word};
use xenstore_store::{Life, Store};
use xenstore_wire::Operation;

use super::world::{Speaker, World};

/// Every word of the page, for a guest to write to.
const WORDS: [Word; 7] = [
    Word::RequestConsumer,
    Word::RequestProducer,
    Word::ResponseConsumer,
    Word::ResponseProducer,
    Word::Features,
    Word::Connection,
    Word::Error,
];
/// The liar, and the guest that must not notice it.
const BAD: u16 = 5;
const GOOD: u16 = 6;
/// In one input the store's process is killed so often, and the guest dies: both take their time.
const ENDS_MAX: usize = 4;
/// The kind of the entries that are the store's own records.
const ENTRY_KIND_STORE: u8 = 1;

/// A guest writes to its ring's page whatever it likes, in any order, and kicks when it likes; the
/// store's process may be killed meanwhile. Another guest and dom0 are served as ever.
pub fn ring(bytes: &[u8]) {
    let mut world = World::new();
    let mut good = world.guest(GOOD);
    assert_eq!(world.ask(&mut good, "WRITE data/x|1"), "OK|");
    let mut bad = world.guest(BAD);
    let mut script = Script(bytes);
    let mut ends_left = ENDS_MAX;
    while let Some(step) = script.byte() {
        act(step, &mut script, &mut world, &mut bad, &mut ends_left);
        world.run();
    }
    // Whatever it did, time heals: nobody is in its debt, and the books are right.
    world.pass(Duration::from_secs(60));
    assert_eq!(world.ask(&mut good, "READ data/x|"), "1");
    assert_eq!(world.dom0("READ /local/domain/6/data/x|"), "1");
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
    world.kill();
    assert_eq!(world.ask(&mut good, "READ data/x|"), "1");
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
}

/// One step, by the lower bits of its byte.
fn act(
    step: u8,
    script: &mut Script<'_>,
    world: &mut World,
    bad: &mut Speaker<Guest>,
    ends_left: &mut usize,
) {
    let end = &bad.end;
    match step & 0x0f {
        0..=2 => drop(end.write(script.take(usize::from(step >> 4) * 8 + 1))),
        3 | 4 => drop(end.write(&request(step >> 4, script))),
        5 => {
            let word = WORDS.get(usize::from(step >> 4)).unwrap_or(&Word::RequestProducer);
            // Near what is there, or anywhere.
            let value = match script.byte().unwrap_or_default() {
                near if near < 128 => end.word(*word).wrapping_add(u32::from(near)),
                far if far < 192 => end.word(*word).wrapping_sub(u32::from(far - 128)),
                _ => script.word(),
            };
            end.set(*word, value);
        }
        6 => end.scribble(script.word(), script.byte().unwrap_or_default()),
        7 => drop(end.read()),
        8 => world.pass(Duration::from_millis(u64::from(step >> 4) * 40)),
        // It is told of what others do, where it watches.
        9 => drop(world.dom0("WRITE /local/domain/5/data/x|from dom0")),
        10 => drop(world.introduce(bad)),
        11 if *ends_left > 0 => {
            *ends_left -= 1;
            match step >> 4 {
                0 => {
                    world.machine.set_life(bad.end.domain(), Life::Gone);
                    world.run();
                    *bad = world.guest(BAD);
                }
                1 => world.machine.set_life(bad.end.domain(), Life::ShutDown(world.identity())),
                _ => world.kill(),
            }
        }
        _ => end.kick(),
    }
}

/// A request whose header is right, of any operation: else a script had to guess at lengths.
fn request(transaction: u8, script: &mut Script<'_>) -> Vec<u8> {
    let choice = usize::from(script.byte().unwrap_or_default());
    let operation = Operation::ALL.get(choice % Operation::ALL.len());
    let number = operation.map_or(u32::MAX, |operation| operation.number());
    let length = usize::from(script.byte().unwrap_or_default());
    let payload = script.take(length);
    let length = u32::try_from(payload.len()).unwrap_or_default();
    let header = [number, 7, u32::from(transaction), length];
    header.iter().flat_map(|field| field.to_le_bytes()).chain(payload.iter().copied()).collect()
}

/// What an earlier store seems to have left: as it is, or, where the first byte is odd, pieces with
/// lengths that fit. It is refused, or as good as any other.
pub fn ledger(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let left = if first % 2 == 1 { fitted(rest) } else { rest.to_vec() };
    let Ok(mut world) = World::going_on(&left) else { return };
    let image = world.server.store.image();
    let again = Store::restore(&image, 2).expect("what a store has written down is read");
    assert!(again.image() == image, "a store that was restored is another one");
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
    assert_eq!(world.dom0("WRITE /tool/x|1"), "OK|");
    world.kill();
    assert_eq!(world.dom0("CONTROL check|"), "OK|");
    assert_eq!(world.dom0("READ /tool/x|"), "1");
}

/// Entries of a ledger from pieces: a kind, a peer, a length, and bytes. Each of the store's own is
/// one record: a kind, and fields.
fn fitted(bytes: &[u8]) -> Vec<u8> {
    let mut script = Script(bytes);
    let mut left = Vec::new();
    while let Some(kind) = script.byte() {
        let peer = u64::from(script.byte().unwrap_or_default());
        let length = usize::from(script.byte().unwrap_or_default());
        let mut piece = script.take(length).to_vec();
        if kind == ENTRY_KIND_STORE && !piece.is_empty() {
            let fields = u32::try_from(piece.len() - 1).unwrap_or_default();
            piece.splice(1..1, fields.to_le_bytes());
        }
        left.push(kind);
        left.extend(u32::try_from(piece.len()).unwrap_or_default().to_le_bytes());
        left.extend(peer.to_le_bytes());
        left.extend(piece);
    }
    left
}

/// Bytes that are used up from the front.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Four bytes, or as many as there are.
    fn word(&mut self) -> u32 {
        self.take(4).iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
    }
}
