//! `/dev/xen/privcmd`, before and after.

use std::fs::File;
use std::process::Command;

use nix::errno::Errno;
use restrict::xen::{Guest, Privcmd};

use crate::Guests;
use crate::raw::{self, PRIVCMD};
use crate::report::{Report, outcome, shown};

/// The frame of a guest's console ring, or of its store ring where it has no console.
fn frame(report: &mut Report, guest: Guest) -> u64 {
    let read = |key: &str| {
        let path = format!("/local/domain/{guest}/{key}/ring-ref");
        let output = Command::new("xenstore-read").arg(path).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let frame = read("console").or_else(|| read("store"));
    report.row(
        format_args!("ring-ref of domain {guest}"),
        &["OK"],
        if frame.is_some() { "OK" } else { "none" },
    );
    frame.unwrap_or(0)
}

fn fresh(report: &mut Report) -> Option<File> {
    let opened = raw::open(PRIVCMD);
    if let Err(errno) = opened {
        report.row("open privcmd", &["OK"], format_args!("{errno:?}"));
    }
    opened.ok()
}

pub(crate) fn unrestricted(report: &mut Report, guests: &Guests) {
    let Some(device) = fresh(report) else { return };
    report.row("privcmd xen_version before", &["OK"], outcome(raw::xen_version(&device)));
    for (name, guest) in [("A", guests.a), ("B", guests.b)] {
        let frame = frame(report, guest);
        let mapped = raw::map(&device, guest.domid(), frame);
        report.row(format_args!("privcmd mmapbatch({name}) before"), &["OK"], outcome(mapped));
    }
    report.row("privcmd unknown ioctl before", &["ENOTTY"], outcome(raw::unknown(&device)));

    // Unlike evtchn, it takes domain 0, and is then of no use.
    if let Some(device) = fresh(report) {
        report.row(
            "privcmd restrict(0) before",
            &["OK"],
            outcome(raw::restrict_privcmd(&device, 0)),
        );
        let frame = frame(report, guests.a);
        let mapped = raw::map(&device, guests.a.domid(), frame);
        report.row("privcmd mmapbatch(A) after restrict(0)", &["EPERM"], outcome(mapped));
        let version = raw::xen_version(&device);
        report.row("privcmd xen_version after restrict(0)", &["EPERM"], outcome(version));
    }
    if let Some(device) = fresh(report) {
        let restricted = raw::restrict_privcmd(&device, guests.absent.domid());
        report.row("privcmd restrict(absent)", &["OK"], outcome(restricted));
        let version = raw::xen_version(&device);
        report.row("privcmd xen_version after restrict(absent)", &["EPERM"], outcome(version));
    }
}

pub(crate) fn restricted(report: &mut Report, guests: &Guests) {
    let (frame_a, frame_b) = (frame(report, guests.a), frame(report, guests.b));
    let (a, b) = (guests.a.domid(), guests.b.domid());
    let Some(device) = fresh(report) else { return };
    let early = raw::map(&device, b, frame_b);
    for (name, domid, expected) in [
        ("A", a, "OK"),
        ("A again", a, "OK"),
        ("B", b, "EINVAL"),
        ("0x7ff4", 0x7FF4, "EINVAL"),
        ("0", 0, "EINVAL"),
    ] {
        let restricted = raw::restrict_privcmd(&device, domid);
        report.row(format_args!("privcmd restrict({name})"), &[expected], outcome(restricted));
    }
    report.row("privcmd xen_version after", &["EPERM"], outcome(raw::xen_version(&device)));
    for (name, domid, frame, expected) in
        [("A", a, frame_a, "OK"), ("B", b, frame_b, "EPERM"), ("0", 0, frame_a, "EPERM")]
    {
        let mapped = raw::map(&device, domid, frame);
        report.row(format_args!("privcmd mmapbatch({name}) after"), &[expected], outcome(mapped));
    }
    for (name, domid, expected) in [("A", a, "OK"), ("B", b, "EPERM")] {
        let operated = raw::device_model_operation(&device, domid);
        report.row(format_args!("privcmd dm_op({name}) after"), &[expected], outcome(operated));
        let size = raw::resource_size(&device, domid);
        report.row(format_args!("privcmd mmap_resource({name}) after"), &[expected], outcome(size));
    }
    report.row("privcmd unknown ioctl after", &["ENOTTY"], outcome(raw::unknown(&device)));
    let read = early.map(|page| page.read());
    report.row("privcmd read of B's page mapped before", &["OK"], outcome(read));
}

/// The crate's types.
pub(crate) fn by_type(report: &mut Report, guests: &Guests) {
    let whole = Privcmd::open().map(Privcmd::unrestricted);
    report.row("Privcmd::open", &["OK"], shown(&whole));
    if let Ok(whole) = &whole {
        let version = whole.hypervisor_version();
        report.row("Privcmd<Unrestricted>::hypervisor_version", &["OK"], outcome(version));
        for (name, guest, expected) in [("A", guests.a, "there"), ("absent", guests.absent, "none")]
        {
            let flags = whole.domain_flags(guest.domid());
            let found = match flags {
                Ok(Some(_)) => "there".to_owned(),
                Ok(None) => "none".to_owned(),
                Err(errno) => format!("{errno:?}"),
            };
            report.row(
                format_args!("Privcmd<Unrestricted>::domain_flags({name})"),
                &[expected],
                found,
            );
        }
    }
    let frame = frame(report, guests.a);
    let restricted = Privcmd::open().and_then(|fresh| fresh.restrict(guests.a));
    report.row("Privcmd::restrict(A)", &["OK"], shown(&restricted));
    if let Ok(restricted) = restricted {
        let pages = restricted.map(&[frame]);
        report.row("Privcmd<Restricted>::map", &["OK"], shown(&pages));
        let read = pages.map_err(|_| Errno::EIO).and_then(|pages| {
            if pages.read(0, &mut [0; 16]) { Ok(()) } else { Err(Errno::EFAULT) }
        });
        report.row("Pages::read", &["OK"], outcome(read));
    }
}
