//! A viewer for tests, written from RFC 6143 alone. It panics at anything that a viewer might
//! take amiss: rectangles off the screen, no rectangles, encodings not asked for.

use vncterm_rfb::{Rgb, Size};

/// What a viewer shows where nothing was ever sent.
const GARBAGE: u32 = 0xdead_beef;

/// A pixel format, as a viewer asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) bits: u8,
    pub(crate) big_endian: bool,
    /// Maximum and shift of red, green, blue; `None` asks for a colour map.
    pub(crate) channels: Option<[(u16, u8); 3]>,
    /// What SetColourMapEntries said.
    pub(crate) map: Vec<[u16; 3]>,
}

impl Format {
    pub(crate) fn new(bits: u8, big_endian: bool, channels: Option<[(u16, u8); 3]>) -> Self {
        Self { bits, big_endian, channels, map: Vec::new() }
    }

    /// What the server announces.
    pub(crate) fn rgb332() -> Self {
        Self::new(8, false, Some([(7, 5), (7, 2), (3, 0)]))
    }

    /// The SetPixelFormat message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let channels = self.channels.unwrap_or_default();
        let mut bytes = vec![0, 0, 0, 0, self.bits, self.bits.min(24), self.big_endian.into()];
        bytes.push(self.channels.is_some().into());
        bytes.extend(channels.iter().flat_map(|(max, _)| max.to_be_bytes()));
        bytes.extend(channels.iter().map(|(_, shift)| shift));
        bytes.extend([0; 3]);
        bytes
    }

    /// The pixel value of a colour: for a colour map, the colour that the map shows.
    pub(crate) fn value(&self, colour: Rgb) -> u32 {
        let values = [colour.red, colour.green, colour.blue];
        match self.channels {
            Some(channels) => {
                values.into_iter().zip(channels).fold(0, |pixel, (value, (max, shift))| {
                    let exact = f64::from(value) * f64::from(max) / 255.0;
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "0 to 65535"
                    )]
                    let scaled = exact.round() as u32;
                    pixel | scaled << shift
                })
            }
            None => {
                let distance = |entry: &[u16; 3]| {
                    entry
                        .iter()
                        .zip(values)
                        .map(|(a, b)| (i32::from(a >> 8) - i32::from(b)).pow(2))
                        .sum::<i32>()
                };
                let best = self.map.iter().min_by_key(|entry| distance(entry)).unwrap();
                mapped(best)
            }
        }
    }

    fn bytes(&self) -> usize {
        usize::from(self.bits / 8)
    }
}

fn mapped(entry: &[u16; 3]) -> u32 {
    entry.iter().fold(0, |value, channel| value << 8 | u32::from(channel >> 8))
}

/// What was told apart from pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Bell,
    CutText(Vec<u8>),
    ColourMap,
    /// An update of so many rectangles.
    Update(u16),
    Resized,
}

/// A viewer after ServerInit.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) format: Format,
    /// The format from the next message on.
    next_format: Option<Format>,
    pub(crate) encodings: Vec<i32>,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u32>,
    received: Vec<u8>,
    pub(crate) notices: Vec<Notice>,
}

/// The bytes of one message, which may not have come yet.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let part = self.bytes.get(self.at..self.at + count)?;
        self.at += count;
        Some(part)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes(bytes.try_into().unwrap()))
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
    }

    fn pixel(&mut self, format: &Format) -> Option<u32> {
        let bytes = self.take(format.bytes())?;
        let all = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
        let value = match format.big_endian {
            true => bytes.iter().fold(0, all),
            false => bytes.iter().rev().fold(0, all),
        };
        Some(match format.channels {
            Some(_) => value,
            None => mapped(&format.map[usize::try_from(value).unwrap()]),
        })
    }
}

