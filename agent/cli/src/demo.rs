//! `xenwarden demo`: the main job on any Linux, with no Xen.
//!
//! Our store and our agent are the real ones; what is played is the guests, their toolstack and
//! their xenconsoled. Everything is the demo's own, and goes with it.

mod daemons;
mod drawing;
mod front;
mod guest;
mod inside;
mod places;
mod pty;
mod report;
mod stage;
mod toolstack;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::agent::AgentError;
use crate::args::DemoArgs;
use crate::demo::front::Front;
pub(crate) use crate::demo::inside::GuestArgs;
use crate::demo::places::{Places, Slot};
use crate::demo::stage::Stage;
use crate::demo::toolstack::ToolstackError;

/// Guests of one demo, and so the ports that each demo has of either kind.
pub(crate) const DOMAINS_MAX: u16 = 200;

/// Why a demo doesn't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// Only root may confine converters.
    #[error("the demo needs root, because it confines its converters; try: sudo xenwarden demo")]
    NotRoot,
    /// A folder or a file in it can't be made or removed.
    #[error("cannot prepare or clear {}: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another demo is there.
    #[error("another demo runs in {}", .0.display())]
    FolderInUse(PathBuf),
    /// It would have to be removed, and no demo has made it.
    #[error("{} is no demo's: name another --dir, or remove it", .0.display())]
    FolderOfOthers(PathBuf),
    /// A socket could not be bound there.
    #[error("{} is too long a path for sockets; name a shorter --dir", .0.display())]
    PathTooLong(PathBuf),
    /// A lock can't be taken.
    #[error("cannot lock {}: {source}", path.display())]
    Lock {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Every range of user ids or ports is taken.
    #[error("every range of user ids and ports for demos is taken")]
    NoSlot,
    /// No port is left for the network front.
    #[error("no port from 8443 on is free for the network front: name one with --api")]
    NoPort,
    /// No password could be made.
    #[error("cannot hash a password: {0}")]
    Hash(String),
    /// One of our programs isn't there.
    #[error("cannot find {name} beside xenwarden nor installed; make build builds it")]
    NoProgram {
        /// Its name.
        name: String,
    },
    /// One of our programs doesn't start.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One of our programs has ended.
    #[error("{name} has ended ({how}); it said:\n  {log}")]
    Ended {
        /// Which.
        name: &'static str,
        /// How.
        how: String,
        /// Its last lines.
        log: String,
    },
    /// A program isn't there in time.
    #[error("{0} was not ready after {n} s", n = stage::READY_WAIT.as_secs())]
    NotReady(String),
    /// The agent doesn't give a guest its console.
    #[error("{name} gets no console: {why}")]
    NoConsole {
        /// The guest.
        name: String,
        /// What the agent says.
        why: String,
    },
    /// The agent doesn't do as it is asked.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The store doesn't.
    #[error(transparent)]
    Toolstack(#[from] ToolstackError),
    /// demo.json can't be made.
    #[error("cannot write demo.json: {0}")]
    Json(#[from] serde_json::Error),
    /// This side fails.
    #[error("cannot run the demo: {0}")]
    Io(#[from] io::Error),
}

/// Runs a demo until it is told to end.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, DemoError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(DemoError::NotRoot);
    }
    // One thread starts all children: a death signal comes when the thread ends that has started
    // the child, not when the process does.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(args))?;
    Ok(ExitCode::SUCCESS)
}

/// demo2's program.
pub(crate) fn draw() -> io::Result<ExitCode> {
    drawing::draw()?;
    Ok(ExitCode::SUCCESS)
}

/// The process that becomes a guest.
pub(crate) fn become_guest(args: &GuestArgs) -> io::Result<ExitCode> {
    inside::become_guest(args)
}

async fn play(args: &DemoArgs) -> Result<(), DemoError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let ends = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    };
    tokio::pin!(ends);

    let slot = Slot::take(args.domains)?;
    let places = Places::make(args.dir.as_deref())?;
    let front = Front::choose(args.api)?;
    let result = tokio::select! {
        set = Stage::set(&places, &slot, front) => match set {
            Ok(mut stage) => {
                let result = tokio::select! {
                    result = perform(&mut stage, args) => result,
                    () = &mut ends => Ok(()),
                };
                stage.clear().await;
                result
            }
            Err(error) => Err(error),
        },
        () = &mut ends => Ok(()),
    };
    places.clean_up()?;
    result
}

/// The whole piece: until its time is over, or something fails.
async fn perform(stage: &mut Stage<'_>, args: &DemoArgs) -> Result<(), DemoError> {
    stage.register(args).await?;
    stage.start_guests().await?;
    let guests = stage.consoles().await?;
    stage.announce(&guests)?;
    match args.seconds {
        Some(seconds) => {
            let over = tokio::time::sleep(Duration::from_secs(seconds));
            tokio::select! {
                result = stage.keep_up() => result,
                () = over => Ok(()),
            }
        }
        None => stage.keep_up().await,
    }
}
