//! Every sequence of events, by visiting each distinct situation once: what follows a situation
//! depends on nothing but it.

use std::collections::HashSet;

use vncterm_launch::{Disbelief, Terminal};

use super::*;
use crate::console::{Line, Screen};

/// Events in a row, from birth on.
const LENGTH: usize = 9;

/// What a bystander knows from the events and effects alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct World {
    wanted: bool,
    converter: Process,
    told_to_stop: bool,
    tty_handed: bool,
    published: bool,
    timer: bool,
    gone: bool,
    forgotten: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Process {
    #[default]
    None,
    Starting,
    Running,
}

fn console(terminal: &str, written: u32) -> Console {
    Console {
        terminal: Terminal::parse(terminal.as_bytes()).unwrap(),
        line: Line::Paravirtual,
        screen: Screen::Converter,
        written,
    }
}

fn every_event() -> Vec<Event> {
    let failures = [Failure::Unbelieved(Doubt::Tty(Disbelief::NotThatTerminal)), Failure::Failed];
    let mut events = vec![
        Event::Cleared(Wanted::On),
        Event::Cleared(Wanted::Off),
        Event::Console(Sight::Absent),
        Event::Console(Sight::Found(console("/dev/pts/1", 0))),
        Event::Console(Sight::Found(console("/dev/pts/1", 1))),
        Event::Console(Sight::Found(console("/dev/pts/2", 0))),
        Event::Console(Sight::Unbelieved(Doubt::Tty(Disbelief::NotATerminalName))),
        Event::Console(Sight::Unbelieved(Doubt::Taken(9))),
        Event::Started,
        Event::TtyLost,
        Event::Ended(Served::Long),
        Event::Ended(Served::Briefly),
        Event::Due,
        Event::StoreBack,
        Event::Gone,
    ];
    events.extend(failures.map(Event::NotStarted));
    events.extend(failures.map(Event::TtyNotTaken));
    events
}

impl World {
    /// Whether a performer that keeps its promises can produce this event now.
    fn allows(self, event: Event) -> bool {
        match event {
            Event::Cleared(_) => !self.wanted && !self.gone,
            Event::Started => self.converter == Process::Starting,
            Event::NotStarted(_) => self.converter == Process::Starting,
            Event::Ended(_) => self.converter != Process::None,
            Event::TtyLost => self.converter == Process::Running,
            Event::TtyNotTaken(_) => self.tty_handed && self.converter == Process::Running,
            Event::Due => self.timer,
            Event::Console(_) | Event::StoreBack | Event::Gone => true,
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Cleared(wanted) => self.wanted = wanted == Wanted::On,
            Event::Started => self.converter = Process::Running,
            Event::NotStarted(_) | Event::Ended(_) => {
                self.converter = Process::None;
                self.told_to_stop = false;
                self.tty_handed = false;
            }
            Event::TtyNotTaken(_) => self.tty_handed = false,
            Event::Due => self.timer = false,
            Event::Gone => self.gone = true,
            Event::Console(_) | Event::TtyLost | Event::StoreBack => {}
        }
    }

    /// The laws of each effect.
    fn perform(&mut self, effect: Effect) {
        assert!(!self.forgotten, "{effect:?} after everything was let go");
        match effect {
            Effect::Start(_) => {
                assert_eq!(self.converter, Process::None, "never two converters");
                assert!(self.wanted, "a console that is off has no converter");
                assert!(!self.gone, "a domain that has ended gets no converter");
                self.converter = Process::Starting;
            }
            Effect::HandTty(_) => {
                assert!(self.converter == Process::Running && !self.told_to_stop);
                self.tty_handed = true;
            }
            Effect::Stop(farewell) => {
                assert!(self.converter != Process::None && !self.told_to_stop);
                assert_eq!(farewell == Farewell::GuestEnded, self.gone);
                self.told_to_stop = true;
            }
            Effect::Publish => {
                assert!(self.converter == Process::Running && !self.told_to_stop);
                self.published = true;
            }
            Effect::Retract => {
                assert!(self.published, "nothing to take back");
                self.published = false;
            }
            Effect::Rest { failures } => {
                assert!(failures > 0);
                self.timer = true;
            }
            Effect::Look | Effect::Report(_) => {}
            Effect::Forget => self.forgotten = true,
        }
    }

