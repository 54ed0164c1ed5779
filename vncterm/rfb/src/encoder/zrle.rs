//! ZRLE: tiles of 64x64 pixels, each with a palette, all through one endless zlib stream
//! (RFC 6143, 7.7.6).
//!
//! A tile is at most 8x4 cells, and so has at most 64 colours: it is solid, or packed, or runs of
//! palette entries; never raw and never runs of pixels.

use alloc::vec::Vec;

use super::{Cell, Piece, rectangle};
use crate::deflate::Deflate;
use crate::numbers::Encoding;
use crate::output::Output;
use crate::pixel::Pixel;

/// A tile's size in cells.
pub(super) const TILE_COLUMNS: usize = 8;
const TILE_ROWS: usize = 4;

/// The colours that a tile can have.
const COLOURS_MAX: usize = 2 * TILE_COLUMNS * TILE_ROWS;

/// Palettes up to this many colours are packed.
const PACKED_MAX: usize = 16;

/// The subencoding of runs of palette entries, less their number.
const PALETTE_RUNS: u8 = 128;

/// A run of more than one pixel.
const RUN: u8 = 128;

/// The encoder's stream lasts as long as the connection.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    stream: Option<Deflate>,
}

impl Encoder {
    /// Encodes a piece as one rectangle.
    pub(super) fn encode(&mut self, piece: Piece<'_>, output: &mut Output) {
        let stream = self.stream.get_or_insert_with(Deflate::new);
        let columns = usize::from(piece.area.columns);
        for band in piece.cells.chunks(columns * TILE_ROWS) {
            for left in (0..columns).step_by(TILE_COLUMNS) {
                let rows = band.chunks(columns).map(|row| {
                    let row = row.get(left..).unwrap_or_default();
                    row.get(..TILE_COLUMNS).unwrap_or(row)
                });
                tile(rows, piece.pixel_bytes, stream.input());
            }
        }
        rectangle(piece.area, Encoding::Zrle, output);
        let length_at = output.place();
        output.u32(0);
        let data_at = output.place();
        stream.flush(output);
        output.replace_u32(length_at, u32::try_from(output.since(data_at)).unwrap_or(u32::MAX));
    }
}

/// A tile's colours, in the order in which they come.
struct Palette {
    colours: [Pixel; COLOURS_MAX],
    length: usize,
}

impl Palette {
    fn of<'a>(rows: impl Iterator<Item = &'a [Cell]>) -> Self {
        let mut palette = Self { colours: [Pixel::default(); COLOURS_MAX], length: 0 };
        for cell in rows.flatten() {
            palette.add(cell.paper);
            palette.add(cell.ink);
        }
        palette
    }

    fn colours(&self) -> &[Pixel] {
        self.colours.get(..self.length).unwrap_or_default()
    }

    fn add(&mut self, colour: Pixel) {
        if !self.colours().contains(&colour)
            && let Some(place) = self.colours.get_mut(self.length)
        {
            *place = colour;
            self.length += 1;
        }
    }

    fn index(&self, colour: Pixel) -> u8 {
        let index = self.colours().iter().position(|other| *other == colour);
        index.and_then(|index| u8::try_from(index).ok()).unwrap_or(0)
    }
}

fn tile<'a>(
    rows: impl Iterator<Item = &'a [Cell]> + Clone,
    pixel_bytes: usize,
    bytes: &mut Vec<u8>,
) {
    let palette = Palette::of(rows.clone());
    let count = u8::try_from(palette.length).unwrap_or(0);
    bytes.push(if palette.length > PACKED_MAX { PALETTE_RUNS + count } else { count });
    for colour in palette.colours() {
        bytes.extend_from_slice(colour.first(pixel_bytes));
    }
    let indexes = |cell: &Cell| (palette.index(cell.paper), palette.index(cell.ink));
    match palette.length {
        ..=1 => {}
        2 => packed::<1>(rows, indexes, u32::from, bytes),
        3..=4 => packed::<2>(rows, indexes, spread_2, bytes),
        5..=PACKED_MAX => packed::<4>(rows, indexes, spread_4, bytes),
        _ => runs(rows, indexes, bytes),
    }
}

