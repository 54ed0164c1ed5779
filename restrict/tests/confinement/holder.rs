//! A process that holds a device in the plan: it can use that one, and open no other.
//!
//! Here the device is `/dev/zero`; on a real Xen `examples/xen-probe` does the same with a restricted
//! handle.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::sys::signal::Signal;
use restrict::{
    Ending, Expected, Launch, Moment, Program, Reaped, SpawnError, attest, become_subreaper,
};

use crate::guard::{PATIENCE, example_path, uid};
use crate::hold::{CONTROL, HANDLE, REPORT, plan};

/// What the holder of `device` says of its deed, and how it ends.
fn hold(device: &str, deed: &str) -> Result<(String, Ending), SpawnError> {
    become_subreaper().unwrap();
    let program = Program::open(&example_path("xen-probe")).unwrap();
    let (mut control, theirs) = UnixStream::pair().unwrap();
    control.set_read_timeout(Some(PATIENCE)).unwrap();
    let device = File::options().read(true).write(true).open(device).unwrap();
    let (_log, stderr) = std::io::pipe().unwrap();
    let uid = uid();
    let plan = plan(uid);
    let launch = Launch {
        program: &program,
        name: "holder".into(),
        arguments: ["--inside", deed, &uid.to_string()].map(Into::into).to_vec(),
        plan: &plan,
        report: REPORT,
        descriptors: vec![(HANDLE, device.into()), (CONTROL, theirs.into())],
        stderr: stderr.into(),
    };
    let child = launch.run(PATIENCE)?;
    let (program, moment) = (program.id(), Moment::Started);
    let attested =
        attest(&Expected { child, plan: &plan, program, network: None, moment }).unwrap();
    assert!(attested.holds(), "{:#?}", attested.failures().collect::<Vec<_>>());
    control.write_all(b"g").unwrap();
    let mut said = String::new();
    control.read_to_string(&mut said).unwrap();
    let begun = Instant::now();
    loop {
        match child.reap().unwrap() {
            Reaped::Ended(ending) => return Ok((said, ending)),
            Reaped::Running => assert!(begun.elapsed() < PATIENCE, "it does not end"),
            Reaped::Foreign => panic!("it is another's child"),
        }
        std::thread::yield_now();
    }
}

#[test]
fn the_holder_of_a_device_uses_it() {
    assert_eq!(hold("/dev/zero", "hold").unwrap(), ("OK".into(), Ending::Exited(0)));
}

#[test]
fn the_holder_of_a_device_opens_no_other_and_not_its_own_again() {
    for path in ["/dev/xen/evtchn", "/dev/zero", "/proc/self/fd/3"] {
        let ended = hold("/dev/zero", path).unwrap();
        assert_eq!(ended, (String::new(), Ending::Killed(Signal::SIGSYS)), "{path}");
    }
}

#[test]
fn what_is_no_device_is_not_taken_for_one() {
    // `/dev/null` is never a handle, whatever a plan says.
    let refused = hold("/dev/null", "hold").unwrap_err().to_string();
    assert!(refused.contains("is /dev/null, not a device"), "{refused}");
}
