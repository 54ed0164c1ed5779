//! The demo's own xenstored and xenwardend: started, watched, stopped.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::demo::DemoError;
use crate::demo::front::Front;
use crate::demo::guest::spawn_bound;
use crate::demo::places::{Places, Slot, program};
use crate::visible::visible;

/// How long a program may take to end after SIGTERM.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Lines of a program's log that an error shows.
const LOG_LINES: usize = 5;

/// Seconds that a converter of a demo outlives its agent: long enough for a new agent, short
/// enough for a demo that was killed.
const ORPHAN_S: u32 = 20;

/// Seconds that a converter waits for a new console after its own has hung up: a demo's consoles
/// hang up only at its end.
const TTY_WAIT_S: u32 = 5;

/// One program of the demo.
#[derive(Debug)]
pub(super) struct Daemon {
    name: &'static str,
    program: PathBuf,
    words: Vec<std::ffi::OsString>,
    variables: Vec<(&'static str, std::ffi::OsString)>,
    log: PathBuf,
    child: Child,
}

impl Daemon {
    /// Our store, for sockets alone.
    pub(super) fn store(places: &Places) -> Result<Self, DemoError> {
        let variables = vec![
            ("XENSTORED_PATH", places.xenstore().into_os_string()),
            ("XENSTORED_RUNDIR", places.run().into_os_string()),
        ];
        Self::start("xenstored", &["-N".into(), "-D".into()], variables, places)
    }

    /// Our agent.
    pub(super) fn agent(places: &Places, slot: &Slot, front: &Front) -> Result<Self, DemoError> {
        let converter = program("vncterm")?;
        places.write_users(&front.users()?)?;
        places.write_config(&configuration(places, slot, &converter, front))?;
        let words = ["--config".into(), places.config().into_os_string()];
        Self::start("xenwardend", &words, Vec::new(), places)
    }

    /// Our network front, which reads the agent's configuration.
    pub(super) fn api(places: &Places) -> Result<Self, DemoError> {
        let words = ["--config".into(), places.config().into_os_string()];
        Self::start("xenwarden-api", &words, Vec::new(), places)
    }

    fn start(
        name: &'static str,
        words: &[std::ffi::OsString],
        variables: Vec<(&'static str, std::ffi::OsString)>,
        places: &Places,
    ) -> Result<Self, DemoError> {
        let (program, words) = (program(name)?, words.to_vec());
        let log = places.logs().join(format!("{name}.log"));
        let child = spawn(&program, &words, &variables, &log)
            .map_err(|source| DemoError::Start { program: program.clone(), source })?;
        Ok(Self { name, program, words, variables, log, child })
    }

    /// The program's name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Waits until the program has ended by itself.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => ending(status),
            Err(error) => error.to_string(),
        }
    }

    /// Starts the program that has ended again.
    pub(super) fn restart(&mut self) -> Result<(), DemoError> {
        self.child = spawn(&self.program, &self.words, &self.variables, &self.log)
            .map_err(|source| DemoError::Start { program: self.program.clone(), source })?;
        Ok(())
    }

    /// The error of a program that must not have ended.
    pub(super) fn failure(&self, how: &str) -> DemoError {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(visible).collect();
        let from = lines.len().saturating_sub(LOG_LINES);
        DemoError::Ended {
            name: self.name,
            how: how.to_owned(),
            log: lines.get(from..).unwrap_or_default().join("\n  "),
        }
    }

    /// Asks the program to end, and makes it.
    pub(super) async fn stop(&mut self) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // An error means that it has ended already: the child isn't reaped yet, so the number
            // is still its own.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if timeout(STOP_WAIT, self.child.wait()).await.is_err() {
            eprintln!("xenwarden: {} does not end by itself: it is killed", self.name);
            let _ = self.child.kill().await;
        }
    }
}

fn spawn(
    program: &Path,
    words: &[std::ffi::OsString],
    variables: &[(&'static str, std::ffi::OsString)],
    log: &Path,
) -> io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command
        .args(words)
        .env_remove("XENWARDEN_AGENT")
        .env_remove("NOTIFY_SOCKET")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        // Ctrl-C at the terminal is for the demo: it ends its programs in their order.
        .process_group(0);
    spawn_bound(command)
}

fn ending(status: ExitStatus) -> String {
    status.to_string()
}

/// The agent's configuration: everything that a production agent would have for itself.
fn configuration(places: &Places, slot: &Slot, converter: &Path, front: &Front) -> String {
    let quoted = |path: &Path| toml_string(&path.to_string_lossy());
    format!(
        "# Written by `xenwarden demo`.\n\
         [agent]\n\
         run_dir = {run}\n\
         state_dir = {state}\n\
         user = \"{front_uid}\"\n\
         group = \"{front_uid}\"\n\
         [xenstore]\n\
         socket = {socket}\n\
         [consoles]\n\
         vnc_base_port = {vnc}\n\
         text_base_port = {text}\n\
         lock_dir = {locks}\n\
         [converters]\n\
         program = {program}\n\
         uid_base = {uid_base}\n\
         orphan_s = {ORPHAN_S}\n\
         tty_wait_s = {TTY_WAIT_S}\n\
         [host_console]\n\
         login = \"\"\n\
         [api]\n\
         listen = \"{address}\"\n\
         [login]\n\
         method = \"file\"\n\
         users_file = {users}\n",
        front_uid = slot.front(),
        address = front.address,
        users = quoted(&places.users()),
        run = quoted(&places.run()),
        state = quoted(&places.state()),
        socket = quoted(&places.xenstore()),
        vnc = slot.vnc_base(),
        text = slot.text_base(),
        locks = quoted(&places.locks()),
        program = quoted(converter),
        uid_base = slot.converters(),
    )
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\0'..='\x1f' | '\x7f' => quoted.push_str(&format!("\\u{:04X}", u32::from(character))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_string_of_toml() {
        assert_eq!(toml_string("/tmp/a\"b\\c\n"), r#""/tmp/a\"b\\c\u000A""#);
    }
}
