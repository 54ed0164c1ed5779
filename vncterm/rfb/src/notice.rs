//! Rectangles that tell a viewer something and hold no part of the picture: pseudo-encodings
//! (RFC 6143, 7.8, and the community's registry).

use crate::area::Area;
use crate::encoder::rectangle;
use crate::numbers::{Encoding, ResizeReason, ResizeStatus};
use crate::output::Output;
use crate::picture::{CELL_HEIGHT, Rgb, Size};
use crate::pixel::{Form, PixelFormat};

/// What may be told in one update: a pointer of 32 bits, a size, the keys.
pub(crate) const BYTES_MAX: usize = 3 * 12 + 8 * 16 * 4 + 16 + 20;

/// The pointer: a text beam with a dark rim, 8 pixels wide. First what is bright, then all of it.
const BEAM: [u8; 16] =
    [0, 0x6c, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x6c, 0];
const BEAM_MASK: [u8; 16] = [
    0xfe, 0xfe, 0xfe, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0xfe, 0xfe, 0xfe,
];

/// The pixel of the pointer that points.
const HOT_SPOT: [u16; 2] = [3, 7];

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The shape of the pointer.
    Cursor,
    /// Extended key events are understood.
    ExtendedKeys,
    /// The picture's size, for a viewer that knows no more.
    DesktopSize(Size),
    /// The picture's size and why it is told.
    ExtendedDesktopSize(Size, ResizeReason, ResizeStatus),
}

impl Notice {
    /// Puts the rectangle.
    pub(crate) fn write(self, format: PixelFormat, output: &mut Output) {
        match self {
            Self::Cursor => cursor(format, output),
            Self::ExtendedKeys => {
                let nowhere = Area { column: 0, row: 0, columns: 0, rows: 0 };
                rectangle(nowhere, Encoding::ExtendedKeyEvent, output);
            }
            Self::DesktopSize(size) => {
                rectangle(Area::whole(size), Encoding::DesktopSize, output);
            }
            Self::ExtendedDesktopSize(size, reason, status) => {
                // The place of the rectangle says why.
                output.u16(reason.number());
                output.u16(status.number());
                output.u16(size.width());
                output.u16(size.height());
                output.i32(Encoding::ExtendedDesktopSize.number());
                // One screen, number 0, that covers everything.
                output.bytes(&[1, 0, 0, 0]);
                output.u32(0);
                [0, 0, size.width(), size.height()].into_iter().for_each(|n| output.u16(n));
                output.u32(0);
            }
        }
    }
}

fn cursor(format: PixelFormat, output: &mut Output) {
    let grey = |value| format.pixel(Rgb { red: value, green: value, blue: value });
    let (bright, dark) = (grey(0xff), grey(0));
    let [x, y] = HOT_SPOT;
    [x, y, 8, CELL_HEIGHT].into_iter().for_each(|number| output.u16(number));
    output.i32(Encoding::Cursor.number());
    for row in BEAM {
        for x in 0..8 {
            let pixel = if row & (0x80_u8 >> x) == 0 { dark } else { bright };
            output.bytes(pixel.first(format.bytes(Form::Pixel)));
        }
    }
    output.bytes(&BEAM_MASK);
}
