//! Hostile viewers and hostile guests: they harm their own connection, or their own screen.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::time::Duration;

use acceptance::converter::Converter;
use acceptance::deadline::Deadline;
use acceptance::guest::{Console, Guest};
use acceptance::proc::Process;
use acceptance::rfb::Viewer;
use acceptance::store::Store;
use acceptance::world::{Demo, local};

/// How long anything well-behaved may take while the hostile are at it.
const SOON: u64 = 30;
/// How long all that a hostile guest prints may take. An unoptimised converter needs some five seconds
/// of processor time for it; a busy machine may take a minute to give it those.
const ALL_SAID: u64 = 300;
/// How much memory a converter may come to, whatever is done to it.
const RESIDENT_KIB_MAX: u64 = 16 * 1024;

/// The handshake of a 3.8 viewer, up to the point where messages are taken.
const HANDSHAKE: &[u8] = b"RFB 003.008\n\x01\x01";

/// What hostile viewers send, after the handshake or in its place. Each loses its connection.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    let after_handshake = |message: &[u8]| [HANDSHAKE, message].concat();
    vec![
        ("no version", vec![0xff; 4096]),
        ("a web browser", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("a security type that wasn't offered", b"RFB 003.008\n\x13".to_vec()),
        ("an unknown message", after_handshake(&[199; 64])),
        (
            "pixels of 24 bits with no colours",
            after_handshake(&[0, 0, 0, 0, 24, 24, 0, 1, 0, 0, 0, 0, 0, 0, 40, 40, 40, 0, 0, 0]),
        ),
    ]
}

/// What hostile viewers send that is of the protocol, and more than anybody needs.
fn excess() -> Vec<u8> {
    let encodings = [&[2, 0, 0xff, 0xff][..], &[0xff; 65535 * 4]].concat();
    let everything = [3, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff].repeat(10_000);
    let pointer = [5, 1, 0x7f, 0xff, 0x7f, 0xff].repeat(10_000);
    let half_a_cut_text = [&[6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff][..], &[b'x'; 1 << 20]].concat();
    [HANDSHAKE, &encodings, &everything, &pointer, &half_a_cut_text].concat()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the converter listens");
    stream.set_read_timeout(Some(Duration::from_secs(SOON))).expect("a timeout");
    stream.set_write_timeout(Some(Duration::from_secs(SOON))).expect("a timeout");
    stream
}

/// Reads until the converter ends the connection.
fn is_closed(mut stream: TcpStream, what: &str) {
    let mut rest = [0; 65536];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("{what}: the connection is still open: {error}"),
        }
    }
}

fn works(viewer: &mut Viewer, word: &str) {
    viewer.type_text(&format!("echo {word}-$((40 + 2))\n")).expect("typed");
    viewer.wait_for_text(Deadline::seconds(SOON), &format!("{word}-42"));
}

/// X11's keysym of the left Ctrl key.
const CONTROL: u32 = 0xffe3;

/// Keys that come while the guest's own line is full are lost, a bracket's end among them, so a
/// person presses Ctrl-C and types them again.
fn works_again(viewer: &mut Viewer, word: &str) {
    let deadline = Deadline::seconds(SOON);
    loop {
        viewer.key(CONTROL, true).expect("typed");
        viewer.type_text("c").expect("typed");
        viewer.key(CONTROL, false).expect("typed");
        viewer.type_text(&format!("\necho {word}-$((40 + 2))\n")).expect("typed");
        if viewer.shows(Deadline::seconds(2), &format!("{word}-42")) {
            return;
        }
        assert!(deadline.left().is_some(), "the screen shows:\n{}", viewer.screen().join("\n"));
    }
}

fn is_small(converter: Process) {
    let resident = converter.resident_kib().expect("the converter lives");
    assert!(resident <= RESIDENT_KIB_MAX, "a converter has come to {resident} KiB");
}

#[test]
fn hostile_viewers_lose_their_connection_and_nothing_else() {
    let converter = Converter::start(64);
    let (address, process) = (converter.screen, converter.process());
    let mut honest = Viewer::connect(address).expect("a viewer connects");
    works(&mut honest, "first");

    for (what, bytes) in nonsense() {
        let mut stream = connect(address);
        // The converter may close before it has read all.
        let _cut_short = stream.write_all(&bytes);
        is_closed(stream, what);
    }
    works(&mut honest, "nonsense");

    // Half-way, and silent: after every byte of a handshake.
    let stalled: Vec<TcpStream> = (0..HANDSHAKE.len())
        .map(|length| {
            let mut stream = connect(address);
            stream.write_all(&HANDSHAKE[..length]).expect("sent");
            stream
        })
        .collect();
    works(&mut honest, "stalled");

    // Takes all it is offered and reads nothing of it.
    let mut deaf = connect(address);
    deaf.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let _cut_short = deaf.write_all(&excess());
    works(&mut honest, "flooded");

    // A text viewer that floods the guest with keys and reads nothing.
    let mut text = connect(converter.text);
    text.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let _cut_short = text.write_all(&b": \n".repeat(20_000));
    let _gone = text.shutdown(Shutdown::Both);
    works_again(&mut honest, "typed-over");

    for stream in stalled {
        is_closed(stream, "a handshake that is never finished");
    }

    assert!(process.lives(), "it is the same process");
    is_small(process);
    converter.end();
}

