//! Raw: every pixel, row by row (RFC 6143, 7.7.1).

use super::Cell;
use crate::numbers::BitsPerPixel;
use crate::output::Output;

/// Encodes a strip of cells.
pub(crate) fn encode(cells: &[Cell], bits: BitsPerPixel, output: &mut Output) {
    match bits {
        BitsPerPixel::Eight => pixels::<1>(cells, output),
        BitsPerPixel::Sixteen => pixels::<2>(cells, output),
        BitsPerPixel::ThirtyTwo => pixels::<4>(cells, output),
    }
}

fn pixels<const BYTES: usize>(cells: &[Cell], output: &mut Output) {
    for y in 0..16 {
        for cell in cells {
            let (ink, paper) = (cell.ink.bytes::<BYTES>(), cell.paper.bytes::<BYTES>());
            let row: u8 = cell.bitmap[y];
            let line: [_; 8] =
                core::array::from_fn(|x| if row & (0x80 >> x) == 0 { paper } else { ink });
            output.bytes(line.as_flattened());
        }
    }
}
