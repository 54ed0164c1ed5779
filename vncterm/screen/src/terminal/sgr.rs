//! SGR: the colours and attributes of the text that follows.

use super::{Rom, Terminal};
use crate::colour::{Colour, Rgb};
use crate::params::Params;
use crate::pen::Attributes;

impl Terminal {
    pub(super) fn set_pen(&mut self, params: &Params) {
        if let Some(plain) = params.plain() {
            // Nearly all of them; without a look for sub-parameters.
            return self.set_plain_pen(plain);
        }
        let mut groups = params.iter();
        while let Some(group) = groups.next() {
            match *group {
                [4, style, ..] => self.set_attribute(Attributes::UNDERLINE, style != 0),
                [which @ (38 | 48 | 58)] => {
                    let mut codes = groups.by_ref().filter_map(|group| group.first().copied());
                    let colour = colour_of_parameters(&mut codes);
                    self.set_colour(which, colour);
                }
                [which @ (38 | 48 | 58), ref colour @ ..] => {
                    self.set_colour(which, colour_of_sub_parameters(colour));
                }
                [code, ..] => self.set_rendition(code),
                [] => {}
            }
        }
    }

    fn set_plain_pen(&mut self, codes: &[u16]) {
        if codes.is_empty() {
            self.pen = self.pen.plain();
        }
        let mut codes = codes.iter();
        while let Some(&code) = codes.next() {
            if let 38 | 48 | 58 = code {
                let colour = colour_of_parameters(&mut codes.by_ref().copied());
                self.set_colour(code, colour);
            } else {
                self.set_rendition(code);
            }
        }
    }

    fn set_colour(&mut self, which: u16, colour: Option<Colour>) {
        match (which, colour) {
            (38, Some(colour)) => self.pen = self.pen.with_ink(colour),
            (48, Some(colour)) => self.pen = self.pen.with_paper(colour),
            // 58 is the colour of underlines: always the ink's here.
            _ => {}
        }
    }

    fn set_attribute(&mut self, attribute: Attributes, on: bool) {
        let before = self.pen.attributes();
        let after = if on { before.with(attribute) } else { before.without(attribute) };
        self.pen = self.pen.with_attributes(after);
    }

    fn set_rendition(&mut self, code: u16) {
        let low = u8::try_from(code).unwrap_or(u8::MAX);
        match low {
            0 => self.pen = self.pen.plain(),
            1 => self.set_attribute(Attributes::BOLD, true),
            2 => self.set_attribute(Attributes::FAINT, true),
            3 => self.set_attribute(Attributes::ITALIC, true),
            4 | 21 => self.set_attribute(Attributes::UNDERLINE, true),
            5 | 6 => self.set_attribute(Attributes::BLINK, true),
            7 => self.set_attribute(Attributes::INVERSE, true),
            8 => self.set_attribute(Attributes::INVISIBLE, true),
            9 => self.set_attribute(Attributes::STRIKE, true),
            10 => self.rom = Rom::Unused,
            11 => self.rom = Rom::Direct,
            12 => self.rom = Rom::Toggled,
            22 => self.set_attribute(Attributes::BOLD.with(Attributes::FAINT), false),
            23 => self.set_attribute(Attributes::ITALIC, false),
            24 => self.set_attribute(Attributes::UNDERLINE, false),
            25 => self.set_attribute(Attributes::BLINK, false),
            27 => self.set_attribute(Attributes::INVERSE, false),
            28 => self.set_attribute(Attributes::INVISIBLE, false),
            29 => self.set_attribute(Attributes::STRIKE, false),
            30..=37 => self.pen = self.pen.with_ink(Colour::Indexed(low - 30)),
            39 => self.pen = self.pen.with_ink(Colour::Default),
            40..=47 => self.pen = self.pen.with_paper(Colour::Indexed(low - 40)),
            49 => self.pen = self.pen.with_paper(Colour::Default),
            90..=97 => self.pen = self.pen.with_ink(Colour::Indexed(low - 90 + 8)),
            100..=107 => self.pen = self.pen.with_paper(Colour::Indexed(low - 100 + 8)),
            _ => {}
        }
    }
}

/// The colour in `38;5;n` and `38;2;r;g;b`, whose parts are parameters of their own.
fn colour_of_parameters(codes: &mut impl Iterator<Item = u16>) -> Option<Colour> {
    match codes.next()? {
        5 => indexed(codes.next()?),
        2 => rgb(codes.next()?, codes.next()?, codes.next()?),
        _ => None,
    }
}

/// The colour in `38:5:n`, `38:2:r:g:b` and `38:2:space:r:g:b` (ISO 8613-6), after the 38.
fn colour_of_sub_parameters(parts: &[u16]) -> Option<Colour> {
    match *parts {
        [5, index, ..] => indexed(index),
        [2, red, green, blue] => rgb(red, green, blue),
        [2, _, red, green, blue, ..] => rgb(red, green, blue),
        _ => None,
    }
}

fn indexed(index: u16) -> Option<Colour> {
    u8::try_from(index).ok().map(Colour::Indexed)
}

fn rgb(red: u16, green: u16, blue: u16) -> Option<Colour> {
    let part = |part| u8::try_from(part).ok();
    Some(Colour::Rgb(Rgb::new(part(red)?, part(green)?, part(blue)?)))
}
