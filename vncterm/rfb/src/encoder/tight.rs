//! Tight: filled rectangles, bitmaps of two colours, and pixels of a palette (the community's RFB
//! protocol, Tight encoding). No JPEG, no gradients.
//!
//! A piece of text has mostly one ink and one paper. It is sent as one bitmap of those two, and what
//! has other colours is painted over it in rectangles of its own. Where too much has, it is sent in
//! bands of a palette instead.

use alloc::vec::Vec;

use super::{Cell, Limits, Piece, rectangle};
use crate::area::Area;
use crate::deflate::Deflate;
use crate::numbers::Encoding;
use crate::output::Output;
use crate::pixel::Pixel;

/// The compression control byte: a fill, or the first zlib stream with a filter that is named.
const FILL: u8 = 0x80;
const FILTERED: u8 = 0x40;

/// The filter of a palette.
const PALETTE: u8 = 1;

/// Data shorter than this is sent as it is.
const COMPRESSED_MIN: usize = 12;

/// A rectangle costs as much as some cells of a palette's pixels.
const CELLS_A_RECTANGLE: usize = 4;

/// A band of so many cells has at most 256 colours, as many as a palette takes.
const BAND: Limits = Limits { columns: 128, rows: u16::MAX, cells: 128 };

/// Pairs of colours among which the commonest is looked for.
const PAIRS_MAX: usize = 16;

/// The encoder's stream; others of the four are not used.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    stream: Option<Deflate>,
}

/// Two colours, which may be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    paper: Pixel,
    ink: Pixel,
}

impl Pair {
    fn of(cell: &Cell) -> Self {
        Self { paper: cell.paper, ink: cell.ink }
    }

    fn has(self, colour: Pixel) -> bool {
        colour == self.paper || colour == self.ink
    }

    /// Whether a cell has no other colours.
    fn fits(self, cell: &Cell) -> bool {
        self.has(cell.paper) && self.has(cell.ink)
    }

    /// The pair that fits a cell as well, if there is one.
    fn with(self, cell: &Cell) -> Option<Self> {
        let other = Self::of(cell);
        if self.fits(cell) {
            Some(self)
        } else if self.paper == self.ink && other.has(self.paper) {
            Some(other)
        } else if cell.is_solid() && self.paper == self.ink {
            Some(Self { ink: cell.paper, ..self })
        } else {
            None
        }
    }

    /// A row of a cell, its ink as set bits; another colour is paper.
    fn row(self, cell: &Cell, y: usize) -> u8 {
        let mask = |colour: Pixel| if colour == self.ink { 0xff } else { 0 };
        let row = cell.bitmap[y];
        row & mask(cell.ink) | !row & mask(cell.paper)
    }
}

/// A part of a piece that is painted over it, counted in cells from the piece's corner.
#[derive(Clone, Copy, Debug)]
struct Patch {
    area: Area,
    pair: Pair,
}

impl Encoder {
    /// Encodes a piece; gives the number of its rectangles.
    pub(super) fn encode(&mut self, piece: Piece<'_>, output: &mut Output) -> u16 {
        let pair = commonest(piece.cells);
        let most = 1 + piece.cells.len() / CELLS_A_RECTANGLE;
        let Some(patches) = patches(piece, pair, most) else { return self.bands(piece, output) };
        self.bitmap(piece, whole(piece), pair, output);
        for patch in &patches {
            self.bitmap(piece, patch.area, patch.pair, output);
        }
        1 + u16::try_from(patches.len()).unwrap_or(u16::MAX)
    }

    /// Sends a part of a piece in two colours, or one.
    fn bitmap(&mut self, piece: Piece<'_>, part: Area, pair: Pair, output: &mut Output) {
        rectangle(placed(piece, part), Encoding::Tight, output);
        if pair.paper == pair.ink {
            output.u8(FILL);
            output.bytes(pair.paper.first(piece.pixel_bytes));
            return;
        }
        output.bytes(&[FILTERED, PALETTE, 1]);
        output.bytes(pair.paper.first(piece.pixel_bytes));
        output.bytes(pair.ink.first(piece.pixel_bytes));
        let stream = self.stream.get_or_insert_with(Deflate::new);
        for cells in rows(piece, part) {
            for y in 0..16 {
                stream.input().extend(cells.iter().map(|cell| pair.row(cell, y)));
            }
        }
        data(stream, output);
    }

    /// Sends a piece in bands, each with a palette; gives their number.
    fn bands(&mut self, piece: Piece<'_>, output: &mut Output) -> u16 {
        let mut left = Vec::from([whole(piece)]);
        let mut count = 0;
        while let Some(area) = left.pop() {
            let (band, rest) = BAND.cut(area);
            left.extend(rest.into_iter().flatten());
            self.band(piece, band, output);
            count += 1;
        }
        count
    }

