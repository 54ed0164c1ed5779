//! Guests with a QEMU: its picture is listed and left to it, and their text is a console of ours.

use std::io::Read;
use std::net::TcpStream;

use acceptance::rfb::Viewer;
use acceptance::world::local;

use crate::dom0::{converters, listed, soon, store, wait_for_converters};
use crate::guest::{Guest, node};
use crate::report::fact;

/// A fully virtualised guest: a kernel that QEMU loads, and a serial port.
const HVM: &str = "type = 'hvm'\nserial = 'pty'\nvnc = 1\nvnclisten = '127.0.0.1'\n\
                   kernel = '/lab/guest/vmlinuz'\nmemory = 160\n\
                   extra = 'console=ttyS0 earlyprintk=ttyS0'\n";
/// A paravirtual guest with a framebuffer.
const FRAMEBUFFER: &str = "vfb = ['type=vnc,vnclisten=127.0.0.1']\n";

pub(super) fn fully_virtualised() {
    let guest = Guest::with("windows", 30, HVM);
    let domid = guest.create();
    has_both_consoles(&guest, domid);
    assert!(store().read(&node(domid, "serial/0/tty")).is_ok(), "it is the serial port's");
    let port = text_port(domid);
    wait_for_text(port, "Linux version");
    guest.xl("destroy");
    wait_for_converters(0);
}

pub(super) fn framebuffer() {
    let guest = Guest::with("picture", 31, FRAMEBUFFER);
    let domid = guest.create();
    has_both_consoles(&guest, domid);
    wait_for_text(text_port(domid), crate::guest::PROMPT);
    guest.xl("destroy");
    wait_for_converters(0);
}

/// QEMU's screen at the port that libxl wrote, and a converter for the text alone.
fn has_both_consoles(guest: &Guest, domid: u16) {
    let text = text_port(domid);
    let qemu: u16 = store()
        .read(&node(domid, "console/vnc-port"))
        .expect("libxl names QEMU's port")
        .parse()
        .expect("a port");
    let viewer = Viewer::connect(local(qemu)).expect("QEMU serves its screen");
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
