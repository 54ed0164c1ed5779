//! A dialogue with a session that shows two cells, and the rectangles that viewers hear of them, in
//! hexadecimal bytes.

use vncterm_rfb::{Event, Fault, Limits, Look, Session};

use crate::canvas::{Canvas, WHITE};
use crate::viewer::Inflater;

/// ServerInit for two columns and one row, named "demo1".
pub(crate) const SERVER_INIT: &str =
    "0010 0010  08 08 00 01 0007 0007 0003 05 02 00 000000  00000005 64656d6f31";

/// The pixel format that most viewers ask for: 32 bits, little-endian.
pub(crate) const SET_XRGB: &str = "00 000000  20 18 00 01 00ff 00ff 00ff 10 08 00 000000";

/// A dialogue with a session that shows a picture of 2x1 cells.
pub(crate) struct Dialogue {
    pub(crate) session: Session,
    pub(crate) picture: Canvas,
}

/// Reads hexadecimal bytes, spaces apart or not.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

impl Dialogue {
    pub(crate) fn begin() -> Self {
        let mut picture = Canvas::new(2, 1);
        let solid = Look { glyph: 1, ink: WHITE, paper: WHITE };
        picture.put(0, 1, solid);
        let session =
            Session::new("demo1", vncterm_rfb::Size::new(2, 1).unwrap(), Limits::default());
        Self { session, picture }
    }

    /// The viewer says something; gives what it meant.
    #[track_caller]
    pub(crate) fn says(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut bytes = bytes;
        let mut events = Vec::new();
        while let Some(event) = self.session.receive(&mut bytes).unwrap() {
            events.push(event);
        }
        events
    }

    /// The viewer says something that ends the session.
    #[track_caller]
    pub(crate) fn says_wrongly(&mut self, bytes: &[u8]) -> Fault {
        let mut bytes = bytes;
        loop {
            match self.session.receive(&mut bytes) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no fault"),
                Err(fault) => return fault,
            }
        }
    }

    /// The viewer hears exactly this.
    #[track_caller]
    pub(crate) fn hears(&mut self, bytes: &[u8]) {
        self.session.update(&self.picture);
        assert_eq!(self.session.output(), bytes);
        self.session.wrote(bytes.len());
    }

    /// The viewer hears an update in ZRLE, the first of its stream, that inflates to exactly this,
    /// behind its pointer.
    #[track_caller]
    pub(crate) fn hears_zrle(&mut self, pointer: Vec<u8>, inflated: &[u8]) {
        self.session.update(&self.picture);
        let output = self.session.output().to_vec();
        let expected = update(&[pointer, hex("0000 0000 0010 0010 00000010")]);
        let (head, data) = output.split_at(expected.len() + 4);
        assert_eq!(head[..expected.len()], expected);
        assert_eq!(head[expected.len()..], u32::try_from(data.len()).unwrap().to_be_bytes());
        assert_eq!(Inflater::default().inflate(data), inflated);
        self.session.wrote(output.len());
    }

    /// The viewer hears nothing.
    #[track_caller]
    pub(crate) fn hears_nothing(&mut self) {
        self.hears(&[]);
    }

    /// The dialogue of 3.8, with the version the viewer says.
    #[track_caller]
    pub(crate) fn shake_hands_3_8(&mut self, version: &[u8; 12], shared: u8) {
        self.hears(b"RFB 003.008\n");
        self.says(version);
        self.hears(&hex("01 01"));
        self.says(&hex("01"));
        self.hears(&hex("00000000"));
        assert!(!self.session.is_ready());
        assert_eq!(self.says(&[shared]), [Event::Ready { shared: shared != 0 }]);
        assert!(self.session.is_ready());
        self.hears(&hex(SERVER_INIT));
    }
}

/// An update of so many rectangles.
pub(crate) fn update(rectangles: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(rectangles.len()).unwrap();
    [&[0, 0][..], &count.to_be_bytes(), &rectangles.concat()].concat()
}

/// The pointer's shape, a beam; its colours as pixels.
pub(crate) fn beam(dark: &str, bright: &str) -> Vec<u8> {
    let line = |bits: &str| {
        bits.chars()
            .flat_map(|bit| hex(if bit == '#' { bright } else { dark }))
            .collect::<Vec<u8>>()
    };
    let (blank, serif, stem) = (line("........"), line(".##.##.."), line("...#...."));
    let pixels = [blank.clone(), serif.clone(), stem.repeat(12), serif, blank].concat();
    let mask = hex("fe fe fe 38 38 38 38 38 38 38 38 38 38 fe fe fe");
    [hex("0003 0007 0008 0010 ffffff11"), pixels, mask].concat()
}

/// Extended key events are understood.
pub(crate) fn extended_keys() -> Vec<u8> {
    hex("0000 0000 0000 0000 fffffefe")
}

/// The size, 16x16, with a reason and a status.
pub(crate) fn desktop_size(reason: &str, status: &str) -> Vec<u8> {
    let screen = hex("01 000000  00000000  0000 0000 0010 0010 00000000");
    [hex(reason), hex(status), hex("0010 0010 fffffecc"), screen].concat()
}

/// What goes before the first update: continuous updates are possible, and fences, and texts of
/// 64 KiB.
pub(crate) const EXTENSIONS: &str =
    "96  f8 000000 80000000 00  03 000000 fffffff8 1f000001 00010000";

/// The first update in Raw: the left cell black, the right one white.
pub(crate) fn raw_update(black: &str, white: &str) -> Vec<u8> {
    let mut bytes = hex("00 00 0001  0000 0000 0010 0010 00000000");
    let line = [hex(black).repeat(8), hex(white).repeat(8)].concat();
    bytes.extend(line.repeat(16));
    bytes
}

/// The first update in Hextile: one tile, of which one cell is a rectangle.
pub(crate) fn hextile_update(black: &str, white: &str) -> Vec<u8> {
    let mut bytes = hex("00 00 0001  0000 0000 0010 0010 00000005  0e");
    // Both colours cover as much; the white cell's is the background.
    bytes.extend([hex(white), hex(black), hex("01 00 7f")].concat());
    bytes
}

/// The first picture in CoRRE: one subrectangle on black.
pub(crate) fn corre(black: &str, white: &str) -> Vec<u8> {
    let head = hex("0000 0000 0010 0010 00000004  00000001");
    [head, hex(black), hex(white), hex("08 00 08 10")].concat()
}

/// The first picture in Tight: two fills.
pub(crate) fn tight(black: &str, white: &str) -> [Vec<u8>; 2] {
    let left = [hex("0000 0000 0010 0010 00000007  80"), hex(black)].concat();
    let right = [hex("0008 0000 0008 0010 00000007  80"), hex(white)].concat();
    [left, right]
}

/// What the first update in ZRLE inflates to: a packed palette of two.
pub(crate) fn zrle_tile(black: &str, white: &str) -> Vec<u8> {
    [hex("02"), hex(black), hex(white), hex("00ff").repeat(16)].concat()
}
