//! A child's name as the tree keeps it: short ones in place, so that a search among siblings stays
//! in few lines of the cache.
//!
//! What a name may be is for `xenstore-wire` to say: these were components of a path.

use alloc::boxed::Box;
use core::borrow::Borrow;
use core::cmp::Ordering;

use xenstore_wire::{Component, PathRefusal};

/// Most names are no longer; with this a name is as large as three words.
const SHORT_MAX: usize = 22;

/// The name of a child.
#[derive(Clone, Debug)]
pub(crate) enum ChildName {
    Short { length: u8, bytes: [u8; SHORT_MAX] },
    Long(Box<[u8]>),
}

impl ChildName {
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; SHORT_MAX];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(name.as_bytes());
                Self::Short { length, bytes }
            }
            _ => Self::Long(name.as_bytes().into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }

    /// The name for those who keep it.
    pub(crate) fn component(&self) -> Result<Component, PathRefusal> {
        Component::parse(self.as_bytes())
    }

    pub(crate) fn len(&self) -> usize {
        self.as_bytes().len()
    }
}

/// Names are looked for by their bytes, whose order is that of the text.
impl Borrow<[u8]> for ChildName {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for ChildName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ChildName {}

impl PartialOrd for ChildName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ChildName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_their_text_and_have_its_order(one in "[a-z]{0,30}", other in "[a-z]{0,30}") {
            let [short, long] = [&one, &other].map(|text| ChildName::new(text));
            prop_assert_eq!((short.as_bytes(), short.len()), (one.as_bytes(), one.len()));
            prop_assert_eq!(short.cmp(&long), one.cmp(&other));
            prop_assert_eq!(short == long, one == other);
        }
    }

    #[test]
    fn a_name_takes_three_words() {
        assert_eq!(size_of::<ChildName>(), 3 * size_of::<usize>());
    }
}
