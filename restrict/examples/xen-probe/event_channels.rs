//! `/dev/xen/evtchn`, before and after.

use std::fs::File;
use std::io::{Read, Write};

use nix::errno::Errno;
use restrict::xen::{EventChannels, Guest, LocalPort, Privcmd};

use crate::Guests;
use crate::raw::{self, BIND_INTERDOMAIN, BIND_UNBOUND, BIND_VIRQ, EVTCHN, EVTCHN_RESTRICT};
use crate::report::{Report, outcome, shown};

/// Virtual interrupts that no store has (`VIRQ_DEBUG`, `VIRQ_ENOMEM`).
const DEBUG: u32 = 1;
const ENOMEM: u32 = 12;

fn domid(guest: Guest) -> u32 {
    guest.domid().into()
}

/// A port in the guest that dom0 may bind to; 0, which none is, where there is none to be had.
fn remote_port(report: &mut Report, guest: Guest) -> u32 {
    let made =
        Privcmd::open().map(Privcmd::unrestricted).map_err(|error| shown(&Err::<(), _>(error)));
    let port = made.and_then(|privcmd| {
        privcmd.allocate_unbound(guest, 0).map_err(|errno| format!("{errno:?}"))
    });
    report.row(
        format_args!("EVTCHNOP_alloc_unbound in domain {guest}"),
        &["OK"],
        port.as_ref().map_or_else(String::clone, |_| "OK".into()),
    );
    port.unwrap_or(0)
}

/// A fresh descriptor, or nothing to go on with.
fn fresh(report: &mut Report) -> Option<File> {
    let opened = raw::open(EVTCHN);
    if let Err(errno) = opened {
        report.row("open evtchn", &["OK"], format_args!("{errno:?}"));
    }
    opened.ok()
}

fn restrict(device: &File, domid: u32) -> String {
    outcome(raw::call(device, EVTCHN_RESTRICT, raw::fields(domid, 0)))
}

pub(crate) fn unrestricted(report: &mut Report, guests: &Guests) {
    let (a, b) = (remote_port(report, guests.a), remote_port(report, guests.b));
    for (name, number, expected) in [
        ("evtchn restrict(0) before", 0, "EINVAL"),
        ("evtchn restrict(0x7ff0) before", 0x7FF0, "EINVAL"),
        ("evtchn restrict(absent)", domid(guests.absent), "OK"),
    ] {
        if let Some(device) = fresh(report) {
            report.row(name, &[expected], restrict(&device, number));
        }
    }
    let Some(device) = fresh(report) else { return };
    for (name, guest, remote) in [("A", guests.a, a), ("B", guests.b, b)] {
        let bound = raw::port(&device, BIND_INTERDOMAIN, domid(guest), remote);
        report.row(format_args!("evtchn bind_interdomain({name}) before"), &["OK"], outcome(bound));
        let Ok(port) = bound else { continue };
        let rung = raw::port(&device, raw::NOTIFY, port, 0);
        report.row(format_args!("evtchn notify({name}) before"), &["OK"], outcome(rung));
        let unbound = raw::port(&device, raw::UNBIND, port, 0);
        report.row(format_args!("evtchn unbind({name}) before"), &["OK"], outcome(unbound));
    }
    let own = raw::port(&device, BIND_UNBOUND, 0, 0);
    let bound = own.and_then(|own| raw::port(&device, BIND_INTERDOMAIN, 0, own));
    report.row("evtchn bind_interdomain(0) before", &["OK"], outcome(bound));
    for (name, guest) in [("A", guests.a), ("B", guests.b)] {
        let made = raw::port(&device, BIND_UNBOUND, domid(guest), 0);
        report.row(format_args!("evtchn bind_unbound({name}) before"), &["OK"], outcome(made));
    }
    for virq in [DEBUG, ENOMEM] {
        let bound = raw::port(&device, BIND_VIRQ, virq, 0);
        let expected = ["OK", "EEXIST"];
        report.row(format_args!("evtchn bind_virq({virq}) before"), &expected, outcome(bound));
    }
}

