//! Colour, where a person looks: on a terminal, and not where `NO_COLOR` is set.

use std::io::IsTerminal;

/// Whether words are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// They are.
    Coloured,
    /// They aren't.
    Plain,
}

impl Paint {
    /// As standard output and `NO_COLOR` (set and not empty: no-color.org) ask for.
    pub(crate) fn of_standard_output() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if !forbidden && std::io::stdout().is_terminal() { Self::Coloured } else { Self::Plain }
    }

    /// Something that is as it should be.
    pub(crate) fn good(self, word: &str) -> String {
        self.paint("\x1b[32m", word)
    }

    /// Something that may become bad.
    pub(crate) fn doubtful(self, word: &str) -> String {
        self.paint("\x1b[33m", word)
    }

    /// Something that is wrong.
    pub(crate) fn bad(self, word: &str) -> String {
        self.paint("\x1b[31m", word)
    }

    fn paint(self, colour: &str, word: &str) -> String {
        match self {
            Self::Coloured => format!("{colour}{word}\x1b[0m"),
            Self::Plain => word.to_owned(),
        }
    }
}
