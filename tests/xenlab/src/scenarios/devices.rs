//! A guest with a disk and a NIC: their drivers' halves find each other in the store, and data flows.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::Duration;

use acceptance::rfb::Viewer;

use super::store_limits::state_honest;
use crate::dom0::{our_store, soon};
use crate::guest::Guest;
use crate::tool::must;

const BRIDGE: &str = "xenbr0";
/// The control domain's end of the guest's network.
const DOM0: &str = "10.9.0.1";
const PORT: u16 = 7777;
/// What the guest sends, in bytes.
const SENT: u64 = 4 * 1024 * 1024;
const DISK: &str = "/var/tmp/xenlab.disk";
const DISK_BYTES: u64 = 16 * 1024 * 1024;
/// What the guest writes to its disk, and where.
const MARK: &str = "from the guest";
const MARK_SECTOR: u64 = 2048;
/// How long a device's two halves may go on telling each other things.
const SETTLED: Duration = Duration::from_secs(5);

pub(super) fn pass_traffic() {
    for module in ["bridge", "xen-netback", "xen-blkback", "loop"] {
        must("modprobe", [module]);
    }
    must("ip", ["link", "add", BRIDGE, "type", "bridge"]);
    must("ip", ["address", "add", &format!("{DOM0}/24"), "dev", BRIDGE]);
    must("ip", ["link", "set", BRIDGE, "up"]);
    File::create(DISK).and_then(|disk| disk.set_len(DISK_BYTES)).expect("a sparse file");
    let lines = format!(
        "vif = ['mac=00:16:3e:00:00:01,bridge={BRIDGE},script=vif-bridge']\n\
         disk = ['format=raw,vdev=xvda,access=rw,target={DISK}']"
    );
    let guest = Guest::with("devices", 60, &lines);
    let (domid, mut viewer) = guest.start();

    let network = "ifconfig eth0 10.9.0.2 netmask 255.255.255.0 up";
    ask(&mut viewer, &format!("{network} && ping -c 2 {DOM0}"), "2 packets received");
    ask(&mut viewer, "dd if=/dev/xvda of=/dev/null bs=64k", "256+0 records out");
    let write = format!("dd of=/dev/xvda seek={MARK_SECTOR} conv=fsync");
    ask(&mut viewer, &format!("echo {MARK} | {write}"), "0+1 records out");
    let mut mark = vec![0; MARK.len()];
    let disk = File::open(DISK).expect("the disk's file");
    disk.read_exact_at(&mut mark, MARK_SECTOR * 512).expect("it is as long");
    assert_eq!(String::from_utf8_lossy(&mark), MARK, "it is in the file");

    let listener = TcpListener::bind((DOM0, PORT)).expect("the bridge has the address");
    let received = std::thread::spawn(move || count(&listener));
    let blocks = SENT / 1024;
    ask(
        &mut viewer,
        &format!("dd if=/dev/zero bs=1k count={blocks} | nc {DOM0} {PORT}"),
        &format!("{blocks}+0 records out"),
    );
    assert_eq!(received.join().expect("somebody came").expect("all is received"), SENT);

    sleep(SETTLED);
    if our_store().is_some() {
        let booted = state_honest("a boot with a disk and a NIC, to idle", domid, 0);
        must("xl", ["network-detach", &guest.name, "0"]);
        must("xl", ["network-attach", &guest.name, &format!("bridge={BRIDGE}")]);
        sleep(SETTLED);
        state_honest("a NIC taken out and put in", domid, booted);
    }
    guest.xl("destroy");
    must("ip", ["link", "delete", BRIDGE]);
    fs::remove_file(DISK).expect("the disk's file");
}

/// Has the guest's shell do something, and waits for what it says then.
fn ask(viewer: &mut Viewer, words: &str, answer: &str) {
    viewer.type_text(&format!("{words}\n")).expect("the viewer is served");
    viewer.wait_for_text(soon(), answer);
}

/// How many bytes the first one to come sends.
fn count(listener: &TcpListener) -> io::Result<u64> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(soon().left())?;
    io::copy(&mut (&mut stream).take(SENT + 1), &mut io::sink())
}
