//! A console without an agent: opens what a converter needs, starts one, and tidies up after it.
//!
//! This process keeps root and reads no byte that a guest printed: the converter does, confined.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::geteuid;
use vncterm_control::Start;
use vncterm_launch::{Disbelief, ListenError, Listener, Terminal, listen};

use crate::args::{Afterwards, Source, StandAlone};
use crate::command::{self, CommandError, Repeated};
use crate::keeper::{Keeper, KeeperError, Parts};
use crate::ports::{self, PublishError, Published, tell_state_file};
use crate::say::say;
use crate::state_file;

/// The first ports, of display number 0.
const RFB_PORT: u16 = 5900;
const TEXT_PORT: u16 = 9500;

/// The user id of the console at the first port. Those at later ports have later ones, so that no
/// two consoles share one, though all may have asked for the same display number.
const FIRST_UID: u32 = 1_879_113_728;

/// The largest saved screen that is loaded.
const SAVED_MAX: u64 = 1 << 20;

/// Why there is no console, or how it went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StandAloneError {
    /// Only root can give privileges up.
    #[error("it has to start as root, to give up more than that for the console")]
    NotRoot,
    /// The tty that was named is none.
    #[error("open {0}")]
    Tty(String, #[source] Disbelief),
    /// The command does not run.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The saved screen can't be read.
    #[error("read the saved screen {path}")]
    Load {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No place for the screen.
    #[error("make room for the screen")]
    Screen(#[source] io::Error),
    /// The store.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The converter.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Serves a console until it ends, or this process is told to.
pub(crate) fn run(wanted: StandAlone) -> Result<(), StandAloneError> {
    if !geteuid().is_root() {
        return Err(StandAloneError::NotRoot);
    }
    let rfb = listen(wanted.address, RFB_PORT + wanted.display)?;
    let text =
        if wanted.text { Some(listen(wanted.address, TEXT_PORT + wanted.display)?) } else { None };
    let screen = screen_memory(wanted.load)?;
    let tty = open_source(&wanted.source, wanted.xenstore.as_deref(), wanted.size)?;
    let start = Start {
        uuid: [0; 16],
        uid: wanted.uid.unwrap_or(FIRST_UID + u32::from(rfb.port - RFB_PORT)),
        title: wanted.title,
        columns: wanted.size.0,
        rows: wanted.size.1,
        resize: wanted.resize,
        // It ends with this process, and with its tty unless another may come.
        orphan_s: 0,
        tty_wait_s: match wanted.afterwards {
            Afterwards::End => 0,
            Afterwards::Stay | Afterwards::Restart => u32::MAX,
        },
        rfb: true,
        text: text.is_some(),
        lock: false,
        pty: false,
    };
    let ports = (rfb.port, text.as_ref().map(|listener| listener.port));
    let text_listener = text.map(|Listener { socket, .. }| socket);
    let parts = Parts { tty, rfb_listener: rfb.socket, text_listener, screen };
    let keeper = Keeper::start(&start, parts)?;
    say(serving(wanted.address, ports));
    let published = match &wanted.xenstore {
        Some(folder) => Some(Published::publish(folder, ports)?),
        None => None,
    };
    let folder = wanted.xenstore.as_deref();
    let saved = |saved: &File| keep_state(saved, folder);
    let outcome = match (&wanted.source, wanted.afterwards) {
        (Source::Command(words), Afterwards::Restart) => {
            keeper.wait(Some(Repeated::new(words, wanted.size)), saved)
        }
        (_, Afterwards::Restart | Afterwards::End | Afterwards::Stay) => keeper.wait(None, saved),
    };
    let taken_back = published.map_or(Ok(()), Published::take_back);
    outcome?;
    Ok(taken_back?)
}

/// Keeps a copy of the saved screen, and tells where. What goes wrong is said, and ends nothing.
fn keep_state(saved: &File, folder: Option<&str>) {
    match state_file::keep(saved) {
        Ok(path) => {
            let path = path.display().to_string();
            say(format_args!("vncterm: the screen is saved in {path}"));
            if let Some(Err(error)) = folder.map(|folder| tell_state_file(folder, &path)) {
                say(format_args!("vncterm: tell where the screen is saved: {error}"));
            }
        }
        Err(error) => say(format_args!("vncterm: keep the saved screen: {error}")),
    }
}

/// Where viewers find the console.
fn serving(address: Ipv4Addr, (rfb, text): (u16, Option<u16>)) -> String {
    let text = text.map(|port| format!(", plain text at {address}:{port}"));
    format!("vncterm: RFB at {address}:{rfb}{}", text.unwrap_or_default())
}

fn open_source(
    source: &Source,
    folder: Option<&str>,
    size: (u16, u16),
) -> Result<OwnedFd, StandAloneError> {
    match source {
        // The child is reaped with this process; its end is heard through the pty.
        Source::Command(words) => Ok(command::run(words, size)?.1),
        Source::Pty(path) => {
            let refused = |error| StandAloneError::Tty(path.display().to_string(), error);
            Terminal::parse(path.as_os_str().as_encoded_bytes())
                .and_then(Terminal::open)
                .map_err(refused)
        }
        Source::Xenstore => Ok(ports::wait_for_tty(folder.unwrap_or_default())?),
    }
}

/// The screen lives in memory, with what was saved in it.
fn screen_memory(load: Option<PathBuf>) -> Result<OwnedFd, StandAloneError> {
    let memory = memfd_create(c"screen", MFdFlags::MFD_CLOEXEC)
        .map_err(|errno| StandAloneError::Screen(errno.into()))?;
    let mut memory = File::from(memory);
    if let Some(path) = load {
        let mut saved = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(SAVED_MAX).read_to_end(&mut saved))
            .map_err(|source| StandAloneError::Load { path, source })?;
        memory.write_all(&saved).map_err(StandAloneError::Screen)?;
    }
    Ok(memory.into())
}
