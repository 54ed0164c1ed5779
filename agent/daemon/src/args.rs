//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// The control domain's host agent: gives each guest's console a screen, keeps VM records, and
/// watches xenstore.
#[derive(Debug, Parser)]
#[command(name = "xenwardend", version, max_term_width = 100)]
pub(crate) struct Args {
    /// The configuration [default: /etc/xenwarden/xenwarden.toml, or without it the built-in
    /// defaults].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Say whether the configuration is good, and end.
    #[arg(long)]
    pub(crate) check_config: bool,
}
