//! The converter that a toolstack or a person starts by hand: what XenServer's options promise, and
//! what it leaves behind.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use acceptance::deadline::Deadline;
use acceptance::folder;
use acceptance::guest::Console;
use acceptance::proc::Process;
use acceptance::program::{self, Running};
use acceptance::rfb::Viewer;
use acceptance::store::Store;
use acceptance::world::local;
use acceptance::xenstored::{self, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take.
const SOON: u64 = 30;
/// Where ports are published.
const FOLDER: &str = "/local/domain/7/console";
/// Viewers of each kind that one console takes.
const VIEWERS: usize = 8;
/// How a repainted screen begins: with the main screen, whatever was shown.
const REPLAY: &[u8] = b"\x1b[?1049l";

fn vncterm(server: &Server, words: &[&str]) -> Command {
    let mut command = program::command("vncterm", words);
    command.env("XENSTORED_PATH", server.socket()).env("PS1", "$ ");
    command
}

/// The port that a key names, once it is there.
fn port(store: &mut Store, key: &str) -> SocketAddr {
    store.wait_until(Deadline::seconds(SOON), &format!("{FOLDER}/{key}"), |value| {
        value.and_then(|port| port.parse().ok()).map(local)
    })
}

/// One that runs, with its store.
struct Serving {
    server: Server,
    running: Running,
    screen: SocketAddr,
    text: SocketAddr,
}

impl Serving {
    /// Starts one on display `display` or the next that is free; `words` are further options, and
    /// the command behind `-c`.
    fn start(display: u16, words: &[&str]) -> Self {
        let server = Server::start();
        let address = format!("127.0.0.1:{display}");
        let words = [&["-x", FOLDER, "-T", "-v", address.as_str()], words].concat();
        let running = Running::start(&mut vncterm(&server, &words));
        let mut store = server.store();
        let (screen, text) = (port(&mut store, "vnc-port"), port(&mut store, "tc-port"));
        Self { server, running, screen, text }
    }

    fn viewer(&self) -> Viewer {
        Viewer::connect(self.screen).expect("a viewer connects")
    }

    fn text_viewer(&self) -> TcpStream {
        let stream = TcpStream::connect(self.text).expect("a text viewer connects");
        stream.set_read_timeout(Some(Duration::from_secs(SOON))).expect("a timeout");
        stream
    }

    /// The process that keeps root.
    fn keeper(&self) -> Process {
        Process::find(self.running.pid()).expect("it runs")
    }

    /// The confined process.
    fn converter(&self) -> Process {
        let confined = |process: &Process| {
            process.status().is_ok_and(|s| s.get("Seccomp").is_some_and(|mode| mode == "2"))
        };
        self.keeper().children().into_iter().find(confined).expect("a confined process")
    }

    /// Ends it as a user does; gives the keys that are left.
    fn end(mut self) -> Vec<String> {
        self.running.signal(Signal::SIGTERM);
        let status = self.running.wait(Deadline::seconds(SOON));
        assert!(status.success(), "it ended with {status}:\n{}", self.running.said());
        self.server.store().directory(FOLDER).expect("the folder is there")
    }
}

/// Reads until a text has come; gives all that came.
fn read_until(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut buffer = [0; 65536];
    while !read.windows(text.len()).rev().take(buffer.len() * 2).any(|window| window == text) {
        let length = stream.read(&mut buffer).expect("the text viewer is served");
        assert!(length > 0, "it was closed after {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..length]);
    }
    read
}

#[test]
fn a_command_keeps_its_own_options_and_gets_a_terminal_of_its_own() {
    let script = "stty size; echo \"$TERM $1 $2 $3\"; test -t 0 && exec cat";
    let serving = Serving::start(200, &["-c", "sh", "-c", script, "sh", "-T", "-l", "--help"]);
    let mut viewer = serving.viewer();
    viewer.wait_for_text(Deadline::seconds(SOON), "24 80");
    viewer.wait_for_text(Deadline::seconds(SOON), "linux -T -l --help");
    viewer.type_text("typed\n").expect("typed");
    viewer.wait_until(Deadline::seconds(SOON), "the command's answer", |picture| {
        let screen = acceptance::glyphs::read_screen(picture);
        screen.iter().filter(|line| *line == "typed").count() == 2
    });
    assert_eq!(serving.end(), Vec::<String>::new());
}

#[test]
fn it_ends_with_its_command_and_takes_its_ports_back() {
    let mut serving = Serving::start(205, &["-c", "sh", "-c", "read line"]);
    serving.text_viewer().write_all(b"\n").expect("typed");
    let status = serving.running.wait(Deadline::seconds(SOON));
    assert!(status.success(), "it ended with {status}:\n{}", serving.running.said());
    assert_eq!(serving.server.store().directory(FOLDER), Ok(Vec::new()));
}

#[test]
fn a_command_that_is_to_run_again_does_so_whenever_it_ends() {
    let mut serving = Serving::start(
        206,
        &["-r", "-c", "sh", "-c", "echo \"run $$ in $(stty size)\"; read line"],
    );
    let mut viewer = serving.viewer();
    viewer.wait_for_text(Deadline::seconds(SOON), "run ");
    for mark in [1, 2] {
        viewer.type_text("\n").expect("typed");
        viewer.wait_until(Deadline::seconds(SOON), "another run", |picture| {
            let screen = acceptance::glyphs::read_screen(picture);
            let marks = screen.iter().filter(|line| line.contains("-- the command runs again --"));
            marks.count() == mark && screen.iter().filter(|l| l.ends_with("24 80")).count() > mark
        });
    }
    assert!(serving.running.ended(Duration::ZERO).is_none());
    assert_eq!(serving.end(), Vec::<String>::new());
}

#[test]
fn a_console_that_is_to_stay_shows_the_last_screen_when_its_command_has_ended() {
    let serving = Serving::start(207, &["-s", "-c", "sh", "-c", "echo last words; read line"]);
    let mut viewer = serving.viewer();
    viewer.wait_for_text(Deadline::seconds(SOON), "last words");
    let command = serving.keeper().children();
    viewer.type_text("\n").expect("typed");
    Deadline::seconds(SOON).until("the command's end", || {
        let ended = command.iter().filter(|process| **process != serving.converter());
        ended.into_iter().all(|process| !process.lives()).then_some(())
    });
    serving.viewer().wait_for_text(Deadline::seconds(SOON), "last words");
    assert_eq!(serving.end(), Vec::<String>::new());
}

#[test]
fn a_size_is_given_and_viewers_change_it_where_they_may() {
    let script = "stty size; while read line; do stty size; done";
    let words = ["--size", "100x30", "--resize", "-c", "sh", "-c", script];
    let serving = Serving::start(208, &words);
    let mut viewer = serving.viewer();
    viewer.wait_for_text(Deadline::seconds(SOON), "30 100");
    assert_eq!((viewer.picture.width, viewer.picture.height), (800, 480));
    let mut other = serving.viewer();
    assert_eq!(viewer.resize(Deadline::seconds(SOON), 1003, 799), 0);
    assert_eq!((viewer.picture.width, viewer.picture.height), (1000, 784));
    // The program in the terminal can ask for it.
    viewer.type_text("\n").expect("typed");
    viewer.wait_for_text(Deadline::seconds(SOON), "49 125");
    // No wish goes beyond what a screen can be, and the others are served on.
    assert_eq!(viewer.resize(Deadline::seconds(SOON), u16::MAX, u16::MAX), 0);
    assert_eq!((viewer.picture.width, viewer.picture.height), (4096, 4096));
    other.wait_for_text(Deadline::seconds(SOON), "30 100");
    assert_eq!(serving.end(), Vec::<String>::new());

    let serving = Serving::start(208, &["-c", "cat"]);
    let mut viewer = serving.viewer();
    assert_eq!(viewer.resize(Deadline::seconds(SOON), 1000, 800), 1);
    assert_eq!((viewer.picture.width, viewer.picture.height), (640, 384));
    serving.end();
}

#[test]
fn a_paste_of_many_kilobytes_arrives_whole_at_a_slow_guest() {
    // Lines, as a terminal takes no more than 4095 bytes of one; read one by one, with pauses.
    let script = "stty -echo; i=0; while read -r line; do i=$((i+1)); \
                  [ \"$line\" = \"line $i of the paste\" ] || echo \"bad $i: $line\"; \
                  [ $((i % 500)) = 0 ] && sleep 0.05; [ $i = 2700 ] && echo all there; done";
    let serving = Serving::start(209, &["-c", "bash", "-c", script]);
    let mut viewer = serving.viewer();
    let text: String = (1..=2700).map(|line| format!("line {line} of the paste\n")).collect();
    assert!(text.len() > 50_000 && text.len() < 65_536);
    viewer.cut(&text).expect("cut");
    viewer.pointer(2, 10, 10).expect("pressed");
    viewer.pointer(0, 10, 10).expect("released");
    viewer.wait_for_text(Deadline::seconds(SOON), "all there");
    assert!(!viewer.screen().iter().any(|line| line.contains("bad")), "{:#?}", viewer.screen());
    serving.end();
}

#[test]
fn viewers_see_the_title() {
    let named = Serving::start(210, &["-t", "web01 = main", "-c", "cat"]);
    assert_eq!(named.viewer().name, "web01 = main");
    named.end();
    let unnamed = Serving::start(210, &["-c", "cat"]);
    assert_eq!(unnamed.viewer().name, "XenServer Virtual Terminal");
    unnamed.end();
}

#[test]
fn a_taken_port_gives_way_to_the_next_and_consoles_share_no_user() {
    let held: Vec<TcpListener> = [6120, 9720]
        .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)))
        .into_iter()
        .flatten()
        .collect();
    let consoles = [(); 2].map(|()| Serving::start(220, &["-c", "cat"]));
    let mut users = Vec::new();
    for console in &consoles {
        assert!(console.screen.port() > 6120 && console.text.port() > 9720);
        console.viewer();
        let status = console.converter().status().expect("it runs");
        users.push(status.get("Uid").cloned());
    }
    assert_ne!(users[0], users[1]);
    assert_ne!(consoles[0].screen, consoles[1].screen);
    drop(held);
    for console in consoles {
        console.end();
    }
}

