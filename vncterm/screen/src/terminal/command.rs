//! Operating system commands: the palette.
//!
//! Titles, clipboards, hyperlinks and all questions are swallowed.

use super::Terminal;
use crate::colour::Rgb;

impl Terminal {
    pub(super) fn act_on_command(&mut self, text: &[u8]) {
        let mut parts = text.split(|&byte| byte == b';');
        match parts.next().unwrap_or_default() {
            b"4" => {
                while let (Some(index), Some(colour)) = (parts.next(), parts.next()) {
                    if let (Some(index), Some(colour)) = (decimal(index), parse_colour(colour)) {
                        self.palette.set(index, colour);
                        self.look += 1;
                    }
                }
            }
            b"104" if parts.clone().next().is_none_or(<[u8]>::is_empty) => self.reset_colours(),
            b"104" => {
                for index in parts.filter_map(decimal) {
                    self.palette.reset(index);
                }
                self.look += 1;
            }
            b"10" => {
                // Each further colour is the next command's: 11 is the paper.
                self.set_default_ink(parts.next());
                self.set_default_paper(parts.next());
            }
            b"11" => self.set_default_paper(parts.next()),
            b"110" => {
                self.palette.set_default_ink(None);
                self.look += 1;
            }
            b"111" => {
                self.palette.set_default_paper(None);
                self.look += 1;
            }
            _ => {}
        }
    }

    fn set_default_ink(&mut self, colour: Option<&[u8]>) {
        if let Some(colour) = colour.and_then(parse_colour) {
            self.palette.set_default_ink(Some(colour));
            self.look += 1;
        }
    }

    fn set_default_paper(&mut self, colour: Option<&[u8]>) {
        if let Some(colour) = colour.and_then(parse_colour) {
            self.palette.set_default_paper(Some(colour));
            self.look += 1;
        }
    }

    /// `ESC ] P nrrggbb`; the digits are hexadecimal.
    pub(super) fn set_console_colour(&mut self, digits: [u8; 7]) {
        let [n, r1, r2, g1, g2, b1, b2] = digits.map(|digit| nibble(digit).unwrap_or_default());
        self.palette.set(n, Rgb::new(r1 << 4 | r2, g1 << 4 | g2, b1 << 4 | b2));
        self.look += 1;
    }

    pub(super) fn reset_colours(&mut self) {
        self.palette.reset_indexed();
        self.look += 1;
    }
}

/// A colour as XParseColor(3) writes it: `rgb:r/g/b` or `#rgb`, of one to four digits a part.
fn parse_colour(text: &[u8]) -> Option<Rgb> {
    if let Some(digits) = text.strip_prefix(b"#") {
        let len = digits.len() / 3;
        if len == 0 || digits.len() % 3 != 0 {
            return None;
        }
        let mut parts = digits.chunks_exact(len).map(|part| {
            hex(part).map(|(value, len)| {
                // Without slashes the digits are the highest ones of the part.
                u8::try_from(u32::from(value) << 16 >> (4 * len) >> 8).unwrap_or(u8::MAX)
            })
        });
        let mut next = || parts.next().flatten();
        return Some(Rgb::new(next()?, next()?, next()?));
    }
    let mut parts = text.strip_prefix(b"rgb:")?.split(|&byte| byte == b'/').map(|part| {
        let (value, len) = hex(part)?;
        let largest = (1u32 << (4 * len)) - 1;
        u8::try_from(u32::from(value) * 255 / largest).ok()
    });
    let mut next = || parts.next().flatten();
    let colour = Rgb::new(next()?, next()?, next()?);
    parts.next().is_none().then_some(colour)
}

/// One to four hexadecimal digits, and how many they are.
fn hex(digits: &[u8]) -> Option<(u16, u32)> {
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    let value = digits
        .iter()
        .try_fold(0u16, |value, &digit| nibble(digit).map(|digit| value << 4 | u16::from(digit)))?;
    Some((value, u32::try_from(digits.len()).ok()?))
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn decimal(digits: &[u8]) -> Option<u8> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_x_writes_them() {
        assert_eq!(parse_colour(b"rgb:ff/80/00"), Some(Rgb::new(255, 128, 0)));
        assert_eq!(parse_colour(b"rgb:f/8/0"), Some(Rgb::new(255, 136, 0)));
        assert_eq!(parse_colour(b"rgb:ffff/8080/0000"), Some(Rgb::new(255, 128, 0)));
        assert_eq!(parse_colour(b"#f80"), Some(Rgb::new(0xf0, 0x80, 0)));
        assert_eq!(parse_colour(b"#ff8000"), Some(Rgb::new(255, 128, 0)));
        assert_eq!(parse_colour(b"#fff808000"), Some(Rgb::new(255, 128, 0)));
        assert_eq!(parse_colour(b"#ffff80800000"), Some(Rgb::new(255, 128, 0)));
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for text in [
            &b"?"[..],
            b"",
            b"#",
            b"#ff",
            b"#fffffffffffffff",
            b"rgb:",
            b"rgb:1/2",
            b"rgb:1/2/3/4",
            b"rgb:12345/1/1",
            b"rgb:x/1/1",
            b"red",
        ] {
            assert_eq!(parse_colour(text), None, "{}", text.escape_ascii());
        }
    }
}
