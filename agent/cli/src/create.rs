//! `xenwarden create`: starts a guest with xl, paused until the agent has done its part for it.
//!
//! xl does the starting, and says what is wrong with it. A guest is never kept back because of the
//! agent: without its word it is unpaused all the same, and that is said.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use serde_json::Value;
use xenwarden_model::{Ask, ConsoleState, Reply};

use crate::agent::{Agent, AgentError, Connection};
use crate::visible::visible;

/// What xl may say of a configuration or a domain's number: a configuration has a few kilobytes.
const SAID_MAX: usize = 1024 * 1024;

/// How a guest is started.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The toolstack's program
    #[arg(long, value_name = "PROGRAM", default_value = "xl")]
    pub(crate) xl: OsString,
    /// How long the guest waits for the agent at most
    #[arg(long, value_name = "SECONDS", default_value_t = 15,
          value_parser = clap::value_parser!(u64).range(1..=50))]
    pub(crate) wait: u64,
    /// What `xl create` takes: its configuration, KEY=VALUE, its own options
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CONFIG"
    )]
    pub(crate) words: Vec<OsString>,
}

/// Why a guest was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// xl doesn't run.
    #[error("cannot run {}: {source}", xl.display())]
    Run {
        /// xl.
        xl: OsString,
        /// Why.
        source: io::Error,
    },
    /// xl has said what is wrong.
    #[error("{} has failed: nothing was started", what.display())]
    Xl {
        /// What it was run as.
        what: OsString,
    },
    /// xl's dry run has no name in it.
    #[error("cannot tell the guest's name from what \"xl -N create\" prints: nothing was started")]
    NoName,
    /// An option that doesn't go together with this.
    #[error("-c shows the console while the guest is paused: use xenwarden console instead")]
    OwnConsole,
    /// The guest is there, and paused.
    #[error(
        "{} was created and is still paused ({why}): unpause it with \"xl unpause {}\", or end it \
         with \"xl destroy {}\"",
        visible(name),
        visible(name),
        visible(name)
    )]
    LeftPaused {
        /// Its name.
        name: String,
        /// What failed.
        why: String,
    },
}

/// xl, and how it was asked for.
struct Xl<'a>(&'a OsStr);

impl Xl<'_> {
    /// Runs it in this terminal; whether it says that it went well.
    fn run(&self, words: &[&OsStr]) -> Result<bool, CreateError> {
        let run = |source| CreateError::Run { xl: self.0.into(), source };
        Command::new(self.0).args(words).status().map(|status| status.success()).map_err(run)
    }

    /// What it prints, if it says that it went well.
    fn print(&self, words: &[&OsStr]) -> Result<Option<Vec<u8>>, CreateError> {
        let run = |source| CreateError::Run { xl: self.0.into(), source };
        let mut command = Command::new(self.0);
        let done = command.args(words).stderr(Stdio::inherit()).output().map_err(run)?;
        let fits = done.status.success() && done.stdout.len() <= SAID_MAX;
        Ok(fits.then_some(done.stdout))
    }
}

/// Starts a guest; the exit code says what happened.
pub(crate) fn run(socket: &Path, args: &CreateArgs) -> Result<ExitCode, CreateError> {
    let xl = Xl(&args.xl);
    let words: Vec<&OsStr> = passed_on(&args.words);
    let has = |option: &str| words.iter().any(|word| *word == option);
    if has("-c") {
        return Err(CreateError::OwnConsole);
    }
    let failed = |what: &str| CreateError::Xl { what: what.into() };
    let planned =
        xl.print(&before(&words, &["-N", "create"]))?.ok_or_else(|| failed("xl -N create"))?;
    let name = name_of(&planned).ok_or(CreateError::NoName)?;
    if !xl.run(&before(&words, &["create", "-p"]))? {
        return Err(failed("xl create -p"));
    }

    // From here on Ctrl-C would leave the guest paused, and nobody told.
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    let left = |why: String| CreateError::LeftPaused { name: name.clone(), why };
    let held = signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK);
    let printed = xl.print(&[OsStr::new("domid"), OsStr::new(&name)]);
    let printed = printed.map_err(|error| left(error.to_string()))?;
    let Some(domid) = printed.as_deref().and_then(number_of) else {
        return Err(left("xl domid doesn't say which domain it is".into()));
    };
    let prepared = wait_for_agent(socket, domid, Duration::from_secs(args.wait));
    if let Err(why) = &prepared {
        eprintln!(
            "xenwarden: warning: {} starts without the agent's word: {why}; its vm-data and its \
             console may come late",
            visible(&name)
        );
    }
    if has("-p") {
        eprintln!("{} is domain {domid}, and stays paused as you said (-p)", visible(&name));
    } else if !xl
        .run(&[OsStr::new("unpause"), OsStr::new(&domid.to_string())])
        .map_err(|error| left(error.to_string()))?
    {
        return Err(left("xl unpause has failed".into()));
    }
    if let Ok(held) = held {
        // What came meanwhile is obeyed now; the guest runs.
        let _ = held.thread_set_mask();
    }
    Ok(match prepared {
        Ok(console) => {
            eprintln!("{} is domain {domid}; {}", visible(&name), console_words(&console));
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    })
}