#[test]
fn a_text_viewer_sees_the_screen_and_then_every_byte() {
    let serving = Serving::start(230, &["-c", "sh"]);
    let mut first = serving.text_viewer();
    first.write_all(b"echo seen-$((40 + 2))\n").expect("typed");
    read_until(&mut first, b"seen-42");

    let mut late = serving.text_viewer();
    let replay = read_until(&mut late, b"seen-42");
    assert!(replay.starts_with(REPLAY), "{:?}", String::from_utf8_lossy(&replay));

    // Much and fast, but less than is kept for a viewer that is slower: nothing of it is lost.
    // The prompt may come after the echo of what is typed: the numbers begin a line of their own.
    late.write_all(b"stty -echo; echo; seq 1 30000; echo the-$((40 + 2))-end\n").expect("typed");
    let text = read_until(&mut late, b"the-42-end");
    let text = String::from_utf8_lossy(&text);
    let mut wanted = (1..=30_000).map(|number: u32| number.to_string()).peekable();
    for line in text.lines() {
        wanted.next_if(|number| number == line);
    }
    assert_eq!(wanted.next(), None, "the next line that did not come");
    serving.end();
}

#[test]
fn text_viewers_who_left_keep_nobody_out_while_the_guest_does_not_read() {
    let deaf = "stty raw -echo; printf deaf; exec sleep 1000";
    let serving = Serving::start(235, &["-c", "sh", "-c", deaf]);
    let mut flood = serving.text_viewer();
    read_until(&mut flood, b"deaf");
    flood.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let _cut_short = flood.write_all(&[b'x'; 8 << 20]);
    let mut gone = vec![flood];
    gone.resize_with(VIEWERS, || serving.text_viewer());
    for viewer in &mut gone[1..] {
        read_until(viewer, b"deaf");
    }
    for viewer in &gone {
        viewer.shutdown(Shutdown::Write).expect("they leave");
    }
    for _ in 0..VIEWERS {
        let mut viewer = serving.text_viewer();
        read_until(&mut viewer, b"deaf");
        viewer.shutdown(Shutdown::Write).expect("it leaves");
        gone.push(viewer);
    }
    serving.end();
}