    /// The laws of each situation.
    fn examine(self, domain: Domain) {
        let serves = self.converter == Process::Running && !self.told_to_stop;
        assert_eq!(self.published, serves, "published is what serves, no more and no less");
        assert_eq!(self.forgotten, domain == Domain::Gone);
        assert!(!self.forgotten || self.converter == Process::None, "nothing is left");
        assert!(!self.gone || self.forgotten || self.told_to_stop, "the end reaches the converter");
        let knows_of_one = matches!(
            domain,
            Domain::Starting { .. }
                | Domain::Serving { .. }
                | Domain::Stranded { .. }
                | Domain::Closing(_)
                | Domain::Leaving
        );
        assert_eq!(knows_of_one, self.converter != Process::None);
        if matches!(domain, Domain::Resting { .. }) {
            assert!(self.timer, "whoever rests is woken");
        }
    }
}

/// Visits every situation within `LENGTH` events of `births`.
fn visit(births: &[(Domain, World)], mut each: impl FnMut(Domain, World)) {
    let mut seen: HashSet<String> = HashSet::new();
    let mut now = births.to_vec();
    for _ in 0..LENGTH {
        let mut next = Vec::new();
        for &(domain, world) in &now {
            each(domain, world);
            for event in every_event().into_iter().filter(|event| world.allows(*event)) {
                let mut world = world;
                world.hear(event);
                let (domain, effects) = domain.step(event);
                for effect in effects {
                    world.perform(effect);
                }
                world.examine(domain);
                if seen.insert(format!("{domain:?} {world:?}")) {
                    next.push((domain, world));
                }
            }
        }
        now = next;
    }
}

fn births() -> [(Domain, World); 2] {
    let served =
        World { wanted: true, converter: Process::Running, published: true, ..World::default() };
    let adopted = Domain::adopted(console("/dev/pts/1", 0));
    [(Domain::Behind, World::default()), (adopted, served)]
}

#[test]
fn the_laws_hold_after_every_sequence_of_events() {
    let mut situations = 0;
    visit(&births(), |_, _| situations += 1);
    assert!(situations > 100, "{situations}");
}

#[test]
fn nothing_is_left_of_any_domain_that_has_ended() {
    visit(&births(), |domain, mut world| {
        let mut domain = domain;
        for event in [Event::Gone, Event::Ended(Served::Briefly)] {
            if world.forgotten || !world.allows(event) {
                continue;
            }
            world.hear(event);
            let (after, effects) = domain.step(event);
            effects.into_iter().for_each(|effect| world.perform(effect));
            domain = after;
        }
        assert_eq!(domain, Domain::Gone);
    });
}

#[test]
fn ignores_what_cannot_happen() {
    visit(&births(), |domain, world| {
        for event in every_event().into_iter().filter(|event| !world.allows(*event)) {
            // A converter that is told to end may end in any way, so its outcomes are one.
            if world.converter == Process::None {
                let (after, effects) = domain.step(event);
                assert!(effects.is_empty(), "{domain:?} {event:?} {effects:?}");
                assert_eq!(after, domain, "{event:?}");
            }
        }
    });
}

#[test]
fn every_sequence_of_five_is_answered() {
    fn go_on(domain: Domain, left: usize, events: &[Event]) -> usize {
        if left == 0 {
            return 1;
        }
        events.iter().map(|event| go_on(domain.step(*event).0, left - 1, events)).sum()
    }
    let events = every_event();
    let sequences = births().map(|(domain, _)| go_on(domain, 5, &events)).iter().sum::<usize>();
    assert_eq!(sequences, 2 * events.len().pow(5));
}

