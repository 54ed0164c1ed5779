//! Fuzzes what an earlier store seems to have left.

#![no_main]

use xenwarden_fuzz::{Counted, STORE_MEMORY_MAX, ledger, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within_memory(ledger, STORE_MEMORY_MAX, bytes));
