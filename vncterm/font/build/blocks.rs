//! This draws what fills parts of a cell: block elements U+2580..U+259F, braille
//! U+2800..U+28FF, sextants U+1FB00..U+1FB3B and the four Powerline separators.

use std::array;

use crate::Rows;

/// The quadrants of U+2596..U+259F: bit 0 is upper left, 1 upper right, 2 lower left, 3 lower
/// right.
const QUADRANTS: [u8; 10] = [0x4, 0x8, 0x1, 0xd, 0x9, 0x7, 0xb, 0x2, 0x6, 0xe];

/// Where a braille pattern's dots are: column and row of the 2x4 grid, for bits 0 to 7.
const DOTS: [(usize, usize); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];

/// The first rows of a sextant's three bands, and the end.
const BANDS: [usize; 4] = [0, 5, 11, 16];

/// Patterns of six that have code points elsewhere: left half and right half.
const HALVES: [u8; 2] = [0x15, 0x2a];

/// Every character of this file with its drawing.
pub(crate) fn all() -> Vec<(char, Rows)> {
    let mut all = vec![
        ('▀', lower(8).map(|row| !row)),
        ('▐', [0x0f; 16]),
        ('░', shade(0x88, 0x22)),
        ('▒', shade(0xaa, 0x55)),
        ('▓', shade(0x77, 0xdd)),
        ('▔', lower(14).map(|row| !row)),
        ('▕', [0x01; 16]),
    ];
    all.extend(('▁'..='█').zip(1..).map(|(character, eighths)| (character, lower(eighths * 2))));
    all.extend(('▉'..='▏').zip(1..).map(|(character, missing)| (character, [0xff << missing; 16])));
    all.extend(('▖'..='▟').zip(QUADRANTS).map(|(character, set)| (character, quadrants(set))));
    all.extend(('\u{2800}'..='\u{28ff}').zip(0..=255).map(|(c, dots)| (c, braille(dots))));

    let sextants = (1..0x3f).filter(|set| !HALVES.contains(set));
    all.extend(('\u{1fb00}'..='\u{1fb3b}').zip(sextants).map(|(c, set)| (c, sextant(set))));

    all.extend([
        ('\u{e0b0}', array::from_fn(|row| !(0x7f_u8 >> row.min(15 - row)))),
        ('\u{e0b1}', array::from_fn(|row| 0x80 >> row.min(15 - row))),
        ('\u{e0b2}', array::from_fn(|row| !(0xfe_u8 << row.min(15 - row)))),
        ('\u{e0b3}', array::from_fn(|row| 0x01 << row.min(15 - row))),
    ]);
    all
}

/// Fills the lowest rows.
fn lower(height: usize) -> Rows {
    array::from_fn(|row| if row >= 16 - height { 0xff } else { 0 })
}

/// Alternates two rows.
fn shade(even: u8, odd: u8) -> Rows {
    array::from_fn(|row| if row % 2 == 0 { even } else { odd })
}

/// Fills halves of a row: bit 0 the left one, bit 1 the right one.
fn halves(set: u8) -> u8 {
    [0x00, 0xf0, 0x0f, 0xff][usize::from(set & 3)]
}

fn quadrants(set: u8) -> Rows {
    array::from_fn(|row| halves(set >> if row < 8 { 0 } else { 2 }))
}

fn sextant(set: u8) -> Rows {
    array::from_fn(|row| {
        let band = BANDS.iter().skip(1).filter(|start| row >= **start).count();
        halves(set >> (2 * band))
    })
}

/// Draws each dot as 2x2 pixels in the middle of its 4x4.
fn braille(dots: u8) -> Rows {
    let mut rows = [0; 16];
    for (bit, (column, row)) in DOTS.into_iter().enumerate() {
        if dots & 1 << bit != 0 {
            rows[4 * row + 1] |= 0x60 >> (4 * column);
            rows[4 * row + 2] |= 0x60 >> (4 * column);
        }
    }
    rows
}
