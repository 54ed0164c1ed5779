//! What a xenstored of another make has left for the program that it runs at a live update: its state,
//! in a file, and its sockets, open in this process.
//!
//! The file is not read here, for guests' bytes are in it: a confined process reads it.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;
use nix::sys::socket::sockopt::{AcceptConn, PeerCredentials};
use nix::sys::socket::{UnixAddr, getsockname, getsockopt};
use xenstore_store::Caller;

use crate::listener::RUN_FOLDER;
use crate::succession;

/// What the file is called, in the folder of the socket.
const STATE: &str = "state_dump";
/// Its handle of event channels: while it is open, nobody else gets what comes by them.
const CHANNELS: &str = "/dev/xen/evtchn";

/// What was left.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(crate) state: File,
    pub(crate) path: PathBuf,
    /// None where this process isn't the one that served.
    pub(crate) listener: Option<(OwnedFd, PathBuf)>,
    /// Clients' sockets, by the numbers that the state knows them by.
    pub(crate) clients: BTreeMap<u64, (UnixStream, Caller)>,
}

/// Why there is nothing to go on from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PredecessorError {
    #[error("open what another xenstored left in {path}")]
    State { path: PathBuf, source: io::Error },
    #[error("what is in {path} could be anybody's")]
    Anybodys { path: PathBuf },
    #[error("look at what another xenstored had open")]
    Descriptors(#[source] io::Error),
}

impl Predecessor {
    /// Finds it, and takes everything.
    pub(crate) fn find() -> Result<Self, PredecessorError> {
        let folder = env::var_os("XENSTORED_RUNDIR").unwrap_or_else(|| RUN_FOLDER.into());
        let path = Path::new(&folder).join(STATE);
        let failed = |source| PredecessorError::State { path: path.clone(), source };
        let state = File::options().read(true).custom_flags(O_NOFOLLOW).open(&path);
        let state = state.map_err(failed)?;
        let found = state.metadata().map_err(failed)?;
        if !found.is_file() || found.uid() != 0 || found.mode() & 0o022 != 0 {
            return Err(PredecessorError::Anybodys { path });
        }
        let (listener, clients) = sockets().map_err(PredecessorError::Descriptors)?;
        Ok(Self { state, path, listener, clients })
    }
}

type Sockets = (Option<(OwnedFd, PathBuf)>, BTreeMap<u64, (UnixStream, Caller)>);

/// Takes every socket that has a name which one of them is listened on by, and closes the handle of
/// event channels. What else is open was not a store's.
fn sockets() -> io::Result<Sockets> {
    let mut listener = None;
    let mut connected = Vec::new();
    for number in open_descriptors()? {
        let is_channels = fs::read_link(format!("/proc/self/fd/{number}"))
            .is_ok_and(|leads_to| leads_to == Path::new(CHANNELS));
        if is_channels {
            drop(succession::take(number)?);
            continue;
        }
        let Some(path) = name_of(number) else { continue };
        let socket = succession::take(number)?;
        match getsockopt(&socket, AcceptConn)? {
            true => listener = Some((socket, path)),
            false => connected.push((number, socket, path)),
        }
    }
    let mut clients = BTreeMap::new();
    for (number, socket, path) in connected {
        let is_client = listener.as_ref().is_some_and(|(_, name)| *name == path);
        let is_roots = getsockopt(&socket, PeerCredentials).is_ok_and(|peer| peer.uid() == 0);
        if let Ok(number) = u64::try_from(number)
            && is_client
            && is_roots
        {
            let client = UnixStream::from(socket);
            client.set_nonblocking(true)?;
            clients.insert(number, (client, Caller::Dom0));
        }
    }
    Ok((listener, clients))
}

/// The numbers of what is open beside the first three, as they are now.
fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    numbers.retain(|number| *number > 2);
    // The folder's own is not open any more.
    numbers.retain(|number| fs::read_link(format!("/proc/self/fd/{number}")).is_ok());
    Ok(numbers)
}

/// The name of a socket in the file system.
fn name_of(number: RawFd) -> Option<PathBuf> {
    Some(getsockname::<UnixAddr>(number).ok()?.path()?.to_owned())
}