#[test]
fn a_saved_screen_comes_back() {
    let serving =
        Serving::start(240, &["-c", "sh", "-c", "printf 'kept \\033[7mtext\\r\\n'; exec cat"]);
    serving.viewer().wait_for_text(Deadline::seconds(SOON), "kept text");
    // The memory that it saves its screen in outlives it, while this test has it open.
    let converter = serving.converter();
    let memory = converter.descriptors().expect("it runs").into_iter();
    let mut memory =
        memory.filter(|found| found.name.starts_with("/memfd:screen")).map(|found| found.number);
    let memory = memory.next_back().expect("it has a place for its screen");
    let mut memory = File::open(converter.file(&format!("fd/{memory}"))).expect("root opens it");
    serving.end();
    let mut saved = Vec::new();
    memory.read_to_end(&mut saved).expect("it can be read");

    let folder = tempfile::tempdir().expect("a folder");
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    std::fs::write(&whole, &saved).expect("written");
    std::fs::write(&cut, &saved[..saved.len() - 1]).expect("written");
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();

    let again = Serving::start(240, &["-l", &path(&whole), "-c", "cat"]);
    let mut viewer = again.viewer();
    viewer.wait_for_text(Deadline::seconds(SOON), "kept text");
    viewer.type_text("and more\n").expect("typed");
    viewer.wait_for_text(Deadline::seconds(SOON), "and more");
    assert!(viewer.screen().iter().any(|line| line == "kept text"), "{:?}", viewer.screen());
    again.end();

    // Half a file costs the old screen, not the new console.
    let blank = Serving::start(240, &["-l", &path(&cut), "-c", "cat"]);
    blank
        .running
        .line(Deadline::seconds(SOON), "why", |line| line.contains("load the saved screen"));
}