pub(crate) fn restricted(report: &mut Report, guests: &Guests) {
    let [early_a, early_b, late_a, late_b] =
        [guests.a, guests.b, guests.a, guests.b].map(|guest| remote_port(report, guest));
    let Some(device) = fresh(report) else { return };
    let early =
        [("A", guests.a, early_a), ("B", guests.b, early_b)].map(|(name, guest, remote)| {
            let bound = raw::port(&device, BIND_INTERDOMAIN, domid(guest), remote);
            report.row(
                format_args!("evtchn bind_interdomain({name}) early"),
                &["OK"],
                outcome(bound),
            );
            bound
        });
    let (a, b) = (domid(guests.a), domid(guests.b));
    report.row("evtchn restrict(A)", &["OK"], restrict(&device, a));
    for (name, number) in [("A", a), ("B", b), ("0", 0), ("0x7ff0", 0x7FF0)] {
        report.row(
            format_args!("evtchn restrict({name}) after"),
            &["EACCES"],
            restrict(&device, number),
        );
    }
    let after = |call, first, second| outcome(raw::port(&device, call, first, second));
    report.row("evtchn bind_interdomain(A) after", &["OK"], after(BIND_INTERDOMAIN, a, late_a));
    let refused = ["EACCES"];
    report.row("evtchn bind_interdomain(B) after", &refused, after(BIND_INTERDOMAIN, b, late_b));
    report.row("evtchn bind_interdomain(0) after", &refused, after(BIND_INTERDOMAIN, 0, 1));
    report.row("evtchn bind_unbound(A) after", &refused, after(BIND_UNBOUND, a, 0));
    report.row("evtchn bind_unbound(B) after", &refused, after(BIND_UNBOUND, b, 0));
    report.row("evtchn bind_virq(1) after", &refused, after(BIND_VIRQ, DEBUG, 0));
    report.row("evtchn bind_virq(12) after", &refused, after(BIND_VIRQ, ENOMEM, 0));
    for (name, port) in ["A", "B"].into_iter().zip(early) {
        let Ok(port) = port else { continue };
        let name = format!("evtchn notify(early port of {name}) after");
        report.row(name, &["OK"], after(raw::NOTIFY, port, 0));
    }
    report.row("evtchn reset after", &["OK"], after(raw::RESET, 0, 0));
    let read = (&device).read(&mut [0; 64]).map_err(|error| raw::errno(&error));
    report.row("evtchn read after", &["EAGAIN"], outcome(read));
    if let [Ok(port), _] = early {
        let unmasked = (&device).write(&port.to_ne_bytes()).map_err(|error| raw::errno(&error));
        report.row("evtchn unmask after", &["OK"], outcome(unmasked));
        report.row("evtchn unbind after", &["OK"], after(raw::UNBIND, port, 0));
    }
    let copy = device.try_clone().map_err(|error| raw::errno(&error));
    let copied = copy.and_then(|copy| raw::port(&copy, BIND_UNBOUND, a, 0));
    report.row("evtchn bind_unbound(A) by a dup()ed descriptor", &refused, outcome(copied));
    // The trap: the restriction is the open file's. A process that may open anything is not
    // restricted; that is what the plan in `inside.rs` is for.
    let number = std::os::fd::AsRawFd::as_raw_fd(&device);
    let again = raw::open(&format!("/proc/self/fd/{number}"));
    let again = again.and_then(|device| raw::port(&device, BIND_UNBOUND, a, 0));
    report.row("evtchn bind_unbound(A) by the node opened again", &["OK"], outcome(again));
}

/// The crate's type, which proves itself when it is made.
pub(crate) fn by_type(report: &mut Report, guests: &Guests) {
    let remote = remote_port(report, guests.a);
    let channels = EventChannels::open().and_then(|fresh| fresh.restrict(guests.a));
    report.row("EventChannels::restrict(A)", &["OK"], shown(&channels));
    let absent = EventChannels::open().and_then(|fresh| fresh.restrict(guests.absent));
    report.row("EventChannels::restrict(absent)", &["OK"], shown(&absent));
    let Ok(channels) = channels else { return };
    let bound = channels.bind_interdomain(remote);
    report.row("EventChannels<Restricted>::bind_interdomain", &["OK"], outcome(bound));
    let each = |act: &dyn Fn(LocalPort) -> Result<(), Errno>| outcome(bound.and_then(act));
    report.row("EventChannels<Restricted>::notify", &["OK"], each(&|port| channels.notify(port)));
    report.row("EventChannels<Restricted>::reset", &["OK"], outcome(channels.reset()));
    let pending = channels.pending().map_err(|error| raw::errno(&error));
    report.row("EventChannels<Restricted>::pending", &["OK"], outcome(pending));
    let unmask = |port| channels.unmask(port).map_err(|error| raw::errno(&error));
    report.row("EventChannels<Restricted>::unmask", &["OK"], each(&unmask));
    report.row("EventChannels<Restricted>::unbind", &["OK"], each(&|port| channels.unbind(port)));
}
