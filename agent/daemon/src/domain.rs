//! The life of one domain, from the moment it is seen until nothing of it is left.
//!
//! ```text
//!   Behind ──Cleared(Off)──> Off
//!     │ Cleared(On)
//!     v
//!   Waiting ──Console(Found)──> Starting ──Started──> Serving ──TtyLost──> Stranded
//!     │  ^                       ^    │                 │ ^ <──a new tty──    │
//!     │  └─Console(Absent)─┐  Due│    │NotStarted       │ │                   │Ended
//!     │                    │     │    v(Failed)         │ │                   v
//!     │                    └──── Resting <────Ended─────┘ │                Refused
//!     └──Console(Unbelieved)──> Refused <── Closing <─────┘
//!
//!   Closing: a converter was told to end, as it serves what should not be served any more.
//!   Every state ──Gone──> Gone, by way of Leaving while there is a converter.
//! ```
//!
//! A pure and total function of state and event. Which domain, which process, which port and what
//! time it is are not here: the host knows domains, and what it performs knows the rest. Every
//! [`Effect::Start`] is answered by one [`Event::NotStarted`], or by one [`Event::Ended`] with or
//! without an [`Event::Started`] before it.

use vncterm_control::Farewell;

use crate::console::{Console, Sight};
use crate::doubt::Doubt;

/// Whether a VM's console is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is.
    On,
    /// `other_config` has `disable_pv_vnc`.
    Off,
}

/// Why a converter did not start, or did not take a tty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The tty isn't believed: trying again would find the same.
    Unbelieved(Doubt),
    /// A step failed that may succeed later.
    Failed,
}

/// How long a converter served before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// Long enough to forget earlier failures.
    Long,
    /// Too short for that, or not at all.
    Briefly,
}

/// What can happen to a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// No domain stands before this one, and its VM's record has been read.
    Cleared(Wanted),
    /// The store was looked at.
    Console(Sight),
    /// The converter is confined and attested, and reads the console.
    Started,
    /// The converter could not be started; nothing of it is left.
    NotStarted(Failure),
    /// The converter's tty has hung up.
    TtyLost,
    /// The converter did not take the tty of [`Effect::HandTty`].
    TtyNotTaken(Failure),
    /// The converter has ended.
    Ended(Served),
    /// The time of [`Effect::Rest`] is over.
    Due,
    /// The store came back: what was published may have gone.
    StoreBack,
    /// The domain has ended.
    Gone,
}

/// What is to be done for a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Start a converter, attest it and let it read.
    Start(Console),
    /// Hand the converter a new tty; its viewers stay.
    HandTty(Console),
    /// Tell the converter to end, started or still starting.
    Stop(Farewell),
    /// Put the converter's ports into the store.
    Publish,
    /// Take them back.
    Retract,
    /// Come back with [`Event::Due`] after a while that grows with the failures in a row.
    Rest {
        /// Failures in a row, this one included.
        failures: u32,
    },
    /// Look at the domain's keys again.
    Look,
    /// Tell why there is no converter.
    Report(Doubt),
    /// Let go of everything kept for the domain.
    Forget,
}

/// What follows when a converter has ended that was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nothing, until a console is seen.
    Wait,
    /// A converter of this console.
    Start(Console),
    /// Nothing, as the console isn't believed.
    Refuse(Doubt),
}

