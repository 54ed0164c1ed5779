//! A converter's own log: lines from a pipe, escaped and bounded, as it has read guest bytes.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep_until;

use super::watched::watch;

/// Bytes of a line that are logged.
const LINE_MAX: usize = 512;
/// Lines that are logged in a while, and how long that is: a converter has little to say.
const LINES_MAX: u32 = 20;
const LINES_WHILE: Duration = Duration::from_secs(60);

/// The agent's end of the pipe.
#[derive(Debug)]
pub(super) struct Log {
    pipe: AsyncFd<OwnedFd>,
    line: Vec<u8>,
    lines: u32,
    since: Instant,
}

/// A pipe for a converter: the agent's end, and the converter's.
///
/// The converter's end reads as well as writes: so it is never a pipe that nobody reads, and what
/// the converter says while there is no agent waits for the next one instead of failing.
pub(super) fn pipe() -> io::Result<(Log, OwnedFd)> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let end = format!("/proc/self/fd/{}", theirs.as_raw_fd());
    let both_ways = File::options().read(true).write(true).open(end)?;
    Ok((Log::new(ours)?, both_ways.into()))
}

impl Log {
    fn new(pipe: OwnedFd) -> io::Result<Self> {
        let pipe = watch(pipe, Interest::READABLE)?;
        Ok(Self { pipe, line: Vec::new(), lines: 0, since: Instant::now() })
    }

    /// The log of a converter that another agent started.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        Self::at(Path::new(&format!("/proc/{pid}/fd/2")))
    }

    /// The log behind a name that a converter may have given to another file of its own: its
    /// console must neither be read here nor become this process's terminal.
    fn at(path: &Path) -> io::Result<Self> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let end = File::options().read(true).custom_flags(flags).open(path)?;
        if !end.metadata()?.file_type().is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no pipe"));
        }
        Self::new(end.into())
    }

    /// Waits for the next line that may be logged. It never ends by itself.
    pub(super) async fn line(&mut self) -> String {
        loop {
            while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                let line = std::mem::replace(&mut self.line, rest);
                if self.may_log() {
                    return shown(line.strip_suffix(b"\n").unwrap_or(&line));
                }
            }
            if self.line.len() >= LINE_MAX {
                let line = std::mem::take(&mut self.line);
                if self.may_log() {
                    return shown(&line);
                }
            }
            if self.lines > LINES_MAX {
                // What it says beyond that waits in the pipe; nobody works for it meanwhile.
                sleep_until((self.since + LINES_WHILE).into()).await;
            }
            if self.since.elapsed() > LINES_WHILE {
                (self.lines, self.since) = (0, Instant::now());
            }
            let mut bytes = [0; LINE_MAX];
            let read = self
                .pipe
                .async_io(Interest::READABLE, |pipe| Ok(nix::unistd::read(pipe, &mut bytes)?));
            match read.await {
                Ok(0) | Err(_) => std::future::pending::<()>().await,
                Ok(length) => self.line.extend_from_slice(bytes.get(..length).unwrap_or_default()),
            }
        }
    }

    fn may_log(&mut self) -> bool {
        self.lines += 1;
        self.lines <= LINES_MAX
    }
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().take(LINE_MAX).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn lines_are_escaped_and_bounded() {
        let (mut log, theirs) = pipe().unwrap();
        let mut theirs = File::from(theirs);
        theirs.write_all(b"vncterm: \x1b]0;x\xff\n").unwrap();
        theirs.write_all(&[b'y'; 3 * LINE_MAX]).unwrap();
        assert_eq!(log.line().await, "vncterm: \\u{1b}]0;x\u{fffd}");
        assert!(log.line().await.len() <= 2 * LINE_MAX);
    }

    #[tokio::test]
    async fn a_flood_of_lines_is_cut() {
        let (mut log, theirs) = pipe().unwrap();
        File::from(theirs).write_all("x\n".repeat(1000).as_bytes()).unwrap();
        for _ in 0..LINES_MAX {
            assert_eq!(log.line().await, "x");
        }
        let more = tokio::time::timeout(Duration::from_millis(20), log.line()).await;
        assert!(more.is_err());
    }

    #[tokio::test]
    async fn only_a_pipe_is_a_log() {
        let (_log, theirs) = pipe().unwrap();
        let end = format!("/proc/self/fd/{}", theirs.as_raw_fd());
        assert!(Log::at(Path::new(&end)).is_ok());
        for other in ["/dev/ptmx", "/dev/null", "/proc/self/stat"] {
            assert!(Log::at(Path::new(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn writing_never_fails_for_want_of_a_reader() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let guard = runtime.enter();
        let (log, theirs) = pipe().unwrap();
        drop(log);
        drop(guard);
        File::from(theirs).write_all(b"nobody listens\n").unwrap();
    }
}
