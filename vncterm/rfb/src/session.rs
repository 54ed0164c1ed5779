//! One viewer's session, from the greeting to its end.
//!
//! The shell reads and writes the socket, and ends a session whose handshake takes too long:
//! [`Session::is_ready`] says whether it is over.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::take;

use crate::area::Area;
use crate::clipboard::{self, Clipboard};
use crate::colour_map;
use crate::encoder::{self, Encoders};
use crate::event::{Event, Limits};
use crate::fault::Fault;
use crate::handshake::Handshake;
use crate::message::{Fence, Message, Reader};
use crate::notice::Notice;
use crate::numbers::{ClientMessage, ResizeReason, ResizeStatus, ServerMessage};
use crate::offer::Offer;
use crate::output::Output;
use crate::picture::{Picture, Size};
use crate::pixel::{FORMAT_BYTES, PixelFormat};
use crate::shown::Shown;
use crate::update::{self, Manner, Update};

/// The longest name that is told, in bytes. Viewers show it in a window's title.
const NAME_MAX: usize = 255;

/// The longest text that is sent to a viewer's clipboard; TigerVNC takes no longer one.
const SELECTION_MAX: usize = 256 * 1024;

/// The colour map as a message: head, then 256 colours of three 16-bit numbers.
const COLOUR_MAP_BYTES: usize = 6 + 256 * 6;

/// What an extended clipboard is said at once: three short messages, and a text of which each
/// character may be a line's end, compressed.
const CLIPBOARD_BYTES: usize = 4 * 16 + 3 * SELECTION_MAX;

/// ServerInit without its name, and all that a handshake says before.
const HANDSHAKE_BYTES: usize = 64 + FORMAT_BYTES;

/// Answers to fences that wait to be sent; of more the last ones count. Who waits for an answer
/// before the next fence never meets this.
const ANSWERS_MAX: usize = 4;

/// A fence as a message.
const FENCE_BYTES: usize = 9 + 64;

/// While updates go out without requests, a fence follows so many bytes of them.
const FENCE_EVERY: usize = 2048;

/// So many unanswered fences mean that the way to the viewer is full: what it is sent waits for an
/// answer, so that it shows the latest picture and not one from long ago.
const FENCES_MAX: u8 = 2;

/// The most bytes that a session's output ever holds for a picture of a size.
pub fn output_max(size: Size) -> usize {
    let fences = (ANSWERS_MAX + 2) * FENCE_BYTES;
    let owed = 1 + COLOUR_MAP_BYTES + 8 + SELECTION_MAX + 1 + fences + CLIPBOARD_BYTES;
    HANDSHAKE_BYTES + NAME_MAX + owed + update::part_max(size)
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
    /// The pixels that the viewer wants to be sent without asking: x, y, width, height.
    continuous: Option<[u16; 4]>,
    /// Bytes of updates since the last fence.
    unfenced: usize,
    unanswered: u8,
    underway: Option<Update>,
    /// The console's new name, to be told with the next update that the viewer asks for.
    renamed: Option<String>,
    encoders: Encoders,
    /// What was last selected, for a viewer that asks for it.
    selection: String,
    owed: Owed,
}

/// What goes to a viewer before the next update, each at most once.
#[derive(Debug, Default)]
struct Owed {
    colour_map: bool,
    bell: bool,
    /// Latin-1.
    cut_text: Option<Vec<u8>>,
    /// Updates without requests are possible, or have ended.
    continuous_updates: bool,
    /// A first fence, which says that fences are understood.
    fence: bool,
    answers: Vec<Fence>,
    clipboard: OwedClipboard,
    notices: OwedNotices,
}

/// What is said to a viewer with an extended clipboard.
#[derive(Debug, Default)]
struct OwedClipboard {
    caps: bool,
    request: bool,
    notify: bool,
    text: bool,
}

impl OwedClipboard {
    fn any(&self) -> bool {
        self.caps || self.request || self.notify || self.text
    }
}

/// What is told in the next update.
#[derive(Debug, Default)]
struct OwedNotices {
    cursor: bool,
    extended_keys: bool,
    size: bool,
    /// What came of the viewer's wish for a size.
    answer: Option<ResizeStatus>,
}

