//! A converter's log, passed on line by line: bounded and escaped, since it has read what a guest
//! printed.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of a line; what is beyond begins a line of its own.
const LINE_MAX: usize = 1024;

/// The reading end.
#[derive(Debug)]
pub(crate) struct Log {
    pipe: File,
    line: Vec<u8>,
}

impl Log {
    /// Takes the reading end of the pipe.
    pub(crate) fn new(pipe: OwnedFd) -> Self {
        Self { pipe: pipe.into(), line: Vec::new() }
    }

    /// Reads once, which waits when nothing is there, and hands whole lines to `show`. Says
    /// whether more may come.
    pub(crate) fn pass_on(&mut self, mut show: impl FnMut(&str)) -> bool {
        let mut buffer = [0; LINE_MAX];
        let length = self.pipe.read(&mut buffer).unwrap_or(0);
        for &byte in buffer.get(..length).unwrap_or_default() {
            if byte != b'\n' {
                self.line.push(byte);
            }
            if byte == b'\n' || self.line.len() == LINE_MAX {
                show(&escaped(&std::mem::take(&mut self.line)));
            }
        }
        if length == 0 && !self.line.is_empty() {
            show(&escaped(&std::mem::take(&mut self.line)));
        }
        length > 0
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

fn escaped(line: &[u8]) -> String {
    let mut text = String::new();
    for character in String::from_utf8_lossy(line).chars() {
        if character.is_control() {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn lines_come_whole_escaped_and_bounded() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut writer = File::from(writer);
        let mut log = Log::new(reader);
        let mut lines = Vec::new();
        writer.write_all(b"the guest's ").unwrap();
        log.pass_on(|line| lines.push(line.to_owned()));
        writer.write_all(b"console\x1b[2J\nrest").unwrap();
        writer.write_all(&[b'x'; LINE_MAX]).unwrap();
        drop(writer);
        while log.pass_on(|line| lines.push(line.to_owned())) {}
        assert_eq!(lines[0], "the guest's console\\u{1b}[2J");
        assert_eq!(lines[1].len(), LINE_MAX);
        assert_eq!(lines[2].len(), 4);
    }
}
