//! This writes the font's tables: glyph rows, and the way from a code point to them.
//!
//! The bitmaps are GNU Unifont's, except where characters must join exactly: lines, blocks and
//! braille are drawn by rule (`lines.rs`, `blocks.rs`). Three files go to OUT_DIR, all of
//! little-endian numbers: `rows.bin` (16 bytes a glyph), `entries.bin` (pages of 256 u32),
//! `pages.bin` (one u16 for each 256 code points). `src/lib.rs` says what the numbers mean.

mod blocks;
mod lines;
mod tables;

use std::path::Path;
use std::{env, fs, io};

use tables::Tables;
use unicode_width::UnicodeWidthChar;

/// A glyph of one column: 16 rows from the top, the leftmost pixel in the highest bit.
type Rows = [u8; 16];

/// A character's drawing in the columns that a terminal gives it.
enum Drawing {
    One(Rows),
    Two(Rows, Rows),
}

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build");

    let mut tables = Tables::new(Drawing::One(replacement()), Drawing::One([0; 16]));
    for (character, glyph) in unifont::enumerate_glyphs() {
        if !character.is_control() {
            tables.add(character, fit(glyph, character.width().unwrap_or(1)));
        }
    }
    // These come last and take the place of the font's own.
    for (character, rows) in lines::all().into_iter().chain(blocks::all()) {
        tables.add(character, Drawing::One(rows));
    }

    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    let out = Path::new(&out);
    fs::write(out.join("rows.bin"), tables.rows())?;
    fs::write(out.join("entries.bin"), tables.entries())?;
    fs::write(out.join("pages.bin"), tables.pages())
}

/// Brings a glyph to the columns that a terminal gives its character, so that font and terminal
/// never disagree: a wide drawing is squeezed into one column, a narrow one centred in two.
fn fit(glyph: &unifont::Glyph, columns: usize) -> Drawing {
    match (glyph, columns) {
        (unifont::Glyph::Halfwidth(rows), 0 | 1) => Drawing::One(*rows),
        (unifont::Glyph::Halfwidth(rows), _) => {
            Drawing::Two(rows.map(|row| row >> 4), rows.map(|row| row << 4))
        }
        (unifont::Glyph::Fullwidth(rows), 0 | 1) => Drawing::One(rows.map(squeeze)),
        (unifont::Glyph::Fullwidth(rows), _) => {
            let halves = rows.map(u16::to_be_bytes);
            Drawing::Two(halves.map(|[left, _]| left), halves.map(|[_, right]| right))
        }
    }
}

/// Halves a row of sixteen pixels: a pixel is set where either of its two was.
fn squeeze(row: u16) -> u8 {
    (0..8).filter(|column| row & (0xc000 >> (2 * column)) != 0).fold(0, |row, c| row | 0x80 >> c)
}

/// What stands for a character that the font lacks: a hollow box, unlike any letter.
fn replacement() -> Rows {
    let mut rows = [0; 16];
    rows[3..14].fill(0x42);
    rows[3] = 0x7e;
    rows[13] = 0x7e;
    rows
}
