//! A viewer's messages, read from bytes that come cut anyhow (RFC 6143, 7.5).
//!
//! What a message does is not here. Lists and texts are read as they come: neither is awaited
//! whole, and a text is kept only up to a bound.

use alloc::vec::Vec;
use core::mem::take;

use crate::clipboard::{Clipboard, Provided};
use crate::fault::Fault;
use crate::intake::Intake;
use crate::numbers::{ClientMessage, QemuMessage};
use crate::offer::Offer;
use crate::pixel::PixelFormat;

/// A message that came whole.
#[derive(Debug)]
pub(crate) enum Message {
    PixelFormat(PixelFormat),
    Encodings(Offer),
    Request {
        incremental: bool,
        x: u16,
        y: u16,
        width: u16,
        height: u16,
    },
    Key {
        down: bool,
        keysym: u32,
    },
    Pointer {
        buttons: u8,
        x: u16,
        y: u16,
    },
    /// Latin-1, as much of it as is kept.
    CutText(Vec<u8>),
    Clipboard(Clipboard),
    ExtendedKey {
        down: bool,
        keysym: u32,
        scan_code: u32,
    },
    /// Updates of an area from now on without requests, or no longer.
    ContinuousUpdates {
        enable: bool,
        x: u16,
        y: u16,
        width: u16,
        height: u16,
    },
    Fence(Fence),
    /// The size that the viewer wants, in pixels; none if its layout has no screen.
    DesktopSize(Option<[u16; 2]>),
    /// One that has no meaning here.
    Ignored,
}

/// The flags of an extended clipboard.
const CLIPBOARD_FLAGS_BYTES: u32 = 4;

/// The most that a fence carries.
const FENCE_BYTES_MAX: usize = 64;

/// A fence: flags, and bytes that come back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) flags: u32,
    bytes: [u8; FENCE_BYTES_MAX],
    length: u8,
}

impl Fence {
    /// Asks for an answer.
    pub(crate) const REQUEST: u32 = 1 << 31;
    /// What went before has been done before it is answered.
    pub(crate) const BLOCK_BEFORE: u32 = 1;
    /// Messages are done in their order here, so all that can be asked for is so.
    const KNOWN: u32 = 0b111;

    /// One that carries nothing.
    pub(crate) const fn empty(flags: u32) -> Self {
        Self { flags, bytes: [0; FENCE_BYTES_MAX], length: 0 }
    }