impl Viewer {
    pub(crate) fn new(size: Size) -> Self {
        let (width, height) = (usize::from(size.width()), usize::from(size.height()));
        Self {
            format: Format::rgb332(),
            next_format: None,
            encodings: vec![0],
            width,
            height,
            pixels: vec![GARBAGE; width * height],
            received: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Takes bytes from the server.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        loop {
            let received = std::mem::take(&mut self.received);
            let mut cursor = Cursor { bytes: &received, at: 0 };
            let whole = self.message(&mut cursor).is_some();
            let used = if whole { cursor.at } else { 0 };
            self.received = received[used..].to_vec();
            if !whole {
                return;
            }
            if let Some(format) = self.next_format.take() {
                self.format = format;
            }
        }
    }

    /// Whether a message has begun that is not whole.
    pub(crate) fn is_mid_message(&self) -> bool {
        !self.received.is_empty()
    }

    /// Asks for a pixel format: what is on its way still comes in the old one.
    pub(crate) fn set_format(&mut self, format: Format) -> Vec<u8> {
        let message = format.message();
        if self.is_mid_message() {
            self.next_format = Some(format);
        } else {
            self.format = format;
            self.next_format = None;
        }
        message
    }

    /// Asks for encodings, the preferred one first.
    pub(crate) fn set_encodings(&mut self, encodings: &[i32]) -> Vec<u8> {
        self.encodings.extend(encodings);
        set_encodings(encodings)
    }

    fn message(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        match cursor.u8()? {
            0 => self.update(cursor)?,
            1 => {
                cursor.take(1)?;
                assert_eq!(cursor.u16()?, 0, "the map's first colour");
                let count = cursor.u16()?;
                let mut map = Vec::new();
                for _ in 0..count {
                    map.push([cursor.u16()?, cursor.u16()?, cursor.u16()?]);
                }
                self.format.map = map;
                self.notices.push(Notice::ColourMap);
            }
            2 => self.notices.push(Notice::Bell),
            3 => {
                cursor.take(3)?;
                let length = usize::try_from(cursor.u32()?).unwrap();
                let text = cursor.take(length)?.to_vec();
                self.notices.push(Notice::CutText(text));
            }
            other => panic!("message type {other}"),
        }
        Some(())
    }

    fn update(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.take(1)?;
        let count = cursor.u16()?;
        assert_ne!(count, 0, "an update without rectangles");
        let mut resized = false;
        for _ in 0..count {
            let [x, y, width, height] =
                [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?].map(usize::from);
            let encoding = cursor.u32()?.cast_signed();
            assert!(self.encodings.contains(&encoding), "encoding {encoding} was not asked for");
            assert!(!resized, "a rectangle after a change of size");
            match encoding {
                0 => self.raw(cursor, [x, y, width, height])?,
                5 => self.hextile(cursor, [x, y, width, height])?,
                -223 => resized = true,
                other => panic!("encoding {other}"),
            }
            if resized {
                (self.width, self.height) = (width, height);
                self.pixels = vec![GARBAGE; width * height];
                self.notices.push(Notice::Resized);
            }
        }
        self.notices.push(Notice::Update(count));
        Some(())
    }

    fn raw(&mut self, cursor: &mut Cursor<'_>, [x, y, width, height]: [usize; 4]) -> Option<()> {
        assert!(width > 0 && height > 0, "an empty rectangle");
        for row in y..y + height {
            for column in x..x + width {
                let pixel = cursor.pixel(&self.format)?;
                self.fill([column, row, 1, 1], pixel);
            }
        }
        Some(())
    }

    fn hextile(
        &mut self,
        cursor: &mut Cursor<'_>,
        [x, y, width, height]: [usize; 4],
    ) -> Option<()> {
        assert!(width > 0 && height > 0, "an empty rectangle");
        let format = self.format.clone();
        let (mut background, mut foreground) = (None, None);
        for top in (y..y + height).step_by(16) {
            for left in (x..x + width).step_by(16) {
                let tile = [left, top, (x + width - left).min(16), (y + height - top).min(16)];
                let mask = cursor.u8()?;
                if mask & 1 != 0 {
                    self.raw(cursor, tile)?;
                    (background, foreground) = (None, None);
                    continue;
                }
                if mask & 2 != 0 {
                    background = Some(cursor.pixel(&format)?);
                }
                if mask & 4 != 0 {
                    assert_eq!(mask & 16, 0, "a foreground for coloured subrectangles");
                    foreground = Some(cursor.pixel(&format)?);
                }
                self.fill(tile, background.expect("a background that holds"));
                let count = if mask & 8 != 0 { cursor.u8()? } else { 0 };
                for _ in 0..count {
                    let colour = match mask & 16 {
                        0 => foreground.expect("a foreground that holds"),
                        _ => cursor.pixel(&format)?,
                    };
                    let [place, extent] = [cursor.u8()?, cursor.u8()?].map(usize::from);
                    let [dx, dy, w, h] =
                        [place >> 4, place & 15, (extent >> 4) + 1, (extent & 15) + 1];
                    assert!(dx + w <= tile[2] && dy + h <= tile[3], "a subrectangle off its tile");
                    self.fill([left + dx, top + dy, w, h], colour);
                }
                if mask & 16 != 0 {
                    foreground = None;
                }
            }
        }
        Some(())
    }

    fn fill(&mut self, [x, y, width, height]: [usize; 4], pixel: u32) {
        assert!(x + width <= self.width && y + height <= self.height, "pixels off the screen");
        for row in y..y + height {
            self.pixels[row * self.width + x..][..width].fill(pixel);
        }
    }
}

/// The SetEncodings message.
pub(crate) fn set_encodings(encodings: &[i32]) -> Vec<u8> {
    let count = u16::try_from(encodings.len()).unwrap();
    let mut bytes = vec![2, 0];
    bytes.extend(count.to_be_bytes());
    bytes.extend(encodings.iter().flat_map(|number| number.to_be_bytes()));
    bytes
}

/// The FramebufferUpdateRequest message; the area is x, y, width, height in pixels.
pub(crate) fn request(incremental: bool, area: [u16; 4]) -> Vec<u8> {
    let mut bytes = vec![3, incremental.into()];
    bytes.extend(area.iter().flat_map(|number| number.to_be_bytes()));
    bytes
}

/// The ClientCutText message.
pub(crate) fn cut_text(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    [&[6, 0, 0, 0], &length.to_be_bytes()[..], text].concat()
}

/// The KeyEvent message.
pub(crate) fn key(down: bool, keysym: u32) -> Vec<u8> {
    [&[4, down.into(), 0, 0], &keysym.to_be_bytes()[..]].concat()
}

/// The PointerEvent message.
pub(crate) fn pointer(buttons: u8, x: u16, y: u16) -> Vec<u8> {
    [&[5, buttons][..], &x.to_be_bytes(), &y.to_be_bytes()].concat()
}
