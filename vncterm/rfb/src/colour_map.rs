//! The 256 colours of viewers that show a colour map instead of true colours.
//!
//! They are those of a 256-colour terminal: the 16 of the VGA, a cube of 216, 24 greys.

use crate::picture::Rgb;

/// The VGA's colours, the bright ones last.
const VGA: [Rgb; 16] = [
    rgb(0x00, 0x00, 0x00),
    rgb(0xaa, 0x00, 0x00),
    rgb(0x00, 0xaa, 0x00),
    rgb(0xaa, 0x55, 0x00),
    rgb(0x00, 0x00, 0xaa),
    rgb(0xaa, 0x00, 0xaa),
    rgb(0x00, 0xaa, 0xaa),
    rgb(0xaa, 0xaa, 0xaa),
    rgb(0x55, 0x55, 0x55),
    rgb(0xff, 0x55, 0x55),
    rgb(0x55, 0xff, 0x55),
    rgb(0xff, 0xff, 0x55),
    rgb(0x55, 0x55, 0xff),
    rgb(0xff, 0x55, 0xff),
    rgb(0x55, 0xff, 0xff),
    rgb(0xff, 0xff, 0xff),
];

/// The six levels of the cube's channels.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The index where the cube starts.
const CUBE: u8 = 16;

/// The index where the greys start.
const GREYS: u8 = 232;

const fn rgb(red: u8, green: u8, blue: u8) -> Rgb {
    Rgb { red, green, blue }
}

/// The colour of an index.
pub(crate) fn entry(index: u8) -> Rgb {
    match index {
        0..CUBE => VGA[usize::from(index)],
        CUBE..GREYS => {
            let at = index - CUBE;
            let level = |step: u8| LEVELS[usize::from(step % 6)];
            rgb(level(at / 36), level(at / 6), level(at))
        }
        GREYS.. => {
            let grey = 8 + 10 * (index - GREYS);
            rgb(grey, grey, grey)
        }
    }
}

/// The index of the nearest colour; the lowest where several are as near.
pub(crate) fn nearest(colour: Rgb) -> u8 {
    let channels = [colour.red, colour.green, colour.blue];
    let [red, green, blue] = channels.map(step);
    let cube = CUBE + 36 * red + 6 * green + blue;
    // Greys are 30 apart in the sum of their channels, from 24 on; a sum half-way goes down.
    let sum: u16 = channels.map(u16::from).iter().sum();
    let grey = GREYS + u8::try_from(sum.saturating_sub(10) / 30).unwrap_or(0).min(23);
    (0..CUBE).chain([cube, grey]).min_by_key(|index| distance(entry(*index), colour)).unwrap_or(0)
}

/// The nearest level of the cube, as its step; half-way goes down.
fn step(value: u8) -> u8 {
    match value {
        0..=47 => 0,
        48..=115 => 1,
        116..=155 => 2,
        156..=195 => 3,
        196..=235 => 4,
        236.. => 5,
    }
}

fn distance(one: Rgb, other: Rgb) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    square(one.red, other.red) + square(one.green, other.green) + square(one.blue, other.blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_of_the_map_is_its_own_nearest() {
        for index in 0..=u8::MAX {
            assert_eq!(entry(nearest(entry(index))), entry(index));
        }
    }

    #[test]
    fn the_nearest_colour_is_the_first_of_those_that_are_as_near_as_any() {
        let half_way = (0..=u8::MAX).map(|value| rgb(value, 115, 13));
        let all_over = (0..0x0100_0000_u32).step_by(7919).map(|value| {
            let [_, red, green, blue] = value.to_be_bytes();
            rgb(red, green, blue)
        });
        for colour in all_over.chain(half_way) {
            let best = (0..=u8::MAX).min_by_key(|index| distance(entry(*index), colour));
            assert_eq!(Some(nearest(colour)), best, "{colour:?}");
        }
    }
}
