//! Hextile: tiles of 16x16 pixels, each a background and rectangles on it (RFC 6143, 7.7.4).
//!
//! A tile is two cells side by side, or one at a rectangle's right edge. A tile is sent raw
//! where that is shorter.

use alloc::vec::Vec;

use super::Cell;
use super::subrects::{Mask, subrects};
use crate::numbers::BitsPerPixel;
use crate::output::Output;
use crate::pixel::Pixel;

// The subencoding mask.
const RAW: u8 = 0x01;
const BACKGROUND_SPECIFIED: u8 = 0x02;
const FOREGROUND_SPECIFIED: u8 = 0x04;
const ANY_SUBRECTS: u8 = 0x08;
const SUBRECTS_COLOURED: u8 = 0x10;

/// The colours that two cells can have.
const COLOURS_MAX: usize = 4;

/// What holds over from tile to tile within a rectangle.
#[derive(Debug, Default)]
pub(crate) struct Tiles {
    background: Option<Pixel>,
    foreground: Option<Pixel>,
    /// The subrectangles of the tile being made.
    subrects: Vec<u8>,
}

/// One colour of a tile and where it is. The masks of a tile's colours cover it and don't meet.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    colour: Pixel,
    mask: Mask,
    pixels: u32,
}

impl Tiles {
    /// Starts a rectangle: nothing holds over.
    pub(crate) fn begin(&mut self) {
        self.background = None;
        self.foreground = None;
    }

    /// Encodes a strip of cells.
    pub(crate) fn encode(&mut self, cells: &[Cell], bits: BitsPerPixel, output: &mut Output) {
        for pair in cells.chunks(2) {
            let mut layers = layers(pair);
            // The background is what covers most; of equals, the one that holds already.
            layers.sort_by_key(|l| (l.pixels, Some(l.colour) == self.background));
            let unused = layers.iter().take_while(|layer| layer.pixels == 0).count();
            let Some((background, others)) = layers.split_last() else { continue };
            let others = others.get(unused..).unwrap_or_default();
            if !self.tile(pair.len(), background.colour, others, bits, output) {
                output.u8(RAW);
                super::raw::encode(pair, bits, output);
                self.begin();
            }
        }
    }

    /// Encodes a tile of so many cells, unless raw pixels are shorter; says whether it did.
    fn tile(
        &mut self,
        cells: usize,
        background: Pixel,
        others: &[Layer],
        bits: BitsPerPixel,
        output: &mut Output,
    ) -> bool {
        let coloured = others.len() > 1;
        let mut count = 0_u16;
        self.subrects.clear();
        for layer in others {
            subrects(layer.mask, |rect| {
                if coloured {
                    self.subrects.extend_from_slice(layer.colour.as_slice(bits));
                }
                // Each has four bits; extents are one less than they are.
                let place = nibbles(rect.x, rect.y);
                self.subrects.extend([place, nibbles(rect.width - 1, rect.height - 1)]);
                count += 1;
            });
        }
        let raw_bytes = cells * 128 * bits.bytes();
        let Ok(count) = u8::try_from(count) else { return false };
        if 2 * bits.bytes() + 1 + self.subrects.len() >= raw_bytes {
            return false;
        }

        let foreground = match others {
            [only] => Some(only.colour),
            _ => None,
        };
        let new_background = (self.background != Some(background)).then_some(background);
        let new_foreground = foreground.filter(|_| self.foreground != foreground);
        self.background = Some(background);
        if !others.is_empty() {
            // A foreground does not hold over a coloured tile.
            self.foreground = foreground;
        }

        output.u8(flag(BACKGROUND_SPECIFIED, new_background.is_some())
            | flag(FOREGROUND_SPECIFIED, new_foreground.is_some())
            | flag(ANY_SUBRECTS, !others.is_empty())
            | flag(SUBRECTS_COLOURED, coloured));
        for colour in new_background.iter().chain(&new_foreground) {
            output.bytes(colour.as_slice(bits));
        }
        if !others.is_empty() {
            output.u8(count);
            output.bytes(&self.subrects);
        }
        true
    }
}

fn flag(flag: u8, set: bool) -> u8 {
    if set { flag } else { 0 }
}

/// Takes a tile's colours apart. Layers beyond the last colour have no pixels.
fn layers(pair: &[Cell]) -> [Layer; COLOURS_MAX] {
    let mut layers = [Layer::default(); COLOURS_MAX];
    for (cell, shift) in pair.iter().zip([8, 0]) {
        let ink = cell.bitmap.map(|row| u16::from(row) << shift);
        let paper = cell.bitmap.map(|row| u16::from(!row) << shift);
        for (colour, mask) in [(cell.paper, paper), (cell.ink, ink)] {
            let pixels = mask.iter().map(|row| row.count_ones()).sum::<u32>();
            let layer = layers.iter_mut().find(|l| l.pixels == 0 || l.colour == colour);
            if let Some(layer) = layer.filter(|_| pixels > 0) {
                layer.colour = colour;
                layer.pixels += pixels;
                layer.mask.iter_mut().zip(mask).for_each(|(all, row)| *all |= row);
            }
        }
    }
    layers
}

