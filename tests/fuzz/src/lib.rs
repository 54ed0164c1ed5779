//! What the fuzz targets do with their bytes: the terminal, an RFB session, both in turn, saved
//! screens; and the store's wire, a guest's ring, and what an earlier store left.
//!
//! Each target panics where something is broken that must hold whatever the bytes are.
//! `cargo fuzz run TARGET` finds bytes; those worth keeping are in `corpus/TARGET`, which the tests
//! replay with the limits on memory and time.

mod memory;
mod picture;
mod store;

pub use memory::{Counted, within_memory};
pub use store::wire;
pub use xenstored::fuzz::{ledger, ring};

use picture::Shown;
use vncterm_rfb::{Event, Limits, Picture as _, Session, output_max};
use vncterm_screen::{Action, Brackets, Keyboard, PASTE_MAX, Paste, Screen};

/// The screen that targets begin with.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
const SCROLLBACK: usize = 64;

/// A target.
pub type Target = fn(&[u8]);

/// The targets by the names of their corpora, and the most memory that they may hold at once,
/// beside their input.
pub const TARGETS: [(&str, Target, usize); 7] = [
    ("guest", guest, MEMORY_MAX),
    ("viewer", viewer, MEMORY_MAX),
    ("both", both, MEMORY_MAX),
    ("saved", saved, SAVED_MEMORY_MAX),
    ("wire", wire, STORE_MEMORY_MAX),
    ("ring", ring, STORE_MEMORY_MAX),
    ("ledger", ledger, STORE_MEMORY_MAX),
];

/// The most memory of a console with a screen of 80x24.
pub const MEMORY_MAX: usize = 1 << 20;

/// A file may hold the largest screen there is, with its alternate rows: 4 MiB. It is loaded twice,
/// and saved once.
pub const SAVED_MEMORY_MAX: usize = 10 << 20;

/// The most memory of a store with two guests.
pub const STORE_MEMORY_MAX: usize = 4 << 20;

/// Everything that a screen tells its owner holds together, and the guest is answered with numbers.
fn holds(screen: &mut Screen) {
    while let Some(reply) = screen.take_reply() {
        is_canned(&reply);
    }
    if let Some(cursor) = screen.cursor() {
        assert!(cursor.row < screen.rows() && cursor.column < screen.columns());
    }
    for row in 0..screen.rows() {
        assert_eq!(screen.row(0, row).cells.len(), usize::from(screen.columns()));
    }
    assert!(screen.scrollback_len() <= SCROLLBACK);
}

/// A reply is one control sequence of numbers, closed by a letter: nothing that a guest could make
/// a shell take for a line that somebody typed.
fn is_canned(reply: &[u8]) {
    let numbers = reply.strip_prefix(b"\x1b[").expect("a reply is a control sequence");
    let (last, numbers) = numbers.split_last().expect("a reply has a last byte");
    assert!(b"Rcntxy".contains(last), "{}", reply.escape_ascii());
    assert!(
        numbers.iter().all(|byte| b"0123456789;?>$".contains(byte)),
        "{}",
        reply.escape_ascii()
    );
}

/// What a guest prints, taken whole and byte by byte, saved and replayed.
pub fn guest(bytes: &[u8]) {
    let mut screen = Screen::new(COLUMNS, ROWS, SCROLLBACK);
    screen.feed(bytes);
    holds(&mut screen);
    let mut cut = Screen::new(COLUMNS, ROWS, SCROLLBACK);
    for (place, piece) in bytes.chunks(7).enumerate() {
        cut.feed(piece);
        if place % 64 == 0 {
            holds(&mut cut);
        }
    }
    assert_eq!(screen.text(), cut.text(), "bytes cut elsewhere show something else");
    drop(cut);
    let loaded = Screen::load(&screen.save()).expect("what was saved loads");
    assert_eq!(loaded.text(), screen.text(), "a loaded screen shows something else");
}

/// What a viewer sends, from its first byte on.
pub fn viewer(bytes: &[u8]) {
    let mut screen = Screen::new(COLUMNS, ROWS, SCROLLBACK);
    screen.feed(b"\x1b[1;31mone\x1b[m \xe4\xb8\xad \xe2\x94\x80 two\r\n");
    let mut seat = Seat::new(&screen);
    for (turn, piece) in bytes.chunks(23).enumerate() {
        seat.hear(piece, &mut screen);
        screen.feed(b"line\r\n");
        seat.look(&screen, turn);
    }
}

