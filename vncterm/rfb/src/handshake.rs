//! The dialogue before ServerInit: version, security, ClientInit (RFC 6143, 7.1 to 7.3.1).
//!
//! ```text
//!             3.3: type None                       ClientInit
//!  Version ----------------------------> Init ----------------> done
//!     |  3.7, 3.8: list of None            ^
//!     +--------------------> Security -----+
//!                              3.8: SecurityResult
//! ```

use crate::fault::Fault;
use crate::intake::Intake;
use crate::numbers::{SecurityResult, SecurityType};
use crate::output::Output;

/// What the server says first. It is the highest published version.
const GREETING: &[u8; 12] = b"RFB 003.008\n";

/// The dialogues that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V3_3,
    V3_7,
    V3_8,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Version,
    Security(Version),
    Init,
}

/// A handshake in progress.
#[derive(Debug)]
pub(crate) struct Handshake {
    intake: Intake,
    step: Step,
}

/// What ClientInit said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientInit {
    pub(crate) shared: bool,
}

impl Handshake {
    /// Greets.
    pub(crate) fn new(output: &mut Output) -> Self {
        output.bytes(GREETING);
        Self { intake: Intake::default(), step: Step::Version }
    }

    /// Goes on with bytes off the front of `bytes`; gives ClientInit when it has come.
    pub(crate) fn receive(
        &mut self,
        bytes: &mut &[u8],
        output: &mut Output,
    ) -> Result<Option<ClientInit>, Fault> {
        loop {
            match self.step {
                Step::Version => {
                    let Some(line) = self.intake.take(bytes) else { return Ok(None) };
                    self.step = begin(Version::parse(&line)?, output);
                }
                Step::Security(version) => {
                    let Some([choice]) = self.intake.take(bytes) else { return Ok(None) };
                    choose(version, choice, output)?;
                    self.step = Step::Init;
                }
                Step::Init => {
                    let Some([shared]) = self.intake.take(bytes) else { return Ok(None) };
                    return Ok(Some(ClientInit { shared: shared != 0 }));
                }
            }
        }
    }
}

impl Version {
    /// Reads a version. There are viewers which call themselves 3.4, 3.5, 3.6 (they speak 3.3),
    /// 3.889, 4.0, 4.1 and 5.0 (they speak 3.8).
    fn parse(line: &[u8; 12]) -> Result<Self, Fault> {
        let [b'R', b'F', b'B', b' ', a, b, c, b'.', d, e, f, b'\n'] = *line else {
            return Err(Fault::Version);
        };
        let (major, minor) = (number([a, b, c])?, number([d, e, f])?);
        match (major, minor) {
            (3, 3..=6) => Ok(Self::V3_3),
            (3, 7) => Ok(Self::V3_7),
            (3, 8..) | (4.., _) => Ok(Self::V3_8),
            (0..=2, _) | (3, 0..=2) => Err(Fault::OldVersion { major, minor }),
        }
    }
}

/// Reads three decimal digits.
fn number(digits: [u8; 3]) -> Result<u16, Fault> {
    digits.into_iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Ok(number * 10 + u16::from(digit - b'0')),
        _ => Err(Fault::Version),
    })
}

/// Offers the security type None; in 3.3 it is an order.
fn begin(version: Version, output: &mut Output) -> Step {
    match version {
        Version::V3_3 => {
            output.u32(SecurityType::None.number().into());
            Step::Init
        }
        Version::V3_7 | Version::V3_8 => {
            output.bytes(&[1, SecurityType::None.number()]);
            Step::Security(version)
        }
    }
}

/// Answers the choice of a security type. Only 3.8 has an answer for None, and only 3.8 tells
/// the reason of a refusal.
fn choose(version: Version, choice: u8, output: &mut Output) -> Result<(), Fault> {
    const REASON: &[u8; 29] = b"security type was not offered";

    match (SecurityType::from_number(choice), version) {
        (Some(SecurityType::None), Version::V3_8) => output.u32(SecurityResult::Ok.number()),
        (Some(SecurityType::None), Version::V3_3 | Version::V3_7) => {}
        (None, Version::V3_8) => {
            output.u32(SecurityResult::Failed.number());
            output.text(REASON);
            return Err(Fault::SecurityType(choice));
        }
        (None, Version::V3_3 | Version::V3_7) => {
            output.u32(SecurityResult::Failed.number());
            return Err(Fault::SecurityType(choice));
        }
    }
    Ok(())
}
