//! What the tables hold, seen from outside.

extern crate std;

use std::string::String;
use std::vec::Vec;

use super::{Glyph, GlyphId, ROWS, Rows, find, rows};

fn drawing(character: char) -> Rows {
    match find(character) {
        Some(Glyph::Half(glyph)) => *rows(glyph),
        other => panic!("{character:?} is {other:?}"),
    }
}

fn picture(rows: &Rows) -> String {
    let line = |row: &u8| (0..8).map(|x| if row & 0x80 >> x == 0 { '.' } else { '#' }).collect();
    rows.iter().map(line).collect::<Vec<String>>().join("\n")
}

/// The pixels on a cell's four edges: top and bottom row, left and right column.
fn edges(rows: &Rows) -> [u16; 4] {
    let column = |bit: u8| rows.iter().fold(0, |sum, row| sum << 1 | u16::from(row & bit != 0));
    [u16::from(rows[0]), column(0x01), u16::from(rows[15]), column(0x80)]
}

#[test]
fn a_letter_looks_like_itself() {
    let expected = "\
........
........
........
........
...##...
..#..#..
..#..#..
.#....#.
.#....#.
.######.
.#....#.
.#....#.
.#....#.
.#....#.
........
........";
    assert_eq!(picture(&drawing('A')), expected);
}

#[test]
fn every_printable_ascii_character_is_drawn_and_differs() {
    let mut seen: Vec<_> = (' '..='~').map(drawing).collect();
    assert_eq!(seen[0], [0; 16]);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 95);
}

#[test]
fn the_space_is_the_blank_glyph() {
    assert_eq!(find(' '), Some(Glyph::Half(GlyphId::BLANK)));
    assert_eq!(rows(GlyphId::BLANK), &[0; 16]);
}

#[test]
fn an_unknown_character_has_no_glyph_and_an_unknown_number_is_the_replacement() {
    for character in ['\u{e000}', '\u{10ffff}', '\n', '\u{7f}', '\u{85}'] {
        assert_eq!(find(character), None, "{character:?}");
    }
    assert_eq!(rows(GlyphId::from_number(u32::MAX)), rows(GlyphId::REPLACEMENT));
    assert_ne!(rows(GlyphId::REPLACEMENT), &[0; 16]);
}

#[test]
fn a_wide_character_has_two_halves() {
    let Some(Glyph::Full(left, right)) = find('中') else { panic!("not wide") };
    assert_ne!(rows(left), rows(right));
    assert_ne!(rows(left), &[0; 16]);
}

#[test]
fn a_glyph_is_as_wide_as_its_character_in_a_terminal() {
    // Unifont draws some of these over two columns; a terminal gives them one.
    for character in ['①', '☃', '←', '✓', '€', '␉'] {
        assert!(matches!(find(character), Some(Glyph::Half(_))), "{character}");
    }
    for character in ['你', '한', 'あ', 'Ａ', '、'] {
        assert!(matches!(find(character), Some(Glyph::Full(..))), "{character}");
    }
}

#[test]
fn box_drawing_reaches_the_edges_that_the_font_reaches() {
    for character in '\u{2500}'..='\u{257f}' {
        let Some(unifont::Glyph::Halfwidth(theirs)) = unifont::get_glyph(character) else {
            panic!("{character} is not there")
        };
        // Dashes may end before the edge.
        if ('┄'..='┋').contains(&character) || ('╌'..='╏').contains(&character) {
            continue;
        }
        let reached = |rows: &Rows| edges(rows).map(|edge| edge != 0);
        assert_eq!(reached(&drawing(character)), reached(theirs), "{character}");
    }
}

#[test]
fn box_drawing_meets_at_the_edges() {
    // Every character that reaches an edge with some weight reaches it at the same pixels.
    let [light, heavy, double] = ['┼', '╋', '╬'].map(|cross| edges(&drawing(cross)));
    for character in ('\u{2500}'..='\u{257f}').filter(|c| !('\u{2571}'..='\u{2573}').contains(c)) {
        for (side, edge) in edges(&drawing(character)).into_iter().enumerate() {
            let known = [0, light[side], heavy[side], double[side]];
            assert!(known.contains(&edge), "{character}: side {side} is {edge:#b}");
        }
    }
    assert_eq!(light[0], light[2]);
    assert_eq!(light[1], light[3]);
}

#[test]
fn double_lines_turn_inside_and_outside() {
    let expected = "\
........
........
........
........
........
........
...#####
...#....
...#.###
...#.#..
...#.#..
...#.#..
...#.#..
...#.#..
...#.#..
...#.#..";
    assert_eq!(picture(&drawing('╔')), expected);
}

#[test]
fn blocks_fill_their_part_exactly() {
    assert_eq!(drawing('█'), [0xff; 16]);
    assert_eq!(drawing('▌'), [0xf0; 16]);
    let (upper, lower) = (drawing('▀'), drawing('▄'));
    assert!((0..16).all(|row| upper[row] == !lower[row]));
    let (checker, other) = (drawing('▚'), drawing('▞'));
    assert!((0..16).all(|row| checker[row] == !other[row]));
    assert_eq!(drawing('▖')[8..], [0xf0; 8]);
    assert_eq!(drawing('▏'), [0x80; 16]);
    assert_eq!(drawing('▁')[13..], [0, 0xff, 0xff]);
}

#[test]
fn braille_has_a_dot_for_each_bit() {
    for (character, dots) in ('\u{2800}'..='\u{28ff}').zip(0_u32..) {
        let pixels: u32 = drawing(character).iter().map(|row| row.count_ones()).sum();
        assert_eq!(pixels, 4 * dots.count_ones(), "{character}");
    }
}

#[test]
fn dec_scan_lines_are_one_row_each_from_top_to_bottom() {
    let at = |character| drawing(character).map(|row| row == 0xff);
    let lines = ['⎺', '⎻', '─', '⎼', '⎽'].map(|c| at(c).iter().position(|set| *set));
    assert!(lines.is_sorted() && lines.iter().all(Option::is_some), "{lines:?}");
}

#[test]
fn every_character_of_the_dec_set_is_there() {
    for character in "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·".chars()
    {
        assert!(matches!(find(character), Some(Glyph::Half(_))), "{character}");
    }
}

#[test]
fn a_sextant_is_made_of_thirds_and_halves() {
    assert_eq!(drawing('\u{1fb00}')[..5], [0xf0; 5]);
    assert_eq!(drawing('\u{1fb00}')[5..], [0; 11]);
    assert_eq!(drawing('\u{1fb3b}')[..5], [0x0f; 5]);
    assert_eq!(drawing('\u{1fb3b}')[5..], [0xff; 11]);
}

#[test]
fn numbers_stay_below_seventeen_bits() {
    assert!(ROWS.len() < 1 << 17);
}
