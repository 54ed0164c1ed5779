//! The program itself against an agent that plays its part at a real socket.

use std::fs::File;
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::termios::tcgetattr;
use nix::unistd::Pid;
use uuid::Uuid;
use xenwarden_model::{
    Ask, Audit, ConsoleOpened, ConsoleProtocol, ConsoleState, ConverterAudit, PowerState, Problem,
    Property, Refusal, RefusalCode, Reply, Severity, Status, StoreAudit, Vm,
};

/// What the played agent knows, and what it was asked to change.
#[derive(Debug, Default)]
struct World {
    vms: Vec<Vm>,
    problems: Vec<Problem>,
    audits: Vec<ConverterAudit>,
    changes: Vec<Ask>,
}

struct Agent {
    folder: tempfile::TempDir,
    world: Arc<Mutex<World>>,
}

impl Agent {
    fn playing(world: World) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("agent.sock")).expect("a socket");
        let world = Arc::new(Mutex::new(world));
        let shared = Arc::clone(&world);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream.expect("a caller"), &shared));
            }
        });
        Self { folder, world }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xenwarden"));
        command.args(words).env("XENWARDEN_AGENT", self.socket()).env("HOME", self.folder.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().expect("the program runs")
    }

    fn changes(&self) -> Vec<Ask> {
        self.world.lock().expect("the world").changes.clone()
    }
}

fn serve(stream: &UnixStream, world: &Mutex<World>) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        let ask: Ask = serde_json::from_str(&line).expect("a request of the protocol");
        let mut given = None;
        let reply = answer(&ask, &mut world.lock().expect("the world"), &mut given);
        let mut text = serde_json::to_vec(&reply).expect("a reply can be written");
        text.push(b'\n');
        match given {
            None => (&*stream).write_all(&text).expect("the caller takes it"),
            Some(descriptor) => send_with(stream, &text, &descriptor),
        }
    }
}

fn answer(ask: &Ask, world: &mut World, given: &mut Option<OwnedFd>) -> Reply {
    match ask {
        Ask::Ready { .. } => Reply::Ready(ConsoleState::Waiting),
        Ask::Status => Reply::Status(Box::new(Status {
            version: "0.1.0".into(),
            host: "host-a".into(),
            up_ms: 60_000,
            xenstore_socket: "/run/xenstored/socket".into(),
            xenstore_connected: true,
            consoles_running: 1,
            consoles_graphical: 0,
            consoles_off: 0,
            confined: 1,
            viewers: 0,
            attested_ms_ago: None,
            problems: world.problems.clone(),
        })),
        Ask::Vms => Reply::Vms(world.vms.clone()),
        Ask::Nics => Reply::Nics(Vec::new()),
        Ask::AddVif { .. } | Ask::SetNicKey { .. } | Ask::RemoveNicKey { .. } => {
            world.changes.push(ask.clone());
            Reply::Registered(Uuid::from_u128(11))
        }
        Ask::Audit => {
            let converters = world.audits.clone();
            let store = StoreAudit::Other { pid: 7, program: "/usr/bin/oxenstored".into() };
            Reply::Audit(Box::new(Audit { converters, store }))
        }
        Ask::Register { uuid, .. } => Reply::Registered(uuid.unwrap_or(Uuid::from_u128(9))),
        Ask::Forget { .. } | Ask::SetKey { .. } | Ask::RemoveKey { .. } | Ask::SetName { .. } => {
            world.changes.push(ask.clone());
            Reply::Done
        }
        Ask::Console { vm, .. } if *vm != Uuid::from_u128(2) => {
            let (ours, theirs) = UnixStream::pair().expect("a socket pair");
            let play = if *vm == Uuid::from_u128(1) { play_converter } else { chatter };
            thread::spawn(move || play(&ours));
            *given = Some(theirs.into());
            Reply::Console(ConsoleOpened {
                name_label: "web01".into(),
                domid: 3,
                host: "host-a".into(),
                other_viewers: 0,
                view_only: false,
                protocol: ConsoleProtocol::Vt100,
                reading: None,
            })
        }
        Ask::Console { .. } => Reply::Refused(Refusal {
            code: RefusalCode::NoConsole,
            message: "cannot open the console of db01: disable_pv_vnc is set".into(),
        }),
    }
}

