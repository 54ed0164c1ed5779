//! References of the Management API: `OpaqueRef:` and a uuid that tells nothing.
//!
//! Two types, as they are two things: the name of an object, and the secret that is a session.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What every reference begins with.
const PREFIX: &str = "OpaqueRef:";

/// A text that is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no reference")]
pub struct NoReference;

/// The uuid of a reference's text, in the one form that is given out.
fn parse(text: &str) -> Result<Uuid, NoReference> {
    let uuid = text.strip_prefix(PREFIX).ok_or(NoReference)?;
    // `Uuid` reads other forms of the same number as well.
    let parsed = Uuid::try_parse(uuid).map_err(|_| NoReference)?;
    if parsed.hyphenated().to_string() == uuid { Ok(parsed) } else { Err(NoReference) }
}

/// The name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Reference(Uuid);

impl Reference {
    /// The reference of the object of a class that has this uuid. Who doesn't know `secret` can't
    /// tell it.
    #[must_use]
    pub fn of(secret: Uuid, class: &str, uuid: Uuid) -> Self {
        let name = [class.as_bytes(), b"/", uuid.as_bytes().as_slice()].concat();
        Self(Uuid::new_v5(&secret, &name))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.hyphenated())
    }
}

impl FromStr for Reference {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        parse(text).map(Self)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl TryFrom<String> for Reference {
    type Error = NoReference;

    fn try_from(text: String) -> Result<Self, NoReference> {
        text.parse()
    }
}

/// A session: whoever has this is who logged in. It never reaches a log; its [`SessionKey::hash`]
/// may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SessionKey(Uuid);

/// Namespace of sessions' hashes.
const HASHES: Uuid = Uuid::from_u128(0x2b1c_6a1e_64d3_47d0_8f0b_3f44_0b7a_9d51);
/// Characters of a hash: enough to tell the sessions of a day apart.
const HASH_CHARACTERS: usize = 12;

impl SessionKey {
    /// A new one, from 122 random bits of the kernel's.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// What logs call it.
    #[must_use]
    pub fn hash(&self) -> String {
        let hash = Uuid::new_v5(&HASHES, self.0.as_bytes()).simple().to_string();
        hash.chars().take(HASH_CHARACTERS).collect()
    }

    /// The text that its client is told, and tells.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", self.0.hyphenated())
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey(hash {})", self.hash())
    }
}

impl FromStr for SessionKey {
    type Err = NoReference;

    fn from_str(text: &str) -> Result<Self, NoReference> {
        parse(text).map(Self)
    }
}

impl From<SessionKey> for String {
    fn from(key: SessionKey) -> Self {
        key.reveal()
    }
}

impl TryFrom<String> for SessionKey {
    type Error = NoReference;

    fn try_from(text: String) -> Result<Self, NoReference> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_in_the_form_that_is_given_out_and_in_no_other() {
        let reference = Reference::of(Uuid::from_u128(1), "VM", Uuid::from_u128(2));
        assert_eq!(reference.to_string().parse(), Ok(reference));
        let text = reference.to_string();
        for other in [
            text.to_uppercase(),
            text.replace("OpaqueRef:", ""),
            text.replace('-', ""),
            "OpaqueRef:NULL".to_owned(),
            String::new(),
            format!("{text} "),
        ] {
            assert_eq!(other.parse::<Reference>(), Err(NoReference), "{other}");
        }
    }

    #[test]
    fn a_reference_depends_on_secret_class_and_uuid() {
        let of = |secret, class, uuid| {
            Reference::of(Uuid::from_u128(secret), class, Uuid::from_u128(uuid))
        };
        assert_eq!(of(1, "VM", 2), of(1, "VM", 2));
        for other in [of(3, "VM", 2), of(1, "console", 2), of(1, "VM", 3)] {
            assert_ne!(of(1, "VM", 2), other);
        }
    }

    #[test]
    fn a_session_is_not_told_by_its_hash() {
        let key = SessionKey::random();
        let secret = key.reveal();
        let uuid = secret.strip_prefix(PREFIX).unwrap();
        assert!(!format!("{key:?}").contains(&uuid[..8]), "{key:?}");
        assert_eq!(key.hash().len(), HASH_CHARACTERS);
        assert_ne!(SessionKey::random().reveal(), secret);
    }
}
