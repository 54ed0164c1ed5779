//! The control domain's own console: a login behind a confined converter, in a session that outlives
//! agent and log-out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use acceptance::deadline::Deadline;
use acceptance::proc::Process;
use acceptance::program::{self, Running};
use acceptance::rfb::Viewer;
use acceptance::world::{kill_9, local};
use acceptance::xenstored::Server;
use tempfile::TempDir;

/// How long anything may take.
const SOON: u64 = 60;
/// User ids of this test's own converters.
const UID_BASE: u32 = 2_100_000_000;
const VNC_PORT: &str = "/local/domain/0/console/vnc-port";

/// A login that runs by itself, and one after the other, each opening the terminal anew.
const LOGIN: &str = r#"#!/bin/sh
setsid -f sh -c '
  echo $$ >> FOLDER/logins
  while [ -e "$0" ]; do
    sh -c "printf \"login: \"; read user || exit
           while read line && [ \"\$line\" != exit ]; do echo did-\$line; done" \
      < "$0" > "$0" 2> /dev/null
  done' "$1" < /dev/null > /dev/null 2>&1
"#;

struct Host {
    server: Server,
    folder: TempDir,
    agent: Option<Running>,
}

impl Host {
    fn start() -> Self {
        let server = Server::start();
        let mut store = server.store();
        store.write("/local/domain/0/name", "Domain-0").expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        let mut host = Self { server, folder, agent: None };
        let login = host.at("login");
        let script = LOGIN.replace("FOLDER", &host.folder.path().to_string_lossy());
        fs::write(&login, script).expect("written");
        fs::set_permissions(&login, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let path = |path: PathBuf| format!("{:?}", path.display().to_string());
        let configuration = format!(
            "[agent]\nrun_dir = {}\nstate_dir = {}\n[xenstore]\nsocket = {}\n\
             [consoles]\nvnc_base_port = 7300\ntext_base_port = 7400\nlock_dir = {}\n\
             [converters]\nprogram = {}\nuid_base = {UID_BASE}\norphan_s = 120\n\
             [host_console]\nlogin = {}\n",
            path(host.at("run")),
            path(host.at("state")),
            path(host.server.socket()),
            path(host.folder.path().to_owned()),
            path(program::path_of("vncterm")),
            path(login),
        );
        fs::write(host.at("xenwarden.toml"), configuration).expect("written");
        host.start_agent();
        host
    }

    fn start_agent(&mut self) {
        let mut command = program::command("xenwardend", ["--config"]);
        command.arg(self.at("xenwarden.toml"));
        self.agent = Some(Running::start(&mut command));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn xenwarden(&self, words: &[&str]) -> String {
        let mut command = program::command("xenwarden", ["--agent"]);
        command.arg(self.at("run/agent.sock")).args(words);
        program::run_well(&mut command, Deadline::seconds(SOON))
    }

    /// The agent's answer to `list`, once it answers.
    fn converter(&self) -> Option<Process> {
        let mut command = program::command("xenwarden", ["--agent"]);
        command.arg(self.at("run/agent.sock")).args(["list", "--json"]);
        let listed = program::run(&mut command, Deadline::seconds(SOON));
        let listed: serde_json::Value = serde_json::from_str(&listed.output).ok()?;
        let pid = listed["vms"][0]["console_state"]["pid"].as_u64()?;
        Process::find(u32::try_from(pid).expect("a process id"))
    }

    /// The converter that comes after one that was killed.
    fn converter_after(&self, killed: Process) -> Process {
        Deadline::seconds(SOON)
            .until("another converter serves", || self.converter().filter(|found| *found != killed))
    }

    fn viewer(&self) -> Viewer {
        // The key of one that was killed may still stand.
        Deadline::seconds(SOON).until("a viewer connects", || {
            let port = self.server.store().read(VNC_PORT).ok()?.parse().ok()?;
            Viewer::connect(local(port)).ok()
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let converter = self.converter();
        let agent = self.agent.take().and_then(|agent| Process::find(agent.pid()));
        let logins = fs::read_to_string(self.at("logins")).unwrap_or_default();
        let logins = logins.lines().filter_map(|pid| Process::find(pid.parse().ok()?));
        for process in logins.chain(agent).chain(converter) {
            if process.lives() {
                kill_9(process);
            }
        }
    }
}

fn does(viewer: &mut Viewer, typed: &str, seen: &str) {
    viewer.type_text(typed).expect("typed");
    viewer.wait_for_text(Deadline::seconds(SOON), seen);
}

#[test]
fn the_control_domain_has_a_login_that_outlives_agent_and_log_out() {
    let mut host = Host::start();
    let mut viewer = host.viewer();
    assert!(viewer.name.starts_with("Control domain on host: "), "{}", viewer.name);
    viewer.wait_for_text(Deadline::seconds(SOON), "login:");
    does(&mut viewer, "root\nfirst\n", "did-first");
    let list = host.xenwarden(&["list"]);
    assert!(list.contains("Control domain on host"), "{list}");
    let protocols = host.xenwarden(&["xe", "console-list", "params=protocol", "--minimal"]);
    assert_eq!(protocols, "RFB,VT100");
    host.xenwarden(&["audit"]);

    let converter = host.converter().expect("a converter");
    let agent = host.agent.take().expect("it runs");
    kill_9(Process::find(agent.pid()).expect("it runs"));
    // A log-out while there is no agent: nobody has the terminal open but the converter.
    does(&mut viewer, "exit\nroot\nsecond\n", "did-second");
    host.start_agent();
    let adopted = Deadline::seconds(SOON).until("the agent answers", || host.converter());
    assert_eq!(adopted, converter);
    does(&mut viewer, "third\n", "did-third");

    // The terminal goes with the last who has it; there is another, with another login.
    kill_9(converter);
    let second = host.converter_after(converter);
    does(&mut host.viewer(), "root\nfourth\n", "did-fourth");
    // This agent made it, so that the session outlives the converter.
    kill_9(second);
    host.converter_after(second);
    does(&mut host.viewer(), "fifth\n", "did-fifth");
}
