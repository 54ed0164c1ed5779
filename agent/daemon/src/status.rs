//! The agent's own account of itself: counts, and what is wrong now, each with the one thing to do.

use std::time::Instant;

use xenwarden_model::{Problem, Severity, Status};

use crate::answer::{Draft, few, millis};
use crate::domain::Domain;
use crate::host::{Entry, Life};
use crate::run::Agent;

/// Failures in a row from which on a converter is flapping.
const FLAPPING_FROM: u32 = 3;

impl Agent {
    /// The status but for the viewers.
    pub(crate) fn draft_status(&self) -> Draft {
        let mut problems = self.problems();
        problems.sort_by(|one, other| {
            (one.severity, &one.code, &one.object).cmp(&(
                other.severity,
                &other.code,
                &other.object,
            ))
        });
        let count = |wanted: fn(&Domain) -> bool| {
            let entries = self.host.entries().map(|(_, entry)| entry);
            let counted = entries.filter(|entry| entry.present && wanted(&entry.state));
            few(counted.count())
        };
        let confined = self.notes.values().filter(|note| note.confined == Some(true)).count();
        let status = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.hostname.clone(),
            up_ms: millis(self.began.elapsed()),
            xenstore_socket: self.config.xenstore.socket.display().to_string(),
            xenstore_connected: self.store_lost.is_none(),
            consoles_running: count(|state| state.is_served()),
            consoles_graphical: few(self.graphical()),
            consoles_off: count(|state| matches!(state, Domain::Off)),
            confined: few(confined),
            viewers: 0,
            attested_ms_ago: self.attested_at.map(|at| millis(at.elapsed())),
            problems,
        };
        Draft::Status(Box::new(status), self.keepers.values().cloned().collect())
    }

    /// Screens that a domain's own device model serves.
    fn graphical(&self) -> usize {
        let notes = self.host.entries().filter(|(_, entry)| entry.present);
        let notes = notes.filter_map(|(life, _)| self.notes.get(&life));
        notes.filter(|note| note.graphics.is_some() && note.graphics_doubt.is_none()).count()
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some((since, why)) = &self.store_lost {
            problems.push(Problem {
                code: "STORE_LOST".to_owned(),
                severity: Severity::Error,
                object: self.config.xenstore.socket.display().to_string(),
                text: format!(
                    "xenstore does not answer ({why}); consoles go on, new ones wait for it"
                ),
                for_ms: millis(since.elapsed()),
                action: "start xenstored, or set [xenstore] socket".to_owned(),
            });
        }
        if let Some(fault) = self.records.fault() {
            problems.push(Problem {
                code: "RECORDS_UNWRITABLE".to_owned(),
                severity: Severity::Error,
                object: self.config.agent.state_dir.display().to_string(),
                text: format!("VM records are not written: {fault}"),
                for_ms: 0,
                action: "make room on its disk, or look at its permissions".to_owned(),
            });
        }
        for (life, entry) in self.host.entries().filter(|(_, entry)| entry.present) {
            problems.extend(self.problem_of(life, entry));
        }
        problems
    }

    fn problem_of(&self, life: Life, entry: &Entry) -> Option<Problem> {
        let note = self.notes.get(&life);
        let since = note.and_then(|note| note.without_since);
        let domid = entry.domain.number();
        let problem = |code: &str, severity, text: String, action: String| Problem {
            code: code.to_owned(),
            severity,
            object: entry.name.clone(),
            text,
            for_ms: since.map(|since: Instant| millis(since.elapsed())).unwrap_or_default(),
            action,
        };
        if note.is_some_and(|note| note.confined == Some(false)) {
            let text = format!("the converter of domain {domid} is not confined as planned");
            let action = "xenwarden audit, then tell your vendor".to_owned();
            return Some(problem("CONVERTER_UNCONFINED", Severity::Error, text, action));
        }
        match entry.state {
            Domain::Refused { doubt, .. } => {
                let text = format!("the console of domain {domid} is not believed: {doubt}");
                let action = format!("look at /local/domain/{domid}/console/tty in xenstore");
                Some(problem("CONSOLE_REFUSED", Severity::Warning, text, action))
            }
            Domain::Starting { .. } | Domain::Resting { .. } => {
                let note = note.filter(|note| note.failures > 0)?;
                let why = note.why.as_deref().unwrap_or("it ended");
                if note.failures < FLAPPING_FROM {
                    let text = format!(
                        "the converter of domain {domid} failed ({why}); another one is started"
                    );
                    let action = "nothing, unless this stays".to_owned();
                    return Some(problem("CONVERTER_RESTARTING", Severity::Warning, text, action));
                }
                let text = format!(
                    "the converter of domain {domid} failed {} times in a row: {why}",
                    note.failures
                );
                let action = "look at the agent's log".to_owned();
                Some(problem("CONVERTER_FLAPPING", Severity::Error, text, action))
            }
            Domain::Behind
            | Domain::Off
            | Domain::Waiting
            | Domain::Serving { .. }
            | Domain::Stranded { .. }
            | Domain::Closing(_)
            | Domain::Leaving
            | Domain::Gone => None,
        }
    }
}