/// Where a domain is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Another domain has its number or its VM's record, screen and converter: it has to end first.
    Behind,
    /// The console was switched off when the domain was first seen; it stays so for its life.
    Off,
    /// There is no console yet.
    Waiting,
    /// Its console isn't believed; nothing is tried until something else stands there.
    Refused {
        /// Why.
        doubt: Doubt,
        /// What was tried and is not tried again; absent where the store's word was enough.
        tried: Option<Console>,
    },
    /// A converter is being started, confined and attested. Nothing is published.
    Starting {
        /// What it will read.
        console: Console,
        /// Failures in a row before it.
        failures: u32,
    },
    /// A confined converter reads the console, and its ports are published.
    Serving {
        /// What it reads.
        console: Console,
        /// Failures in a row before it.
        failures: u32,
    },
    /// The converter's tty has hung up: it holds screen and viewers, its ports stay published, and
    /// it waits for a new tty.
    Stranded {
        /// What it read.
        console: Console,
        /// Failures in a row before it.
        failures: u32,
    },
    /// The converter was told to end, as it serves what should not be served any more.
    Closing(Then),
    /// The converter has ended by itself, or did not start; another is started in a while.
    Resting {
        /// What there is to read.
        console: Console,
        /// Failures in a row.
        failures: u32,
    },
    /// The domain has ended; its converter was told to, and has not yet.
    Leaving,
    /// Nothing is left.
    Gone,
}

impl Domain {
    /// A domain whose converter an earlier agent started, and this one has attested.
    pub(crate) fn adopted(console: Console) -> Self {
        Self::Serving { console, failures: 0 }
    }

    /// Whether a converter of it is there, and its ports are published.
    pub(crate) fn is_served(self) -> bool {
        match self {
            Self::Serving { .. } | Self::Stranded { .. } => true,
            Self::Behind
            | Self::Off
            | Self::Waiting
            | Self::Refused { .. }
            | Self::Starting { .. }
            | Self::Closing(_)
            | Self::Resting { .. }
            | Self::Leaving
            | Self::Gone => false,
        }
    }

    /// The state after `event`, and what is to be done, in this order.
    pub(crate) fn step(self, event: Event) -> (Self, Vec<Effect>) {
        match self {
            Self::Behind => step_behind(event),
            Self::Off => step_off(event),
            Self::Waiting => step_waiting(event),
            Self::Refused { doubt, tried } => step_refused(doubt, tried, event),
            Self::Starting { console, failures } => step_starting(console, failures, event),
            Self::Serving { console, failures } => step_serving(console, failures, event),
            Self::Stranded { console, failures } => step_stranded(console, failures, event),
            Self::Closing(then) => step_closing(then, event),
            Self::Resting { console, failures } => step_resting(console, failures, event),
            Self::Leaving => step_leaving(event),
            Self::Gone => (Self::Gone, Vec::new()),
        }
    }
}

/// A state, and nothing to do.
fn stay(domain: Domain) -> (Domain, Vec<Effect>) {
    (domain, Vec::new())
}

/// What a domain without a converter does about what was seen.
fn look_upon(sight: Sight) -> (Domain, Vec<Effect>) {
    match sight {
        Sight::Absent => stay(Domain::Waiting),
        Sight::Found(console) => start(console, 0),
        Sight::Unbelieved(doubt) => refuse(doubt, None),
    }
}

fn start(console: Console, failures: u32) -> (Domain, Vec<Effect>) {
    (Domain::Starting { console, failures }, vec![Effect::Start(console)])
}

fn refuse(doubt: Doubt, tried: Option<Console>) -> (Domain, Vec<Effect>) {
    (Domain::Refused { doubt, tried }, vec![Effect::Report(doubt)])
}

fn rest(console: Console, failures: u32) -> (Domain, Vec<Effect>) {
    let failures = failures.saturating_add(1);
    (Domain::Resting { console, failures }, vec![Effect::Rest { failures }])
}

fn forget() -> (Domain, Vec<Effect>) {
    (Domain::Gone, vec![Effect::Forget])
}

/// Tells a converter to end that has published nothing yet.
fn abandon(then: Then) -> (Domain, Vec<Effect>) {
    (Domain::Closing(then), vec![Effect::Stop(Farewell::Replaced)])
}

/// Tells a converter to end that has published its ports.
fn close(then: Then) -> (Domain, Vec<Effect>) {
    (Domain::Closing(then), vec![Effect::Retract, Effect::Stop(Farewell::Replaced)])
}

