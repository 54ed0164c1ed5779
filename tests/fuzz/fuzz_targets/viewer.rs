//! Fuzzes what a viewer sends.

#![no_main]

use xenwarden_fuzz::{Counted, MEMORY_MAX, viewer, within_memory};

#[global_allocator]
static MEMORY: Counted = Counted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| within_memory(viewer, MEMORY_MAX, bytes));
