//! How a viewer wants its pixels, and colours turned into them (RFC 6143, 7.4).

use crate::colour_map;
use crate::fault::Fault;
use crate::numbers::BitsPerPixel;
use crate::picture::Rgb;

/// The length of a pixel format on the wire.
pub(crate) const FORMAT_BYTES: usize = 16;

/// One colour's place in a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Channel {
    max: u16,
    shift: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    True { red: Channel, green: Channel, blue: Channel },
    Map,
}

/// A pixel format that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PixelFormat {
    bits: BitsPerPixel,
    depth: u8,
    big_endian: bool,
    colours: Colours,
}

/// A pixel as it is sent: the first bytes are the pixel's, the rest are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pixel([u8; 4]);

/// How an encoding wants its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of a pixel's bytes.
    Pixel,
    /// ZRLE's: without a byte that no colour reaches (RFC 6143, 7.7.5).
    Compressed,
    /// Tight's: red, green and blue where each has a byte of its own (the community's RFB protocol, Tight encoding).
    Tight,
}

impl PixelFormat {
    /// What ServerInit announces: a byte of three bits red, three green, two blue. Some viewers
    /// take it as it is, and text needs no more.
    pub(crate) const RGB332: Self = Self {
        bits: BitsPerPixel::Eight,
        depth: 8,
        big_endian: false,
        colours: Colours::True {
            red: Channel { max: 7, shift: 5 },
            green: Channel { max: 7, shift: 2 },
            blue: Channel { max: 3, shift: 0 },
        },
    };

    /// Reads a format. The depth is only a hint; a maximum may be any number, 0 included (then
    /// the colour is not there); shifted bits that leave the pixel are dropped.
    pub(crate) fn parse(bytes: [u8; FORMAT_BYTES]) -> Result<Self, Fault> {
        let [number, depth, big_endian, true_colour, rest @ ..] = bytes;
        let [rh, rl, gh, gl, bh, bl, red, green, blue, _, _, _] = rest;
        let bits = BitsPerPixel::from_number(number).ok_or(Fault::BitsPerPixel(number))?;
        let channel = |max, shift| {
            if shift >= number {
                return Err(Fault::Shift { shift, bits: number });
            }
            Ok(Channel { max: u16::from_be_bytes(max), shift })
        };
        let colours = if true_colour == 0 {
            Colours::Map
        } else {
            Colours::True {
                red: channel([rh, rl], red)?,
                green: channel([gh, gl], green)?,
                blue: channel([bh, bl], blue)?,
            }
        };
        Ok(Self { bits, depth, big_endian: big_endian != 0, colours })
    }

    /// The format on the wire.
    pub(crate) fn to_bytes(self) -> [u8; FORMAT_BYTES] {
        let none = Channel { max: 0, shift: 0 };
        let (true_colour, [red, green, blue]) = match self.colours {
            Colours::True { red, green, blue } => (1, [red, green, blue]),
            Colours::Map => (0, [none; 3]),
        };
        let [[rh, rl], [gh, gl], [bh, bl]] = [red, green, blue].map(|c| c.max.to_be_bytes());
        let (bits, big_endian) = (self.bits.number(), u8::from(self.big_endian));
        [
            bits,
            self.depth,
            big_endian,
            true_colour, // one line each: layout, maxima, shifts
            rh,
            rl,
            gh,
            gl,
            bh,
            bl, //
            red.shift,
            green.shift,
            blue.shift,
            0,
            0,
            0,
        ]
    }

    /// Whether pixels are indexes of the colour map, which has to be sent before them.
    pub(crate) fn is_mapped(self) -> bool {
        self.colours == Colours::Map
    }

    /// The size of a pixel.
    pub(crate) fn bits(self) -> BitsPerPixel {
        self.bits
    }

    /// The bytes that a pixel takes in a form.
    pub(crate) fn bytes(self, form: Form) -> usize {
        let short = match form {
            Form::Pixel => false,
            Form::Compressed => self.unused_byte().is_some(),
            Form::Tight => self.is_tight(),
        };
        if short { 3 } else { self.bits.bytes() }
    }

    /// A colour's pixel in a form.
    pub(crate) fn pixel_in(self, colour: Rgb, form: Form) -> Pixel {
        let pixel = self.pixel(colour);
        let Pixel([_, b, c, d]) = pixel;
        match form {
            Form::Compressed if self.unused_byte() == Some(Unused::First) => Pixel([b, c, d, 0]),
            Form::Tight if self.is_tight() => Pixel([colour.red, colour.green, colour.blue, 0]),
            Form::Pixel | Form::Compressed | Form::Tight => pixel,
        }
    }

    /// Whether Tight sends three bytes, in the order of the colours whatever their places.
    fn is_tight(self) -> bool {
        let Colours::True { red, green, blue } = self.colours else { return false };
        let whole = [red, green, blue].iter().all(|channel| channel.max == 255);
        self.bits == BitsPerPixel::ThirtyTwo && self.depth == 24 && whole
    }

