//! The words of an `xe` command line: switches, then a command, then `name=value` pairs, in any
//! order.
//!
//! What the names mean to a command isn't known here. Files and the environment are arguments.

use std::path::PathBuf;

use crate::xe::XeError;

/// What the environment adds to a command line. The command line wins over `extra`, and `extra`
/// over `rc`.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// `XE_EXTRA_ARGS`: words with commas between them; a comma in a word is `\,`.
    pub(crate) extra: Option<String>,
    /// The text of `~/.xe`: a pair a line.
    pub(crate) rc: Option<String>,
}

/// A command line, parsed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The command, if there is one.
    pub(crate) command: Option<String>,
    /// The socket of `--agent`, if it is named.
    pub(crate) agent: Option<PathBuf>,
    /// Every pair, those that win first.
    pairs: Vec<(String, String)>,
}

/// Switches that take the next word as their value, and the names that they stand for.
const VALUED: [(&str, &str); 8] = [
    ("-s", "server"),
    ("-h", "server"),
    ("-p", "port"),
    ("-u", "username"),
    ("-pw", "password"),
    ("-pwf", "passwordfile"),
    ("--traceparent", "traceparent"),
    ("--agent", "agent"),
];

/// Pairs that steer `xe` itself; a command takes every other one for a field.
const STANDARD: [&str; 16] = [
    "server",
    "password",
    "passwordfile",
    "port",
    "username",
    "minimal",
    "force",
    "multiple",
    "all",
    "message-priority",
    "trace",
    "traceparent",
    "nossl",
    "debug",
    "debug-on-fail",
    "agent",
];

/// Names of this host.
const THIS_HOST: [&str; 4] = ["localhost", "127.0.0.1", "::1", "[::1]"];

impl Call {
    /// Parses the words that follow the program's name.
    pub(crate) fn parse(words: &[String], around: &Surroundings) -> Result<Self, XeError> {
        let mut call = Self { command: None, agent: None, pairs: Vec::new() };
        call.take(words)?;
        let extra = around.extra.as_deref().map(split_at_commas).unwrap_or_default();
        call.take(&extra)?;
        let rc = around.rc.as_deref().unwrap_or_default();
        call.pairs.extend(rc.lines().filter_map(|line| {
            let (name, value) = line.trim().split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        }));
        call.agent = call.value("agent").map(PathBuf::from);
        Ok(call)
    }

    fn take(&mut self, words: &[String]) -> Result<(), XeError> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if let Some((_, name)) = VALUED.iter().find(|(switch, _)| switch == word) {
                let value = words.next().ok_or_else(|| XeError::Syntax(word.clone()))?;
                self.pairs.push(((*name).to_owned(), value.clone()));
            } else if let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) {
                let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
                self.pairs.push((name.to_owned(), value.to_owned()));
            } else if let Some((name, value)) = word.split_once('=') {
                self.pairs.push((name.to_owned(), value.to_owned()));
            } else if self.command.is_none() && !word.starts_with('-') {
                self.command = Some(word.clone());
            } else if let Some(name) = word.strip_prefix('-') {
                let value = words.next().ok_or_else(|| XeError::Syntax(word.clone()))?;
                self.pairs.push((name.to_owned(), value.clone()));
            } else {
                return Err(XeError::Syntax(word.clone()));
            }
        }
        Ok(())
    }

    /// The value of a name, where it is given.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a name that must be given.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, XeError> {
        self.value(name).ok_or(XeError::MissingParameter(name))
    }

    /// Every pair that is neither one of `taken` nor one that steers `xe` itself.
    pub(crate) fn others(&self, taken: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .filter(|(name, _)| {
                !taken.contains(&name.as_str()) && !STANDARD.contains(&name.as_str())
            })
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether a flag is set.
    pub(crate) fn is_set(&self, flag: &str) -> bool {
        self.value(flag).is_some_and(|value| value == "true")
    }

    /// Whether one bare line is wanted.
    pub(crate) fn is_minimal(&self) -> bool {
        self.is_set("minimal")
    }

    /// Whether no server is named, or this host is.
    pub(crate) fn is_for_this_host(&self) -> bool {
        self.value("server").is_none_or(|server| THIS_HOST.contains(&server))
    }
}

/// Splits at commas; `\,` is a comma and `\\` a backslash.
fn split_at_commas(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ',' => words.push(String::new()),
            '\\' => words.last_mut().into_iter().for_each(|word| word.extend(characters.next())),
            other => words.last_mut().into_iter().for_each(|word| word.push(other)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Call {
        parse_around(line, &Surroundings::default())
    }

    fn parse_around(line: &str, around: &Surroundings) -> Call {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Call::parse(&words, around).expect("a command line")
    }

    #[test]
    fn a_command_its_pairs_and_its_flags_come_in_any_order() {
        for line in [
            "vm-list params=uuid --minimal name-label=web01",
            "--minimal vm-list params=uuid name-label=web01",
            "params=uuid name-label=web01 --minimal vm-list",
            "-s localhost -u root -pw secret vm-list params=uuid name-label=web01 --minimal",
        ] {
            let call = parse(line);
            assert_eq!(call.command.as_deref(), Some("vm-list"), "{line}");
            assert!(call.is_minimal() && call.is_for_this_host());
            let others: Vec<_> = call.others(&["params"]).collect();
            assert_eq!(others, [("name-label", "web01")], "{line}");
        }
    }

    #[test]
    fn a_pair_is_split_at_its_first_equals_sign() {
        let call = parse("vm-param-set uuid=u other-config:a=b=c xenstore-data:vm-data/x=");
        let others: Vec<_> = call.others(&["uuid"]).collect();
        assert_eq!(others, [("other-config:a", "b=c"), ("xenstore-data:vm-data/x", "")]);
    }

    #[test]
    fn a_switch_takes_the_next_word_and_must_have_one() {
        assert_eq!(parse("vm-list -x y").value("x"), Some("y"));
        assert_eq!(parse("--agent /s vm-list").agent, Some(PathBuf::from("/s")));
        assert_eq!(parse("vm-list --agent=/s").agent, Some(PathBuf::from("/s")));
        let words = ["vm-list".to_owned(), "-u".to_owned()];
        let missing = Call::parse(&words, &Surroundings::default());
        assert!(matches!(missing, Err(XeError::Syntax(word)) if word == "-u"));
    }

    #[test]
    fn a_second_bare_word_is_an_error() {
        let words = ["vm-list".to_owned(), "web01".to_owned()];
        let extra = Call::parse(&words, &Surroundings::default());
        assert!(matches!(extra, Err(XeError::Syntax(word)) if word == "web01"));
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let around = Surroundings {
            extra: Some(r"params=uuid\,name-label,--minimal,port=2".into()),
            rc: Some("port=3\nserver = elsewhere\n\nnonsense\n".into()),
        };
        let call = parse_around("vm-list port=1", &around);
        assert_eq!(call.value("port"), Some("1"));
        assert_eq!(call.value("params"), Some("uuid,name-label"));
        assert!(call.is_minimal());
        assert!(!call.is_for_this_host());
        assert_eq!(parse_around("vm-list", &around).value("port"), Some("2"));
    }

    #[test]
    fn another_server_is_not_this_host() {
        assert!(!parse("-s 10.0.0.1 vm-list").is_for_this_host());
        assert!(parse("-s 127.0.0.1 vm-list").is_for_this_host());
    }
}
