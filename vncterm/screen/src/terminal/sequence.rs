//! Control sequences, by what parts they have.

use super::edit::Part;
use super::{CursorShape, Terminal};
use crate::modes::{Family, Mode};
use crate::params::Params;
use crate::pen::Protection;
use crate::performer::Sequence;

impl Terminal {
    pub(super) fn act_on_sequence(&mut self, sequence: &Sequence<'_>) {
        let params = sequence.params;
        match (sequence.private, sequence.intermediates, sequence.last) {
            (None, [], last) => self.act_on_plain_sequence(params, last),
            (Some(b'?'), [], last) => self.act_on_dec_sequence(params, last),
            (Some(b'>'), [], b'c') if params.value(0) == 0 => self.report_version(),
            (None, b"$", b'p') => self.report_mode(Family::Ansi, params.value(0)),
            (Some(b'?'), b"$", b'p') => self.report_mode(Family::Dec, params.value(0)),
            (None, b"!", b'p') => self.reset_state(),
            (None, b"$", b'v') => self.copy_rectangle(params),
            (None, b"$", b'x') => self.fill_rectangle(params),
            (None, b"$", b'z') => self.erase_rectangle(params),
            (None, b"$", b'{') => self.erase_rectangle_sparing(params),
            (None, b"'", b'}') => self.insert_columns(usize::from(params.times(0))),
            (None, b"'", b'~') => self.delete_columns(usize::from(params.times(0))),
            (None, b"\"", b'q') => self.set_protection(params.value(0)),
            (None, b" ", b'q') => self.set_cursor_shape(params.value(0)),
            _ => {}
        }
    }

    fn act_on_plain_sequence(&mut self, params: &Params, last: u8) {
        let times = usize::from(params.times(0));
        match last {
            b'@' => self.insert_characters(times),
            b'A' => self.go_up(times),
            b'B' => self.go_down(times),
            b'C' => self.go_right(times),
            b'D' => self.go_left(times),
            b'E' => {
                self.go_down(times);
                self.carriage_return();
            }
            b'F' => {
                self.go_up(times);
                self.carriage_return();
            }
            b'G' | b'`' => self.go_to_column(times - 1),
            b'H' | b'f' => self.go_to(times - 1, usize::from(params.times(1)) - 1),
            b'I' => self.tab(times),
            b'J' => self.act_on_erase(params.value(0)),
            b'K' => {
                if let Some(part) = Part::numbered(params.value(0)) {
                    self.erase_line(part);
                }
            }
            b'L' => self.insert_lines(times),
            b'M' => self.delete_lines(times),
            b'P' => self.delete_characters(times),
            b'S' => self.scroll_up(times),
            // With more numbers it is xterm's mouse highlighting.
            b'T' if params.count() <= 1 => self.scroll_down(times),
            b'^' => self.scroll_down(times),
            b'X' => self.erase_characters(times),
            b'Z' => self.tab_back(times),
            b'a' => self.move_right(times),
            b'b' => self.repeat(times),
            b'c' if params.value(0) == 0 => self.report_attributes(),
            b'd' => self.go_to_row(times - 1),
            b'e' => self.move_down(times),
            b'g' => self.clear_tabs(params.value(0)),
            b'h' => self.set_modes(Family::Ansi, params, true),
            b'l' => self.set_modes(Family::Ansi, params, false),
            b'm' => self.set_pen(params),
            b'n' => self.report_status(params.value(0)),
            b'r' => self.set_margins(params.value(0), params.value(1)),
            b's' if self.is_set(Mode::SideMargins) => {
                self.set_sides(params.value(0), params.value(1));
            }
            b's' => self.save_cursor(),
            b't' if params.value(0) == 18 => self.report_size(),
            b'u' => self.restore_cursor(),
            b'x' => self.report_parameters(params.value(0)),
            _ => {}
        }
    }

    fn act_on_dec_sequence(&mut self, params: &Params, last: u8) {
        match last {
            b'J' => {
                if let Some(part) = Part::numbered(params.value(0)) {
                    self.erase_screen_sparing(part, Protection::Selective);
                }
            }
            b'K' => {
                if let Some(part) = Part::numbered(params.value(0)) {
                    self.erase_line_sparing(part, Protection::Selective);
                }
            }
            b'W' if params.value(0) == 5 => self.tabs = Default::default(),
            b'h' => self.set_modes(Family::Dec, params, true),
            b'l' => self.set_modes(Family::Dec, params, false),
            b'n' => self.report_dec_status(params.value(0)),
            b'r' => self.restore_modes(params),
            b's' => self.save_modes(params),
            _ => {}
        }
    }

    fn act_on_erase(&mut self, number: u16) {
        match Part::numbered(number) {
            Some(part) => self.erase_screen(part),
            None if number == 3 => self.grid.scrollback_mut().clear(),
            None => {}
        }
    }

    /// DECSCA.
    fn set_protection(&mut self, number: u16) {
        let protection = match number {
            0 | 2 => Protection::Unprotected,
            1 => Protection::Selective,
            _ => return,
        };
        self.pen = self.pen.with_protection(protection);
    }

    fn clear_tabs(&mut self, number: u16) {
        match number {
            0 => self.tabs.clear(self.cursor.column),
            3 => self.tabs.clear_all(),
            _ => {}
        }
    }

    fn set_cursor_shape(&mut self, number: u16) {
        let (shape, blinks) = match number {
            0 | 1 => (CursorShape::Block, true),
            2 => (CursorShape::Block, false),
            3 => (CursorShape::Underline, true),
            4 => (CursorShape::Underline, false),
            5 => (CursorShape::Bar, true),
            6 => (CursorShape::Bar, false),
            _ => return,
        };
        self.shape = shape;
        self.modes.set(Mode::CursorBlink, blinks);
    }
}
