//! `xenwarden list`: every VM and its console, for people or as JSON.
//!
//! VMs with `other-config:HideFromXenCenter=true` are left out unless they are asked for, and
//! counted then; `xe` never hides them.

use serde::Serialize;
use unicode_width::UnicodeWidthStr;
use xenwarden_model::{ConsoleProtocol, ConsoleState, JSON_SCHEMA, Vm};

use crate::span::{ago, span};
use crate::table::table;
use crate::visible::{visible, visible_within};

/// Columns that a VM's name may take.
const NAME_COLUMNS: usize = 32;

/// Columns that the guest's last line gets at least, however narrow the terminal is.
const SCREEN_COLUMNS_MIN: usize = 16;

/// What is shown where there is nothing to show.
const NOTHING: &str = "-";

/// What is listed, and what is said about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// For standard output.
    pub(crate) data: String,
    /// For standard error.
    pub(crate) talk: Option<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    hidden: usize,
    vms: Vec<&'a Vm>,
}

/// Lists `vms` for a terminal of so many columns.
pub(crate) fn listing(vms: &[Vm], all: bool, columns: usize) -> Listing {
    let (shown, hidden) = shown(vms, all);
    Listing { data: people(&shown, columns), talk: talk(shown.len(), hidden) }
}

/// Lists `vms` for programs.
pub(crate) fn json(vms: &[Vm], all: bool) -> Result<Listing, serde_json::Error> {
    let (shown, hidden) = shown(vms, all);
    let document = Document { schema: JSON_SCHEMA, hidden, vms: shown };
    Ok(Listing { data: serde_json::to_string_pretty(&document)? + "\n", talk: None })
}

fn shown(vms: &[Vm], all: bool) -> (Vec<&Vm>, usize) {
    let shown: Vec<&Vm> = vms.iter().filter(|vm| all || !is_hidden(vm)).collect();
    let hidden = vms.len() - shown.len();
    (shown, hidden)
}

fn is_hidden(vm: &Vm) -> bool {
    vm.other_config.get("HideFromXenCenter").is_some_and(|value| value == "true")
}

fn talk(shown: usize, hidden: usize) -> Option<String> {
    match (shown, hidden) {
        (0, 0) => {
            Some("no VM yet: start one, or make a record: xenwarden register NAME".to_owned())
        }
        (_, 0) => None,
        (_, 1) => Some("1 VM is hidden (HideFromXenCenter); all: xenwarden list --all".to_owned()),
        (_, hidden) => {
            Some(format!("{hidden} VMs are hidden (HideFromXenCenter); all: xenwarden list --all"))
        }
    }
}

fn people(vms: &[&Vm], columns: usize) -> String {
    if vms.is_empty() {
        return String::new();
    }
    let header = ["NAME", "DOMID", "STATE", "CONSOLE", "VIEWERS", "LAST OUTPUT", "SCREEN"];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(vms.iter().map(|vm| row(vm)));
    let before_screen = width_before_screen(&rows);
    let screen_columns = columns.saturating_sub(before_screen).max(SCREEN_COLUMNS_MIN);
    for [.., screen] in &mut rows {
        *screen = visible_within(screen, screen_columns);
    }
    table(&rows)
}

/// The columns of all cells but the last, with the two blanks after each.
fn width_before_screen(rows: &[[String; 7]]) -> usize {
    let widest = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width() + 2).max()
    };
    (0..6).filter_map(widest).sum()
}

fn row(vm: &Vm) -> [String; 7] {
    let state = &vm.console_state;
    let nothing = || NOTHING.to_owned();
    let (viewers, last_output, screen) = match state {
        ConsoleState::Serving { viewers, quiet_ms, last_line, .. } => (
            viewers.to_string(),
            quiet_ms.map_or_else(nothing, ago),
            if last_line.is_empty() { nothing() } else { last_line.clone() },
        ),
        ConsoleState::Halted => (nothing(), nothing(), nothing()),
        ConsoleState::Waiting
        | ConsoleState::Off
        | ConsoleState::Starting
        | ConsoleState::Restarting { .. }
        | ConsoleState::Refused { .. } => ("0".to_owned(), nothing(), nothing()),
    };
    [
        visible_within(&vm.name_label, NAME_COLUMNS),
        vm.domid.map_or_else(nothing, |domid| domid.to_string()),
        vm.power_state.word().to_owned(),
        console(vm),
        viewers,
        last_output,
        screen,
    ]
}

