//! `xenwarden create`: starts a guest by `xl` that finds its `vm-data` at its first program.
//!
//! `xl create` alone lets the guest run at once, beside the agent that writes for it. Here the
//! domain is made paused and runs when everything is in the store. What the agent writes, and for
//! whom, is the agent's; a guest that can't have it runs all the same, and is told of.

mod filled;
mod xl;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::agent::Connection;
use crate::create::filled::{FillError, wait_until_filled};
use crate::create::xl::{Xl, XlError};
use crate::visible::visible;

/// What is to be created, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// The guest's configuration, as for `xl create`
    config: PathBuf,
    /// xl's own options and overrides: -q, memory=512, ...; with -p the guest stays paused
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "XL OPTION")]
    options: Vec<String>,
    /// The toolstack's program
    #[arg(long, value_name = "PROGRAM", default_value = "xl")]
    xl: PathBuf,
    /// Seconds to wait for the agent at most
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u16).range(1..=600))]
    wait: u16,
}

/// Why no guest was created, or none that runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    /// The options ask for what can't be had here.
    #[error("-c would wait for the console of a paused guest; use xenwarden console afterwards")]
    Console,
    /// xl did not do it. It has said why.
    #[error(transparent)]
    Xl(#[from] XlError),
    /// The domain is there, and does not run.
    #[error("{name} was created and is still paused: {why}; xl unpause {name} lets it run")]
    StillPaused {
        /// Its name.
        name: String,
        /// Why.
        why: XlError,
    },
}

/// Creates the guest. The exit code is bad as well where it runs without what was promised.
pub(crate) fn run(args: &CreateArgs, agent: &Path) -> Result<ExitCode, CreateError> {
    if args.options.iter().any(|option| option == "-c") {
        return Err(CreateError::Console);
    }
    let xl = Xl { program: &args.xl, config: &args.config, options: &args.options };
    let name = xl.name()?;
    xl.create_paused()?;
    let still_paused = |why| CreateError::StillPaused { name: name.clone(), why };
    let domain = xl.domain(&name).map_err(still_paused)?;
    let filled = match Connection::open(agent) {
        Ok(_) => wait_until_filled(domain, Duration::from_secs(args.wait.into()))
            .map_err(|error: FillError| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if !args.options.iter().any(|option| option == "-p") {
        xl.unpause(domain).map_err(still_paused)?;
    }
    match filled {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(why) => {
            eprintln!("xenwarden: {} runs without its vm-data: {}", visible(&name), visible(&why));
            Ok(ExitCode::FAILURE)
        }
    }
}
