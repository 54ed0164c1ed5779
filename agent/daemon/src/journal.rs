//! Where log lines go: the journal where there is one, else stderr, one line an event.

use std::env;
use std::io::{self, IsTerminal};
use std::path::Path;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// `stderr` sends the log there whatever else there is.
const TARGET: &str = "XENWARDEN_LOG";
/// What is logged, in the syntax of `tracing_subscriber`'s `EnvFilter`.
const LEVEL: &str = "XENWARDEN_LOG_LEVEL";

/// Logs from now on.
pub(crate) fn open() {
    let filter = EnvFilter::try_from_env(LEVEL).unwrap_or_else(|_| EnvFilter::new("info"));
    let to_stderr = env::var_os(TARGET).is_some_and(|target| target == "stderr")
        || io::stderr().is_terminal()
        || !Path::new(JOURNAL).exists();
    let journal = if to_stderr { None } else { tracing_journald::layer().ok() };
    let lines = journal.is_none().then(|| {
        fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
    });
    let journal = journal.map(|layer| layer.with_syslog_identifier("xenwardend".to_owned()));
    tracing_subscriber::registry().with(filter).with(journal).with(lines).init();
}
