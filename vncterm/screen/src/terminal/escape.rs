//! Control characters and escape sequences.

use super::Terminal;
use crate::charset::{Charset, Slot};
use crate::modes::Mode;
use crate::pen::Protection;
use crate::performer::Coding;

impl Terminal {
    pub(super) fn act_on_control(&mut self, control: u8) {
        match control {
            0x07 => self.bell = true,
            0x08 => self.go_left(1),
            0x09 => self.tab(1),
            0x0a..=0x0c => self.line_feed(),
            0x0d => self.carriage_return(),
            0x0e => self.charsets.shift(Slot::G1),
            0x0f => self.charsets.shift(Slot::G0),
            // Among them ENQ: there is no answerback.
            _ => {}
        }
    }

    pub(super) fn act_on_escape(&mut self, intermediates: &[u8], last: u8) {
        match (intermediates, last) {
            ([], _) => self.act_on_plain_escape(last),
            (b"#", b'8') => self.fill_with_e(),
            (b"%", b'G' | b'8') => self.coding = Coding::Utf8,
            (b"%", b'@') => self.coding = Coding::Latin1,
            (&[designator], name) => {
                if let (Some(slot), Some(set)) =
                    (Slot::designated(designator), Charset::named(name))
                {
                    self.charsets.designate(slot, set);
                }
            }
            _ => {}
        }
    }

    fn act_on_plain_escape(&mut self, last: u8) {
        match last {
            b'6' => self.back_index(),
            b'7' => self.save_cursor(),
            b'8' => self.restore_cursor(),
            b'9' => self.forward_index(),
            b'=' => self.modes.set(Mode::Keypad, true),
            b'>' => self.modes.set(Mode::Keypad, false),
            b'D' => self.index(),
            b'E' => {
                self.index();
                self.carriage_return();
            }
            b'H' => self.tabs.set(self.cursor.column),
            b'M' => self.reverse_index(),
            b'N' => self.charsets.shift_once(Slot::G2),
            b'O' => self.charsets.shift_once(Slot::G3),
            b'V' => {
                self.pen = self.pen.with_protection(Protection::Area);
                self.has_areas = true;
            }
            b'W' => self.pen = self.pen.with_protection(Protection::Unprotected),
            b'Z' => self.report_attributes(),
            b'c' => self.reset(),
            b'n' => self.charsets.shift(Slot::G2),
            b'o' => self.charsets.shift(Slot::G3),
            _ => {}
        }
    }
}
