//! From cells to an encoding's bytes: a closed set of encodings, one file each.
//!
//! Raw and Hextile take a rectangle strip by strip: one row of cells, as wide as the rectangle.
//! The others take a piece at once, of so many cells that its bytes stay bounded; a piece is one
//! rectangle, save in Tight, which makes several of one. A new encoding is a file here, a variant,
//! and a number in `offer.rs`.

mod hextile;
mod raw;
mod rre;
mod subrects;
mod tight;
mod zrle;

use crate::area::Area;
use crate::numbers::{BitsPerPixel, Encoding};
use crate::offer::PictureEncoding;
use crate::output::Output;
use crate::picture::{Bitmap, CELL_HEIGHT, CELL_WIDTH, Size};
use crate::pixel::Pixel;
use crate::shown::{GAP_MIN, Joining};

/// The longest strip of one cell in any encoding: 128 pixels of 32 bits, and for Hextile at most
/// a byte for each tile.
const CELL_BYTES_MAX: usize = CELL_WIDTH as usize * CELL_HEIGHT as usize * 4 + 1;

/// The most that a piece takes in any encoding: for RRE 256 cells of raw pixels, for ZRLE and
/// Tight 1,024 cells of one byte a pixel with their palettes and what deflating may add.
const PIECE_BYTES_MAX: usize = 160 * 1024;

/// The longest strip or piece of a picture.
pub(crate) fn part_max(size: Size) -> usize {
    (usize::from(size.columns()) * CELL_BYTES_MAX).max(PIECE_BYTES_MAX)
}

/// How changes of a row become rectangles that cost little.
pub(crate) fn joining(encoding: PictureEncoding) -> Joining {
    match encoding {
        PictureEncoding::Raw
        | PictureEncoding::Rre
        | PictureEncoding::CoRre
        | PictureEncoding::Hextile => Joining { gap: GAP_MIN, align: 1 },
        // A head is 20 bytes and more, a cell of text three or four.
        PictureEncoding::Tight => Joining { gap: 8, align: 1 },
        PictureEncoding::Zrle => Joining { gap: 8, align: zrle::TILE_COLUMNS },
    }
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

    /// Whether it is all paper.
    fn is_solid(&self) -> bool {
        self.ink == self.paper
    }
}

/// The most that an encoding takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    columns: u16,
    rows: u16,
    cells: u16,
}

impl Limits {
    /// Those of an encoding that takes pieces.
    pub(crate) fn of(encoding: PictureEncoding) -> Option<Self> {
        match encoding {
            PictureEncoding::Raw | PictureEncoding::Hextile => None,
            PictureEncoding::Rre => Some(Self { columns: u16::MAX, rows: u16::MAX, cells: 256 }),
            // A subrectangle's place has eight bits.
            PictureEncoding::CoRre => Some(Self { columns: 31, rows: 15, cells: 256 }),
            PictureEncoding::Zrle => Some(Self { columns: u16::MAX, rows: u16::MAX, cells: 1024 }),
            // A rectangle is at most 2,048 pixels wide.
            PictureEncoding::Tight => Some(Self { columns: 256, rows: u16::MAX, cells: 1024 }),
        }
    }

    /// A piece off the top and left of an area, and what is left of it.
    pub(crate) fn cut(self, area: Area) -> (Area, [Option<Area>; 2]) {
        let columns = area.columns.min(self.columns);
        let rows = area.rows.min(self.rows_of(columns));
        let right = Area { column: area.column + columns, columns: area.columns - columns, ..area };
        let below = Area { row: area.row + rows, columns, rows: area.rows - rows, ..area };
        let piece = Area { columns, rows, ..area };
        (piece, [right, below].map(|area| (area.columns > 0 && area.rows > 0).then_some(area)))
    }

