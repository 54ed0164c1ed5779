//! Answers to the guest's questions.
//!
//! They are a small fixed set of numbers. No text of the guest's is ever sent back: no title, no
//! answerback, no clipboard, no settings (DECRQSS) and no colours.

use super::{Cursor, Terminal};
use crate::modes::{Family, Mode};

impl Terminal {
    /// DA1: a VT220 with 132 columns, printer port, selective erase and colour.
    pub(super) fn report_attributes(&mut self) {
        self.replies.push(format_args!("\x1b[?62;1;2;6;22c"));
    }

    /// DA2: a VT220, firmware 1.0, no keyboard option.
    pub(super) fn report_version(&mut self) {
        self.replies.push(format_args!("\x1b[>1;10;0c"));
    }

    /// DSR: ready, or where the cursor is.
    pub(super) fn report_status(&mut self, question: u16) {
        match question {
            5 => self.replies.push(format_args!("\x1b[0n")),
            6 => {
                let (row, column) = self.reported_position();
                self.replies.push(format_args!("\x1b[{row};{column}R"));
            }
            _ => {}
        }
    }

    /// DEC's DSR: where the cursor is, with the page; no printer; no keys defined; an American
    /// keyboard.
    pub(super) fn report_dec_status(&mut self, question: u16) {
        match question {
            6 => {
                let (row, column) = self.reported_position();
                self.replies.push(format_args!("\x1b[?{row};{column};1R"));
            }
            15 => self.replies.push(format_args!("\x1b[?13n")),
            25 => self.replies.push(format_args!("\x1b[?20n")),
            26 => self.replies.push(format_args!("\x1b[?27;1;0;0n")),
            _ => {}
        }
    }

    /// Row and column counted from 1 at the origin.
    fn reported_position(&self) -> (usize, usize) {
        let (span, sides) = self.page();
        let Cursor { row, column, .. } = self.cursor;
        (row.saturating_sub(span.top) + 1, column.saturating_sub(sides.left) + 1)
    }

    /// DECRQM.
    pub(super) fn report_mode(&mut self, family: Family, number: u16) {
        let state = match Mode::numbered(family, number) {
            None if is_never_set(family, number) => 4,
            None => 0,
            Some(mode) if self.state_of(mode) => 1,
            Some(_) => 2,
        };
        match family {
            Family::Ansi => self.replies.push(format_args!("\x1b[{number};{state}$y")),
            Family::Dec => self.replies.push(format_args!("\x1b[?{number};{state}$y")),
        }
    }

    /// The size of the text area, `CSI 18 t`.
    pub(super) fn report_size(&mut self) {
        let (rows, columns) = (self.rows(), self.columns());
        self.replies.push(format_args!("\x1b[8;{rows};{columns}t"));
    }

    /// DECREQTPARM: no parity, 8 bits, 38400 baud both ways.
    pub(super) fn report_parameters(&mut self, question: u16) {
        if let 0 | 1 = question {
            let kind = question + 2;
            self.replies.push(format_args!("\x1b[{kind};1;1;128;128;1;0x"));
        }
    }
}

/// Modes that are known and off for good: those of block terminals (ECMA-48's GATM, SRTM, VEM, HEM,
/// PUM, FEAM, FETM, MATM, TTM, SATM, TSM and EBM), and DECHCCM, for windows narrower than their page.
fn is_never_set(family: Family, number: u16) -> bool {
    match family {
        Family::Ansi => matches!(number, 1 | 5 | 7 | 10 | 11 | 13..=19),
        Family::Dec => number == 60,
    }
}
