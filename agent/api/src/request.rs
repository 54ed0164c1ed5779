//! What a head's words mean: path, query, cookies, Basic log-in.
//!
//! Pure, and lenient where clients in the wild are: a target may be a whole URL, even one without a
//! host; cookies may be separated in the old way.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use uuid::Uuid;
use xenwarden_model::front::Target;

use crate::head::Head;

/// A request's path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The path, decoded.
    pub(crate) path: String,
    query: Vec<(String, String)>,
}

impl Place {
    /// Reads a target: a path, or a URL whose path counts.
    pub(crate) fn parse(target: &str) -> Self {
        let after_scheme = target.split_once("://").map_or(target, |(scheme, rest)| {
            // A query may hold a URL of its own.
            if scheme.chars().all(|c| c.is_ascii_alphanumeric()) { rest } else { target }
        });
        let path_and_query = match target.starts_with('/') {
            true => target,
            false => after_scheme.find(['/', '?']).map_or("/", |at| &after_scheme[at..]),
        };
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let query = query.split('#').next().unwrap_or_default();
        Self { path: decode(path), query: pairs(query, '&') }
    }

    /// The first value of a query's key.
    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        find(&self.query, key)
    }

    /// The console that is meant: a uuid goes before a reference. None where none is named, an error
    /// where what is named can't be one.
    pub(crate) fn target(&self) -> Option<Result<Target, String>> {
        let wrong = |text: &str| text.chars().take(100).collect::<String>();
        match (self.query("uuid"), self.query("ref")) {
            (Some(uuid), _) => {
                Some(Uuid::try_parse(uuid).map(Target::Uuid).map_err(|_| wrong(uuid)))
            }
            (None, Some(text)) => {
                // Some clients put the whole of a location here.
                let inner = text.split_once("ref=").map_or(text, |(_, inner)| inner);
                Some(inner.parse().map(Target::Reference).map_err(|_| wrong(text)))
            }
            (None, None) => None,
        }
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn pairs(text: &str, separator: char) -> Vec<(String, String)> {
    let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn find<'p>(pairs: &'p [(String, String)], key: &str) -> Option<&'p str> {
    pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

/// A parameter, from the cookies or else from the query.
pub(crate) fn parameter(head: &Head, place: &Place, key: &str) -> Option<String> {
    let in_cookies = head.headers("cookie").find_map(|cookies| {
        let separator = if cookies.contains(';') { ';' } else { '&' };
        find(&pairs(cookies, separator), key).map(str::to_owned)
    });
    in_cookies.or_else(|| place.query(key).map(str::to_owned))
}

/// User and password of a Basic log-in (RFC 7617).
pub(crate) fn basic(head: &Head) -> Option<(String, String)> {
    let (scheme, credentials) = head.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64_STANDARD.decode(credentials.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Parsed;

    const REF: &str = "OpaqueRef:5b2c1c1a-7a0f-4d2d-8c8e-0e0a1d1d7c11";
    const UUID: &str = "026e34fe-f0f2-20ee-5344-46d1aa922d5b";

    fn head(text: &str) -> Head {
        let text = format!("{}\r\n\r\n", text.replace('\n', "\r\n"));
        match Head::parse(text.as_bytes()) {
            Parsed::Whole(head, _) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_console_is_named_by_path_url_or_url_without_a_host() {
        let reference = Some(Ok(Target::Reference(REF.parse().unwrap())));
        for target in [
            format!("/console?ref={REF}"),
            format!("/console?ref={}", REF.replace(':', "%3A")),
            format!("https://10.0.0.1/console?ref={REF}"),
            format!("https:///console?ref={REF}"),
            format!("https://[2001:db8::1]:8443/console?ref={REF}&session_id=x"),
            format!("/console?ref=https://h/console?ref={REF}"),
        ] {
            let place = Place::parse(&target);
            assert_eq!(place.path, "/console", "{target}");
            assert_eq!(place.target(), reference, "{target}");
        }
        let both = Place::parse(&format!("/console?ref={REF}&uuid={UUID}"));
        assert_eq!(both.target(), Some(Ok(Target::Uuid(UUID.parse().unwrap()))));
        assert_eq!(Place::parse("/console").target(), None);
        assert!(Place::parse("/console?uuid=1").target().unwrap().is_err());
        assert!(Place::parse("/console?ref=OpaqueRef:NULL").target().unwrap().is_err());
        assert_eq!(Place::parse("host:443").path, "/");
    }

    #[test]
    fn a_cookie_goes_before_the_query_and_is_found_among_others() {
        let place = Place::parse("/console?session_id=q");
        let of = |text: &str| parameter(&head(text), &place, "session_id").unwrap();
        assert_eq!(of("GET / HTTP/1.1"), "q");
        assert_eq!(of("GET / HTTP/1.1\nCookie: session_id=c"), "c");
        assert_eq!(of("GET / HTTP/1.1\nCookie: a=b; session_id=c%3A1; d=e"), "c:1");
        assert_eq!(of("GET / HTTP/1.1\nCookie: a=b&session_id=c"), "c");
        assert_eq!(of("GET / HTTP/1.1\nCookie: a=b\nCookie: session_id=c"), "c");
    }

    #[test]
    fn a_basic_log_in_is_read_or_is_none() {
        let of = |value: &str| basic(&head(&format!("GET / HTTP/1.1\nAuthorization: {value}")));
        assert_eq!(of("Basic YTpiOmM="), Some(("a".into(), "b:c".into())));
        assert_eq!(of("bAsIc YTpi"), Some(("a".into(), "b".into())));
        for value in ["Basic", "Basic !", "Bearer YTpi", "Basic YQ==", "Basic /w=="] {
            assert_eq!(of(value), None, "{value}");
        }
    }
}
