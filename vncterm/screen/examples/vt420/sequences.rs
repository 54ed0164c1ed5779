//! Parts a stream into sequences and what is between them. What they mean is not known here.

/// The longest sequence that is looked at; a longer one is passed on in pieces.
const SEQUENCE_MAX: usize = 4096;

/// A piece of the stream.
#[derive(Debug)]
pub(crate) enum Piece {
    /// For the screen.
    Plain(Vec<u8>),
    /// `ESC ...`, in seven bits.
    Escape(Vec<u8>),
    /// `CSI ...`
    Control(Control),
    /// `OSC text`
    Command(Vec<u8>),
    /// `DCS text`
    Device(Vec<u8>),
}

/// A control sequence.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) private: Option<u8>,
    pub(crate) numbers: Vec<Option<u32>>,
    pub(crate) intermediates: Vec<u8>,
    pub(crate) last: u8,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

impl Control {
    /// The number at a place, or else another.
    pub(crate) fn number(&self, place: usize, otherwise: u32) -> u32 {
        self.numbers.get(place).copied().flatten().unwrap_or(otherwise)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (last, rest) = bytes.get(2..)?.split_last()?;
        let private = rest.first().copied().filter(|byte| b"<=>?".contains(byte));
        let rest = rest.get(usize::from(private.is_some())..)?;
        let end = rest.iter().position(|byte| (0x20..0x30).contains(byte)).unwrap_or(rest.len());
        let (numbers, intermediates) = rest.split_at(end);
        let text = std::str::from_utf8(numbers).ok()?;
        let numbers = text.split(';').map(|number| number.parse().ok()).collect();
        let intermediates = intermediates.to_vec();
        Some(Self { private, numbers, intermediates, last: *last, bytes: bytes.to_vec() })
    }
}

/// A stream that is read.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    sequence: Vec<u8>,
}

impl Stream {
    /// Reads a byte.
    pub(crate) fn read(&mut self, byte: u8) -> Option<Piece> {
        if self.sequence.is_empty() {
            match byte {
                0x1b => self.sequence.push(byte),
                // The 8-bit characters that begin a sequence, as the seven bits that they stand for.
                0x90 | 0x98 | 0x9b | 0x9d..=0x9f => self.sequence.extend([0x1b, byte - 0x40]),
                _ => return Some(Piece::Plain(vec![byte])),
            }
            return None;
        }
        self.sequence.push(byte);
        let whole = match self.sequence.get(1) {
            Some(b'[') => self.sequence.len() > 2 && (0x40..0x7f).contains(&byte),
            Some(b']' | b'P' | b'X' | b'^' | b'_') => {
                let ends = self.sequence.len() > 3 && self.sequence.ends_with(b"\x1b\\");
                let bell = self.sequence.get(1) == Some(&b']') && byte == 0x07;
                ends || bell || byte == 0x9c
            }
            _ => (0x30..0x7f).contains(&byte),
        };
        if !whole && self.sequence.len() < SEQUENCE_MAX {
            return None;
        }
        let bytes = std::mem::take(&mut self.sequence);
        let text = |bytes: &[u8]| {
            let end = bytes.len() - if bytes.ends_with(b"\x1b\\") { 2 } else { 1 };
            bytes.get(2..end).unwrap_or_default().to_vec()
        };
        Some(match bytes.get(1) {
            Some(b'[') => match Control::parse(&bytes) {
                Some(control) => Piece::Control(control),
                None => Piece::Plain(bytes),
            },
            Some(b']') => Piece::Command(text(&bytes)),
            Some(b'P') => Piece::Device(text(&bytes)),
            Some(b'X' | b'^' | b'_') => Piece::Plain(bytes),
            _ => Piece::Escape(bytes),
        })
    }
}