/// Shows a last screen, then echoes in capitals.
fn play_converter(mut stream: &UnixStream) {
    stream.write_all(b"web01 login: ").expect("the viewer is there");
    let mut buffer = [0; 256];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let echo = buffer[..count].to_ascii_uppercase();
        if stream.write_all(&echo).is_err() {
            return;
        }
    }
}

/// A guest that is never quiet.
fn chatter(mut stream: &UnixStream) {
    while stream.write_all(b"tick\r\n").is_ok() {}
}

fn send_with(stream: &UnixStream, text: &[u8], descriptor: &OwnedFd) {
    let descriptors = [descriptor.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&descriptors)];
    let slices = [IoSlice::new(text)];
    let flags = MsgFlags::empty();
    let sent = sendmsg::<()>(stream.as_raw_fd(), &slices, &control, flags, None);
    assert_eq!(sent, Ok(text.len()));
}

fn vm(number: u128, name: &str, domid: Option<u16>) -> Vm {
    Vm {
        uuid: Uuid::from_u128(number),
        name_label: name.into(),
        power_state: if domid.is_some() { PowerState::Running } else { PowerState::Halted },
        domid,
        is_control_domain: false,
        other_config: Default::default(),
        xenstore_data: Default::default(),
        consoles: vec![],
        console_state: match domid {
            Some(domid) => ConsoleState::Serving {
                pid: 4000,
                vnc_port: Some(5900 + domid),
                text_port: 9500 + domid,
                viewers: 0,
                quiet_ms: None,
                last_line: "login:".into(),
            },
            None => ConsoleState::Halted,
        },
    }
}

