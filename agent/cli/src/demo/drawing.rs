//! demo2's program: something that moves, with colours, boxes and scripts, a few times a second.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use crate::clock::time_of_day;

/// Between two pictures.
const PERIOD: Duration = Duration::from_millis(250);

/// The inner width and height of the box: it leaves a row and a column of 80x24 free, so that
/// nothing ever wraps.
const WIDTH: usize = 76;
const HEIGHT: usize = 20;

/// Eight steps of a bar.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Bars side by side.
const BARS: usize = 60;

/// Steps between two pictures that draw everything; between them only what moves is drawn.
const WHOLE_EVERY: usize = 40;

/// Draws until the terminal goes.
pub(super) fn draw() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for step in 0.. {
        if step % WHOLE_EVERY == 0 {
            out.write_all(scenery().as_bytes())?;
        }
        out.write_all(movement(step, &time_of_day()).as_bytes())?;
        out.flush()?;
        std::thread::sleep(PERIOD);
    }
    Ok(())
}

/// What stands still, on a screen of 80x24, each line placed by itself.
fn scenery() -> String {
    let mut text = String::from("\x1b[?25l\x1b[H\x1b[J");
    let edge = "─".repeat(WIDTH);
    // Writing to a String can't fail, here and below.
    let _ = write!(text, "\x1b[1;2H\x1b[36m┌{edge}┐");
    for row in 2..HEIGHT + 2 {
        let _ = write!(text, "\x1b[{row};2H│\x1b[{row};{}H│", WIDTH + 3);
    }
    let _ = write!(text, "\x1b[{};2H└{edge}┘\x1b[0m", HEIGHT + 2);
    text.push_str("\x1b[1;6H\x1b[1m demo2 \x1b[0m");
    text.push_str(&palette());
    text.push_str(
        "\x1b[18;5H\x1b[1mbold\x1b[0m \x1b[4munderlined\x1b[0m \x1b[7mreversed\x1b[0m  \
         ÄÖÜ ß € ñ  Ωμέγα  Кириллица  日本語  ╔═╗ ░▒▓",
    );
    text
}

/// What moves: the clock, the bars, the name.
fn movement(step: usize, clock: &str) -> String {
    let mut text = format!("\x1b[1;66H {clock} ");
    text.push_str(&waves(step));
    let at = 4 + bounce(step, WIDTH - 15);
    let _ = write!(text, "\x1b[20;3H\x1b[{WIDTH}X\x1b[20;{at}H\x1b[33m◄ xenwarden ►\x1b[0m");
    text
}

/// Sixteen colours, 256 and true colour.
fn palette() -> String {
    let mut text = String::from("\x1b[3;5H");
    for colour in 0..16 {
        let _ = write!(text, "\x1b[48;5;{colour}m    ");
    }
    text.push_str("\x1b[0m\x1b[4;5H");
    for colour in (16..232).step_by(3) {
        let _ = write!(text, "\x1b[48;5;{colour}m ");
    }
    text.push_str("\x1b[0m\x1b[5;5H");
    for column in 0..72 {
        let _ = write!(text, "\x1b[48;2;{};{};128m ", column * 3, 255 - column * 3);
    }
    text.push_str("\x1b[0m");
    text
}

/// Bars that rise and fall.
fn waves(step: usize) -> String {
    let mut text = String::new();
    for row in 0..4 {
        let _ = write!(text, "\x1b[{};9H\x1b[3{}m", 8 + row * 2, 1 + row);
        for bar in 0..BARS {
            let height = bounce(bar + step * (row + 1), BLOCKS.len() - 1);
            text.extend(BLOCKS.get(height));
        }
    }
    text.push_str("\x1b[0m");
    text
}

/// From 0 to `top` and back, one a step.
fn bounce(step: usize, top: usize) -> usize {
    let place = step % (2 * top);
    if place <= top { place } else { 2 * top - place }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_goes_up_and_down() {
        let places: Vec<usize> = (0..8).map(|step| bounce(step, 3)).collect();
        assert_eq!(places, [0, 1, 2, 3, 2, 1, 0, 1]);
    }

    /// Rows and columns that a text goes to.
    fn places(text: &str) -> impl Iterator<Item = (usize, usize)> {
        text.split("\x1b[").filter_map(|part| {
            let (row, column) = part.split_once('H')?.0.split_once(';')?;
            Some((row.parse().ok()?, column.parse().ok()?))
        })
    }

    #[test]
    fn every_picture_stays_on_80_columns_and_24_rows() {
        for step in 0..200 {
            let text = scenery() + &movement(step, "12:01:03");
            assert!(!text.contains('\n'));
            assert!(places(&text).count() > 40);
            assert!(places(&text).all(|(row, column)| row <= 24 && column <= 80));
        }
    }

    #[test]
    fn what_moves_is_modest() {
        assert!((0..200).all(|step| movement(step, "12:01:03").len() < 1024));
        assert!(scenery().len() < 8 * 1024);
    }
}