    /// How many pieces an area is cut into.
    pub(crate) fn count(self, area: Area) -> usize {
        let stripe = |columns: u16| usize::from(area.rows.div_ceil(self.rows_of(columns)));
        let (whole, rest) = (area.columns / self.columns, area.columns % self.columns);
        let rest = if rest > 0 { stripe(rest) } else { 0 };
        if whole > 0 { usize::from(whole) * stripe(self.columns) + rest } else { rest }
    }

    fn rows_of(self, columns: u16) -> u16 {
        (self.cells / columns.max(1)).clamp(1, self.rows)
    }
}

/// A part of a picture that is encoded at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    area: Area,
    /// Row by row.
    cells: &'a [Cell],
    /// The bytes of a pixel in the encoding's form.
    pixel_bytes: usize,
}

impl<'a> Piece<'a> {
    /// A piece; there is a cell for each of its places.
    pub(crate) fn new(area: Area, cells: &'a [Cell], pixel_bytes: usize) -> Self {
        Self { area, cells, pixel_bytes }
    }

    fn rows(&self) -> impl Iterator<Item = &'a [Cell]> + use<'a> {
        self.cells.chunks(usize::from(self.area.columns).max(1))
    }
}

/// Encoders at work for one viewer: what holds over from one update to the next.
#[derive(Debug, Default)]
pub(crate) struct Encoders {
    tiles: hextile::Tiles,
    zrle: zrle::Encoder,
    tight: tight::Encoder,
}

impl Encoders {
    /// Starts a rectangle of strips.
    pub(crate) fn begin(&mut self) {
        self.tiles.begin();
    }

    /// Encodes the rectangle's next row of cells, in Hextile if it is that and else in Raw.
    pub(crate) fn strip(
        &mut self,
        encoding: PictureEncoding,
        cells: &[Cell],
        bits: BitsPerPixel,
        output: &mut Output,
    ) {
        match encoding {
            PictureEncoding::Hextile => self.tiles.encode(cells, bits, output),
            _ => raw::encode(cells, bits, output),
        }
    }

    /// Encodes a piece, heads included; gives the number of its rectangles.
    pub(crate) fn piece(
        &mut self,
        encoding: PictureEncoding,
        piece: Piece<'_>,
        output: &mut Output,
    ) -> u16 {
        match encoding {
            PictureEncoding::CoRre => rre::encode::<u8>(piece, Encoding::CoRre, output),
            PictureEncoding::Tight => return self.tight.encode(piece, output),
            PictureEncoding::Zrle => self.zrle.encode(piece, output),
            PictureEncoding::Rre | PictureEncoding::Raw | PictureEncoding::Hextile => {
                rre::encode::<u16>(piece, Encoding::Rre, output);
            }
        }
        1
    }
}

/// Puts a rectangle's head.
pub(crate) fn rectangle(area: Area, encoding: Encoding, output: &mut Output) {
    output.u16(area.column * CELL_WIDTH);
    output.u16(area.row * CELL_HEIGHT);
    output.u16(area.columns * CELL_WIDTH);
    output.u16(area.rows * CELL_HEIGHT);
    output.i32(encoding.number());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_an_area_and_are_as_many_as_was_said() {
        for encoding in [PictureEncoding::Rre, PictureEncoding::CoRre, PictureEncoding::Zrle] {
            let limits = Limits::of(encoding).unwrap();
            for (columns, rows) in
                [(1, 1), (31, 8), (32, 9), (80, 24), (512, 256), (512, 1), (1, 256)]
            {
                let area = Area { column: 3, row: 5, columns, rows };
                let mut left = alloc::vec![area];
                let (mut cells, mut count) = (0, 0);
                while let Some(area) = left.pop() {
                    let (piece, rest) = limits.cut(area);
                    left.extend(rest.into_iter().flatten());
                    let covered = usize::from(piece.columns) * usize::from(piece.rows);
                    assert!(piece.rows == 1 || covered <= limits.cells.into());
                    cells += covered;
                    count += 1;
                }
                assert_eq!(cells, usize::from(columns) * usize::from(rows));
                assert_eq!(count, limits.count(area), "{encoding:?} {columns}x{rows}");
            }
        }
    }
}
