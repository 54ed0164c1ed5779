//! This draws the line characters: box drawing U+2500..U+257F and the DEC scan lines.
//!
//! A box character is four arms that leave the cell's centre. All share one centre and one
//! thickness a weight, so neighbours join whatever their shapes.

use crate::Rows;

/// The centre: light lines run through this column and this row. It is Unifont's, so that arrows
/// and other characters which touch lines still fit.
const COLUMN: i32 = 4;
const ROW: i32 = 7;

const WIDTH: i32 = 8;
const HEIGHT: i32 = 16;

/// The arms of U+2500..U+257F, sixteen characters a line; each is up, right, down, left:
/// `l`ight, `h`eavy, `d`ouble or none. Dashes, arcs and diagonals are drawn apart: `....`.
const ARMS: [&str; 8] = [
    ".l.l .h.h l.l. h.h. .... .... .... .... .... .... .... .... .ll. .hl. .lh. .hh.",
    "..ll ..lh ..hl ..hh ll.. lh.. hl.. hh.. l..l l..h h..l h..h lll. lhl. hll. llh.",
    "hlh. hhl. lhh. hhh. l.ll l.lh h.ll l.hl h.hl h.lh l.hh h.hh .lll .llh .hll .hlh",
    ".lhl .lhh .hhl .hhh ll.l ll.h lh.l lh.h hl.l hl.h hh.l hh.h llll lllh lhll lhlh",
    "hlll llhl hlhl hllh hhll llhh lhhl hhlh lhhh hlhh hhhl hhhh .... .... .... ....",
    ".d.d d.d. .dl. .ld. .dd. ..ld ..dl ..dd ld.. dl.. dd.. l..d d..l d..d ldl. dld.",
    "ddd. l.ld d.dl d.dd .dld .ldl .ddd ld.d dl.l dd.d ldld dldl dddd .... .... ....",
    ".... .... .... .... ...l l... .l.. ..l. ...h h... .h.. ..h. .h.l l.h. .l.h h.l.",
];

/// Dashed lines: character, dashes a cell, heavy, upright.
const DASHES: [(char, i32, bool, bool); 12] = [
    ('┄', 3, false, false),
    ('┅', 3, true, false),
    ('┆', 3, false, true),
    ('┇', 3, true, true),
    ('┈', 4, false, false),
    ('┉', 4, true, false),
    ('┊', 4, false, true),
    ('┋', 4, true, true),
    ('╌', 2, false, false),
    ('╍', 2, true, false),
    ('╎', 2, false, true),
    ('╏', 2, true, true),
];

/// Round corners: character, where the arms lead (columns, rows).
const ARCS: [(char, i32, i32); 4] = [('╭', 1, 1), ('╮', -1, 1), ('╯', -1, -1), ('╰', 1, -1)];

/// DEC scan lines 1, 3, 7 and 9 of a ten-line cell; line 5 is U+2500.
const SCAN_LINES: [(char, i32); 4] = [('⎺', 0), ('⎻', 3), ('⎼', 11), ('⎽', 15)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    None,
    Light,
    Heavy,
    Double,
}

impl Weight {
    /// The lines that make the arm, as distances from its axis.
    fn lines(self) -> &'static [i32] {
        match self {
            Self::None => &[],
            Self::Light => &[0],
            Self::Heavy => &[-1, 0, 1],
            Self::Double => &[-1, 1],
        }
    }
}

/// Every character of this file with its drawing.
pub(crate) fn all() -> Vec<(char, Rows)> {
    let arms = ARMS.iter().flat_map(|line| line.split(' ')).zip('\u{2500}'..='\u{257f}');
    let mut all: Vec<_> = arms
        .filter(|(arms, _)| *arms != "....")
        .map(|(arms, character)| (character, joined(arms)))
        .collect();
    all.extend(DASHES.map(|(character, dashes, heavy, upright)| {
        (character, dashed(dashes, if heavy { Weight::Heavy } else { Weight::Light }, upright))
    }));
    all.extend(ARCS.map(|(character, across, along)| (character, arc(across, along))));
    all.push(('╱', diagonal(true)));
    all.push(('╲', diagonal(false)));
    all.push(('╳', merged(diagonal(true), diagonal(false))));
    all.extend(SCAN_LINES.map(|(character, row)| {
        let mut rows = [0; 16];
        (0..WIDTH).for_each(|column| set(&mut rows, column, row));
        (character, rows)
    }));
    all
}

