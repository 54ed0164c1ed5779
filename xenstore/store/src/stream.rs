//! The stream that xenstored's live updates are written in, by C xenstored and here: its records, as
//! bytes. Versions 1 and 2 are read, of either byte order, and version 2 is written.
//!
//! The format is Xen's docs/designs/xenstore-migration.md; what the records mean for a store is in
//! `store::streaming`. What is read is believed in nothing: every length is compared before it is
//! used, nothing is made room for before it is there, and what makes no sense is refused.

use alloc::vec::Vec;

use xenstore_wire::numbered;

use crate::journal::Unreadable;

const IDENT: &[u8; 8] = b"xenstore";
const VERSION: u32 = 2;
/// The one flag that there is: numbers are written with their highest byte first.
const BIG_ENDIAN: u32 = 1;
/// Records are filled up to a multiple of this.
const ALIGNMENT: usize = 8;
/// `XS_STATE_CONN_FIELDS_UNIQ_ID`: eight bytes follow, which tell the domain from a later one.
const HAS_IDENTITY: u16 = 1;
/// `XS_STATE_NODE_PERM_IGNORE`: the domain was another one, and has gone.
const STALE: u8 = 1;
/// In place of a descriptor that there is none of.
pub(crate) const NO_DESCRIPTOR: i32 = -1;
/// In place of a depth.
pub(crate) const NO_DEPTH: u16 = 0xffff;

numbered! {
    /// What a record is about. The first nine are everybody's; the others are ours, which everybody
    /// else skips as the format wants it.
    pub(crate) enum StreamKind {
        End = 0,
        Global = 1,
        Connection = 2,
        Watch = 3,
        Transaction = 4,
        Node = 5,
        Quotas = 6,
        Domain = 7,
        /// From version 2 on.
        WatchDepth = 8,
        /// Records of our own journal.
        Journal = 0x58,
        /// A connection that another reader must not take for dom0's.
        Narrowed = 0x59,
        /// What came of a connection beyond what its own record has room for.
        Came = 0x5a,
    }
}

/// How a connection is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// On a ring: by the local port of the event channel, and on behalf of whom besides.
    Ring {
        /// The ring's domain.
        domain: u16,
        /// Whom it acts for, or no domain's number.
        target: u16,
        /// The port.
        port: u32,
    },
    /// On a socket, by the number of its descriptor.
    Socket(i32),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// The listening socket and the event channels, by their descriptors.
    Global,
    Connection {
        id: u32,
        end: End,
        came: &'a [u8],
        due: &'a [u8],
        narrowed: bool,
    },
    Watch {
        connection: u32,
        name: &'a [u8],
        token: &'a [u8],
        depth: u16,
    },
    Transaction {
        connection: u32,
        id: u32,
    },
    /// A node as everybody sees it, with its permissions: letters and domains, stale ones left out.
    Node {
        path: &'a [u8],
        permissions: Vec<(u8, u16)>,
        value: &'a [u8],
    },
    /// What one transaction alone has seen or changed.
    WithinTransaction,
    Quotas {
        values: Vec<(&'a [u8], u32)>,
    },
    Domain {
        domain: u16,
        features: Option<u32>,
        values: Vec<(&'a [u8], u32)>,
    },
    Journal(&'a [u8]),
    Came {
        connection: u32,
        bytes: &'a [u8],
    },
    /// Somebody else's.
    Unknown,
}

/// Records that are read one after the other, up to the one that says that it is the last.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: Numbers<'a>,
    length: usize,
    version: u32,
    ended: bool,
}

/// Bytes with numbers in them: each is none where there are not as many.
#[derive(Clone, Copy, Debug)]
struct Numbers<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Reader<'a> {
    /// Looks at how the stream begins.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let mut head = Numbers { bytes, big_endian: true };
        let begun = (|| {
            (head.take(IDENT.len())? == IDENT).then_some(())?;
            let version = head.long().filter(|version| (1..=VERSION).contains(version))?;
            let flags = head.long().filter(|flags| flags & !BIG_ENDIAN == 0)?;
            Some((version, flags == BIG_ENDIAN))
        })();
        let (version, big_endian) = begun.ok_or(Unreadable { at: 0 })?;
        let rest = Numbers { bytes: head.bytes, big_endian };
        Ok(Self { rest, length: bytes.len(), version, ended: false })
    }

    /// How far it was read.
    pub(crate) fn at(&self) -> usize {
        self.length - self.rest.bytes.len()
    }

    /// The next record; none after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'a>>, Unreadable> {
        let at = self.at();
        if self.ended {
            return Ok(None);
        }
        let record = self.whole().ok_or(Unreadable { at })?;
        Ok(record)
    }

    /// None where it makes no sense; within that, none at the end.
    fn whole(&mut self) -> Option<Option<Record<'a>>> {
        let (number, length) = (self.rest.long()?, self.rest.long()?);
        let length = usize::try_from(length).ok()?;
        let body = self.rest.take(length)?;
        // The last one may lack what only fills up.
        let padding = length.next_multiple_of(ALIGNMENT) - length;
        self.rest.take(padding.min(self.rest.bytes.len()))?;
        let body = Numbers { bytes: body, big_endian: self.rest.big_endian };
        let Some(kind) = u8::try_from(number).ok().and_then(StreamKind::from_number) else {
            return Some(Some(Record::Unknown));
        };
        if kind == StreamKind::End {
            self.ended = true;
            return Some(None);
        }
        body.record(kind, self.version).map(Some)
    }
}

