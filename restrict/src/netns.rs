//! One empty network namespace, kept by a descriptor, for every confined process to join.
//!
//! A namespace of its own for each costs the kernel about 200 KB and a millisecond. Nothing in an
//! empty one can be reached, neither from it nor by one process in it from another: they cannot
//! open sockets. A listener that was handed in keeps the namespace in which it was made.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sched::{CloneFlags, unshare};

/// The namespace could not be had.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The thread that makes it could not be started, or has panicked.
    #[error("start a thread to make a network namespace")]
    Thread(#[source] io::Error),
    /// It could not be made.
    #[error("make a network namespace")]
    Unshare(#[source] io::Error),
    /// It could not be opened.
    #[error("open the new network namespace")]
    Open(#[source] io::Error),
    /// Its interfaces could not be listed.
    #[error("list the interfaces of the new network namespace")]
    List(#[source] io::Error),
    /// It is not empty.
    #[error("the new network namespace has {0}, where nothing but a loopback that is down belongs")]
    NotEmpty(String),
}

/// Makes a network namespace with nothing in it but a loopback that is down.
///
/// It lives as long as the descriptor, or a process that has joined it. This process stays in its
/// own: a thread makes it, and ends.
pub fn empty_network() -> Result<OwnedFd, NetworkError> {
    let made = std::thread::Builder::new()
        .name("empty-network".to_owned())
        .spawn(make_in_this_thread)
        .map_err(NetworkError::Thread)?;
    made.join().unwrap_or_else(|_| Err(NetworkError::Thread(io::ErrorKind::Other.into())))
}

fn make_in_this_thread() -> Result<OwnedFd, NetworkError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| NetworkError::Unshare(errno.into()))?;
    let namespace = File::open("/proc/thread-self/ns/net").map_err(NetworkError::Open)?;
    refuse_interfaces()?;
    Ok(namespace.into())
}

/// Some hosts have fallback tunnels appear in each namespace (net.core.fb_tunnels_only_for_init_net).
fn refuse_interfaces() -> Result<(), NetworkError> {
    let interfaces = getifaddrs().map_err(|errno| NetworkError::List(errno.into()))?;
    for interface in interfaces {
        let up = interface.flags.contains(InterfaceFlags::IFF_UP);
        if interface.interface_name != "lo" || up {
            return Err(NetworkError::NotEmpty(interface.interface_name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawn::FileId;

    #[test]
    fn the_empty_network_is_another_one_each_time_and_never_its_makers() {
        assert!(nix::unistd::geteuid().is_root(), "making a network namespace needs root");
        let of = |file: &OwnedFd| FileId::of(file).unwrap();
        let this = || FileId::of(File::open("/proc/thread-self/ns/net").unwrap()).unwrap();
        let before = this();
        let (first, second) = (empty_network().unwrap(), empty_network().unwrap());
        assert_ne!(of(&first), of(&second));
        assert_ne!(of(&first), before);
        assert_eq!(this(), before);
    }
}
