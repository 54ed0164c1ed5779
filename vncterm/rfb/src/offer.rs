//! What a viewer understands, as SetEncodings says it (RFC 6143, 7.5.2).

use crate::numbers::Encoding;
use crate::pixel::Form;

/// The encodings that a picture can be sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PictureEncoding {
    Raw,
    Rre,
    CoRre,
    Hextile,
    Tight,
    Zrle,
}

impl PictureEncoding {
    /// The encoding as a rectangle names it.
    pub(crate) fn encoding(self) -> Encoding {
        match self {
            Self::Raw => Encoding::Raw,
            Self::Rre => Encoding::Rre,
            Self::CoRre => Encoding::CoRre,
            Self::Hextile => Encoding::Hextile,
            Self::Tight => Encoding::Tight,
            Self::Zrle => Encoding::Zrle,
        }
    }

    /// How the encoding wants its pixels.
    pub(crate) fn form(self) -> Form {
        match self {
            Self::Raw | Self::Rre | Self::CoRre | Self::Hextile => Form::Pixel,
            Self::Tight => Form::Tight,
            Self::Zrle => Form::Compressed,
        }
    }
}

/// A viewer's offer, of which only what can be used is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offer {
    preferred: Option<PictureEncoding>,
    /// The first but for Tight.
    second: Option<PictureEncoding>,
    /// The viewer copies what it shows.
    pub(crate) copy_rect: bool,
    /// The viewer takes updates whose rectangles are not counted beforehand.
    pub(crate) last_rect: bool,
    /// The viewer follows a change of the picture's size.
    pub(crate) desktop_size: bool,
    /// The viewer follows a change of the console's name.
    pub(crate) desktop_name: bool,
    /// The viewer follows it, and may ask for one.
    pub(crate) extended_desktop_size: bool,
    /// The viewer shows a pointer of the shape that it is sent.
    pub(crate) cursor: bool,
    /// The viewer answers fences, and may send them.
    pub(crate) fence: bool,
    /// The viewer may ask for updates without end.
    pub(crate) continuous_updates: bool,
    /// The viewer exchanges texts in UTF-8.
    pub(crate) extended_clipboard: bool,
    /// The viewer may send QEMU's extended key events.
    pub(crate) extended_key: bool,
}

impl Offer {
    /// Takes note of one encoding; the earlier is the more wanted.
    pub(crate) fn note(&mut self, number: i32) {
        match Encoding::from_number(number) {
            Some(Encoding::Raw) => self.prefer(PictureEncoding::Raw),
            Some(Encoding::CopyRect) => self.copy_rect = true,
            Some(Encoding::Rre) => self.prefer(PictureEncoding::Rre),
            Some(Encoding::CoRre) => self.prefer(PictureEncoding::CoRre),
            Some(Encoding::Hextile) => self.prefer(PictureEncoding::Hextile),
            Some(Encoding::Tight) => self.prefer(PictureEncoding::Tight),
            Some(Encoding::Zrle) => self.prefer(PictureEncoding::Zrle),
            Some(Encoding::LastRect) => self.last_rect = true,
            Some(Encoding::DesktopSize) => self.desktop_size = true,
            Some(Encoding::DesktopName) => self.desktop_name = true,
            Some(Encoding::ExtendedDesktopSize) => self.extended_desktop_size = true,
            Some(Encoding::Cursor) => self.cursor = true,
            Some(Encoding::Fence) => self.fence = true,
            Some(Encoding::ContinuousUpdates) => self.continuous_updates = true,
            Some(Encoding::ExtendedClipboard) => self.extended_clipboard = true,
            Some(Encoding::ExtendedKeyEvent) => self.extended_key = true,
            None => {}
        }
    }

    /// The encoding to send the picture in. Every viewer understands Raw. How many rectangles
    /// Tight takes is not known beforehand, so it needs a viewer that is told at the end.
    pub(crate) fn encoding(&self) -> PictureEncoding {
        let wanted = if self.last_rect { self.preferred } else { self.second };
        wanted.unwrap_or(PictureEncoding::Raw)
    }

    fn prefer(&mut self, encoding: PictureEncoding) {
        self.preferred.get_or_insert(encoding);
        if encoding != PictureEncoding::Tight {
            self.second.get_or_insert(encoding);
        }
    }
}