/// What a console does now, in a few words.
fn console(vm: &Vm) -> String {
    let rfb = vm.consoles.iter().find(|console| console.protocol == ConsoleProtocol::Rfb);
    let port = rfb.and_then(|console| console.location.rsplit_once(':')).map(|(_, port)| port);
    match (&vm.console_state, port) {
        (ConsoleState::Serving { vnc_port: Some(ours), .. }, Some(port))
            if *port == ours.to_string() =>
        {
            format!(":{port} text")
        }
        // QEMU's.
        (ConsoleState::Serving { .. }, Some(port)) => format!(":{} qemu, text", visible(port)),
        (ConsoleState::Serving { .. }, None) => "text".to_owned(),
        (ConsoleState::Waiting, Some(port)) => format!(":{} qemu", visible(port)),
        (state, _) => text_console(state),
    }
}

/// What a text console does that isn't served.
fn text_console(state: &ConsoleState) -> String {
    match state {
        ConsoleState::Halted => NOTHING.to_owned(),
        ConsoleState::Waiting => "none yet".to_owned(),
        ConsoleState::Off => "switched off (disable_pv_vnc)".to_owned(),
        ConsoleState::Starting => "starting".to_owned(),
        ConsoleState::Serving { .. } => "text".to_owned(),
        ConsoleState::Restarting { in_ms } => format!("restarting (in {})", span(*in_ms)),
        ConsoleState::Refused { why } => format!("refused: {}", visible(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{halted, running, serving};

    fn seen(name: &str, domid: u16, seen_viewers: u32, ms: u64, line: &str) -> Vm {
        let mut vm = serving(name, domid);
        if let ConsoleState::Serving { viewers, quiet_ms, last_line, .. } = &mut vm.console_state {
            *viewers = seen_viewers;
            *quiet_ms = Some(ms);
            *last_line = line.to_owned();
        }
        vm
    }

    fn some_vms() -> Vec<Vm> {
        let mut hidden = halted("template");
        hidden.other_config.insert("HideFromXenCenter".into(), "true".into());
        let mut qemu = seen("win10", 8, 0, 0, "");
        if let ConsoleState::Serving { vnc_port, quiet_ms, .. } = &mut qemu.console_state {
            *vnc_port = None;
            *quiet_ms = None;
        }
        vec![
            seen("web01", 3, 1, 2000, "web01 login:"),
            running("db01", 7, ConsoleState::Restarting { in_ms: 21_000 }),
            seen(
                "mail",
                4,
                2,
                240_000,
                "[ 12.4] EXT4-fs error (device xvda1): ext4_find_entry:1663",
            ),
            qemu,
            running("old", 9, ConsoleState::Off),
            seen("evil\u{202e}", 10, 0, 90_000_000, "\x1b]0;owned\x07\u{202e}gnp.exe"),
            halted("cache"),
            hidden,
        ]
    }

    #[test]
    fn the_list_looks_as_it_should() {
        let listing = listing(&some_vms(), false, 110);
        assert_eq!(listing.data, include_str!("../tests/golden/list.txt"));
        assert_eq!(
            listing.talk.as_deref(),
            Some("1 VM is hidden (HideFromXenCenter); all: xenwarden list --all")
        );
    }

    #[test]
    fn a_hidden_vm_is_listed_when_all_are_asked_for() {
        let listing = listing(&some_vms(), true, 100);
        assert!(listing.data.contains("\ntemplate "), "{}", listing.data);
        assert_eq!(listing.talk, None);
    }

    #[test]
    fn json_tells_the_schema_and_what_was_hidden() {
        let text = json(&some_vms(), false).expect("records can be written").data;
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["hidden"], 1);
        assert_eq!(value["vms"].as_array().map(Vec::len), Some(7));
        assert_eq!(value["vms"][0]["console_state"]["vnc_port"], 5903);
    }

    #[test]
    fn no_vm_is_said_in_words_and_not_in_data() {
        let listing = listing(&[], false, 80);
        assert_eq!(listing.data, "");
        assert!(listing.talk.is_some());
    }

    #[test]
    fn a_narrow_terminal_still_shows_some_of_the_screen() {
        let text = listing(&some_vms(), false, 20).data;
        assert!(text.contains("web01 login:"), "{text}");
        assert!(text.contains("[ 12.4] EXT4-..."), "{text}");
    }
}
