//! The socket that clients connect to, and who they are.
//!
//! What they may do is for the store to say.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{self, Path, PathBuf};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, getsockopt, listen, socket,
    sockopt::PeerCredentials,
};
use xenstore_store::Caller;

use crate::options::UidRange;

/// Where clients look when their environment says nothing.
pub(crate) const RUN_FOLDER: &str = "/run/xenstored";

/// A socket that has its name and refuses everybody still; its file goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Named {
    socket: OwnedFd,
    file: SocketFile,
    uids: Option<UidRange>,
}

/// A listening socket; its file goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    file: SocketFile,
    uids: Option<UidRange>,
}

/// A socket's name; it goes when it is dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

/// Why there is no socket to connect to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenerError {
    #[error("find the folder that {path} is meant from")]
    Relative { path: PathBuf, source: io::Error },
    #[error("make the folder {path}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("{path} is there, and is no socket")]
    NoSocket { path: PathBuf },
    #[error("{path} is served by another process")]
    Served { path: PathBuf },
    #[error("look at {path}")]
    Look { path: PathBuf, source: io::Error },
    #[error("remove the stale socket {path}")]
    Remove { path: PathBuf, source: io::Error },
    #[error("listen on {path}")]
    Listen { path: PathBuf, source: io::Error },
}

/// The socket's path as clients find it, absolute: the daemon leaves the folder it is started in.
pub(crate) fn path_from_environment() -> Result<PathBuf, ListenerError> {
    let path = match (env::var_os("XENSTORED_PATH"), env::var_os("XENSTORED_RUNDIR")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(folder)) => Path::new(&folder).join("socket"),
        (None, None) => Path::new(RUN_FOLDER).join("socket"),
    };
    path::absolute(&path).map_err(|source| ListenerError::Relative { path, source })
}

impl Named {
    /// Takes a path, which a server that is no more may have left a socket on.
    pub(crate) fn bind(path: &Path, uids: Option<UidRange>) -> Result<Self, ListenerError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)
            .map_err(|source| ListenerError::Folder { path: folder.to_owned(), source })?;
        remove_stale(path)?;
        let failed = |source| ListenerError::Listen { path: path.to_owned(), source };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let bound = socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .and_then(|socket| bind_to(path, socket));
        let named = Self {
            socket: bound.map_err(|errno| failed(errno.into()))?,
            file: SocketFile(path.to_owned()),
            uids,
        };
        open_to(path, uids).map_err(failed)?;
        Ok(named)
    }

    /// Lets clients connect.
    pub(crate) fn listen(self) -> Result<Listener, ListenerError> {
        listen(&self.socket, Backlog::MAXCONN).map_err(|errno| ListenerError::Listen {
            path: self.file.0.clone(),
            source: errno.into(),
        })?;
        Ok(Listener { socket: self.socket.into(), file: self.file, uids: self.uids })
    }
}

/// Anybody may knock where users are domains; who comes in is seen at accept.
fn open_to(path: &Path, uids: Option<UidRange>) -> io::Result<()> {
    let mode = if uids.is_some() { 0o666 } else { 0o600 };
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn bind_to(path: &Path, socket: OwnedFd) -> nix::Result<OwnedFd> {
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
}

impl Listener {
    /// The socket that the program before listened on.
    pub(crate) fn inherit(socket: OwnedFd, path: PathBuf, uids: Option<UidRange>) -> Self {
        // Somebody may have removed the name: those who are connected are served all the same.
        if let Err(error) = open_to(&path, uids) {
            eprintln!("xenstored: open {} to clients: {error}", path.display());
        }
        Self { socket: socket.into(), file: SocketFile(path), uids }
    }

    /// Where clients look for it.
    pub(crate) fn path(&self) -> &Path {
        &self.file.0
    }

    /// Takes the next connection in line, with whom it belongs to; nobody when it is closed at
    /// once. A full process or system is an error, and so is an empty line.
    pub(crate) fn accept(&self) -> io::Result<Option<(UnixStream, Caller)>> {
        let (stream, _) = self.socket.accept()?;
        let Some(caller) = self.caller(&stream) else { return Ok(None) };
        stream.set_nonblocking(true)?;
        Ok(Some((stream, caller)))
    }

    /// Root is dom0, a user of the range is its domain, and nobody else is anybody.
    fn caller(&self, stream: &UnixStream) -> Option<Caller> {
        match getsockopt(stream, PeerCredentials).ok()?.uid() {
            0 => Some(Caller::Dom0),
            uid => self.uids?.domain(uid).map(Caller::Domain),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing depends on it: the next server removes what is left.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> Result<(), ListenerError> {
    let owned = || path.to_owned();
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => (),
        Ok(_) => return Err(ListenerError::NoSocket { path: owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ListenerError::Look { path: owned(), source }),
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenerError::Served { path: owned() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| ListenerError::Remove { path: owned(), source })
        }
        Err(source) => Err(ListenerError::Look { path: owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_removed_and_a_served_one_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run/socket");
        let named = Named::bind(&path, None).expect("a free path");
        assert!(UnixStream::connect(&path).is_err(), "nobody is served yet");
        let first = named.listen().expect("it listens");
        let again = Named::bind(&path, None);
        assert!(matches!(again, Err(ListenerError::Served { .. })), "{again:?}");
        drop(first);
        assert!(!path.exists());

        drop(UnixListener::bind(&path).expect("a free path"));
        assert!(path.exists());
        Named::bind(&path, None).expect("a stale socket");
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        fs::write(&path, "precious").expect("a file");
        let refused = Named::bind(&path, None);
        assert!(matches!(refused, Err(ListenerError::NoSocket { .. })), "{refused:?}");
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
    }
}