#[test]
fn sigusr1_saves_the_screen_in_a_file_that_the_store_names_and_it_goes_on() {
    let mut serving =
        Serving::start(244, &["-c", "sh", "-c", "printf 'kept text\\r\\n'; exec cat"]);
    let mut viewer = serving.viewer();
    viewer.wait_for_text(Deadline::seconds(SOON), "kept text");
    let folder = format!("/var/xen/vncterm/{}", serving.running.pid());
    for more in ["once", "twice"] {
        viewer.type_text(&format!("{more}\n")).expect("typed");
        viewer.wait_for_text(Deadline::seconds(SOON), more);
        let mut store = serving.server.store();
        store.write(&format!("{FOLDER}/statefile"), "").expect("forgotten");
        serving.running.signal(Signal::SIGUSR1);
        let file =
            store.wait_until(Deadline::seconds(SOON), &format!("{FOLDER}/statefile"), |path| {
                path.filter(|path| !path.is_empty()).map(str::to_owned)
            });
        assert_eq!(file, format!("{folder}/vncterm.statefile"));

        let again = Serving::start(245, &["-l", &file, "-c", "cat"]);
        again.viewer().wait_for_text(Deadline::seconds(SOON), more);
        again.end();
    }
    serving.end();
    std::fs::remove_dir_all(folder).expect("the file stays until somebody takes it");
}

#[test]
fn keys_that_others_have_overwritten_stay() {
    let serving = Serving::start(250, &["-c", "cat"]);
    let mut store = serving.server.store();
    let key = format!("{FOLDER}/vnc-port");
    assert_eq!(store.read(&key), Ok(serving.screen.port().to_string()));
    store.write(&key, "1234").expect("written");
    assert_eq!(serving.end(), ["vnc-port"]);
}

#[test]
fn ports_are_taken_back_from_a_store_that_was_restarted() {
    let mut serving = Serving::start(255, &["-c", "cat"]);
    serving.server.running.signal(Signal::SIGKILL);
    serving.server.running.wait(Deadline::seconds(SOON));
    // While there is no store, the console goes on.
    serving.viewer();
    std::fs::remove_file(serving.server.socket()).expect("its socket is left");
    let place = serving.server.folder();
    let _restarted = Running::start(xenstored::command(place).args(["-N", "-D"]));
    let there = folder::has(place, "socket", Deadline::seconds(SOON), || false);
    assert!(there, "the store is there again");
    let socket = serving.server.socket();
    let mut store = Deadline::seconds(SOON).until("it listens", || Store::connect(&socket).ok());
    let port = serving.screen.port().to_string();
    store.write(&format!("{FOLDER}/vnc-port"), &port).expect("written");
    assert_eq!(serving.end(), Vec::<String>::new());
}

