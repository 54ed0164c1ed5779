//! What a starting process tells its spawner through a pipe: its pid, then how confinement went.
//!
//! The two lines come from two processes and in either order: the pid from the half that stays
//! outside, the verdict from the confined one. After them the pipe ends, and nothing else is ever
//! sent through it.

use std::io::Write;

/// A longer report is refused: a pid, and one error with its causes.
pub(crate) const REPORT_BYTES_MAX: usize = 1024;
/// An error's text is cut here, so that a report stays within its bound.
const REFUSAL_BYTES_MAX: usize = 900;

/// Room for [`UNEXECUTED`], an error number, and the line's end.
const UNEXECUTED_BYTES: usize = 24;

const UNEXECUTED: &str = "unexecuted ";
const PID: &str = "pid ";
const CONFINED: &str = "confined";
const REFUSED: &str = "refused ";

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The process's pid, as its spawner sees it.
    Pid(i32),
    /// The plan is entered.
    Confined,
    /// A step failed, and the process ends.
    Refused(String),
    /// The program could not be executed, for the reason of this error number.
    Unexecuted(i32),
}

/// The line [`Line::Unexecuted`], made without allocating: it is sent between fork and exec.
pub(crate) struct Unexecuted {
    bytes: [u8; UNEXECUTED_BYTES],
    length: usize,
}

impl Unexecuted {
    pub(crate) fn new(errno: i32) -> Self {
        let mut bytes = [0; UNEXECUTED_BYTES];
        let mut rest = bytes.as_mut_slice();
        // There is room for every number; without it the line would be malformed, and say enough.
        let _ = writeln!(rest, "{UNEXECUTED}{errno}");
        let left = rest.len();
        Self { bytes, length: UNEXECUTED_BYTES - left }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Line {
    /// The line, with its end.
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::Pid(pid) => format!("{PID}{pid}\n"),
            Self::Confined => format!("{CONFINED}\n"),
            Self::Refused(error) => {
                let mut error = error.replace(char::is_control, " ");
                error.truncate(error.floor_char_boundary(REFUSAL_BYTES_MAX));
                format!("{REFUSED}{error}\n")
            }
            Self::Unexecuted(errno) => format!("{UNEXECUTED}{errno}\n"),
        }
    }

    /// The line whose text, without its end, this is.
    fn parse(line: &str) -> Option<Self> {
        if let Some(pid) = line.strip_prefix(PID) {
            return pid.parse().ok().filter(|pid| *pid > 0).map(Self::Pid);
        }
        if let Some(error) = line.strip_prefix(REFUSED) {
            return Some(Self::Refused(error.to_owned()));
        }
        if let Some(errno) = line.strip_prefix(UNEXECUTED) {
            return errno.parse().ok().map(Self::Unexecuted);
        }
        (line == CONFINED).then_some(Self::Confined)
    }
}

/// The whole lines of what has come through the pipe so far; none if one of them is malformed.
pub(crate) fn lines(text: &[u8]) -> Option<Vec<Line>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines: Vec<&str> = text.split('\n').collect();
    // What follows the last line's end is not whole yet.
    lines.pop();
    lines.into_iter().map(Line::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was_sent() {
        let refused = Line::Refused("mount: no".into());
        for line in [Line::Pid(4711), Line::Confined, refused, Line::Unexecuted(13)] {
            assert_eq!(lines(line.encode().as_bytes()), Some(vec![line]));
        }
    }

    #[test]
    fn a_failed_execution_is_told_without_allocating() {
        for errno in [0, 13, i32::MAX, i32::MIN] {
            assert_eq!(Unexecuted::new(errno).bytes(), Line::Unexecuted(errno).encode().as_bytes());
        }
    }

    #[test]
    fn an_unfinished_line_is_waited_for() {
        assert_eq!(lines(b""), Some(vec![]));
        assert_eq!(lines(b"pid 47"), Some(vec![]));
        assert_eq!(lines(b"pid 47\nconf"), Some(vec![Line::Pid(47)]));
    }

    #[test]
    fn refuses_lines_that_nobody_sends() {
        for text in ["pid\n", "pid -1\n", "pid 0\n", "pid 1x\n", "\n", "confined \n", "hello\n"] {
            assert_eq!(lines(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(lines(b"\xff\n"), None);
    }

    #[test]
    fn a_long_refusal_is_cut_and_stays_one_line() {
        let line = Line::Refused("ä\n".repeat(2000)).encode();
        assert!(line.len() < REPORT_BYTES_MAX);
        assert!(matches!(lines(line.as_bytes()).as_deref(), Some([Line::Refused(_)])));
    }
}
