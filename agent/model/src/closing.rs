//! Why an open console closes: a word for programs and a sentence for people.
//!
//! How a transport carries it is the network front's business.

use serde::{Deserialize, Serialize};

/// Why a console that was open has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closing {
    /// The viewer left.
    Left,
    /// The guest has ended, and its VM has not come back.
    ShutDown,
    /// The guest has ended, and its VM runs again.
    Rebooted,
    /// The guest goes on as another domain of this host.
    Moved,
    /// The VM's console was switched off.
    Off,
    /// The console's program ended, and another is started.
    Restarts,
    /// Nothing was typed for as long as a console may be idle.
    Idle,
    /// The viewer sent what is no message of its protocol.
    Malformed,
    /// The console's own end closed, and nobody knows why.
    Ended,
}

impl Closing {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Left,
        Self::ShutDown,
        Self::Rebooted,
        Self::Moved,
        Self::Off,
        Self::Restarts,
        Self::Idle,
        Self::Malformed,
        Self::Ended,
    ];

    /// The word that logs and programs know it by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::ShutDown => "shut-down",
            Self::Rebooted => "rebooted",
            Self::Moved => "moved",
            Self::Off => "off",
            Self::Restarts => "restarts",
            Self::Idle => "idle",
            Self::Malformed => "malformed",
            Self::Ended => "ended",
        }
    }

    /// The sentence that viewers read.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Left => "the viewer left",
            Self::ShutDown => "the guest shut down",
            Self::Rebooted => "the guest rebooted",
            Self::Moved => "the guest goes on as another domain",
            Self::Off => "the console of this VM was switched off",
            Self::Restarts => "the console service of this VM restarts",
            Self::Idle => "nothing was typed for too long",
            Self::Malformed => "what the viewer sent is no message of its protocol",
            Self::Ended => "the console ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_word_that_it_is_written_as() {
        for closing in Closing::ALL {
            let word = serde_json::to_string(&closing).unwrap();
            assert_eq!(word, format!("\"{}\"", closing.word()));
            // A WebSocket's reason has 123 bytes at most (RFC 6455, 5.5).
            assert!(closing.sentence().len() <= 123);
        }
    }
}
