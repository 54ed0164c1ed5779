//! How much one domain may hold, by name and as values: a quota of N allows N, and none is no limit.
//!
//! How often a domain may ask is not here but in its bucket. Dom0 has no quotas.

use alloc::collections::BTreeMap;

use xenstore_wire::Path;

/// Makes the quotas, their names and both ways between them from one table.
macro_rules! quotas {
    ($($(#[$doc:meta])* $field:ident $variant:ident = $default:expr, $name:literal, $words:literal;)*) => {
        /// The most that an ordinary domain may hold; of what is zero, it may hold any amount. The
        /// figures are C xenstored's defaults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Quota {
            $($(#[$doc])* pub $field: u32,)*
        }

        /// One of the quotas.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum QuotaName {
            $($(#[$doc])* $variant,)*
        }

        impl Default for Quota {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl QuotaName {
            /// Every quota, in the order in which C xenstored lists them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// What it is called.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it bounds, in a few words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)*
                }
            }
        }

        impl Quota {
            /// One quota's value.
            #[must_use]
            pub const fn get(&self, name: QuotaName) -> u32 {
                match name {
                    $(QuotaName::$variant => self.$field,)*
                }
            }

            /// Gives one quota another value.
            pub const fn set(&mut self, name: QuotaName, value: u32) {
                match name {
                    $(QuotaName::$variant => self.$field = value,)*
                }
            }
        }
    };
}

quotas! {
    /// Nodes it owns, wherever they are.
    nodes Nodes = 1000, "nodes", "nodes that it owns";
    /// Watches, over all its connections.
    watches Watches = 128, "watches", "watches";
    /// Messages that wait to be read, on each of its connections: with so many, nothing more is
    /// heard of it there.
    outstanding Outstanding = 20, "outstanding", "messages that wait to be read, on each connection";
    /// Bytes of its nodes, its watches and its open transactions.
    memory Memory = 2560 << 10, "memory", "bytes of memory";
    /// As many bytes, above which people are told.
    soft_memory SoftMemory = 2048 << 10, "soft-memory", "bytes of memory, before there is a warning";
    /// Open transactions, over all its connections.
    transactions Transactions = 10, "transactions", "open transactions";
    /// Nodes that one transaction looks at or changes.
    transaction_nodes TransactionNodes = 1024, "transaction-nodes", "nodes of a transaction";
    /// Entries of a node's permissions.
    permissions NodePermissions = 5, "node-permissions", "permissions of a node";
    /// Bytes of a path, after `/local/domain/<domid>/` where it starts so.
    path PathMax = 2048, "path-max", "bytes of a path below its home";
    /// Bytes of a node's value.
    node_size NodeSize = 2048, "node-size", "bytes of a value";
}

/// What the record of one of dom0's transactions may take: dom0 is trusted to mean well, not to
/// have no bugs.
pub(crate) const DOM0_TRANSACTION_BYTES_MAX: usize = 64 << 20;

/// One domain's own values, in place of everybody's.
pub(crate) type Overrides = BTreeMap<QuotaName, u32>;

impl QuotaName {
    /// The quota that is called so.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name().as_bytes() == name)
    }
}

impl Quota {
    /// These quotas, with some in place of their own.
    pub(crate) fn with(mut self, overrides: &Overrides) -> Self {
        for (name, value) in overrides {
            self.set(*name, *value);
        }
        self
    }

    /// These quotas, less some memory that is held already: one byte is left at least, for none
    /// would be no limit.
    pub(crate) fn less_memory(mut self, held: usize) -> Self {
        if self.memory != 0 {
            let held = u32::try_from(held).unwrap_or(u32::MAX);
            self.memory = self.memory.saturating_sub(held).max(1);
        }
        self
    }

    /// True when the path is short enough, wherever in the tree its domain's home is.
    pub(crate) fn allows_path(&self, path: &Path) -> bool {
        fits(below_home(path.as_str()).len(), self.path)
    }
}

/// True when a count or a size is within its quota.
pub(crate) fn fits(size: usize, quota: u32) -> bool {
    quota == 0 || u32::try_from(size).is_ok_and(|size| size <= quota)
}

/// The part of a path after some domain's home, the whole path where there is none.
fn below_home(path: &str) -> &str {
    path.strip_prefix("/local/domain/")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(path, |(_, below)| below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_measured_from_its_home() {
        assert_eq!(below_home("/local/domain/5/data/x"), "data/x");
        assert_eq!(below_home("/local/domain/5"), "/local/domain/5");
        assert_eq!(below_home("/local/domain/x/y"), "/local/domain/x/y");
        assert_eq!(below_home("/vm/x"), "/vm/x");
    }

    #[test]
    fn every_quota_is_set_and_read_by_its_own_name() {
        for (value, name) in (1..).zip(QuotaName::ALL) {
            assert_eq!(QuotaName::parse(name.name().as_bytes()), Some(*name));
            let mut quota = Quota::default();
            quota.set(*name, value);
            for other in QuotaName::ALL {
                let expected = if other == name { value } else { Quota::default().get(*other) };
                assert_eq!(quota.get(*other), expected, "{name:?}, {other:?}");
            }
        }
        assert_eq!(QuotaName::parse(b"node"), None);
    }

    #[test]
    fn a_quota_of_n_allows_n_and_of_none_any_number() {
        assert!(fits(3, 3) && !fits(4, 3));
        assert!(fits(usize::MAX, 0));
    }

    #[test]
    fn memory_that_is_held_is_never_taken_for_no_limit() {
        let quota = Quota { memory: 100, ..Quota::default() };
        assert_eq!(quota.less_memory(40).memory, 60);
        assert_eq!(quota.less_memory(100).memory, 1);
        assert_eq!(quota.less_memory(usize::MAX).memory, 1);
        assert_eq!(Quota { memory: 0, ..quota }.less_memory(40).memory, 0);
    }
}