/// What a connection to the store that refuses one key asked for, in its order.
fn refuse_writing(listener: &UnixListener, refused: &str) -> Vec<(u32, String)> {
    const RM: u32 = 13;
    const WRITE: u32 = 11;
    let (mut asked, mut value) = (Vec::new(), String::new());
    while asked.iter().all(|(kind, _)| *kind != RM) {
        let (mut stream, _) = listener.accept().expect("it connects");
        let mut header = [0; 16];
        while stream.read_exact(&mut header).is_ok() {
            let field =
                |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four"));
            let mut payload = vec![0; usize::try_from(field(12)).expect("a length")];
            stream.read_exact(&mut payload).expect("a payload");
            let payload = String::from_utf8(payload).expect("text");
            let (path, written) = payload.split_once('\0').expect("a path");
            let (kind, answer) = match field(0) {
                WRITE if path.ends_with(refused) => (16, "ENOSPC\0".to_owned()),
                WRITE => {
                    value = written.to_owned();
                    (WRITE, "OK\0".to_owned())
                }
                RM => (RM, "OK\0".to_owned()),
                kind => (kind, value.clone()),
            };
            asked.push((field(0), path.to_owned()));
            let length = u32::try_from(answer.len()).expect("short");
            let head = [kind, field(4), field(8), length].map(u32::to_le_bytes).concat();
            stream.write_all(&[head, answer.into_bytes()].concat()).expect("answered");
        }
    }
    asked
}

#[test]
fn it_publishes_both_ports_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let store = std::thread::spawn(move || refuse_writing(&listener, "tc-port"));
    let words = ["-x", FOLDER, "-T", "-v", "127.0.0.1:260", "-c", "cat"];
    let mut command = program::command("vncterm", words);
    let finished = program::run(command.env("XENSTORED_PATH", &socket), Deadline::seconds(SOON));
    assert_eq!(finished.status.code(), Some(1));
    let wanted = format!("vncterm: xenstore: WRITE {FOLDER}/tc-port: ENOSPC");
    assert!(finished.errors.lines().any(|line| line == wanted), "{}", finished.errors);
    let asked = store.join().expect("the store's part");
    assert!(asked.contains(&(13, format!("{FOLDER}/vnc-port"))), "{asked:?}");
}

#[test]
fn it_serves_the_tty_that_the_store_names_once_it_is_there() {
    let server = Server::start();
    let mut store = server.store();
    // The toolstack's empty value names no tty yet.
    store.write(&format!("{FOLDER}/tty"), "").expect("written");
    let words = ["-x", FOLDER, "-T", "-v", "127.0.0.1:265"];
    let mut running = Running::start(&mut vncterm(&server, &words));
    let mut console = Console::open();
    console.print(b"printed before\r\n").expect("printed");
    store.write(&format!("{FOLDER}/tty"), &console.tty.to_string_lossy()).expect("written");
    let mut viewer = Viewer::connect(port(&mut store, "vnc-port")).expect("a viewer connects");
    viewer.wait_for_text(Deadline::seconds(SOON), "printed before");
    viewer.type_text("typed").expect("typed");
    console.typed_until(Deadline::seconds(SOON), b"typed");
    running.signal(Signal::SIGTERM);
    assert!(running.wait(Deadline::seconds(SOON)).success());
    assert_eq!(store.directory(FOLDER), Ok(vec!["tty".to_owned()]));
}

#[test]
fn without_a_tty_it_waits_and_ends_at_once_when_told() {
    let server = Server::start();
    let mut store = server.store();
    store.write(&format!("{FOLDER}/tty"), "").expect("written");
    let words = ["-x", FOLDER, "-T", "-v", "127.0.0.1:270"];
    let mut running = Running::start(&mut vncterm(&server, &words));
    // It listens before it waits.
    let address = local(5900 + 270);
    Deadline::seconds(SOON).until("it listens", || TcpStream::connect(address).ok());
    running.signal(Signal::SIGTERM);
    running.wait(Deadline::seconds(SOON));
    assert_eq!(store.directory(FOLDER), Ok(vec!["tty".to_owned()]));
}

