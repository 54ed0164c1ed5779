//! A keeper and a process that plays its converter.

use std::os::fd::OwnedFd;
use std::process::{Command as Program, Stdio};

use nix::sys::socket::{MsgFlags, accept, send};
use restrict::Child;
use tokio::task::{LocalSet, spawn_local};
use vncterm_control::Start;

use super::*;
use crate::converter::launch::Born;
use crate::converter::link::listen_at;
use crate::domain::Wanted;
use crate::effect::Ports;
use crate::effect::SavedBy;
use crate::host::Host;

/// How long anything may take before a test calls it stuck.
const STUCK: Duration = Duration::from_secs(10);

#[allow(unsafe_code, reason = "an accepted descriptor comes as a bare number")]
fn accept_from(listener: &OwnedFd) -> OwnedFd {
    let raw = accept(listener.as_raw_fd()).unwrap();
    // SAFETY: `accept` has just returned this number, and nothing else owns it.
    unsafe { std::os::fd::FromRawFd::from_raw_fd(raw) }
}

fn terminal() -> Terminal {
    Terminal::parse(b"/dev/pts/7").unwrap()
}

/// A converter that reads [`terminal`], and its end of the control connection.
fn running(site: &Site, child: Child) -> (Running, OwnedFd) {
    let path = site.control_socket(Uuid::nil());
    let listener = listen_at(&path).unwrap();
    let link = Link::connect(&path).unwrap();
    let start = Start {
        uuid: [0; 16],
        uid: site.converters.uids.uid(7).unwrap().number(),
        title: "web".into(),
        columns: 80,
        rows: 24,
        resize: false,
        orphan_s: 600,
        tty_wait_s: 60,
        rfb: true,
        text: true,
        lock: true,
        pty: false,
    };
    let plan = vncterm_launch::plan(&start, site.converters.uids.uid(7).unwrap()).unwrap();
    let identity = Identity { child, plan, program: site.program.id(), network: site.network_id };
    let running = Running {
        born: Born::new(child),
        link,
        version: VERSION,
        log: None,
        ports: Ports { vnc: Some(5907), text: 9507 },
        identity,
        terminal: Some(terminal()),
    };
    (running, accept_from(&listener))
}

#[test]
fn a_converter_whose_terminal_hangs_up_again_and_again_is_ended() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = async {
        let folder = tempfile::tempdir().unwrap();
        let site = Rc::new(Site::below(folder.path()));
        let mut process = Program::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let child = Child::find(i32::try_from(process.id()).unwrap()).unwrap();
        let (running, converter) = running(&site, child);
        let domain = DomainId::new(7).unwrap();
        let (life, _) =
            Host::default().meet(domain, Uuid::nil(), Uuid::nil(), Wanted::On, SavedBy::This);
        let (_keeper, commands) = crate::converter::Keeper::new();
        let (reports, mut heard) = mpsc::unbounded_channel();
        let whose = Whose { life, domain, vm: Uuid::nil() };
        spawn_local(Keeping::new(site, whose, running, commands, reports).run());
        for _ in 0..2 {
            let lost = Answer::TtyLost.encode();
            send(converter.as_raw_fd(), &lost, MsgFlags::empty()).unwrap();
        }
        let (_, first) = heard.recv().await.unwrap();
        assert!(matches!(first, Report::TtyLost(lost) if lost == terminal()), "{first:?}");
        let (_, second) = heard.recv().await.unwrap();
        let Report::Ended { how, expected: false, .. } = second else { panic!("{second:?}") };
        assert!(how.contains("twice"), "{how}");
        // The keeper has reaped it already.
        assert!(process.wait().is_err());
    };
    let in_time = async { tokio::time::timeout(STUCK, story).await.expect("it goes on") };
    LocalSet::new().block_on(&runtime, in_time);
}
