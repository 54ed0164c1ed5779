//! A request's head, from bytes to words, by `httparse`: targets that are no proper URI included.
//!
//! Pure. How long a client may take for it, and what its words mean, is elsewhere.

/// The longest head, in bytes: a cookie and a query with a session each, and browsers' headers.
pub(crate) const HEAD_MAX: usize = 16 * 1024;
/// The most headers.
const HEADERS_MAX: usize = 64;

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The method.
    pub(crate) method: String,
    /// The target, as it was sent.
    pub(crate) target: String,
    /// Whether it is HTTP/1.1, not 1.0.
    pub(crate) is_1_1: bool,
    headers: Vec<(String, String)>,
}

/// What bytes come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A head, and how many bytes it took.
    Whole(Head, usize),
    /// The beginning of one.
    Partial,
    /// None: 431 or 400.
    TooLarge,
    Malformed,
}

impl Head {
    /// Reads the head that `bytes` begin with.
    pub(crate) fn parse(bytes: &[u8]) -> Parsed {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length > HEAD_MAX => Parsed::TooLarge,
            Ok(httparse::Status::Complete(length)) => {
                let (Some(method), Some(target), Some(version)) =
                    (request.method, request.path, request.version)
                else {
                    return Parsed::Malformed;
                };
                let header = |header: &httparse::Header<'_>| {
                    let value = String::from_utf8_lossy(header.value).trim().to_owned();
                    (header.name.to_ascii_lowercase(), value)
                };
                let head = Self {
                    method: method.to_owned(),
                    target: target.to_owned(),
                    is_1_1: version == 1,
                    headers: request.headers.iter().map(header).collect(),
                };
                Parsed::Whole(head, length)
            }
            Ok(httparse::Status::Partial) if bytes.len() > HEAD_MAX => Parsed::TooLarge,
            Ok(httparse::Status::Partial) => Parsed::Partial,
            Err(httparse::Error::TooManyHeaders) => Parsed::TooLarge,
            Err(_) => Parsed::Malformed,
        }
    }

    /// The first header of this name, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every header of this name.
    pub(crate) fn headers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let found = self.headers.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the client wants the connection to go on.
    pub(crate) fn goes_on(&self) -> bool {
        let says = |word| {
            let mut words = self.headers("connection").flat_map(|value| value.split(','));
            words.any(|said| said.trim().eq_ignore_ascii_case(word))
        };
        if self.is_1_1 { !says("close") } else { says("keep-alive") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_is_read_as_soon_as_it_is_whole() {
        let bytes =
            b"CONNECT /console?ref=OpaqueRef:1 HTTP/1.0\r\nHost: h\r\nCOOKIE: a=b \r\n\r\nRFB";
        for end in 0..bytes.len() - 3 {
            assert_eq!(Head::parse(&bytes[..end]), Parsed::Partial, "{end}");
        }
        let Parsed::Whole(head, length) = Head::parse(bytes) else { panic!() };
        assert_eq!(&bytes[length..], b"RFB");
        assert_eq!((head.method.as_str(), head.is_1_1, head.goes_on()), ("CONNECT", false, false));
        assert_eq!(head.target, "/console?ref=OpaqueRef:1");
        assert_eq!(head.header("cookie"), Some("a=b"));
    }

    #[test]
    fn a_head_without_end_and_one_with_too_many_headers_are_too_large() {
        let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; HEAD_MAX]].concat();
        assert_eq!(Head::parse(&long), Parsed::TooLarge);
        let ended = [long.as_slice(), b"\r\n\r\n"].concat();
        assert_eq!(Head::parse(&ended), Parsed::TooLarge);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(Head::parse(many.as_bytes()), Parsed::TooLarge);
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        for bytes in [
            &b"\x16\x03\x01\x02\x00"[..],
            b"GET\r\n\r\n",
            b"RFB 003.008\n",
            b"GET / HTTP/2.0\r\n\r\n",
        ] {
            assert_eq!(Head::parse(bytes), Parsed::Malformed);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_any_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Head::parse(&bytes);
        }
    }
}
