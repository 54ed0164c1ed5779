//! Fuzzes what a peer sends to the store.

#![no_main]

use xenwarden_fuzz::{Counted, STORE_MEMORY_MAX, wire, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within_memory(wire, STORE_MEMORY_MAX, bytes));
