//! What a viewer sends, read as far as it takes to know what is input: to keep a watcher's from the
//! guest, and to tell who is idle.
//!
//! Pure. Messages are cut out of the stream by their heads (RFC 6143, 7.5, and the extensions that
//! viewers have); what is in them is the console's business. Nothing is kept but a head.

use xenwarden_model::ConsoleProtocol;

/// A message that can't be told from the next: a watcher's input can't be kept back then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

/// One viewer.
#[derive(Debug)]
pub(crate) struct Viewer {
    view_only: bool,
    /// None for text, and where the stream is not understood any more.
    rfb: Option<Rfb>,
    is_text: bool,
}

impl Viewer {
    pub(crate) fn new(protocol: ConsoleProtocol, view_only: bool) -> Self {
        let is_text = protocol == ConsoleProtocol::Vt100;
        Self { view_only, rfb: (!is_text).then(Rfb::default), is_text }
    }

    /// Takes what the viewer sent, and adds what of it goes to the console to `passed`; whether there
    /// was input.
    pub(crate) fn hear(&mut self, bytes: &[u8], passed: &mut Vec<u8>) -> Result<bool, Unknown> {
        let mut kept = Vec::new();
        let heard = match &mut self.rfb {
            Some(rfb) => rfb.hear(bytes, &mut kept),
            None => Ok(!bytes.is_empty()),
        };
        match (self.view_only, heard) {
            (true, Err(Unknown)) => Err(Unknown),
            (true, Ok(_)) if self.is_text => Ok(false),
            (true, Ok(_)) => {
                passed.extend(kept);
                Ok(false)
            }
            (false, heard) => {
                if heard.is_err() {
                    // All that comes counts as input from here on.
                    self.rfb = None;
                }
                passed.extend_from_slice(bytes);
                Ok(heard.unwrap_or(true))
            }
        }
    }

    /// Takes what the console sent: a server of version 3.3 names the security type.
    pub(crate) fn shown(&mut self, bytes: &[u8]) {
        if let Some(rfb) = &mut self.rfb {
            rfb.shown(bytes);
        }
    }
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Version,
    Security,
    Response,
    Init,
    Message,
}

/// How a message goes on after its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    is_input: bool,
    /// Whether a watcher's goes to the console.
    passes: bool,
}

/// A watcher asks for pictures; everything else of a viewer's changes something.
const ASKS: Kind = Kind { is_input: false, passes: true };
const CHANGES: Kind = Kind { is_input: false, passes: false };
const TYPES: Kind = Kind { is_input: true, passes: false };

/// The bytes of a version, and of what answers a challenge (RFC 6143, 7.1.1 and 7.2.2).
const VERSION_BYTES: usize = 12;
const RESPONSE_BYTES: usize = 16;
/// A 3.3 server's greeting and security type.
const GREETING_BYTES: usize = VERSION_BYTES + 4;

/// Where in RFB's stream a viewer is.
#[derive(Debug)]
struct Rfb {
    next: Next,
    is_3_3: bool,
    greeting: Vec<u8>,
    /// The beginning of a head.
    head: Vec<u8>,
    /// Bytes of a message behind its head.
    left: u64,
    passes: bool,
}

impl Default for Rfb {
    fn default() -> Self {
        let (greeting, head) = (Vec::new(), Vec::new());
        Self { next: Next::Version, is_3_3: false, greeting, head, left: 0, passes: true }
    }
}

impl Rfb {
    fn shown(&mut self, bytes: &[u8]) {
        let missing = GREETING_BYTES - self.greeting.len();
        self.greeting.extend(bytes.iter().take(missing));
    }

    fn hear(&mut self, mut bytes: &[u8], kept: &mut Vec<u8>) -> Result<bool, Unknown> {
        let mut was_input = false;
        loop {
            if self.left > 0 {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                let (body, rest) = bytes.split_at(length);
                if self.passes {
                    kept.extend_from_slice(body);
                }
                self.left -= body.len() as u64;
                bytes = rest;
            }
            let Some((byte, rest)) = bytes.split_first() else { return Ok(was_input) };
            self.head.push(*byte);
            bytes = rest;
            was_input |= self.step(kept)?;
        }
    }

