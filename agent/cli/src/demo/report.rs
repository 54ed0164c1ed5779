//! What a demo tells: a table for people, demo.json for programs.

use std::path::Path;

use serde::Serialize;
use uuid::Uuid;

use crate::demo::front;
use crate::table::padded;

/// A guest, as the demo shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) domid: u16,
    pub(super) uuid: Uuid,
    pub(super) name: String,
    /// Its console; none where `disable_pv_vnc` is set.
    pub(super) console: Option<Console>,
}

/// A guest's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Console {
    pub(super) vnc_port: Option<u16>,
    pub(super) text_port: u16,
    pub(super) converter_pid: i32,
    /// Whether every property of its confinement holds.
    pub(super) confined: bool,
}

/// The network front, and the certificate that clients know it by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front<'a> {
    pub(super) front: &'a front::Front,
    pub(super) certificate: &'a Path,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    agent: &'a Path,
    xenstore: &'a Path,
    api: String,
    username: &'a str,
    password: &'a str,
    ca: &'a Path,
    domains: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    domid: u16,
    uuid: Uuid,
    name: &'a str,
    vnc: Option<String>,
    vt100: Option<String>,
    converter_pid: Option<i32>,
}

/// demo.json.
pub(super) fn json(
    agent: &Path,
    xenstore: &Path,
    front: &Front<'_>,
    guests: &[Guest],
) -> Result<String, serde_json::Error> {
    let domains = guests
        .iter()
        .map(|guest| Entry {
            domid: guest.domid,
            uuid: guest.uuid,
            name: &guest.name,
            vnc: guest.console.as_ref().and_then(|console| console.vnc_port).map(local),
            vt100: guest.console.as_ref().map(|console| local(console.text_port)),
            converter_pid: guest.console.as_ref().map(|console| console.converter_pid),
        })
        .collect();
    let document = Document {
        agent,
        xenstore,
        api: front.front.url(),
        username: front.front.user,
        password: &front.front.password,
        ca: front.certificate,
        domains,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The table, and what to do next.
pub(super) fn table(agent: &Path, front: &Front<'_>, guests: &[Guest]) -> String {
    let mut text = String::from(
        "xenwarden demo is running, no Xen needed.                      \
         (Ctrl-C stops it and cleans up)\n\n",
    );
    let name_columns = guests.iter().map(|guest| guest.name.len()).fold(4, usize::max);
    let mut line = |[name, domid, console, text_port, confined]: [&str; 5]| {
        let line = format!(
            "  {}  {}  {}  {}  {confined}",
            padded(name, name_columns),
            padded(domid, 5),
            padded(console, 16),
            padded(text_port, 16),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(["NAME", "DOMID", "CONSOLE", "TEXT", "CONFINED"]);
    let mut is_first = true;
    for guest in guests {
        let domid = guest.domid.to_string();
        let Some(console) = &guest.console else {
            line([&guest.name, &domid, "switched off (disable_pv_vnc)", "", ""]);
            continue;
        };
        let confined = match (console.confined, is_first) {
            (true, true) => "yes  (own uid, empty root, no network)",
            (true, false) => "yes",
            (false, _) => "NO: see xenwarden audit",
        };
        is_first = false;
        let vnc = console.vnc_port.map_or_else(|| "-".to_owned(), local);
        line([&guest.name, &domid, &vnc, &local(console.text_port), confined]);
    }
    text.push_str(&format!(
        "\n  API       {}     user {}   password {}   (ca: {})",
        front.front.url(),
        front.front.user,
        front.front.password,
        quoted(front.certificate),
    ));
    text.push_str(&format!("\n  Agent     export XENWARDEN_AGENT={}\n", quoted(agent)));
    let shown = guests.iter().find_map(|guest| Some((guest, guest.console.as_ref()?)));
    if let Some((guest, console)) = shown {
        text.push_str(&format!(
            "  Terminal  xenwarden console {}    leave with Ctrl-]\n",
            guest.name
        ));
        if let Some(port) = console.vnc_port {
            text.push_str(&format!("  Viewer    vncviewer {}\n", local(port)));
        }
        text.push_str("  Proof     xenwarden audit\n");
    }
    text
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:=@%".contains(&byte);
    if text.bytes().all(is_plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guests() -> Vec<Guest> {
        let guest = |domid: u16, console| Guest {
            domid,
            uuid: Uuid::from_u128(u128::from(domid)),
            name: format!("demo{domid}"),
            console,
        };
        let console = |domid: u16| Console {
            vnc_port: Some(5900 + domid),
            text_port: 9500 + domid,
            converter_pid: 4000 + i32::from(domid),
            confined: true,
        };
        vec![guest(1, Some(console(1))), guest(2, Some(console(2))), guest(3, None)]
    }

    fn a_front() -> front::Front {
        front::Front {
            address: ([127, 0, 0, 1], 8443).into(),
            user: "demo",
            password: "0123456789ab".to_owned(),
            _lock: None,
        }
    }

    #[test]
    fn the_table_looks_as_it_should() {
        let front = a_front();
        let front = Front { front: &front, certificate: Path::new("demo/state/tls/cert.pem") };
        let text = table(Path::new("demo/run/agent.sock"), &front, &guests());
        assert_eq!(text, include_str!("../../tests/golden/demo-table.txt"));
    }

    #[test]
    fn demo_json_has_every_field_of_the_contract() {
        let front = a_front();
        let front = Front { front: &front, certificate: Path::new("/d/state/tls/cert.pem") };
        let (agent, xenstore) = (Path::new("/d/run/agent.sock"), Path::new("/d/run/xenstored"));
        let text = json(agent, xenstore, &front, &guests());
        assert_eq!(
            text.expect("a demo can be written"),
            include_str!("../../tests/golden/demo.json")
        );
    }

    #[test]
    fn a_loose_converter_stands_out() {
        let mut guests = guests();
        if let Some(console) = &mut guests[0].console {
            console.confined = false;
        }
        let front = a_front();
        let front = Front { front: &front, certificate: Path::new("/c") };
        let text = table(Path::new("/s"), &front, &guests);
        assert!(text.contains("127.0.0.1:9501    NO: see xenwarden audit"), "{text}");
    }

    #[test]
    fn a_path_with_blanks_is_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/a b'c")), r"'/tmp/a b'\''c'");
        assert_eq!(quoted(Path::new("/tmp/x.1/agent.sock")), "/tmp/x.1/agent.sock");
    }
}
