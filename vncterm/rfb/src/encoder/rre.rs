//! RRE and CoRRE: a background and rectangles on it (RFC 6143, 7.7.3; CoRRE, with places of eight
//! bits, is the community's registry's number 4).
//!
//! Every rectangle is sent raw where that is shorter: each viewer takes Raw.

use alloc::vec::Vec;

use super::subrects::subrects;
use super::{Cell, Piece, raw, rectangle};
use crate::numbers::{BitsPerPixel, Encoding};
use crate::output::Output;
use crate::picture::{CELL_HEIGHT, CELL_WIDTH};
use crate::pixel::Pixel;

/// A coordinate on the wire.
pub(super) trait Coordinate {
    fn put(value: u16, output: &mut Output);
}

impl Coordinate for u8 {
    fn put(value: u16, output: &mut Output) {
        // A piece of CoRRE is at most 248 pixels wide.
        let [_, low] = value.to_be_bytes();
        output.u8(low);
    }
}

impl Coordinate for u16 {
    fn put(value: u16, output: &mut Output) {
        output.u16(value);
    }
}

/// Encodes a piece as one rectangle.
pub(super) fn encode<C: Coordinate>(piece: Piece<'_>, encoding: Encoding, output: &mut Output) {
    let background = background(piece.cells);
    let start = output.place();
    rectangle(piece.area, encoding, output);
    let count_at = output.place();
    output.u32(0);
    output.bytes(background.first(piece.pixel_bytes));

    let raw_bytes = piece.cells.len() * 128 * piece.pixel_bytes;
    let mut count = 0;
    for (y, cells) in (0..).step_by(CELL_HEIGHT.into()).zip(piece.rows()) {
        let mut put = |colour: Pixel, place: [u16; 4]| {
            output.bytes(colour.first(piece.pixel_bytes));
            place.into_iter().for_each(|value| C::put(value, output));
            count += 1;
        };
        papers(cells, background, |x, width, paper| put(paper, [x, y, width, CELL_HEIGHT]));
        for (x, cell) in (0..).step_by(CELL_WIDTH.into()).zip(cells) {
            subrects(cell.bitmap.map(|row| u16::from(row) << 8), |rect| {
                let [dx, dy, width, height] =
                    [rect.x, rect.y, rect.width, rect.height].map(u16::from);
                put(cell.ink, [x + dx, y + dy, width, height]);
            });
        }
        if output.since(count_at) >= raw_bytes {
            output.cut(start);
            rectangle(piece.area, Encoding::Raw, output);
            let bits = match piece.pixel_bytes {
                1 => BitsPerPixel::Eight,
                2 => BitsPerPixel::Sixteen,
                _ => BitsPerPixel::ThirtyTwo,
            };
            piece.rows().for_each(|cells| raw::encode(cells, bits, output));
            return;
        }
    }
    output.replace_u32(count_at, count);
}

/// The commonest paper.
fn background(cells: &[Cell]) -> Pixel {
    let mut papers: Vec<(Pixel, usize)> = Vec::new();
    // There may be as many as cells; the background is among the first or there is none.
    const LOOKED_AT: usize = 16;
    for cell in cells {
        if let Some((_, count)) = papers.iter_mut().find(|(paper, _)| *paper == cell.paper) {
            *count += 1;
        } else if papers.len() < LOOKED_AT {
            papers.push((cell.paper, 1));
        }
    }
    // Of equals the first.
    papers
        .into_iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map(|(paper, _)| paper)
        .unwrap_or_default()
}

/// Finds runs of a paper that is not the background: x, width, and which.
fn papers(cells: &[Cell], background: Pixel, mut found: impl FnMut(u16, u16, Pixel)) {
    let mut x = 0;
    for run in cells.chunk_by(|one, next| one.paper == next.paper) {
        let width = u16::try_from(run.len()).unwrap_or(0) * CELL_WIDTH;
        if let Some(first) = run.first().filter(|cell| cell.paper != background) {
            found(x, width, first.paper);
        }
        x += width;
    }
}
