//! A lean RFB client: it counts and times, and decodes no more than it needs to find the ends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::Failure;

/// What the bench asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Raw,
    Hextile,
    /// As XenCenter offers it, with RRE, CopyRect and Raw.
    CoRre,
    Zrle,
    /// With LastRect.
    Tight,
}

impl Encoding {
    /// What is said in SetEncodings; CopyRect is, where viewers do.
    fn offer(self) -> &'static [i32] {
        match self {
            Self::Raw => &[RAW],
            Self::Hextile => &[HEXTILE],
            Self::CoRre => &[CORRE, RRE, COPY_RECT, RAW],
            Self::Zrle => &[COPY_RECT, ZRLE],
            Self::Tight => &[COPY_RECT, TIGHT, LAST_RECT],
        }
    }
}

const RAW: i32 = 0;
const COPY_RECT: i32 = 1;
const RRE: i32 = 2;
const CORRE: i32 = 4;
const HEXTILE: i32 = 5;
const TIGHT: i32 = 7;
const ZRLE: i32 = 16;
const LAST_RECT: i32 = -224;

/// Pixels on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pixels {
    /// What the server announces: 8 bits, RGB332.
    Announced,
    /// 32 bits, as most viewers ask.
    True,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Viewer {
    stream: TcpStream,
    pub(crate) width: u16,
    pub(crate) height: u16,
    pixel_bytes: usize,
    /// Bytes received since the handshake.
    pub(crate) received: u64,
}

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Viewer {
    /// Whether somebody accepts on the port.
    pub(crate) fn answers(port: u16) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    }

    /// Connects, shakes hands as RFB 3.8 and asks for an encoding and a pixel format.
    pub(crate) fn connect(port: u16, encoding: Encoding, pixels: Pixels) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut version = [0; 12];
        stream.read_exact(&mut version)?;
        stream.write_all(b"RFB 003.008\n")?;
        let mut count = [0];
        stream.read_exact(&mut count)?;
        let mut types = vec![0; usize::from(count[0])];
        stream.read_exact(&mut types)?;
        stream.write_all(&[1])?;
        let mut result = [0; 4];
        stream.read_exact(&mut result)?;
        stream.write_all(&[1])?;
        let mut init = [0; 24];
        stream.read_exact(&mut init)?;
        let mut name =
            vec![0; usize::try_from(u32::from_be_bytes([init[20], init[21], init[22], init[23]]))?];
        stream.read_exact(&mut name)?;
        let width = u16::from_be_bytes([init[0], init[1]]);
        let height = u16::from_be_bytes([init[2], init[3]]);
        let pixel_bytes = match pixels {
            Pixels::Announced => usize::from(init[4] / 8),
            Pixels::True => {
                stream.write_all(&[
                    0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
                ])?;
                4
            }
        };
        let offer = encoding.offer();
        let mut encodings = vec![2, 0, 0, u8::try_from(offer.len())?];
        encodings.extend(offer.iter().flat_map(|number| number.to_be_bytes()));
        stream.write_all(&encodings)?;
        Ok(Self { stream, width, height, pixel_bytes, received: 0 })
    }

    /// Asks for an update of everything.
    pub(crate) fn request(&mut self, incremental: bool) -> Result<(), Failure> {
        let mut request = vec![3, u8::from(incremental), 0, 0, 0, 0];
        request.extend_from_slice(&self.width.to_be_bytes());
        request.extend_from_slice(&self.height.to_be_bytes());
        Ok(self.stream.write_all(&request)?)
    }

    /// Presses and releases a key.
    pub(crate) fn key(&mut self, keysym: u8) -> Result<(), Failure> {
        self.stream.write_all(&[4, 1, 0, 0, 0, 0, 0, keysym, 4, 0, 0, 0, 0, 0, 0, keysym])?;
        Ok(())
    }

    /// Waits for one update and returns its size on the wire, in bytes.
    pub(crate) fn update(&mut self) -> Result<u64, Failure> {
        let before = self.received;
        loop {
            match self.byte()? {
                0 => break,
                2 => {}
                3 => {
                    let head: [u8; 7] = self.bytes()?;
                    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
                    self.skip(usize::try_from(length)?)?;
                }
                other => return Err(format!("server message {other}").into()),
            }
        }
        let [_, high, low] = self.bytes()?;
        for _ in 0..u16::from_be_bytes([high, low]) {
            let head: [u8; 12] = self.bytes()?;
            let wide = usize::from(u16::from_be_bytes([head[4], head[5]]));
            let high = usize::from(u16::from_be_bytes([head[6], head[7]]));
            match i32::from_be_bytes([head[8], head[9], head[10], head[11]]) {
                RAW => self.skip(wide * high * self.pixel_bytes)?,
                COPY_RECT => self.skip(4)?,
                CORRE => {
                    let count = usize::try_from(u32::from_be_bytes(self.bytes()?))?;
                    self.skip(self.pixel_bytes + count * (self.pixel_bytes + 4))?;
                }
                HEXTILE => self.skip_hextile(wide, high)?,
                TIGHT => self.skip_tight(wide, high)?,
                ZRLE => {
                    let length = u32::from_be_bytes(self.bytes()?);
                    self.skip(usize::try_from(length)?)?;
                }
                LAST_RECT => break,
                other => return Err(format!("encoding {other} was not asked for").into()),
            }
        }
        Ok(self.received - before)
    }

    fn skip_hextile(&mut self, wide: usize, high: usize) -> Result<(), Failure> {
        for y in (0..high).step_by(16) {
            for x in (0..wide).step_by(16) {
                let flags = self.byte()?;
                if flags & 1 != 0 {
                    self.skip((wide - x).min(16) * (high - y).min(16) * self.pixel_bytes)?;
                    continue;
                }
                let colours = usize::from(flags & 2 != 0) + usize::from(flags & 4 != 0);
                self.skip(colours * self.pixel_bytes)?;
                if flags & 8 != 0 {
                    let count = usize::from(self.byte()?);
                    let each = if flags & 16 != 0 { 2 + self.pixel_bytes } else { 2 };
                    self.skip(count * each)?;
                }
            }
        }
        Ok(())
    }

    fn skip_tight(&mut self, wide: usize, high: usize) -> Result<(), Failure> {
        // A pixel of 32 bits is sent as three bytes.
        let pixel_bytes = self.pixel_bytes.min(3);
        let control = self.byte()?;
        if control & 0x80 != 0 {
            return self.skip(pixel_bytes);
        }
        let is_palette = control & 0x40 != 0 && self.byte()? == 1;
        let colours = if is_palette { usize::from(self.byte()?) + 1 } else { 0 };
        self.skip(colours * pixel_bytes)?;
        let data = match colours {
            0 => wide * high * pixel_bytes,
            2 => wide.div_ceil(8) * high,
            _ => wide * high,
        };
        if data < 12 {
            return self.skip(data);
        }
        let mut length = 0;
        for shift in [0, 7, 14] {
            let byte = usize::from(self.byte()?);
            length |= if shift == 14 { byte } else { byte & 0x7f } << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        self.skip(length)
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        let [byte] = self.bytes()?;
        Ok(byte)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        self.received += u64::try_from(N)?;
        Ok(bytes)
    }

    fn skip(&mut self, length: usize) -> Result<(), Failure> {
        let mut buffer = [0; 4096];
        let mut left = length;
        while left > 0 {
            let part = left.min(buffer.len());
            self.stream.read_exact(&mut buffer[..part])?;
            left -= part;
        }
        self.received += u64::try_from(length)?;
        Ok(())
    }
}
