//! `device-model`: what xl starts in QEMU's place; it confines itself, and becomes QEMU.
//!
//! It is named by a guest's `device_model_override`, gets libxl's words, and executes QEMU with
//! more of them as its last step: same process, same descriptors, same outputs, so that libxl finds
//! everything as it expects. Where a step fails there is no QEMU, and one line says why.

mod command_line;
mod plan;
mod program;
mod settings;

use std::convert::Infallible;
use std::ffi::OsString;
use std::process::ExitCode;

use restrict::Executed;

use command_line::{CommandLine, CommandLineError};
use plan::{Plan, PlanError, Settings};

/// Exit codes, as in every program of this project.
const FAILED: u8 = 1;

const HELP: &str = "\
device-model: confines the QEMU that xl starts for a guest, and executes it

  In a guest's configuration:
    device_model_override = \"/usr/libexec/xenwarden/device-model\"

It gets QEMU's command line from libxl, and adds to it.

  an HVM guest's QEMU       restricted to its domain, a user of its own, an empty root
  a PV guest's framebuffer  a user of its own, a root with evtchn and gntdev alone
  a PV guest's disks only   root, without most of its privileges

All of them have limits, namespaces for mounts, ipc and uts, no new privileges, and a filter
that refuses system calls no device model needs. The keys run_dir in [agent], and uid_base and
program in [device_models], of /etc/xenwarden/xenwarden.toml hold for it.

  -h, --help     print this
  -V, --version  print the version
";

/// Why there is no QEMU.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("read libxl's command line")]
    CommandLine(#[from] CommandLineError),
    #[error("read the configuration")]
    Settings(#[from] settings::SettingsError),
    #[error("domain {domid}: plan its confinement")]
    Plan { domid: u16, source: PlanError },
    #[error("find QEMU")]
    Program(#[from] program::ProgramError),
    #[error("confine QEMU: only root can, and this is user {0}")]
    NotRoot(nix::unistd::Uid),
    #[error("domain {domid}: end what its predecessor left")]
    Leftovers { domid: u16, source: restrict::LeftoverError },
    #[error("domain {domid}: confine QEMU")]
    Confine { domid: u16, source: restrict::WrapError },
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [word] if word == "--help" || word == "-h" => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [word] if word == "--version" || word == "-V" => {
            println!("device-model (xenwarden) {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let Err(failure) = become_qemu(&words);
    eprintln!("device-model: {}", with_causes(&failure));
    ExitCode::from(FAILED)
}

fn become_qemu(words: &[OsString]) -> Result<Infallible, Failure> {
    let line = CommandLine::parse(words)?;
    let domid = line.guest.domid();
    let settings = Settings::load()?;
    let plan =
        Plan::of(&line, words, &settings).map_err(|source| Failure::Plan { domid, source })?;
    let user = nix::unistd::geteuid();
    if !user.is_root() {
        return Err(Failure::NotRoot(user));
    }
    let program = program::find(settings.program.as_deref())?;
    if plan.user.is_some() {
        // Whatever still runs under this id was an earlier domain's of this number.
        settings
            .uids
            .end_leftovers(domid)
            .map_err(|source| Failure::Leftovers { domid, source })?;
    }
    if let Some(remark) = plan.remark {
        eprintln!("device-model: {remark}");
    }
    let executed = Executed {
        program,
        arguments: plan.arguments,
        environment: plan::environment(std::env::vars_os()),
    };
    restrict::execute(&plan.wrap, executed).map_err(|source| Failure::Confine { domid, source })
}

/// An error and its causes as one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ").replace('\n', " ")
}
