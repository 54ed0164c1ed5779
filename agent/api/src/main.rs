//! xenwarden-api: the network front. TLS, HTTP, the Management API's calls and its consoles.
//!
//! It reads what anybody sends, so it is confined before it does, and knows nothing: every answer
//! comes from the agent, by the session that a client names.

mod agent;
mod confinement;
mod console;
mod head;
mod http;
mod pages;
mod records;
mod relay;
mod request;
mod rpc;
mod serve;
mod settings;
mod tls;
mod upgrade;
mod value;
mod viewer;
mod websocket;
mod world;
mod xml;

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::task::LocalSet;

use crate::confinement::ConfinementError;
use crate::settings::{Settings, SettingsError};
use crate::tls::TlsError;

const USAGE: &str = "\
The network front of xenwarden: the Management API and its consoles, over TLS.

Usage: xenwarden-api [--config FILE]

  --config FILE  the configuration [default: /etc/xenwarden/xenwarden.toml]
  --help         this text
  --version      the version

It starts as root, reads its certificate, and becomes the user of [agent] user.
Exit: 0 good, 1 failed, 2 wrong usage.
";

/// The exit code of a wrong command line.
const WRONG_USAGE: u8 = 2;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Why the program ends without having served.
#[derive(Debug, thiserror::Error)]
enum MainError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("xenwarden-api starts as root, to read its certificate and give root up")]
    NotRoot,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("listen at {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    #[error("start the runtime")]
    Runtime(#[source] std::io::Error),
}

fn main() -> ExitCode {
    let config = match parse(lexopt::Parser::from_env()) {
        Ok(Some(config)) => config,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => return complain(&error, WRONG_USAGE),
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, 1),
    }
}

/// The configuration's path, where there is something to be done; none is the installed one.
fn parse(mut words: lexopt::Parser) -> Result<Option<Option<PathBuf>>, lexopt::Error> {
    let mut config = None;
    while let Some(word) = words.next()? {
        match word {
            lexopt::Arg::Long("config") => config = Some(words.value()?.into()),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(None);
            }
            lexopt::Arg::Long("version") => {
                println!("xenwarden-api {}", env!("CARGO_PKG_VERSION"));
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(config))
}

fn run(config: Option<PathBuf>) -> Result<(), MainError> {
    let settings = Settings::load(config)?;
    if !nix::unistd::geteuid().is_root() {
        return Err(MainError::NotRoot);
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    let tls = tls::acceptor(&settings)?;
    let address = settings.listen;
    let listener = listen(address).map_err(|source| MainError::Listen { address, source })?;
    // From here on nothing is read but what clients send.
    let (confined, listener) = confinement::enter(&settings, listener)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(MainError::Runtime)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "xenwarden-api is ready");
    let served =
        LocalSet::new().block_on(&runtime, serve::serve(&confined, listener, tls, settings));
    served.map_err(MainError::Runtime)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // Listening again only sets the length of the queue (listen(2)).
    let backlog = nix::sys::socket::Backlog::new(BACKLOG)?;
    nix::sys::socket::listen(&listener, backlog)?;
    // What it accepts inherits it: a viewer that has silently gone is found out.
    setsockopt(&listener, sockopt::KeepAlive, &true)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Writes an error and its causes on one line.
fn complain(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let line = causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"));
    eprintln!("xenwarden-api: {line}");
    ExitCode::from(code)
}
