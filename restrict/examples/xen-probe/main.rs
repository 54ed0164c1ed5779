//! Tries on a real Xen what its handles do before and after they are restricted, a line a row.
//!
//! `xen-probe A B [ABSENT]`, as root in dom0, with two running guests' domids (A a PV guest, for its
//! pages) and a number that no domain has. Every row that differs from what is expected says FAILED,
//! and the program then exits with 1. The expectations are what Linux 6.1 did; the calls and their
//! numbers are written out here, apart from those of the crate, so that both have to agree.

mod checker;
mod event_channels;
mod hold;
mod inside;
mod privcmd;
mod raw;
mod report;

use std::process::ExitCode;

use report::Report;
use restrict::xen::Guest;

/// No host in sight has this domain.
const ABSENT: u32 = 32_000;

/// Two guests that run, and one that does not exist.
struct Guests {
    a: Guest,
    b: Guest,
    absent: Guest,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [inside, deed, uid] = arguments.as_slice()
        && inside == inside::WORD
    {
        return inside::run(deed, uid);
    }
    let Some(guests) = guests(&arguments) else {
        eprintln!("xen-probe: xen-probe A B [ABSENT], domids of two guests and of none");
        return ExitCode::from(2);
    };
    let mut report = Report::default();
    privcmd::unrestricted(&mut report, &guests);
    event_channels::unrestricted(&mut report, &guests);
    event_channels::restricted(&mut report, &guests);
    event_channels::by_type(&mut report, &guests);
    privcmd::restricted(&mut report, &guests);
    privcmd::by_type(&mut report, &guests);
    checker::compare(&mut report, guests.a);
    inside::from_outside(&mut report, guests.a);
    report.end()
}

fn guests(arguments: &[String]) -> Option<Guests> {
    let numbers: Option<Vec<u32>> = arguments.iter().map(|text| text.parse().ok()).collect();
    let (a, b, absent) = match *numbers?.as_slice() {
        [a, b] => (a, b, ABSENT),
        [a, b, absent] => (a, b, absent),
        _ => return None,
    };
    let guest = |domid| Guest::new(domid).ok();
    Some(Guests { a: guest(a)?, b: guest(b)?, absent: guest(absent)? }).filter(|_| a != b)
}
