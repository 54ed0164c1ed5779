//! Which keys of a VM's `xenstore_data` go into its guest's tree, and under which path.
//!
//! A key goes in if it starts with `vm-data/` and the rest is a path of the store; every other one
//! is left out, silently and singly: a key that can't be written never stops the next one. Writing,
//! and the directory's permissions, are not here.

use std::collections::BTreeMap;

use xenstore_wire::{DomainId, Name, PAYLOAD_MAX, Path};

/// What a key has to start with; the directory's own name has no key.
const PREFIX: &str = "vm-data/";
/// The most nodes that are written or read back for one guest: oxenstored and C xenstored let a
/// guest own a thousand in all, and it needs most of them for its devices.
pub(crate) const NODES_MAX: usize = 256;
/// The most bytes of keys and values that are written or read back for one guest.
pub(crate) const BYTES_MAX: usize = 64 * 1024;
/// How deep below the directory a read-back goes: a path of this many one-letter names.
pub(crate) const DEPTH_MAX: usize = 16;

/// The node of one key in a domain's tree; none where the key has no place there.
pub(crate) fn node(domain: DomainId, key: &str, value: &str) -> Option<Path> {
    let rest = key.strip_prefix(PREFIX)?;
    // `..` and every other byte that no path has is refused by the path itself, as are `//` and a
    // trailing `/`.
    if rest.is_empty() || rest.split('/').count() > DEPTH_MAX {
        return None;
    }
    // As the guest names it: a path that is only short enough for others is of no use to it.
    let path = match Name::parse(key.as_bytes()) {
        Ok(Name::Relative(path)) => path.under(&domain.home()),
        Ok(Name::Absolute(_) | Name::Special(_) | Name::DomainSpecial(_)) | Err(_) => return None,
    };
    // A write is path, NUL, value.
    let fits = path.as_str().len() + 1 + value.len() <= PAYLOAD_MAX;
    if fits { Some(path) } else { None }
}

/// What is written for a whole map, in the order of its keys, up to the bounds.
pub(crate) fn nodes(domain: DomainId, map: &BTreeMap<String, String>) -> Vec<(Path, String)> {
    let mut bytes = 0;
    let mut nodes = Vec::new();
    for (key, value) in map {
        if let Some(path) = node(domain, key, value)
            && nodes.len() < NODES_MAX
            && bytes + key.len() + value.len() <= BYTES_MAX
        {
            bytes += key.len() + value.len();
            nodes.push((path, value.clone()));
        }
    }
    nodes
}

/// The key of a node that was read back.
pub(crate) fn key(domain: DomainId, path: &Path) -> Option<String> {
    let relative = path.relative_to(&domain.home())?;
    relative.as_str().starts_with(PREFIX).then(|| relative.as_str().to_owned())
}

