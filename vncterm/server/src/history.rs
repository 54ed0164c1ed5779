//! The guest's last output as it came, with a position for each byte: who comes back goes on there.
//!
//! Positions never come again, in another converter neither: the first is the time of its start in
//! nanoseconds, which no guest's output catches up with.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that are kept: what a guest prints in the seconds that a network is away.
const BYTES_MAX: usize = 32 * 1024;

/// The last output.
#[derive(Debug)]
pub(crate) struct History {
    bytes: VecDeque<u8>,
    /// The position behind the last byte.
    end: u64,
}

impl History {
    /// None yet.
    pub(crate) fn begin() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::at(u64::try_from(since.as_nanos()).unwrap_or_default())
    }

    fn at(end: u64) -> Self {
        Self { bytes: VecDeque::new(), end }
    }

    /// The position of the next byte.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Keeps what the guest printed.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let over = (self.bytes.len() + bytes.len()).saturating_sub(BYTES_MAX);
        self.bytes.drain(..over.min(self.bytes.len()));
        let kept = bytes.len().min(BYTES_MAX);
        self.bytes.extend(bytes.iter().skip(bytes.len() - kept));
        self.end = self.end.wrapping_add(u64::try_from(bytes.len()).unwrap_or_default());
    }

    /// The screen has jumped: nothing before goes on in what comes now.
    pub(crate) fn cut(&mut self) {
        self.bytes.clear();
        self.end = self.end.wrapping_add(1);
    }

    /// What came from a position on, if all of it is kept.
    pub(crate) fn since(&self, from: u64) -> Option<Vec<u8>> {
        let wanted = usize::try_from(self.end.checked_sub(from)?).ok()?;
        let skipped = self.bytes.len().checked_sub(wanted)?;
        Some(self.bytes.range(skipped..).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_gets_what_came_meanwhile_and_nothing_twice() {
        let mut history = History::at(1000);
        history.push(b"login: ");
        let left = history.end();
        history.push(b"root\r\n");
        assert_eq!(history.since(left).unwrap(), b"root\r\n");
        assert_eq!(history.since(history.end()).unwrap(), b"");
        assert_eq!(history.since(1000).unwrap(), b"login: root\r\n");
    }

    #[test]
    fn a_position_that_is_not_kept_is_none() {
        let mut history = History::at(1000);
        history.push(&[b'x'; 10]);
        for from in [0, 999, 1011, u64::MAX] {
            assert_eq!(history.since(from), None, "{from}");
        }
        history.push(&vec![b'y'; BYTES_MAX]);
        assert_eq!(history.since(1009), None);
        assert_eq!(history.since(1010).unwrap(), vec![b'y'; BYTES_MAX]);
        history.push(&vec![b'z'; BYTES_MAX + 7]);
        assert_eq!(history.bytes.len(), BYTES_MAX);
        assert_eq!(history.end(), 1010 + 2 * 32 * 1024 + 7);
        let end = history.end();
        history.cut();
        assert_eq!(history.since(end), None);
    }

    #[test]
    fn another_converter_knows_none_of_the_positions_before() {
        let mut one = History::begin();
        one.push(b"of an earlier boot");
        let other = History::begin();
        assert_eq!(other.since(one.end()), None);
        assert_eq!(one.since(0), None);
    }
}