/// Each pixel its index, a row of a cell in so many bytes: `spread` sets the lowest bit of each
/// pixel that is set.
fn packed<'a, const BYTES: usize>(
    rows: impl Iterator<Item = &'a [Cell]>,
    indexes: impl Fn(&Cell) -> (u8, u8),
    spread: impl Fn(u8) -> u32,
    bytes: &mut Vec<u8>,
) {
    for cells in rows {
        let mut pairs = [(0, 0); TILE_COLUMNS];
        for (pair, cell) in pairs.iter_mut().zip(cells) {
            let (paper, ink) = indexes(cell);
            *pair = (u32::from(paper), u32::from(ink));
        }
        for y in 0..16 {
            let mut line = [[0; BYTES]; TILE_COLUMNS];
            for ((place, cell), (paper, ink)) in line.iter_mut().zip(cells).zip(pairs) {
                let row = cell.bitmap[y];
                let word = ((spread(row) * ink) | (spread(!row) * paper)).to_be_bytes();
                *place = *word.last_chunk().unwrap_or(&[0; BYTES]);
            }
            let whole = line.as_flattened();
            // Nearly all tiles are as wide as can be; copying so many bytes takes no call.
            match whole.get(..cells.len() * BYTES) {
                Some(part) if part.len() < whole.len() => bytes.extend_from_slice(part),
                Some(_) | None => bytes.extend_from_slice(whole),
            }
        }
    }
}

/// A bit in every second place.
fn spread_2(bits: u8) -> u32 {
    let bits = u32::from(bits);
    let bits = (bits | bits << 4) & 0x0f0f;
    let bits = (bits | bits << 2) & 0x3333;
    (bits | bits << 1) & 0x5555
}

/// A bit in every fourth place.
fn spread_4(bits: u8) -> u32 {
    let bits = u32::from(bits);
    let bits = (bits | bits << 12) & 0x000f_000f;
    let bits = (bits | bits << 6) & 0x0303_0303;
    (bits | bits << 3) & 0x1111_1111
}

/// Runs of the same pixel, over the ends of rows.
fn runs<'a>(
    rows: impl Iterator<Item = &'a [Cell]>,
    indexes: impl Fn(&Cell) -> (u8, u8),
    bytes: &mut Vec<u8>,
) {
    let mut run = (0, 0_usize);
    let mut put = |(index, length): (u8, usize)| match length {
        0 => {}
        1 => bytes.push(index),
        _ => {
            bytes.push(RUN | index);
            let less = length - 1;
            bytes.extend(core::iter::repeat_n(255, less / 255));
            bytes.push(u8::try_from(less % 255).unwrap_or(0));
        }
    };
    for cells in rows {
        let mut pairs = [(0, 0); TILE_COLUMNS];
        for (pair, cell) in pairs.iter_mut().zip(cells) {
            *pair = indexes(cell);
        }
        for y in 0..16 {
            for (cell, (paper, ink)) in cells.iter().zip(pairs) {
                for x in 0..8 {
                    let index = if cell.bitmap[y] & (0x80 >> x) == 0 { paper } else { ink };
                    if index == run.0 {
                        run.1 += 1;
                    } else {
                        put(run);
                        run = (index, 1);
                    }
                }
            }
        }
    }
    put(run);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_spread_to_every_second_and_fourth_place() {
        for bits in 0..=u8::MAX {
            let spread = |width: u32| {
                (0..8).fold(0, |all, at| all | u32::from(bits >> at & 1) << (at * width))
            };
            assert_eq!(spread_2(bits), spread(2));
            assert_eq!(spread_4(bits), spread(4));
        }
    }
}