fn some_vms() -> World {
    World { vms: vec![vm(1, "web01", Some(3)), vm(2, "db01", None)], ..World::default() }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn talk(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn data_goes_to_standard_output_and_the_agent_may_be_named_anywhere() {
    let agent = Agent::playing(some_vms());
    let socket = agent.socket();
    let socket = socket.to_str().expect("a path");
    for words in [vec!["list"], vec!["--agent", socket, "list"], vec!["list", "--agent", socket]] {
        let output = agent.run(&words);
        assert!(output.status.success(), "{}", talk(&output));
        assert!(out(&output).starts_with("NAME"), "{}", out(&output));
        assert_eq!(talk(&output), "");
    }
}

#[test]
fn an_agent_that_is_not_there_is_one_line_and_exit_1() {
    let agent = Agent::playing(World::default());
    for command in ["status", "list", "audit"] {
        let output = agent.run(&["--agent", "/nonexistent/agent.sock", command]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(talk(&output).lines().count(), 1, "{}", talk(&output));
        assert!(talk(&output).contains("/nonexistent/agent.sock"));
    }
}

#[test]
fn status_is_1_when_something_is_wrong() {
    let agent = Agent::playing(some_vms());
    let output = agent.run(&["status"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("HEALTHY"));
    agent.world.lock().expect("the world").problems.push(Problem {
        code: "STORE_GONE".into(),
        severity: Severity::Error,
        object: "/run/xenstored/socket".into(),
        text: "it does not answer".into(),
        for_ms: 1000,
        action: "start xenstored".into(),
    });
    let output = agent.run(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("1 PROBLEM"));
}

#[test]
fn audit_is_1_unless_something_is_proven_and_all_of_it_holds() {
    let agent = Agent::playing(some_vms());
    assert_eq!(agent.run(&["audit"]).status.code(), Some(1));
    let property =
        Property { name: "user".into(), claim: "own uid".into(), holds: true, found: "7".into() };
    let audit = ConverterAudit {
        vm: Uuid::from_u128(1),
        name_label: "web01".into(),
        domid: 3,
        pid: 4000,
        properties: vec![property],
    };
    agent.world.lock().expect("the world").audits.push(audit);
    assert_eq!(agent.run(&["audit"]).status.code(), Some(0));
    agent.world.lock().expect("the world").audits[0].properties[0].holds = false;
    let output = agent.run(&["audit", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("\"holds\": false"));
}

#[test]
fn called_as_xe_it_is_xe() {
    let agent = Agent::playing(some_vms());
    let link = agent.folder.path().join("xe");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xenwarden"), &link).expect("a link");
    let xe = |words: &[&str]| {
        let mut command = Command::new(&link);
        command.args(words).env("XENWARDEN_AGENT", agent.socket());
        command.env("HOME", agent.folder.path()).output().expect("the program runs")
    };
    let output = xe(&["vm-list", "params=uuid", "--minimal", "name-label=web01"]);
    assert_eq!(out(&output), "00000000-0000-0000-0000-000000000001\n");
    let spelled_out = agent.run(&["xe", "vm-list", "params=uuid", "--minimal", "name-label=web01"]);
    assert_eq!(out(&spelled_out), out(&output));

    let uuid = "uuid=00000000-0000-0000-0000-000000000002";
    let output = xe(&["vm-param-set", uuid, "other-config:disable_pv_vnc=1"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", talk(&output));
    assert_eq!(agent.changes().len(), 1);

    let output = xe(&["vm-param-set", "uuid=none", "other-config:a=b"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(talk(&output), "The uuid you supplied was invalid.\ntype: VM\nuuid: none\n");
}

#[test]
fn forget_takes_a_name_and_register_prints_a_uuid() {
    let agent = Agent::playing(some_vms());
    assert!(agent.run(&["forget", "db01"]).status.success());
    assert_eq!(agent.changes(), [Ask::Forget { vm: Uuid::from_u128(2) }]);
    let output = agent.run(&["forget", "db1"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(talk(&output), "xenwarden: no VM is called db1; did you mean db01?\n");
    let output = agent.run(&["register", "mail"]);
    assert_eq!(out(&output), "00000000-0000-0000-0000-000000000009\n");
    assert_eq!(agent.run(&["register", ""]).status.code(), Some(2));
}

#[test]
fn a_refused_console_says_why() {
    let agent = Agent::playing(some_vms());
    let output = agent.run(&["console", "db01"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        talk(&output),
        "xenwarden: cannot open the console of db01: disable_pv_vnc is set\n"
    );
}

#[test]
fn a_pipe_is_sent_and_the_answer_printed() {
    let agent = Agent::playing(some_vms());
    let mut command = agent.command(&["console", "web01"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let typed = b"reboot\n\x1d.\n".repeat(5000);
    let mut stdin = child.stdin.take().expect("a pipe");
    let expected = typed.to_ascii_uppercase();
    let writer = thread::spawn(move || stdin.write_all(&typed).expect("all is taken"));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic");
    assert_eq!(output.status.code(), Some(0));
    let echo = output.stdout.strip_prefix(b"web01 login: ").expect("the last screen comes first");
    assert!(echo == expected, "{} of {} bytes", echo.len(), expected.len());
    assert_eq!(talk(&output), "");
}

#[test]
fn a_pipes_visit_ends_though_the_guest_is_never_quiet() {
    let agent = Agent::playing(World { vms: vec![vm(3, "busy01", Some(4))], ..World::default() });
    let mut command = agent.command(&["console", "busy01"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().expect("the program runs, and ends");
    assert_eq!(output.status.code(), Some(0), "{}", talk(&output));
}

#[test]
fn a_wrong_command_line_is_one_line_and_exit_2() {
    let agent = Agent::playing(World::default());
    for (words, said) in [
        (vec!["lst"], "xenwarden: unrecognized subcommand 'lst'"),
        (vec!["console"], "xenwarden: the following required arguments were not provided: <VM>"),
        (vec!["list", "--frobnicate"], "xenwarden: unexpected argument '--frobnicate' found"),
    ] {
        let output = agent.run(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert_eq!(talk(&output).lines().count(), 1, "{}", talk(&output));
        assert!(talk(&output).starts_with(said), "{}", talk(&output));
        assert_eq!(out(&output), "");
    }
}

/// A terminal with `xenwarden console web01` in it.
struct Visit {
    child: Child,
    master: File,
    slave: OwnedFd,
    shown: String,
}

impl Visit {
    fn begin(agent: &Agent, words: &[&str]) -> Self {
        let pair = openpty(None, None).expect("a terminal");
        let stdio = || Stdio::from(pair.slave.try_clone().expect("a descriptor"));
        let mut command = agent.command(words);
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn();
        Self {
            child: child.expect("the program runs"),
            master: pair.master.into(),
            slave: pair.slave,
            shown: String::new(),
        }
    }

    /// Reads until the terminal has shown `text`.
    fn see(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let mut buffer = [0; 1024];
            let count = self.master.read(&mut buffer).expect("the terminal stays");
            self.shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    fn end(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    fn is_raw(&self) -> bool {
        let settings = tcgetattr(self.slave.as_fd()).expect("a terminal");
        !settings.local_flags.contains(nix::sys::termios::LocalFlags::ICANON)
    }
}

#[test]
fn a_person_types_and_leaves_and_finds_the_terminal_as_it_was() {
    let agent = Agent::playing(some_vms());
    let mut visit = Visit::begin(&agent, &["console", "web01"]);
    let before = tcgetattr(visit.slave.as_fd()).expect("a terminal");
    visit.see("-- web01 (domain 3) on host-a; leave: Ctrl-]   help: Ctrl-] ? --");
    visit.see("web01 login: ");
    visit.press("root\x03");
    visit.see("ROOT\x03");
    assert!(visit.is_raw());
    visit.press("\x1d?");
    visit.see("Ctrl-] alone for a second leaves too");
    visit.press("\x1d.");
    visit.see("-- closed: you left (you were here");
    assert_eq!(visit.end(), Some(0));
    assert_eq!(tcgetattr(visit.slave.as_fd()).expect("a terminal"), before);
}

#[test]
fn the_escape_key_alone_leaves_after_a_second() {
    let agent = Agent::playing(some_vms());
    let mut visit = Visit::begin(&agent, &["console", "web01", "-e", "^a"]);
    visit.see("leave: Ctrl-A");
    visit.see("web01 login: ");
    visit.press("\x01");
    visit.see("-- closed: you left");
    assert_eq!(visit.end(), Some(0));
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let agent = Agent::playing(some_vms());
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        let mut visit = Visit::begin(&agent, &["console", "web01"]);
        let before = tcgetattr(visit.slave.as_fd()).expect("a terminal");
        visit.see("web01 login: ");
        let pid = Pid::from_raw(i32::try_from(visit.child.id()).expect("a pid"));
        kill(pid, signal).expect("it runs");
        visit.see(&format!("-- closed: {signal} came"));
        assert_eq!(visit.end(), Some(1));
        assert_eq!(tcgetattr(visit.slave.as_fd()).expect("a terminal"), before);
    }
}

#[test]
fn a_demo_says_clearly_that_it_needs_root() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // As nobody, from a copy that nobody may run.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a folder");
    let copy = folder.path().join("xenwarden");
    std::fs::copy(Path::new(env!("CARGO_BIN_EXE_xenwarden")), &copy).expect("a copy");
    let mut command = Command::new(&copy);
    std::os::unix::process::CommandExt::uid(&mut command, 65534);
    let output = command.arg("demo").output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        talk(&output),
        "xenwarden: the demo needs root, because it confines its converters; \
         try: sudo xenwarden demo\n"
    );
}

/// Runs a hook with an input, as a toolstack does; how long it took is returned as well.
fn hook(agent: &Agent, words: &[&str], input: &str) -> (Output, std::time::Duration) {
    let words = [&["hook"], words].concat();
    let began = std::time::Instant::now();
    let mut child = agent
        .command(&words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A hook that has no use for its input may have ended before.
    let _gone = stdin.write_all(input.as_bytes());
    drop(stdin);
    (child.wait_with_output().expect("it ends"), began.elapsed())
}

const XML: &str = r#"<domain type='xen'><name>mail</name>
<uuid>00000000-0000-0000-0000-000000000007</uuid>
<metadata><x:xenwarden xmlns:x="https://github.com/xenwarden/xenwarden">
<x:other-config key="disable_pv_vnc" value="1"/>
<x:vif device="0"><x:other-config key="ethtool-tx" value="off"/></x:vif>
</x:xenwarden></metadata></domain>"#;

#[test]
fn libvirts_hook_brings_a_domains_keys_before_it_starts() {
    let agent = Agent::playing(World::default());
    let words = ["libvirt", "mail", "prepare", "begin", "-"];
    let (output, _) = hook(&agent, &words, XML);
    assert_eq!(
        (output.status.code(), out(&output), talk(&output)),
        (Some(0), "".into(), "".into())
    );
    let vm = Uuid::from_u128(7);
    assert_eq!(
        agent.changes(),
        [
            Ask::AddVif { vm, device: 0 },
            Ask::SetKey {
                vm,
                map: xenwarden_model::VmMap::OtherConfig,
                key: "disable_pv_vnc".into(),
                value: "1".into()
            },
            Ask::SetNicKey {
                nic: Uuid::from_u128(11),
                key: "ethtool-tx".into(),
                value: "off".into()
            },
        ]
    );
    let (output, _) = hook(&agent, &["libvirt", "mail", "stopped", "end", "-"], XML);
    assert!(output.status.success());
    assert_eq!(agent.changes().len(), 3, "what has stopped brings nothing");
}

#[test]
fn no_hook_stops_a_vm_unless_it_is_strict_whatever_is_wrong() {
    let agent = Agent::playing(World::default());
    let uuid = "00000000-0000-0000-0000-000000000007";
    let xapi = ["xapi", "vm-pre-start", "-vmuuid", uuid, "-reason", "none"];
    assert_eq!(talk(&hook(&agent, &xapi, "").0), "");
    let none = ["--agent", "/nonexistent/agent.sock"];
    for words in [
        [&none[..], &xapi].concat(),
        vec!["libvirt", "mail", "prepare", "begin", "-"],
        vec!["xapi", "vm-pre-start", "-vmuuid", "nonsense"],
        vec!["xapi"],
        vec!["xl", "one"],
        vec!["another"],
    ] {
        let (output, _) = hook(&agent, &words, "<domain>");
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", talk(&output));
        assert_eq!(talk(&output).lines().count(), 1, "{words:?}: {}", talk(&output));
        assert_eq!(out(&output), "");
        let strict = [&["--strict"], &words[..]].concat();
        let (output, _) = hook(&agent, &strict, "<domain>");
        assert_eq!(output.status.code(), Some(3), "{words:?}: {}", talk(&output));
    }
}

#[test]
fn a_hook_waits_no_longer_than_it_is_told_for_an_agent_that_hangs_or_an_input_without_end() {
    let agent = Agent::playing(World::default());
    // Somebody listens, and never answers.
    let silent = agent.folder.path().join("silent.sock");
    let _listener = UnixListener::bind(&silent).expect("a socket");
    let silent = silent.to_str().expect("a path");
    let uuid = "00000000-0000-0000-0000-000000000007";
    let words = ["--wait", "1", "--agent", silent, "xapi", "vm-pre-start", "-vmuuid", uuid];
    let (output, took) = hook(&agent, &words, "");
    assert_eq!(output.status.code(), Some(0));
    assert!(talk(&output).contains("it was not done within 1 s; it goes on"), "{}", talk(&output));
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");

    let mut endless = agent
        .command(&["hook", "--wait", "1", "--strict", "libvirt", "mail", "prepare", "begin", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let input = endless.stdin.take();
    let status = endless.wait().expect("it ends with its input open");
    assert_eq!(status.code(), Some(3));
    drop(input);
}
