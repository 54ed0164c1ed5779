//! What a converter says to the agent. The converter holds guest data: the agent believes none of
//! this beyond its own console, and bounds all of it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::order::{number, variant};
use crate::packet::{Malformed, Reader, put_text};

/// One packet from a converter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To the order of this serial.
    To(u32, Report),
    /// The converter is confined and waits for [`crate::Order::Go`]; says [`crate::VERSION`].
    Confined(u8),
    /// The tty has hung up: the screen is saved, the viewers stay, a new tty may come.
    TtyLost,
}

/// The answer to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It is done.
    Done,
    /// It is not done, and why.
    Refused(Refusal),
    /// The answer to [`crate::Order::State`].
    State(State),
    /// The answer to [`crate::Order::Thumbnail`]: lines ended by LF.
    Thumbnail(String),
    /// The answer to [`crate::Order::Reader`].
    Reading(Reading),
}

/// What a viewer's bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The position of the first byte of the guest's.
    pub at: u64,
    /// Bytes before it that repaint the screen and the lines above it; 0 where the viewer goes on.
    pub repaint: u32,
}

/// Why a converter does not do what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many viewers as it takes are there.
    ViewerLimit,
    /// The order makes no sense now (a second go, a viewer before go).
    WrongPhase,
    /// The order did not carry the descriptors that it must.
    WrongDescriptors,
    /// The screen could not be written.
    NotSaved,
}

/// Where a converter is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Confined, waiting to be attested.
    Waiting,
    /// Reading the guest's console.
    Running,
    /// The tty is gone; waiting for another.
    TtyLost,
}

/// How a converter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The VM that it was started for.
    pub uuid: [u8; 16],
    /// Where it is in its life.
    pub phase: Phase,
    /// Columns of the screen, in cells.
    pub columns: u16,
    /// Rows of the screen, in cells.
    pub rows: u16,
    /// Viewers that speak RFB.
    pub rfb_viewers: u16,
    /// Viewers that take plain text.
    pub text_viewers: u16,
    /// Bytes read from the guest since the start.
    pub bytes_read: u64,
    /// Milliseconds since the guest's last output; `u64::MAX` when there was none.
    pub quiet_ms: u64,
}

const REFUSALS: [(Refusal, u8); 4] = [
    (Refusal::ViewerLimit, 1),
    (Refusal::WrongPhase, 2),
    (Refusal::WrongDescriptors, 3),
    (Refusal::NotSaved, 4),
];
const PHASES: [(Phase, u8); 3] = [(Phase::Waiting, 1), (Phase::Running, 2), (Phase::TtyLost, 3)];

impl Answer {
    /// The packet: kind, then serial for an answer, then body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Confined(version) => Vec::from([1, *version]),
            Self::TtyLost => Vec::from([2]),
            Self::To(serial, report) => {
                let mut packet = Vec::from([report.kind()]);
                packet.extend_from_slice(&serial.to_le_bytes());
                match report {
                    Report::Done => {}
                    Report::Refused(refusal) => packet.push(number(&REFUSALS, *refusal)),
                    Report::State(state) => state.put(&mut packet),
                    Report::Thumbnail(text) => put_text(&mut packet, text),
                    Report::Reading(Reading { at, repaint }) => {
                        packet.extend_from_slice(&at.to_le_bytes());
                        packet.extend_from_slice(&repaint.to_le_bytes());
                    }
                }
                packet
            }
        }
    }

    /// Reads a packet.
    pub fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let answer = match reader.u8()? {
            1 => Self::Confined(reader.u8()?),
            2 => Self::TtyLost,
            kind => {
                let serial = reader.u32()?;
                Self::To(serial, Report::take(kind, &mut reader)?)
            }
        };
        reader.end()?;
        Ok(answer)
    }
}

impl Report {
    fn kind(&self) -> u8 {
        match self {
            Self::Done => 3,
            Self::Refused(_) => 4,
            Self::State(_) => 5,
            Self::Thumbnail(_) => 6,
            Self::Reading(_) => 7,
        }
    }

    fn take(kind: u8, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match kind {
            3 => Self::Done,
            4 => Self::Refused(variant(&REFUSALS, reader.u8()?)?),
            5 => Self::State(State::take(reader)?),
            6 => Self::Thumbnail(reader.text()?),
            7 => Self::Reading(Reading { at: reader.u64()?, repaint: reader.u32()? }),
            other => return Err(Malformed::UnknownNumber(other)),
        })
    }
}

impl State {
    fn put(&self, packet: &mut Vec<u8>) {
        packet.extend_from_slice(&self.uuid);
        packet.push(number(&PHASES, self.phase));
        for count in [self.columns, self.rows, self.rfb_viewers, self.text_viewers] {
            packet.extend_from_slice(&count.to_le_bytes());
        }
        packet.extend_from_slice(&self.bytes_read.to_le_bytes());
        packet.extend_from_slice(&self.quiet_ms.to_le_bytes());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            uuid: reader.bytes()?,
            phase: variant(&PHASES, reader.u8()?)?,
            columns: reader.u16()?,
            rows: reader.u16()?,
            rfb_viewers: reader.u16()?,
            text_viewers: reader.u16()?,
            bytes_read: reader.u64()?,
            quiet_ms: reader.u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn every_answer() -> Vec<Answer> {
        let state = |phase| State {
            uuid: [7; 16],
            phase,
            columns: 80,
            rows: 24,
            rfb_viewers: 1,
            text_viewers: 2,
            bytes_read: 1 << 40,
            quiet_ms: u64::MAX,
        };
        vec![
            Answer::Confined(crate::VERSION),
            Answer::TtyLost,
            Answer::To(1, Report::Done),
            Answer::To(2, Report::Refused(Refusal::ViewerLimit)),
            Answer::To(3, Report::Refused(Refusal::WrongPhase)),
            Answer::To(4, Report::Refused(Refusal::WrongDescriptors)),
            Answer::To(5, Report::Refused(Refusal::NotSaved)),
            Answer::To(6, Report::State(state(Phase::Waiting))),
            Answer::To(7, Report::State(state(Phase::Running))),
            Answer::To(8, Report::State(state(Phase::TtyLost))),
            Answer::To(9, Report::Thumbnail("login: ü\n".into())),
            Answer::To(10, Report::Reading(Reading { at: 1 << 40, repaint: 7 })),
        ]
    }

    #[test]
    fn every_answer_comes_back_as_it_was_sent() {
        for answer in every_answer() {
            assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
    }

    #[test]
    fn every_number_either_means_an_answer_or_is_refused() {
        let known: Vec<u8> = every_answer().iter().map(|answer| answer.encode()[0]).collect();
        for kind in 0..=u8::MAX {
            let packet = [&[kind][..], &[0; 5]].concat();
            let refused = Answer::decode(&packet) == Err(Malformed::UnknownNumber(kind));
            assert_eq!(refused, !known.contains(&kind), "{kind}");
        }
    }

    #[test]
    fn a_thumbnail_never_outgrows_a_packet() {
        let text = "ü".repeat(crate::PACKET_MAX);
        let packet = Answer::To(1, Report::Thumbnail(text)).encode();
        assert!(packet.len() <= crate::PACKET_MAX);
        assert!(Answer::decode(&packet).is_ok());
    }
}
