//! What a session needs to know of the picture that it shows.

/// The width of a cell in pixels.
pub const CELL_WIDTH: u16 = 8;

/// The height of a cell in pixels.
pub const CELL_HEIGHT: u16 = 16;

/// The widest picture: twice the widest terminal in use, so that a row of raw pixels of 32 bits
/// stays at 256 KiB.
pub const COLUMNS_MAX: u16 = 512;

/// The highest picture; 4,096 pixels.
pub const ROWS_MAX: u16 = 256;

/// A cell's pixels: 16 rows from the top, the leftmost pixel in the highest bit.
pub type Bitmap = [u8; CELL_HEIGHT as usize];

/// A colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rgb {
    /// From 0 to 255.
    pub red: u8,
    /// From 0 to 255.
    pub green: u8,
    /// From 0 to 255.
    pub blue: u8,
}

/// How one cell looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Which bitmap: a number that only the picture understands.
    pub glyph: u32,
    /// The colour of the bitmap's set pixels.
    pub ink: Rgb,
    /// The colour of the others.
    pub paper: Rgb,
}

/// A picture's size in cells, 1x1 to [`COLUMNS_MAX`]x[`ROWS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    columns: u16,
    rows: u16,
}

impl Size {
    /// A size, if it is within the bounds.
    pub const fn new(columns: u16, rows: u16) -> Option<Self> {
        match (columns, rows) {
            (1..=COLUMNS_MAX, 1..=ROWS_MAX) => Some(Self { columns, rows }),
            _ => None,
        }
    }

    /// The width in cells.
    pub const fn columns(self) -> u16 {
        self.columns
    }

    /// The height in cells.
    pub const fn rows(self) -> u16 {
        self.rows
    }

    /// The width in pixels.
    pub const fn width(self) -> u16 {
        self.columns * CELL_WIDTH
    }

    /// The height in pixels.
    pub const fn height(self) -> u16 {
        self.rows * CELL_HEIGHT
    }
}

/// A picture made of cells, as it is now. Sessions ask only within its size.
pub trait Picture {
    /// The size in cells.
    fn size(&self) -> Size;

    /// A number that stands for a row's content: rows of equal stamps look the same, at whatever
    /// place and time. So a row that changes takes a new stamp, and one that moves may keep its own.
    fn row_stamp(&self, row: u16) -> u64;

    /// How a cell looks, cursor and selection included.
    fn look(&self, row: u16, column: u16) -> Look;

    /// The pixels of a glyph that a look named. They never change.
    fn bitmap(&self, glyph: u32) -> Bitmap;
}
