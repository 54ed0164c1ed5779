//! What a viewer can do that ends its session.

use thiserror::Error;

/// A viewer's fault. There is no way to go on after one: the stream's place is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The first twelve bytes are not `RFB nnn.nnn` and a line feed.
    #[error("viewer's version is not an RFB version")]
    Version,

    /// The version is older than any published one.
    #[error("viewer's version {major}.{minor} is older than 3.3")]
    OldVersion {
        /// Before the point.
        major: u16,
        /// After it.
        minor: u16,
    },

    /// A security type that was not offered.
    #[error("viewer chose security type {0}, which was not offered")]
    SecurityType(u8),

    /// A message type that is unknown.
    #[error("viewer sent a message of unknown type {0}")]
    MessageType(u8),

    /// A QEMU message that is not a key.
    #[error("viewer sent a QEMU message of unknown kind {0}")]
    QemuMessage(u8),

    /// QEMU's key message from a viewer that has not offered it.
    #[error("viewer sent an extended key event without having offered it")]
    ExtendedKeyEvent,

    /// A message that needs an offer which was not made.
    #[error("viewer sent a message of type {0} without having offered it")]
    NotOffered(u8),

    /// A fence that carries more than fences may.
    #[error("viewer sent a fence with {0} bytes, which is more than 64")]
    FenceLength(u8),

    /// A pixel size that no encoding has.
    #[error("viewer asked for {0} bits a pixel, which is none of 8, 16 and 32")]
    BitsPerPixel(u8),

    /// A colour that would lie outside the pixel.
    #[error("viewer asked for a colour shifted by {shift} in a pixel of {bits} bits")]
    Shift {
        /// As asked.
        shift: u8,
        /// The size of the pixel.
        bits: u8,
    },
}
