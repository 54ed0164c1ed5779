//! RFC 6143, 7.7.4: tiles of 16x16, each raw or of one background and coloured subrectangles.

use std::io::{self, Read};

use super::{breach, rgb};
use crate::picture::Picture;

const TILE: usize = 16;
const RAW: u8 = 1;
const BACKGROUND: u8 = 2;
const FOREGROUND: u8 = 4;
const SUBRECTANGLES: u8 = 8;
const COLOURED: u8 = 16;

/// Receives a rectangle's tiles and paints them.
pub(super) fn receive(
    source: &mut impl Read,
    picture: &mut Picture,
    [x, y, width, height]: [usize; 4],
) -> io::Result<()> {
    let (mut paper, mut ink) = (0, 0);
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            let size = (TILE.min(width - left), TILE.min(height - top));
            let pixels = tile(source, size, &mut paper, &mut ink)?;
            picture.paint(x + left, y + top, size.0, &pixels);
        }
    }
    Ok(())
}

/// One tile's pixels; the colours last from tile to tile.
fn tile(
    source: &mut impl Read,
    (width, height): (usize, usize),
    paper: &mut u32,
    ink: &mut u32,
) -> io::Result<Vec<u32>> {
    let flags = byte(source)?;
    if flags & RAW != 0 {
        return (0..width * height).map(|_| pixel(source)).collect();
    }
    if flags & BACKGROUND != 0 {
        *paper = pixel(source)?;
    }
    if flags & FOREGROUND != 0 {
        *ink = pixel(source)?;
    }
    let mut pixels = vec![*paper; width * height];
    let count = if flags & SUBRECTANGLES != 0 { byte(source)? } else { 0 };
    for _ in 0..count {
        let colour = if flags & COLOURED != 0 { pixel(source)? } else { *ink };
        let (place, size) = (byte(source)?, byte(source)?);
        let [x, y] = [place >> 4, place & 15].map(usize::from);
        let [w, h] = [size >> 4, size & 15].map(|length| usize::from(length) + 1);
        if x + w > width || y + h > height {
            return Err(breach("a subrectangle reaches out of its tile"));
        }
        for row in y..y + h {
            pixels[row * width + x..row * width + x + w].fill(colour);
        }
    }
    Ok(pixels)
}

fn byte(source: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    source.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn pixel(source: &mut impl Read) -> io::Result<u32> {
    let mut pixel = [0; 4];
    source.read_exact(&mut pixel)?;
    Ok(rgb(pixel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paints_background_coloured_and_plain_subrectangles_and_raw_tiles() {
        let mut bytes = vec![BACKGROUND | FOREGROUND | SUBRECTANGLES];
        bytes.extend([1, 0, 0, 0, 2, 0, 0, 0]);
        bytes.extend([1, 0x10, 0x10]);
        bytes.extend([SUBRECTANGLES | COLOURED, 1, 3, 0, 0, 0, 0x00, 0x00]);
        bytes.push(RAW);
        bytes.extend([4, 0, 0, 0].repeat(16 * 2));
        bytes.extend([0]);
        let mut picture = Picture::black(32, 18);
        receive(&mut bytes.as_slice(), &mut picture, [0, 0, 32, 18]).expect("whole");
        assert_eq!([0, 1, 2, 3].map(|x| picture.pixel(x, 0)), [1, 2, 2, 1].map(Some));
        assert_eq!([16, 17].map(|x| picture.pixel(x, 0)), [3, 1].map(Some));
        assert_eq!([(0, 16), (16, 16)].map(|(x, y)| picture.pixel(x, y)), [4, 1].map(Some));
    }
}
