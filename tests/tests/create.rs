//! `xenwarden create`: the guest runs when its `vm-data` is there, and always runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use acceptance::deadline::Deadline;
use acceptance::guest::Guest;
use acceptance::program::{self, Finished, Running};
use acceptance::world::Demo;
use tempfile::TempDir;

/// How long a creation may take.
const CREATED_S: u64 = 60;

/// A toolstack of a few lines: it notes what it is told, has the test make the domain, and reads
/// what stands in `vm-data` when it lets the domain run.
const XL: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> told
case "$1" in
  -N) printf 'Parsing config\n{"c_info": {"name": "made"}}\n' ;;
  create) [ ! -e broken ] || { echo "no memory" >&2; exit 1; }
    : > wanted; until [ -e made ]; do sleep 0.1; done ;;
  domid) echo 61 ;;
  unpause) xenstore-read /local/domain/61/vm-data/foo > found 2>&1 || : ;;
esac
"#;

struct Toolstack(TempDir);

impl Toolstack {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let xl = folder.path().join("xl");
        fs::write(&xl, XL).expect("a script");
        fs::set_permissions(&xl, Permissions::from_mode(0o755)).expect("it is ours");
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("told")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Creates the guest; makes its domain when xl is told to.
    fn create(&self, demo: &Demo, agent: &Path, words: &[&str], guest: Option<&Guest>) -> Finished {
        let deadline = Deadline::seconds(CREATED_S);
        let mut command: Command = program::command("xenwarden", ["create", "--xl"]);
        command.arg(self.path("xl")).arg("/etc/xen/made.cfg").args(words);
        command.env("XENWARDEN_AGENT", agent).env("XENSTORED_PATH", &demo.facts.xenstore);
        let running = Running::start(&mut command);
        if let Some(guest) = guest {
            deadline.until("xl is told to create", || self.path("wanted").exists().then_some(()));
            guest.create(&mut demo.store()).expect("created");
            fs::write(self.path("made"), "").expect("a file");
        }
        running.finish(deadline)
    }
}

fn prepared(demo: &Demo) -> Guest {
    let guest = Guest::new(61, "made");
    demo.xenwarden_well(["register", &guest.name, &guest.uuid]);
    let uuid = format!("uuid={}", guest.uuid);
    demo.xenwarden_well(["xe", "vm-param-set", &uuid, "xenstore-data:vm-data/foo=bar"]);
    guest
}

#[test]
fn a_guest_runs_when_its_data_is_there() {
    let demo = Demo::start(["--domains", "1"]);
    let guest = prepared(&demo);
    let xl = Toolstack::new();
    let words = ["-q", "memory=512"];
    let finished = xl.create(&demo, &demo.facts.agent, &words, Some(&guest));
    assert!(finished.status.success(), "{}", finished.errors);
    assert_eq!(
        xl.told(),
        [
            "-N create /etc/xen/made.cfg -q memory=512",
            "create -p /etc/xen/made.cfg -q memory=512",
            "domid made",
            "unpause 61",
        ]
    );
    assert_eq!(fs::read_to_string(xl.path("found")).expect("it was let run"), "bar\n");
    demo.end();
}

#[test]
fn a_guest_runs_without_an_agent_too_and_a_failed_creation_is_told() {
    let demo = Demo::start(["--domains", "1"]);
    let guest = prepared(&demo);
    let xl = Toolstack::new();
    let nobody = demo.folder.path().join("nobody.sock");
    let finished = xl.create(&demo, &nobody, &[], Some(&guest));
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished.errors.starts_with("xenwarden: made runs without its vm-data: cannot reach"),
        "{}",
        finished.errors
    );
    assert_eq!(xl.told().last().map(String::as_str), Some("unpause 61"));

    fs::write(xl.path("broken"), "").expect("a file");
    let finished = xl.create(&demo, &demo.facts.agent, &[], None);
    assert_eq!(finished.status.code(), Some(1));
    assert_eq!(finished.errors, "no memory\nxenwarden: xl create failed: exit status: 1");

    let finished = xl.create(&demo, &demo.facts.agent, &["-c"], None);
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.errors.contains("xenwarden console"), "{}", finished.errors);
    demo.end();
}