/// The map after `found` was read back from the guest's tree: of the keys that have a place there
/// it holds what stands there; every other key stays.
pub(crate) fn read_back(
    domain: DomainId,
    map: &BTreeMap<String, String>,
    found: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let kept = map.iter().filter(|(key, value)| node(domain, key, value).is_none());
    let mut after: BTreeMap<String, String> =
        kept.map(|(key, value)| (key.clone(), value.clone())).collect();
    after.extend(found);
    after
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::paths;

    fn domain() -> DomainId {
        DomainId::new(7).unwrap()
    }

    fn path_of(key: &str) -> Option<String> {
        node(domain(), key, "v").map(|path| path.as_str().to_owned())
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn a_key_below_vm_data_goes_into_the_guests_tree() {
        assert_eq!(path_of("vm-data/k1").as_deref(), Some("/local/domain/7/vm-data/k1"));
        assert_eq!(
            path_of("vm-data/a/b-c_@1").as_deref(),
            Some("/local/domain/7/vm-data/a/b-c_@1")
        );
    }

    #[test]
    fn a_key_may_be_as_long_as_a_guest_can_name_it() {
        assert!(path_of(&format!("vm-data/{}", "x".repeat(2040))).is_some());
    }

    #[test]
    fn every_other_key_is_left_out() {
        for key in [
            "",
            "vm-data",
            "vm-data/",
            "/vm-data/x",
            "vm-database/x",
            "VM-DATA/x",
            "FIST/x",
            "vm-data//x",
            "vm-data/x/",
            "vm-data/x//y",
            "vm-data/..",
            "vm-data/../name",
            "vm-data/x/../../../0/name",
            "vm-data/.",
            "vm-data/a b",
            "vm-data/a\0b",
            "vm-data/ü",
            "vm-data/a.b",
            &format!("vm-data/{}", "x".repeat(2041)),
            &format!("vm-data{}", "/x".repeat(DEPTH_MAX + 1)),
        ] {
            assert_eq!(path_of(key), None, "{key:?}");
        }
    }

    #[test]
    fn a_value_that_no_message_holds_is_left_out() {
        let room = PAYLOAD_MAX - "/local/domain/7/vm-data/x".len() - 1;
        assert!(node(domain(), "vm-data/x", &"v".repeat(room)).is_some());
        assert!(node(domain(), "vm-data/x", &"v".repeat(room + 1)).is_none());
    }

    #[test]
    fn a_value_is_written_as_it_is_whatever_its_bytes() {
        let data = map(&[("vm-data/x", "\u{0}\u{1}\u{7f}ü\n")]);
        assert_eq!(nodes(domain(), &data)[0].1, "\u{0}\u{1}\u{7f}ü\n");
    }

    #[test]
    fn a_bad_key_never_stops_the_others() {
        let data =
            map(&[("a", "0"), ("vm-data/../x", "1"), ("vm-data/b", "2"), ("vm-data/c", "3")]);
        let written: Vec<_> = nodes(domain(), &data)
            .into_iter()
            .map(|(path, value)| (path.to_string(), value))
            .collect();
        assert_eq!(
            written,
            [
                ("/local/domain/7/vm-data/b".to_owned(), "2".to_owned()),
                ("/local/domain/7/vm-data/c".to_owned(), "3".to_owned())
            ]
        );
    }

    #[test]
    fn a_map_is_written_up_to_its_bounds() {
        let many: BTreeMap<_, _> =
            (0..1000).map(|n| (format!("vm-data/{n:04}"), String::new())).collect();
        assert_eq!(nodes(domain(), &many).len(), NODES_MAX);
        let large: BTreeMap<_, _> =
            (0..100).map(|n| (format!("vm-data/{n:04}"), "x".repeat(4000))).collect();
        let bytes: usize = nodes(domain(), &large).iter().map(|(_, value)| value.len()).sum();
        assert!(bytes <= BYTES_MAX && bytes > BYTES_MAX - 8000);
    }

    #[test]
    fn a_read_back_changes_only_what_the_guest_can_see() {
        let before = map(&[
            ("note", "mine"),
            ("vm-data/../x", "hostile"),
            ("vm-data/deleted", "1"),
            ("vm-data/kept", "old"),
        ]);
        let found = map(&[("vm-data/kept", "new"), ("vm-data/guests", "2")]);
        assert_eq!(
            read_back(domain(), &before, found),
            map(&[
                ("note", "mine"),
                ("vm-data/../x", "hostile"),
                ("vm-data/guests", "2"),
                ("vm-data/kept", "new")
            ])
        );
    }

    proptest! {
        #[test]
        fn no_key_leads_out_of_the_guests_directory(key in "(vm-data/)?[a-z./ @\\x00-]{0,40}") {
            if let Some(path) = node(domain(), &key, "") {
                prop_assert!(path.starts_with(&paths::vm_data(domain())));
                prop_assert!(path != paths::vm_data(domain()));
                prop_assert_eq!(super::key(domain(), &path), Some(key));
            }
        }
    }
}