#[test]
fn a_tty_key_that_a_guest_can_write_is_refused_with_one_line() {
    let server = Server::start();
    let mut store = server.store();
    let console = Console::open();
    let key = format!("{FOLDER}/tty");
    store.write(&key, &console.tty.to_string_lossy()).expect("written");
    store.set_permissions(&key, &["n0", "b7"]).expect("opened up");
    for tty in [None, Some("/etc/shadow"), Some("/dev/pts/../../etc/shadow")] {
        if let Some(tty) = tty {
            store.write(&key, tty).expect("written");
            store.set_permissions(&key, &["n0"]).expect("closed");
        }
        let mut command = vncterm(&server, &["-x", FOLDER, "-v", "127.0.0.1:275"]);
        let finished = program::run(&mut command, Deadline::seconds(SOON));
        assert_eq!(finished.status.code(), Some(1), "{tty:?}: {}", finished.errors);
        assert_eq!(finished.errors.lines().count(), 1, "{}", finished.errors);
        assert!(finished.errors.contains(&key), "{}", finished.errors);
    }
    assert_eq!(store.directory(FOLDER), Ok(vec!["tty".to_owned()]));
}

#[test]
fn what_a_command_leaves_behind_is_not_the_keepers() {
    let serving = Serving::start(280, &["-c", "sh"]);
    let mut text = serving.text_viewer();
    text.write_all(b"sh -c 'sleep 60 & echo left-$!-by-$$-'; stty -echo\n").expect("typed");
    let said = String::from_utf8_lossy(&read_until(&mut text, b"-\r\n")).into_owned();
    let said = if said.contains("left-$!") { said.replace("left-$!-by-$$-", "") } else { said };
    let number = |after: &str| {
        let rest = said.rsplit_once(after).map(|(_, rest)| rest).expect("it said so");
        rest.split('-').next().and_then(|number| number.parse::<u32>().ok()).expect("a number")
    };
    let (left, by) = (number("left-"), number("-by-"));
    let parent = Deadline::seconds(SOON).until("it has been left to another", || {
        let status = Process::find(left)?.status().ok()?;
        let parent: u32 = status.get("PPid")?.parse().ok()?;
        (parent != by).then_some(parent)
    });
    assert_ne!(parent, serving.keeper().pid);
    kill(Pid::from_raw(left.cast_signed()), Signal::SIGKILL).expect("it is this test's own");
    serving.end();
}

/// Starts one whose standard error nobody reads.
fn unheard(server: &Server) -> Child {
    let words = ["-x", FOLDER, "-T", "-v", "127.0.0.1:285", "-c", "cat"];
    let mut command = vncterm(server, &words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().expect("it starts");
    drop(child.stderr.take());
    child
}

#[test]
fn ports_are_taken_back_though_nobody_reads_the_log() {
    let server = Server::start();
    let mut child = unheard(&server);
    let mut store = server.store();
    port(&mut store, "tc-port");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("it runs");
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), store.directory(FOLDER)), (Some(0), Ok(Vec::new())));
}

#[test]
fn a_killed_converter_ends_its_keeper_and_its_ports() {
    let mut serving = Serving::start(290, &["-c", "cat"]);
    let converter = Pid::from_raw(serving.converter().pid.cast_signed());
    kill(converter, Signal::SIGKILL).expect("it runs");
    let status = serving.running.wait(Deadline::seconds(SOON));
    assert_eq!(status.code(), Some(1));
    serving.running.line(Deadline::seconds(SOON), "why", |line| line.contains("SIGKILL"));
    assert_eq!(serving.server.store().directory(FOLDER), Ok(Vec::new()));
}

#[test]
fn words_that_are_not_text_are_wrong_usage() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    for option in ["-t", "-x", "-v", "--uid"] {
        let mut command = program::command("vncterm", [option]);
        command.arg(OsStr::from_bytes(b"\xff"));
        let finished = program::run(&mut command, Deadline::seconds(SOON));
        assert_eq!(finished.status.code(), Some(2), "{option}: {}", finished.errors);
        assert_eq!(finished.errors.lines().count(), 1, "{}", finished.errors);
    }
}
