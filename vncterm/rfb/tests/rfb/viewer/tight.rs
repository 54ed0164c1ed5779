//! Tight, decoded (the community's RFB protocol).

use super::{Cursor, Viewer};

impl Viewer {
    pub(super) fn tight(
        &mut self,
        cursor: &mut Cursor<'_>,
        [x, y, width, height]: [usize; 4],
    ) -> Option<()> {
        assert!(width > 0 && height > 0, "an empty rectangle");
        assert!(width <= 2048, "a rectangle that is too wide for Tight");
        let format = self.format.clone();
        let control = cursor.u8()?;
        if control >> 4 == 8 {
            let pixel = cursor.tight_pixel(&format)?;
            self.fill([x, y, width, height], pixel);
            return Some(());
        }
        assert!(control & 0x80 == 0, "compression control {control}");
        let stream = usize::from(control >> 4 & 3);
        let filter = if control & 0x40 == 0 { 0 } else { cursor.u8()? };
        let mut palette = Vec::new();
        match filter {
            0 => {}
            1 => {
                for _ in 0..=cursor.u8()? {
                    palette.push(cursor.tight_pixel(&format)?);
                }
                assert!(palette.len() > 1, "a palette of one colour");
            }
            other => panic!("filter {other}"),
        }
        let row_bytes = match palette.len() {
            0 => width * format.tight_bytes(),
            2 => width.div_ceil(8),
            _ => width,
        };
        let bytes = cursor.tight_data(row_bytes * height)?;
        let bytes = match bytes {
            Data::Plain(bytes) => bytes,
            Data::Compressed(bytes) => {
                // The stream moves on only when the message is whole.
                let reset = control & 0xf;
                for (at, stream) in self.tight.iter_mut().enumerate() {
                    if reset & 1 << at != 0 {
                        *stream = super::zlib::Inflater::default();
                    }
                }
                self.tight[stream].inflate(&bytes)
            }
        };
        assert_eq!(bytes.len(), row_bytes * height, "the data's length");
        let mut data = Cursor { bytes: &bytes, at: 0 };
        for row in y..y + height {
            let line = data.take(row_bytes)?.to_vec();
            let mut pixels = Cursor { bytes: &line, at: 0 };
            for column in 0..width {
                let pixel = match palette.len() {
                    0 => pixels.tight_pixel(&format)?,
                    2 => palette[usize::from(line[column / 8] >> (7 - column % 8) & 1)],
                    _ => palette[usize::from(line[column])],
                };
                self.fill([x + column, row, 1, 1], pixel);
            }
        }
        Some(())
    }
}

enum Data {
    Plain(Vec<u8>),
    Compressed(Vec<u8>),
}

impl Cursor<'_> {
    fn tight_data(&mut self, length: usize) -> Option<Data> {
        if length < 12 {
            return self.take(length).map(|bytes| Data::Plain(bytes.to_vec()));
        }
        let mut compressed = 0;
        for at in 0..3 {
            let byte = usize::from(self.u8()?);
            compressed |= if at == 2 { byte } else { byte & 0x7f } << (7 * at);
            if byte & 0x80 == 0 {
                break;
            }
        }
        self.take(compressed).map(|bytes| Data::Compressed(bytes.to_vec()))
    }
}
