//! What a viewer understands, as SetEncodings says it (RFC 6143, 7.5.2).

use crate::numbers::Encoding;

/// The encodings that a picture can be sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PictureEncoding {
    Raw,
    Hextile,
}

impl PictureEncoding {
    /// The encoding's number.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Raw => Encoding::Raw.number(),
            Self::Hextile => Encoding::Hextile.number(),
        }
    }
}

/// A viewer's offer, of which only what can be used is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer {
    preferred: Option<PictureEncoding>,
    /// The viewer follows a change of the picture's size.
    pub(crate) desktop_size: bool,
    /// The viewer follows a change of the console's name.
    pub(crate) desktop_name: bool,
    /// The viewer may send QEMU's extended key events.
    pub(crate) extended_key: bool,
}

impl Offer {
    /// Takes note of one encoding; the earlier is the more wanted.
    pub(crate) fn note(&mut self, number: i32) {
        match Encoding::from_number(number) {
            Some(Encoding::Raw) => self.prefer(PictureEncoding::Raw),
            Some(Encoding::Hextile) => self.prefer(PictureEncoding::Hextile),
            Some(Encoding::DesktopSize) => self.desktop_size = true,
            Some(Encoding::DesktopName) => self.desktop_name = true,
            Some(Encoding::ExtendedKeyEvent) => self.extended_key = true,
            None => {}
        }
    }

    /// The encoding to send the picture in. Every viewer understands Raw.
    pub(crate) fn encoding(&self) -> PictureEncoding {
        self.preferred.unwrap_or(PictureEncoding::Raw)
    }

    fn prefer(&mut self, encoding: PictureEncoding) {
        self.preferred.get_or_insert(encoding);
    }
}
