//! Where a node is: absolute paths, relative ones, and the special names that are no paths.
//!
//! Each is parsed once and never checked again. Who may go there is for the store to say.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use crate::DomainId;

/// The most bytes of an absolute path: `XENSTORE_ABS_PATH_MAX` of `xs_wire.h`.
pub const ABSOLUTE_PATH_MAX: usize = 3072;
/// The most bytes of a relative path: `XENSTORE_REL_PATH_MAX` of `xs_wire.h`. A relative path that
/// fits stays usable as an absolute one, whatever the length of its domain's number: a home has
/// at most 20 bytes.
pub const RELATIVE_PATH_MAX: usize = 2048;

/// The rule of `docs/misc/xenstore.txt`, "Store", that a path breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathRefusal {
    /// A path names something.
    #[error("the path is empty")]
    Empty,
    /// A path has a bounded length.
    #[error("the path has {length} bytes, above the limit of {limit}")]
    TooLong {
        /// The bytes it has.
        length: usize,
        /// The most it may have.
        limit: usize,
    },
    /// Components are of `A-Z a-z 0-9 - / _ @`.
    #[error("the path has the byte {0:#04x}, which no path may have")]
    BadByte(u8),
    /// No `//`, and no `/` at the end except for the root.
    #[error("the path has an empty component")]
    EmptyComponent,
    /// A node's path starts with `/` here.
    #[error("the path is not absolute")]
    NotAbsolute,
    /// Names that start with `@` are few, and are no nodes.
    #[error("no special name is meant here, or none of this name is known")]
    UnknownSpecial,
}

/// An absolute path: `/`, or components each led by a `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<str>);

/// A path without a leading `/`, meant from some domain's home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Arc<str>);

/// One step of a path: the name of a node within its parent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Component(Arc<str>);

/// A name that can be watched though it is no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Special {
    /// `@introduceDomain`: some domain was introduced.
    IntroduceDomain,
    /// `@releaseDomain`: some domain shut down or has gone.
    ReleaseDomain,
}

/// A special name that is about one domain: `@releaseDomain/7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainSpecial {
    special: Special,
    domain: DomainId,
    text: Arc<str>,
}

/// What can be watched: a node by either kind of path, or a special name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A node, by its absolute path.
    Absolute(Path),
    /// A node, by its path from the watcher's home.
    Relative(RelativePath),
    /// No node.
    Special(Special),
    /// No node, and about one domain.
    DomainSpecial(DomainSpecial),
}

impl Path {
    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Self(Arc::from("/"))
    }

    /// Reads an absolute path.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathRefusal> {
        match Name::parse(bytes)? {
            Name::Absolute(path) => Ok(path),
            Name::Relative(_) => Err(PathRefusal::NotAbsolute),
            Name::Special(_) | Name::DomainSpecial(_) => Err(PathRefusal::UnknownSpecial),
        }
    }

    /// Reads an absolute path, or a relative one meant from `home`.
    pub fn parse_from(bytes: &[u8], home: &Self) -> Result<Self, PathRefusal> {
        match Name::parse(bytes)? {
            Name::Absolute(path) => Ok(path),
            Name::Relative(path) => Ok(path.under(home)),
            Name::Special(_) | Name::DomainSpecial(_) => Err(PathRefusal::UnknownSpecial),
        }
    }

    /// A path that this crate made and that keeps the rules.
    pub(crate) fn known(text: &str) -> Self {
        debug_assert!(Self::parse(text.as_bytes()).is_ok(), "{text} keeps the rules");
        Self(Arc::from(text))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.as_str() == "/"
    }

    /// The names on the way from the root, none for the root itself.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The same names as components, for those who keep them.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = Component> {
        self.components().map(|component| Component(Arc::from(component)))
    }

    /// The path one step up; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('/')?;
        match (self.is_root(), parent) {
            (true, _) => None,
            (false, "") => Some(Self::root()),
            (false, parent) => Some(Self(Arc::from(parent))),
        }
    }

    /// The last name of the path; none for the root.
    #[must_use]
    pub fn last(&self) -> Option<&str> {
        self.components().next_back()
    }

    /// The path one step down.
    pub fn child(&self, name: &Component) -> Result<Self, PathRefusal> {
        let stem = if self.is_root() { "" } else { self.as_str() };
        let length = stem.len() + 1 + name.as_str().len();
        if length > ABSOLUTE_PATH_MAX {
            return Err(PathRefusal::TooLong { length, limit: ABSOLUTE_PATH_MAX });
        }
        let mut text = String::with_capacity(length);
        text.push_str(stem);
        text.push('/');
        text.push_str(name.as_str());
        Ok(Self(Arc::from(text)))
    }

    /// True when `ancestor` is this path or stands above it.
    #[must_use]
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        ancestor.is_root()
            || match self.0.strip_prefix(ancestor.as_str()) {
                Some(rest) => rest.is_empty() || rest.starts_with('/'),
                None => false,
            }
    }

    /// The deepest path that both stand at or below.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let ends = |path: &Self, at: usize| matches!(path.0.as_bytes().get(at), None | Some(b'/'));
        let same = self.0.bytes().zip(other.0.bytes()).take_while(|(one, two)| one == two).count();
        let step = (1..=same).rev().find(|at| ends(self, *at) && ends(other, *at));
        match step.and_then(|at| self.0.get(..at)) {
            Some(text) => Self(Arc::from(text)),
            None => Self::root(),
        }
    }

    /// This path as seen from `home`; none when it isn't below it.
    #[must_use]
    pub fn relative_to(&self, home: &Self) -> Option<RelativePath> {
        let rest = match home.is_root() {
            true => self.0.strip_prefix('/'),
            false => self.0.strip_prefix(home.as_str())?.strip_prefix('/'),
        }?;
        if rest.is_empty() { None } else { Some(RelativePath(Arc::from(rest))) }
    }
}

