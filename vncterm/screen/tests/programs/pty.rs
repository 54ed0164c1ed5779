//! A program that runs on a pty, with this crate's screen as its terminal.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use tempfile::TempDir;
use vncterm_screen::Screen;

pub(crate) const COLUMNS: u16 = 80;
pub(crate) const ROWS: u16 = 24;

/// How long a program may take to show something, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program and its terminal.
pub(crate) struct Program {
    pub(crate) screen: Screen,
    child: Child,
    terminal: File,
    /// Its user's folder, for what programs keep.
    _home: TempDir,
    /// What it has printed since something was last typed.
    pub(crate) since: Vec<u8>,
}

impl Program {
    /// Starts one of a Debian package's programs.
    pub(crate) fn start(package: &str, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).expect("a pty");
        let home = TempDir::new().expect("a temporary folder");
        let end = |slave: &OwnedFd| Stdio::from(slave.try_clone().expect("a descriptor"));
        // It makes the pty the program's controlling terminal.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("LANG", "C.UTF-8")
            .env("HOME", home.path())
            .envs(variables.iter().copied())
            .stdin(end(&slave))
            .stdout(end(&slave))
            .stderr(end(&slave))
            .spawn()
            .unwrap_or_else(|error| panic!("setsid and {package} are needed: {error}"));
        let screen = Screen::new(COLUMNS, ROWS, 64);
        Self { screen, child, terminal: File::from(master), _home: home, since: Vec::new() }
    }

    /// Types bytes.
    pub(crate) fn type_bytes(&mut self, bytes: &[u8]) {
        self.since.clear();
        self.terminal.write_all(bytes).expect("the program reads");
    }

    /// Shows what the program prints, and answers it, until it is as wanted.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Screen, &[u8]) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(&self.screen, &self.since) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} on:\n{}", self.screen.text());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut polled = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
            if poll(&mut polled, timeout).expect("the terminal is waited for") == 0 {
                continue;
            }
            let mut buffer = [0; 4096];
            let length = match self.terminal.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("ended ({error}) without {what}:\n{}", self.screen.text()),
            };
            let bytes = &buffer[..length];
            self.screen.feed(bytes);
            self.since.extend_from_slice(bytes);
            while let Some(reply) = self.screen.take_reply() {
                self.terminal.write_all(&reply).expect("the program reads");
            }
        }
    }

    /// Waits for a text on the screen.
    pub(crate) fn shows(&mut self, text: &str) {
        self.until(text, |screen, _| screen.text().contains(text));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Closing its terminal ends what runs in it; `setsid` waits for that and ends too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
