//! A process that holds a restricted handle in the released plan, and tries to open another.
//!
//! It does one deed for each start, as the first forbidden call ends it.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use restrict::xen::{EventChannels, Guest};
use restrict::{
    Child, Ending, Expected, Launch, Moment, Program, Reaped, Uid, UidRange, attest,
    become_subreaper, enter,
};

use crate::hold::{CONTROL, HANDLE, REPORT, plan};
use crate::report::{Report, shown};

/// The word that tells this program that it is the one inside.
pub(crate) const WORD: &str = "--inside";

/// A range for the probe alone.
const UID_BASE: u32 = 2_080_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// Inside: enters the plan and does its deed.
pub(crate) fn run(deed: &str, uid: &str) -> ExitCode {
    let uid = Uid::new(uid.parse().expect("a number")).expect("a plain user");
    let mut confined = match enter(&plan(uid), REPORT) {
        Ok(confined) => confined,
        Err(error) => {
            eprintln!("xen-probe: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut control = UnixStream::from(confined.take(CONTROL).expect("planned"));
    // Until it was looked at from outside.
    let _go = control.read(&mut [0]);
    let result = match deed {
        "hold" => {
            let mut handle = std::fs::File::from(confined.take(HANDLE).expect("planned"));
            // No port: nothing is unmasked, but the handle takes it.
            handle.write(&[]).map(drop)
        }
        path => std::fs::File::open(path).map(drop),
    };
    let said = result.map_or_else(|error| error.to_string(), |()| "OK".into());
    let told = control.write_all(said.as_bytes());
    ExitCode::from(u8::from(told.is_err()))
}

/// Outside: starts one for each deed, looks at it, lets it go, and hears how it ends.
pub(crate) fn from_outside(report: &mut Report, guest: Guest) {
    let subreaper = become_subreaper();
    report.row("become subreaper", &["OK"], shown(&subreaper));
    for (deed, expected) in [
        ("hold", "OK"),
        ("/dev/xen/evtchn", "SIGSYS"),
        ("/dev/xen/privcmd", "SIGSYS"),
        ("/dev/xen/gntdev", "SIGSYS"),
        ("/proc/self/fd/3", "SIGSYS"),
    ] {
        let handle = EventChannels::open().and_then(|fresh| fresh.restrict(guest));
        let got = match handle {
            Ok(handle) => one(deed, handle.into(), guest.domid()),
            Err(error) => Err(shown(&Err::<(), _>(error))),
        };
        let name = format!("a confined holder of a restricted handle: {deed}");
        report.row(name, &[expected], got.unwrap_or_else(|error| error));
    }
}

fn one(deed: &str, handle: OwnedFd, domid: u16) -> Result<String, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let range = UidRange::new(UID_BASE).map_err(|error| text(&error))?;
    let uid = range.uid(domid).ok_or("no user")?;
    let program = std::env::current_exe().and_then(|path| Program::open(&path));
    let program = program.map_err(|error| text(&error))?;
    let (mut control, theirs) = UnixStream::pair().map_err(|error| text(&error))?;
    control.set_read_timeout(Some(PATIENCE)).map_err(|error| text(&error))?;
    let (mut log, stderr) = std::io::pipe().map_err(|error| text(&error))?;
    let plan = plan(uid);
    let launch = Launch {
        program: &program,
        name: "xen-probe-inside".into(),
        arguments: [WORD, deed, &uid.to_string()].map(Into::into).to_vec(),
        plan: &plan,
        report: REPORT,
        descriptors: vec![(HANDLE, handle), (CONTROL, theirs.into())],
        stderr: stderr.into(),
    };
    let child = launch.run(PATIENCE).map_err(|error| shown(&Err::<(), _>(error)))?;
    let expected = Expected {
        child,
        plan: &plan,
        program: program.id(),
        network: None,
        moment: Moment::Started,
    };
    let attested = attest(&expected).map_err(|error| text(&error))?;
    if let Some(failure) = attested.failures().next() {
        return Err(format!("{}: {}", failure.claim, failure.found));
    }
    control.write_all(b"g").map_err(|error| text(&error))?;
    let mut said = String::new();
    control.read_to_string(&mut said).map_err(|error| text(&error))?;
    match ending(child)? {
        Ending::Killed(signal) => Ok(signal.as_str().to_owned()),
        Ending::Exited(0) => Ok(said),
        Ending::Exited(status) => {
            let mut last = String::new();
            log.read_to_string(&mut last).map_err(|error| text(&error))?;
            Err(format!("exited with {status}: {last}"))
        }
    }
}

/// Its end; the control socket has closed, so that it comes now.
fn ending(child: Child) -> Result<Ending, String> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match child.reap().map_err(|error| error.to_string())? {
            Reaped::Ended(ending) => return Ok(ending),
            Reaped::Running => std::thread::yield_now(),
            Reaped::Foreign => return Err("it is another's child".into()),
        }
    }
    Err("it does not end".into())
}