/// The first byte of each part says whose the next bytes are, and how many.
pub fn both(bytes: &[u8]) {
    let mut screen = Screen::new(COLUMNS, ROWS, SCROLLBACK);
    let mut seat = Seat::new(&screen);
    // A handshake, a format and encodings, so that what follows is messages at once.
    seat.hear(b"RFB 003.008\n\x01\x01", &mut screen);
    let mut rest = bytes;
    let mut turn = 0;
    while let Some((&head, tail)) = rest.split_first() {
        let (part, after) = tail.split_at(tail.len().min(usize::from(head >> 2) + 1));
        if head & 1 == 0 {
            screen.feed(part);
            holds(&mut screen);
        } else {
            seat.hear(part, &mut screen);
        }
        if head & 2 != 0 {
            seat.look(&screen, turn);
        }
        rest = after;
        turn += 1;
    }
    seat.look(&screen, turn);
}

/// A saved screen: refused, or as good as any other. The checksum, which is for accidents, is
/// mended first: behind it is what wants to be looked at.
pub fn saved(bytes: &[u8]) {
    let Ok(mut screen) = Screen::load(bytes).or_else(|_| Screen::load(&sealed(bytes))) else {
        return;
    };
    screen.feed(b"\x1b[10;10H\x1b[3Lx\xe4\xb8\xad\x1b[?1049h\x1b[2J\x1b[?1049l\r\n\n");
    screen.resize(40, 12);
    screen.feed(b"y\x1b[999;999Hz");
    let again = Screen::load(&screen.save()).expect("what was saved loads");
    assert_eq!(again.text(), screen.text());
}

/// The bytes with the head of a saved screen that fits what is behind it.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    const HEAD: usize = 18;
    let body = bytes.get(HEAD..).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    // What is no version that was ever written becomes the last one.
    let version = bytes.get(8).copied().filter(|version| *version == 1).unwrap_or(2);
    let head =
        [b"VNCTSCRN".as_slice(), &[version, 0], &length.to_le_bytes(), &crc(body).to_le_bytes()];
    [&head.concat(), body].concat()
}

/// CRC-32, as zip and PNG have it.
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(u32::MAX, byte)
}

/// A viewer's seat at the console, as the converter has it.
struct Seat {
    session: Session,
    keyboard: Keyboard,
    ended: bool,
}

impl Seat {
    fn new(screen: &Screen) -> Self {
        let limits = Limits { cut_text_max: 4096, resize: true };
        let session = Session::new("console", Shown(screen).size(), limits);
        Self { session, keyboard: Keyboard::default(), ended: false }
    }

    fn hear(&mut self, bytes: &[u8], screen: &mut Screen) {
        let mut rest = bytes;
        while !self.ended {
            match self.session.receive(&mut rest) {
                Ok(None) => break,
                Ok(Some(event)) => self.react(event, screen),
                Err(_) => self.ended = true,
            }
        }
        assert!(self.ended || rest.is_empty(), "bytes are left");
    }

    fn react(&mut self, event: Event, screen: &mut Screen) {
        let modes = screen.key_modes();
        let action = match event {
            Event::Key { down, keysym } => self.keyboard.key(keysym, down, &modes),
            Event::ScanCode { down, code } => self.keyboard.scan_code(code, down, &modes),
            // As small as the memory that is looked at allows.
            Event::Resize { columns, rows } => {
                screen.resize(columns.min(COLUMNS), rows.min(ROWS));
                Action::Nothing
            }
            Event::CutText(text) => {
                let paste = Paste::new(&text, Brackets::Wanted);
                assert!(paste.rest().len() <= PASTE_MAX + 12);
                let inside = paste.rest().strip_prefix(b"\x1b[200~").expect("it is opened");
                let inside = inside.strip_suffix(b"\x1b[201~").expect("it is closed");
                assert!(!inside.contains(&0x1b), "a paste ends its own brackets");
                Action::Nothing
            }
            Event::Pointer { .. } | Event::Ready { .. } => Action::Nothing,
        };
        if let Action::Send(bytes) = action {
            assert!(!bytes.is_empty());
        }
    }

    /// Shows it what there is, and lets it take a part of it.
    fn look(&mut self, screen: &Screen, turn: usize) {
        let picture = Shown(screen);
        self.session.update(&picture);
        let output = self.session.output().len();
        assert!(output <= output_max(picture.size()).max(output_max(self.largest())));
        // Now all of it, now a part, now nothing: a slow viewer's session takes no more for it.
        self.session.wrote(match turn % 4 {
            0 => output / 2,
            1 => 0,
            _ => output,
        });
    }

    fn largest(&self) -> vncterm_rfb::Size {
        vncterm_rfb::Size::new(COLUMNS, ROWS).expect("a screen's size")
    }
}
