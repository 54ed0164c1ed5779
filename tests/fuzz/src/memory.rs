//! How much memory a target takes, counted where it is allocated.

#![allow(unsafe_code, reason = "an allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// What this thread holds now, and the most that it has held. What another thread frees was
    /// not counted as this one's, so the numbers wrap and are compared as differences.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counted;

fn count(bytes: isize) {
    // A thread that is ending has no numbers any more, and runs no target.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        let now = now.wrapping_add(bytes);
        held.set((now, most.max(now)));
    });
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: all of it is the system's allocator, with the very arguments that came in.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: the caller keeps dealloc's contract.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(signed(size) - signed(layout.size()));
        // SAFETY: the caller keeps realloc's contract.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Runs a target, which must not hold more than `limit` bytes at any time. Only a program whose
/// allocator is [`Counted`] sees anything.
///
/// # Panics
/// When it holds more, and when the target panics.
pub fn within_memory(target: fn(&[u8]), limit: usize, bytes: &[u8]) {
    let before = HELD.get().0;
    HELD.set((before, before));
    target(bytes);
    let most = HELD.get().1.wrapping_sub(before);
    assert!(most <= signed(limit), "{most} bytes of memory for {} of input", bytes.len());
}
