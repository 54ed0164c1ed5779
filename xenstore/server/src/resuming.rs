//! A store's process that goes on where another one ended: what the ledger says of each peer.
//!
//! How the entries are kept is the ledger's; what the store's own records mean is the store's.

use std::collections::BTreeMap;

use xenstore_store::{End, Introduction, Limits, Link, Store};
use xenstore_wire::{DomainId, Path};

use crate::ledger::{Entry, Kind, Ledger};
use crate::transport::Transport;

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// On a socket, of which the parent has a copy under this number.
    Socket(u64),
    /// On a ring.
    Ring {
        /// None of the kernel's that the store runs on.
        remote: Option<Introduction>,
        consumed: u32,
        produced: u32,
        mute: bool,
    },
}

/// What is known of a peer.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) reached: Reached,
    /// What came, and is not done with.
    pub(crate) came: Vec<u8>,
    /// What is due, and was not sent.
    pub(crate) due: Vec<u8>,
    /// Where its ring stands is told by the page alone.
    pub(crate) stands_in_page: bool,
}

/// What an earlier store was.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub(crate) store: Store,
    pub(crate) peers: BTreeMap<u64, Known>,
}

/// A ledger that makes no sense.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the state that an earlier store left makes no sense at byte {0}")]
pub(crate) struct Senseless(usize);

/// What an earlier store left.
pub(crate) fn read(ledger: &Ledger, stores: u32) -> Result<Option<Earlier>, Senseless> {
    let mut records = Vec::new();
    let mut peers = BTreeMap::new();
    for (at, entry) in ledger.entries().enumerate() {
        let entry = entry.map_err(Senseless)?;
        match entry.kind {
            Kind::Store => records.extend_from_slice(entry.bytes),
            _ => apply(&mut peers, &entry).ok_or(Senseless(at))?,
        }
    }
    if records.is_empty() {
        return Ok(None);
    }
    let store = Store::restore(&records, stores).map_err(|error| Senseless(error.at))?;
    Ok(Some(Earlier { store, peers }))
}

/// What another program's store left, as a stream.
pub(crate) fn read_stream(stream: &[u8], limits: Limits) -> Result<Earlier, Senseless> {
    let (store, links) =
        Store::read_stream(stream, 0, limits).map_err(|error| Senseless(error.at))?;
    let mut peers = BTreeMap::new();
    for link in links {
        let reached = match link.end {
            End::Socket(descriptor) => {
                // The parent has it by the number that it was left at.
                Some(Reached::Socket(u64::try_from(descriptor).unwrap_or(u64::MAX)))
            }
            End::Ring { domain, .. } => remote(&store, domain).map(|remote| Reached::Ring {
                remote,
                consumed: 0,
                produced: 0,
                mute: false,
            }),
        };
        match reached {
            Some(reached) => {
                let Link { came, due, .. } = link;
                let known = Known { reached, came, due, stands_in_page: true };
                peers.insert(link.id.number(), known);
            }
            None => eprintln!(
                "xenstored: a ring was left whose domain has named no port: {:?}",
                link.end
            ),
        }
    }
    Ok(Earlier { store, peers })
}

/// A domain's own end of its channel, which a stream doesn't tell: the toolstack has written it down
/// for the domain. None is needed of the kernel's that the store runs on.
fn remote(store: &Store, domain: u16) -> Option<Option<Introduction>> {
    let domain = DomainId::new(domain).ok()?;
    if domain == DomainId::DOM0 {
        return Some(None);
    }
    let path = Path::parse(format!("{}/store/port", domain.home()).as_bytes()).ok()?;
    let port = str::from_utf8(store.value(&path)?).ok()?.parse().ok()?;
    Some(Some(Introduction { domain, port }))
}

fn apply(peers: &mut BTreeMap<u64, Known>, entry: &Entry<'_>) -> Option<()> {
    if entry.kind == Kind::Peer {
        let reached = Reached::decode(entry.bytes)?;
        peers.entry(entry.peer).or_insert_with(Known::new).reached = reached;
        return Some(());
    }
    let known = peers.entry(entry.peer).or_insert_with(Known::new);
    match entry.kind {
        Kind::Came => {
            known.came.extend_from_slice(entry.bytes);
            known.reached.move_on(entry.bytes.len(), 0);
        }
        Kind::Due => known.due.extend_from_slice(entry.bytes),
        Kind::Done => drop(known.came.drain(..count(entry.bytes, known.came.len())?)),
        Kind::Sent => {
            let sent = count(entry.bytes, known.due.len())?;
            known.due.drain(..sent);
            known.reached.move_on(0, sent);
        }
        Kind::Store | Kind::Peer => (),
    }
    Some(())
}

fn count(bytes: &[u8], max: usize) -> Option<usize> {
    let count = usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    Some(count).filter(|count| *count <= max)
}

impl Known {
    /// A peer that was heard before it was noted how it is reached.
    fn new() -> Self {
        Self {
            reached: Reached::Socket(u64::MAX),
            came: Vec::new(),
            due: Vec::new(),
            stands_in_page: false,
        }
    }
}

const SOCKET: u8 = 0;
const OWN_RING: u8 = 1;
const RING: u8 = 2;
/// What it is, two indices, whether it is mute, a domain and its port.
const RING_BYTES: usize = 1 + 4 + 4 + 1 + 2 + 4;

impl Reached {
    pub(crate) fn of(transport: &Transport, parents: Option<u64>) -> Self {
        match transport {
            Transport::Socket(_) => Self::Socket(parents.unwrap_or(u64::MAX)),
            Transport::Ring(seat) => {
                let (consumed, produced) = seat.ring.indices();
                Self::Ring { remote: seat.remote, consumed, produced, mute: seat.mute }
            }
        }
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Self::Socket(parents) => [&[SOCKET][..], &parents.to_le_bytes()].concat(),
            Self::Ring { remote, consumed, produced, mute } => {
                let kind = if remote.is_some() { RING } else { OWN_RING };
                let (domain, port) = remote.map_or((0, 0), |it| (it.domain.number(), it.port));
                let mut bytes = vec![kind];
                bytes.extend_from_slice(&consumed.to_le_bytes());
                bytes.extend_from_slice(&produced.to_le_bytes());
                bytes.push(mute.into());
                bytes.extend_from_slice(&domain.to_le_bytes());
                bytes.extend_from_slice(&port.to_le_bytes());
                bytes
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if let [SOCKET, parents @ ..] = bytes {
            return Some(Self::Socket(u64::from_le_bytes(*parents.as_array()?)));
        }
        let [kind, a, b, c, d, e, f, g, h, mute, i, j, k, l, m, n] =
            *bytes.as_array::<RING_BYTES>()?;
        let domain = DomainId::new(u16::from_le_bytes([i, j])).ok()?;
        let introduction = Introduction { domain, port: u32::from_le_bytes([k, l, m, n]) };
        let remote = match kind {
            OWN_RING => None,
            RING => Some(introduction),
            _ => return None,
        };
        Some(Self::Ring {
            remote,
            consumed: u32::from_le_bytes([a, b, c, d]),
            produced: u32::from_le_bytes([e, f, g, h]),
            mute: mute != 0,
        })
    }

    /// Notes that bytes came or went, which on a socket is the kernel's to count.
    fn move_on(&mut self, came: usize, sent: usize) {
        if let Self::Ring { consumed, produced, .. } = self {
            let steps = |count: usize| u32::try_from(count).unwrap_or_default();
            *consumed = consumed.wrapping_add(steps(came));
            *produced = produced.wrapping_add(steps(sent));
        }
    }
}