fn step_behind(event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Cleared(Wanted::On) => (Domain::Waiting, vec![Effect::Look]),
        Event::Cleared(Wanted::Off) => stay(Domain::Off),
        Event::Gone => forget(),
        Event::Console(_)
        | Event::Started
        | Event::NotStarted(_)
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Ended(_)
        | Event::Due
        | Event::StoreBack => stay(Domain::Behind),
    }
}

fn step_off(event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Gone => forget(),
        Event::Cleared(_)
        | Event::Console(_)
        | Event::Started
        | Event::NotStarted(_)
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Ended(_)
        | Event::Due
        | Event::StoreBack => stay(Domain::Off),
    }
}

fn step_waiting(event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Console(sight) => look_upon(sight),
        Event::Gone => forget(),
        Event::Cleared(_)
        | Event::Started
        | Event::NotStarted(_)
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Ended(_)
        | Event::Due
        | Event::StoreBack => stay(Domain::Waiting),
    }
}

fn step_refused(doubt: Doubt, tried: Option<Console>, event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Console(Sight::Unbelieved(again)) if again == doubt => {
            stay(Domain::Refused { doubt, tried })
        }
        Event::Console(Sight::Found(found)) if tried.is_some_and(|tried| found.is_same(tried)) => {
            stay(Domain::Refused { doubt, tried })
        }
        Event::Console(sight) => look_upon(sight),
        Event::Gone => forget(),
        Event::Cleared(_)
        | Event::Started
        | Event::NotStarted(_)
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Ended(_)
        | Event::Due
        | Event::StoreBack => stay(Domain::Refused { doubt, tried }),
    }
}

fn step_starting(console: Console, failures: u32, event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Console(Sight::Absent) => abandon(Then::Wait),
        // The event of a write may come after a look that saw it already.
        Event::Console(Sight::Found(found))
            if found.continues(console) && found.screen == console.screen =>
        {
            stay(Domain::Starting { console: found, failures })
        }
        Event::Console(Sight::Found(found)) => abandon(Then::Start(found)),
        Event::Console(Sight::Unbelieved(doubt)) => abandon(Then::Refuse(doubt)),
        Event::Started => (Domain::Serving { console, failures }, vec![Effect::Publish]),
        // It is another domain's for now, and tried again when it is seen to be free.
        Event::NotStarted(Failure::Unbelieved(doubt @ Doubt::Taken(_))) => refuse(doubt, None),
        Event::NotStarted(Failure::Unbelieved(doubt)) => refuse(doubt, Some(console)),
        Event::NotStarted(Failure::Failed) | Event::Ended(_) => rest(console, failures),
        Event::Gone => (Domain::Leaving, vec![Effect::Stop(Farewell::GuestEnded)]),
        Event::Cleared(_)
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Due
        | Event::StoreBack => stay(Domain::Starting { console, failures }),
    }
}

fn step_serving(console: Console, failures: u32, event: Event) -> (Domain, Vec<Effect>) {
    match event {
        // The key went; the terminal may stay, and the converter hears of it when it hangs up.
        // The same for a name that another domain's converter has still: terminals that are made
        // anew may change places.
        Event::Console(Sight::Absent | Sight::Unbelieved(Doubt::Taken(_))) => {
            stay(Domain::Serving { console, failures })
        }
        // The number of an open terminal is nobody else's, however often it is written.
        Event::Console(Sight::Found(found)) if found.continues(console) => {
            stay(Domain::Serving { console: found, failures })
        }
        Event::Console(Sight::Found(found)) => hand_tty(found, failures),
        Event::Console(Sight::Unbelieved(doubt))
        | Event::TtyNotTaken(Failure::Unbelieved(doubt)) => close(Then::Refuse(doubt)),
        Event::TtyNotTaken(Failure::Failed) => close(Then::Start(console)),
        Event::TtyLost => (Domain::Stranded { console, failures }, vec![Effect::Look]),
        Event::Ended(served) => end(console, failures, served),
        Event::StoreBack => (Domain::Serving { console, failures }, vec![Effect::Publish]),
        Event::Gone => leave(),
        Event::Cleared(_) | Event::Started | Event::NotStarted(_) | Event::Due => {
            stay(Domain::Serving { console, failures })
        }
    }
}

