//! Who asks, and what permissions mean to them.
//!
//! How a connection came to be whose it is, and that it can never become more, is in `store`.

use xenstore_wire::{DomainId, Permissions};

/// On whose behalf a connection asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// The control domain, which may do everything and has no quotas.
    Dom0,
    /// One domain, which may do what permissions say, within its quotas.
    Domain(DomainId),
    /// A domain that acts for another: beside its own permissions it has its target's. What it
    /// makes is its own, and so are the quotas.
    Stub {
        /// The domain that asks.
        domain: DomainId,
        /// The domain that it acts for.
        target: DomainId,
    },
}

/// What an operation needs of the node that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Read,
    Write,
    Own,
}

impl Caller {
    /// The domain that nodes made by the caller belong to.
    #[must_use]
    pub fn domain(self) -> DomainId {
        match self {
            Self::Dom0 => DomainId::DOM0,
            Self::Domain(domain) | Self::Stub { domain, target: _ } => domain,
        }
    }

    /// The domain whose quotas and tokens hold for the caller; none for dom0.
    #[must_use]
    pub fn limited(self) -> Option<DomainId> {
        match self {
            Self::Dom0 => None,
            Self::Domain(domain) | Self::Stub { domain, target: _ } => Some(domain),
        }
    }

    /// True when the caller has what is needed of a node with these permissions.
    pub(crate) fn may(self, need: Need, permissions: &Permissions) -> bool {
        match self {
            Self::Dom0 => true,
            Self::Domain(domain) => match need {
                Need::Read => permissions.access(domain).reads(),
                Need::Write => permissions.access(domain).writes(),
                Need::Own => permissions.owner == domain,
            },
            Self::Stub { domain, target } => {
                [domain, target].iter().any(|domain| Self::Domain(*domain).may(need, permissions))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use xenstore_wire::Access;

    use super::*;

    #[test]
    fn only_the_owner_and_dom0_own_a_node() {
        let five = DomainId::new(5).expect("a small number");
        let six = DomainId::new(6).expect("a small number");
        let permissions = Permissions {
            owner: five,
            default: Access::None,
            exceptions: vec![(six, Access::Both)],
        };
        assert!(Caller::Dom0.may(Need::Own, &permissions));
        assert!(Caller::Domain(five).may(Need::Own, &permissions));
        assert!(Caller::Domain(six).may(Need::Write, &permissions));
        assert!(!Caller::Domain(six).may(Need::Own, &permissions));
    }

    #[test]
    fn who_acts_for_another_may_what_either_may() {
        let [four, five, six] =
            [4, 5, 6].map(|number| DomainId::new(number).expect("a small number"));
        let permissions = Permissions::private(five);
        for need in [Need::Read, Need::Write, Need::Own] {
            assert!(Caller::Stub { domain: four, target: five }.may(need, &permissions));
            assert!(Caller::Stub { domain: five, target: four }.may(need, &permissions));
            assert!(!Caller::Stub { domain: four, target: six }.may(need, &permissions));
        }
    }
}
