//! The extended clipboard: texts in UTF-8, announced and then asked for (the community's RFB
//! protocol, Extended Clipboard pseudo-encoding).
//!
//! Only texts are exchanged. What a viewer provides is inflated as it comes, and no further than
//! what is kept of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};

use crate::deflate::Deflate;
use crate::numbers::ServerMessage;
use crate::output::Output;

/// The one format that is understood.
const TEXT: u32 = 1;

// Actions.
const CAPS: u32 = 1 << 24;
const REQUEST: u32 = 1 << 25;
const PEEK: u32 = 1 << 26;
const NOTIFY: u32 = 1 << 27;
const PROVIDE: u32 = 1 << 28;

/// A text's length within what is compressed.
const LENGTH_BYTES: usize = 4;

/// Inflated at a time.
const STEP: usize = 512;

/// What a viewer says of its clipboard.
#[derive(Debug)]
pub(crate) enum Clipboard {
    /// It wants the text that was announced.
    Request,
    /// It wants to know whether there is a text.
    Peek,
    /// It has a new text.
    Notify,
    /// Here is a text.
    Provided(String),
    /// Something of other formats, or what it is able to.
    Other,
}

impl Clipboard {
    /// What flags mean that no text comes behind.
    pub(crate) fn of(flags: u32) -> Self {
        match flags & (CAPS | REQUEST | PEEK | NOTIFY) {
            REQUEST if flags & TEXT != 0 => Self::Request,
            PEEK => Self::Peek,
            NOTIFY if flags & TEXT != 0 => Self::Notify,
            _ => Self::Other,
        }
    }

    /// Whether flags mean that a text comes behind.
    pub(crate) fn provides(flags: u32) -> bool {
        flags & (CAPS | PROVIDE) == PROVIDE && flags & TEXT != 0
    }
}

/// A text that is on its way.
pub(crate) struct Provided {
    stream: Box<InflateState>,
    /// Its length, then the text: as much as is kept.
    kept: Vec<u8>,
    kept_max: usize,
    failed: bool,
}

impl core::fmt::Debug for Provided {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Provided").finish_non_exhaustive()
    }
}

impl Provided {
    /// One of which at most `text_max` bytes are kept.
    pub(crate) fn new(text_max: usize) -> Self {
        let stream = InflateState::new_boxed(DataFormat::Zlib);
        let kept_max = LENGTH_BYTES + text_max;
        Self { stream, kept: Vec::new(), kept_max, failed: false }
    }

    /// Takes compressed bytes. Nothing is inflated beyond what is kept, whatever they claim.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        let mut buffer = [0; STEP];
        while self.kept.len() < self.kept_max && !self.failed {
            let result = inflate(&mut self.stream, bytes, &mut buffer, MZFlush::None);
            let inflated = buffer.get(..result.bytes_written).unwrap_or_default();
            self.kept.extend(inflated.iter().take(self.kept_max - self.kept.len()));
            bytes = bytes.get(result.bytes_consumed..).unwrap_or_default();
            if result.bytes_written == 0 && result.bytes_consumed == 0 {
                // More has to come, unless the stream is broken.
                self.failed = !bytes.is_empty();
                return;
            }
        }
    }

    /// The text, lines ended by LF; empty if what came is no text.
    pub(crate) fn text(&self) -> String {
        let Some((length, text)) = self.kept.split_first_chunk() else { return String::new() };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let text = text.get(..length).unwrap_or(text);
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).replace("\r\n", "\n")
    }
}

/// Says what is understood, and how long a text may be that comes unasked.
pub(crate) fn put_caps(text_max: usize, output: &mut Output) {
    head(-8, CAPS | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT, output);
    output.u32(u32::try_from(text_max).unwrap_or(u32::MAX));
}

/// Asks for the viewer's text.
pub(crate) fn put_request(output: &mut Output) {
    head(-4, REQUEST | TEXT, output);
}

/// Says whether there is a text.
pub(crate) fn put_notify(is_there: bool, output: &mut Output) {
    head(-4, if is_there { NOTIFY | TEXT } else { NOTIFY }, output);
}

/// Sends a text.
pub(crate) fn put_text(text: &str, output: &mut Output) {
    let text = text.replace('\n', "\r\n") + "\0";
    let mut stream = Deflate::new();
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    stream.input().extend_from_slice(&length.to_be_bytes());
    stream.input().extend_from_slice(text.as_bytes());
    let place = head(0, PROVIDE | TEXT, output);
    stream.flush(output);
    // The length counts the flags too, and is negative.
    let length = u32::try_from(output.since(place) - size_of::<u32>()).unwrap_or(0);
    output.replace_u32(place, length.wrapping_neg());
}

/// Puts a message's head; gives the place of its length.
fn head(length: i32, flags: u32, output: &mut Output) -> usize {
    output.u8(ServerMessage::ServerCutText.number());
    output.bytes(&[0; 3]);
    let place = output.place();
    output.i32(length);
    output.u32(flags);
    place
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// What a viewer would send for a text: the same as we do, without the head.
    fn provided(text: &str) -> Vec<u8> {
        let mut output = Output::default();
        put_text(text, &mut output);
        output.pending()[12..].to_vec()
    }

    fn taken(text_max: usize, bytes: &[u8]) -> String {
        let mut all = Provided::new(text_max);
        all.take(bytes);
        let mut cut = Provided::new(text_max);
        bytes.iter().for_each(|byte| cut.take(&[*byte]));
        assert_eq!(all.text(), cut.text());
        all.text()
    }

    #[test]
    fn a_text_comes_back_as_it_was() {
        for text in ["", "uptime\n", "Ωμέγα\nКириллица 漢字\n"] {
            assert_eq!(taken(1000, &provided(text)), text);
        }
    }

    #[test]
    fn no_more_is_kept_than_may_be() {
        let bomb = provided(&"x".repeat(10_000_000));
        assert!(bomb.len() < 60_000);
        let mut text = Provided::new(64);
        text.take(&bomb);
        assert_eq!(text.kept.len(), 68);
        assert_eq!(text.text(), "x".repeat(64));
    }

    #[test]
    fn what_is_no_stream_is_no_text() {
        for bytes in [&b""[..], &[0], b"no zlib stream at all", &[0x78, 0x01, 0xff, 0xff]] {
            assert_eq!(taken(1000, bytes), "");
        }
        let mut cut_short = provided("text that is long enough to be cut short somewhere");
        cut_short.truncate(30);
        assert!("text that is long enough".starts_with(&taken(1000, &cut_short)));
    }
}
