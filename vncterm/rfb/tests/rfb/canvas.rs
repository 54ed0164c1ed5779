//! A picture to draw on, and how a viewer with a given pixel format should show it.

use vncterm_rfb::{Bitmap, Look, Picture, Rgb, Size};

use crate::viewer::Format;

pub(crate) const BLACK: Rgb = Rgb { red: 0, green: 0, blue: 0 };
pub(crate) const WHITE: Rgb = Rgb { red: 0xff, green: 0xff, blue: 0xff };

/// The glyphs: blank, full, a few shapes, then noise made from the number.
pub(crate) fn bitmap(glyph: u32) -> Bitmap {
    match glyph {
        0 => [0; 16],
        1 => [0xff; 16],
        2 => [0xaa; 16],
        3 => [0, 0, 0, 0, 0x18, 0x24, 0x24, 0x42, 0x42, 0x7e, 0x42, 0x42, 0x42, 0x42, 0, 0],
        4 => [0x0f; 16],
        5 => [
            0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55, 0xaa, 0x55,
            0xaa, 0x55,
        ],
        _ => std::array::from_fn(|row| {
            let mixed = (glyph ^ u32::try_from(row).unwrap() << 7).wrapping_mul(0x9e37_79b1);
            mixed.to_be_bytes()[1]
        }),
    }
}

/// A picture whose cells are set one by one.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    size: Size,
    rows: Vec<(u64, Vec<Look>)>,
    edits: u64,
}

impl Canvas {
    /// A black picture.
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let mut canvas =
            Self { size: Size::new(columns, rows).unwrap(), rows: Vec::new(), edits: 0 };
        canvas.resize(columns, rows);
        canvas
    }

    /// Changes the size; what stays keeps its content.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let blank = Look { glyph: 0, ink: WHITE, paper: BLACK };
        self.size = Size::new(columns, rows).unwrap();
        self.rows.resize(rows.into(), (self.edits, Vec::new()));
        for (stamp, row) in &mut self.rows {
            self.edits += 1;
            *stamp = self.edits;
            row.resize(columns.into(), blank);
        }
    }

    /// Sets a cell, if it is in the picture.
    pub(crate) fn put(&mut self, row: u16, column: u16, look: Look) {
        self.edits += 1;
        if let Some((stamp, cells)) = self.rows.get_mut(usize::from(row))
            && let Some(cell) = cells.get_mut(usize::from(column))
        {
            *stamp = self.edits;
            *cell = look;
        }
    }

    /// Moves the rows from `top` to `bottom` up or down by one and blanks the one that comes in.
    /// Stamps move with their rows, as they would in a terminal.
    pub(crate) fn scroll(&mut self, top: u16, bottom: u16, down: bool) {
        self.edits += 1;
        let blank = Look { glyph: 0, ink: WHITE, paper: BLACK };
        let fresh = (self.edits, vec![blank; self.size.columns().into()]);
        let bottom = usize::from(bottom).min(self.rows.len() - 1);
        let Some(rows) = self.rows.get_mut(usize::from(top)..=bottom) else { return };
        if rows.is_empty() {
            return;
        }
        if down {
            rows.rotate_right(1);
        } else {
            rows.rotate_left(1);
        }
        let (first, last) = (0, rows.len().saturating_sub(1));
        if let Some(row) = rows.get_mut(if down { first } else { last }) {
            *row = fresh;
        }
    }

    /// How a viewer shows the picture: pixel values, row by row, `size` cells large.
    pub(crate) fn rendered(&self, format: &Format, size: Size) -> Vec<u32> {
        let outside = Look { glyph: 0, ink: BLACK, paper: BLACK };
        let width = usize::from(size.width());
        let mut pixels = vec![0; width * usize::from(size.height())];
        for row in 0..usize::from(size.rows()) {
            for column in 0..usize::from(size.columns()) {
                let inside = self.rows.get(row).and_then(|(_, cells)| cells.get(column));
                let look = *inside.unwrap_or(&outside);
                let [ink, paper] = [look.ink, look.paper].map(|colour| format.value(colour));
                for (y, line) in bitmap(look.glyph).into_iter().enumerate() {
                    for x in 0..8 {
                        pixels[(row * 16 + y) * width + column * 8 + x] =
                            if line & 0x80 >> x == 0 { paper } else { ink };
                    }
                }
            }
        }
        pixels
    }
}

impl Picture for Canvas {
    fn size(&self) -> Size {
        self.size
    }

    fn row_stamp(&self, row: u16) -> u64 {
        self.rows[usize::from(row)].0
    }

    fn look(&self, row: u16, column: u16) -> Look {
        self.rows[usize::from(row)].1[usize::from(column)]
    }

    fn bitmap(&self, glyph: u32) -> Bitmap {
        bitmap(glyph)
    }
}
