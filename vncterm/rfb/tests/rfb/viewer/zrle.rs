//! ZRLE, decoded (RFC 6143, 7.7.6).

use super::{Cursor, Viewer};

impl Viewer {
    pub(super) fn zrle(
        &mut self,
        cursor: &mut Cursor<'_>,
        [x, y, width, height]: [usize; 4],
    ) -> Option<()> {
        assert!(width > 0 && height > 0, "an empty rectangle");
        let length = usize::try_from(cursor.u32()?).unwrap();
        let compressed = cursor.take(length)?.to_vec();
        let bytes = self.zrle.inflate(&compressed);
        let mut tiles = Cursor { bytes: &bytes, at: 0 };
        for top in (y..y + height).step_by(64) {
            for left in (x..x + width).step_by(64) {
                let tile = [left, top, (x + width - left).min(64), (y + height - top).min(64)];
                self.zrle_tile(&mut tiles, tile).expect("a tile's bytes");
            }
        }
        assert_eq!(tiles.at, bytes.len(), "bytes after the last tile");
        Some(())
    }

    fn zrle_tile(&mut self, bytes: &mut Cursor<'_>, tile: [usize; 4]) -> Option<()> {
        let [left, top, width, height] = tile;
        let subencoding = bytes.u8()?;
        let colours = match subencoding {
            0..=16 => subencoding,
            128 => 0,
            130.. => subencoding - 128,
            _ => panic!("subencoding {subencoding}"),
        };
        let format = self.format.clone();
        let palette: Vec<u32> =
            (0..colours).map(|_| bytes.compressed_pixel(&format)).collect::<Option<_>>()?;
        let place = |at: usize| [left + at % width, top + at / width, 1, 1];
        match subencoding {
            0 => {
                for at in 0..width * height {
                    let pixel = bytes.compressed_pixel(&format)?;
                    self.fill(place(at), pixel);
                }
            }
            1 => self.fill(tile, palette[0]),
            2..=16 => {
                let bits = match colours {
                    2 => 1,
                    3..=4 => 2,
                    _ => 4,
                };
                for row in 0..height {
                    let packed = bytes.take((width * bits).div_ceil(8))?.to_vec();
                    for column in 0..width {
                        let bit = column * bits;
                        let shift = 8 - bits - bit % 8;
                        let index = packed[bit / 8] >> shift & ((1 << bits) - 1);
                        self.fill([left + column, top + row, 1, 1], palette[usize::from(index)]);
                    }
                }
            }
            _ => {
                let mut at = 0;
                while at < width * height {
                    let (pixel, is_run) = if subencoding == 128 {
                        (bytes.compressed_pixel(&format)?, true)
                    } else {
                        let index = bytes.u8()?;
                        (palette[usize::from(index & 127)], index & 128 != 0)
                    };
                    let mut run = 1;
                    let mut more = if is_run { bytes.u8()? } else { 0 };
                    run += usize::from(more);
                    while more == 255 {
                        more = bytes.u8()?;
                        run += usize::from(more);
                    }
                    (0..run).for_each(|_| {
                        self.fill(place(at), pixel);
                        at += 1;
                    });
                }
                assert_eq!(at, width * height, "a run over the tile's end");
            }
        }
        Some(())
    }
}