impl Owed {
    /// Whether there is something that needs no request.
    fn messages(&self) -> bool {
        self.colour_map
            || self.bell
            || self.cut_text.is_some()
            || self.continuous_updates
            || self.fence
            || !self.answers.is_empty()
            || self.clipboard.any()
    }
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
            continuous: None,
            unfenced: 0,
            unanswered: 0,
            underway: None,
            renamed: None,
            encoders: Encoders::default(),
            selection: String::new(),
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
        self.is_ready()
            && self.output.is_empty()
            && (self.owed.messages() || self.wanted().is_some() || self.underway.is_some())
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
        if let Some(update) = &mut self.underway {
            let before = self.output.place();
            let (shown, encoders) = (&mut self.shown, &mut self.encoders);
            let goes_on = update.advance(picture, shown, encoders, &mut self.output);
            self.unfenced += self.output.since(before);
            if !goes_on {
                self.underway = None;
                self.fence_off();
            }
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
    /// counts. A viewer without an extended clipboard gets `?` for characters that Latin-1 lacks;
    /// one with it is told, and gets the text when it asks.
    pub fn cut_text(&mut self, text: &str) {
        if !self.is_ready() {
            return;
        }
        if self.offer.extended_clipboard {
            let end = text.floor_char_boundary(SELECTION_MAX);
            self.selection = text.get(..end).unwrap_or_default().to_owned();
            self.owed.clipboard.notify = true;
            return;
        }
        let latin_1 = |character| u8::try_from(character).unwrap_or(b'?');
        self.owed.cut_text = Some(text.chars().take(SELECTION_MAX).map(latin_1).collect());
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
                self.owed.notices.cursor = self.offer.cursor;
                // What the viewer shows was made for the format before.
                self.forced = Some(Area::whole(self.shown.size()));
            }
            Message::Encodings(offer) => self.take_offer(offer),
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
            Message::Clipboard(_) if !self.offer.extended_clipboard => {}
            Message::Clipboard(clipboard) => match clipboard {
                Clipboard::Provided(text) => return Ok(Some(Event::CutText(text))),
                Clipboard::Notify => self.owed.clipboard.request = true,
                Clipboard::Peek => self.owed.clipboard.notify = true,
                Clipboard::Request => self.owed.clipboard.text = !self.selection.is_empty(),
                Clipboard::Other => {}
            },
            Message::ExtendedKey { down, keysym, scan_code } => {
                if !self.offer.extended_key {
                    return Err(Fault::ExtendedKeyEvent);
                }
                // The viewer's layout is in the keysym; without one there is the key's place.
                return Ok(Some(match keysym {
                    0 => Event::ScanCode { down, code: scan_code },
                    keysym => Event::Key { down, keysym },
                }));
            }
            Message::ContinuousUpdates { enable, x, y, width, height } => {
                if !self.offer.continuous_updates {
                    let number = ClientMessage::EnableContinuousUpdates.number();
                    return Err(Fault::NotOffered(number));
                }
                self.continuous = enable.then_some([x, y, width, height]);
                self.owed.continuous_updates |= !enable;
            }
            Message::Fence(fence) => self.answer(fence)?,
            Message::DesktopSize(wanted) => {
                if !self.offer.extended_desktop_size {
                    let number = ClientMessage::SetDesktopSize.number();
                    return Err(Fault::NotOffered(number));
                }
                let size = self.shown.size();
                let (status, event) = match wanted {
                    None | Some([0, _] | [_, 0]) => (ResizeStatus::InvalidLayout, None),
                    Some(wanted) if wanted == [size.width(), size.height()] => {
                        (ResizeStatus::Done, None)
                    }
                    Some(wanted) if self.limits.resize => {
                        (ResizeStatus::Done, Some(Event::resize(wanted)))
                    }
                    // The size is the owner's of the picture.
                    Some(_) => (ResizeStatus::Prohibited, None),
                };
                self.owed.notices.answer = Some(status);
                return Ok(event);
            }
            Message::Ignored => {}
        }
        Ok(None)
    }

    /// Takes note of what the viewer understands, and owes what it does not know yet.
    fn take_offer(&mut self, offer: Offer) {
        let before = core::mem::replace(&mut self.offer, offer);
        let owed = &mut self.owed;
        owed.continuous_updates |= offer.continuous_updates && !before.continuous_updates;
        owed.fence |= offer.fence && !before.fence;
        owed.clipboard.caps |= offer.extended_clipboard && !before.extended_clipboard;
        let notices = &mut owed.notices;
        notices.cursor = offer.cursor && (notices.cursor || !before.cursor);
        notices.size =
            offer.extended_desktop_size && (notices.size || !before.extended_desktop_size);
        // XenCenter offers these too, and is served by keysyms; it knows no LastRect.
        let keys = |offer: Offer| offer.extended_key && offer.last_rect;
        notices.extended_keys = keys(offer) && (notices.extended_keys || !keys(before));
        if !offer.continuous_updates {
            self.continuous = None;
        }
    }

    /// Answers a fence, or takes one as the answer to ours.
    fn answer(&mut self, fence: Fence) -> Result<(), Fault> {
        if !self.offer.fence {
            return Err(Fault::NotOffered(ClientMessage::Fence.number()));
        }
        if fence.flags & Fence::REQUEST == 0 {
            self.unanswered = self.unanswered.saturating_sub(1);
        } else {
            let answers = &mut self.owed.answers;
            if answers.len() >= ANSWERS_MAX {
                answers.remove(0);
            }
            answers.push(fence.answer());
        }
        Ok(())
    }

    /// Lets a fence follow what was sent without a request.
    fn fence_off(&mut self) {
        if self.continuous.is_some() && self.offer.fence && self.unfenced >= FENCE_EVERY {
            self.unfenced = 0;
            self.unanswered = self.unanswered.saturating_add(1);
            put_fence(&Fence::empty(Fence::REQUEST | Fence::BLOCK_BEFORE), &mut self.output);
        }
    }

    /// The area that the viewer is to be sent when it changes.
    fn wanted(&self) -> Option<Area> {
        let has_room = self.unanswered < FENCES_MAX;
        let continuous = self.continuous.filter(|_| has_room).and_then(|[x, y, width, height]| {
            Area::touched(x, y, width, height, self.shown.size())
        });
        let mut wanted = self.requested;
        add(&mut wanted, continuous);
        wanted
    }

    /// Sends what is owed. Never within an update.
    fn pay(&mut self) {
        let owed = take(&mut self.owed);
        self.owed.notices = owed.notices;
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
        if owed.continuous_updates {
            output.u8(ServerMessage::EndOfContinuousUpdates.number());
        }
        if owed.fence {
            put_fence(&Fence::empty(Fence::REQUEST), output);
        }
        owed.answers.iter().for_each(|answer| put_fence(answer, output));
        if owed.clipboard.caps {
            clipboard::put_caps(self.limits.cut_text_max, output);
        }
        if owed.clipboard.request {
            clipboard::put_request(output);
        }
        if owed.clipboard.notify {
            clipboard::put_notify(!self.selection.is_empty(), output);
        }
        if owed.clipboard.text {
            clipboard::put_text(&self.selection, output);
        }
    }

    /// Begins to answer the request, if there is one and something to say.
    fn begin_update(&mut self, picture: &impl Picture) {
        if let Some(area) = self.forced.take() {
            self.shown.forget(area);
        }
        let Some(area) = self.wanted() else { return };
        let size = picture.size();
        if let Some(notice) = self.size_notice(size)
            && size != self.shown.size()
        {
            // Nothing else may be in this update: the viewer begins anew.
            self.requested = None;
            self.shown = Shown::new(size);
            update::notice(notice, self.format, &mut self.output);
            self.owed.notices =
                OwedNotices { size: false, answer: None, ..take(&mut self.owed.notices) };
            return;
        }
        if self.offer.desktop_name
            && let Some(name) = self.renamed.take()
        {
            self.requested = None;
            update::desktop_name(&name, &mut self.output);
            return;
        }
        // Rows are copied over the whole width, so only for who asked for that.
        let may_copy = self.offer.copy_rect && area == Area::whole(self.shown.size());
        let scroll = if may_copy { self.shown.scroll(picture) } else { None };
        let manner = Manner { encoding: self.offer.encoding(), format: self.format };
        let changes = self.shown.changes(picture, area, encoder::joining(manner.encoding));
        let size_notice = self.size_notice(size);
        let owed = take(&mut self.owed.notices);
        let notices = [
            owed.cursor.then_some(Notice::Cursor),
            owed.extended_keys.then_some(Notice::ExtendedKeys),
            size_notice,
        ];
        let notices: Vec<Notice> = notices.into_iter().flatten().collect();
        self.underway = Update::begin(&notices, scroll, changes, manner, &mut self.output);
        if self.underway.is_some() {
            self.requested = None;
        }
    }

    /// What the viewer has to be told of the picture's size.
    fn size_notice(&self, size: Size) -> Option<Notice> {
        let OwedNotices { size: is_owed, answer, .. } = self.owed.notices;
        let has_changed = size != self.shown.size();
        if self.offer.extended_desktop_size && (is_owed || has_changed || answer.is_some()) {
            let reason = answer.map_or(ResizeReason::Server, |_| ResizeReason::ThisViewer);
            let status = answer.unwrap_or(ResizeStatus::Done);
            return Some(Notice::ExtendedDesktopSize(size, reason, status));
        }
        (self.offer.desktop_size && has_changed).then_some(Notice::DesktopSize(size))
    }
}

/// Puts a fence as a message.
fn put_fence(fence: &Fence, output: &mut Output) {
    output.u8(ServerMessage::Fence.number());
    output.bytes(&[0; 3]);
    output.u32(fence.flags);
    output.u8(u8::try_from(fence.payload().len()).unwrap_or(0));
    output.bytes(fence.payload());
}

/// Adds an area to what is already there.
fn add(all: &mut Option<Area>, area: Option<Area>) {
    *all = match (*all, area) {
        (Some(all), Some(area)) => Some(all.around(area)),
        (one, other) => one.or(other),
    };
}
