//! Who may do what to a node, in the text form that crosses the wire: `n0`, `r5`, ...
//!
//! What each access allows, and to whom besides, is for the store to say.

use alloc::vec::Vec;

use crate::DomainId;
use crate::strings::Strings;

/// What a domain may do to a node's value and its list of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// `n`: nothing.
    None,
    /// `r`: read.
    Read,
    /// `w`: write, without reading.
    Write,
    /// `b`: both.
    Both,
}

/// A node's owner, what everybody may do, and whom that doesn't hold for.
///
/// The owner may do everything. On the wire the first entry carries owner and default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permissions {
    /// The domain that the node belongs to and is counted for.
    pub owner: DomainId,
    /// What every domain may do that no exception names.
    pub default: Access,
    /// What single domains may do instead; the first entry of a domain, or of all, holds.
    pub exceptions: Vec<(DomainId, Access)>,
}

/// A text that is no list of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a permission: one of w, r, b, n, then a domain id")]
pub struct PermissionsRefusal;

impl Access {
    const ALL: [Self; 4] = [Self::None, Self::Read, Self::Write, Self::Both];

    /// The letter on the wire.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::None => 'n',
            Self::Read => 'r',
            Self::Write => 'w',
            Self::Both => 'b',
        }
    }

    /// The access that a letter stands for.
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.letter() == char::from(letter))
    }

    /// True when reading is allowed.
    #[must_use]
    pub const fn reads(self) -> bool {
        match self {
            Self::Read | Self::Both => true,
            Self::None | Self::Write => false,
        }
    }

    /// True when writing is allowed.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::Write | Self::Both => true,
            Self::None | Self::Read => false,
        }
    }
}

impl Permissions {
    /// Permissions that let nobody in but the owner.
    #[must_use]
    pub const fn private(owner: DomainId) -> Self {
        Self { owner, default: Access::None, exceptions: Vec::new() }
    }

    /// The number of entries on the wire.
    #[must_use]
    pub fn entries(&self) -> usize {
        1 + self.exceptions.len()
    }

    /// What a domain may do.
    #[must_use]
    pub fn access(&self, domain: DomainId) -> Access {
        if domain == self.owner {
            return Access::Both;
        }
        let named = |named| named == domain || named == DomainId::ANY;
        let exception = self.exceptions.iter().find(|(who, _)| named(*who));
        exception.map_or(self.default, |(_, access)| *access)
    }

    /// True when an entry stands for every domain.
    #[must_use]
    pub fn names_all(&self) -> bool {
        self.exceptions.iter().any(|(who, _)| *who == DomainId::ANY)
    }

    /// Reads one entry or more to the end of a payload.
    pub(crate) fn parse(mut strings: Strings<'_>) -> Result<Self, PermissionsRefusal> {
        let (owner, default) = entry(&mut strings)?;
        let mut exceptions = Vec::new();
        while !strings.is_empty() {
            exceptions.push(entry(&mut strings)?);
        }
        // All domains can't own a node together.
        match owner == DomainId::ANY {
            true => Err(PermissionsRefusal),
            false => Ok(Self { owner, default, exceptions }),
        }
    }

    /// Appends every entry, each ended by a NUL.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        append_entry(self.owner, self.default, out);
        for (domain, access) in &self.exceptions {
            append_entry(*domain, *access, out);
        }
    }
}

fn entry(strings: &mut Strings<'_>) -> Result<(DomainId, Access), PermissionsRefusal> {
    let (letter, number) =
        strings.take().ok().and_then(<[u8]>::split_first).ok_or(PermissionsRefusal)?;
    let access = Access::from_letter(*letter).ok_or(PermissionsRefusal)?;
    let domain = match number {
        b"32757" => DomainId::ANY,
        number => DomainId::parse(number).map_err(|_| PermissionsRefusal)?,
    };
    Ok((domain, access))
}

fn append_entry(domain: DomainId, access: Access, out: &mut Vec<u8>) {
    out.extend_from_slice(alloc::format!("{}{domain}\0", access.letter()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(payload: &[u8]) -> Result<Permissions, PermissionsRefusal> {
        Permissions::parse(Strings::new(payload))
    }

    #[test]
    fn the_first_entry_names_the_owner_and_the_default() {
        let permissions = parse(b"r7\0w5\0n6\0b5\0").expect("four entries");
        assert_eq!(permissions.owner.number(), 7);
        assert_eq!(permissions.entries(), 4);
        let access = |number| permissions.access(DomainId::new(number).expect("a small number"));
        assert_eq!(access(7), Access::Both, "the owner may do everything");
        assert_eq!(access(5), Access::Write, "the first entry of a domain holds");
        assert_eq!(access(6), Access::None);
        assert_eq!(access(8), Access::Read, "the default");
    }

    #[test]
    fn an_entry_may_stand_for_every_domain_that_none_before_it_names() {
        let permissions = parse(b"n7\0n5\0r32757\0b6\0").expect("four entries");
        let access = |number| permissions.access(DomainId::new(number).expect("a small number"));
        assert_eq!([access(5), access(6), access(8)], [Access::None, Access::Read, Access::Read]);
        assert_eq!(access(7), Access::Both);
        assert!(permissions.names_all());
        assert!(!parse(b"n7\0n5\0").expect("two entries").names_all());
    }

    #[test]
    fn entries_are_written_as_they_were_read() {
        for text in [&b"n0\0"[..], b"n0\0r5\0", b"n0\0r32757\0", b"b32751\0w1\0r2\0n3\0"] {
            let mut out = Vec::new();
            parse(text).expect("well-formed entries").append(&mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn refuses_what_is_no_permission() {
        for text in [
            &b""[..],
            b"\0",
            b"r\0",
            b"r-1\0",
            b"r4294967301\0",
            b"r32757\0",
            b"x0\0",
            b"n0",
            b"n0\0r5",
            b"n0\0\0",
        ] {
            assert_eq!(parse(text), Err(PermissionsRefusal), "{text:?}");
        }
    }

    #[test]
    fn every_letter_leads_to_its_access_and_back() {
        for byte in 0..=u8::MAX {
            let back = Access::from_letter(byte).map(|access| access.letter());
            assert_eq!(back, b"rwbn".contains(&byte).then_some(char::from(byte)));
        }
    }
}
