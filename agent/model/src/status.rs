//! How the agent is: prose for people, codes for programs.

use serde::{Deserialize, Serialize};

/// The agent's own account of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// Milliseconds since the agent started.
    pub up_ms: u64,
    /// The xenstore that it speaks to, and whether it answers.
    pub xenstore_socket: String,
    /// Whether the store answers.
    pub xenstore_connected: bool,
    /// Consoles that a confined converter serves.
    pub consoles_running: u32,
    /// Graphical consoles that a guest's own device model serves.
    pub consoles_graphical: u32,
    /// Consoles switched off by `disable_pv_vnc`.
    pub consoles_off: u32,
    /// Converters whose last attestation held.
    pub confined: u32,
    /// Viewers of all consoles.
    pub viewers: u32,
    /// Milliseconds since the last attestation of all converters; absent when there was none.
    pub attested_ms_ago: Option<u64>,
    /// What is wrong now, worst first; empty when healthy.
    pub problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// A stable code, such as `CONVERTER_FLAPPING`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: a VM's name, a file, the store.
    pub object: String,
    /// What happens, as one sentence.
    pub text: String,
    /// Milliseconds since it began.
    pub for_ms: u64,
    /// The one thing to do.
    pub action: String,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody must act.
    Error,
    /// Somebody will have to act.
    Warning,
}
