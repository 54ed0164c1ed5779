//! What a kernel may do to a call that moves bytes, done when a test asks for it: it is interrupted, or
//! moves fewer bytes than it could.
//!
//! Each thread has its own, and the server has one thread.

use std::cell::Cell;
use std::io;

/// What befalls the next calls.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// So many of them are interrupted.
    interrupted: u32,
    /// So many after these move this many bytes at most.
    short: u32,
    bytes: usize,
}

thread_local! {
    static FAULTS: Cell<Faults> = const { Cell::new(Faults { interrupted: 0, short: 0, bytes: 0 }) };
}

/// Has the next calls be interrupted, and further ones move few bytes.
pub(crate) fn befall(interrupted: u32, short: u32, bytes: usize) {
    FAULTS.set(Faults { interrupted, short, bytes });
}

/// How many bytes a call that could move `length` moves at most.
pub(crate) fn suffer(length: usize) -> io::Result<usize> {
    let mut faults = FAULTS.get();
    let suffered = match faults {
        Faults { interrupted: 0, short: 0, .. } => Ok(length),
        Faults { interrupted: 0, bytes, .. } => {
            faults.short -= 1;
            Ok(length.min(bytes.max(1)))
        }
        Faults { .. } => {
            faults.interrupted -= 1;
            Err(io::ErrorKind::Interrupted.into())
        }
    };
    FAULTS.set(faults);
    suffered
}
