//! A terminal: a guest's bytes in, character cells out; a viewer's keys in, bytes for the guest out.
//!
//! ```text
//!  guest bytes ──> Screen::feed ──> cells      Screen::row, ::cursor, ::colours, ::text
//!              <── Screen::take_reply          few, canned, bounded
//!  keysyms     ──> Keyboard::key ──> Action    bytes to send, lines to scroll, paste
//!  cut text    ──> Paste::new ──> bytes        cleaned, in pieces
//! ```
//!
//! Nothing here reads, writes, sleeps or knows the time; memory is bounded by the screen's size
//! whatever the guest prints. No pixels and no glyphs: the cells say what is where, in which colours.
//!
//! # Invariants
//!
//! * The cursor is on the screen. A wide character's two halves stand side by side in one row.
//! * A row's *stamp* is a number that no other content of the same screen ever had; it moves with
//!   the row. Two views of equal stamps show equal cells, unless [`Screen::look`] has changed.
//! * No text of the guest's is ever sent back to it.
//! * A sequence costs at most what writing the whole screen once costs, however large its counts.
//!
//! # Deviations
//!
//! From VT220, the linux console and xterm, whose sequences this terminal understands:
//!
//! * C1 control characters act only while the coding is Latin-1 (`ESC % @`); in UTF-8 they are
//!   dropped.
//! * 132 columns, double-size lines, soft fonts, national character sets, images, hyperlinks and
//!   window operations are not implemented, nor are attributes changed in rectangles.
//!   The size belongs to the screen's owner.
//! * Which text is protected from erasing is neither saved nor replayed.
//! * No title, clipboard, answerback, DECRQSS or colour query is answered. Titles are swallowed.
//! * RIS keeps the scrollback; `CSI 3 J` empties it.
//! * Of several combining marks on a character, the first is kept.
//! * Mode 1049 reset without the alternate screen shown does nothing.
//!
//! # Example
//!
//! ```
//! use vncterm_screen::{Action, Keyboard, Screen};
//!
//! let mut screen = Screen::new(80, 24, 512);
//! screen.feed(b"\x1b[1mdebian login:\x1b[0m ");
//! assert_eq!(screen.cursor().map(|at| at.column), Some(14));
//! assert!(screen.text().starts_with("debian login:\n"));
//!
//! let mut keyboard = Keyboard::default();
//! let up = 0xff52;
//! let Action::Send(bytes) = keyboard.key(up, true, &screen.key_modes()) else { unreachable!() };
//! assert_eq!(&*bytes, b"\x1b[A");
//! ```

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod cell;
mod charset;
mod colour;
mod grid;
mod keyboard;
mod keysym;
mod load;
mod modes;
mod packed;
mod params;
mod parser;
mod paste;
mod pen;
mod performer;
mod replay;
mod replies;
mod row;
mod save;
mod screen;
mod scrollback;
mod tabs;
mod terminal;
mod text;
mod utf8;

pub use cell::{Cell, Extent};
pub use colour::{Colour, INDEXED_COLOURS, Rgb};
pub use keyboard::{Action, KeyModes, KeyStyle, Keyboard};
pub use load::LoadError;
pub use packed::UnpackError;
pub use paste::{Brackets, PASTE_MAX, Paste};
pub use pen::Attributes;
pub use performer::Coding;
pub use replies::{SHORT_BYTES_MAX, ShortBytes};
pub use save::SAVE_MAX;
pub use screen::{COLUMNS_MAX, COLUMNS_MIN, Position, ROWS_MAX, ROWS_MIN, RowView, Screen};
pub use scrollback::SCROLLBACK_LINES_MAX;
pub use terminal::CursorShape;
