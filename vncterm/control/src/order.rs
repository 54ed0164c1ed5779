//! What the agent asks of a converter.

use alloc::string::String;
use alloc::vec::Vec;

use crate::packet::{Malformed, Reader, put_text};

/// One order. Every order but [`Order::Stop`] is answered with a packet of the same serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The agent has attested the converter: it may read guest bytes and serve viewers. The text is
    /// the line that parts what an earlier domain of this VM has left on the screen from what comes
    /// now; empty where there was none, or it is this one.
    Go(String),
    /// End, after the screen is saved and the viewers have heard why.
    Stop(Farewell),
    /// The guest has a new console. Carries two descriptors: the tty, and the held lock on it.
    /// The text is the line that marks the change on the screen.
    Tty(String),
    /// Takes a viewer. Carries one descriptor: a connected stream socket.
    Viewer(Viewer),
    /// Takes a viewer of text that knows where it is in the guest's output and goes on there, if
    /// that is still kept. Carries one descriptor: a connected stream socket. Answered with
    /// [`crate::Report::Reading`].
    Reader {
        /// The position of the first byte that it wants.
        from: u64,
    },
    /// Write the screen into the screen file now.
    Save,
    /// The screen as text.
    Thumbnail,
    /// How the converter is.
    State,
    /// What viewers call the console from now on.
    Title(String),
}

/// Why a converter is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// The guest has ended.
    GuestEnded,
    /// The console of this VM was switched off.
    ConsoleOff,
    /// The agent ends the converter, and will start another.
    Replaced,
    /// Whoever started the console has ended it.
    Ended,
}

/// What a viewer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// RFB.
    Rfb,
    /// Plain bytes, both ways.
    Text,
}

/// One table for each enumeration: variant and number.
const FAREWELLS: [(Farewell, u8); 4] = [
    (Farewell::GuestEnded, 1),
    (Farewell::ConsoleOff, 2),
    (Farewell::Replaced, 3),
    (Farewell::Ended, 4),
];
const VIEWERS: [(Viewer, u8); 2] = [(Viewer::Rfb, 1), (Viewer::Text, 2)];

impl Farewell {
    /// The sentence that viewers of a text console read.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::GuestEnded => "closed: the guest shut down",
            Self::ConsoleOff => "closed: the console of this VM was switched off",
            Self::Replaced => "closed: the console service restarts",
            Self::Ended => "closed: the console service has ended",
        }
    }
}

impl Order {
    /// How many descriptors this order must carry: no more and no fewer.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        match self {
            Self::Tty(_) => 2,
            Self::Viewer(_) | Self::Reader { .. } => 1,
            Self::Go(_)
            | Self::Stop(_)
            | Self::Save
            | Self::Thumbnail
            | Self::State
            | Self::Title(_) => 0,
        }
    }

    /// The packet of this order: kind, serial (u32, little endian), body.
    #[must_use]
    pub fn encode(&self, serial: u32) -> Vec<u8> {
        let mut packet = Vec::from([self.kind()]);
        packet.extend_from_slice(&serial.to_le_bytes());
        match self {
            Self::Stop(farewell) => packet.push(number(&FAREWELLS, *farewell)),
            Self::Go(text) | Self::Tty(text) | Self::Title(text) => put_text(&mut packet, text),
            Self::Viewer(viewer) => packet.push(number(&VIEWERS, *viewer)),
            Self::Reader { from } => packet.extend_from_slice(&from.to_le_bytes()),
            Self::Save | Self::Thumbnail | Self::State => {}
        }
        packet
    }

    /// Reads a packet: the serial and the order.
    pub fn decode(packet: &[u8]) -> Result<(u32, Self), Malformed> {
        let mut reader = Reader::new(packet);
        let kind = reader.u8()?;
        let serial = reader.u32()?;
        let order = match kind {
            1 => Self::Go(reader.text()?),
            2 => Self::Stop(variant(&FAREWELLS, reader.u8()?)?),
            3 => Self::Tty(reader.text()?),
            4 => Self::Viewer(variant(&VIEWERS, reader.u8()?)?),
            5 => Self::Save,
            6 => Self::Thumbnail,
            7 => Self::State,
            8 => Self::Title(reader.text()?),
            9 => Self::Reader { from: reader.u64()? },
            other => return Err(Malformed::UnknownNumber(other)),
        };
        reader.end()?;
        Ok((serial, order))
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Go(_) => 1,
            Self::Stop(_) => 2,
            Self::Tty(_) => 3,
            Self::Viewer(_) => 4,
            Self::Save => 5,
            Self::Thumbnail => 6,
            Self::State => 7,
            Self::Title(_) => 8,
            Self::Reader { .. } => 9,
        }
    }
}

/// The number that stands for `wanted`; every variant is in its table (tested).
pub(crate) fn number<T: PartialEq + Copy>(table: &[(T, u8)], wanted: T) -> u8 {
    table.iter().find(|(variant, _)| *variant == wanted).map_or(0, |(_, number)| *number)
}

/// The variant that `wanted` stands for.
pub(crate) fn variant<T: Copy>(table: &[(T, u8)], wanted: u8) -> Result<T, Malformed> {
    table
        .iter()
        .find(|(_, number)| *number == wanted)
        .map(|(variant, _)| *variant)
        .ok_or(Malformed::UnknownNumber(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn every_order() -> Vec<Order> {
        vec![
            Order::Go(String::new()),
            Order::Go("-- started again at 12:01:03 --".into()),
            Order::Stop(Farewell::GuestEnded),
            Order::Stop(Farewell::ConsoleOff),
            Order::Stop(Farewell::Replaced),
            Order::Stop(Farewell::Ended),
            Order::Tty("-- guest rebooted --".into()),
            Order::Viewer(Viewer::Rfb),
            Order::Viewer(Viewer::Text),
            Order::Reader { from: 1 << 40 },
            Order::Save,
            Order::Thumbnail,
            Order::State,
            Order::Title("web01".into()),
        ]
    }

    #[test]
    fn every_order_comes_back_as_it_was_sent() {
        for (serial, order) in (0_u32..).zip(every_order()) {
            assert_eq!(Order::decode(&order.encode(serial)), Ok((serial, order)));
        }
    }

    #[test]
    fn every_number_either_means_an_order_or_is_refused() {
        for kind in 0..=u8::MAX {
            match Order::decode(&[kind, 0, 0, 0, 0]) {
                Ok((_, order)) => assert_eq!(order.encode(0)[0], kind),
                Err(Malformed::UnknownNumber(number)) => assert_eq!(number, kind),
                Err(Malformed::Truncated) => assert!(matches!(kind, 2 | 4 | 9)),
                Err(other) => panic!("{other}"),
            }
        }
    }

    #[test]
    fn refuses_every_prefix_and_every_trailing_byte() {
        for order in every_order() {
            if matches!(order, Order::Go(_) | Order::Tty(_) | Order::Title(_)) {
                continue; // its text is the rest of the packet, whatever that is
            }
            let packet = order.encode(7);
            for end in 0..packet.len() {
                assert_eq!(Order::decode(&packet[..end]), Err(Malformed::Truncated));
            }
            let longer = [packet.as_slice(), &[0]].concat();
            assert_eq!(Order::decode(&longer), Err(Malformed::TrailingBytes));
        }
    }
}