impl<'a> Numbers<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*array)
    }

    fn short(&mut self) -> Option<u16> {
        let bytes = self.array()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&mut self) -> Option<u32> {
        let bytes = self.array()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// So many bytes, without the NUL that they end in.
    fn text(&mut self, length: u16) -> Option<&'a [u8]> {
        match self.take(length.into())? {
            [text @ .., 0] => Some(text),
            _ => None,
        }
    }

    fn record(mut self, kind: StreamKind, version: u32) -> Option<Record<'a>> {
        Some(match kind {
            // What has no fields was seen before.
            StreamKind::End => Record::Unknown,
            StreamKind::Global => {
                self.long()?;
                self.long()?;
                Record::Global
            }
            StreamKind::Connection => self.connection(false)?,
            StreamKind::Narrowed => self.connection(true)?,
            StreamKind::Watch => self.watch(false)?,
            StreamKind::WatchDepth => self.watch(true)?,
            StreamKind::Transaction => {
                Record::Transaction { connection: self.long()?, id: self.long()? }
            }
            StreamKind::Node => self.node()?,
            StreamKind::Quotas => {
                let (domains, global) = (self.short()?, self.short()?);
                let mut values = self.quotas(u32::from(domains) + u32::from(global))?;
                // Those after them are about the whole of another program.
                values.truncate(domains.into());
                Record::Quotas { values }
            }
            StreamKind::Domain => {
                let (domain, count) = (self.short()?, self.short()?);
                let features = self.long().filter(|_| version >= 2);
                Record::Domain { domain, features, values: self.quotas(count.into())? }
            }
            StreamKind::Journal => Record::Journal(self.counted()?),
            StreamKind::Came => Record::Came { connection: self.long()?, bytes: self.counted()? },
        })
    }

    /// Bytes after how many they are.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.long()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn connection(&mut self, narrowed: bool) -> Option<Record<'a>> {
        let (id, kind, fields) = (self.long()?, self.short()?, self.short()?);
        let end = match kind {
            0 => End::Ring { domain: self.short()?, target: self.short()?, port: self.long()? },
            1 => {
                let socket = self.long()?.cast_signed();
                self.long()?;
                End::Socket(socket)
            }
            _ => return None,
        };
        // How much of the first answer was sent is known to who reads it.
        let (came, _answered, due) = (self.short()?, self.short()?, self.long()?);
        let came = self.take(came.into())?;
        let due = self.take(usize::try_from(due).ok()?)?;
        if fields & HAS_IDENTITY != 0 {
            let length = came.len() + due.len();
            // It begins where the numbers before would have it begin.
            self.take(length.next_multiple_of(ALIGNMENT) - length)?;
            self.array::<8>()?;
        }
        Some(Record::Connection { id, end, came, due, narrowed })
    }

    fn watch(&mut self, has_depth: bool) -> Option<Record<'a>> {
        let (connection, name, token) = (self.long()?, self.short()?, self.short()?);
        let depth = match has_depth {
            true => {
                let depth = self.short()?;
                self.short()?;
                depth
            }
            false => NO_DEPTH,
        };
        let (name, token) = (self.text(name)?, self.text(token)?);
        Some(Record::Watch { connection, name, token, depth })
    }

    fn node(&mut self) -> Option<Record<'a>> {
        let (connection, _transaction) = (self.long()?, self.long()?);
        let (path, value, _access, count) =
            (self.short()?, self.short()?, self.short()?, self.short()?);
        if connection != 0 {
            return Some(Record::WithinTransaction);
        }
        let mut permissions = Vec::new();
        for at in 0..count {
            let [letter, flags] = self.array()?;
            let domain = self.short()?;
            // The first one says whose it is.
            if at == 0 || flags & STALE == 0 {
                permissions.push((letter, domain));
            }
        }
        let (path, value) = (self.text(path)?, self.take(value.into())?);
        Some(Record::Node { path, permissions, value })
    }

    fn quotas(&mut self, count: u32) -> Option<Vec<(&'a [u8], u32)>> {
        let count = usize::try_from(count).ok()?;
        let values = self.take(count.checked_mul(size_of::<u32>())?)?;
        let mut values = Self { bytes: values, ..*self };
        let mut names = self.bytes.split(|byte| *byte == 0);
        let mut quotas = Vec::new();
        for _ in 0..count {
            quotas.push((names.next()?, values.long()?));
        }
        Some(quotas)
    }
}

