//! From cells to an encoding's bytes: a closed set of encodings, one file each.
//!
//! A rectangle is encoded strip by strip: one row of cells, as wide as the rectangle. A new
//! encoding is a file here, a variant, and a number in `offer.rs`.

mod hextile;
mod raw;

use crate::numbers::BitsPerPixel;
use crate::offer::PictureEncoding;
use crate::output::Output;
use crate::picture::{Bitmap, CELL_HEIGHT, CELL_WIDTH, Size};
use crate::pixel::Pixel;

/// The longest strip of one cell in any encoding: 128 pixels of 32 bits, and for Hextile at most
/// a byte for each tile.
const CELL_BYTES_MAX: usize = CELL_WIDTH as usize * CELL_HEIGHT as usize * 4 + 1;

/// The longest strip of a picture.
pub(crate) fn strip_max(size: Size) -> usize {
    usize::from(size.columns()) * CELL_BYTES_MAX
}

/// A cell ready to be encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    bitmap: Bitmap,
    ink: Pixel,
    paper: Pixel,
}

impl Cell {
    /// A cell; one that has one colour only is made all paper.
    pub(crate) fn new(bitmap: Bitmap, ink: Pixel, paper: Pixel) -> Self {
        if bitmap == [0xff; 16] {
            Self { bitmap: [0; 16], ink, paper: ink }
        } else if ink == paper || bitmap == [0; 16] {
            Self { bitmap: [0; 16], ink: paper, paper }
        } else {
            Self { bitmap, ink, paper }
        }
    }
}

/// An encoding at work for one viewer.
#[derive(Debug)]
pub(crate) enum Encoder {
    Raw,
    Hextile(hextile::Tiles),
}

impl Encoder {
    pub(crate) fn new(encoding: PictureEncoding) -> Self {
        match encoding {
            PictureEncoding::Raw => Self::Raw,
            PictureEncoding::Hextile => Self::Hextile(hextile::Tiles::default()),
        }
    }

    /// Starts a rectangle.
    pub(crate) fn begin(&mut self) {
        match self {
            Self::Raw => {}
            Self::Hextile(tiles) => tiles.begin(),
        }
    }

    /// Encodes the rectangle's next row of cells.
    pub(crate) fn strip(&mut self, cells: &[Cell], bits: BitsPerPixel, output: &mut Output) {
        match self {
            Self::Raw => raw::encode(cells, bits, output),
            Self::Hextile(tiles) => tiles.encode(cells, bits, output),
        }
    }
}
