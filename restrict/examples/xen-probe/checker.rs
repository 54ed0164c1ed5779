//! What Xen's own `depriv-fd-checker` says of descriptors with and without restriction.
//!
//! Its exit status is 0 either way: the word in its output counts. It opens one of everything before
//! it begins, `/dev/xen/gntalloc` among them: load `xen-gntalloc`, or it says nothing.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;

use nix::fcntl::{FcntlArg, fcntl};
use restrict::xen::{EventChannels, Guest, HandleError, Privcmd};

use crate::raw;
use crate::report::{Report, shown};

/// Above the numbers that the program gets by itself.
const FIRST_NUMBER: i32 = 10;

pub(crate) fn compare(report: &mut Report, guest: Guest) {
    for (class, path) in [("evtchn", raw::EVTCHN), ("privcmd", raw::PRIVCMD)] {
        if let Ok(whole) = raw::open(path) {
            let name = format!("depriv-fd-checker on an unrestricted {class}");
            report.row(name, &["fail"], ask(class, whole.into()));
        }
    }
    let evtchn = EventChannels::open().and_then(|fresh| fresh.restrict(guest)).map(OwnedFd::from);
    let privcmd = Privcmd::open().and_then(|fresh| fresh.restrict(guest)).map(OwnedFd::from);
    for (class, handle) in [("evtchn", evtchn), ("privcmd", privcmd)] {
        let name = format!("depriv-fd-checker on a restricted {class}");
        report.row(name, &["pass"], verdict(class, handle));
    }
}

fn verdict(class: &str, handle: Result<OwnedFd, HandleError>) -> String {
    match handle {
        Ok(handle) => ask(class, handle),
        Err(error) => shown(&Err::<(), _>(error)),
    }
}

/// Where Debian has it, and where Xen's own builds do.
fn program() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let versions = versions.map(|entry| entry.path().join("bin/depriv-fd-checker"));
    let usual = ["/usr/lib/xen/bin", "/usr/lib64/xen/bin", "/usr/libexec/xen/bin"];
    let usual = usual.map(|folder| PathBuf::from(folder).join("depriv-fd-checker"));
    usual.into_iter().chain(versions).find(|path| path.exists())
}

fn ask(class: &str, handle: OwnedFd) -> String {
    let Some(program) = program() else { return "no depriv-fd-checker".into() };
    // A copy that stays open across exec, which std's own descriptors do not.
    let number = match fcntl(handle.as_fd(), FcntlArg::F_DUPFD(FIRST_NUMBER)) {
        Ok(number) => number,
        Err(errno) => return format!("{errno:?}"),
    };
    let output = Command::new(program).args([class, &number.to_string(), "probe"]).output();
    drop(handle);
    raw::close(number);
    let Ok(output) = output else { return "it was not executed".into() };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = said.lines().filter_map(|line| line.strip_prefix(class)?.split_whitespace().next());
    let words: Vec<&str> = words.collect();
    // It tries several calls; one that succeeds is enough.
    match ["fail", "pass"].into_iter().find(|verdict| words.contains(verdict)) {
        Some(verdict) => verdict.to_owned(),
        None => format!("nothing: {said:?} {}", String::from_utf8_lossy(&output.stderr)),
    }
}
