//! The demo's network front: where it listens, and who may log in.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use nix::fcntl::Flock;
use uuid::Uuid;

use crate::demo::DemoError;
use crate::demo::places::lock;

/// Where it listens, or at one of the next ports.
const PORT: u16 = 8443;
/// Ports that are tried.
const PORTS: u16 = 100;
/// Characters of a password: more than anybody guesses in the life of a demo.
const PASSWORD_CHARACTERS: usize = 12;

/// What clients need to know of it.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) address: SocketAddr,
    pub(super) user: &'static str,
    pub(super) password: String,
    /// Another demo that looks for a port meanwhile finds this one taken.
    pub(super) _lock: Option<Flock<File>>,
}

impl Front {
    /// Chooses an address that is free now, and a password.
    pub(super) fn choose(wanted: Option<SocketAddr>) -> Result<Self, DemoError> {
        let (address, lock) = match wanted {
            Some(address) => (address, None),
            None => next_free()?,
        };
        let mut password = Uuid::new_v4().simple().to_string();
        password.truncate(PASSWORD_CHARACTERS);
        Ok(Self { address, user: "demo", password, _lock: lock })
    }

    /// The agent's file of users.
    pub(super) fn users(&self) -> Result<String, DemoError> {
        let hash = Argon2::default().hash_password(self.password.as_bytes());
        let hash = hash.map_err(|error| DemoError::Hash(error.to_string()))?;
        Ok(format!("{}:admin:{hash}\n", self.user))
    }

    /// The API's URL.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

/// The first port that nobody listens at and no other demo is about to.
fn next_free() -> Result<(SocketAddr, Option<Flock<File>>), DemoError> {
    for port in PORT..PORT + PORTS {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if let Some(lock) = lock(&format!("port-{port}"))?
            && TcpListener::bind(address).is_ok()
        {
            return Ok((address, Some(lock)));
        }
    }
    Err(DemoError::NoPort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_demos_choose_two_ports() {
        let (one, other) =
            (Front::choose(None).expect("a port"), Front::choose(None).expect("one"));
        assert_ne!(one.address, other.address);
        assert_ne!(one.password, other.password);
    }
}
