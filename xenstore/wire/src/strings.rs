//! A payload as a row of NUL-ended strings, read from the front.
//!
//! It can only shrink, and what is left over is an error unless the caller takes it.

/// What is left of a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strings<'a> {
    rest: &'a [u8],
}

/// A payload that has fewer or more strings than its operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongCount;

impl<'a> Strings<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// Takes one string, without its NUL.
    pub(crate) fn take(&mut self) -> Result<&'a [u8], WrongCount> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or(WrongCount)?;
        let (string, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(string)
    }

    /// Takes every byte that is left, NULs and all.
    pub(crate) fn take_rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// Succeeds only when nothing is left.
    pub(crate) fn finish(self) -> Result<(), WrongCount> {
        if self.rest.is_empty() { Ok(()) } else { Err(WrongCount) }
    }

    /// The payload's only string.
    pub(crate) fn only(payload: &'a [u8]) -> Result<&'a [u8], WrongCount> {
        let mut strings = Self::new(payload);
        let string = strings.take()?;
        strings.finish()?;
        Ok(string)
    }
}

/// Reads a decimal number of digits alone: no sign, no blank, nothing after it.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_takes_exactly_one_ended_string() {
        assert_eq!(Strings::only(b"a\0"), Ok(&b"a"[..]));
        assert_eq!(Strings::only(b"\0"), Ok(&b""[..]));
        for payload in [&b""[..], b"a", b"a\0b", b"a\0b\0", b"a\0\0"] {
            assert_eq!(Strings::only(payload), Err(WrongCount), "{payload:?}");
        }
    }

    #[test]
    fn decimal_takes_digits_alone() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for text in [&b""[..], b"-1", b"+1", b" 1", b"1 ", b"0x1", b"18446744073709551616"] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
    }
}
