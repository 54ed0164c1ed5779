//! What happens when modes are set and reset.

use super::Terminal;
use crate::grid::Shown;
use crate::modes::{Family, Mode};
use crate::params::Params;

impl Terminal {
    /// SM, RM, DECSET and DECRST.
    pub(super) fn set_modes(&mut self, family: Family, params: &Params, on: bool) {
        for mode in known(family, params) {
            self.set_mode(mode, on);
        }
    }

    /// `CSI ? s`: remembers the modes' state.
    pub(super) fn save_modes(&mut self, params: &Params) {
        for mode in known(Family::Dec, params) {
            self.modes_saved.set(mode, self.state_of(mode));
        }
    }

    /// `CSI ? r`: brings it back.
    pub(super) fn restore_modes(&mut self, params: &Params) {
        for mode in known(Family::Dec, params) {
            self.set_mode(mode, self.modes_saved.is_set(mode));
        }
    }

    /// Whether a mode is on, also where it is no flag of its own.
    pub(super) fn state_of(&self, mode: Mode) -> bool {
        match mode {
            Mode::Alternate | Mode::AlternateCleared | Mode::AlternateSaved => {
                self.grid.shown() == Shown::Alternate
            }
            _ => self.is_set(mode),
        }
    }

    fn set_mode(&mut self, mode: Mode, on: bool) {
        match mode {
            Mode::Alternate => self.show(if on { Shown::Alternate } else { Shown::Main }),
            Mode::AlternateCleared => self.set_alternate_cleared(on),
            Mode::AlternateSaved => self.set_alternate_saved(on),
            Mode::SavedCursor if on => self.save_cursor(),
            Mode::SavedCursor => self.restore_cursor(),
            Mode::Origin => {
                self.modes.set(mode, on);
                self.go_to(0, 0);
            }
            Mode::ReverseScreen => {
                self.look += u64::from(self.is_set(mode) != on);
                self.modes.set(mode, on);
            }
            Mode::SideMargins => {
                self.modes.set(mode, on);
                self.sides = self.grid.width();
                self.cursor.wraps &= self.cursor.column + 1 == self.edge();
            }
            Mode::AutoWrap => {
                self.modes.set(mode, on);
                self.cursor.wraps &= on;
            }
            Mode::Insert
            | Mode::NewLine
            | Mode::CursorKeys
            | Mode::MouseX10
            | Mode::CursorBlink
            | Mode::CursorVisible
            | Mode::TabWraps
            | Mode::ReverseWrap
            | Mode::ReverseWrapAnywhere
            | Mode::BackArrow
            | Mode::Keypad
            | Mode::MousePress
            | Mode::MouseDrag
            | Mode::MouseMove
            | Mode::Focus
            | Mode::MouseUtf8
            | Mode::MouseSgr
            | Mode::MouseUrxvt
            | Mode::BracketedPaste
            | Mode::Synchronized => self.modes.set(mode, on),
        }
    }

    fn set_alternate_cleared(&mut self, on: bool) {
        if on {
            self.show(Shown::Alternate);
        } else if self.grid.shown() == Shown::Alternate {
            self.leave_alternate();
        }
    }

    fn set_alternate_saved(&mut self, on: bool) {
        if on {
            self.save_cursor();
            self.show(Shown::Alternate);
            self.grid.clear(self.grid.whole(), self.pen.blank());
        } else if self.grid.shown() == Shown::Alternate {
            self.leave_alternate();
            self.restore_cursor();
        }
    }

    /// Shows the main rows and forgets the alternate ones.
    pub(crate) fn leave_alternate(&mut self) {
        self.show(Shown::Main);
        self.grid.drop_alternate();
    }

    fn show(&mut self, shown: Shown) {
        self.grid.show(shown);
        self.cursor.wraps = false;
    }
}

fn known(family: Family, params: &Params) -> impl Iterator<Item = Mode> {
    let numbers = params.iter().filter_map(|group| group.first().copied());
    numbers.filter_map(move |number| Mode::numbered(family, number))
}
