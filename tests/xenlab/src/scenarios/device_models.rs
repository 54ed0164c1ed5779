//! Guests with a QEMU: its picture is listed and left to it, and their text is a console of ours.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;

use acceptance::proc::Process;
use acceptance::rfb::Viewer;
use acceptance::world::local;

use crate::dom0::{converters, keep_picture, listed, soon, store, user, wait_for_converters};
use crate::guest::{Guest, PROMPT, node};
use crate::report::fact;
use crate::tool::must;

/// A fully virtualised guest: a boot disk, and a serial port.
const HVM: &str = "type = 'hvm'\nserial = 'pty'\nvnc = 1\nvnclisten = '127.0.0.1'\nboot = 'c'\n\
                   disk = ['format=raw,vdev=hda,access=rw,target=/var/tmp/xenlab-boot.img']\n";
/// The boot disk: a whole kernel takes minutes on a processor that is emulated twice.
const BOOT_DISK: &str = "/var/tmp/xenlab-boot.img";
/// A sector's program, at 0000:7c00: prints the text behind it on the first serial port, again and
/// again, as QEMU drops what is printed while nobody listens.
const BOOT: [u8; 41] = [
    0x31, 0xc0, // begin: xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0xbe, 0x29, 0x7c, // mov si, text
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x11, // jz done
    0x88, 0xc4, // mov ah, al
    0xba, 0xfd, 0x03, // mov dx, 0x3fd: the line's status
    0xec, // wait: in al, dx
    0xa8, 0x20, // test al, 0x20: may be written
    0x74, 0xfb, // jz wait
    0xb2, 0xf8, // mov dl, 0xf8: the data
    0x88, 0xe0, // mov al, ah
    0xee, // out dx, al
    0xeb, 0xea, // jmp next
    0xba, 0x00, 0x01, // done: mov dx, 256
    0x31, 0xc9, // pause: xor cx, cx
    0xe2, 0xfe, // loop here
    0x4a, // dec dx
    0x75, 0xf9, // jnz pause
    0xeb, 0xd7, // jmp begin
];
/// What it prints.
const BOOTED: &str = "the serial port of a whole machine";
/// A sector, and the word at its end by which a BIOS believes it.
const SECTOR: usize = 512;
const BOOTABLE: [u8; 2] = [0x55, 0xaa];
/// Bytes of the disk: more than its first sector, so that a BIOS finds a geometry.
const DISK: usize = 2048 * SECTOR;
/// Pixels of a PC's screen in the mode that firmware writes text in.
const TEXT_MODE: (usize, usize) = (720, 400);
/// A paravirtual guest with a framebuffer.
const FRAMEBUFFER: &str = "vfb = ['type=vnc,vnclisten=127.0.0.1']\n";

/// Has libxl start our wrapper in QEMU's place.
const WRAPPER: &str = "device_model_override = '/usr/libexec/xenwarden/device-model'\n";
/// The first user id of device models, as the shipped configuration has it.
const DEVICE_MODEL_UIDS: u32 = 1_879_080_960;
/// An empty set, as /proc writes it.
const NO_CAPABILITY: &str = "0000000000000000";

pub(super) fn fully_virtualised() {
    make_boot_disk();
    let guest = Guest::bare("windows", 30, HVM);
    let domid = guest.create();
    let qemu = has_both_consoles(&guest, domid);
    // A processor that is emulated twice takes its time to the first instruction of a disk.
    soon().until("the firmware writes text", || {
        let picture = Viewer::connect(local(qemu)).ok()?.picture;
        ((picture.width, picture.height) == TEXT_MODE).then_some(())
    });
    wait_for_text(text_port(domid), BOOTED);
    guest.xl("destroy");
    wait_for_converters(0);
}

pub(super) fn framebuffer() {
    let guest = Guest::with("picture", 31, FRAMEBUFFER);
    let domid = guest.create();
    has_both_consoles(&guest, domid);
    wait_for_text(text_port(domid), PROMPT);
    guest.xl("destroy");
    wait_for_converters(0);
}

/// Both kinds of QEMU behind our wrapper: what /proc says of them, and that they work and end.
pub(super) fn confined() {
    make_boot_disk();
    let hvm = Guest::bare("hvm-confined", 32, &format!("{HVM}{WRAPPER}"));
    let framebuffer = Guest::with("vfb-confined", 33, &format!("{FRAMEBUFFER}{WRAPPER}"));
    let devices = ["dev", "dev/xen", "dev/xen/evtchn", "dev/xen/gntdev"];
    for (guest, root) in [(hvm, &[][..]), (framebuffer, &devices[..])] {
        let domid = guest.create();
        has_both_consoles(&guest, domid);
        let pid = store().read(&node(domid, "image/device-model-pid")).expect("libxl knows it");
        let qemu = Process::find(pid.parse().expect("a process id")).expect("QEMU runs");
        let is_nobody = || looks_confined(qemu, domid, root);
        soon().until("QEMU has given up what it started with", || is_nobody().then_some(()));
        fact(&format!("{}: QEMU is user {}", guest.name, user(qemu).unwrap_or_default()));
        guest.xl("destroy");
        soon().until("QEMU has ended with its domain", || (!qemu.lives()).then_some(()));
        wait_for_converters(0);
    }
}

