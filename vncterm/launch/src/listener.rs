//! Listeners on loopback, at the first free port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use nix::sys::socket::{setsockopt, sockopt};

/// How many ports are tried: as many domains as a host has names for.
const PORTS_TRIED: u16 = 32_752;

/// A listener that only this host can reach.
#[derive(Debug)]
pub struct Listener {
    /// The listening socket: non-blocking, without delay for what it accepts.
    pub socket: OwnedFd,
    /// Its port.
    pub port: u16,
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is not loopback's.
    #[error("listen on {0}: not a loopback address")]
    NotLoopback(Ipv4Addr),
    /// Every port that was tried is taken.
    #[error("listen on {0}: no free port from {1} on")]
    NoFreePort(Ipv4Addr, u16),
    /// The system refused.
    #[error("listen on {address} port {port}")]
    Refused {
        /// The address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
        /// The cause.
        source: io::Error,
    },
    /// The socket is bound elsewhere than was asked.
    #[error("listen on {address} port {port}: the socket is bound to {found}")]
    Elsewhere {
        /// The address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
        /// What getsockname says.
        found: SocketAddr,
    },
}

/// Listens on `address` at `first` or the next free port.
///
/// What getsockname says is compared with what was asked: a console is never served beyond this
/// host, whatever a packet filter would do about it.
pub fn listen(address: Ipv4Addr, first: u16) -> Result<Listener, ListenError> {
    if !address.is_loopback() {
        return Err(ListenError::NotLoopback(address));
    }
    for port in (first..=u16::MAX).take(usize::from(PORTS_TRIED)) {
        match TcpListener::bind((address, port)) {
            Ok(listener) => return prepare(listener, address, port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(ListenError::Refused { address, port, source }),
        }
    }
    Err(ListenError::NoFreePort(address, first))
}

fn prepare(listener: TcpListener, address: Ipv4Addr, port: u16) -> Result<Listener, ListenError> {
    let refused = |source| ListenError::Refused { address, port, source };
    let found = listener.local_addr().map_err(refused)?;
    if found != SocketAddr::from((address, port)) {
        return Err(ListenError::Elsewhere { address, port, found });
    }
    listener.set_nonblocking(true).map_err(refused)?;
    // What a listener has, the sockets that it accepts have too; a converter may set little.
    setsockopt(&listener, sockopt::TcpNoDelay, &true).map_err(|errno| refused(errno.into()))?;
    Ok(Listener { socket: listener.into(), port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn takes_the_next_port_when_the_first_is_taken() {
        let first = listen(Ipv4Addr::LOCALHOST, 21_000).unwrap();
        let second = listen(Ipv4Addr::LOCALHOST, first.port).unwrap();
        assert!(second.port > first.port);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, second.port)).is_ok());
    }

    #[test]
    fn refuses_every_address_but_loopback() {
        for address in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 1)] {
            assert!(matches!(listen(address, 5900), Err(ListenError::NotLoopback(_))));
        }
    }
}
