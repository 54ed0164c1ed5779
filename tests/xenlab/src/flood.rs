//! A hostile guest's part: asks its store for as much as it can, without waiting for answers.
//!
//! It runs in the guest, through the kernel's device; what comes of it is seen in the control domain.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Where a guest's programs reach its store.
const DEVICE: &str = "/dev/xen/xenbus";
/// Requests that are under way at a time: the guest's kernel has no bound of its own, but memory.
const UNDER_WAY: u64 = 512;
/// Transactions at a time: fewer than a domain may have, since the guest's own kernel needs one to
/// answer the toolstack, and doesn't ask again.
const TRANSACTIONS: u64 = 4;
/// xs_wire.h: READ, DIRECTORY and WRITE. (For a watch the kernel itself waits.)
const REQUESTS: [(u32, &[u8]); 3] = [(2, b"name\0"), (1, b"data\0"), (11, b"data/flood\0x")];
/// TRANSACTION_START and TRANSACTION_END.
const START: u32 = 6;
const END: u32 = 7;
/// Four numbers of 32 bits: what, the request's number, the transaction, the payload's size.
const HEADER_BYTES: usize = 16;
/// Answers are read in pieces of this.
const PIECE_BYTES: usize = 16 * 1024;

/// Floods the store for so many seconds, and says what was asked and answered.
pub(crate) fn run(seconds: u64) -> ExitCode {
    println!("flooding");
    let device =
        OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(DEVICE);
    match device.and_then(|device| Flood::of(device).go_on(Duration::from_secs(seconds))) {
        Ok(flood) => {
            println!("flooded: {} asked, {} answered", flood.asked, flood.answered);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("flood {DEVICE}: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Flood {
    device: File,
    asked: u64,
    answered: u64,
    /// Transactions that are open, or asked for.
    transactions: u64,
    /// What has come, and is no whole answer yet.
    came: Vec<u8>,
}

impl Flood {
    fn of(device: File) -> Self {
        Self { device, asked: 0, answered: 0, transactions: 0, came: Vec::new() }
    }

    fn go_on(mut self, time: Duration) -> io::Result<Self> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            while self.asked - self.answered < UNDER_WAY {
                self.ask_something()?;
            }
            let mut ready = [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, PollTimeout::from(1000_u16)) {
                Ok(_) | Err(Errno::EINTR) => self.hear()?,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(self)
    }

    fn ask_something(&mut self) -> io::Result<()> {
        if self.transactions < TRANSACTIONS {
            self.transactions += 1;
            return self.ask(START, 0, b"\0");
        }
        for (kind, payload) in REQUESTS {
            self.ask(kind, 0, payload)?;
        }
        Ok(())
    }

    fn ask(&mut self, kind: u32, transaction: u32, payload: &[u8]) -> io::Result<()> {
        let size = u32::try_from(payload.len()).unwrap_or_default();
        let header = [kind, 0, transaction, size].map(u32::to_le_bytes);
        self.asked += 1;
        // The kernel takes a message whole.
        self.device.write_all(&[header.concat().as_slice(), payload].concat())
    }

    fn hear(&mut self) -> io::Result<()> {
        let mut piece = [0; PIECE_BYTES];
        match self.device.read(&mut piece) {
            Ok(size) => self.came.extend(piece.iter().take(size)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(error) => return Err(error),
        }
        let came = std::mem::take(&mut self.came);
        let mut rest = came.as_slice();
        while let Some((kind, payload, after)) = split(rest) {
            rest = after;
            self.answered += 1;
            match (kind, transaction(payload)) {
                (START, Some(number)) => self.ask(END, number, b"F\0")?,
                (END, _) => self.transactions -= 1,
                _ => (),
            }
        }
        self.came = rest.to_vec();
        Ok(())
    }
}

/// The first answer, what it is and its payload, and what comes after it.
fn split(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let field = |at: usize| {
        let bytes = header.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let size = usize::try_from(field(12)?).ok()?;
    let (payload, after) = rest.split_at_checked(size)?;
    Some((field(0)?, payload, after))
}

/// The number of the transaction that was opened.
fn transaction(payload: &[u8]) -> Option<u32> {
    str::from_utf8(payload).ok()?.trim_end_matches('\0').parse().ok()
}
