//! The number of a domain.
//!
//! Only numbers that a domain can have: Xen's reserved ones (`DOMID_SELF` and above) are refused.

use alloc::format;
use core::fmt;

use crate::path::Path;
use crate::strings::decimal;

/// A domain's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainId(u16);

/// A number that no domain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a domain id: a decimal number up to {}", DomainId::MAX.0)]
pub struct DomainIdRefusal;

impl DomainId {
    /// The control domain.
    pub const DOM0: Self = Self(0);
    /// The highest number a domain can have: one below `DOMID_FIRST_RESERVED` of `xen.h`.
    pub const MAX: Self = Self(0x7fef);

    /// `DOMID_ANY` of `xen.h`: among a node's permissions it stands for every domain. None has it,
    /// and it is not read as one's number.
    pub const ANY: Self = Self(0x7ff5);

    /// The domain of a number.
    pub fn new(number: u16) -> Result<Self, DomainIdRefusal> {
        if number <= Self::MAX.0 { Ok(Self(number)) } else { Err(DomainIdRefusal) }
    }

    /// Reads the decimal form.
    pub fn parse(text: &[u8]) -> Result<Self, DomainIdRefusal> {
        let number = decimal(text).ok_or(DomainIdRefusal)?;
        u16::try_from(number).map_err(|_| DomainIdRefusal).and_then(Self::new)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The domain's home, which its relative paths start from.
    #[must_use]
    pub fn home(self) -> Path {
        Path::known(&format!("/local/domain/{}", self.0))
    }
}

impl fmt::Display for DomainId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_number_below_the_reserved_ones() {
        assert_eq!(DomainId::parse(b"0"), Ok(DomainId::DOM0));
        assert_eq!(DomainId::parse(b"32751"), Ok(DomainId::MAX));
        assert_eq!(DomainId::MAX.home().as_str(), "/local/domain/32751");
    }

    #[test]
    fn refuses_what_is_no_domains_number() {
        for text in [&b""[..], b"32752", b"32757", b"65535", b"65536", b"4294967301", b"-1", b"x"] {
            assert_eq!(DomainId::parse(text), Err(DomainIdRefusal), "{text:?}");
        }
    }
}