    /// Which byte of a pixel of 32 bits no colour reaches. Where both the highest and the lowest are
    /// free, the last one sent is left out, as viewers expect.
    fn unused_byte(self) -> Option<Unused> {
        let Colours::True { red, green, blue } = self.colours else { return None };
        if self.bits != BitsPerPixel::ThirtyTwo || self.depth > 24 {
            return None;
        }
        let reached = red.reach() | green.reach() | blue.reach();
        let (highest, lowest) = (reached & 0xff00_0000 == 0, reached & 0xff == 0);
        let (first, last) = if self.big_endian { (highest, lowest) } else { (lowest, highest) };
        if last {
            Some(Unused::Last)
        } else if first {
            Some(Unused::First)
        } else {
            None
        }
    }

    /// A colour's pixel.
    pub(crate) fn pixel(self, colour: Rgb) -> Pixel {
        let value = match self.colours {
            Colours::True { red, green, blue } => {
                red.place(colour.red) | green.place(colour.green) | blue.place(colour.blue)
            }
            Colours::Map => colour_map::nearest(colour).into(),
        };
        // The highest bits of 64 are those that a shift pushed out of the pixel.
        let [_, _, _, _, a, b, c, d] = value.to_be_bytes();
        Pixel(match (self.bits, self.big_endian) {
            (BitsPerPixel::Eight, _) => [d, 0, 0, 0],
            (BitsPerPixel::Sixteen, true) => [c, d, 0, 0],
            (BitsPerPixel::Sixteen, false) => [d, c, 0, 0],
            (BitsPerPixel::ThirtyTwo, true) => [a, b, c, d],
            (BitsPerPixel::ThirtyTwo, false) => [d, c, b, a],
        })
    }
}

/// A byte of a pixel as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unused {
    First,
    Last,
}

impl Channel {
    /// All bits that the channel's values have.
    fn reach(self) -> u64 {
        (u64::from(self.max) + 1).next_power_of_two().saturating_sub(1) << self.shift
    }

    /// Scales a colour to the channel, to the nearest, and shifts it to its place.
    fn place(self, value: u8) -> u64 {
        let scaled = (u64::from(value) * u64::from(self.max) + 127) / 255;
        scaled << self.shift
    }
}

impl BitsPerPixel {
    /// The size of a pixel in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Sixteen => 2,
            Self::ThirtyTwo => 4,
        }
    }
}

impl Pixel {
    /// The pixel's bytes, of which `N` are to be sent.
    pub(crate) fn bytes<const N: usize>(self) -> [u8; N] {
        let Self([a, b, c, d]) = self;
        core::array::from_fn(|at| match at {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        })
    }

    /// The pixel's first bytes, at most four.
    pub(crate) fn first(&self, bytes: usize) -> &[u8] {
        self.0.get(..bytes).unwrap_or(&self.0)
    }