fn before<'w>(words: &[&'w OsStr], first: &[&'static str]) -> Vec<&'w OsStr> {
    first.iter().map(|word| OsStr::new(*word)).chain(words.iter().copied()).collect()
}

/// The words for xl: what follows a `--` is xl's as well.
fn passed_on(words: &[OsString]) -> Vec<&OsStr> {
    let mut parting = words.iter().position(|word| word == "--");
    let words = words.iter().enumerate();
    words
        .filter(|(index, _)| if parting == Some(*index) { parting.take().is_none() } else { true })
        .map(|(_, word)| word.as_os_str())
        .collect()
}

/// Waits until the agent has written the domain's data and its console is as it should be.
fn wait_for_agent(socket: &Path, domid: u16, limit: Duration) -> Result<ConsoleState, AgentError> {
    let mut agent = Connection::open(socket)?;
    agent.wait_at_most(limit)?;
    match agent.ask(&Ask::Ready { domid })? {
        Reply::Ready(console) => Ok(console),
        _ => Err(AgentError::Unexpected),
    }
}

fn console_words(console: &ConsoleState) -> String {
    match console {
        ConsoleState::Serving { .. } => "its console is served".to_owned(),
        ConsoleState::Off => "its console is switched off (disable_pv_vnc)".to_owned(),
        ConsoleState::Refused { why } => format!("its console is refused: {}", visible(why)),
        ConsoleState::Halted
        | ConsoleState::Waiting
        | ConsoleState::Starting
        | ConsoleState::Restarting { .. } => "it has no text console".to_owned(),
    }
}

/// The guest's name in xl's account of what it would create.
fn name_of(planned: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(planned);
    // Lines for people may come before it.
    let starts = text.match_indices(['{', '[']).map(|(start, _)| start);
    let mut starts = starts.filter(|start| text.get(..*start).is_some_and(begins_a_line));
    let plan = text.get(starts.next()?..)?;
    let plan = serde_json::Deserializer::from_str(plan).into_iter::<Value>().next()?.ok()?;
    find_name(&plan).filter(|name| !name.is_empty())
}

/// Whether what follows is the first of its line.
fn begins_a_line(before: &str) -> bool {
    before.is_empty() || before.ends_with('\n')
}

/// `c_info.name`, wherever this release of xl has it.
fn find_name(value: &Value) -> Option<String> {
    if let Some(name) = value.get("c_info").and_then(|info| info.get("name")) {
        return name.as_str().map(str::to_owned);
    }
    match value {
        Value::Object(map) => map.values().find_map(find_name),
        Value::Array(values) => values.iter().find_map(find_name),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn number_of(printed: &[u8]) -> Option<u16> {
    std::str::from_utf8(printed).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_in_what_xl_would_create() {
        let plan = br#"Parsing config from /vms{1}/[g1].cfg
[ { "domid": null, "config": { "c_info": { "type": "pv", "name": "g1" }, "b_info": {} } } ]
"#;
        assert_eq!(name_of(plan).as_deref(), Some("g1"));
        let bare = br#"{"c_info": {"name": "a b"}}"#;
        assert_eq!(name_of(bare).as_deref(), Some("a b"));
        for none in [&b""[..], b"{", b"{}", br#"{"c_info": {"name": ""}}"#, b"\xff{\"x\": 1}"] {
            assert_eq!(name_of(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_follows_two_dashes_is_xls_too() {
        let of = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let passed = passed_on(&words).into_iter().map(|word| word.to_string_lossy().into());
            passed.collect::<Vec<String>>().join(" ")
        };
        assert_eq!(of(&["g1.cfg", "--", "-q", "--", "x"]), "g1.cfg -q -- x");
        assert_eq!(of(&["-q", "g1.cfg", "memory=64"]), "-q g1.cfg memory=64");
    }

    #[test]
    fn a_number_is_all_that_xl_may_print_for_one() {
        assert_eq!(number_of(b"12\n"), Some(12));
        for none in [&b""[..], b"-1", b"g1 is an invalid domain identifier", b"70000"] {
            assert_eq!(number_of(none), None);
        }
    }
}