impl RelativePath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The absolute path that this one means from `home`.
    #[must_use]
    pub fn under(&self, home: &Path) -> Path {
        let stem = if home.is_root() { "" } else { home.as_str() };
        let mut text = String::with_capacity(stem.len() + 1 + self.0.len());
        text.push_str(stem);
        text.push('/');
        text.push_str(&self.0);
        Path(Arc::from(text))
    }
}

impl Component {
    /// Reads one name: not empty, and without a `/`.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathRefusal> {
        match check(bytes, RELATIVE_PATH_MAX)? {
            text if text.contains('/') => Err(PathRefusal::BadByte(b'/')),
            text => Ok(Self(Arc::from(text))),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Special {
    /// Every special name.
    pub const ALL: [Self; 2] = [Self::IntroduceDomain, Self::ReleaseDomain];

    /// The name as text, its `@` included.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IntroduceDomain => "@introduceDomain",
            Self::ReleaseDomain => "@releaseDomain",
        }
    }
}

impl DomainSpecial {
    /// What happens to one domain.
    #[must_use]
    pub fn new(special: Special, domain: DomainId) -> Self {
        let text = Arc::from(format!("{}/{domain}", special.as_str()));
        Self { special, domain, text }
    }

    /// What happens.
    #[must_use]
    pub fn special(&self) -> Special {
        self.special
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> DomainId {
        self.domain
    }

    /// Reads what follows a special name and its `/`.
    fn parse(special: Special, rest: &[u8]) -> Result<Self, PathRefusal> {
        let domain = DomainId::parse(rest).map_err(|_| PathRefusal::UnknownSpecial)?;
        // One name for one domain: no leading noughts.
        match format!("{domain}").as_bytes() == rest {
            true => Ok(Self::new(special, domain)),
            false => Err(PathRefusal::UnknownSpecial),
        }
    }
}

impl Name {
    /// Reads either kind of path, or a special name.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathRefusal> {
        match bytes {
            [] => Err(PathRefusal::Empty),
            b"/" => Ok(Self::Absolute(Path::root())),
            [b'@', ..] => {
                for special in Special::ALL {
                    match bytes.strip_prefix(special.as_str().as_bytes()) {
                        Some([]) => return Ok(Self::Special(special)),
                        Some([b'/', rest @ ..]) => {
                            return DomainSpecial::parse(special, rest).map(Self::DomainSpecial);
                        }
                        Some(_) | None => (),
                    }
                }
                Err(PathRefusal::UnknownSpecial)
            }
            [b'/', ..] => {
                check(bytes, ABSOLUTE_PATH_MAX).map(|text| Self::Absolute(Path(Arc::from(text))))
            }
            _ => check(bytes, RELATIVE_PATH_MAX)
                .map(|text| Self::Relative(RelativePath(Arc::from(text)))),
        }
    }

