//! `xe`: the commands of the Management API's command line that this version has.
//!
//! Grammar, columns and errors are those of the original; it never hides and never translates.
//! It serves the agent of this host alone: there is no remote front yet.

mod console;
mod fields;
mod format;
mod grammar;
mod nic;
mod params;
mod vm;

use std::path::PathBuf;

use uuid::Uuid;
use xenwarden_model::Vm;

use crate::agent::{Agent, AgentError, vms};
use crate::xe::format::Printed;
pub(crate) use crate::xe::grammar::{Call, Surroundings};
use crate::xe::params::Object;

/// What `xe help` prints.
const HELP: &str = "\
Usage: xe <command> [-s server] [-p port] [--minimal] [parameter=value ...]

  xe vm-list params=uuid --minimal name-label=web01
  xe vm-param-set uuid=<uuid> other-config:disable_pv_vnc=1
  xe vm-param-set uuid=<uuid> xenstore-data:vm-data/foo=bar
  xe console-list vm-uuid=<uuid>
  xe vif-param-set uuid=<uuid> other-config:ethtool-tx=off

Commands
  console-list     [params=a,b|all] [field=value ...]
  pif-list, pif-param-list, -get, -set, -add, -remove: as for VMs; other-config alone is set
  vif-list, vif-param-list, -get, -set, -add, -remove: the same
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
    /// No object of the class has this uuid.
    #[error("The uuid you supplied was invalid.\ntype: {class}\nuuid: {uuid}")]
    UnknownUuid {
        /// The class, by its name in the API.
        class: &'static str,
        /// What was supplied.
        uuid: String,
    },
    /// A key that is there already.
    #[error(
        "You tried to add a key-value pair to a map, but that key is already there.\n\
         type: {class}\nparam_name: {map}\nuuid: {uuid}\nkey: {key}"
    )]
    DuplicateKey {
        /// The class, by its name in the API.
        class: &'static str,
        /// The map, by its name in the API.
        map: &'static str,
        /// The object.
        uuid: Uuid,
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

/// What is done to objects of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    List,
    ParamList,
    ParamGet,
    ParamSet,
    ParamAdd,
    ParamRemove,
}

/// A command of the closed list, its parameters not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Help,
    ConsoleList,
    Vm(Deed),
    Vif(Deed),
    Pif(Deed),
}

/// How each deed is called, behind the class's name.
const DEEDS: [(&str, Deed); 6] = [
    ("-list", Deed::List),
    ("-param-list", Deed::ParamList),
    ("-param-get", Deed::ParamGet),
    ("-param-set", Deed::ParamSet),
    ("-param-add", Deed::ParamAdd),
    ("-param-remove", Deed::ParamRemove),
];

impl Command {
    fn parse(name: &str) -> Option<Self> {
        let deed = |class: &str| {
            let rest = name.strip_prefix(class)?;
            DEEDS.iter().find(|(known, _)| *known == rest).map(|(_, deed)| *deed)
        };
        match name {
            "help" => Some(Self::Help),
            "console-list" => Some(Self::ConsoleList),
            _ => None
                .or_else(|| deed("vm").map(Self::Vm))
                .or_else(|| deed("vif").map(Self::Vif))
                .or_else(|| deed("pif").map(Self::Pif)),
        }
    }
}

/// Runs one command line and returns what goes to standard output. The agent is connected to only
/// when the command needs it.
pub(crate) fn run<A: Agent>(
    call: &Call,
    connect: impl FnOnce(Option<&PathBuf>) -> Result<A, AgentError>,
) -> Result<String, XeError> {
    let Some(name) = &call.command else {
        return Ok(HELP.to_owned());
    };
    let Some(command) = Command::parse(name) else {
        return Err(XeError::UnknownCommand(name.clone()));
    };
    if command == Command::Help {
        return Ok(HELP.to_owned());
    }
    if !call.is_for_this_host() {
        return Err(XeError::OtherServer);
    }
    let mut agent = connect(call.agent.as_ref())?;
    let printed = perform(command, call, &mut agent)?;
    Ok(printed.text(call.is_minimal()))
}

fn perform(command: Command, call: &Call, agent: &mut impl Agent) -> Result<Printed, XeError> {
    match command {
        Command::Help => Ok(Printed::Nothing),
        Command::ConsoleList => console::list(call, &vms(agent)?),
        Command::Vm(deed) => do_deed::<Vm>(deed, call, agent),
        Command::Vif(deed) => do_deed::<nic::Vif>(deed, call, agent),
        Command::Pif(deed) => do_deed::<nic::Pif>(deed, call, agent),
    }
}

fn do_deed<T: Object>(deed: Deed, call: &Call, agent: &mut impl Agent) -> Result<Printed, XeError> {
    match deed {
        Deed::List => params::list::<T>(call, agent),
        Deed::ParamList => params::param_list::<T>(call, agent),
        Deed::ParamGet => params::param_get::<T>(call, agent),
        Deed::ParamSet => params::param_set::<T>(call, agent),
        Deed::ParamAdd => params::param_add::<T>(call, agent),
        Deed::ParamRemove => params::param_remove::<T>(call, agent),
    }
}

#[cfg(test)]
mod tests;