fn nibbles(high: u8, low: u8) -> u8 {
    high << 4 | low & 0xf
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::picture::Rgb;
    use crate::pixel::PixelFormat;
    use std::vec::Vec;

    const BLACK: u8 = 0x00;
    const WHITE: u8 = 0xff;
    const GREEN: u8 = 0x1c;

    /// A small cross: three rows of which the middle one is longer.
    const CROSS: [u8; 16] = [0, 0, 0x10, 0x38, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const CHECKS: [u8; 16] = [
        0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa,
        0x55,
    ];

    fn cell(bitmap: [u8; 16], ink: u8, paper: u8) -> Cell {
        let [ink, paper] = [ink, paper].map(|colour| {
            let grey = |on| if on { 0xff } else { 0 };
            PixelFormat::RGB332.pixel(Rgb {
                red: grey(colour & 0xe0 != 0),
                green: grey(colour & 0x1c != 0),
                blue: grey(colour & 0x03 != 0),
            })
        });
        Cell::new(bitmap, ink, paper)
    }

    fn encoded(cells: &[Cell]) -> Vec<u8> {
        let mut output = Output::default();
        let mut tiles = Tiles::default();
        tiles.begin();
        tiles.encode(cells, BitsPerPixel::Eight, &mut output);
        output.pending().to_vec()
    }

    #[test]
    fn a_background_is_sent_once_and_then_costs_a_byte_a_tile() {
        let blank = cell([0; 16], WHITE, BLACK);
        assert_eq!(encoded(&[blank; 6]), [BACKGROUND_SPECIFIED, BLACK, 0, 0]);
    }

    #[test]
    fn a_glyph_is_rectangles_in_the_foreground() {
        let tile = [cell(CROSS, WHITE, BLACK), cell([0; 16], WHITE, BLACK)];
        let first = [0x0e, BLACK, WHITE, 3, 0x32, 0x02, 0x23, 0x00, 0x43, 0x00];
        // The second tile has the same colours.
        let second = [0x08, 3, 0x32, 0x02, 0x23, 0x00, 0x43, 0x00];
        assert_eq!(encoded(&[tile, tile].concat()), [&first[..], &second].concat());
    }

    #[test]
    fn a_tile_of_more_colours_colours_its_rectangles() {
        let tile = [cell(CROSS, GREEN, BLACK), cell(CROSS, WHITE, BLACK)];
        let mask = BACKGROUND_SPECIFIED | ANY_SUBRECTS | SUBRECTS_COLOURED;
        let left = [GREEN, 0x32, 0x02, GREEN, 0x23, 0x00, GREEN, 0x43, 0x00];
        let right = [WHITE, 0xb2, 0x02, WHITE, 0xa3, 0x00, WHITE, 0xc3, 0x00];
        assert_eq!(encoded(&tile), [&[mask, BLACK, 6], &left[..], &right].concat());
    }

    #[test]
    fn a_foreground_does_not_hold_over_a_coloured_tile() {
        let plain = [cell(CROSS, WHITE, BLACK), cell(CROSS, WHITE, BLACK)];
        let coloured = [cell(CROSS, GREEN, BLACK), cell(CROSS, WHITE, BLACK)];
        let bytes = encoded(&[plain, coloured, plain].concat());
        let last = encoded(&plain);
        assert!(
            bytes.ends_with(&[&[ANY_SUBRECTS | FOREGROUND_SPECIFIED, WHITE], &last[3..]].concat())
        );
    }

    #[test]
    fn a_tile_that_is_shorter_raw_is_raw_and_nothing_holds_over_it() {
        let noise = [cell(CHECKS, WHITE, BLACK), cell(CHECKS, WHITE, BLACK)];
        let blank = [cell([0; 16], WHITE, BLACK); 2];
        let bytes = encoded(&[blank, noise, blank].concat());
        assert_eq!(bytes.len(), 2 + 257 + 2);
        assert_eq!(bytes[2], RAW);
        assert_eq!(bytes[259..], [BACKGROUND_SPECIFIED, BLACK]);
    }

    #[test]
    fn an_odd_cell_is_a_narrow_tile() {
        assert_eq!(encoded(&[cell([0xff; 16], WHITE, BLACK)]), [BACKGROUND_SPECIFIED, WHITE]);
        let bytes = encoded(&[cell(CHECKS, WHITE, BLACK)]);
        assert_eq!((bytes.len(), bytes[0]), (129, RAW));
    }
}
