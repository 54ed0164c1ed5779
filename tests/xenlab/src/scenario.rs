//! What a scenario is.

use crate::scenarios;

/// Something that xenwarden promises, tried on a real Xen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// Its name on the command line and in the report.
    pub(crate) name: &'static str,
    /// What holds when it has passed, in a sentence.
    pub(crate) shows: &'static str,
    /// Whether it belongs to the few that every test run includes.
    pub(crate) core: bool,
    /// The longest that it may take on a busy machine, in seconds.
    pub(crate) limit_s: u64,
    /// Runs it; panics where something does not hold.
    pub(crate) run: fn(),
}

/// The scenario of this name.
pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    scenarios::ALL.iter().find(|scenario| scenario.name == name)
}