    /// Goes on where the head has become whole.
    fn step(&mut self, kept: &mut Vec<u8>) -> Result<bool, Unknown> {
        let head = self.head.as_slice();
        let (next, kind, left) = match self.next {
            Next::Version if head.len() < VERSION_BYTES => return Ok(false),
            Next::Version => {
                // As the protocol has it, to the byte: a server may read blanks and signs into another
                // version, and would be one message ahead from then on.
                is_version(head).then_some(()).ok_or(Unknown)?;
                // What calls itself anything below 3.7 is served as 3.3 (RFC 6143, 7.1.1).
                self.is_3_3 = head < b"RFB 003.007\n".as_slice();
                let next = if self.is_3_3 { self.type_3_3()? } else { Next::Security };
                (next, ASKS, 0)
            }
            Next::Security => match head {
                [1] => (Next::Init, ASKS, 0),
                [2] => (Next::Response, ASKS, 0),
                _ => return Err(Unknown),
            },
            Next::Response if head.len() < RESPONSE_BYTES => return Ok(false),
            Next::Response => (Next::Init, ASKS, 0),
            Next::Init => (Next::Message, ASKS, 0),
            Next::Message => match message(head)? {
                Some((kind, left)) => (Next::Message, kind, left),
                None => return Ok(false),
            },
        };
        match self.next {
            // Who only looks shares: a request to be the only one would part all others.
            Next::Init => kept.push(1),
            _ if kind.passes => kept.extend_from_slice(head),
            _ => (),
        }
        self.head.clear();
        (self.next, self.passes, self.left) = (next, kind.passes, left);
        Ok(kind.is_input)
    }

    fn type_3_3(&self) -> Result<Next, Unknown> {
        match self.greeting.get(VERSION_BYTES..GREETING_BYTES) {
            Some([0, 0, 0, 2]) => Ok(Next::Response),
            // A viewer that doesn't wait for the type takes it for granted.
            Some([0, 0, 0, 1]) | None => Ok(Next::Init),
            Some(_) => Err(Unknown),
        }
    }
}

/// `RFB xxx.yyy\n` in digits (RFC 6143, 7.1.1).
fn is_version(head: &[u8]) -> bool {
    let [b'R', b'F', b'B', b' ', a, b, c, b'.', d, e, f, b'\n'] = head else { return false };
    [a, b, c, d, e, f].iter().all(|digit| digit.is_ascii_digit())
}

