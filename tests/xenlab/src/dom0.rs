//! The control domain as its administrator sees it: its store, the agent, the domains that run.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use acceptance::deadline::Deadline;
use acceptance::proc::Process;
use acceptance::program::Finished;
use acceptance::rfb::Viewer;
use acceptance::store::Store;
use acceptance::world::local;
use serde_json::Value;

use crate::report::OUT;
use crate::tool::{must, quiet, tool};

/// The store's socket, as everywhere.
const STORE: &str = "/run/xenstored/socket";
/// Where a store says which process it is.
const STORE_PID: &str = "/run/xenstore.pid";
/// Our own.
pub(crate) const OUR_STORE: &str = "/usr/libexec/xenwarden/xenstored";
/// The first user id of converters, as the shipped configuration has it.
const CONVERTER_UIDS: u32 = 1_879_048_192;
/// How long an event may take on a busy, emulated machine.
pub(crate) const EVENT_S: u64 = 60;

/// The moment by which an event must have come.
pub(crate) fn soon() -> Deadline {
    Deadline::seconds(EVENT_S)
}

/// A connection to the store.
///
/// # Panics
/// When it does not answer.
pub(crate) fn store() -> Store {
    Store::connect(Path::new(STORE)).expect("the store answers")
}

/// Our store's parent, where the store is ours.
///
/// # Panics
/// When no store has said which process it is.
pub(crate) fn our_store() -> Option<Process> {
    let pid = fs::read_to_string(STORE_PID).expect("a store runs");
    let parent = Process::find(pid.trim().parse().expect("a process id")).expect("it lives");
    fs::read_link(parent.file("exe"))
        .is_ok_and(|file| file == Path::new(OUR_STORE))
        .then_some(parent)
}

/// Runs `xenwarden`; it must succeed.
pub(crate) fn xenwarden<const N: usize>(words: [&str; N]) -> String {
    must("xenwarden", words)
}

/// Runs `xenwarden`, however that goes.
pub(crate) fn try_xenwarden<const N: usize>(words: [&str; N]) -> Finished {
    tool("xenwarden", words)
}

/// The agent's list of VMs.
pub(crate) fn listed() -> Vec<Value> {
    let text = xenwarden(["list", "--all", "--json"]);
    let json: Value = serde_json::from_str(&text).expect("the list is JSON");
    json["vms"].as_array().expect("the list has VMs").clone()
}

/// The agent's process.
pub(crate) fn agent() -> Option<Process> {
    let show = ["show", "--property=MainPID", "--value", "xenwardend"];
    let text = quiet("systemctl", show).output;
    Process::find(text.trim().parse().ok()?)
}

/// Every guest's converter: the control domain's own has the first of their user ids.
pub(crate) fn converters() -> Vec<Process> {
    let is_guests = |process: &Process| {
        fs::read_link(process.file("exe")).is_ok_and(|program| program.ends_with("vncterm"))
            && user(*process) != Some(CONVERTER_UIDS)
    };
    Process::all().into_iter().filter(is_guests).collect()
}

/// The user that a process runs as.
pub(crate) fn user(process: Process) -> Option<u32> {
    let status = process.status().ok()?;
    status.get("Uid")?.split_whitespace().next()?.parse().ok()
}

/// Waits until there are so many converters.
///
/// # Panics
/// When there aren't by then.
pub(crate) fn wait_for_converters(count: usize) {
    soon().until(&format!("there are {count} converters"), || {
        (converters().len() == count).then_some(())
    });
}

/// The numbers of the domains that run, but for the control domain.
pub(crate) fn domains() -> Vec<u16> {
    let list = quiet("xl", ["list"]).output;
    let numbers =
        list.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)?.parse().ok());
    numbers.filter(|domid| *domid != 0).collect()
}

/// A viewer of a domain's screen.
///
/// # Panics
/// When there is none by then.
pub(crate) fn view(port: u16) -> Viewer {
    soon().until("a viewer is served", || Viewer::connect(local(port)).ok())
}

/// True where somebody listens on a port of this machine.
pub(crate) fn is_served(port: u16) -> bool {
    let address: SocketAddr = local(port);
    std::net::TcpStream::connect_timeout(&address, Duration::from_secs(10)).is_ok()
}

/// Keeps a picture of a screen, to be looked at afterwards.
pub(crate) fn keep_picture(viewer: &Viewer, name: &str) {
    let picture = &viewer.picture;
    let mut bytes = format!("P6\n{} {}\n255\n", picture.width, picture.height).into_bytes();
    for pixel in &picture.pixels {
        let [_, red, green, blue] = pixel.to_be_bytes();
        bytes.extend_from_slice(&[red, green, blue]);
    }
    fs::write(format!("{OUT}/{name}.ppm"), bytes).expect("the lab's disk has room");
}

/// What this control domain is, for the report.
pub(crate) fn describe() -> String {
    let version = quiet("xl", ["info", "xen_version"]).output;
    let kernel = quiet("uname", ["-r"]).output;
    let stores = Process::all().into_iter().filter_map(|process| {
        let program = process.words().first()?.clone();
        program.ends_with("xenstored").then_some(program)
    });
    let stores: Vec<String> = stores.collect();
    format!("Xen {}, dom0 kernel {}, store {}", version.trim(), kernel.trim(), stores.join(" "))
}

/// Ends every domain that a scenario left, and gives their converters the time to end.
pub(crate) fn clear() {
    for domid in domains() {
        // One that is just ending itself is gone by now.
        let _gone = quiet("xl", ["destroy", &domid.to_string()]);
    }
    let deadline = soon();
    while !converters().is_empty() && deadline.left().is_some() {
        std::thread::sleep(Duration::from_millis(100));
    }
}