    /// The name as text, as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Absolute(path) => path.as_str(),
            Self::Relative(path) => path.as_str(),
            Self::Special(special) => special.as_str(),
            Self::DomainSpecial(special) => &special.text,
        }
    }
}

/// Checks length, bytes and components; a leading `/` is no empty component.
fn check(bytes: &[u8], limit: usize) -> Result<&str, PathRefusal> {
    if bytes.len() > limit {
        return Err(PathRefusal::TooLong { length: bytes.len(), limit });
    }
    if let Some(bad) = bytes.iter().find(|byte| !is_path_byte(**byte)) {
        return Err(PathRefusal::BadByte(*bad));
    }
    let names = bytes.strip_prefix(b"/").unwrap_or(bytes);
    if names.split(|byte| *byte == b'/').any(<[u8]>::is_empty) {
        return Err(PathRefusal::EmptyComponent);
    }
    core::str::from_utf8(bytes).map_err(|_| PathRefusal::BadByte(0x80))
}

const fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_' | b'@')
}

/// Ordered and hashed as its text is, so that maps of paths can be asked with text.
impl Borrow<str> for Path {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// Ordered and hashed as its text is, so that maps of names can be asked with text.
impl Borrow<str> for Component {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Path {
    type Err = PathRefusal;

    fn from_str(text: &str) -> Result<Self, PathRefusal> {
        Self::parse(text.as_bytes())
    }
}

impl FromStr for Name {
    type Err = PathRefusal;

    fn from_str(text: &str) -> Result<Self, PathRefusal> {
        Self::parse(text.as_bytes())
    }
}

impl FromStr for Component {
    type Err = PathRefusal;

