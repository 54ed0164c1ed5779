//! The numbers of the wire, each enumeration written once for both directions.
//!
//! Only what this crate reads or writes is listed: a number that is not here is not understood.

/// Makes an enumeration with its numbers, and the way from each to the other.
macro_rules! numbered {
    (
        $(#[$about:meta])*
        $vis:vis enum $name:ident: $number:ty {
            $($(#[$about_one:meta])* $variant:ident = $value:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$about_one])* $variant,)+
        }

        #[allow(dead_code, reason = "an enumeration is read or written, seldom both")]
        impl $name {
            /// What a number means, if it is known.
            $vis const fn from_number(number: $number) -> Option<Self> {
                match number {
                    $($value => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The number on the wire.
            $vis const fn number(self) -> $number {
                match self {
                    $(Self::$variant => $value,)+
                }
            }
        }
    };
}

numbered! {
    /// Security types (RFC 6143, 7.1.2).
    pub(crate) enum SecurityType: u8 {
        None = 1,
    }
}

numbered! {
    /// The outcome of the security handshake (RFC 6143, 7.1.3).
    pub(crate) enum SecurityResult: u32 {
        Ok = 0,
        Failed = 1,
    }
}

numbered! {
    /// Messages from viewers (RFC 6143, 7.5; the last two: the community's registry).
    pub(crate) enum ClientMessage: u8 {
        SetPixelFormat = 0,
        SetEncodings = 2,
        FramebufferUpdateRequest = 3,
        KeyEvent = 4,
        PointerEvent = 5,
        ClientCutText = 6,
        EnableContinuousUpdates = 150,
        Fence = 248,
        SetDesktopSize = 251,
        /// XenCenter's scan codes. It sends them to graphical guests; they are no use here.
        XenCenterScanCode = 0xfe,
        Qemu = 0xff,
    }
}

numbered! {
    /// Kinds of [`ClientMessage::Qemu`].
    pub(crate) enum QemuMessage: u8 {
        ExtendedKeyEvent = 0,
    }
}

numbered! {
    /// Messages to viewers (RFC 6143, 7.6).
    pub(crate) enum ServerMessage: u8 {
        FramebufferUpdate = 0,
        SetColourMapEntries = 1,
        Bell = 2,
        ServerCutText = 3,
        EndOfContinuousUpdates = 150,
        Fence = 248,
    }
}

numbered! {
    /// Encodings and pseudo-encodings (RFC 6143, 7.7 and 7.8).
    pub(crate) enum Encoding: i32 {
        Raw = 0,
        CopyRect = 1,
        Rre = 2,
        CoRre = 4,
        Hextile = 5,
        Tight = 7,
        Zrle = 16,
        DesktopSize = -223,
        LastRect = -224,
        /// The shape of the pointer.
        Cursor = -239,
        /// Offered by viewers that may send QEMU's extended key events.
        ExtendedKeyEvent = -258,
        DesktopName = -307,
        ExtendedDesktopSize = -308,
        Fence = -312,
        ContinuousUpdates = -313,
        ExtendedClipboard = -1_063_131_698,
    }
}

numbered! {
    /// Why an ExtendedDesktopSize is sent.
    pub(crate) enum ResizeReason: u16 {
        /// The server's own.
        Server = 0,
        /// This viewer asked for it.
        ThisViewer = 1,
    }
}

numbered! {
    /// What came of a viewer's SetDesktopSize.
    pub(crate) enum ResizeStatus: u16 {
        Done = 0,
        Prohibited = 1,
        InvalidLayout = 3,
    }
}

numbered! {
    /// Bits a pixel (RFC 6143, 7.4).
    pub(crate) enum BitsPerPixel: u8 {
        Eight = 8,
        Sixteen = 16,
        ThirtyTwo = 32,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// Walks numbers both ways and gives those that are known.
    macro_rules! known {
        ($name:ident, $numbers:expr) => {
            $numbers
                .filter(|number| {
                    let found = $name::from_number(*number);
                    assert!(found.is_none_or(|found| found.number() == *number));
                    found.is_some()
                })
                .collect::<Vec<_>>()
        };
    }

    #[test]
    fn every_number_is_the_specifications_in_both_directions() {
        assert_eq!(known!(SecurityType, 0..=u8::MAX), [1]);
        assert_eq!(known!(SecurityResult, 0..=1000), [0, 1]);
        assert_eq!(known!(ClientMessage, 0..=u8::MAX), [0, 2, 3, 4, 5, 6, 150, 248, 251, 254, 255]);
        assert_eq!(known!(QemuMessage, 0..=u8::MAX), [0]);
        assert_eq!(known!(ServerMessage, 0..=u8::MAX), [0, 1, 2, 3, 150, 248]);
        assert_eq!(known!(ResizeReason, 0..=u16::MAX), [0, 1]);
        assert_eq!(known!(ResizeStatus, 0..=u16::MAX), [0, 1, 3]);
        assert_eq!(
            known!(Encoding, -1000..=1000),
            [-313, -312, -308, -307, -258, -239, -224, -223, 0, 1, 2, 4, 5, 7, 16]
        );
        assert_eq!(known!(BitsPerPixel, 0..=u8::MAX), [8, 16, 32]);
    }

    #[test]
    fn every_name_has_its_number() {
        assert_eq!(SecurityType::None.number(), 1);
        assert_eq!(SecurityResult::Failed.number(), 1);
        assert_eq!(ClientMessage::SetPixelFormat.number(), 0);
        assert_eq!(ClientMessage::SetEncodings.number(), 2);
        assert_eq!(ClientMessage::FramebufferUpdateRequest.number(), 3);
        assert_eq!(ClientMessage::KeyEvent.number(), 4);
        assert_eq!(ClientMessage::PointerEvent.number(), 5);
        assert_eq!(ClientMessage::ClientCutText.number(), 6);
        assert_eq!(ServerMessage::FramebufferUpdate.number(), 0);
        assert_eq!(ServerMessage::SetColourMapEntries.number(), 1);
        assert_eq!(ServerMessage::Bell.number(), 2);
        assert_eq!(ServerMessage::ServerCutText.number(), 3);
        assert_eq!(Encoding::Raw.number(), 0);
        assert_eq!(Encoding::CopyRect.number(), 1);
        assert_eq!(Encoding::Rre.number(), 2);
        assert_eq!(Encoding::CoRre.number(), 4);
        assert_eq!(Encoding::Hextile.number(), 5);
        assert_eq!(Encoding::Tight.number(), 7);
        assert_eq!(Encoding::Zrle.number(), 16);
        assert_eq!(Encoding::LastRect.number(), -224);
        assert_eq!(Encoding::DesktopSize.number(), -223);
        assert_eq!(Encoding::Cursor.number(), -239);
        assert_eq!(Encoding::ExtendedKeyEvent.number(), -258);
        assert_eq!(Encoding::DesktopName.number(), -307);
        assert_eq!(Encoding::ExtendedDesktopSize.number(), -308);
        assert_eq!(Encoding::Fence.number(), -312);
        assert_eq!(Encoding::ContinuousUpdates.number(), -313);
        assert_eq!(Encoding::ExtendedClipboard.number().cast_unsigned(), 0xc0a1_e5ce);
        assert_eq!(ClientMessage::EnableContinuousUpdates.number(), 150);
        assert_eq!(ClientMessage::Fence.number(), 248);
        assert_eq!(ClientMessage::SetDesktopSize.number(), 251);
        assert_eq!(ServerMessage::EndOfContinuousUpdates.number(), 150);
        assert_eq!(ServerMessage::Fence.number(), 248);
        assert_eq!(ResizeReason::ThisViewer.number(), 1);
        assert_eq!(ResizeStatus::Prohibited.number(), 1);
        assert_eq!(ResizeStatus::InvalidLayout.number(), 3);
    }
}
