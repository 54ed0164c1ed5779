//! How the agent starts a converter: fixed descriptor numbers, and arguments that hold no secret.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The longest console title, in characters; a VM's name is cut there.
const TITLE_MAX: usize = 64;

/// A descriptor that a converter inherits, at a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptor {
    /// The guest's console, `/dev/pts/N`, opened by the agent.
    Tty,
    /// The listener for RFB viewers; absent where QEMU serves the picture.
    RfbListener,
    /// The listener for plain text viewers; absent where none is wanted.
    TextListener,
    /// The listening control socket.
    Control,
    /// The screen file, opened read and write.
    Screen,
    /// What is only held: the lock that keeps `xenconsole` off this console, or a pty's other end;
    /// absent for a serial port.
    Lock,
    /// The empty network namespace that converters share.
    Network,
    /// Where the converter's pid is reported, once.
    Report,
}

impl Descriptor {
    /// Every descriptor, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Tty,
        Self::RfbListener,
        Self::TextListener,
        Self::Control,
        Self::Screen,
        Self::Lock,
        Self::Network,
        Self::Report,
    ];

    /// The number that it has in the converter.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Tty => 3,
            Self::RfbListener => 4,
            Self::TextListener => 5,
            Self::Control => 6,
            Self::Screen => 7,
            Self::Lock => 8,
            Self::Network => 9,
            Self::Report => 10,
        }
    }
}

/// What a converter is told on its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The VM's uuid.
    pub uuid: [u8; 16],
    /// The user and group id that it takes.
    pub uid: u32,
    /// The desktop name that viewers see.
    pub title: String,
    /// Columns of the screen.
    pub columns: u16,
    /// Rows of the screen.
    pub rows: u16,
    /// Whether viewers may ask for another size.
    pub resize: bool,
    /// Seconds without an agent after which it ends.
    pub orphan_s: u32,
    /// Seconds without a tty after which it ends.
    pub tty_wait_s: u32,
    /// Whether [`Descriptor::RfbListener`] is there.
    pub rfb: bool,
    /// Whether [`Descriptor::TextListener`] is there.
    pub text: bool,
    /// Whether [`Descriptor::Lock`] is there.
    pub lock: bool,
    /// Whether that is the other end of the console, a pty of the agent's own.
    pub pty: bool,
}

/// An argument of a converter that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("converter argument {0} is missing or malformed")]
pub struct StartError(pub &'static str);

impl Start {
    /// The arguments, without the program's name.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut uuid = String::new();
        for byte in self.uuid {
            uuid.push_str(&format!("{byte:02x}"));
        }
        let title = shown_title(&self.title);
        let mut arguments = Vec::from(["--converter".to_string()]);
        for (name, value) in [
            ("uuid", uuid),
            ("uid", self.uid.to_string()),
            ("title", title),
            ("columns", self.columns.to_string()),
            ("rows", self.rows.to_string()),
            ("resize", self.resize.to_string()),
            ("orphan-s", self.orphan_s.to_string()),
            ("tty-wait-s", self.tty_wait_s.to_string()),
            ("rfb", self.rfb.to_string()),
            ("text", self.text.to_string()),
            ("lock", self.lock.to_string()),
            ("pty", self.pty.to_string()),
        ] {
            arguments.push(format!("{name}={value}"));
        }
        arguments
    }

    /// Reads the arguments that follow `--converter`; each `name=value` once, in any order.
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, StartError> {
        let pairs: Vec<(&str, &str)> =
            arguments.into_iter().filter_map(|argument| argument.split_once('=')).collect();
        let value = |name: &'static str| {
            let mut found = pairs.iter().filter(|(key, _)| *key == name);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(*value),
                (None, _) | (_, Some(_)) => Err(StartError(name)),
            }
        };
        fn parsed<T: core::str::FromStr>(
            name: &'static str,
            value: Result<&str, StartError>,
        ) -> Result<T, StartError> {
            value?.parse().map_err(|_| StartError(name))
        }
        Ok(Self {
            uuid: parse_uuid(value("uuid")?)?,
            uid: parsed("uid", value("uid"))?,
            title: value("title")?.to_string(),
            columns: parsed("columns", value("columns"))?,
            rows: parsed("rows", value("rows"))?,
            resize: parsed("resize", value("resize"))?,
            orphan_s: parsed("orphan-s", value("orphan-s"))?,
            tty_wait_s: parsed("tty-wait-s", value("tty-wait-s"))?,
            rfb: parsed("rfb", value("rfb"))?,
            text: parsed("text", value("text"))?,
            lock: parsed("lock", value("lock"))?,
            pty: parsed("pty", value("pty"))?,
        })
    }
}

/// A VM's name as a console's title: bounded, and without control characters.
#[must_use]
pub fn shown_title(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(TITLE_MAX).collect()
}

fn parse_uuid(text: &str) -> Result<[u8; 16], StartError> {
    let number = u128::from_str_radix(text, 16).map_err(|_| StartError("uuid"))?;
    if text.len() == 32 { Ok(number.to_be_bytes()) } else { Err(StartError("uuid")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Start {
        Start {
            uuid: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255],
            uid: 1_879_048_199,
            title: "web01 = main".into(),
            columns: 80,
            rows: 24,
            resize: false,
            orphan_s: 600,
            tty_wait_s: 60,
            rfb: true,
            text: true,
            lock: false,
            pty: false,
        }
    }

    fn parse(arguments: &[String]) -> Result<Start, StartError> {
        Start::parse(arguments.iter().skip(1).map(String::as_str))
    }

    #[test]
    fn a_start_comes_back_as_it_was_sent() {
        assert_eq!(parse(&start().arguments()), Ok(start()));
    }

    #[test]
    fn every_argument_is_needed_and_may_come_once() {
        let arguments = start().arguments();
        for index in 1..arguments.len() {
            let mut fewer = arguments.clone();
            let argument = fewer.remove(index);
            assert!(parse(&fewer).is_err(), "without {argument}");
            let mut twice = arguments.clone();
            twice.push(argument);
            assert!(parse(&twice).is_err());
        }
    }

    #[test]
    fn a_title_loses_its_control_characters() {
        let mut hostile = start();
        hostile.title = "a\u{1b}]0;b\n".into();
        assert_eq!(parse(&hostile.arguments()).map(|start| start.title), Ok("a]0;b".into()));
    }

    #[test]
    fn descriptor_numbers_are_distinct_and_follow_the_standard_three() {
        for (number, descriptor) in (3..).zip(Descriptor::ALL) {
            assert_eq!(descriptor.number(), number);
        }
    }
}
