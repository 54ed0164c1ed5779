//! One viewer's session, from the greeting to its end.
//!
//! The shell reads and writes the socket, and ends a session whose handshake takes too long:
//! [`Session::is_ready`] says whether it is over.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::take;

use crate::area::Area;
use crate::colour_map;
use crate::fault::Fault;
use crate::handshake::Handshake;
use crate::message::{Message, Reader};
use crate::numbers::ServerMessage;
use crate::offer::Offer;
use crate::output::Output;
use crate::picture::{Picture, Size};
use crate::pixel::{FORMAT_BYTES, PixelFormat};
use crate::shown::Shown;
use crate::update::{self, Update};

/// The longest name that is told, in bytes. Viewers show it in a window's title.
const NAME_MAX: usize = 255;

/// The longest text that is sent to a viewer's clipboard; TigerVNC takes no longer one.
const SELECTION_MAX: usize = 256 * 1024;

/// The colour map as a message: head, then 256 colours of three 16-bit numbers.
const COLOUR_MAP_BYTES: usize = 6 + 256 * 6;

/// ServerInit without its name, and all that a handshake says before.
const HANDSHAKE_BYTES: usize = 64 + FORMAT_BYTES;

/// The most bytes that a session's output ever holds for a picture of a size.
pub fn output_max(size: Size) -> usize {
    let owed = 1 + COLOUR_MAP_BYTES + 8 + SELECTION_MAX;
    HANDSHAKE_BYTES + NAME_MAX + owed + update::part_max(size)
}

/// What a viewer may make the session keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a cut text; the rest of a longer one is dropped.
    pub cut_text_max: usize,
}

impl Default for Limits {
    /// 64 KiB: more than anybody pastes into a console.
    fn default() -> Self {
        Self { cut_text_max: 64 * 1024 }
    }
}

/// What a viewer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is over.
    Ready {
        /// Whether other viewers may stay.
        shared: bool,
    },
    /// A key went down or up; the number is X11's keysym.
    Key {
        /// Down, else up.
        down: bool,
        /// Which key.
        keysym: u32,
    },
    /// The pointer moved, or a button changed.
    Pointer {
        /// Bit 0 is the left button, 1 the middle, 2 the right, 3 and 4 the wheel up and down.
        buttons: u8,
        /// In pixels from the left, as the viewer says: it may be off the screen.
        x: u16,
        /// In pixels from the top.
        y: u16,
    },
    /// The viewer's clipboard has a new text: its beginning, if it is longer than the limit.
    CutText(String),
}

#[derive(Debug)]
enum Stage {
    Handshake { handshake: Handshake, name: String },
    Ready(Reader),
    Ended(Fault),
}

/// A viewer's session.
#[derive(Debug)]
pub struct Session {
    stage: Stage,
    limits: Limits,
    output: Output,
    shown: Shown,
    format: PixelFormat,
    offer: Offer,
    /// The area that the viewer waits for. It is one however often it was asked for.
    requested: Option<Area>,
    /// The area that the viewer wants again whether it has changed or not.
    forced: Option<Area>,
    underway: Option<Update>,
    /// The console's new name, to be told with the next update that the viewer asks for.
    renamed: Option<String>,
    owed: Owed,
}

/// What goes to a viewer before the next update, each at most once.
#[derive(Debug, Default)]
struct Owed {
    colour_map: bool,
    bell: bool,
    /// Latin-1.
    cut_text: Option<Vec<u8>>,
}

/// A name as it is told.
fn bounded(name: &str) -> String {
    name.get(..name.floor_char_boundary(NAME_MAX)).unwrap_or_default().to_owned()
}

impl Session {
    /// Greets a viewer. The name is for people; `size` is the picture's now.
    pub fn new(name: &str, size: Size, limits: Limits) -> Self {
        let mut output = Output::default();
        let handshake = Handshake::new(&mut output);
        Self {
            stage: Stage::Handshake { handshake, name: bounded(name) },
            limits,
            output,
            shown: Shown::new(size),
            format: PixelFormat::RGB332,
            offer: Offer::default(),
            requested: None,
            forced: None,
            underway: None,
            renamed: None,
            owed: Owed::default(),
        }
    }

