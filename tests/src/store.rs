//! A small blocking xenstore client of our own, after Xen's docs/misc/xenstore.txt, to play the
//! toolstack's part.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::deadline::Deadline;

/// The numbers of xs_wire.h.
mod number {
    pub(super) const CONTROL: u32 = 0;
    pub(super) const DIRECTORY: u32 = 1;
    pub(super) const READ: u32 = 2;
    pub(super) const GET_PERMS: u32 = 3;
    pub(super) const WATCH: u32 = 4;
    pub(super) const INTRODUCE: u32 = 8;
    pub(super) const RELEASE: u32 = 9;
    pub(super) const WRITE: u32 = 11;
    pub(super) const MKDIR: u32 = 12;
    pub(super) const RM: u32 = 13;
    pub(super) const SET_PERMS: u32 = 14;
    pub(super) const WATCH_EVENT: u32 = 15;
    pub(super) const ERROR: u32 = 16;
}

/// How long the store may take for anything.
const SLOW: Duration = Duration::from_secs(10);
/// The longest payload.
const PAYLOAD_MAX: u32 = 4096;

/// A connection to a store, as dom0.
#[derive(Debug)]
pub struct Store {
    stream: UnixStream,
    last_id: u32,
    events: VecDeque<Changed>,
}

/// A watch's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What changed.
    pub path: String,
    /// The token of the watch.
    pub token: String,
}

/// The store's "no", by its name on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_write_timeout(Some(SLOW))?;
        Ok(Self { stream, last_id: 0, events: VecDeque::new() })
    }

    /// A node's value.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn read(&mut self, path: &str) -> Result<String, Refused> {
        let value = self.request(number::READ, &strings(&[path]))?;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// A node's value as bytes.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn read_bytes(&mut self, path: &str) -> Result<Vec<u8>, Refused> {
        self.request(number::READ, &strings(&[path]))
    }

    /// Writes a node's value.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn write(&mut self, path: &str, value: &str) -> Result<(), Refused> {
        let payload = [path.as_bytes(), b"\0", value.as_bytes()].concat();
        self.request(number::WRITE, &payload).map(drop)
    }

    /// Makes a node where it is missing.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn make_directory(&mut self, path: &str) -> Result<(), Refused> {
        self.request(number::MKDIR, &strings(&[path])).map(drop)
    }

    /// Removes a node and everything below it.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn remove(&mut self, path: &str) -> Result<(), Refused> {
        self.request(number::RM, &strings(&[path])).map(drop)
    }

    /// The names of a node's children.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn directory(&mut self, path: &str) -> Result<Vec<String>, Refused> {
        self.request(number::DIRECTORY, &strings(&[path])).map(|names| split(&names))
    }

    /// A node's permissions, as on the wire: `n0`, `r5`, ...
    ///
    /// # Errors
    /// The store's refusal.
    pub fn permissions(&mut self, path: &str) -> Result<Vec<String>, Refused> {
        self.request(number::GET_PERMS, &strings(&[path])).map(|entries| split(&entries))
    }

    /// Replaces a node's permissions.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn set_permissions(&mut self, path: &str, entries: &[&str]) -> Result<(), Refused> {
        let payload = strings(&[&[path], entries].concat());
        self.request(number::SET_PERMS, &payload).map(drop)
    }

    /// Tells the store of a new domain.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn introduce(&mut self, domid: u16) -> Result<(), Refused> {
        let payload = strings(&[&domid.to_string(), "1", "1"]);
        self.request(number::INTRODUCE, &payload).map(drop)
    }

    /// Tells the store that a domain has gone.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn release(&mut self, domid: u16) -> Result<(), Refused> {
        self.request(number::RELEASE, &strings(&[&domid.to_string()])).map(drop)
    }

    /// Gives the daemon a command; returns what it has to say.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn control(&mut self, words: &[&str]) -> Result<String, Refused> {
        self.request(number::CONTROL, &strings(words)).map(|text| split(&text).concat())
    }

    /// Asks to hear of changes.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn watch(&mut self, path: &str, token: &str) -> Result<(), Refused> {
        self.request(number::WATCH, &strings(&[path, token])).map(drop)
    }

    /// The next event.
    ///
    /// # Panics
    /// When none comes by the deadline, or the store has gone.
    pub fn changed(&mut self, deadline: Deadline) -> Changed {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let left = deadline.left_for("a watch event");
            let (kind, _, payload) = self.message(left).expect("the store is there");
            assert_eq!(kind, number::WATCH_EVENT, "a reply that nobody asked for");
            self.note(&payload);
        }
    }

    /// Waits until a node is as wanted: watches it, and looks again at every change.
    ///
    /// # Panics
    /// When it isn't by the deadline.
    pub fn wait_until<T>(
        &mut self,
        deadline: Deadline,
        path: &str,
        wanted: impl Fn(Option<&str>) -> Option<T>,
    ) -> T {
        let token = format!("wait{}", self.last_id);
        self.watch(path, &token).expect("the node can be watched");
        loop {
            let value = self.read(path).ok();
            if let Some(found) = wanted(value.as_deref()) {
                return found;
            }
            assert!(deadline.left().is_some(), "{path} is not as it should be: {value:?}");
            let _any = self.changed(deadline);
        }
    }

    fn request(&mut self, kind: u32, payload: &[u8]) -> Result<Vec<u8>, Refused> {
        self.last_id += 1;
        let id = self.last_id;
        let length = u32::try_from(payload.len()).expect("a payload's length");
        let header = [kind, id, 0, length];
        let mut message: Vec<u8> = header.iter().flat_map(|field| field.to_le_bytes()).collect();
        message.extend_from_slice(payload);
        self.stream.write_all(&message).expect("the store is there");
        loop {
            let (answered, its_id, payload) = self.message(SLOW).expect("the store answers");
            match answered {
                number::WATCH_EVENT => self.note(&payload),
                number::ERROR => {
                    assert_eq!(its_id, id, "a reply to another request");
                    return Err(Refused(split(&payload).concat()));
                }
                answered => {
                    assert_eq!((answered, its_id), (kind, id), "a reply to another request");
                    return Ok(payload);
                }
            }
        }
    }

    fn message(&mut self, time: Duration) -> io::Result<(u32, u32, Vec<u8>)> {
        self.stream.set_read_timeout(Some(time))?;
        let mut header = [0; 16];
        self.stream.read_exact(&mut header)?;
        let (fields, _) = header.as_chunks::<4>();
        let field = |index: usize| u32::from_le_bytes(fields[index]);
        assert!(field(3) <= PAYLOAD_MAX, "a payload of {} bytes", field(3));
        let mut payload = vec![0; usize::try_from(field(3)).expect("a payload's length")];
        self.stream.read_exact(&mut payload)?;
        Ok((field(0), field(1), payload))
    }

    fn note(&mut self, payload: &[u8]) {
        match split(payload).as_slice() {
            [path, token] => {
                self.events.push_back(Changed { path: path.clone(), token: token.clone() });
            }
            other => panic!("a watch event of {other:?}"),
        }
    }
}

/// Strings, each ended by a NUL.
fn strings(strings: &[&str]) -> Vec<u8> {
    strings.iter().flat_map(|string| [string.as_bytes(), b"\0"].concat()).collect()
}

fn split(payload: &[u8]) -> Vec<String> {
    let parts = payload.split_inclusive(|byte| *byte == 0);
    parts
        .map(|part| String::from_utf8_lossy(part.strip_suffix(b"\0").unwrap_or(part)).into())
        .collect()
}
