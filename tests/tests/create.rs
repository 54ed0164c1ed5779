//! `xenwarden create`: a guest runs only once the agent has done its part, or somebody is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use acceptance::deadline::Deadline;
use acceptance::guest::{Console, Guest};
use acceptance::program::{self, Running};
use acceptance::world::Demo;
use tempfile::TempDir;

/// How long anything may take.
const SOON: u64 = 60;

/// A toolstack that plays xl: it notes what it is asked, and the test does what it says it does.
struct Toolstack {
    folder: TempDir,
}

impl Toolstack {
    fn new(guest: &Guest, unpauses: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let toolstack = Self { folder };
        let at = |name: &str| toolstack.at(name).display().to_string();
        let (said, created) = (at("said"), at("created"));
        let (name, domid) = (&guest.name, guest.domid);
        let unpause = if unpauses { "true" } else { "echo no such domain >&2; exit 1" };
        let script = format!(
            "#!/bin/sh\n\
             echo \"$*\" >> {said}\n\
             case \"$1\" in\n\
             -N) echo '[{{\"config\": {{\"c_info\": {{\"name\": \"{name}\"}}}}}}]' ;;\n\
             create) while [ ! -e {created} ]; do sleep 0.05; done ;;\n\
             domid) echo {domid} ;;\n\
             unpause) {unpause} ;;\n\
             esac\n"
        );
        fs::write(toolstack.xl(), script).expect("written");
        fs::set_permissions(toolstack.xl(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        toolstack
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn xl(&self) -> PathBuf {
        self.at("xl")
    }

    /// Says that the domain is there.
    fn created(&self) {
        fs::write(self.at("created"), "").expect("written");
    }

    fn said(&self) -> Vec<String> {
        let said = fs::read_to_string(self.at("said")).unwrap_or_default();
        said.lines().map(str::to_owned).collect()
    }

    fn is_asked(&self, line: &str) {
        Deadline::seconds(SOON)
            .until(line, || self.said().iter().any(|said| said == line).then_some(()));
    }

    fn create(&self, agent: &Path, words: &[&str]) -> Running {
        let mut command = program::command("xenwarden", ["--agent"]);
        command.arg(agent).args(["create", "--wait", "50", "--xl"]).arg(self.xl()).args(words);
        Running::start(&mut command)
    }
}

#[test]
fn a_guest_runs_once_its_data_is_written_and_its_console_is_served() {
    let demo = Demo::start(["--domains", "1"]);
    let mut store = demo.store();
    let guest = Guest::new(101, "born");
    demo.xenwarden_well(["register", &guest.name, &guest.uuid]);
    let uuid = format!("uuid={}", guest.uuid);
    demo.xenwarden_well(["xe", "vm-param-set", &uuid, "xenstore-data:vm-data/k=v"]);

    let toolstack = Toolstack::new(&guest, true);
    let words = ["born.cfg", "memory=64", "--", "-q"];
    let running = toolstack.create(&demo.facts.agent, &words);
    toolstack.is_asked("create -p born.cfg memory=64 -q");
    guest.create(&mut store).expect("created");
    toolstack.created();
    toolstack.is_asked("domid born");
    // Its data is there, and its console isn't: it has to wait.
    store.wait_until(Deadline::seconds(SOON), &guest.key("vm-data/k"), |value| {
        (value == Some("v")).then_some(())
    });
    assert_eq!(toolstack.said().len(), 3, "{:?}", toolstack.said());
    let console = Console::open();
    guest.set_tty(&mut store, &console.tty.to_string_lossy()).expect("the tty is named");
    toolstack.is_asked("unpause 101");
    let finished = running.finish(Deadline::seconds(SOON));
    assert!(finished.status.success(), "{}", finished.errors);
    assert!(finished.errors.contains("born is domain 101"), "{}", finished.errors);
    assert!(store.read(&guest.key("console/vnc-port")).is_ok());
    demo.end();
}

#[test]
fn a_guest_starts_without_the_agent_and_is_never_left_paused_unnoticed() {
    let guest = Guest::new(102, "orphan");
    let nobody = Path::new("/nonexistent/agent.sock");
    let toolstack = Toolstack::new(&guest, true);
    toolstack.created();
    let finished = toolstack.create(nobody, &["orphan.cfg"]).finish(Deadline::seconds(SOON));
    assert_eq!(finished.status.code(), Some(1), "{}", finished.errors);
    assert!(finished.errors.contains("warning: orphan starts"), "{}", finished.errors);
    assert_eq!(toolstack.said().last().map(String::as_str), Some("unpause 102"));

    let failing = Toolstack::new(&guest, false);
    failing.created();
    let finished = failing.create(nobody, &["orphan.cfg"]).finish(Deadline::seconds(SOON));
    assert_eq!(finished.status.code(), Some(1), "{}", finished.errors);
    for words in ["no such domain", "still paused", "xl unpause orphan", "xl destroy orphan"] {
        assert!(finished.errors.contains(words), "{words}: {}", finished.errors);
    }
}