/// Draws four arms.
fn joined(arms: &str) -> Rows {
    let [up, right, down, left] = <[Weight; 4]>::try_from(
        arms.chars()
            .map(|letter| match letter {
                'l' => Weight::Light,
                'h' => Weight::Heavy,
                'd' => Weight::Double,
                _ => Weight::None,
            })
            .collect::<Vec<_>>(),
    )
    .unwrap_or_else(|_| panic!("{arms:?} is not four arms"));

    let mut rows = [0; 16];
    for &line in right.lines() {
        let start = start(right, line, left, up, down);
        (COLUMN + start..WIDTH).for_each(|column| set(&mut rows, column, ROW + line));
    }
    for &line in left.lines() {
        let start = start(left, line, right, up, down);
        (0..=COLUMN - start).for_each(|column| set(&mut rows, column, ROW + line));
    }
    for &line in down.lines() {
        let start = start(down, line, up, left, right);
        (ROW + start..HEIGHT).for_each(|row| set(&mut rows, COLUMN + line, row));
    }
    for &line in up.lines() {
        let start = start(up, line, down, left, right);
        (0..=ROW - start).for_each(|row| set(&mut rows, COLUMN + line, row));
    }
    rows
}

/// How far outward of the centre a line of an arm starts. `before` and `after` are the arms at
/// its sides, towards negative and towards positive lines.
fn start(arm: Weight, line: i32, opposite: Weight, before: Weight, after: Weight) -> i32 {
    use Weight::{Double, Heavy, Light, None};

    match arm {
        None => 0,
        // Heavy corners are square: both arms fill the whole crossing.
        Heavy if before == Heavy || after == Heavy => -1,
        // A light line goes to the near line of a double one that passes it, and to the far line
        // of one that ends there.
        Light | Heavy => match (opposite, before, after) {
            (None, Double, Double) => 1,
            (None, Double, _) | (None, _, Double) => -1,
            _ => 0,
        },
        // A double line turns: the inner pair meets inside, the outer pair outside.
        Double => {
            let (near, far) = if line < 0 { (before, after) } else { (after, before) };
            match (near, opposite, far) {
                (Double, _, _) => 1,
                (None, None, Double) => -1,
                _ => 0,
            }
        }
    }
}

/// Draws a line of dashes, each followed by one clear pixel.
fn dashed(dashes: i32, weight: Weight, upright: bool) -> Rows {
    let length = if upright { HEIGHT } else { WIDTH };
    let gaps: Vec<_> = (1..=dashes).map(|dash| dash * length / dashes - 1).collect();
    let mut rows = [0; 16];
    for at in (0..length).filter(|at| !gaps.contains(at)) {
        for &line in weight.lines() {
            let (column, row) = if upright { (COLUMN + line, at) } else { (at, ROW + line) };
            set(&mut rows, column, row);
        }
    }
    rows
}

/// Draws a light corner without its corner.
fn arc(across: i32, along: i32) -> Rows {
    let mut rows = [0; 16];
    set(&mut rows, COLUMN + across, ROW + along);
    (2..WIDTH).for_each(|step| set(&mut rows, COLUMN + across * step, ROW));
    (2..HEIGHT).for_each(|step| set(&mut rows, COLUMN, ROW + along * step));
    rows
}

/// Draws a diagonal from corner to corner.
fn diagonal(rising: bool) -> Rows {
    let mut rows = [0; 16];
    for row in 0..HEIGHT {
        let column = row * WIDTH / HEIGHT;
        set(&mut rows, if rising { WIDTH - 1 - column } else { column }, row);
    }
    rows
}

fn merged(one: Rows, other: Rows) -> Rows {
    std::array::from_fn(|row| one[row] | other[row])
}

/// Sets a pixel, if it is in the cell.
fn set(rows: &mut Rows, column: i32, row: i32) {
    if let (Ok(at), 0..WIDTH) = (usize::try_from(row), column)
        && let Some(pixels) = rows.get_mut(at)
    {
        *pixels |= 0x80 >> column;
    }
}
