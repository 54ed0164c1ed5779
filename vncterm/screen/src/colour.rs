//! Colours as programs name them, and the palette that turns them into red, green and blue.

/// How many colours have a number.
pub const INDEXED_COLOURS: usize = 256;

/// The sixteen colours of a PC's text screen, as XenServer's vncterm draws them (colour 3 is
/// brown, not yellow).
const CONSOLE_COLOURS: [Rgb; 16] = [
    Rgb::new(0x00, 0x00, 0x00),
    Rgb::new(0xb2, 0x18, 0x18),
    Rgb::new(0x18, 0xb2, 0x18),
    Rgb::new(0xb2, 0x68, 0x18),
    Rgb::new(0x18, 0x18, 0xb2),
    Rgb::new(0xb2, 0x18, 0xb2),
    Rgb::new(0x18, 0xb2, 0xb2),
    Rgb::new(0xb2, 0xb2, 0xb2),
    Rgb::new(0x68, 0x68, 0x68),
    Rgb::new(0xff, 0x54, 0x54),
    Rgb::new(0x54, 0xff, 0x54),
    Rgb::new(0xff, 0xff, 0x54),
    Rgb::new(0x54, 0x54, 0xff),
    Rgb::new(0xff, 0x54, 0xff),
    Rgb::new(0x54, 0xff, 0xff),
    Rgb::new(0xff, 0xff, 0xff),
];

/// The number of the colour that text has unless told otherwise.
const DEFAULT_INK: u8 = 7;
/// The number of the colour behind it.
const DEFAULT_PAPER: u8 = 0;

/// Red, green and blue, 0 to 255 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rgb {
    /// How much red.
    pub red: u8,
    /// How much green.
    pub green: u8,
    /// How much blue.
    pub blue: u8,
}

impl Rgb {
    /// The colour of those parts.
    #[must_use]
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// This colour moved a third of the way towards `other`.
    fn faded_into(self, other: Self) -> Self {
        let fade = |from: u8, into: u8| {
            let mixed = (2 * u16::from(from) + u16::from(into)) / 3;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Self::new(
            fade(self.red, other.red),
            fade(self.green, other.green),
            fade(self.blue, other.blue),
        )
    }
}

/// A colour as a program named it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Colour {
    /// What the screen has where nothing was said.
    #[default]
    Default,
    /// A colour of the palette.
    Indexed(u8),
    /// Exactly this colour.
    Rgb(Rgb),
}

/// What red, green and blue the colours stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    colours: [Rgb; INDEXED_COLOURS],
    /// The default ink and paper, where a program has set them.
    ink: Option<Rgb>,
    paper: Option<Rgb>,
}

impl Default for Palette {
    fn default() -> Self {
        let mut colours = [Rgb::default(); INDEXED_COLOURS];
        for (index, colour) in (0..=u8::MAX).zip(&mut colours) {
            *colour = initial(index);
        }
        Self { colours, ink: None, paper: None }
    }
}

/// What a colour is before a program sets it: sixteen console colours, then xterm's cube of
/// 6 x 6 x 6 and its 24 greys.
fn initial(index: u8) -> Rgb {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |n: u8| STEPS.get(usize::from(n % 6)).copied().unwrap_or_default();
    match index {
        0..=15 => CONSOLE_COLOURS.get(usize::from(index)).copied().unwrap_or_default(),
        16..=231 => Rgb::new(step((index - 16) / 36), step((index - 16) / 6), step(index - 16)),
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            Rgb::new(grey, grey, grey)
        }
    }
}

impl Palette {
    pub(crate) fn indexed(&self, index: u8) -> Rgb {
        self.colours.get(usize::from(index)).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, index: u8, colour: Rgb) {
        if let Some(place) = self.colours.get_mut(usize::from(index)) {
            *place = colour;
        }
    }

    pub(crate) fn reset(&mut self, index: u8) {
        self.set(index, initial(index));
    }

    /// Resets the numbered colours, all of them.
    pub(crate) fn reset_indexed(&mut self) {
        self.colours = Self::default().colours;
    }

    pub(crate) fn default_ink(&self) -> Option<Rgb> {
        self.ink
    }

    pub(crate) fn default_paper(&self) -> Option<Rgb> {
        self.paper
    }

    pub(crate) fn set_default_ink(&mut self, colour: Option<Rgb>) {
        self.ink = colour;
    }

    pub(crate) fn set_default_paper(&mut self, colour: Option<Rgb>) {
        self.paper = colour;
    }

    /// The numbered colours that are no longer what they were at first.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (u8, Rgb)> {
        (0..=u8::MAX).zip(self.colours).filter(|&(index, colour)| colour != initial(index))
    }

    /// What `colour` is as ink. Bold text of the first eight colours is drawn in their bright
    /// siblings, as on a PC's text screen.
    pub(crate) fn ink(&self, colour: Colour, bold: bool) -> Rgb {
        match (colour, bold) {
            (Colour::Default, false) => self.ink.unwrap_or_else(|| self.indexed(DEFAULT_INK)),
            (Colour::Default, true) => self.ink.unwrap_or_else(|| self.indexed(DEFAULT_INK + 8)),
            (Colour::Indexed(index @ 0..=7), true) => self.indexed(index + 8),
            (Colour::Indexed(index), _) => self.indexed(index),
            (Colour::Rgb(colour), _) => colour,
        }
    }

    /// What `colour` is as paper.
    pub(crate) fn paper(&self, colour: Colour) -> Rgb {
        match colour {
            Colour::Default => self.paper.unwrap_or_else(|| self.indexed(DEFAULT_PAPER)),
            Colour::Indexed(index) => self.indexed(index),
            Colour::Rgb(colour) => colour,
        }
    }

    /// The ink of faint text.
    pub(crate) fn faint(ink: Rgb, paper: Rgb) -> Rgb {
        ink.faded_into(paper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbered_colours_are_xterms_above_the_first_sixteen() {
        let palette = Palette::default();
        assert_eq!(palette.indexed(16), Rgb::new(0, 0, 0));
        assert_eq!(palette.indexed(110), Rgb::new(135, 175, 215));
        assert_eq!(palette.indexed(231), Rgb::new(255, 255, 255));
        assert_eq!(palette.indexed(232), Rgb::new(8, 8, 8));
        assert_eq!(palette.indexed(255), Rgb::new(238, 238, 238));
    }

    #[test]
    fn bold_brightens_the_first_eight_only() {
        let palette = Palette::default();
        assert_eq!(palette.ink(Colour::Indexed(1), true), palette.indexed(9));
        assert_eq!(palette.ink(Colour::Default, true), palette.indexed(15));
        assert_eq!(palette.ink(Colour::Indexed(9), true), palette.indexed(9));
        assert_eq!(palette.ink(Colour::Indexed(100), true), palette.indexed(100));
    }

    #[test]
    fn a_colour_set_is_seen_until_it_is_reset() {
        let mut palette = Palette::default();
        let teal = Rgb::new(1, 128, 128);
        palette.set(3, teal);
        assert_eq!(palette.paper(Colour::Indexed(3)), teal);
        assert!(palette.changed().eq([(3, teal)]));
        palette.reset(3);
        assert_eq!(palette, Palette::default());
    }
}