fn make_boot_disk() {
    let mut disk = vec![0; DISK];
    let program = [&BOOT[..], BOOTED.as_bytes(), b"\r\n\0"].concat();
    disk.splice(..program.len(), program);
    disk.splice(SECTOR - BOOTABLE.len()..SECTOR, BOOTABLE);
    std::fs::write(BOOT_DISK, disk).expect("the disk has room");
}

/// Whether a device model has its own user, nothing of root's, and just this below its root.
fn looks_confined(qemu: Process, domid: u16, root: &[&str]) -> bool {
    let uid = (DEVICE_MODEL_UIDS + u32::from(domid)).to_string();
    let is = |name: &str, wanted: &str| {
        status_of(qemu, name).split_whitespace().all(|found| found == wanted)
    };
    let own = ["mnt", "ipc", "uts"].iter().all(|kind| {
        let ours = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace");
        qemu.namespace(kind).is_ok_and(|theirs| ours.to_str() != Some(theirs.as_str()))
    });
    let mut below = Vec::new();
    list(&qemu.file("root"), "", &mut below);
    is("Uid", &uid)
        && is("Gid", &uid)
        && is("NoNewPrivs", "1")
        && is("Seccomp", "2")
        && ["CapInh", "CapPrm", "CapEff", "CapAmb"].iter().all(|set| is(set, NO_CAPABILITY))
        && own
        && below == root
}

fn status_of(process: Process, name: &str) -> String {
    process.status().ok().and_then(|mut status| status.remove(name)).unwrap_or_default()
}

/// Everything below a folder, by name.
fn list(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        let path = format!("{prefix}{name}");
        found.push(path.clone());
        list(&folder.join(name), &format!("{path}/"), found);
    }
}

/// Restricted handles: each row of what Linux and Xen must allow and refuse, tried by a program of
/// its own beside two guests.
pub(super) fn handles() {
    let guests = [Guest::new("handle-a", 34), Guest::new("handle-b", 35)];
    let domids = guests.each_ref().map(|guest| guest.create().to_string());
    // Debian's checker opens its device.
    must("modprobe", ["xen-gntalloc"]);
    let rows = must("/lab/bin/xen-probe", &domids);
    let held = rows.lines().filter(|line| line.starts_with("ok")).count();
    fact(&format!("{held} rows hold, Debian's depriv-fd-checker included"));
}

/// QEMU's screen at the port that libxl wrote, and a converter for the text alone; returns QEMU's
/// port.
fn has_both_consoles(guest: &Guest, domid: u16) -> u16 {
    let text = text_port(domid);
    let qemu: u16 = store()
        .read(&node(domid, "console/vnc-port"))
        .expect("libxl names QEMU's port")
        .parse()
        .expect("a port");
    let mut viewer = Viewer::connect(local(qemu)).expect("QEMU serves its screen");
    viewer
        .wait_until(soon(), "something", |picture| picture.pixels.iter().any(|pixel| *pixel != 0));
    keep_picture(&viewer, &guest.name);
    fact(&format!("QEMU's desktop is called {}", viewer.name));
    assert_eq!(converters().len(), 1, "one converter, for the text");
    let vm = soon().until("both consoles are listed", || {
        let vm = listed().into_iter().find(|vm| vm["uuid"] == guest.uuid.as_str())?;
        (vm["consoles"].as_array()?.len() == 2).then_some(vm)
    });
    let locations: Vec<&str> = vm["consoles"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|console| console["location"].as_str())
        .collect();
    assert!(locations.contains(&format!("vnc://127.0.0.1:{qemu}").as_str()), "{locations:?}");
    assert!(locations.contains(&format!("telnet://127.0.0.1:{text}").as_str()), "{locations:?}");
    qemu
}

fn text_port(domid: u16) -> u16 {
    store().wait_until(soon(), &node(domid, "console/tc-port"), |value| value?.parse().ok())
}

/// Reads a text console until it has said something.
fn wait_for_text(port: u16, text: &str) {
    let deadline = soon();
    let mut stream = TcpStream::connect(local(port)).expect("the text port is served");
    let mut said = Vec::new();
    loop {
        if String::from_utf8_lossy(&said).contains(text) {
            return;
        }
        let left = deadline.left_for("a text console");
        stream.set_read_timeout(Some(left)).expect("a time");
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes) {
            Ok(length) if length > 0 => said.extend(bytes.iter().take(length)),
            other => panic!("{other:?}; the console says:\n{}", String::from_utf8_lossy(&said)),
        }
    }
}
