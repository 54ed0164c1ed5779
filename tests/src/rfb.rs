//! A small RFB client of our own, after RFC 6143: Raw and Hextile, keys, pointer, cut text.
//!
//! It blocks, always with a deadline. It asks for 32-bit pixels and shares the server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::glyphs;
use crate::picture::Picture;

mod hextile;

/// RFC 6143, 7.1.1: the versions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.3: the server chooses the security.
    V3_3,
    /// 3.7: the client chooses it.
    V3_7,
    /// 3.8: as before, and the server confirms it.
    V3_8,
}

/// How pixels are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 7.7.1: every pixel.
    Raw,
    /// 7.7.4: tiles of 16x16.
    Hextile,
}

/// A viewer that is connected.
#[derive(Debug)]
pub struct Viewer {
    stream: TcpStream,
    /// What the server calls its desktop.
    pub name: String,
    /// What has been received of the screen.
    pub picture: Picture,
    /// The last text that the server has put on the clipboard.
    pub cut_text: Option<String>,
    /// How many updates have come.
    pub updates: usize,
    /// The status of the last ExtendedDesktopSize.
    resize_status: Option<u16>,
    /// Whether the server was told that ExtendedDesktopSize is understood.
    knows_sizes: bool,
}

/// The pseudo-encoding's number, -308.
const EXTENDED_DESKTOP_SIZE: u32 = (-308_i32).cast_unsigned();

/// Texts longer than this are no console's selection.
const CUT_TEXT_MAX: usize = 1 << 20;
/// A desktop with more pixels than this in a row is no console.
const SIDE_MAX: u16 = 8192;
/// How long a viewer waits for its handshake, and for the rest of a message.
const SLOW: Duration = Duration::from_secs(10);

impl Version {
    const fn text(self) -> &'static [u8; 12] {
        match self {
            Self::V3_3 => b"RFB 003.003\n",
            Self::V3_7 => b"RFB 003.007\n",
            Self::V3_8 => b"RFB 003.008\n",
        }
    }
}

impl Encoding {
    const fn number(self) -> i32 {
        match self {
            Self::Raw => 0,
            Self::Hextile => 5,
        }
    }
}

