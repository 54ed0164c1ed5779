//! A viewer for tests, written from RFC 6143 alone. It panics at anything that a viewer might
//! take amiss: rectangles off the screen, no rectangles, encodings not asked for.

mod tight;
mod zlib;
mod zrle;

use vncterm_rfb::{Rgb, Size};

pub(crate) use zlib::Inflater;

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
        let mut bytes = vec![0, 0, 0, 0, self.bits, self.depth(), self.big_endian.into()];
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

    /// What SetPixelFormat says.
    fn depth(&self) -> u8 {
        self.bits.min(24)
    }

    /// Whether Tight sends red, green and blue as a byte each.
    fn is_tight(&self) -> bool {
        let whole = |channels: [(u16, u8); 3]| channels.iter().all(|(max, _)| *max == 255);
        self.bits == 32 && self.depth() == 24 && self.channels.is_some_and(whole)
    }

    fn tight_bytes(&self) -> usize {
        if self.is_tight() { 3 } else { self.bytes() }
    }

    /// Which bytes of a pixel ZRLE sends, in TigerVNC's words: the least significant three if all
    /// colours are there, or the most significant, as the byte order prefers.
    fn compressed(&self) -> std::ops::Range<usize> {
        let Some(channels) = self.channels.filter(|_| self.bits == 32) else {
            return 0..self.bytes();
        };
        let most: u32 = channels.iter().map(|(max, shift)| u32::from(*max) << shift).sum();
        let (low, high) = (most < 1 << 24, most & 0xff == 0);
        match (low, high, self.big_endian) {
            (true, _, false) | (_, true, true) => 0..3,
            (_, true, false) | (true, _, true) => 1..4,
            (false, false, _) => 0..4,
        }
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
    EndOfContinuousUpdates,
    /// Flags and payload.
    Fence(u32, Vec<u8>),
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
    zrle: Inflater,
    tight: [Inflater; 4],
    /// Rectangles of the update under way that were shown already: their zlib streams have moved on.
    shown: usize,
    shown_bytes: usize,
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
        let bytes = self.take(format.bytes())?.to_vec();
        Some(value(&bytes, format))
    }

    /// A pixel of ZRLE.
    fn compressed_pixel(&mut self, format: &Format) -> Option<u32> {
        let sent = format.compressed();
        let mut bytes = vec![0; format.bytes()];
        let length = sent.len();
        bytes[sent].copy_from_slice(self.take(length)?);
        Some(value(&bytes, format))
    }

    /// A pixel of Tight.
    fn tight_pixel(&mut self, format: &Format) -> Option<u32> {
        match format.channels.filter(|_| format.is_tight()) {
            Some(channels) => {
                let colours = self.take(3)?.iter().zip(channels);
                Some(
                    colours
                        .fold(0, |pixel, (value, (_, shift))| pixel | u32::from(*value) << shift),
                )
            }
            None => self.pixel(format),
        }
    }
}

