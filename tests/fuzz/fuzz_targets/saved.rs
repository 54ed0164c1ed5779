//! Fuzzes a saved screen.

#![no_main]

use xenwarden_fuzz::{Counted, SAVED_MEMORY_MAX, saved, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within_memory(saved, SAVED_MEMORY_MAX, bytes));