    fn from_str(text: &str) -> Result<Self, PathRefusal> {
        Self::parse(text.as_bytes())
    }
}

impl From<Path> for Name {
    fn from(path: Path) -> Self {
        Self::Absolute(path)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Path {
        text.parse().expect("the path keeps the rules")
    }

    #[test]
    fn refuses_paths_that_break_a_rule() {
        let cases: &[(&[u8], PathRefusal)] = &[
            (b"", PathRefusal::Empty),
            (b"//", PathRefusal::EmptyComponent),
            (b"/a/", PathRefusal::EmptyComponent),
            (b"/a//b", PathRefusal::EmptyComponent),
            (b"/local/domain/", PathRefusal::EmptyComponent),
            (b"/a b", PathRefusal::BadByte(b' ')),
            (b"/../x", PathRefusal::BadByte(b'.')),
            (b"/caf\xc3\xa9", PathRefusal::BadByte(0xc3)),
            (b"a", PathRefusal::NotAbsolute),
            (b"@releaseDomain", PathRefusal::UnknownSpecial),
            (b"@other", PathRefusal::UnknownSpecial),
        ];
        for (bytes, refusal) in cases {
            assert_eq!(Path::parse(bytes), Err(*refusal), "{bytes:?}");
        }
    }

    #[test]
    fn the_longest_paths_are_taken_and_one_byte_more_is_refused() {
        let longest = format!("/{}", "a".repeat(ABSOLUTE_PATH_MAX - 1));
        assert!(Path::parse(longest.as_bytes()).is_ok());
        let refusal =
            PathRefusal::TooLong { length: ABSOLUTE_PATH_MAX + 1, limit: ABSOLUTE_PATH_MAX };
        assert_eq!(Path::parse(format!("{longest}a").as_bytes()), Err(refusal));

        let longest = "a".repeat(RELATIVE_PATH_MAX);
        assert!(Name::parse(longest.as_bytes()).is_ok());
        let refusal =
            PathRefusal::TooLong { length: RELATIVE_PATH_MAX + 1, limit: RELATIVE_PATH_MAX };
        assert_eq!(Name::parse(format!("{longest}a").as_bytes()), Err(refusal));
    }

    #[test]
    fn the_longest_relative_path_stays_a_path_in_the_longest_home() {
        let relative = "a".repeat(RELATIVE_PATH_MAX);
        let absolute = Path::parse_from(relative.as_bytes(), &DomainId::MAX.home());
        let absolute = absolute.expect("a relative path within its limit");
        assert_eq!(Path::parse(absolute.as_str().as_bytes()), Ok(absolute));
    }

    #[test]
    fn names_are_told_apart_by_their_first_byte() {
        assert_eq!(Name::parse(b"/a"), Ok(Name::Absolute(path("/a"))));
        assert_eq!(
            Name::parse(b"a/b").map(|name| format!("{name:?}")),
            Ok("Relative(RelativePath(\"a/b\"))".into())
        );
        assert_eq!(Name::parse(b"@introduceDomain"), Ok(Name::Special(Special::IntroduceDomain)));
        assert_eq!(Name::parse(b"@releaseDomain"), Ok(Name::Special(Special::ReleaseDomain)));
    }

    #[test]
    fn what_two_paths_have_in_common_ends_with_a_step() {
        for (one, other, common) in [
            ("/a/b", "/a/b", "/a/b"),
            ("/a/b", "/a/bc", "/a"),
            ("/a/b", "/a/b/c", "/a/b"),
            ("/a/b/c", "/a/b-c", "/a"),
            ("/a", "/b", "/"),
            ("/", "/b", "/"),
        ] {
            let [one, other, common] = [one, other, common].map(Path::known);
            assert_eq!(one.common(&other), common);
            assert_eq!(other.common(&one), common);
        }
    }

    #[test]
    fn parents_lead_to_the_root_and_end_there() {
        assert_eq!(path("/a/b").parent(), Some(path("/a")));
        assert_eq!(path("/a").parent(), Some(Path::root()));
        assert_eq!(Path::root().parent(), None);
        assert_eq!(path("/a/b").last(), Some("b"));
        assert_eq!(Path::root().last(), None);
    }

    #[test]
    fn a_path_starts_with_itself_and_its_ancestors_only() {
        assert!(path("/a/b").starts_with(&path("/a/b")));
        assert!(path("/a/b").starts_with(&path("/a")));
        assert!(path("/a/b").starts_with(&Path::root()));
        assert!(!path("/a/b").starts_with(&path("/a/b/c")));
        assert!(!path("/ab").starts_with(&path("/a")));
    }

    #[test]
    fn a_path_is_seen_from_a_home_only_when_below_it() {
        let home = path("/local/domain/5");
        let seen = path("/local/domain/5/data/x").relative_to(&home);
        assert_eq!(seen.as_ref().map(RelativePath::as_str), Some("data/x"));
        assert_eq!(path("/local/domain/5").relative_to(&home), None);
        assert_eq!(path("/local/domain/55/x").relative_to(&home), None);
        assert_eq!(Path::root().relative_to(&Path::root()), None);
    }

    fn any_component() -> impl Strategy<Value = Component> {
        "[A-Za-z0-9_@-]{1,9}".prop_map(|text| text.parse().expect("the component keeps the rules"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_path_built_from_components_has_them_and_parses_back(
            names in prop::collection::vec(any_component(), 0..8),
        ) {
            let mut built = Path::root();
            for name in &names {
                let child = built.child(name).expect("a short path");
                prop_assert_eq!(child.parent(), Some(built.clone()));
                prop_assert!(child.starts_with(&built));
                built = child;
            }
            let texts: Vec<&str> = names.iter().map(Component::as_str).collect();
            prop_assert_eq!(built.components().collect::<Vec<_>>(), texts);
            prop_assert_eq!(Path::parse(built.as_str().as_bytes()), Ok(built));
        }

        #[test]
        fn any_bytes_are_a_name_that_reads_back_or_are_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            if let Ok(name) = Name::parse(&bytes) {
                prop_assert_eq!(name.as_str().as_bytes(), &bytes[..]);
            }
        }
    }

    #[test]
    fn a_component_has_no_slash() {
        assert_eq!(Component::parse(b"a/b"), Err(PathRefusal::BadByte(b'/')));
        assert_eq!(Component::parse(b""), Err(PathRefusal::EmptyComponent));
        assert_eq!(vec![Component::parse(b"a").map(|name| format!("{name}"))], [Ok("a".into())]);
    }
}