/// What a pixel's bytes say.
fn value(bytes: &[u8], format: &Format) -> u32 {
    let all = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    let value = match format.big_endian {
        true => bytes.iter().fold(0, all),
        false => bytes.iter().rev().fold(0, all),
    };
    match format.channels {
        Some(_) => value,
        None => mapped(&format.map[usize::try_from(value).unwrap()]),
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
            zrle: Inflater::default(),
            tight: Default::default(),
            shown: 0,
            shown_bytes: 0,
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
            150 => self.notices.push(Notice::EndOfContinuousUpdates),
            248 => {
                cursor.take(3)?;
                let flags = cursor.u32()?;
                let length = usize::from(cursor.u8()?);
                let payload = cursor.take(length)?.to_vec();
                self.notices.push(Notice::Fence(flags, payload));
            }
            other => panic!("message type {other}"),
        }
        Some(())
    }

    fn update(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.take(1)?;
        let count = cursor.u16()?;
        assert_ne!(count, 0, "an update without rectangles");
        if self.shown > 0 {
            cursor.at = self.shown_bytes;
        }
        while self.shown < count.into() {
            let is_last = self.rectangle(cursor)?;
            if is_last {
                assert_eq!(count, u16::MAX, "an end of an update that was counted");
                break;
            }
            self.shown += 1;
            self.shown_bytes = cursor.at;
        }
        let shown = std::mem::take(&mut self.shown);
        assert_ne!(shown, 0, "an update without rectangles");
        self.notices.push(Notice::Update(u16::try_from(shown).unwrap()));
        Some(())
    }

    /// Shows a rectangle; says whether it ends the update.
    fn rectangle(&mut self, cursor: &mut Cursor<'_>) -> Option<bool> {
        let [x, y, width, height] =
            [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?].map(usize::from);
        let encoding = cursor.u32()?.cast_signed();
        assert!(self.encodings.contains(&encoding), "encoding {encoding} was not asked for");
        let place = [x, y, width, height];
        match encoding {
            0 => self.raw(cursor, place)?,
            1 => self.copy(cursor, place)?,
            2 => self.rre(cursor, place, |cursor| cursor.u16().map(usize::from))?,
            4 => {
                assert!(width < 256 && height < 256, "too large for CoRRE");
                self.rre(cursor, place, |cursor| cursor.u8().map(usize::from))?;
            }
            5 => self.hextile(cursor, place)?,
            7 => self.tight(cursor, place)?,
            16 => self.zrle(cursor, place)?,
            -223 => self.resize(width, height),
            -239 => {
                assert!(x < width && y < height, "a hot spot off the pointer");
                let format = self.format.clone();
                for _ in 0..width * height {
                    cursor.pixel(&format)?;
                }
                cursor.take(width.div_ceil(8) * height)?;
            }
            -258 => assert_eq!(place, [0; 4]),
            -308 => {
                assert!(x <= 1 && y <= 3, "a reason and a status");
                assert_eq!(cursor.take(4)?, [1, 0, 0, 0], "one screen");
                cursor.u32()?;
                let screen = [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?];
                assert_eq!(screen.map(usize::from), [0, 0, width, height]);
                cursor.u32()?;
                if (width, height) != (self.width, self.height) {
                    self.resize(width, height);
                }
            }
            -224 => return Some(true),
            other => panic!("encoding {other}"),
        }
        Some(false)
    }

    fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.pixels = vec![GARBAGE; width * height];
        self.notices.push(Notice::Resized);
    }

    fn copy(&mut self, cursor: &mut Cursor<'_>, [x, y, width, height]: [usize; 4]) -> Option<()> {
        assert!(width > 0 && height > 0, "an empty rectangle");
        let [from_x, from_y] = [cursor.u16()?, cursor.u16()?].map(usize::from);
        assert!(from_x + width <= self.width && from_y + height <= self.height, "off the screen");
        let before = self.pixels.clone();
        for row in 0..height {
            let from = (from_y + row) * self.width + from_x;
            let to = (y + row) * self.width + x;
            self.pixels[to..to + width].copy_from_slice(&before[from..from + width]);
        }
        Some(())
    }

    fn rre(
        &mut self,
        cursor: &mut Cursor<'_>,
        [x, y, width, height]: [usize; 4],
        coordinate: fn(&mut Cursor<'_>) -> Option<usize>,
    ) -> Option<()> {
        assert!(width > 0 && height > 0, "an empty rectangle");
        let format = self.format.clone();
        let count = cursor.u32()?;
        let background = cursor.pixel(&format)?;
        self.fill([x, y, width, height], background);
        for _ in 0..count {
            let colour = cursor.pixel(&format)?;
            let [dx, dy] = [coordinate(cursor)?, coordinate(cursor)?];
            let [w, h] = [coordinate(cursor)?, coordinate(cursor)?];
            assert!(w > 0 && h > 0, "an empty subrectangle");
            assert!(dx + w <= width && dy + h <= height, "a subrectangle off its rectangle");
            self.fill([x + dx, y + dy, w, h], colour);
        }
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

/// The EnableContinuousUpdates message; the area is x, y, width, height in pixels.
pub(crate) fn continuous_updates(enable: bool, area: [u16; 4]) -> Vec<u8> {
    let mut bytes = vec![150, enable.into()];
    bytes.extend(area.iter().flat_map(|number| number.to_be_bytes()));
    bytes
}

/// The client's Fence message.
pub(crate) fn fence(flags: u32, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[248, 0, 0, 0][..], &flags.to_be_bytes(), &[length], payload].concat()
}

/// The SetDesktopSize message with so many screens.
pub(crate) fn set_desktop_size(width: u16, height: u16, screens: u8) -> Vec<u8> {
    let [width, height] = [width, height].map(u16::to_be_bytes);
    let screens_bytes = vec![0; 16 * usize::from(screens)];
    [&[251, 0][..], &width, &height, &[screens, 0], &screens_bytes].concat()
}
