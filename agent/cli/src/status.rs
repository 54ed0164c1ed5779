//! `xenwarden status`: how the agent is, in prose for people, as JSON for programs.

use serde::Serialize;
use unicode_width::UnicodeWidthStr;
use xenwarden_model::{JSON_SCHEMA, Problem, Severity, Status};

use crate::paint::Paint;
use crate::span::span;
use crate::table::padded;
use crate::visible::visible;

/// Where the uptime stands in the first line.
const UPTIME_COLUMN: usize = 75;

/// Columns of the first value in a line, so that the second label stands at column 34.
const VALUE_COLUMNS: usize = 21;

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    healthy: bool,
    #[serde(flatten)]
    status: &'a Status,
}

/// Whether nothing is wrong.
pub(crate) fn is_healthy(status: &Status) -> bool {
    status.problems.is_empty()
}

/// For programs.
pub(crate) fn json(status: &Status) -> Result<String, serde_json::Error> {
    let document = Document { schema: JSON_SCHEMA, healthy: is_healthy(status), status };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// For people.
pub(crate) fn prose(status: &Status, paint: Paint) -> String {
    let mut text = headline(status, paint);
    if is_healthy(status) {
        text.push_str(&figures(status));
    } else {
        let widest = status.problems.iter().map(|problem| problem.code.width()).max();
        for problem in &status.problems {
            text.push_str(&complaint(problem, widest.unwrap_or_default(), paint));
        }
        text.push_str(&the_rest(status));
    }
    text
}

fn headline(status: &Status, paint: Paint) -> String {
    let (verdict, painted) = match status.problems.len() {
        0 => ("HEALTHY".to_owned(), paint.good("HEALTHY")),
        1 => ("1 PROBLEM".to_owned(), paint.bad("1 PROBLEM")),
        count => (format!("{count} PROBLEMS"), paint.bad(&format!("{count} PROBLEMS"))),
    };
    let before = format!("xenwarden {} on {}: ", visible(&status.version), visible(&status.host));
    let width = before.width() + verdict.width();
    // At least two blanks, however long the host's name is.
    let blanks = " ".repeat(UPTIME_COLUMN.saturating_sub(width).max(2));
    format!("{before}{painted}{blanks}up {}\n", span(status.up_ms))
}

fn figures(status: &Status) -> String {
    let graphical = match status.consoles_graphical {
        0 => String::new(),
        count => format!(", {count} graphical"),
    };
    let (running, off) = (status.consoles_running, status.consoles_off);
    let consoles = format!("{running} running, {off} off{graphical}");
    let attested = match status.attested_ms_ago {
        Some(ms) => format!(", checked {} ago", span(ms)),
        None => String::new(),
    };
    format!(
        "  store      {}\n  consoles   {}viewers {}\n  confined   {} of {}{attested}\n",
        store(status),
        padded(&consoles, VALUE_COLUMNS.max(consoles.width() + 2)),
        status.viewers,
        status.confined,
        status.consoles_running,
    )
}

fn store(status: &Status) -> String {
    let answers = if status.xenstore_connected { "answers" } else { "does not answer" };
    format!("{} {answers}", visible(&status.xenstore_socket))
}

fn complaint(problem: &Problem, code_columns: usize, paint: Paint) -> String {
    let mark = match problem.severity {
        Severity::Error => paint.bad("x"),
        Severity::Warning => paint.doubtful("!"),
    };
    format!(
        "  {mark} {}{}: {}\n      for {}\n      do: {}\n",
        padded(&visible(&problem.code), code_columns + 2),
        visible(&problem.object),
        visible(&problem.text),
        span(problem.for_ms),
        visible(&problem.action),
    )
}

/// What is well although something else isn't.
fn the_rest(status: &Status) -> String {
    let mark = if status.xenstore_connected { "ok" } else { "--" };
    format!(
        "  {mark} consoles {} running, {} off; {} of {} confined; viewers {}; store {}\n",
        status.consoles_running,
        status.consoles_off,
        status.confined,
        status.consoles_running,
        status.viewers,
        store(status),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Status {
        Status {
            version: "1.2.0".into(),
            host: "host-a".into(),
            up_ms: 9 * 86_400_000,
            xenstore_socket: "/run/xenstored/socket".into(),
            xenstore_connected: true,
            consoles_running: 12,
            consoles_graphical: 0,
            consoles_off: 1,
            confined: 12,
            viewers: 3,
            attested_ms_ago: Some(14_000),
            problems: vec![],
        }
    }

    fn sick() -> Status {
        let flapping = Problem {
            code: "CONVERTER_FLAPPING".into(),
            severity: Severity::Error,
            object: "db01 (domain 7)".into(),
            text: "its screen service died 5 times in 2 min".into(),
            for_ms: 120_000,
            action: "read the agent's log, then send it to your vendor".into(),
        };
        let expires = Problem {
            code: "CERT_EXPIRES".into(),
            severity: Severity::Warning,
            object: "/etc/xenwarden/tls/cert.pem".into(),
            text: "the front's certificate ends in 6 days".into(),
            for_ms: 3_600_000,
            action: "replace the file, then systemctl reload xenwarden-api".into(),
        };
        Status {
            consoles_running: 11,
            confined: 11,
            problems: vec![flapping, expires],
            ..healthy()
        }
    }

    #[test]
    fn a_healthy_agent_looks_as_it_should() {
        let text = prose(&healthy(), Paint::Plain);
        assert_eq!(text, include_str!("../tests/golden/status-healthy.txt"));
    }

    #[test]
    fn problems_look_as_they_should() {
        let text = prose(&sick(), Paint::Plain);
        assert_eq!(text, include_str!("../tests/golden/status-problems.txt"));
    }

    #[test]
    fn colour_changes_no_column() {
        let coloured = prose(&sick(), Paint::Coloured);
        let mut plain = coloured.clone();
        for code in ["\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_ne!(coloured, plain);
        assert_eq!(plain, prose(&sick(), Paint::Plain));
    }

    #[test]
    fn an_agent_without_its_store_is_not_called_well() {
        let status = Status { xenstore_connected: false, ..sick() };
        assert!(prose(&status, Paint::Plain).contains("  -- consoles 11 running"));
    }

    #[test]
    fn json_tells_health_and_schema_beside_the_agents_own_fields() {
        let text = json(&sick()).expect("a status can be written");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["healthy"], false);
        assert_eq!(value["problems"][0]["code"], "CONVERTER_FLAPPING");
    }
}
