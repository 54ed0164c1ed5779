//! What the agent and a converter say to each other, as values and as packets.
//!
//! The converter inherits a listening `SOCK_SEQPACKET` socket; the agent connects, and one packet
//! is one message. Descriptors go from the agent to the converter only, as `SCM_RIGHTS` of the
//! order that names them. There is no socket here: the programs own those.
//!
//! Both ends run the same release, or two neighbouring ones (an agent is upgraded while its
//! converters go on): [`VERSION`] is the first thing a converter says.

#![no_std]

extern crate alloc;

mod answer;
mod order;
mod packet;
mod start;

pub use answer::{Answer, Phase, Reading, Refusal, Report, State};
pub use order::{Farewell, Order, Viewer};
pub use packet::{Malformed, PACKET_MAX};
pub use start::{Descriptor, Start, StartError, shown_title};

/// The version of these packets; an agent leaves a converter of another version alone until its
/// guest ends.
pub const VERSION: u8 = 3;
