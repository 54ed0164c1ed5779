//! The screen as a session asks for it, without the cursor and selection that a console draws in.

use vncterm_font::GlyphId;
use vncterm_rfb::{Bitmap, Look, Picture, Rgb, Size};
use vncterm_screen::Screen;

/// A screen that is looked at.
pub(crate) struct Shown<'a>(pub(crate) &'a Screen);

fn rgb(colour: vncterm_screen::Rgb) -> Rgb {
    Rgb { red: colour.red, green: colour.green, blue: colour.blue }
}

impl Picture for Shown<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.columns(), self.0.rows()).expect("a screen fits in a picture")
    }

    fn row_stamp(&self, row: u16) -> u64 {
        self.0.row(0, row).stamp ^ self.0.look().rotate_right(8)
    }

    fn look(&self, row: u16, column: u16) -> Look {
        let cell = *self.0.row(0, row).cells.get(usize::from(column)).expect("within the screen");
        let (ink, paper) = self.0.colours(&cell);
        let glyph = vncterm_font::find(cell.character()).map_or(GlyphId::REPLACEMENT, |g| g.left());
        Look { glyph: glyph.number(), ink: rgb(ink), paper: rgb(paper) }
    }

    fn bitmap(&self, glyph: u32) -> Bitmap {
        *vncterm_font::rows(GlyphId::from_number(glyph))
    }
}
