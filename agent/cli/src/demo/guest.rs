//! A simulated guest and its xenconsoled: a program on a terminal of its own, and the pty that
//! stands for its Xen console, with bytes carried between the two.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, fchown, read, write};
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, sleep_until};

use crate::demo::inside::{GuestArgs, die_with_parent};
use crate::demo::pty::{Pty, polled};

/// Bytes carried at a time.
const CHUNK: usize = 4096;

/// Output that waits for a reader of the console.
const PENDING_MAX: usize = 64 * 1024;

/// How long a guest stands still because nobody reads its console. After that the oldest output
/// is thrown away, as xenconsoled does, and the guest runs on.
const STALL: Duration = Duration::from_secs(1);

/// Before a program that has ended is started again.
const RESTART: Duration = Duration::from_secs(1);

/// The host's side of a guest: what xenconsoled holds, and what runs in the guest.
#[derive(Debug)]
pub(super) struct Guest {
    console: AsyncFd<OwnedFd>,
    // Kept open, as xenconsoled does: readers come and go.
    _slave: std::fs::File,
    tty: String,
    args: GuestArgs,
    uid: u32,
}

impl Guest {
    /// A guest whose console has its pty, and that doesn't run yet.
    pub(super) fn new(args: GuestArgs, uid: u32) -> io::Result<Self> {
        let Pty { master, slave, name } = Pty::raw()?;
        Ok(Self { console: polled(master)?, _slave: slave, tty: name, args, uid })
    }

    /// What xenconsoled writes as the console's tty.
    pub(super) fn tty(&self) -> &str {
        &self.tty
    }

    /// Runs the guest's program, again whenever it has ended, for ever.
    pub(super) async fn run(self) -> io::Result<()> {
        let mut pending = VecDeque::new();
        loop {
            let (terminal, mut child) = self.start()?;
            carry(&terminal, &self.console, &mut pending).await?;
            child.kill().await?;
            sleep(RESTART).await;
        }
    }

    fn start(&self) -> io::Result<(AsyncFd<OwnedFd>, Child)> {
        let Pty { master, slave, .. } = Pty::cooked()?;
        fchown(&slave, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.uid)))?;
        let mut command = Command::new(own_program()?);
        command
            .arg0("xenwarden")
            .args(self.args.words())
            .stdin(Stdio::from(slave.try_clone()?))
            .stdout(Stdio::from(slave.try_clone()?))
            .stderr(Stdio::from(slave))
            .kill_on_drop(true)
            .process_group(0);
        let child = spawn_bound(command)?;
        Ok((polled(master)?, child))
    }
}

/// This program, even if its file was replaced meanwhile.
pub(super) fn own_program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// Starts a child that dies with this process.
#[allow(unsafe_code, reason = "the death signal is set between fork and exec")]
pub(super) fn spawn_bound(mut command: Command) -> io::Result<Child> {
    // SAFETY: the closure makes one system call; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(die_with_parent) };
    command.spawn()
}

/// Carries bytes both ways until the guest's terminal has hung up: its program has ended.
async fn carry(
    guest: &AsyncFd<OwnedFd>,
    console: &AsyncFd<OwnedFd>,
    pending: &mut VecDeque<u8>,
) -> io::Result<()> {
    let mut typed: VecDeque<u8> = VecDeque::new();
    let mut full_since: Option<Instant> = None;
    let mut overflows = false;
    loop {
        let is_full = pending.len() >= PENDING_MAX;
        if !is_full {
            full_since = None;
        } else if full_since.is_none() {
            full_since = Some(Instant::now());
        }
        let stalled_at = full_since.map(|since| since + STALL);
        tokio::select! {
            ready = guest.readable(), if !is_full || overflows => {
                let mut chunk = [0; CHUNK];
                match ready?.try_io(|guest| Ok(read(guest.get_ref(), &mut chunk)?)) {
                    Err(_would_block) => {}
                    Ok(Ok(0)) => return Ok(()),
                    Ok(Err(error)) if has_hung_up(&error) => return Ok(()),
                    Ok(Err(error)) => return Err(error),
                    Ok(Ok(count)) => {
                        pending.extend(chunk.iter().take(count));
                        let surplus = pending.len().saturating_sub(PENDING_MAX + CHUNK);
                        pending.drain(..surplus);
                    }
                }
            }
            ready = console.writable(), if !pending.is_empty() => {
                let result = ready?.try_io(|console| Ok(write(console.get_ref(), front(pending))?));
                if let Ok(written) = result {
                    pending.drain(..written?);
                    overflows = false;
                }
            }
            ready = console.readable(), if typed.is_empty() => {
                let mut chunk = [0; CHUNK];
                if let Ok(count) = ready?.try_io(|console| Ok(read(console.get_ref(), &mut chunk)?)) {
                    typed.extend(chunk.iter().take(count?));
                }
            }
            ready = guest.writable(), if !typed.is_empty() => {
                match ready?.try_io(|guest| Ok(write(guest.get_ref(), front(&typed))?)) {
                    Err(_would_block) => {}
                    Ok(Err(error)) if has_hung_up(&error) => return Ok(()),
                    Ok(written) => drop(typed.drain(..written?)),
                }
            }
            () = sleep_until(stalled_at.unwrap_or_else(Instant::now)), if stalled_at.is_some() && !overflows => {
                overflows = true;
            }
        }
    }
}

fn front(bytes: &VecDeque<u8>) -> &[u8] {
    bytes.as_slices().0
}

fn has_hung_up(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EIO as i32)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    #[test]
    fn bytes_cross_both_ways_and_a_hang_up_ends_it() {
        runtime().block_on(async {
            let (own, console) = (Pty::raw().expect("a pty"), Pty::raw().expect("a pty"));
            let mut reader = console.slave;
            let mut program = own.slave;
            let task = tokio::spawn(async move {
                let guest = polled(own.master).expect("a pty can be polled");
                let console = polled(console.master).expect("a pty can be polled");
                carry(&guest, &console, &mut VecDeque::new()).await
            });
            let there_and_back = tokio::task::spawn_blocking(move || {
                let mut buffer = [0; 5];
                program.write_all(b"hello").expect("the guest prints");
                reader.read_exact(&mut buffer).expect("the console shows it");
                assert_eq!(&buffer, b"hello");
                reader.write_all(b"world").expect("the user types");
                program.read_exact(&mut buffer).expect("the guest reads it");
                assert_eq!(&buffer, b"world");
                reader
            });
            let _kept_open = there_and_back.await.expect("both ways");
            // The program's end of its terminal is closed now.
            task.await.expect("no panic").expect("no error");
        });
    }

    #[test]
    fn a_guest_that_nobody_reads_runs_on_and_its_last_output_is_kept() {
        runtime().block_on(async {
            let (own, console) = (Pty::raw().expect("a pty"), Pty::raw().expect("a pty"));
            let mut program = own.slave;
            let _kept_open = console.slave;
            let printed = tokio::task::spawn_blocking(move || {
                let line = [b'x'; 1000];
                for _ in 0..200 {
                    program.write_all(&line).expect("the guest prints on");
                }
                program.write_all(b"last").expect("the guest prints on");
            });
            let guest = polled(own.master).expect("a pty can be polled");
            let console = polled(console.master).expect("a pty can be polled");
            let mut pending = VecDeque::new();
            carry(&guest, &console, &mut pending).await.expect("no error");
            printed.await.expect("all was taken");
            let kept: Vec<u8> = pending.into_iter().collect();
            assert!(kept.len() <= PENDING_MAX + 2 * CHUNK, "{}", kept.len());
            assert!(kept.ends_with(b"last"));
        });
    }
}