    fn band(&mut self, piece: Piece<'_>, part: Area, output: &mut Output) {
        let mut palette: Vec<Pixel> = Vec::new();
        for cell in rows(piece, part).flatten() {
            for colour in [cell.paper, cell.ink] {
                if !palette.contains(&colour) {
                    palette.push(colour);
                }
            }
        }
        if let &[paper, ref rest @ ..] = &*palette
            && rest.len() < 2
        {
            let ink = rest.first().copied().unwrap_or(paper);
            return self.bitmap(piece, part, Pair { paper, ink }, output);
        }

        rectangle(placed(piece, part), Encoding::Tight, output);
        output.bytes(&[FILTERED, PALETTE]);
        output.u8(u8::try_from(palette.len() - 1).unwrap_or(u8::MAX));
        for colour in &palette {
            output.bytes(colour.first(piece.pixel_bytes));
        }
        let stream = self.stream.get_or_insert_with(Deflate::new);
        let index = |colour: Pixel| {
            let index = palette.iter().position(|other| *other == colour);
            index.and_then(|index| u8::try_from(index).ok()).unwrap_or(0)
        };
        for cells in rows(piece, part) {
            let pairs: Vec<_> = cells.iter().map(|c| (index(c.paper), index(c.ink))).collect();
            for y in 0..16 {
                for (cell, (paper, ink)) in cells.iter().zip(&pairs) {
                    let row = cell.bitmap[y];
                    let pixel = |x: u8| if row & (0x80 >> x) == 0 { *paper } else { *ink };
                    stream.input().extend((0..8).map(pixel));
                }
            }
        }
        data(stream, output);
    }
}

fn whole(piece: Piece<'_>) -> Area {
    Area { column: 0, row: 0, ..piece.area }
}

/// A part of a piece, on the screen.
fn placed(piece: Piece<'_>, part: Area) -> Area {
    Area { column: piece.area.column + part.column, row: piece.area.row + part.row, ..part }
}

/// The rows of a part of a piece.
fn rows<'a>(piece: Piece<'a>, part: Area) -> impl Iterator<Item = &'a [Cell]> {
    let rows = piece.rows().skip(part.row.into()).take(part.rows.into());
    let columns = usize::from(part.column)..usize::from(part.column_end());
    rows.map(move |cells| cells.get(columns.clone()).unwrap_or_default())
}

/// The pair that fits most cells of two colours; without any, the first cell's.
fn commonest(cells: &[Cell]) -> Pair {
    let mut pairs: Vec<(Pair, usize)> = Vec::new();
    for cell in cells.iter().filter(|cell| !cell.is_solid()) {
        if let Some((_, count)) = pairs.iter_mut().find(|(pair, _)| pair.fits(cell)) {
            *count += 1;
        } else if pairs.len() < PAIRS_MAX {
            pairs.push((Pair::of(cell), 1));
        }
    }
    // Of equals the first.
    let commonest = pairs.into_iter().rev().max_by_key(|(_, count)| *count).map(|(pair, _)| pair);
    let first = cells.first().map(Pair::of);
    let none = Pair { paper: Pixel::default(), ink: Pixel::default() };
    commonest.or(first).unwrap_or(none)
}

/// Finds what does not fit a pair; nothing if it takes more than so many rectangles.
fn patches(piece: Piece<'_>, main: Pair, most: usize) -> Option<Vec<Patch>> {
    let mut patches: Vec<Patch> = Vec::new();
    for (row, cells) in (0..).zip(piece.rows()) {
        let above = patches.len();
        let mut cells = (0..).zip(cells).peekable();
        while let Some((column, first)) = cells.next() {
            if main.fits(first) {
                continue;
            }
            let (mut pair, mut columns) = (Pair::of(first), 1);
            while let Some(wider) = cells
                .peek()
                .filter(|(_, cell)| !main.fits(cell))
                .and_then(|(_, cell)| pair.with(cell))
            {
                pair = wider;
                columns += 1;
                cells.next();
            }
            let area = Area { column, row, columns, rows: 1 };
            let same = |patch: &&mut Patch| {
                patch.pair == pair
                    && patch.area.row_end() == row
                    && (patch.area.column, patch.area.columns) == (column, columns)
            };
            // Those above are all before; what was found in this row does not end at it.
            match patches.iter_mut().take(above).rev().find(same) {
                Some(patch) => patch.area.rows += 1,
                None => patches.push(Patch { area, pair }),
            }
        }
        if patches.len() > most {
            return None;
        }
    }
    Some(patches)
}

/// Sends what was put into the stream: compressed behind its length, or if it is short as it is.
fn data(stream: &mut Deflate, output: &mut Output) {
    if stream.pending().len() < COMPRESSED_MIN {
        output.bytes(stream.pending());
        stream.cancel();
        return;
    }
    let place = output.place();
    stream.flush(output);
    let mut length = output.since(place);
    // Seven bits a byte, the lowest first; the third byte has eight.
    let mut bytes = [0; 3];
    let mut used = 0;
    for byte in &mut bytes {
        let (low, rest) = if used < 2 { (length & 0x7f, length >> 7) } else { (length & 0xff, 0) };
        *byte = u8::try_from(low).unwrap_or(0) | if rest > 0 { 0x80 } else { 0 };
        length = rest;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    output.insert(place, bytes.get(..used).unwrap_or_default());
}