/// A shell script that prints what guests should not, and then shows that it is done.
const HOSTILE_OUTPUT: &str = r#"
printf '\033]0;'; head -c 20000000 /dev/zero | tr '\0' A; printf '\007'
printf '\033P'; head -c 5000000 /dev/zero | tr '\0' B; printf '\033\\'
for final in A B C D @ L M P S T X Z b d G I; do printf "\\033[99999999999999999999$final"; done
i=0; while [ $i -lt 2000 ]; do printf '\033[9999L\033[9999M\033[9999@\033[9999S'; i=$((i + 1)); done
printf '\033[%0100000d;5H' 3
printf '\300\200\355\240\200\364\220\200\200\370\210\200\200\200\377\376\302'
head -c 1000000 /dev/urandom
printf '\030\033c'; printf 'all was said\r\n'
exec cat
"#;

#[test]
fn a_hostile_guest_changes_its_own_screen_in_bounded_memory() {
    let converter = Converter::start_with(72, &["sh", "-c", HOSTILE_OUTPUT]);
    let process = converter.process();
    let mut viewer = Viewer::connect(converter.screen).expect("a viewer connects");
    viewer.wait_for_text(Deadline::seconds(ALL_SAID), "all was said");
    assert!(process.lives(), "it is the same process");
    is_small(process);
    viewer.type_text("and goes on\n").expect("typed");
    viewer.wait_for_text(Deadline::seconds(SOON), "and goes on");
    converter.end();
}

#[test]
fn hostile_ttys_get_no_converter() {
    let demo = Demo::start(["--domains", "1"]);
    name_hostile_ttys(&demo);
    demo.end();
}

/// XSA-57: what a guest might name as its tty.
fn name_hostile_ttys(demo: &Demo) {
    let mut store = demo.store();
    let folder = tempfile::tempdir().expect("a folder");
    let victim = Console::open();
    let link = folder.path().join("link");
    symlink(&victim.tty, &link).expect("a link");
    let mut honest_console = Console::open();
    let honest = Guest::new(90, "honest");
    honest.create(&mut store).expect("created");
    honest.set_tty(&mut store, &honest_console.tty.to_string_lossy()).expect("named");
    let port = screen_port(&mut store, &honest);

    let ttys = [
        "/etc/shadow".to_owned(),
        honest_console.tty.to_string_lossy().into_owned(),
        link.to_string_lossy().into_owned(),
        format!("/dev/pts/{}", "9".repeat(4000)),
        format!("/dev/pts/../..{}", link.display()),
        "/dev/pts/ptmx".to_owned(),
        "/dev/tty".to_owned(),
    ];
    let mut guests = Vec::new();
    for (domid, tty) in (91..).zip(&ttys) {
        let guest = Guest::new(domid, &format!("hostile{domid}"));
        guest.create(&mut store).expect("created");
        guest.set_tty(&mut store, tty).expect("named");
        guests.push(guest);
    }
    // A good tty under a key that the guest itself may write.
    let writable = Guest::new(99, "writable");
    let own_console = Console::open();
    writable.create(&mut store).expect("created");
    store.write(&writable.key("console/tty"), "").expect("made");
    store.set_permissions(&writable.key("console/tty"), &["n0", "b99"]).expect("opened up");
    writable.set_tty(&mut store, &own_console.tty.to_string_lossy()).expect("named");
    guests.push(writable);

    let last_console = Console::open();
    let last = Guest::new(100, "last");
    last.create(&mut store).expect("created");
    last.set_tty(&mut store, &last_console.tty.to_string_lossy()).expect("named");
    screen_port(&mut store, &last);

    for guest in &guests {
        assert!(store.read(&guest.key("console/vnc-port")).is_err(), "{} has a screen", guest.name);
        is_logged_once(demo, guest);
    }
    let mut viewer = Viewer::connect(local(port)).expect("the honest guest's screen is there");
    honest_console.print(b"mine alone\r\n").expect("printed");
    viewer.wait_for_text(Deadline::seconds(SOON), "mine alone");
}

fn screen_port(store: &mut Store, guest: &Guest) -> u16 {
    store.wait_until(Deadline::seconds(SOON), &guest.key("console/vnc-port"), |value| {
        value.and_then(|port| port.parse().ok())
    })
}

/// One line of the log warns of this guest's tty.
fn is_logged_once(demo: &Demo, guest: &Guest) {
    let names = [format!("domain {}", guest.domid), format!("domain={}", guest.domid)];
    let said = demo.said();
    let warns = |line: &&str| {
        line.contains("WARN") && names.iter().any(|name| line.contains(name.as_str()))
    };
    let lines: Vec<&str> = said.lines().filter(warns).collect();
    assert_eq!(lines.len(), 1, "{}'s tty in the log: {lines:#?}", guest.name);
}