    /// Takes bytes off the front of `bytes` until the viewer has done something; gives `None`
    /// when they are used up. To be called until it does.
    ///
    /// # Errors
    ///
    /// A fault ends the session: the same is given ever after. What [`Session::output`] holds
    /// may still be sent before closing; it may say the reason.
    pub fn receive(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, Fault> {
        self.next_event(bytes).inspect_err(|fault| self.stage = Stage::Ended(*fault))
    }

    /// The bytes to send next.
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// Drops bytes of the output that were sent.
    pub fn wrote(&mut self, count: usize) {
        self.output.wrote(count);
    }

    /// Whether the handshake is over and the session has not ended.
    pub fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready(_))
    }

    /// Whether [`Session::update`] has something to do, given that the picture has changed.
    pub fn wants_update(&self) -> bool {
        let owes = self.owed.colour_map || self.owed.bell || self.owed.cut_text.is_some();
        self.is_ready()
            && self.output.is_empty()
            && (owes || self.requested.is_some() || self.underway.is_some())
    }

    /// Whether an update has begun whose rest waits for [`Session::update`]. The viewer shows half
    /// a picture until it comes, so it should not wait for the next turn of a slow pace.
    pub fn is_updating(&self) -> bool {
        self.underway.is_some()
    }

    /// Brings the viewer up to date as far as it has asked for that, one output at a time: does
    /// nothing until the last output was sent. Says whether there is output now.
    ///
    /// To be called when the picture has changed, after [`Session::receive`], and when the output
    /// has been sent.
    pub fn update(&mut self, picture: &impl Picture) -> bool {
        if !self.wants_update() {
            return false;
        }
        if self.underway.is_none() {
            self.pay();
            self.begin_update(picture);
        }
        if let Some(update) = &mut self.underway
            && !update.advance(picture, &mut self.shown, &mut self.output)
        {
            self.underway = None;
        }
        !self.output.is_empty()
    }

    /// The console is called otherwise: told to a viewer that follows names, with the next update
    /// that it asks for; the last name counts.
    pub fn rename(&mut self, name: &str) {
        match &mut self.stage {
            Stage::Handshake { name: told, .. } => *told = bounded(name),
            Stage::Ready(_) => self.renamed = Some(bounded(name)),
            Stage::Ended(_) => {}
        }
    }

    /// Rings the viewer's bell at the next [`Session::update`]; however often, once.
    pub fn bell(&mut self) {
        self.owed.bell = self.is_ready();
    }

    /// Puts a text into the viewer's clipboard at the next [`Session::update`]; the last text
    /// counts. Characters that Latin-1 lacks become `?`.
    pub fn cut_text(&mut self, text: &str) {
        let latin_1 = |character| u8::try_from(character).unwrap_or(b'?');
        self.owed.cut_text =
            self.is_ready().then(|| text.chars().take(SELECTION_MAX).map(latin_1).collect());
    }

    fn next_event(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, Fault> {
        loop {
            match &mut self.stage {
                Stage::Ended(fault) => return Err(*fault),
                Stage::Handshake { handshake, name } => {
                    let Some(init) = handshake.receive(bytes, &mut self.output)? else {
                        return Ok(None);
                    };
                    let size = self.shown.size();
                    self.output.u16(size.width());
                    self.output.u16(size.height());
                    self.output.bytes(&self.format.to_bytes());
                    self.output.text(name.as_bytes());
                    self.stage = Stage::Ready(Reader::new(self.limits.cut_text_max));
                    return Ok(Some(Event::Ready { shared: init.shared }));
                }
                Stage::Ready(reader) => {
                    let Some(message) = reader.read(bytes)? else { return Ok(None) };
                    if let Some(event) = self.heed(message)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// Does what a message says, or gives what the shell has to do.
    fn heed(&mut self, message: Message) -> Result<Option<Event>, Fault> {
        match message {
            Message::PixelFormat(format) => {
                self.format = format;
                self.owed.colour_map = format.is_mapped();
                // What the viewer shows was made for the format before.
                self.forced = Some(Area::whole(self.shown.size()));
            }
            Message::Encodings(offer) => self.offer = offer,
            Message::Request { incremental, x, y, width, height } => {
                let area = Area::touched(x, y, width, height, self.shown.size());
                add(&mut self.requested, area);
                if !incremental {
                    add(&mut self.forced, area);
                }
            }
            Message::Key { down, keysym } => return Ok(Some(Event::Key { down, keysym })),
            Message::Pointer { buttons, x, y } => {
                return Ok(Some(Event::Pointer { buttons, x, y }));
            }
            Message::CutText(latin_1) => {
                return Ok(Some(Event::CutText(latin_1.into_iter().map(char::from).collect())));
            }
            Message::ExtendedKey { down, keysym } => {
                if !self.offer.extended_key {
                    return Err(Fault::ExtendedKeyEvent);
                }
                // Without a keysym there is only the place of a key on some keyboard.
                if keysym != 0 {
                    return Ok(Some(Event::Key { down, keysym }));
                }
            }
            Message::Ignored => {}
        }
        Ok(None)
    }

    /// Sends what is owed. Never within an update.
    fn pay(&mut self) {
        let owed = take(&mut self.owed);
        let output = &mut self.output;
        if owed.colour_map {
            output.u8(ServerMessage::SetColourMapEntries.number());
            output.u8(0);
            output.u16(0);
            output.u16(256);
            for index in 0..=u8::MAX {
                let colour = colour_map::entry(index);
                for value in [colour.red, colour.green, colour.blue] {
                    output.bytes(&[value, value]);
                }
            }
        }
        if owed.bell {
            output.u8(ServerMessage::Bell.number());
        }
        if let Some(text) = owed.cut_text {
            output.u8(ServerMessage::ServerCutText.number());
            output.bytes(&[0; 3]);
            output.text(&text);
        }
    }

    /// Begins to answer the request, if there is one and something to say.
    fn begin_update(&mut self, picture: &impl Picture) {
        if let Some(area) = self.forced.take() {
            self.shown.forget(area);
        }
        let Some(area) = self.requested else { return };
        if self.offer.desktop_size && picture.size() != self.shown.size() {
            self.requested = None;
            self.shown = Shown::new(picture.size());
            update::desktop_size(picture.size(), &mut self.output);
            return;
        }
        if self.offer.desktop_name
            && let Some(name) = self.renamed.take()
        {
            self.requested = None;
            update::desktop_name(&name, &mut self.output);
            return;
        }
        let changes = self.shown.changes(picture, area);
        self.underway =
            Update::begin(changes, self.offer.encoding(), self.format, &mut self.output);
        if self.underway.is_some() {
            self.requested = None;
        }
    }
}

/// Adds an area to what is already there.
fn add(all: &mut Option<Area>, area: Option<Area>) {
    *all = match (*all, area) {
        (Some(all), Some(area)) => Some(all.around(area)),
        (one, other) => one.or(other),
    };
}
