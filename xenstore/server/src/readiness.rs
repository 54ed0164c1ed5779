//! Tells systemd that clients can connect now: `sd_notify(3)`, by hand.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;

/// Nobody could be told.
#[derive(Debug, thiserror::Error)]
#[error("tell {path:?} that the service is ready")]
pub(crate) struct ReadinessError {
    path: std::ffi::OsString,
    source: io::Error,
}

/// Says so to whoever started the process, where the environment names a socket for it.
pub(crate) fn announce() -> Result<(), ReadinessError> {
    let Some(path) = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    tell(&path).map_err(|source| ReadinessError { path, source })
}

fn tell(path: &OsStr) -> io::Result<()> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let message = format!("READY=1\nMAINPID={}", process::id());
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}
