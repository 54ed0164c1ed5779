//! Replays what the fuzzers found worth keeping, with the limits on memory and time.
//!
//! `FUZZ_CORPUS` names another folder with a corpus for each target: all that a fuzzer has found. The
//! limit on time is meant for `--release`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use xenwarden_fuzz::{Counted, TARGETS, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

/// What a target may take beside the time for its bytes: beginning, and looking at the result.
const BESIDE: Duration = Duration::from_millis(20);

/// A byte's time on a quiet machine is 1 us with optimisation; a debug build takes many times that.
const PER_BYTE: Duration =
    if cfg!(debug_assertions) { Duration::from_micros(60) } else { Duration::from_micros(1) };

/// Bytes so many that what is beside them does not count, as far as a debug build has time for.
const MANY: usize = if cfg!(debug_assertions) { 10_000 } else { 200_000 };

/// This thread's own time: others use the machine too.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a thread has a clock").into()
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = std::env::var_os("FUZZ_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"),
        |folder| Path::new(&folder).to_owned(),
    );
    let folder = folder.join(name);
    let entries = fs::read_dir(&folder).expect("each target has a corpus");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        (path.display().to_string(), fs::read(&path).expect("a file of the corpus"))
    };
    entries.map(read).collect()
}

#[test]
fn every_corpus_replays_within_its_limits() {
    for (name, target, memory_max) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has an empty corpus");
        for (path, bytes) in corpus {
            let start = now();
            within_memory(target, memory_max, &bytes);
            let length = u32::try_from(bytes.len()).expect("a small file");
            let took = now() - start;
            assert!(took <= BESIDE + PER_BYTE * length, "{path}: {took:?} for {length} bytes");
        }
    }
}

#[test]
fn what_a_corpus_holds_again_and_again_takes_no_more_memory_and_a_microsecond_a_byte() {
    for (name, target, memory_max) in [TARGETS[0], TARGETS[2]] {
        for (path, bytes) in corpus(name).into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let many: Vec<u8> = bytes.iter().copied().cycle().take(MANY).collect();
            let start = now();
            within_memory(target, memory_max, &many);
            let took = now() - start;
            let length = u32::try_from(many.len()).expect("few enough");
            // A guest's bytes are taken twice by its target.
            assert!(took <= BESIDE + PER_BYTE * 2 * length, "{path}: {took:?} for {length} bytes");
        }
    }
}
