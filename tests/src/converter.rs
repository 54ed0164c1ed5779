//! A converter that a user starts by hand, with a program behind it, and the store where it says
//! its ports.

use std::net::SocketAddr;

use nix::sys::signal::Signal;

use crate::deadline::Deadline;
use crate::proc::Process;
use crate::program::{self, Running};
use crate::world::local;
use crate::xenstored::Server;

/// How long it may take to start, and to end.
const SLOW: u64 = 30;
/// Where it publishes its ports.
const FOLDER: &str = "/local/domain/7/console";

/// A converter that runs; dropped, it is killed.
#[derive(Debug)]
pub struct Converter {
    server: Server,
    running: Running,
    /// Where its screen is.
    pub screen: SocketAddr,
    /// Where its text is.
    pub text: SocketAddr,
}

impl Converter {
    /// Starts one with a shell, on display `display` or the next that is free.
    ///
    /// # Panics
    /// When it doesn't come to publish its ports.
    #[must_use]
    pub fn start(display: u16) -> Self {
        Self::start_with(display, &["sh"])
    }

    /// Starts one with a program, on display `display` or the next that is free.
    ///
    /// # Panics
    /// When it doesn't come to publish its ports.
    #[must_use]
    pub fn start_with(display: u16, words: &[&str]) -> Self {
        let server = Server::start();
        let address = format!("127.0.0.1:{display}");
        let mut command = program::command("vncterm", ["-x", FOLDER, "-T", "-v", &address, "-c"]);
        command.args(words);
        command.env("XENSTORED_PATH", server.socket()).env("PS1", "$ ").env("TERM", "linux");
        let running = Running::start(&mut command);
        let mut store = server.store();
        let mut port = |key: &str| {
            store.wait_until(Deadline::seconds(SLOW), &format!("{FOLDER}/{key}"), |value| {
                value.and_then(|port| port.parse().ok()).map(local)
            })
        };
        let (screen, text) = (port("vnc-port"), port("tc-port"));
        Self { server, running, screen, text }
    }

    /// The process that keeps root, and reads nothing that the shell prints.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn keeper(&self) -> Process {
        Process::find(self.running.pid()).expect("the keeper runs")
    }

    /// The confined process.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn process(&self) -> Process {
        let confined = |process: &Process| {
            let status = process.status().unwrap_or_default();
            status.get("Seccomp").is_some_and(|mode| mode == "2")
        };
        let found = self.keeper().descendants().into_iter().find(confined);
        found.unwrap_or_else(|| panic!("no confined process; it said:\n{}", self.running.said()))
    }

    /// Ends it as a user does, and proves that its ports are taken back.
    ///
    /// # Panics
    /// When something is left.
    pub fn end(mut self) {
        let process = self.process();
        self.running.signal(Signal::SIGTERM);
        let status = self.running.wait(Deadline::seconds(SLOW));
        assert!(status.success(), "it ended with {status}:\n{}", self.running.said());
        assert_eq!(self.server.store().directory(FOLDER), Ok(Vec::new()), "ports left behind");
        Deadline::seconds(SLOW)
            .until("the confined process has ended", || (!process.lives()).then_some(()));
        for port in [self.screen, self.text] {
            let answer = std::net::TcpStream::connect(port);
            assert!(answer.is_err(), "somebody still listens on {port}");
        }
    }
}
