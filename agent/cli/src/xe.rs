//! `xe`: the commands of the Management API's command line that this version has.
//!
//! Grammar, columns and errors are those of the original; it never hides and never translates.
//! It serves the agent of this host alone: there is no remote front yet.

mod console;
mod fields;
mod format;
mod grammar;
mod vm;

use std::path::PathBuf;

use uuid::Uuid;
use xenwarden_model::{RefusalCode, Vm};

use crate::agent::{Agent, AgentError, vms};
use crate::xe::format::Printed;
pub(crate) use crate::xe::grammar::{Call, Surroundings};

/// What `xe help` prints.
const HELP: &str = "\
Usage: xe <command> [-s server] [-p port] [--minimal] [parameter=value ...]

  xe vm-list params=uuid --minimal name-label=web01
  xe vm-param-set uuid=<uuid> other-config:disable_pv_vnc=1
  xe vm-param-set uuid=<uuid> xenstore-data:vm-data/foo=bar
  xe console-list vm-uuid=<uuid>

Commands
  console-list     [params=a,b|all] [field=value ...]
  vm-list          [params=a,b|all] [field=value ...] [map:key=value ...]
  vm-param-list    uuid=
  vm-param-get     uuid= param-name= [param-key=]
  vm-param-set     uuid= [name-label=] [other-config:key=value] [xenstore-data:key=value]
  vm-param-add     uuid= param-name= key=value ...
  vm-param-remove  uuid= param-name= param-key=

--agent SOCKET or XENWARDEN_AGENT names the agent's socket.
";

/// Why a command fails. Printed on standard error as it is, as the original prints it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XeError {
    /// A word that is no parameter, or a switch without its value.
    #[error("Syntax error: {0}\nFor usage run: 'xe help'")]
    Syntax(String),
    /// A command that isn't one.
    #[error("Unknown command: {0}\nFor usage run: 'xe help'")]
    UnknownCommand(String),
    /// A parameter that the command can't do without.
    #[error("Required parameter not found: {0}\nFor usage run: 'xe help'")]
    MissingParameter(&'static str),
    /// A server that isn't this host.
    #[error("Unable to contact server. Please check server and port settings.")]
    OtherServer,
    /// The agent doesn't answer.
    #[error("Failed to contact a running management agent.\n{0}")]
    NoAgent(AgentError),
    /// No VM has this uuid.
    #[error("The uuid you supplied was invalid.\ntype: VM\nuuid: {0}")]
    UnknownUuid(String),
    /// A key that is there already.
    #[error(
        "You tried to add a key-value pair to a map, but that key is already there.\n\
         type: VM\nparam_name: {map}\nuuid: {vm}\nkey: {key}"
    )]
    DuplicateKey {
        /// The map, by its name in the API.
        map: &'static str,
        /// The VM.
        vm: Uuid,
        /// The key.
        key: String,
    },
    /// A field that `vm-param-get` and its like don't know.
    #[error("Error code: Missing parameter\nError parameters: {0}")]
    NoSuchParameter(String),
    /// Everything that the original calls an error and explains in a sentence.
    #[error("Error: {0}")]
    Failed(String),
}

impl From<AgentError> for XeError {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Refused(refusal) => Self::Failed(refusal.message),
            AgentError::Unreachable { .. }
            | AgentError::Lost(_)
            | AgentError::Silent
            | AgentError::Closed
            | AgentError::Malformed(_)
            | AgentError::TooLong
            | AgentError::Unexpected => Self::NoAgent(error),
        }
    }
}

/// A command of the closed list, its parameters not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Help,
    ConsoleList,
    VmList,
    VmParamList,
    VmParamGet,
    VmParamSet,
    VmParamAdd,
    VmParamRemove,
}

const COMMANDS: [(&str, Command); 8] = [
    ("help", Command::Help),
    ("console-list", Command::ConsoleList),
    ("vm-list", Command::VmList),
    ("vm-param-list", Command::VmParamList),
    ("vm-param-get", Command::VmParamGet),
    ("vm-param-set", Command::VmParamSet),
    ("vm-param-add", Command::VmParamAdd),
    ("vm-param-remove", Command::VmParamRemove),
];

/// Runs one command line and returns what goes to standard output. The agent is connected to only
/// when the command needs it.
pub(crate) fn run<A: Agent>(
    call: &Call,
    connect: impl FnOnce(Option<&PathBuf>) -> Result<A, AgentError>,
) -> Result<String, XeError> {
    let Some(name) = &call.command else {
        return Ok(HELP.to_owned());
    };
    let found = COMMANDS.iter().find(|(known, _)| known == name);
    let Some((_, command)) = found else {
        return Err(XeError::UnknownCommand(name.clone()));
    };
    if *command == Command::Help {
        return Ok(HELP.to_owned());
    }
    if !call.is_for_this_host() {
        return Err(XeError::OtherServer);
    }
    let mut agent = connect(call.agent.as_ref())?;
    let printed = perform(*command, call, &mut agent)?;
    Ok(printed.text(call.is_minimal()))
}

fn perform(command: Command, call: &Call, agent: &mut impl Agent) -> Result<Printed, XeError> {
    match command {
        Command::Help => Ok(Printed::Nothing),
        Command::ConsoleList => console::list(call, &vms(agent)?),
        Command::VmList => vm::list(call, &vms(agent)?),
        Command::VmParamList => vm::param_list(call, &vms(agent)?),
        Command::VmParamGet => vm::param_get(call, &vms(agent)?),
        Command::VmParamSet => vm::param_set(call, agent),
        Command::VmParamAdd => vm::param_add(call, agent),
        Command::VmParamRemove => vm::param_remove(call, agent),
    }
}

/// The VM of the parameter `uuid`.
fn vm_of<'a>(call: &Call, vms: &'a [Vm]) -> Result<&'a Vm, XeError> {
    let text = call.required("uuid")?;
    let unknown = || XeError::UnknownUuid(text.to_owned());
    let uuid = Uuid::try_parse(text).map_err(|_| unknown())?;
    vms.iter().find(|vm| vm.uuid == uuid).ok_or_else(unknown)
}

/// A refusal, in the original's words where it has some.
fn refused(error: AgentError, vm: Uuid) -> XeError {
    match error {
        AgentError::Refused(refusal) if refusal.code == RefusalCode::UnknownVm => {
            XeError::UnknownUuid(vm.to_string())
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
