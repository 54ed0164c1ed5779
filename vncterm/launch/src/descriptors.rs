//! What a converter is handed, at which numbers, and the plan that keeps just that.

use std::ffi::OsString;
use std::os::fd::{OwnedFd, RawFd};

use restrict::{Gid, Kept, Kind, Launch, Launching, Network, Plan, PlanError, Program, SpawnError};
use vncterm_control::{Descriptor, Start};

/// Everything that a converter is handed.
#[derive(Debug)]
pub struct Handed {
    /// The guest's console.
    pub tty: OwnedFd,
    /// Where RFB viewers come in.
    pub rfb_listener: Option<OwnedFd>,
    /// Where text viewers come in.
    pub text_listener: Option<OwnedFd>,
    /// The listening control socket.
    pub control: OwnedFd,
    /// The screen file.
    pub screen: OwnedFd,
    /// The held lock on the console, or its other end.
    pub lock: Option<OwnedFd>,
    /// The empty network namespace.
    pub network: OwnedFd,
}

/// The plan of a converter that is started so: what it enters, and what it is attested by.
pub fn plan(start: &Start, uid: restrict::Uid) -> Result<Plan, PlanError> {
    let kept = Descriptor::ALL.into_iter().filter_map(|descriptor| {
        let (kind, purpose) = match descriptor {
            Descriptor::Tty => (Kind::Terminal, "guest's console"),
            Descriptor::RfbListener if start.rfb => (Kind::Socket, "RFB listener"),
            Descriptor::TextListener if start.text => (Kind::Socket, "text listener"),
            Descriptor::Control => (Kind::Socket, "control listener"),
            Descriptor::Screen => (Kind::File, "screen file"),
            Descriptor::Lock if start.lock && start.pty => (Kind::Terminal, "console's other end"),
            Descriptor::Lock if start.lock => (Kind::File, "console lock"),
            // Not handed over, or, for the last two, closed before it is confined.
            Descriptor::RfbListener
            | Descriptor::TextListener
            | Descriptor::Lock
            | Descriptor::Network
            | Descriptor::Report => return None,
        };
        Some(Kept { number: descriptor.number(), kind, purpose })
    });
    let network = Network::Join(Descriptor::Network.number());
    Plan::converter(uid, Gid::from(uid), network, kept.collect())
}

/// Executes a converter. `name` is what `ps` shows.
pub fn start(
    program: &Program,
    name: &str,
    start: &Start,
    plan: &Plan,
    handed: Handed,
    stderr: OwnedFd,
) -> Result<Launching, SpawnError> {
    let mut descriptors: Vec<(RawFd, OwnedFd)> = vec![
        (Descriptor::Tty.number(), handed.tty),
        (Descriptor::Control.number(), handed.control),
        (Descriptor::Screen.number(), handed.screen),
        (Descriptor::Network.number(), handed.network),
    ];
    let optional = [
        (Descriptor::RfbListener, handed.rfb_listener),
        (Descriptor::TextListener, handed.text_listener),
        (Descriptor::Lock, handed.lock),
    ];
    for (descriptor, handed) in optional {
        descriptors.extend(handed.map(|handed| (descriptor.number(), handed)));
    }
    let launch = Launch {
        program,
        name: OsString::from(name),
        arguments: start.arguments().into_iter().map(OsString::from).collect(),
        plan,
        report: Descriptor::Report.number(),
        descriptors,
        stderr,
    };
    launch.start()
}
