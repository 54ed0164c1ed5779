//! Fuzzes a guest that writes whatever it likes to its ring.

#![no_main]

use xenwarden_fuzz::{Counted, STORE_MEMORY_MAX, ring, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within_memory(ring, STORE_MEMORY_MAX, bytes));
