//! The domains that a handle can be restricted to: guests, and nothing that only looks like one.
//!
//! Linux itself is of two minds: `evtchn` refuses domain 0, `privcmd` takes it, and both take a
//! domain that does not exist. So it is settled here, by type.

use std::fmt;

/// From here on domids are no domains: `DOMID_SELF`, `DOMID_IO` and their like (Xen's `xen.h`).
pub(crate) const DOMID_FIRST_RESERVED: u16 = 0x7FF0;

/// A guest's domid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guest(u16);

/// A number that no guest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no guest's domid: those are 1 to {last}", last = DOMID_FIRST_RESERVED - 1)]
pub struct GuestError(pub u32);

impl Guest {
    /// The guest of this domid: 1 to 32751.
    pub fn new(domid: u32) -> Result<Self, GuestError> {
        match u16::try_from(domid) {
            Ok(domid @ 1..DOMID_FIRST_RESERVED) => Ok(Self(domid)),
            Ok(_) | Err(_) => Err(GuestError(domid)),
        }
    }

    /// The number.
    #[must_use]
    pub fn domid(self) -> u16 {
        self.0
    }

    /// A guest that is not this one, to try what must be refused. It need not exist.
    pub(super) fn another(self) -> Self {
        if self.0 == 1 { Self(2) } else { Self(1) }
    }
}

impl fmt::Display for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_dom0_nor_a_reserved_number_is_a_guest() {
        for domid in [0, 0x7FF0, 0x7FF4, 0xFFFF, 0x1_0001, u32::MAX] {
            assert_eq!(Guest::new(domid), Err(GuestError(domid)));
        }
        assert_eq!(Guest::new(1).map(Guest::domid), Ok(1));
        assert_eq!(Guest::new(32_751).map(Guest::domid), Ok(32_751));
        assert_eq!(GuestError(0).to_string(), "0 is no guest's domid: those are 1 to 32751");
    }

    #[test]
    fn another_guest_is_never_the_same() {
        for domid in 1..=32_751 {
            let guest = Guest::new(domid).unwrap();
            assert_ne!(guest.another(), guest);
        }
    }
}