    /// What is sent back for one.
    pub(crate) fn answer(self) -> Self {
        Self { flags: self.flags & Self::KNOWN, ..self }
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

/// What the next bytes are.
#[derive(Debug)]
enum Next {
    Type,
    Body(ClientMessage),
    QemuBody(QemuMessage),
    Encodings {
        left: u16,
        offer: Offer,
    },
    CutText {
        left: u32,
        kept: Vec<u8>,
    },
    /// An extended clipboard's flags and what comes behind.
    ClipboardFlags {
        left: u32,
    },
    Provided {
        left: u32,
        text: Provided,
    },
    Clipboard {
        left: u32,
        clipboard: Clipboard,
    },
    Skipped {
        left: u32,
    },
    FencePayload {
        left: u8,
        fence: Fence,
    },
    Screens {
        left: u32,
        size: Option<[u16; 2]>,
    },
}

/// What a part of a message leads to.
enum Step {
    GoOn(Next),
    End(Message),
}

/// Where in the stream of messages a viewer is.
#[derive(Debug)]
pub(crate) struct Reader {
    intake: Intake,
    next: Next,
    cut_text_max: usize,
}

impl Reader {
    /// Starts at a message's first byte; keeps at most `cut_text_max` bytes of a cut text.
    pub(crate) fn new(cut_text_max: usize) -> Self {
        Self { intake: Intake::default(), next: Next::Type, cut_text_max }
    }

    /// Takes bytes off the front of `bytes` up to the end of a message; gives `None` when they
    /// are used up before.
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, Fault> {
        while let Some(step) = self.step(bytes) {
            match step? {
                Step::GoOn(next) => self.next = next,
                Step::End(message) => {
                    self.next = Next::Type;
                    return Ok(Some(message));
                }
            }
        }
        Ok(None)
    }

    /// Reads one part of a message, if it has come whole.
    fn step(&mut self, bytes: &mut &[u8]) -> Option<Result<Step, Fault>> {
        let step = match &mut self.next {
            Next::Type => {
                let [number] = self.intake.take(bytes)?;
                ClientMessage::from_number(number)
                    .map(|message| Step::GoOn(Next::Body(message)))
                    .ok_or(Fault::MessageType(number))
            }
            Next::Body(message) => {
                let message = *message;
                return self.body(message, bytes);
            }
            Next::QemuBody(QemuMessage::ExtendedKeyEvent) => {
                let [dh, dl, a, b, c, d, e, f, g, h] = self.intake.take(bytes)?;
                let [keysym, scan_code] = [[a, b, c, d], [e, f, g, h]].map(u32::from_be_bytes);
                let down = [dh, dl] != [0, 0];
                Ok(Step::End(Message::ExtendedKey { down, keysym, scan_code }))
            }
            &mut Next::Encodings { left: 0, offer } => Ok(Step::End(Message::Encodings(offer))),
            &mut Next::Encodings { left, mut offer } => {
                offer.note(i32::from_be_bytes(self.intake.take(bytes)?));
                Ok(Step::GoOn(Next::Encodings { left: left - 1, offer }))
            }
            Next::CutText { left: 0, kept } => Ok(Step::End(Message::CutText(take(kept)))),
            Next::CutText { left, kept } => {
                let room = self.cut_text_max.saturating_sub(kept.len());
                kept.extend(pass(bytes, left)?.iter().take(room));
                Ok(Step::GoOn(Next::CutText { left: *left, kept: take(kept) }))
            }
            Next::FencePayload { left: 0, fence } => Ok(Step::End(Message::Fence(*fence))),
            Next::FencePayload { left, fence } => {
                let [byte] = self.intake.take(bytes)?;
                if let Some(place) = fence.bytes.get_mut(usize::from(fence.length)) {
                    *place = byte;
                    fence.length += 1;
                }
                Ok(Step::GoOn(Next::FencePayload { left: *left - 1, fence: *fence }))
            }
            Next::Screens { left: 0, size } => Ok(Step::End(Message::DesktopSize(*size))),
            Next::Screens { left, size } => {
                pass(bytes, left)?;
                Ok(Step::GoOn(Next::Screens { left: *left, size: *size }))
            }
            &mut Next::ClipboardFlags { left } => {
                let flags = u32::from_be_bytes(self.intake.take(bytes)?);
                Ok(Step::GoOn(if Clipboard::provides(flags) {
                    Next::Provided { left, text: Provided::new(self.cut_text_max) }
                } else {
                    Next::Clipboard { left, clipboard: Clipboard::of(flags) }
                }))
            }
            Next::Provided { left: 0, text } => {
                Ok(Step::End(Message::Clipboard(Clipboard::Provided(text.text()))))
            }
            Next::Provided { left, text } => {
                text.take(pass(bytes, left)?);
                return self.step(bytes);
            }
            Next::Clipboard { left: 0, clipboard } => {
                let clipboard = core::mem::replace(clipboard, Clipboard::Other);
                Ok(Step::End(Message::Clipboard(clipboard)))
            }
            Next::Clipboard { left, .. } => {
                pass(bytes, left)?;
                return self.step(bytes);
            }
            Next::Skipped { left: 0 } => Ok(Step::End(Message::Ignored)),
            Next::Skipped { left } => {
                pass(bytes, left)?;
                Ok(Step::GoOn(Next::Skipped { left: *left }))
            }
        };
        Some(step)
    }

    /// Reads what comes after a message's type: its fixed part.
    fn body(&mut self, message: ClientMessage, bytes: &mut &[u8]) -> Option<Result<Step, Fault>> {
        let intake = &mut self.intake;
        let step = match message {
            ClientMessage::SetPixelFormat => {
                let [_, _, _, format @ ..] = intake.take::<19>(bytes)?;
                return Some(PixelFormat::parse(format).map(Message::PixelFormat).map(Step::End));
            }
            ClientMessage::SetEncodings => {
                let [_, high, low] = intake.take(bytes)?;
                let left = u16::from_be_bytes([high, low]);
                Step::GoOn(Next::Encodings { left, offer: Offer::default() })
            }
            ClientMessage::FramebufferUpdateRequest => {
                let [incremental, a, b, c, d, e, f, g, h] = intake.take(bytes)?;
                let [x, y, width, height] =
                    [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes);
                Step::End(Message::Request { incremental: incremental != 0, x, y, width, height })
            }
            ClientMessage::KeyEvent => {
                let [down, _, _, a, b, c, d] = intake.take(bytes)?;
                let keysym = u32::from_be_bytes([a, b, c, d]);
                Step::End(Message::Key { down: down != 0, keysym })
            }
            ClientMessage::PointerEvent => {
                let [buttons, a, b, c, d] = intake.take(bytes)?;
                let [x, y] = [[a, b], [c, d]].map(u16::from_be_bytes);
                Step::End(Message::Pointer { buttons, x, y })
            }
            ClientMessage::ClientCutText => {
                let [_, _, _, a, b, c, d] = intake.take(bytes)?;
                let length = i32::from_be_bytes([a, b, c, d]);
                // A negative length is an extended clipboard's.
                Step::GoOn(match u32::try_from(length) {
                    Ok(left) => Next::CutText { left, kept: Vec::new() },
                    Err(_) => match length.unsigned_abs().checked_sub(CLIPBOARD_FLAGS_BYTES) {
                        Some(left) => Next::ClipboardFlags { left },
                        None => Next::Skipped { left: length.unsigned_abs() },
                    },
                })
            }
            ClientMessage::EnableContinuousUpdates => {
                let [enable, a, b, c, d, e, f, g, h] = intake.take(bytes)?;
                let [x, y, width, height] =
                    [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes);
                let enable = enable != 0;
                Step::End(Message::ContinuousUpdates { enable, x, y, width, height })
            }
            ClientMessage::Fence => {
                let [_, _, _, a, b, c, d, length] = intake.take(bytes)?;
                if usize::from(length) > FENCE_BYTES_MAX {
                    return Some(Err(Fault::FenceLength(length)));
                }
                let fence = Fence::empty(u32::from_be_bytes([a, b, c, d]));
                Step::GoOn(Next::FencePayload { left: length, fence })
            }
            ClientMessage::SetDesktopSize => {
                let [_, a, b, c, d, screens, _] = intake.take(bytes)?;
                let size = [[a, b], [c, d]].map(u16::from_be_bytes);
                let size = (screens > 0).then_some(size);
                Step::GoOn(Next::Screens { left: 16 * u32::from(screens), size })
            }
            ClientMessage::XenCenterScanCode => {
                let [_, _, _, _, _, _, _] = intake.take(bytes)?;
                Step::End(Message::Ignored)
            }
            ClientMessage::Qemu => {
                let [number] = intake.take(bytes)?;
                let message = QemuMessage::from_number(number);
                return Some(
                    message
                        .map(|message| Step::GoOn(Next::QemuBody(message)))
                        .ok_or(Fault::QemuMessage(number)),
                );
            }
        };
        Some(Ok(step))
    }
}

/// Takes what is there of `left` bytes off the front of `bytes`; `None` if nothing is.
fn pass<'a>(bytes: &mut &'a [u8], left: &mut u32) -> Option<&'a [u8]> {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
    let (part, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
    *bytes = rest;
    *left = left.saturating_sub(u32::try_from(part.len()).unwrap_or(u32::MAX));
    (!part.is_empty()).then_some(part)
}
