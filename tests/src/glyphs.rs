//! Reads text from pixels: cells that show exactly a glyph of the font, at its own size.
//!
//! Only printable ASCII is read; a cell that shows anything else becomes `?`.

use std::collections::HashMap;
use std::sync::LazyLock;

use vncterm_font::{CELL_HEIGHT, CELL_WIDTH, Rows, find, rows};

use crate::picture::Picture;

/// A cell's width in pixels.
pub const WIDTH: usize = CELL_WIDTH as usize;
/// A cell's height in pixels.
pub const HEIGHT: usize = CELL_HEIGHT as usize;

/// What a cell's pixels mean.
static CHARACTERS: LazyLock<HashMap<Rows, char>> = LazyLock::new(|| {
    // From the end, so that a blank is a space and not another character that looks like it.
    (' '..='~').rev().map(|character| (shape(character), character)).collect()
});

/// A character's pixels.
fn shape(character: char) -> Rows {
    let glyph = find(character).expect("the font has ASCII");
    *rows(glyph.left())
}

/// The cell whose left upper pixel is here, as text; none where it reaches outside.
fn character(picture: &Picture, x: usize, y: usize) -> Option<char> {
    let paper = picture.pixel(x, y)?;
    let mut shape: Rows = [0; HEIGHT];
    for (row, bits) in shape.iter_mut().enumerate() {
        for pixel in picture.row(x, y + row, WIDTH)? {
            *bits = *bits << 1 | u8::from(*pixel != paper);
        }
    }
    let turned = shape.map(|bits| !bits);
    let known = CHARACTERS.get(&shape).or_else(|| CHARACTERS.get(&turned));
    Some(known.copied().unwrap_or('?'))
}

/// The text of a screen whose left upper pixel is here: so many columns and lines, with trailing
/// blanks cut.
#[must_use]
pub fn read(picture: &Picture, x: usize, y: usize, columns: usize, lines: usize) -> Vec<String> {
    let line = |line| {
        let cells = (0..columns)
            .map(|column| character(picture, x + column * WIDTH, y + line * HEIGHT).unwrap_or('?'));
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..lines).map(line).collect()
}

/// The text of a picture that is a screen and nothing else.
#[must_use]
pub fn read_screen(picture: &Picture) -> Vec<String> {
    read(picture, 0, 0, picture.width / WIDTH, picture.height / HEIGHT)
}

/// Where in a picture a text stands, in one line and two colours: its left upper pixel.
#[must_use]
pub fn locate(picture: &Picture, text: &str) -> Option<(usize, usize)> {
    let shapes: Vec<Rows> = text.chars().map(shape).collect();
    let width = WIDTH * shapes.len();
    let places = (0..picture.height.saturating_sub(HEIGHT - 1))
        .flat_map(|y| (0..picture.width.saturating_sub(width - 1)).map(move |x| (x, y)));
    places.into_iter().find(|(x, y)| stands_at(picture, &shapes, *x, *y))
}

fn stands_at(picture: &Picture, shapes: &[Rows], x: usize, y: usize) -> bool {
    let Some(paper) = picture.pixel(x, y) else { return false };
    let mut ink = None;
    (0..HEIGHT).all(|row| {
        let Some(pixels) = picture.row(x, y + row, WIDTH * shapes.len()) else { return false };
        pixels.iter().enumerate().all(|(column, pixel)| {
            let bits = shapes.get(column / WIDTH).map_or(0, |shape| shape[row]);
            let inked = bits >> (WIDTH - 1 - column % WIDTH) & 1 == 1;
            match inked {
                true => *pixel != paper && *ink.get_or_insert(*pixel) == *pixel,
                false => *pixel == paper,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: u32 = 0x00aa_aaaa;

    fn write(picture: &mut Picture, text: &str, x: usize, y: usize, ink: u32, paper: u32) {
        for (column, character) in text.chars().enumerate() {
            for (row, bits) in shape(character).iter().enumerate() {
                let pixels = (0..WIDTH)
                    .map(|bit| if bits >> (WIDTH - 1 - bit) & 1 == 1 { ink } else { paper });
                let pixels: Vec<u32> = pixels.collect();
                picture.paint(x + column * WIDTH, y + row, WIDTH, &pixels);
            }
        }
    }

    #[test]
    fn reads_what_was_written_in_either_polarity() {
        let mut picture = Picture::black(20 * WIDTH, 2 * HEIGHT);
        write(&mut picture, "Hello, world", 0, 0, INK, 0);
        write(&mut picture, "turned ", 0, HEIGHT, 0, INK);
        assert_eq!(read_screen(&picture), ["Hello, world", "turned"]);
    }

    #[test]
    fn locates_a_text_at_any_pixel_and_nothing_where_there_is_none() {
        let mut picture = Picture::black(200, 100);
        write(&mut picture, "here", 37, 21, INK, 0);
        assert_eq!(locate(&picture, "here"), Some((37, 21)));
        assert_eq!(locate(&picture, "there"), None);
    }
}
