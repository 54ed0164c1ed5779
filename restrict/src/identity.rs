//! The user and group ids that a confined process may have: never root's, never a reserved one.
//!
//! Which id belongs to which domain is not here: that is [`crate::UidRange`].

use std::fmt;

/// `nobody` and the kernel's overflow id: what unmappable ids are shown as.
const OVERFLOW_ID: u32 = 65_534;
/// "No id" in sixteen bits, which older interfaces read as -1.
const NO_ID_16: u32 = 65_535;
/// "No id": `setresuid` reads it as "leave as it is", so it would keep root.
const NO_ID: u32 = u32::MAX;

/// An id that no confined process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Zero: the id is root's.
    #[error("id 0 is root's, which no confined process may have")]
    Root,
    /// One of the ids that stand for "no id" or "nobody".
    #[error("id {0} is reserved for \"no id\" and \"nobody\"")]
    Reserved(u32),
}

fn admit(id: u32) -> Result<u32, IdentityError> {
    match id {
        0 => Err(IdentityError::Root),
        OVERFLOW_ID | NO_ID_16 | NO_ID => Err(IdentityError::Reserved(id)),
        plain => Ok(plain),
    }
}

/// A user id without privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(u32);

/// A group id without privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gid(u32);

impl Uid {
    /// This id, unless it is root's or reserved.
    pub fn new(id: u32) -> Result<Self, IdentityError> {
        admit(id).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl Gid {
    /// This id, unless it is root's or reserved.
    pub fn new(id: u32) -> Result<Self, IdentityError> {
        admit(id).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// The group of the same number: every confined user has a group of its own.
impl From<Uid> for Gid {
    fn from(uid: Uid) -> Self {
        Self(uid.0)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_root_and_the_ids_that_mean_nobody() {
        assert_eq!(Uid::new(0), Err(IdentityError::Root));
        assert_eq!(Gid::new(0), Err(IdentityError::Root));
        for id in [65_534, 65_535, u32::MAX] {
            assert_eq!(Uid::new(id), Err(IdentityError::Reserved(id)));
            assert_eq!(Gid::new(id), Err(IdentityError::Reserved(id)));
        }
    }

    #[test]
    fn a_group_has_its_users_number() {
        let uid = Uid::new(1_879_048_199).unwrap();
        assert_eq!(Gid::from(uid).number(), uid.number());
    }
}