fn run(events: &[Event]) -> (Domain, Vec<Effect>) {
    let born = (Domain::Behind, Vec::new());
    events.iter().fold(born, |(domain, mut done), event| {
        let (domain, effects) = domain.step(*event);
        done.extend(effects);
        (domain, done)
    })
}

#[test]
fn a_guest_lives_and_dies() {
    let found = console("/dev/pts/1", 0);
    let (domain, effects) = run(&[
        Event::Cleared(Wanted::On),
        Event::Console(Sight::Absent),
        Event::Console(Sight::Found(found)),
        Event::Started,
        Event::Gone,
        Event::Ended(Served::Long),
    ]);
    assert_eq!(domain, Domain::Gone);
    assert_eq!(
        effects,
        [
            Effect::Look,
            Effect::Start(found),
            Effect::Publish,
            Effect::Retract,
            Effect::Stop(Farewell::GuestEnded),
            Effect::Forget
        ]
    );
}

#[test]
fn failures_in_a_row_are_counted_until_a_converter_serves_long() {
    let found = console("/dev/pts/1", 0);
    let begin = [Event::Cleared(Wanted::On), Event::Console(Sight::Found(found))];
    let briefly = [Event::Started, Event::Ended(Served::Briefly), Event::Due];
    let (_, effects) = run(&[&begin[..], &briefly, &briefly].concat());
    assert!(effects.contains(&Effect::Rest { failures: 2 }));
    let long = [Event::Started, Event::Ended(Served::Long)];
    let (_, effects) = run(&[&begin[..], &briefly, &briefly, &long].concat());
    assert_eq!(effects.last(), Some(&Effect::Rest { failures: 1 }));
}

#[test]
fn a_tty_that_is_not_believed_is_reported_once() {
    let sight = Event::Console(Sight::Unbelieved(Doubt::Tty(Disbelief::NotATerminalName)));
    let (_, effects) = run(&[Event::Cleared(Wanted::On), sight, sight, sight]);
    let reports = effects.iter().filter(|effect| matches!(effect, Effect::Report(_))).count();
    assert_eq!(reports, 1);
}

#[test]
fn a_tty_that_did_not_open_is_not_tried_again_until_it_is_written() {
    let found = Event::Console(Sight::Found(console("/dev/pts/1", 0)));
    let refused = Event::NotStarted(Failure::Unbelieved(Doubt::Tty(Disbelief::NotThatTerminal)));
    let begin = [Event::Cleared(Wanted::On), found, refused, found, found];
    let starts = |effects: &[Effect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Start(_))).count()
    };
    assert_eq!(starts(&run(&begin).1), 1);
    let rewritten = Event::Console(Sight::Found(console("/dev/pts/1", 1)));
    assert_eq!(starts(&run(&[&begin[..], &[rewritten]].concat()).1), 2);
}

#[test]
fn a_terminals_number_is_not_read_again_after_it_hung_up_until_it_is_written() {
    let found = Event::Console(Sight::Found(console("/dev/pts/1", 0)));
    let begin = [Event::Cleared(Wanted::On), found, Event::Started, Event::TtyLost, found];
    assert!(matches!(run(&begin).0, Domain::Stranded { .. }));
    let rewritten = console("/dev/pts/1", 1);
    let (domain, effects) = run(&[&begin[..], &[Event::Console(Sight::Found(rewritten))]].concat());
    assert!(matches!(domain, Domain::Serving { .. }));
    assert_eq!(effects.last(), Some(&Effect::HandTty(rewritten)));
    let (domain, _) = run(&[&begin[..], &[Event::Ended(Served::Long), found]].concat());
    assert!(matches!(domain, Domain::Refused { doubt: Doubt::HungUp, .. }));
}
