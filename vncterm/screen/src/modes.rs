//! The modes that programs set and reset, by their numbers.
//!
//! What a mode does is written where it acts.

/// Which of the two numberings a mode is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `CSI number h`: ECMA-48's.
    Ansi,
    /// `CSI ? number h`: DEC's, with xterm's additions.
    Dec,
}

macro_rules! modes {
    ($($(#[doc = $doc:literal])* $name:ident = $family:ident $number:literal,)*) => {
        /// A mode that is known here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Mode { $($(#[doc = $doc])* $name,)* }

        impl Mode {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),*];

            pub(crate) const fn number(self) -> (Family, u16) {
                match self { $(Self::$name => (Family::$family, $number),)* }
            }

            pub(crate) const fn numbered(family: Family, number: u16) -> Option<Self> {
                match (family, number) {
                    $((Family::$family, $number) => Some(Self::$name),)*
                    _ => None,
                }
            }

            const fn bit(self) -> u64 {
                1 << self as u32
            }
        }
    };
}

modes! {
    /// IRM: text moves what is to its right.
    Insert = Ansi 4,
    /// LNM: a line feed returns the carriage too.
    NewLine = Ansi 20,
    /// DECCKM: cursor keys send `ESC O A`.
    CursorKeys = Dec 1,
    /// DECSCNM: ink and paper of the whole screen exchanged.
    ReverseScreen = Dec 5,
    /// DECOM: rows and columns count from the margins.
    Origin = Dec 6,
    /// DECAWM: text goes on in the next row.
    AutoWrap = Dec 7,
    /// Mouse reports at a press, X10's form.
    MouseX10 = Dec 9,
    /// The cursor blinks.
    CursorBlink = Dec 12,
    /// DECTCEM: the cursor is seen.
    CursorVisible = Dec 25,
    /// A tab first wraps a line that is about to (xterm's fix for `more`).
    TabWraps = Dec 41,
    /// Moving left from the first column goes on in the row above, where that one wrapped.
    ReverseWrap = Dec 45,
    /// The alternate screen, left as it is.
    Alternate = Dec 47,
    /// DECNKM: the keypad sends sequences; the same as `ESC =`.
    Keypad = Dec 66,
    /// DECBKM: the key Backspace sends BS, not DEL.
    BackArrow = Dec 67,
    /// DECLRMM: `CSI s` sets margins at the left and the right.
    SideMargins = Dec 69,
    /// Mouse reports at press and release.
    MousePress = Dec 1000,
    /// Mouse reports while a button is down.
    MouseDrag = Dec 1002,
    /// Mouse reports at every move.
    MouseMove = Dec 1003,
    /// Reports when the window gains and loses the focus.
    Focus = Dec 1004,
    /// Mouse positions as UTF-8.
    MouseUtf8 = Dec 1005,
    /// Mouse positions as decimal numbers.
    MouseSgr = Dec 1006,
    /// Mouse positions as decimal numbers, urxvt's form.
    MouseUrxvt = Dec 1015,
    /// The alternate screen, cleared on the way out.
    AlternateCleared = Dec 1047,
    /// Moving left from the first column goes on in the row above, or at the bottom.
    ReverseWrapAnywhere = Dec 1045,
    /// The cursor saved or restored.
    SavedCursor = Dec 1048,
    /// The alternate screen, cleared on the way in, with the cursor saved and restored.
    AlternateSaved = Dec 1049,
    /// A paste is enclosed in `ESC [ 200 ~` and `ESC [ 201 ~`.
    BracketedPaste = Dec 2004,
    /// What follows is shown all at once.
    Synchronized = Dec 2026,
}

/// The mouse modes exclude each other: the last one set holds.
pub(crate) const MOUSE_REPORTS: [Mode; 4] =
    [Mode::MouseX10, Mode::MousePress, Mode::MouseDrag, Mode::MouseMove];

/// The set of modes that are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes(u64);

impl Default for Modes {
    /// What a terminal starts with: the text wraps and the cursor is seen.
    fn default() -> Self {
        Self(Mode::AutoWrap.bit() | Mode::CursorVisible.bit())
    }
}

impl Modes {
    pub(crate) const fn is_set(self, mode: Mode) -> bool {
        self.0 & mode.bit() != 0
    }

    pub(crate) fn set(&mut self, mode: Mode, on: bool) {
        if on && MOUSE_REPORTS.contains(&mode) {
            for report in MOUSE_REPORTS {
                self.0 &= !report.bit();
            }
        }
        if on {
            self.0 |= mode.bit();
        } else {
            self.0 &= !mode.bit();
        }
    }

    /// The modes that are on, in the order of their definition.
    pub(crate) fn iter(self) -> impl Iterator<Item = Mode> {
        Mode::ALL.iter().copied().filter(move |&mode| self.is_set(mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_numbers_are_those_of_the_manuals() {
        // Copied by hand from DEC STD 070, the VT220 manual and xterm's ctlseqs.
        let ansi = [4, 20];
        let dec = [
            1, 5, 6, 7, 9, 12, 25, 41, 45, 47, 66, 67, 69, 1000, 1002, 1003, 1004, 1005, 1006,
            1015, 1045, 1047, 1048, 1049, 2004, 2026,
        ];
        for (family, known) in [(Family::Ansi, &ansi[..]), (Family::Dec, &dec[..])] {
            for number in 0..=u16::MAX {
                let mode = Mode::numbered(family, number);
                assert_eq!(mode.is_some(), known.contains(&number), "{family:?} {number}");
                assert!(mode.is_none_or(|mode| mode.number() == (family, number)));
            }
        }
    }

    #[test]
    fn each_mode_is_kept_apart() {
        for &mode in Mode::ALL {
            let mut modes = Modes(0);
            modes.set(mode, true);
            assert_eq!(modes.iter().collect::<Vec<_>>(), [mode]);
            modes.set(mode, false);
            assert_eq!(modes, Modes(0));
        }
    }

    #[test]
    fn the_last_mouse_mode_set_holds() {
        let mut modes = Modes(0);
        modes.set(Mode::MousePress, true);
        modes.set(Mode::MouseMove, true);
        modes.set(Mode::MouseSgr, true);
        assert_eq!(modes.iter().collect::<Vec<_>>(), [Mode::MouseMove, Mode::MouseSgr]);
    }
}