    /// The pixel's bytes as a slice.
    pub(crate) fn as_slice(&self, bits: BitsPerPixel) -> &[u8] {
        self.first(bits.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORANGE: Rgb = Rgb { red: 0xff, green: 0x80, blue: 0x00 };

    /// A true-colour format: bits, whether big-endian, then maximum and shift a colour.
    fn format(bits: u8, big: bool, channels: [(u16, u8); 3]) -> Result<PixelFormat, Fault> {
        let mut bytes = [0; FORMAT_BYTES];
        bytes[..4].copy_from_slice(&[bits, bits, big.into(), 1]);
        for (at, (max, shift)) in channels.into_iter().enumerate() {
            bytes[4 + 2 * at..][..2].copy_from_slice(&max.to_be_bytes());
            bytes[10 + at] = shift;
        }
        PixelFormat::parse(bytes)
    }

    const RGB888: [(u16, u8); 3] = [(255, 16), (255, 8), (255, 0)];
    const RGB565: [(u16, u8); 3] = [(31, 11), (63, 5), (31, 0)];

    #[test]
    fn the_announced_format_is_rgb332_and_may_be_echoed() {
        let bytes = [8, 8, 0, 1, 0, 7, 0, 7, 0, 3, 5, 2, 0, 0, 0, 0];
        assert_eq!(PixelFormat::RGB332.to_bytes(), bytes);
        assert_eq!(PixelFormat::parse(bytes), Ok(PixelFormat::RGB332));
        assert_eq!(PixelFormat::RGB332.pixel(ORANGE), Pixel([0xf0, 0, 0, 0]));
    }

    #[test]
    fn pixels_come_in_the_byte_order_asked_for() {
        let pixel = |bits, big, channels| format(bits, big, channels).unwrap().pixel(ORANGE).0;
        assert_eq!(pixel(32, false, RGB888), [0x00, 0x80, 0xff, 0x00]);
        assert_eq!(pixel(32, true, RGB888), [0x00, 0xff, 0x80, 0x00]);
        assert_eq!(pixel(32, true, [(255, 24), (255, 16), (255, 8)]), [0xff, 0x80, 0x00, 0x00]);
        assert_eq!(pixel(16, false, RGB565), [0x00, 0xfc, 0, 0]);
        assert_eq!(pixel(16, true, RGB565), [0xfc, 0x00, 0, 0]);
    }

    #[test]
    fn any_maximum_is_scaled_to_and_none_divided_by() {
        let white = Rgb { red: 255, green: 255, blue: 255 };
        for max in [0, 1, 2, 5, 100, 255, 256, 65535] {
            let format = format(32, true, [(max, 0), (0, 0), (0, 0)]).unwrap();
            assert_eq!(format.pixel(white).0, u32::from(max).to_be_bytes());
            assert_eq!(format.pixel(Rgb::default()).0, [0; 4]);
        }
    }

    #[test]
    fn bits_shifted_out_of_the_pixel_are_dropped() {
        let format = format(8, false, [(65535, 7), (255, 4), (0, 0)]).unwrap();
        assert_eq!(format.pixel(ORANGE).0, [0x80, 0, 0, 0]);
    }

    #[test]
    fn refuses_sizes_and_shifts_that_no_pixel_has() {
        for bits in (0..=u8::MAX).filter(|bits| ![8, 16, 32].contains(bits)) {
            assert_eq!(format(bits, false, RGB888), Err(Fault::BitsPerPixel(bits)));
        }
        for (bits, shift) in [(8, 8), (8, 255), (16, 16), (32, 32), (32, 200)] {
            let channels = [(1, 0), (1, 0), (1, shift)];
            assert_eq!(format(bits, true, channels), Err(Fault::Shift { shift, bits }));
        }
    }

    #[test]
    fn the_byte_that_no_colour_reaches_is_left_out_for_zrle() {
        let compressed = |big, channels: [(u16, u8); 3]| {
            let format = PixelFormat { depth: 24, ..format(32, big, channels).unwrap() };
            let pixel = format.pixel_in(ORANGE, Form::Compressed);
            pixel.first(format.bytes(Form::Compressed)).to_vec()
        };
        let high = RGB888.map(|(max, shift)| (max, shift + 8));
        assert_eq!(compressed(false, RGB888), [0x00, 0x80, 0xff]);
        assert_eq!(compressed(true, RGB888), [0xff, 0x80, 0x00]);
        assert_eq!(compressed(false, high), [0x00, 0x80, 0xff]);
        assert_eq!(compressed(true, high), [0xff, 0x80, 0x00]);
        // Neither end is free.
        assert_eq!(compressed(false, [(1023, 20), (1023, 10), (1023, 0)]).len(), 4);
        // Both are: the last byte sent is left out.
        let middle = [(15, 20), (15, 16), (255, 8)];
        assert_eq!(compressed(false, middle), [0x00, 0x00, 0xf8]);
        assert_eq!(compressed(true, middle), [0x00, 0xf8, 0x00]);
    }

    #[test]
    fn a_pixel_of_more_than_24_bits_or_of_a_map_is_sent_whole_to_zrle() {
        let deep = format(32, false, RGB888).unwrap();
        assert_eq!((deep.depth, deep.bytes(Form::Compressed)), (32, 4));
        let mapped = PixelFormat { depth: 24, colours: Colours::Map, ..deep };
        assert_eq!((mapped.bytes(Form::Compressed), mapped.bytes(Form::Tight)), (4, 4));
    }

    #[test]
    fn tight_has_red_green_and_blue_in_this_order_or_whole_pixels() {
        for (big, channels) in
            [(false, RGB888), (true, RGB888), (true, [(255, 0), (255, 8), (255, 16)])]
        {
            let format = PixelFormat { depth: 24, ..format(32, big, channels).unwrap() };
            assert_eq!(format.bytes(Form::Tight), 3);
            assert_eq!(format.pixel_in(ORANGE, Form::Tight).first(3), [0xff, 0x80, 0x00]);
        }
        assert_eq!(format(32, false, RGB888).unwrap().bytes(Form::Tight), 4);
        assert_eq!(format(16, false, RGB565).unwrap().bytes(Form::Tight), 2);
    }

    #[test]
    fn a_colour_map_needs_neither_maxima_nor_shifts() {
        let mut bytes = [0xff; FORMAT_BYTES];
        bytes[..4].copy_from_slice(&[8, 8, 0, 0]);
        let format = PixelFormat::parse(bytes).unwrap();
        assert!(format.is_mapped());
        assert_eq!(format.pixel(Rgb { red: 0xaa, green: 0x55, blue: 0 }).0, [3, 0, 0, 0]);
    }
}
