//! A rectangle of pixels, as a viewer or a screenshot has it.

/// Pixels by rows, each `0x00RRGGBB`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` pixels.
    pub pixels: Vec<u32>,
}

impl Picture {
    /// An all black picture.
    #[must_use]
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0; width * height] }
    }

    /// A picture from bytes of red, green and blue.
    ///
    /// # Panics
    /// When there are more bytes or fewer than the picture has.
    #[must_use]
    pub fn from_rgb(width: usize, height: usize, bytes: &[u8]) -> Self {
        assert_eq!(bytes.len(), width * height * 3, "a picture of {width}x{height}");
        let (pixels, _) = bytes.as_chunks::<3>();
        let pixels = pixels.iter().map(|[r, g, b]| u32::from_be_bytes([0, *r, *g, *b])).collect();
        Self { width, height, pixels }
    }

    /// One pixel; none outside.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> Option<u32> {
        if x < self.width { self.pixels.get(y * self.width + x).copied() } else { None }
    }

    /// Part of a row; none where it reaches outside.
    #[must_use]
    pub fn row(&self, x: usize, y: usize, width: usize) -> Option<&[u32]> {
        if x + width > self.width {
            return None;
        }
        self.pixels.get(y * self.width + x..y * self.width + x + width)
    }

    /// Paints a rectangle, row by row.
    ///
    /// # Panics
    /// When it reaches outside.
    pub fn paint(&mut self, x: usize, y: usize, width: usize, pixels: &[u32]) {
        assert!(x + width <= self.width, "a rectangle reaches out of the picture");
        for (row, pixels) in pixels.chunks(width.max(1)).enumerate() {
            let start = (y + row) * self.width + x;
            let place = self.pixels.get_mut(start..start + width);
            place.expect("a rectangle reaches out of the picture").copy_from_slice(pixels);
        }
    }
}
