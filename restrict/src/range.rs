//! Ranges of user ids: one id for each domain, none of which anything else on the host has.
//!
//! Who owns a range is not here, nor is what still runs under an id that is used again. No file is
//! read but by the one function that says so.

use std::io::{self, Read};
use std::path::Path;

use crate::identity::Uid;
use crate::xen::DOMID_FIRST_RESERVED;

/// Domids a host can have, domain 0 among them.
const DOMIDS: u16 = DOMID_FIRST_RESERVED;
/// Ids below are the distribution's: system users, people, and the first container ranges.
const BASE_MIN: u32 = 65_536;
/// A larger password or subordinate id file is not believed to be one.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A range of user ids, one for each domid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidRange {
    base: u32,
}

/// A range that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The base is too low, or the range would not end below the reserved ids.
    #[error("uid range at {0} does not lie between 65536 and 4294967294")]
    Base(u32),
    /// A file of the host has an entry inside the range.
    #[error("uid range {base}-{last} overlaps an entry of {file}: {entry}")]
    Overlap {
        /// The range's first id.
        base: u32,
        /// The range's last id.
        last: u32,
        /// The file.
        file: String,
        /// The entry, cut to its first fields.
        entry: String,
    },
    /// Two ranges share ids.
    #[error("uid ranges at {0} and {1} overlap")]
    Ranges(u32, u32),
    /// A file could not be read.
    #[error("read {file}")]
    Read {
        /// The file.
        file: String,
        /// The cause.
        source: io::Error,
    },
}

impl UidRange {
    /// The range that begins at `base`.
    pub fn new(base: u32) -> Result<Self, RangeError> {
        // The last id must not be -1, nor the one below it, which some programs take for -2.
        match base.checked_add(u32::from(DOMIDS)) {
            Some(end) if base >= BASE_MIN && end < u32::MAX - 1 => Ok(Self { base }),
            Some(_) | None => Err(RangeError::Base(base)),
        }
    }

    /// The first id.
    #[must_use]
    pub fn base(self) -> u32 {
        self.base
    }

    /// The last id.
    #[must_use]
    pub fn last(self) -> u32 {
        self.base + u32::from(DOMIDS) - 1
    }

    /// The id of a domain; none for numbers that no domain has.
    #[must_use]
    pub fn uid(self, domid: u16) -> Option<Uid> {
        if domid < DOMIDS { Uid::new(self.base + u32::from(domid)).ok() } else { None }
    }

    /// Whether this id is in the range.
    #[must_use]
    pub fn contains(self, uid: Uid) -> bool {
        (self.base..=self.last()).contains(&uid.number())
    }

    /// Refuses to share ids with `other`.
    pub fn refuse_range(self, other: Self) -> Result<(), RangeError> {
        if self.base <= other.last() && other.base <= self.last() {
            Err(RangeError::Ranges(self.base, other.base))
        } else {
            Ok(())
        }
    }

    /// Refuses to share ids with a user of `text`, which `/etc/passwd` holds: passwd(5).
    ///
    /// The groups of `/etc/group` have the same form where it matters: group(5).
    pub fn refuse_accounts(self, file: &str, text: &[u8]) -> Result<(), RangeError> {
        self.refuse_entries(file, text, |fields| {
            let id = number(fields.get(2)?)?;
            Some((id, id))
        })
    }

    /// Refuses to share ids with a range of `text`, which `/etc/subuid` holds: subuid(5).
    pub fn refuse_subordinates(self, file: &str, text: &[u8]) -> Result<(), RangeError> {
        self.refuse_entries(file, text, |fields| {
            let (first, count) = (number(fields.get(1)?)?, number(fields.get(2)?)?);
            Some((first, first.checked_add(count.checked_sub(1)?)?))
        })
    }

    /// Refuses to share ids with this host's users, groups and subordinate ranges.
    ///
    /// A file that is not there has no entries.
    pub fn refuse_host(self) -> Result<(), RangeError> {
        for file in ["/etc/passwd", "/etc/group"] {
            self.refuse_accounts(file, &read(Path::new(file))?)?;
        }
        for file in ["/etc/subuid", "/etc/subgid"] {
            self.refuse_subordinates(file, &read(Path::new(file))?)?;
        }
        Ok(())
    }

