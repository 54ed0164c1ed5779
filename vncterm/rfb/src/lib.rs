//! The server's side of the RFB protocol (RFC 6143) for pictures made of character cells.
//!
//! A [`Session`] is one viewer: it is fed the bytes that came, says what they meant, and holds
//! the bytes to send. Pixels are never kept: a picture is [`Look`]s and bitmaps, and the encoders
//! work from those. Not here: sockets, clocks, fonts, what a key means to a terminal, and how
//! many viewers there may be.
//!
//! ```text
//!  bytes -> Handshake -> Message -> Session -> Event          (to the shell)
//!                                      |
//!  Picture -> Shown (what moved, what changed) -> Update -> Encoders -> Output -> bytes
//! ```
//!
//! Invariant: everything that a viewer can make the session send is a flag until the output is
//! empty; so the output never holds more than [`output_max`] bytes, whatever the viewer does.
//!
//! Invariant: no byte that a viewer sends is kept beyond the fixed part of one message, save cut
//! text, whose bound is in [`Limits`].
//!
//! Deviations from RFC 6143: security types other than None are not offered; a request for an
//! area off the screen is ignored; a request is answered only for the cells it touches; what is
//! not asked for by SetEncodings is never sent. A viewer's wish for another size is refused unless
//! [`Limits`] say otherwise; Tight is sent without JPEG and gradients, and only with LastRect.

#![no_std]

extern crate alloc;

mod area;
mod clipboard;
mod colour_map;
mod deflate;
mod encoder;
mod event;
mod fault;
mod handshake;
mod intake;
mod message;
mod notice;
mod numbers;
mod offer;
mod output;
mod picture;
mod pixel;
mod session;
mod shown;
mod update;

pub use event::{Event, Limits};
pub use fault::Fault;
pub use picture::{
    Bitmap, CELL_HEIGHT, CELL_WIDTH, COLUMNS_MAX, Look, Picture, ROWS_MAX, Rgb, Size,
};
pub use session::{Session, output_max};