fn step_stranded(console: Console, failures: u32, event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Console(Sight::Absent | Sight::Unbelieved(Doubt::Taken(_))) => {
            stay(Domain::Stranded { console, failures })
        }
        // The name that hung up, not written since: who opened that number now may be anybody.
        Event::Console(Sight::Found(found)) if found.is_same(console) => {
            stay(Domain::Stranded { console, failures })
        }
        Event::Console(Sight::Found(found)) => hand_tty(found, failures),
        Event::Console(Sight::Unbelieved(doubt))
        | Event::TtyNotTaken(Failure::Unbelieved(doubt)) => close(Then::Refuse(doubt)),
        Event::TtyNotTaken(Failure::Failed) => close(Then::Start(console)),
        // It waited for a tty and none came: that is no failure of the converter.
        Event::Ended(_) => {
            let (domain, effects) = refuse(Doubt::HungUp, Some(console));
            (domain, [vec![Effect::Retract], effects].concat())
        }
        Event::StoreBack => (Domain::Stranded { console, failures }, vec![Effect::Publish]),
        Event::Gone => leave(),
        Event::Cleared(_) | Event::Started | Event::NotStarted(_) | Event::TtyLost | Event::Due => {
            stay(Domain::Stranded { console, failures })
        }
    }
}

fn hand_tty(console: Console, failures: u32) -> (Domain, Vec<Effect>) {
    (Domain::Serving { console, failures }, vec![Effect::HandTty(console)])
}

fn end(console: Console, failures: u32, served: Served) -> (Domain, Vec<Effect>) {
    let failures = match served {
        Served::Long => 0,
        Served::Briefly => failures,
    };
    let (domain, effects) = rest(console, failures);
    (domain, [vec![Effect::Retract], effects].concat())
}

fn leave() -> (Domain, Vec<Effect>) {
    (Domain::Leaving, vec![Effect::Retract, Effect::Stop(Farewell::GuestEnded)])
}

fn step_closing(then: Then, event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Console(Sight::Absent) => stay(Domain::Closing(Then::Wait)),
        Event::Console(Sight::Found(found)) => stay(Domain::Closing(Then::Start(found))),
        Event::Console(Sight::Unbelieved(doubt)) => stay(Domain::Closing(Then::Refuse(doubt))),
        Event::NotStarted(_) | Event::Ended(_) => match then {
            Then::Wait => stay(Domain::Waiting),
            Then::Start(console) => start(console, 0),
            Then::Refuse(doubt) => refuse(doubt, None),
        },
        Event::Gone => stay(Domain::Leaving),
        Event::Cleared(_)
        | Event::Started
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Due
        | Event::StoreBack => stay(Domain::Closing(then)),
    }
}

fn step_resting(console: Console, failures: u32, event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::Console(Sight::Found(found)) if found.continues(console) => {
            // The next start reads what stands there now.
            stay(Domain::Resting { console: found, failures })
        }
        Event::Console(sight) => look_upon(sight),
        Event::Due => start(console, failures),
        Event::Gone => forget(),
        Event::Cleared(_)
        | Event::Started
        | Event::NotStarted(_)
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Ended(_)
        | Event::StoreBack => stay(Domain::Resting { console, failures }),
    }
}

fn step_leaving(event: Event) -> (Domain, Vec<Effect>) {
    match event {
        Event::NotStarted(_) | Event::Ended(_) => forget(),
        Event::Cleared(_)
        | Event::Console(_)
        | Event::Started
        | Event::TtyLost
        | Event::TtyNotTaken(_)
        | Event::Due
        | Event::StoreBack
        | Event::Gone => stay(Domain::Leaving),
    }
}

#[cfg(test)]
mod tests;
