//! A FramebufferUpdate on its way: begun once, encoded part by part as the output drains.
//!
//! The number of rectangles goes out first, so what is to be sent is fixed at the beginning; how
//! it looks is taken when it is encoded. Format and encoding stay those of the beginning, because
//! a viewer changes its own only between updates.

use alloc::vec::Vec;

use crate::area::Area;
use crate::encoder::{self, Cell, Encoder};
use crate::numbers::{Encoding, ServerMessage};
use crate::offer::PictureEncoding;
use crate::output::Output;
use crate::picture::{CELL_HEIGHT, CELL_WIDTH, Picture, Size};
use crate::pixel::PixelFormat;
use crate::shown::Shown;

/// While the output holds less, another strip is encoded. A screen of text in Hextile fits, and
/// so does one read of a viewer's socket.
const PART_MIN: usize = 64 * 1024;

/// Most bytes that an update puts into the output at a time.
pub(crate) fn part_max(size: Size) -> usize {
    HEADER_BYTES + PART_MIN + RECTANGLE_BYTES + encoder::strip_max(size)
}

/// The update's own head.
const HEADER_BYTES: usize = 4;

/// A rectangle's head.
const RECTANGLE_BYTES: usize = 12;

/// An update of which at least the last strip is not encoded yet.
#[derive(Debug)]
pub(crate) struct Update {
    /// What is to be sent, the last first. The first row of the last is the next strip.
    areas: Vec<Area>,
    /// Whether the next strip's rectangle has its head already.
    in_rectangle: bool,
    encoding: PictureEncoding,
    encoder: Encoder,
    format: PixelFormat,
}

impl Update {
    /// Begins an update of areas, if there are any.
    pub(crate) fn begin(
        mut areas: Vec<Area>,
        encoding: PictureEncoding,
        format: PixelFormat,
        output: &mut Output,
    ) -> Option<Self> {
        let count = u16::try_from(areas.len()).ok().filter(|count| *count > 0)?;
        head(count, output);
        areas.reverse();
        let encoder = Encoder::new(encoding);
        Some(Self { areas, in_rectangle: false, encoding, encoder, format })
    }

    /// Encodes what there is room for; says whether the update goes on.
    pub(crate) fn advance(
        &mut self,
        picture: &impl Picture,
        shown: &mut Shown,
        output: &mut Output,
    ) -> bool {
        let mut cells = Vec::new();
        while let Some(area) = self.areas.last_mut() {
            if output.pending().len() >= PART_MIN {
                return true;
            }
            if !self.in_rectangle {
                rectangle(*area, self.encoding.number(), output);
                self.encoder.begin();
            }
            cells.clear();
            cells.extend(shown.take_row(picture, area.row, *area).map(|look| {
                let [ink, paper] = [look.ink, look.paper].map(|colour| self.format.pixel(colour));
                Cell::new(picture.bitmap(look.glyph), ink, paper)
            }));
            self.encoder.strip(&cells, self.format.bits(), output);

            area.row += 1;
            area.rows -= 1;
            self.in_rectangle = area.rows > 0;
            if !self.in_rectangle {
                self.areas.pop();
            }
        }
        false
    }
}

/// Sends the picture's new size: an update of its own (RFC 6143, 7.8.2).
pub(crate) fn desktop_size(size: Size, output: &mut Output) {
    head(1, output);
    rectangle(Area::whole(size), Encoding::DesktopSize.number(), output);
}

/// Sends the console's new name: an update of its own (the community's rfbproto,
/// "DesktopName Pseudo-encoding").
pub(crate) fn desktop_name(name: &str, output: &mut Output) {
    head(1, output);
    (0..4).for_each(|_| output.u16(0));
    output.i32(Encoding::DesktopName.number());
    output.text(name.as_bytes());
}

fn head(count: u16, output: &mut Output) {
    output.u8(ServerMessage::FramebufferUpdate.number());
    output.u8(0);
    output.u16(count);
}

fn rectangle(area: Area, encoding: i32, output: &mut Output) {
    output.u16(area.column * CELL_WIDTH);
    output.u16(area.row * CELL_HEIGHT);
    output.u16(area.columns * CELL_WIDTH);
    output.u16(area.rows * CELL_HEIGHT);
    output.i32(encoding);
}
