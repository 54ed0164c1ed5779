//! The screen as one viewer sees it: scrolled, with cursor and selection drawn in.
//!
//! Joins the terminal's cells and the font's glyphs to what the RFB encoders ask for.

use std::cell::RefCell;

use vncterm_font::{Glyph, GlyphId};
use vncterm_rfb::{Bitmap, Look, Picture, Rgb, Size};
use vncterm_screen::{Attributes, Cell, Extent, RowView, Screen};

use crate::selection::Selection;

/// A look's glyph number, from the lowest bit: 17 bits of the font's number, then 13 bits of the
/// combining mark on it, then the lines through it.
const GLYPH_BITS: u32 = 17;
const MARK_BITS: u32 = 13;
const UNDERLINE: u32 = 1 << 30;
const STRIKE: u32 = 1 << 31;

/// Where combining marks begin; 13 bits reach U+22FE, beyond the last block of them (20D0-20FF).
const FIRST_MARK: u32 = 0x300;

/// Pixel rows of the lines.
const UNDERLINE_ROW: usize = 14;
const STRIKE_ROW: usize = 7;

/// A picture of a screen.
#[derive(Debug)]
pub(crate) struct View<'a> {
    screen: &'a Screen,
    size: Size,
    /// Lines scrolled back.
    offset: usize,
    selection: Option<Selection>,
    /// The row that was asked for last: one of the scrollback is unpacked to be looked at.
    row: RefCell<Option<(u16, RowView<'a>)>>,
}

impl<'a> View<'a> {
    /// The screen, scrolled back by `offset` lines.
    pub(crate) fn new(screen: &'a Screen, offset: usize, selection: Option<Selection>) -> Self {
        Self { screen, size: size_of(screen), offset, selection, row: RefCell::new(None) }
    }

    /// The cursor's column, when the cursor is on this row of the view.
    fn cursor_on(&self, row: u16) -> Option<u16> {
        let cursor = self.screen.cursor()?;
        let shown = usize::from(cursor.row) + self.offset == usize::from(row);
        if shown { Some(cursor.column) } else { None }
    }

    /// A cell, and its left neighbour.
    fn cell(&self, row: u16, column: u16) -> (Cell, Option<Cell>) {
        let mut kept = self.row.borrow_mut();
        if kept.as_ref().is_none_or(|(number, _)| *number != row) {
            *kept = Some((row, self.screen.row(self.offset, row)));
        }
        let cells = kept.as_ref().map_or(&[][..], |(_, view)| &view.cells);
        let index = usize::from(column);
        let cell = cells.get(index).copied().unwrap_or_default();
        let left = index.checked_sub(1).and_then(|left| cells.get(left)).copied();
        (cell, left)
    }
}

impl Picture for View<'_> {
    fn size(&self) -> Size {
        self.size
    }

    fn row_stamp(&self, row: u16) -> u64 {
        let cursor = self.cursor_on(row).map_or(0, |column| u64::from(column) + 1);
        let selected = self.selection.and_then(|s| s.on_row(row, self.size.columns()));
        let (from, to) = selected.map_or((0, 0), |(from, to)| (u64::from(from), u64::from(to) + 1));
        // Columns need ten bits each. The two counters of the screen would have to come round
        // exactly between two pictures of one viewer to be mistaken.
        let drawn = cursor << 20 | from << 10 | to;
        let stamp = self.screen.row(self.offset, row).stamp;
        stamp.wrapping_shl(31) ^ self.screen.look().rotate_right(8) ^ drawn
    }

    fn look(&self, row: u16, column: u16) -> Look {
        let (cell, left) = self.cell(row, column);
        let (ink, paper) = self.screen.colours(&cell);
        let selected = self.selection.and_then(|s| s.on_row(row, self.size.columns()));
        let selected = selected.is_some_and(|(from, to)| (from..=to).contains(&column));
        let cursor = self.cursor_on(row) == Some(column);
        let (ink, paper) = if selected != cursor { (paper, ink) } else { (ink, paper) };
        Look { glyph: glyph(&cell, left.as_ref()), ink: rgb(ink), paper: rgb(paper) }
    }

    fn bitmap(&self, glyph: u32) -> Bitmap {
        let font = GlyphId::from_number(glyph & ((1 << GLYPH_BITS) - 1));
        let mut rows = *vncterm_font::rows(font);
        let mark = (glyph >> GLYPH_BITS) & ((1 << MARK_BITS) - 1);
        if let Some(mark) = mark.checked_sub(1).and_then(|mark| char::from_u32(mark + FIRST_MARK))
            && let Some(glyph) = vncterm_font::find(mark)
        {
            for (row, over) in rows.iter_mut().zip(vncterm_font::rows(glyph.left())) {
                *row |= over;
            }
        }
        for (bit, line) in [(UNDERLINE, UNDERLINE_ROW), (STRIKE, STRIKE_ROW)] {
            if glyph & bit != 0 {
                rows[line] = 0xff;
            }
        }
        rows
    }
}

/// The size of a screen's picture. A screen is never empty, and never larger than a picture can be.
pub(crate) fn size_of(screen: &Screen) -> Size {
    let least = const { Size::new(1, 1).expect("one cell is a picture") };
    Size::new(screen.columns(), screen.rows()).unwrap_or(least)
}

fn rgb(colour: vncterm_screen::Rgb) -> Rgb {
    Rgb { red: colour.red, green: colour.green, blue: colour.blue }
}

/// The look's glyph number of a cell, whose left neighbour holds the character of a right half.
fn glyph(cell: &Cell, left: Option<&Cell>) -> u32 {
    let owner = if cell.extent() == Extent::Right { left.unwrap_or(cell) } else { cell };
    let drawing = vncterm_font::find(owner.character());
    let font = match (drawing, cell.extent()) {
        (Some(Glyph::Full(_, right)), Extent::Right) => right,
        (Some(Glyph::Half(_)), Extent::Right) => GlyphId::BLANK,
        (Some(glyph), Extent::Whole | Extent::Left) => glyph.left(),
        (None, _) if owner.character() == ' ' => GlyphId::BLANK,
        (None, _) => GlyphId::REPLACEMENT,
    };
    let mut number = font.number();
    let mark = cell.mark().and_then(|mark| (u32::from(mark) + 1).checked_sub(FIRST_MARK));
    if let Some(mark) = mark.filter(|mark| *mark < 1 << MARK_BITS) {
        number |= mark << GLYPH_BITS;
    }
    for (attribute, bit) in [(Attributes::UNDERLINE, UNDERLINE), (Attributes::STRIKE, STRIKE)] {
        if cell.attributes().contains(attribute) {
            number |= bit;
        }
    }
    number
}
