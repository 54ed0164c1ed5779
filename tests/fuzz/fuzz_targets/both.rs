//! Fuzzes guest and viewer in turn.

#![no_main]

use xenwarden_fuzz::{Counted, MEMORY_MAX, both, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within_memory(both, MEMORY_MAX, bytes));
