//! How much one domain may hold, as values: a quota of N allows N.
//!
//! How often a domain may ask is not here but in its bucket. Dom0 has no quotas.

use xenstore_wire::Path;

/// The most that an ordinary domain may hold. The figures are C xenstored's defaults where it has
/// the same quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Nodes it owns, wherever they are.
    pub nodes: u32,
    /// Watches, over all its connections.
    pub watches: u32,
    /// Open transactions, over all its connections.
    pub transactions: u32,
    /// Bytes of a node's value.
    pub node_size: u32,
    /// Entries of a node's permissions.
    pub permissions: u32,
    /// Bytes of a path, after `/local/domain/<domid>/` where it starts so.
    pub path: u32,
    /// Bytes of memory that the record of one open transaction takes.
    pub transaction_bytes: u32,
}

/// What the record of one of dom0's transactions may take: dom0 is trusted to mean well, not to
/// have no bugs.
pub(crate) const DOM0_TRANSACTION_BYTES_MAX: usize = 64 << 20;

impl Default for Quota {
    fn default() -> Self {
        Self {
            nodes: 1000,
            watches: 128,
            transactions: 10,
            node_size: 2048,
            permissions: 5,
            path: 2048,
            transaction_bytes: 512 << 10,
        }
    }
}

impl Quota {
    /// True when the path is short enough, wherever in the tree its domain's home is.
    pub(crate) fn allows_path(&self, path: &Path) -> bool {
        fits(below_home(path.as_str()).len(), self.path)
    }
}

/// True when a count or a size is within its quota.
pub(crate) fn fits(size: usize, quota: u32) -> bool {
    u32::try_from(size).is_ok_and(|size| size <= quota)
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
}
