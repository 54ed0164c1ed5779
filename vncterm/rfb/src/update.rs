//! A FramebufferUpdate on its way: begun once, encoded part by part as the output drains.
//!
//! The number of rectangles goes out first, so what is to be sent is fixed at the beginning; how
//! it looks is taken when it is encoded. Where the number is not known beforehand it is filled in,
//! or if the head has gone by then, the end is marked. Format and encoding stay those of the
//! beginning, because a viewer changes its own only between updates.

use alloc::vec::Vec;

use crate::area::Area;
use crate::encoder::{self, Cell, Encoders, Limits, Piece};
use crate::notice::{self, Notice};
use crate::numbers::{Encoding, ServerMessage};
use crate::offer::PictureEncoding;
use crate::output::Output;
use crate::picture::{CELL_HEIGHT, Look, Picture, Rgb, Size};
use crate::pixel::{Pixel, PixelFormat};
use crate::shown::{Scroll, Shown};

/// While the output holds less, another part is encoded. A screen of text in Hextile fits, and
/// so does one read of a viewer's socket.
const PART_MIN: usize = 64 * 1024;

/// Most bytes that an update puts into the output at a time.
pub(crate) fn part_max(size: Size) -> usize {
    HEADER_BYTES + notice::BYTES_MAX + PART_MIN + 3 * RECTANGLE_BYTES + encoder::part_max(size)
}

/// The update's own head.
const HEADER_BYTES: usize = 4;

/// A rectangle's head.
const RECTANGLE_BYTES: usize = 12;

/// The number of rectangles that means: until the last one.
const UNCOUNTED: u16 = u16::MAX;

/// How a viewer is sent a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) encoding: PictureEncoding,
    pub(crate) format: PixelFormat,
}

/// An update of which at least the last part is not encoded yet.
#[derive(Debug)]
pub(crate) struct Update {
    /// What is to be sent, the last first. The first row of the last is the next strip.
    areas: Vec<Area>,
    /// Whether the next strip's rectangle has its head already.
    in_rectangle: bool,
    manner: Manner,
    count: Count,
}

/// What the viewer is told about the number of rectangles.
#[derive(Clone, Copy, Debug)]
enum Count {
    /// It was told at the beginning.
    Told,
    /// It is filled in at the end, at a place in the output; so many there were so far.
    Counted { place: usize, count: usize },
    /// It is told when there are no more.
    Open,
}

impl Update {
    /// Begins an update of notices, a scroll and areas, if there are any.
    pub(crate) fn begin(
        notices: &[Notice],
        scroll: Option<Scroll>,
        mut areas: Vec<Area>,
        manner: Manner,
        output: &mut Output,
    ) -> Option<Self> {
        let limits = Limits::of(manner.encoding);
        let pieces = |area: &Area| limits.map_or(1, |limits| limits.count(*area));
        let pieces: usize = areas.iter().map(pieces).sum();
        let before = notices.len() + usize::from(scroll.is_some());
        if pieces + before == 0 {
            return None;
        }
        let is_told = pieces == 0 || manner.encoding != PictureEncoding::Tight;
        // Of rectangles that are counted now there are never too many: `shown.rs` says why.
        let told = u16::try_from(pieces + before).unwrap_or(UNCOUNTED);
        head(if is_told { told } else { UNCOUNTED }, output);
        let place = output.place() - size_of::<u16>();
        let count = if is_told { Count::Told } else { Count::Counted { place, count: before } };
        notices.iter().for_each(|notice| notice.write(manner.format, output));
        if let Some(scroll) = scroll {
            encoder::rectangle(scroll.to, Encoding::CopyRect, output);
            output.u16(0);
            output.u16(scroll.from_row * CELL_HEIGHT);
        }
        areas.reverse();
        Some(Self { areas, in_rectangle: false, manner, count })
    }

    /// Encodes what there is room for; says whether the update goes on.
    pub(crate) fn advance(
        &mut self,
        picture: &impl Picture,
        shown: &mut Shown,
        encoders: &mut Encoders,
        output: &mut Output,
    ) -> bool {
        let Manner { encoding, format } = self.manner;
        let mut cells = Vec::new();
        let mut inks = Inks::default();
        while let Some(area) = self.areas.pop() {
            if output.pending().len() >= PART_MIN {
                self.areas.push(area);
                // The head goes out before the end is known.
                if let Count::Counted { .. } = self.count {
                    self.count = Count::Open;
                }
                return true;
            }
            let limits = Limits::of(encoding);
            let (part, rest) = match limits {
                Some(limits) => limits.cut(area),
                None => first_row(area),
            };
            self.areas.extend(rest.into_iter().flatten());
            cells.clear();
            for row in part.row..part.row_end() {
                cells.extend(shown.take_row(picture, row, part).map(|look| {
                    let (ink, paper) = inks.of(look, self.manner);
                    Cell::new(picture.bitmap(look.glyph), ink, paper)
                }));
            }
            if limits.is_some() {
                let piece = Piece::new(part, &cells, format.bytes(encoding.form()));
                let rectangles = encoders.piece(encoding, piece, output);
                if let Count::Counted { count, .. } = &mut self.count {
                    *count += usize::from(rectangles);
                }
                continue;
            }
            if !self.in_rectangle {
                encoder::rectangle(area, encoding.encoding(), output);
                encoders.begin();
            }
            encoders.strip(encoding, &cells, format.bits(), output);
            self.in_rectangle = area.rows > 1;
        }
        self.end(output);
        false
    }

    /// Says how many rectangles there were, or that there are no more, where it was not said.
    fn end(&self, output: &mut Output) {
        let count = match self.count {
            Count::Told => return,
            Count::Counted { place, count } => {
                u16::try_from(count).ok().map(|count| (place, count))
            }
            Count::Open => None,
        };
        if let Some((place, count)) = count.filter(|(_, count)| *count < UNCOUNTED) {
            output.replace_u16(place, count);
        } else {
            output.bytes(&[0; RECTANGLE_BYTES - size_of::<i32>()]);
            output.i32(Encoding::LastRect.number());
        }
    }
}

/// The first row of an area, and the others.
fn first_row(area: Area) -> (Area, [Option<Area>; 2]) {
    let below = Area { row: area.row + 1, rows: area.rows - 1, ..area };
    (Area { rows: 1, ..area }, [(below.rows > 0).then_some(below), None])
}

/// Colours made into pixels: those of a cell are mostly those of the one before.
#[derive(Default)]
struct Inks {
    last: Option<(Rgb, Rgb, Pixel, Pixel)>,
}

impl Inks {
    fn of(&mut self, look: Look, manner: Manner) -> (Pixel, Pixel) {
        if let Some((ink, paper, ink_pixel, paper_pixel)) = self.last
            && (ink, paper) == (look.ink, look.paper)
        {
            return (ink_pixel, paper_pixel);
        }
        let form = manner.encoding.form();
        let [ink, paper] = [look.ink, look.paper].map(|c| manner.format.pixel_in(c, form));
        self.last = Some((look.ink, look.paper, ink, paper));
        (ink, paper)
    }
}

/// Sends one notice: an update of its own.
pub(crate) fn notice(notice: Notice, format: PixelFormat, output: &mut Output) {
    head(1, output);
    notice.write(format, output);
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
