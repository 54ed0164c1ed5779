//! `xenwarden hook`: what toolstacks call when a VM's life changes.
//!
//! A VM's start never hangs or fails on the agent: there is one deadline for all of a hook's work,
//! its own input included, and whatever comes of it the exit code is 0, unless somebody wants it
//! strict. Nothing is printed on standard output, which libvirt would take for the VM's XML, and
//! nothing is asked of the toolstack, which waits for the hook.

mod libvirt;
mod xapi;

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use uuid::Uuid;
use xenwarden_model::{Ask, RefusalCode, Reply, VmMap};

use crate::agent::{Agent, AgentError, Connection};
use crate::hook::libvirt::{Domain, NotADomain};
use crate::visible::visible_lines;

/// A domain's XML is bounded: libvirt's own have some ten kilobytes.
const XML_MAX: u64 = 1024 * 1024;
/// What a strict hook ends with: xapi takes 1 for a remark, and goes on.
const STOP: u8 = 3;

/// Who calls, and with what.
#[derive(Debug, clap::Args)]
pub(crate) struct HookArgs {
    /// Fail, and so stop what the toolstack is at, where the agent's part isn't done
    #[arg(long)]
    strict: bool,
    /// How long it may take at most
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    wait: u64,
    /// `xapi`, `libvirt` or `xl`, and the words that it passes: the hook's name and -vmuuid UUID
    /// -reason REASON; NAME OPERATION SUB-OPERATION EXTRA, with XML on standard input; a domain's
    /// number, which is waited for until its vm-data is written and its console is up
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "TOOLSTACK WORDS"
    )]
    words: Vec<OsString>,
}

/// Why a hook's work isn't done.
#[derive(Debug, thiserror::Error)]
enum HookError {
    /// Nobody here is called so.
    #[error("no toolstack is called {0}; there are xapi, libvirt and xl")]
    UnknownToolstack(String),
    /// Its words don't fit.
    #[error("cannot read the words of {0}: {1}")]
    Words(&'static str, String),
    /// What comes with it doesn't fit.
    #[error("cannot read the domain's XML: {0}")]
    Xml(#[from] NotADomain),
    /// It does not come.
    #[error("cannot read standard input: {0}")]
    Input(#[from] std::io::Error),
    /// The agent doesn't do its part.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// Does a hook's work; the exit code is the toolstack's to act on.
pub(crate) fn run(socket: &Path, args: &HookArgs) -> ExitCode {
    let limit = Duration::from_secs(args.wait);
    let (done, outcome) = mpsc::channel();
    let words: Vec<String> =
        args.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let socket = socket.to_path_buf();
    // Whatever hangs, a socket or the input, hangs in there; this process ends without it.
    std::thread::spawn(move || {
        // Nobody listens any more when it took too long.
        let _ = done.send(serve(&socket, &words, limit));
    });
    let why = match outcome.recv_timeout(limit) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it was not done within {} s", args.wait),
    };
    let outcome = if args.strict { "it is stopped" } else { "it goes on" };
    eprintln!("xenwarden hook: {}; {outcome}", visible_lines(&why));
    if args.strict { ExitCode::from(STOP) } else { ExitCode::SUCCESS }
}

fn serve(socket: &Path, words: &[String], limit: Duration) -> Result<(), HookError> {
    let [toolstack, words @ ..] = words else { return Ok(()) };
    match toolstack.as_str() {
        "xapi" => {
            let call = xapi::Call::parse(words).map_err(|why| HookError::Words("xapi", why))?;
            match call.vm_to_know() {
                // Its name comes with its domain.
                Some(vm) => register(&mut Connection::open(socket)?, vm, &vm.to_string()),
                None => Ok(()),
            }
        }
        "libvirt" => {
            let [_, operation, ..] = words else {
                let why = "a domain's name and an operation belong there".to_owned();
                return Err(HookError::Words("libvirt", why));
            };
            if !libvirt::is_before_a_start(operation) {
                return Ok(());
            }
            let mut xml = String::new();
            std::io::stdin().lock().take(XML_MAX).read_to_string(&mut xml)?;
            let domain = Domain::parse(&xml)?;
            take_over(&mut Connection::open(socket)?, &domain)
        }
        "xl" => {
            let domid = match words {
                [domid] => domid.parse().ok(),
                _ => None,
            };
            let why = || "one domain's number belongs there".to_owned();
            let domid = domid.ok_or_else(|| HookError::Words("xl", why()))?;
            let mut agent = Connection::open(socket)?;
            agent.wait_at_most(limit)?;
            agent.ask(&Ask::Ready { domid })?;
            Ok(())
        }
        other => Err(HookError::UnknownToolstack(other.to_owned())),
    }
}

/// Makes the VM's record, unless there is one.
fn register(agent: &mut impl Agent, vm: Uuid, name: &str) -> Result<(), HookError> {
    let ask = Ask::Register { name: name.to_owned(), uuid: Some(vm) };
    match agent.ask(&ask) {
        Err(AgentError::Refused(refusal)) if refusal.code == RefusalCode::Exists => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Has the VM's record say what its XML does, before it starts. A key that is refused stops no
/// other; the first refusal is told.
fn take_over(agent: &mut impl Agent, domain: &Domain) -> Result<(), HookError> {
    register(agent, domain.uuid, &domain.name)?;
    let vm = domain.uuid;
    let mut asks = Vec::new();
    for (map, keys) in
        [(VmMap::OtherConfig, &domain.other_config), (VmMap::XenstoreData, &domain.xenstore_data)]
    {
        asks.extend(keys.iter().map(|(key, value)| Ask::SetKey {
            vm,
            map,
            key: key.clone(),
            value: value.clone(),
        }));
    }
    for (device, keys) in &domain.vifs {
        let Reply::Registered(nic) = agent.ask(&Ask::AddVif { vm, device: *device })? else {
            return Err(AgentError::Unexpected.into());
        };
        asks.extend(keys.iter().map(|(key, value)| Ask::SetNicKey {
            nic,
            key: key.clone(),
            value: value.clone(),
        }));
    }
    let mut first = Ok(());
    for ask in asks {
        first = first.and(agent.ask(&ask).map(drop));
    }
    Ok(first?)
}
