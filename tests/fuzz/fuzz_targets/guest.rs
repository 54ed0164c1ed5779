//! Fuzzes what a guest prints.

#![no_main]

use xenwarden_fuzz::{Counted, MEMORY_MAX, guest, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within_memory(guest, MEMORY_MAX, bytes));
