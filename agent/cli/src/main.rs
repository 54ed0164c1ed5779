//! `xenwarden`, the command line of the agent; called as `xe`, the Management API's.
//!
//! Data goes to standard output, talk to standard error. It keeps nothing: every answer is the
//! agent's.

mod agent;
mod args;
mod audit;
mod choice;
mod clock;
mod console;
mod create;
mod demo;
mod hook;
mod list;
mod nic;
mod paint;
mod span;
mod status;
mod table;
mod visible;
#[cfg(test)]
mod world;
mod xe;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use nix::libc;
use uuid::Uuid;
use xenwarden_model::{Ask, Reply};

use crate::agent::{Agent, AgentError, Connection, vms};
use crate::args::{Args, Command, agent_socket};
use crate::choice::chosen;
use crate::paint::Paint;
use crate::visible::{visible, visible_lines};

/// Columns of a line where standard output is no terminal.
const COLUMNS: usize = 100;

/// Something is wrong, or a command failed.
const FAILED: u8 = 1;

/// The command line is none.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let called_as = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if called_as.file_name().is_some_and(|name| name == "xe") {
        let words: Vec<String> =
            std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        return run_xe(&words, None);
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(wrong) => return refuse(&wrong),
    };
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            complain(&*error);
            ExitCode::from(FAILED)
        }
    }
}

/// Help where it was asked for, else one line.
fn refuse(wrong: &clap::Error) -> ExitCode {
    if !wrong.use_stderr() {
        // Whoever closed standard output has read enough.
        let _ = wrong.print();
        return ExitCode::SUCCESS;
    }
    if wrong.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = wrong.print();
        return ExitCode::from(WRONG_USAGE);
    }
    let text = wrong.to_string();
    // The first paragraph says what is wrong, on one line or as a list.
    let first = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let tip = tip.map(|tip| format!("; {tip}")).unwrap_or_default();
    eprintln!("xenwarden: {}{tip}; see xenwarden --help", visible_lines(&line));
    ExitCode::from(WRONG_USAGE)
}

/// What failed, and why. Names that others chose may be in it.
fn complain(error: &dyn Error) {
    eprintln!("xenwarden: {}", visible_lines(&error.to_string()));
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    let socket = args.agent();
    match &args.command {
        Command::Status { json } => show_status(&socket, *json),
        Command::List { json, all } => show_list(&socket, *json, *all),
        Command::Audit { json } => show_audit(&socket, *json),
        Command::Console { vm, escape } => Ok(console::open(&socket, vm, *escape)?),
        Command::Nic { device, json } => show_nics(&socket, device.as_deref(), *json),
        Command::Hook(hook) => Ok(hook::run(&socket, hook)),
        Command::Create(create) => Ok(create::run(&socket, create)?),
        Command::Register { name, uuid } => register(&socket, name, *uuid),
        Command::Forget { vm } => forget(&socket, vm),
        Command::Xe { words } => Ok(run_xe(words, Some(socket))),
        Command::Demo(demo) => Ok(demo::run(demo)?),
        Command::DemoDrawing => Ok(demo::draw()?),
        Command::DemoGuest(guest) => Ok(demo::become_guest(guest)?),
    }
}

fn show_status(socket: &Path, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let Reply::Status(status) = Connection::open(socket)?.ask(&Ask::Status)? else {
        return Err(AgentError::Unexpected.into());
    };
    match json {
        true => print_as_it_is(&status::json(&status)?)?,
        false => print(&status::prose(&status, Paint::of_standard_output()))?,
    }
    Ok(verdict(status::is_healthy(&status)))
}

fn show_list(socket: &Path, json: bool, all: bool) -> Result<ExitCode, Box<dyn Error>> {
    let vms = vms(&mut Connection::open(socket)?)?;
    let listing = match json {
        true => list::json(&vms, all)?,
        false => list::listing(&vms, all, terminal_columns().unwrap_or(COLUMNS)),
    };
    match json {
        true => print_as_it_is(&listing.data)?,
        false => print(&listing.data)?,
    }
    if let Some(talk) = listing.talk {
        eprintln!("{talk}");
    }
    Ok(ExitCode::SUCCESS)
}

fn show_nics(socket: &Path, word: Option<&str>, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let nics = nic::nics(&mut Connection::open(socket)?)?;
    let shown = nic::chosen(&nics, word);
    if let Some(word) = word.filter(|_| shown.is_empty()) {
        let word = visible(word);
        return Err(
            format!("no network interface is {word}: a device, a uuid, or a VM's name").into()
        );
    }
    match json {
        true => print_as_it_is(&nic::json(&shown)?)?,
        false => print(&nic::people(&shown))?,
    }
    Ok(verdict(nic::is_as_wanted(&shown)))
}

fn show_audit(socket: &Path, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let Reply::Audit(audit) = Connection::open(socket)?.ask(&Ask::Audit)? else {
        return Err(AgentError::Unexpected.into());
    };
    match json {
        true => print_as_it_is(&audit::json(&audit)?)?,
        false => print(&audit::prose(&audit, Paint::of_standard_output()))?,
    }
    Ok(verdict(audit::holds(&audit)))
}

fn register(socket: &Path, name: &str, uuid: Option<Uuid>) -> Result<ExitCode, Box<dyn Error>> {
    let ask = Ask::Register { name: name.to_owned(), uuid };
    let Reply::Registered(uuid) = Connection::open(socket)?.ask(&ask)? else {
        return Err(AgentError::Unexpected.into());
    };
    print(&format!("{uuid}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn forget(socket: &Path, word: &str) -> Result<ExitCode, Box<dyn Error>> {
    let mut agent = Connection::open(socket)?;
    let vms = vms(&mut agent)?;
    let vm = chosen(&vms, word)?;
    agent.ask(&Ask::Forget { vm: vm.uuid })?;
    Ok(ExitCode::SUCCESS)
}

fn run_xe(words: &[String], socket: Option<PathBuf>) -> ExitCode {
    let rc = std::env::home_dir().and_then(|home| std::fs::read_to_string(home.join(".xe")).ok());
    let around = xe::Surroundings { extra: std::env::var("XE_EXTRA_ARGS").ok(), rc };
    let result = xe::Call::parse(words, &around).and_then(|call| {
        xe::run(&call, |named| Connection::open(&agent_socket(named.cloned().or(socket))))
    });
    match result {
        Ok(text) => match print_as_it_is(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(FAILED),
        },
        Err(error) => {
            eprintln!("{}", visible_lines(&error.to_string()));
            ExitCode::from(FAILED)
        }
    }
}

fn verdict(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// Prints data. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints what a program reads as it is. Guests write some of it (`xenstore-data`), and a terminal
/// would obey it: there it is made visible.
fn print_as_it_is(text: &str) -> std::io::Result<()> {
    if std::io::stdout().is_terminal() { print(&visible_lines(text)) } else { print(text) }
}

/// The width of the terminal that standard output is, if it is one.
#[allow(unsafe_code, reason = "TIOCGWINSZ has no safe wrapper")]
fn terminal_columns() -> Option<usize> {
    nix::ioctl_read_bad!(get_size, libc::TIOCGWINSZ, libc::winsize);
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize, and `size` is one.
    unsafe { get_size(libc::STDOUT_FILENO, &raw mut size) }.ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
