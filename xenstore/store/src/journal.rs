//! What is written down of the store, so that another one can go on from it: records of how things
//! are now, each of which replaces what an earlier one said of the same thing.
//!
//! Where the bytes are kept, and which of them count, is not decided here. What is read is believed
//! in nothing: every length is compared before it is used, and what makes no sense is refused.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use xenstore_wire::{Access, DomainId, Path, Permissions, numbered};

/// Every access, to find the one that a letter stands for.
const ACCESSES: [Access; 4] = [Access::None, Access::Read, Access::Write, Access::Both];
/// More entries than a node's permissions have where they came in a message.
const ENTRIES_MAX: u32 = 4096;

numbered! {
    /// What a record is about.
    pub(crate) enum Kind {
        /// Quotas and rates that hold for everybody.
        Limits = 1,
        /// Who may hear of a special name.
        Special = 2,
        /// A domain beside its nodes.
        Domain = 3,
        DomainGone = 4,
        Connection = 5,
        ConnectionGone = 6,
        /// A node, after its parent.
        Node = 7,
        /// A node that is gone, with all below it.
        NodeGone = 8,
        Watch = 9,
        WatchGone = 10,
        /// An open transaction: that it is open, not what it has done.
        Transaction = 11,
        TransactionEnded = 12,
        /// Until when a domain's tokens are spent.
        Spent = 13,
        /// The number of the last connection, so that none is used twice.
        LastConnection = 14,
    }
}

/// Records that make no sense: where they stop to, as an offset in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal makes no sense from byte {at} on")]
pub struct Unreadable {
    /// Where.
    pub at: usize,
}

/// The records that were made since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// False where nobody takes them.
    pub(crate) is_kept: bool,
    pub(crate) bytes: Vec<u8>,
    /// Domains that paid tokens, of which only what is left in the end is written.
    pub(crate) spenders: BTreeSet<DomainId>,
}

impl Journal {
    /// Adds a record, where records are kept.
    pub(crate) fn note(&mut self, kind: Kind, fields: impl FnOnce(&mut Fields<'_>)) {
        if self.is_kept {
            record(&mut self.bytes, kind, fields);
        }
    }
}

/// Appends one record: its kind, its length, its fields.
pub(crate) fn record(out: &mut Vec<u8>, kind: Kind, fields: impl FnOnce(&mut Fields<'_>)) {
    out.push(kind.number());
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    fields(&mut Fields(out));
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// A record that is being written.
#[derive(Debug)]
pub(crate) struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn number(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn long(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn longest(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn domain(&mut self, domain: DomainId) {
        self.0.extend_from_slice(&domain.number().to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn path(&mut self, path: &Path) {
        self.bytes(path.as_str().as_bytes());
    }

    pub(crate) fn permissions(&mut self, permissions: &Permissions) {
        self.number(u32::try_from(permissions.exceptions.len()).unwrap_or(u32::MAX));
        let first = (permissions.owner, permissions.default);
        for (domain, access) in [first].iter().chain(&permissions.exceptions) {
            self.domain(*domain);
            self.number(u32::from(access.letter()));
        }
    }
}

/// Records that are being read, one after the other.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    length: usize,
}

/// One record's fields: each is none where there are not as many bytes.
#[derive(Debug)]
pub(crate) struct Taken<'a>(&'a [u8]);

impl<'a> Records<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// How far it was read.
    pub(crate) fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    pub(crate) fn is_at_the_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next record; none at the end, or where there is no whole one.
    pub(crate) fn next(&mut self) -> Option<(Kind, Taken<'a>)> {
        let (head, rest) = self.rest.split_first_chunk::<5>()?;
        let [kind, length @ ..] = *head;
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let (fields, rest) = rest.split_at_checked(length)?;
        let kind = Kind::from_number(kind)?;
        self.rest = rest;
        Some((kind, Taken(fields)))
    }
}

impl<'a> Taken<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A byte that says yes or no.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn longest(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn domain(&mut self) -> Option<DomainId> {
        DomainId::new(self.array().map(u16::from_le_bytes)?).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn path(&mut self) -> Option<Path> {
        Path::parse(self.bytes()?).ok()
    }

    pub(crate) fn permissions(&mut self) -> Option<Arc<Permissions>> {
        let count = self.number().filter(|count| *count <= ENTRIES_MAX)?;
        let (owner, default) = (self.domain()?, self.access()?);
        let mut exceptions = Vec::new();
        for _ in 0..count {
            let number = u16::from_le_bytes(self.array()?);
            let domain = match number == DomainId::ANY.number() {
                true => DomainId::ANY,
                false => DomainId::new(number).ok()?,
            };
            exceptions.push((domain, self.access()?));
        }
        Some(Arc::new(Permissions { owner, default, exceptions }))
    }

    fn access(&mut self) -> Option<Access> {
        let letter = char::from_u32(self.number()?)?;
        ACCESSES.into_iter().find(|access| access.letter() == letter)
    }
}
