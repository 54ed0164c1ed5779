//! Converters: one confined process for each console, started, kept and adopted here.
//!
//! One task keeps one converter from its start to its end; it takes [`Command`]s and tells what
//! happens. When a converter is wanted is decided by the host.

use std::os::fd::OwnedFd;

use restrict::Property;
use tokio::sync::{mpsc, oneshot};
use vncterm_control::{Farewell, Reading, Refusal, State, Viewer};
use vncterm_launch::Terminal;

use crate::console::Console;
use crate::domain::{Failure, Served};
use crate::effect::Ports;
use crate::host::Life;

mod adopt;
mod end;
mod keeper;
mod launch;
mod link;
mod log;
mod manifest;
mod site;
mod watched;

pub(crate) use adopt::{Found, Survivor, find_survivors};
pub(crate) use keeper::keep;
pub(crate) use launch::Assignment;
use launch::Identity;
use manifest::remove_files;
pub(crate) use site::{Site, SiteError};

/// What happened to a converter.
#[derive(Debug)]
pub(crate) enum Report {
    /// It is confined and attested, and reads its console.
    Started {
        /// Its ports.
        ports: Ports,
        /// Its process.
        pid: i32,
    },
    /// It could not be started; nothing of it is left.
    NotStarted {
        /// What that means.
        failure: Failure,
        /// What failed, as one line.
        why: String,
    },
    /// This tty of it has hung up.
    TtyLost(Terminal),
    /// It did not take a new tty.
    TtyNotTaken {
        /// What that means.
        failure: Failure,
        /// What failed, as one line.
        why: String,
    },
    /// It was attested again.
    Attested {
        /// Whether every property holds.
        holds: bool,
    },
    /// It has ended.
    Ended {
        /// How long it served.
        served: Served,
        /// How it ended, as one line.
        how: String,
        /// Whether it ended as it was told to, or as it may by itself.
        expected: bool,
    },
}

/// What a keeper is told, or asked.
#[derive(Debug)]
pub(crate) enum Command {
    /// Hand the converter another tty.
    HandTty(Console),
    /// Say what viewers call the console from now on.
    Rename(String),
    /// End it.
    Stop(Farewell),
    /// Say how it is; none when it doesn't answer.
    State(oneshot::Sender<Option<State>>),
    /// Say what its screen shows.
    Thumbnail(oneshot::Sender<Option<String>>),
    /// Hand it a viewer.
    View(Viewer, OwnedFd, oneshot::Sender<Result<(), NoViewer>>),
    /// Hand it a viewer of text that goes on at a position.
    Read(u64, OwnedFd, oneshot::Sender<Result<Reading, NoViewer>>),
    /// Attest it again.
    Attest(oneshot::Sender<Vec<Property>>),
}

/// Why a converter has not taken a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoViewer {
    /// It said no.
    Refused(Refusal),
    /// It does not answer, or is not there any more.
    Silent,
}

/// One converter, as the agent holds it.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    commands: mpsc::UnboundedSender<Command>,
}

impl Keeper {
    /// A keeper, and where its task hears of commands.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, incoming) = mpsc::unbounded_channel();
        (Self { commands }, incoming)
    }

    /// Gives a command; one to a converter that has ended is void, as its end is reported.
    pub(crate) fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Asks, and waits for the answer; none where there is no converter any more.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.command(question(sender));
        answer.await.ok()
    }
}

/// Where a keeper's reports go.
pub(crate) type Reports = mpsc::UnboundedSender<(Life, Report)>;