/// What a message is and how many bytes follow its head; none where the head is not whole.
fn message(head: &[u8]) -> Result<Option<(Kind, u64)>, Unknown> {
    let whole = |length: usize| head.len() >= length;
    let at = |index: usize| u64::from(head.get(index).copied().unwrap_or_default());
    let two = |index: usize| at(index) << 8 | at(index + 1);
    let (length, kind, left): (usize, Kind, &dyn Fn() -> u64) = match head {
        // SetPixelFormat, FixColourMapEntries, SetEncodings, FramebufferUpdateRequest
        [0, ..] => (20, ASKS, &|| 0),
        [1, ..] => (6, CHANGES, &|| 6 * two(4)),
        [2, ..] => (4, ASKS, &|| 4 * two(2)),
        [3, ..] => (10, ASKS, &|| 0),
        // KeyEvent, PointerEvent
        [4, ..] => (8, TYPES, &|| 0),
        [5, ..] => (6, TYPES, &|| 0),
        // ClientCutText; the length of an extended one is negative
        [6, ..] => (8, TYPES, &|| {
            let length = (two(4) << 16 | two(6)).to_be_bytes();
            let [_, _, _, _, a, b, c, d] = length;
            u64::from(i32::from_be_bytes([a, b, c, d]).unsigned_abs())
        }),
        // EnableContinuousUpdates, ClientFence
        [150, ..] => (10, ASKS, &|| 0),
        [248, ..] => (9, ASKS, &|| at(8)),
        // xvp, SetDesktopSize, XenCenter's scan codes
        [250, ..] => (4, TYPES, &|| 0),
        [251, ..] => (8, CHANGES, &|| 16 * at(6)),
        [254, ..] => (8, TYPES, &|| 0),
        // QEMU's: keys, and sound, which is switched and described
        [255, 0, ..] => (12, TYPES, &|| 0),
        [255, 1, 0, 2, ..] => (10, CHANGES, &|| 0),
        [255, 1, 0, 0 | 1, ..] => (4, CHANGES, &|| 0),
        [255] | [255, 1] | [255, 1, 0] => return Ok(None),
        _ => return Err(Unknown),
    };
    Ok(whole(length).then(|| (kind, left())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HANDSHAKE: &[u8] = b"RFB 003.008\n\x01\x01";
    const KEY: &[u8] = &[4, 1, 0, 0, 0, 0, 0, 0x61];
    const POINTER: &[u8] = &[5, 1, 0, 1, 0, 1];
    const REQUEST: &[u8] = &[3, 1, 0, 0, 0, 0, 0, 80, 0, 24];
    const ENCODINGS: &[u8] = &[2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1];
    const CUT_TEXT: &[u8] = &[6, 0, 0, 0, 0, 0, 0, 3, b'\x04', b'c', b'd'];
    const EXTENDED: &[u8] = &[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 1, 2, 3, 4];
    const QEMU_KEY: &[u8] = &[255, 0, 0, 1, 0, 0, 0, 0x61, 0, 0, 0, 30];
    const SIZE: &[u8] =
        &[251, 0, 2, 0x80, 1, 0x90, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x80, 1, 0x90, 0, 0, 0, 0];
    const FENCE: &[u8] = &[248, 0, 0, 0, 0, 0, 0, 1, 2, 9, 9];

    fn watcher() -> Viewer {
        Viewer::new(ConsoleProtocol::Rfb, true)
    }

    fn pass(viewer: &mut Viewer, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::new();
        let input = viewer.hear(bytes, &mut passed).unwrap();
        (passed, input)
    }

    #[test]
    fn a_watcher_asks_for_pictures_and_types_nothing() {
        let mut viewer = watcher();
        assert_eq!(pass(&mut viewer, HANDSHAKE).0, HANDSHAKE);
        let asks = [REQUEST, ENCODINGS, FENCE];
        let types = [KEY, POINTER, CUT_TEXT, EXTENDED, QEMU_KEY, SIZE];
        for (ask, input) in asks.iter().cycle().zip(types) {
            let sent = [input, ask, input].concat();
            assert_eq!(pass(&mut viewer, &sent), (ask.to_vec(), false));
        }
    }

    #[test]
    fn a_version_that_two_readers_read_differently_is_none() {
        for version in [b"RFB   3.008\n", b"RFB +03.008\n", b"RFB 003.3  \n", b"RFB 003.008\r"] {
            assert_eq!(watcher().hear(version, &mut Vec::new()), Err(Unknown));
        }
    }

    #[test]
    fn a_watcher_that_wants_to_be_the_only_one_parts_nobody() {
        let mut viewer = watcher();
        assert_eq!(pass(&mut viewer, b"RFB 003.008\n\x01\x00").0, HANDSHAKE);
    }

    #[test]
    fn whoever_types_is_not_idle_and_whoever_asks_for_pictures_is() {
        let mut viewer = Viewer::new(ConsoleProtocol::Rfb, false);
        pass(&mut viewer, HANDSHAKE);
        for (bytes, input) in [
            (REQUEST, false),
            (KEY, true),
            (ENCODINGS, false),
            (POINTER, true),
            (QEMU_KEY, true),
            (SIZE, false),
        ] {
            assert_eq!(pass(&mut viewer, bytes), (bytes.to_vec(), input));
        }
    }

    #[test]
    fn each_version_has_its_dialogue() {
        let none = b"RFB 003.008\n\0\0\0\x01";
        let challenge = b"RFB 003.008\n\0\0\0\x02";
        let with = |begin: &[u8], end: &[u8]| [begin, end].concat();
        let response = [7; RESPONSE_BYTES];
        for (shown, sent) in [
            (&none[..], b"RFB 003.003\n\x01".to_vec()),
            (&b""[..], b"RFB 003.005\n\x01".to_vec()),
            (&challenge[..], with(b"RFB 003.003\n", &with(&response, b"\x01"))),
            (&b""[..], b"RFB 003.007\n\x01\x01".to_vec()),
            (&b""[..], with(b"RFB 003.889\n\x02", &with(&response, b"\x01"))),
        ] {
            let mut viewer = watcher();
            viewer.shown(shown);
            assert_eq!(pass(&mut viewer, &sent).0, sent);
            assert_eq!(pass(&mut viewer, &with(KEY, REQUEST)).0, REQUEST);
        }
    }

    #[test]
    fn a_watcher_that_is_not_understood_is_stopped_and_anybody_else_goes_on() {
        let unknown = [HANDSHAKE, &[99, 1, 2]].concat();
        assert_eq!(watcher().hear(&unknown, &mut Vec::new()), Err(Unknown));
        assert_eq!(watcher().hear(b"RFB 003.008\n\x13", &mut Vec::new()), Err(Unknown));
        let mut viewer = Viewer::new(ConsoleProtocol::Rfb, false);
        assert_eq!(pass(&mut viewer, &unknown), (unknown.clone(), true));
        assert_eq!(pass(&mut viewer, REQUEST), (REQUEST.to_vec(), true));
    }

    #[test]
    fn a_watcher_of_text_types_nothing() {
        let mut watcher = Viewer::new(ConsoleProtocol::Vt100, true);
        assert_eq!(pass(&mut watcher, b"reboot\n"), (Vec::new(), false));
        let mut typist = Viewer::new(ConsoleProtocol::Vt100, false);
        assert_eq!(pass(&mut typist, b"ls\n"), (b"ls\n".to_vec(), true));
    }

    fn any_message() -> impl Strategy<Value = (Vec<u8>, bool)> {
        let known = [REQUEST, ENCODINGS, FENCE].map(|bytes| (bytes.to_vec(), true));
        let input =
            [KEY, POINTER, CUT_TEXT, EXTENDED, QEMU_KEY, SIZE].map(|bytes| (bytes.to_vec(), false));
        prop::sample::select([known.to_vec(), input.to_vec()].concat())
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_makes_no_difference(
            messages in prop::collection::vec(any_message(), 0..12),
            cuts in prop::collection::vec(1usize..9, 1..9),
        ) {
            let all: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let asked: Vec<u8> = messages.iter().filter(|(_, asks)| *asks)
                .flat_map(|(bytes, _)| bytes.clone()).collect();
            let sent = [HANDSHAKE, &all].concat();
            let mut viewer = watcher();
            let (mut passed, mut rest) = (Vec::new(), sent.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                viewer.hear(piece, &mut passed).unwrap();
                rest = left;
            }
            prop_assert_eq!(passed, [HANDSHAKE, &asked].concat());
        }

        #[test]
        fn no_bytes_do_any_harm_and_heads_are_all_that_is_kept(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut viewer = watcher();
            let mut passed = Vec::new();
            let _ = viewer.hear(HANDSHAKE, &mut passed);
            let _ = viewer.hear(&bytes, &mut passed);
            prop_assert!(viewer.rfb.is_some_and(|rfb| rfb.head.len() <= 20));
        }
    }
}