    /// Lines that are no entries have no ids: comments, and what other programs add.
    fn refuse_entries(
        self,
        file: &str,
        text: &[u8],
        ids: impl Fn(&[&[u8]]) -> Option<(u64, u64)>,
    ) -> Result<(), RangeError> {
        let (base, last) = (u64::from(self.base), u64::from(self.last()));
        for line in text.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            if let Some((first, end)) = ids(&fields)
                && first <= last
                && base <= end
            {
                let entry = fields.get(..3).unwrap_or(&fields).join(&b':');
                return Err(RangeError::Overlap {
                    base: self.base,
                    last: self.last(),
                    file: file.to_owned(),
                    entry: entry.escape_ascii().to_string(),
                });
            }
        }
        Ok(())
    }
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

fn read(path: &Path) -> Result<Vec<u8>, RangeError> {
    let failed = |source| RangeError::Read { file: path.display().to_string(), source };
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(failed)?,
    };
    let mut text = Vec::new();
    let length = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if u64::try_from(length).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(text)
    } else {
        Err(failed(io::ErrorKind::FileTooLarge.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far from every range that a host or another test uses.
    const BASE: u32 = 2_100_000_000;

    fn range() -> UidRange {
        UidRange::new(BASE).unwrap()
    }

    #[test]
    fn each_domid_has_an_id_and_no_other_number_has() {
        assert_eq!(range().uid(0).map(Uid::number), Some(BASE));
        assert_eq!(range().uid(7).map(Uid::number), Some(BASE + 7));
        assert_eq!(range().uid(32_751).map(Uid::number), Some(range().last()));
        assert_eq!(range().uid(32_752), None);
        assert_eq!(range().uid(u16::MAX), None);
    }

    #[test]
    fn refuses_bases_among_the_hosts_users_or_at_the_end() {
        for base in [0, 1000, 65_534, 65_535, u32::MAX, u32::MAX - 32_752, u32::MAX - 32_753] {
            assert!(matches!(UidRange::new(base), Err(RangeError::Base(_))), "{base}");
        }
        assert!(UidRange::new(65_536).is_ok());
        assert!(UidRange::new(u32::MAX - 32_754).is_ok());
    }

    #[test]
    fn refuses_a_user_inside_and_names_file_and_entry() {
        let text = b"root:x:0:0:root:/root:/bin/sh\nvnc:x:2100000007:2100000007::/:/bin/false\n";
        let error = range().refuse_accounts("/etc/passwd", text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "uid range 2100000000-2100032751 overlaps an entry of /etc/passwd: vnc:x:2100000007"
        );
        let outside = b"a:x:2099999999:0:::\nb:x:2100032752:0:::\n\n# c\nd:x:no:0:::\n";
        assert!(range().refuse_accounts("/etc/passwd", outside).is_ok());
    }

    #[test]
    fn refuses_a_subordinate_range_that_reaches_in() {
        for entry in [
            "u:2099990000:65536",
            "u:2100000000:1",
            "u:2100032751:9",
            "u:2099999999:2",
            "u:0:4294967296",
        ] {
            let refused = range().refuse_subordinates("/etc/subuid", entry.as_bytes());
            assert!(matches!(refused, Err(RangeError::Overlap { .. })), "{entry}");
        }
        for entry in ["u:100000:65536", "u:2099999999:1", "u:2100032752:65536", "u:2100000001:0"] {
            assert!(
                range().refuse_subordinates("/etc/subuid", entry.as_bytes()).is_ok(),
                "{entry}"
            );
        }
    }

    #[test]
    fn refuses_a_range_that_shares_ids() {
        assert!(range().refuse_range(UidRange::new(BASE + 32_751).unwrap()).is_err());
        assert!(range().refuse_range(range()).is_err());
        assert!(range().refuse_range(UidRange::new(BASE + 32_752).unwrap()).is_ok());
    }

    #[test]
    fn an_entry_that_is_no_text_is_shown_escaped() {
        let error = range().refuse_accounts("f", b"\xff\x1b:x:2100000000:").unwrap_err();
        assert!(error.to_string().ends_with("f: \\xff\\x1b:x:2100000000"));
    }
}