impl Viewer {
    /// Connects with the newest version and Hextile, and asks for the whole screen.
    ///
    /// # Errors
    /// What the connection or the server's conduct comes to.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::connect_as(address, Version::V3_8, Encoding::Hextile)
    }

    /// Connects, and asks for the whole screen.
    ///
    /// # Errors
    /// What the connection or the server's conduct comes to.
    pub fn connect_as(
        address: SocketAddr,
        version: Version,
        encoding: Encoding,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SLOW)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SLOW))?;
        stream.set_write_timeout(Some(SLOW))?;
        let mut viewer = Self {
            stream,
            name: String::new(),
            picture: Picture::black(0, 0),
            cut_text: None,
            updates: 0,
            resize_status: None,
            knows_sizes: false,
        };
        viewer.shake_hands(version)?;
        viewer.set_pixel_format()?;
        viewer.set_encodings(&[encoding])?;
        viewer.ask(false)?;
        Ok(viewer)
    }

    fn shake_hands(&mut self, version: Version) -> io::Result<()> {
        let offered: [u8; 12] = self.bytes()?;
        if !offered.starts_with(b"RFB 003.") {
            return Err(breach("the server's version is none"));
        }
        self.stream.write_all(version.text())?;
        // 7.1.2: None is type 1.
        match version {
            Version::V3_3 => {
                if self.u32()? != 1 {
                    return Err(breach("the server wants a password"));
                }
            }
            Version::V3_7 | Version::V3_8 => {
                let [count] = self.bytes()?;
                let mut kinds = vec![0; usize::from(count)];
                self.stream.read_exact(&mut kinds)?;
                if !kinds.contains(&1) {
                    return Err(breach("the server wants a password"));
                }
                self.stream.write_all(&[1])?;
            }
        }
        if version == Version::V3_8 && self.u32()? != 0 {
            return Err(breach("the server refuses"));
        }
        self.stream.write_all(&[1])?;
        let (width, height) = (self.u16()?, self.u16()?);
        if width > SIDE_MAX || height > SIDE_MAX {
            return Err(breach("the desktop is too large"));
        }
        let _format: [u8; 16] = self.bytes()?;
        self.name = self.text()?;
        self.picture = Picture::black(usize::from(width), usize::from(height));
        Ok(())
    }

    /// 7.5.1: 32 bits little-endian, red in bits 16 to 23.
    fn set_pixel_format(&mut self) -> io::Result<()> {
        let format = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
        self.stream.write_all(&[&[0, 0, 0, 0][..], &format].concat())
    }

    /// 7.5.2.
    fn set_encodings(&mut self, encodings: &[Encoding]) -> io::Result<()> {
        let count = u16::try_from(encodings.len()).expect("a few encodings");
        let mut message = vec![2, 0];
        message.extend_from_slice(&count.to_be_bytes());
        for encoding in encodings {
            message.extend_from_slice(&encoding.number().to_be_bytes());
        }
        self.stream.write_all(&message)
    }

    /// 7.5.3: asks for an update of the whole screen, or of what changes.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn ask(&mut self, incremental: bool) -> io::Result<()> {
        let side = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        let [w, h] = [side(self.picture.width), side(self.picture.height)];
        self.stream.write_all(&[3, u8::from(incremental), 0, 0, 0, 0, w[0], w[1], h[0], h[1]])
    }

    /// Receives one message; after an update it asks for the next.
    ///
    /// # Errors
    /// When none has begun by the deadline, the connection has ended, or the server breaks the
    /// protocol.
    pub fn receive(&mut self, deadline: Deadline) -> io::Result<()> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        self.stream.set_read_timeout(Some(deadline.left().ok_or_else(late)?))?;
        match self.stream.peek(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(late()),
            peeked => peeked?,
        };
        // What has begun is received whole, so that a deadline leaves no half message behind.
        self.stream.set_read_timeout(Some(SLOW))?;
        let [kind] = self.bytes()?;
        match kind {
            0 => {
                let [_padding] = self.bytes()?;
                for _ in 0..self.u16()? {
                    self.rectangle()?;
                }
                self.updates += 1;
                self.ask(true)
            }
            // 7.6.3: the bell has no body.
            2 => Ok(()),
            3 => {
                let _padding: [u8; 3] = self.bytes()?;
                self.cut_text = Some(self.text()?);
                Ok(())
            }
            _ => Err(breach("a message that wasn't asked for")),
        }
    }

    fn rectangle(&mut self) -> io::Result<()> {
        let [x, y, width, height] = [self.u16()?, self.u16()?, self.u16()?, self.u16()?];
        let numbers = [x, y, width, height];
        let [x, y, width, height] = numbers.map(usize::from);
        let encoding = self.u32()?;
        if encoding == EXTENDED_DESKTOP_SIZE {
            return self.resized(numbers);
        }
        if x + width > self.picture.width || y + height > self.picture.height {
            return Err(breach("a rectangle reaches out of the desktop"));
        }
        match encoding {
            0 => {
                let mut bytes = vec![0; width * height * 4];
                self.stream.read_exact(&mut bytes)?;
                let (pixels, _) = bytes.as_chunks::<4>();
                let pixels: Vec<u32> = pixels.iter().map(|pixel| rgb(*pixel)).collect();
                self.picture.paint(x, y, width, &pixels);
                Ok(())
            }
            5 => hextile::receive(&mut self.stream, &mut self.picture, [x, y, width, height]),
            _ => Err(breach("an encoding that wasn't asked for")),
        }
    }

    /// An ExtendedDesktopSize: reason and status, then the size, then the screens.
    fn resized(&mut self, [_reason, status, width, height]: [u16; 4]) -> io::Result<()> {
        let [screens, _, _, _] = self.bytes()?;
        let mut layout = vec![0; 16 * usize::from(screens)];
        self.stream.read_exact(&mut layout)?;
        if width > SIDE_MAX || height > SIDE_MAX {
            return Err(breach("the desktop is too large"));
        }
        self.resize_status = Some(status);
        let (width, height) = (usize::from(width), usize::from(height));
        if (self.picture.width, self.picture.height) != (width, height) {
            self.picture = Picture::black(width, height);
        }
        Ok(())
    }

    /// Asks for a desktop of another size, in pixels, and returns the status of the answer.
    ///
    /// # Panics
    /// When none comes by the deadline, or the connection ends.
    pub fn resize(&mut self, deadline: Deadline, width: u16, height: u16) -> u16 {
        if !self.knows_sizes {
            let encodings = [5, EXTENDED_DESKTOP_SIZE].map(u32::to_be_bytes).concat();
            let sent = self.stream.write_all(&[&[2, 0, 0, 2][..], &encodings].concat());
            sent.expect("the viewer is connected");
            // The size as it is comes first.
            self.ask(true).expect("the viewer is connected");
            while self.resize_status.is_none() {
                self.receive(deadline).expect("the desktop's size");
            }
            self.knows_sizes = true;
        }
        self.resize_status = None;
        let [w, h] = [width, height].map(u16::to_be_bytes);
        let head = [251, 0, w[0], w[1], h[0], h[1], 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let message = [&head[..], &w, &h, &[0; 4]].concat();
        self.stream.write_all(&message).expect("the viewer is connected");
        loop {
            if let Some(status) = self.resize_status.take() {
                return status;
            }
            self.receive(deadline).expect("a wish for a size is answered");
        }
    }

    /// Receives until the picture is as wanted.
    ///
    /// # Panics
    /// When it isn't by the deadline, or the connection ends; shows the screen's text.
    pub fn wait_until(
        &mut self,
        deadline: Deadline,
        what: &str,
        wanted: impl Fn(&Picture) -> bool,
    ) {
        while !wanted(&self.picture) {
            if let Err(error) = self.receive(deadline) {
                panic!("no picture with {what}: {error}; it shows:\n{}", self.screen().join("\n"));
            }
        }
    }

    /// Receives until some line of the screen contains a text; false when none does by the
    /// deadline.
    ///
    /// # Panics
    /// When the connection ends.
    pub fn shows(&mut self, deadline: Deadline, text: &str) -> bool {
        while !self.screen().iter().any(|line| line.contains(text)) {
            match self.receive(deadline) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return false,
                Err(error) => panic!("the connection has ended: {error}"),
            }
        }
        true
    }

    /// Receives until some line of the screen contains a text.
    ///
    /// # Panics
    /// When none does by the deadline, or the connection ends.
    pub fn wait_for_text(&mut self, deadline: Deadline, text: &str) {
        self.wait_until(deadline, text, |picture| {
            glyphs::read_screen(picture).iter().any(|line| line.contains(text))
        });
    }

    /// The screen's lines, read from its pixels.
    #[must_use]
    pub fn screen(&self) -> Vec<String> {
        glyphs::read_screen(&self.picture)
    }

    /// Presses and releases the keys of a text; a newline is Return.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn type_text(&mut self, text: &str) -> io::Result<()> {
        for character in text.chars() {
            // 7.5.4: Latin-1's keysyms are its codes; Return is 0xff0d.
            let key = if character == '\n' { 0xff0d } else { u32::from(character) };
            self.key(key, true)?;
            self.key(key, false)?;
        }
        Ok(())
    }

    /// 7.5.4: presses or releases a key.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn key(&mut self, keysym: u32, down: bool) -> io::Result<()> {
        let [a, b, c, d] = keysym.to_be_bytes();
        self.stream.write_all(&[4, u8::from(down), 0, 0, a, b, c, d])
    }

    /// 7.5.6: puts a text of Latin-1 on the server's clipboard.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn cut(&mut self, text: &str) -> io::Result<()> {
        let latin_1: Vec<u8> =
            text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect();
        let length = u32::try_from(latin_1.len()).expect("a short text").to_be_bytes();
        self.stream.write_all(&[&[6, 0, 0, 0][..], &length, &latin_1].concat())
    }

    /// 7.5.5: moves the pointer, with these buttons pressed.
    ///
    /// # Errors
    /// When the connection has ended.
    pub fn pointer(&mut self, buttons: u8, x: u16, y: u16) -> io::Result<()> {
        let ([a, b], [c, d]) = (x.to_be_bytes(), y.to_be_bytes());
        self.stream.write_all(&[5, buttons, a, b, c, d])
    }

    /// Selects from the first cell to the last with the left button, and returns the text that
    /// the server gives for it.
    ///
    /// # Panics
    /// When none comes by the deadline, or the connection ends.
    pub fn select_all(&mut self, deadline: Deadline) -> String {
        let side = |length: usize| u16::try_from(length).expect("a desktop's side") - 1;
        let (right, bottom) = (side(self.picture.width), side(self.picture.height));
        self.cut_text = None;
        for (buttons, x, y) in [(1, 0, 0), (1, right, bottom), (0, right, bottom)] {
            self.pointer(buttons, x, y).expect("the viewer is connected");
        }
        loop {
            if let Some(text) = self.cut_text.take() {
                return text;
            }
            self.receive(deadline).expect("a selection is answered with its text");
        }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u16(&mut self) -> io::Result<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// A text after its length, in Latin-1.
    fn text(&mut self) -> io::Result<String> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if length > CUT_TEXT_MAX {
            return Err(breach("a text is too long"));
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes.into_iter().map(char::from).collect())
    }
}

/// A pixel of the format that was asked for.
fn rgb(pixel: [u8; 4]) -> u32 {
    u32::from_le_bytes(pixel) & 0x00ff_ffff
}

fn breach(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