/// A stream of version 2 that is being written, lowest bytes first.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let mut out = IDENT.to_vec();
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&0_u32.to_be_bytes());
        Self { out }
    }

    fn record(&mut self, kind: StreamKind, body: &[&[u8]]) {
        let length: usize = body.iter().map(|part| part.len()).sum();
        let filled = length.next_multiple_of(ALIGNMENT);
        self.out.extend_from_slice(&u32::from(kind.number()).to_le_bytes());
        // What fills it up is counted, as C xenstored does: it goes by this alone.
        self.out.extend_from_slice(&u32::try_from(filled).unwrap_or(u32::MAX).to_le_bytes());
        for part in body {
            self.out.extend_from_slice(part);
        }
        self.out.resize(self.out.len() + filled - length, 0);
    }

    pub(crate) fn global(&mut self, listener: i32, channels: i32) {
        self.record(StreamKind::Global, &[&listener.to_le_bytes(), &channels.to_le_bytes()]);
    }

    pub(crate) fn connection(
        &mut self,
        id: u32,
        end: End,
        came: &[u8],
        due: &[u8],
        narrowed: bool,
    ) {
        let (kind, number) = match end {
            End::Ring { domain, target, port } => {
                let parts = [u64::from(domain), u64::from(target) << 16, u64::from(port) << 32];
                (0_u16, parts.iter().sum())
            }
            End::Socket(descriptor) => (1, u64::from(descriptor.cast_unsigned())),
        };
        let (came, more) = came.split_at(came.len().min(usize::from(u16::MAX)));
        let (came_bytes, due_bytes) = (short_of(came.len()), long_of(due.len()));
        let body: [&[u8]; 9] = [
            &id.to_le_bytes(),
            &kind.to_le_bytes(),
            &0_u16.to_le_bytes(),
            &number.to_le_bytes(),
            &came_bytes.to_le_bytes(),
            &0_u16.to_le_bytes(),
            &due_bytes.to_le_bytes(),
            came,
            due,
        ];
        let record = if narrowed { StreamKind::Narrowed } else { StreamKind::Connection };
        self.record(record, &body);
        if !more.is_empty() {
            let length = long_of(more.len()).to_le_bytes();
            self.record(StreamKind::Came, &[&id.to_le_bytes(), &length, more]);
        }
    }

    pub(crate) fn watch(&mut self, connection: u32, name: &[u8], token: &[u8], depth: Option<u16>) {
        let lengths = [short_of(name.len() + 1), short_of(token.len() + 1)];
        let lengths = lengths.map(u16::to_le_bytes);
        let depth_bytes = depth.unwrap_or(NO_DEPTH).to_le_bytes();
        let (connection, nul) = (connection.to_le_bytes(), &[0][..]);
        let [name_length, token_length] = &lengths;
        let mut body: Vec<&[u8]> = Vec::from([&connection[..], name_length, token_length]);
        if depth.is_some() {
            body.extend([&depth_bytes[..], &[0, 0]]);
        }
        body.extend([name, nul, token, nul]);
        let kind = if depth.is_some() { StreamKind::WatchDepth } else { StreamKind::Watch };
        self.record(kind, &body);
    }

    pub(crate) fn transaction(&mut self, connection: u32, id: u32) {
        self.record(StreamKind::Transaction, &[&connection.to_le_bytes(), &id.to_le_bytes()]);
    }

    pub(crate) fn node(&mut self, path: &[u8], permissions: &[(u8, u16)], value: &[u8]) {
        let lengths =
            [short_of(path.len() + 1), short_of(value.len()), 0, short_of(permissions.len())];
        let lengths: Vec<u8> = lengths.into_iter().flat_map(u16::to_le_bytes).collect();
        let mut entries = Vec::new();
        for (letter, domain) in permissions {
            entries.extend_from_slice(&[*letter, 0]);
            entries.extend_from_slice(&domain.to_le_bytes());
        }
        self.record(StreamKind::Node, &[&[0; 8], &lengths, &entries, path, &[0], value]);
    }

    pub(crate) fn quotas(&mut self, values: &[(&str, u32)]) {
        let counts = [short_of(values.len()), 0].map(u16::to_le_bytes).concat();
        self.record(StreamKind::Quotas, &[&counts, &quotas(values)]);
    }

    pub(crate) fn domain(&mut self, domain: u16, features: u32, values: &[(&str, u32)]) {
        let head = [domain, short_of(values.len())].map(u16::to_le_bytes).concat();
        self.record(StreamKind::Domain, &[&head, &features.to_le_bytes(), &quotas(values)]);
    }

    pub(crate) fn journal(&mut self, records: &[u8]) {
        self.record(StreamKind::Journal, &[&long_of(records.len()).to_le_bytes(), records]);
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.record(StreamKind::End, &[]);
        self.out
    }
}

fn quotas(values: &[(&str, u32)]) -> Vec<u8> {
    let mut bytes: Vec<u8> = values.iter().flat_map(|(_, value)| value.to_le_bytes()).collect();
    for (name, _) in values {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// A length that the protocol bounds far below: that of a path, a value, a message's part.
fn short_of(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn long_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
