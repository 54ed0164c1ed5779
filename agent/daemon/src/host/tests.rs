//! Domains beside each other: of one VM, of one number, of one terminal.

use vncterm_control::Farewell;

use super::*;
use crate::console::Line;
use crate::domain::{Event, Failure, Served};

fn domain(number: u16) -> DomainId {
    DomainId::new(number).unwrap()
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn terminal(name: &str) -> Terminal {
    Terminal::parse(name.as_bytes()).unwrap()
}

fn sighting(tty: &str) -> Sighting {
    Sighting {
        uuid: uuid(1),
        name: "web".into(),
        tty: Tty::Named(terminal(tty), Line::Paravirtual),
        vnc_port: None,
        text_port: None,
        device_model_pid: None,
    }
}

const PORTS: Ports = Ports { vnc: Some(5901), text: 9501 };

/// A host with one domain, 1, of VM 1, whose converter serves.
fn serving() -> (Host, Life) {
    let mut host = Host::default();
    let (life, _) = host.meet(domain(1), uuid(1), uuid(1), Wanted::On, SavedBy::This);
    host.see(life, &sighting("/dev/pts/1"), 0);
    host.started(life, PORTS);
    (host, life)
}

fn starts(effects: &[Effect]) -> Vec<Life> {
    let starts = effects.iter().filter_map(|effect| match effect {
        Effect::StartConverter { life, .. } => Some(*life),
        _ => None,
    });
    starts.collect()
}

#[test]
fn a_domain_is_met_served_and_forgotten() {
    let mut host = Host::default();
    let (life, effects) = host.meet(domain(1), uuid(7), uuid(1), Wanted::On, SavedBy::This);
    let own =
        Effect::Own { vm: uuid(1), domain: domain(1), domain_uuid: uuid(7), wanted: Wanted::On };
    assert_eq!(effects, [own, Effect::Look { domain: domain(1) }]);
    let effects = host.see(life, &sighting("/dev/pts/1"), 0);
    let [Effect::StartConverter { title, vm, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((title.as_str(), *vm), ("web", uuid(1)));
    let publish = Effect::Publish { domain: domain(1), ports: PORTS };
    assert_eq!(host.started(life, PORTS), [publish]);
    let farewell = Farewell::GuestEnded;
    assert_eq!(
        host.end(domain(1)),
        [
            Effect::Retract { domain: domain(1), ports: PORTS },
            Effect::StopConverter { life, farewell }
        ]
    );
    let effects = host.hear(life, Event::Ended(Served::Long));
    let (domain, name, vm) = (domain(1), "web".to_owned(), uuid(1));
    assert_eq!(effects, [Effect::Forget { life, domain, name, vm }]);
    assert!(host.entries().next().is_none());
}

#[test]
fn the_second_domain_of_a_vm_waits_until_nothing_is_left_of_the_first() {
    let (mut host, first) = serving();
    let (second, effects) = host.meet(domain(2), uuid(1), uuid(1), Wanted::On, SavedBy::This);
    assert_eq!(effects, []);
    assert_eq!(host.see(second, &sighting("/dev/pts/2"), 0), []);
    assert_eq!(host.owner(uuid(1)).unwrap().0, first);
    // Its converter still writes the screen file.
    assert_eq!(starts(&host.end(domain(1))), []);
    let effects = host.hear(first, Event::Ended(Served::Long));
    assert!(matches!(
        effects.as_slice(),
        [Effect::Forget { .. }, Effect::Own { .. }, Effect::Look { .. }]
    ));
    assert_eq!(host.owner(uuid(1)).unwrap().0, second);
    assert_eq!(starts(&host.see(second, &sighting("/dev/pts/2"), 0)), [second]);
}

#[test]
fn a_number_that_comes_again_waits_until_nothing_is_left_of_the_old_domain() {
    let (mut host, first) = serving();
    host.end(domain(1));
    let (second, effects) = host.meet(domain(1), uuid(2), uuid(2), Wanted::On, SavedBy::This);
    assert_eq!(effects, []);
    assert_eq!(host.life_of(domain(1)), Some(second));
    let effects = host.hear(first, Event::Ended(Served::Briefly));
    assert!(effects.contains(&Effect::Look { domain: domain(1) }));
}

#[test]
fn a_console_that_is_off_stays_so() {
    let mut host = Host::default();
    let (life, effects) = host.meet(domain(1), uuid(1), uuid(1), Wanted::Off, SavedBy::This);
    assert!(matches!(effects.as_slice(), [Effect::Own { wanted: Wanted::Off, .. }]));
    assert_eq!(host.see(life, &sighting("/dev/pts/1"), 0), []);
}

#[test]
fn a_terminal_of_another_domain_is_refused_and_looked_at_when_it_is_free() {
    let (mut host, first) = serving();
    let (second, _) = host.meet(domain(2), uuid(2), uuid(2), Wanted::On, SavedBy::This);
    let effects = host.see(second, &sighting("/dev/pts/1"), 0);
    let name = "web".to_owned();
    let report = Effect::Report { life: second, domain: domain(2), name, doubt: Doubt::Taken(1) };
    assert_eq!(effects, [report]);
    assert_eq!(host.see(second, &sighting("/dev/pts/1"), 0), []);
    host.end(domain(1));
    let effects = host.hear(first, Event::Ended(Served::Long));
    assert!(effects.contains(&Effect::Look { domain: domain(2) }));
    assert_eq!(starts(&host.see(second, &sighting("/dev/pts/1"), 0)), [second]);
}

#[test]
fn another_programs_port_means_that_it_serves_the_screen() {
    let mut host = Host::default();
    let (life, _) = host.meet(domain(1), uuid(1), uuid(1), Wanted::On, SavedBy::This);
    let qemus = Sighting { vnc_port: Some(5900), ..sighting("/dev/pts/1") };
    let effects = host.see(life, &qemus, 0);
    let [Effect::StartConverter { console, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(console.screen, Screen::Another);
}

#[test]
fn its_own_port_is_nobody_elses_even_after_its_converter_died() {
    let (mut host, life) = serving();
    host.hear(life, Event::Ended(Served::Long));
    // The key is still being taken back.
    let stale = Sighting { vnc_port: PORTS.vnc, ..sighting("/dev/pts/1") };
    host.see(life, &stale, 0);
    let effects = host.hear(life, Event::Due);
    let [Effect::StartConverter { console, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(console.screen, Screen::Converter);
}

#[test]
fn ports_that_a_dead_agents_dead_converter_left_are_taken_back() {
    let mut host = Host::default();
    host.remember_ports(domain(1), PORTS);
    let (life, effects) = host.meet(domain(1), uuid(1), uuid(1), Wanted::On, SavedBy::This);
    assert_eq!(effects.first(), Some(&Effect::Retract { domain: domain(1), ports: PORTS }));
    let stale = Sighting { vnc_port: PORTS.vnc, ..sighting("/dev/pts/1") };
    let effects = host.see(life, &stale, 0);
    let [Effect::StartConverter { console, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(console.screen, Screen::Converter);
}

#[test]
fn ports_that_went_from_the_store_are_published_again() {
    let (mut host, life) = serving();
    let publish = Effect::Publish { domain: domain(1), ports: PORTS };
    assert_eq!(host.see(life, &sighting("/dev/pts/1"), 0), [publish]);
    let whole =
        Sighting { vnc_port: PORTS.vnc, text_port: Some(PORTS.text), ..sighting("/dev/pts/1") };
    assert_eq!(host.see(life, &whole, 0), []);
}

#[test]
fn whoever_is_missing_from_a_store_that_knew_it_has_ended() {
    let (mut host, life) = serving();
    assert_eq!(host.compare(&BTreeSet::from([domain(1)])), []);
    let farewell = Farewell::GuestEnded;
    let effects = host.compare(&BTreeSet::new());
    assert!(effects.contains(&Effect::StopConverter { life, farewell }));
}

#[test]
fn an_adopted_converter_is_published_again_and_stopped_with_its_guest() {
    let mut host = Host::default();
    let console = Console {
        terminal: terminal("/dev/pts/1"),
        line: Line::Paravirtual,
        screen: Screen::Converter,
        written: 0,
    };
    let (domain, vm) = (domain(1), uuid(1));
    let adopted = Adopted { domain, domain_uuid: vm, vm, console, ports: PORTS };
    let life = host.adopt(adopted, "web".into());
    assert_eq!(host.store_back(), [Effect::Publish { domain, ports: PORTS }]);
    assert_eq!(host.life_of(domain), Some(life));
    assert_eq!(host.compare(&BTreeSet::new()).len(), 2);
}

#[test]
fn a_failed_start_frees_the_terminal() {
    let mut host = Host::default();
    let (first, _) = host.meet(domain(1), uuid(1), uuid(1), Wanted::On, SavedBy::This);
    let (second, _) = host.meet(domain(2), uuid(2), uuid(2), Wanted::On, SavedBy::This);
    host.see(first, &sighting("/dev/pts/1"), 0);
    host.see(second, &sighting("/dev/pts/1"), 0);
    let effects = host.hear(first, Event::NotStarted(Failure::Failed));
    assert!(effects.contains(&Effect::Look { domain: domain(2) }));
}

#[test]
fn the_control_domain_has_a_converter_if_it_has_a_console() {
    let mut host = Host::default();
    let (life, _) = host.meet(DomainId::DOM0, uuid(1), uuid(1), Wanted::On, SavedBy::This);
    assert_eq!(host.see(life, &Sighting { tty: Tty::Absent, ..sighting("/dev/pts/1") }, 0), []);
    let on =
        Sighting { tty: Tty::Named(terminal("/dev/pts/1"), Line::Host), ..sighting("/dev/pts/1") };
    assert_eq!(starts(&host.see(life, &on, 0)), [life]);
}

/// A host with two domains whose converters serve: 1 on pts/1 and 2 on pts/2.
fn two_serving() -> (Host, [Life; 2]) {
    let (mut host, first) = serving();
    let (second, _) = host.meet(domain(2), uuid(2), uuid(2), Wanted::On, SavedBy::This);
    host.see(second, &seconds("/dev/pts/2"), 0);
    host.started(second, Ports { vnc: Some(5902), text: 9502 });
    (host, [first, second])
}

fn seconds(tty: &str) -> Sighting {
    Sighting { uuid: uuid(2), ..sighting(tty) }
}

fn hands(effects: &[Effect]) -> Vec<(Life, Terminal)> {
    let hands = effects.iter().filter_map(|effect| match effect {
        Effect::HandTty { life, console } => Some((*life, console.terminal)),
        _ => None,
    });
    hands.collect()
}

fn stops(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::StopConverter { .. }))
}

#[test]
fn terminals_that_change_places_go_to_the_converters_that_are_there() {
    let (mut host, [first, second]) = two_serving();
    let (one, two) = (terminal("/dev/pts/1"), terminal("/dev/pts/2"));
    host.lose_terminal(first, one);
    // The second's converter has not noticed yet.
    let effects = host.see(first, &sighting("/dev/pts/2"), 1);
    assert!(!stops(&effects) && hands(&effects).is_empty(), "{effects:?}");
    let effects = host.lose_terminal(second, two);
    assert!(effects.contains(&Effect::Look { domain: domain(1) }));
    assert_eq!(hands(&host.see(first, &sighting("/dev/pts/2"), 1)), [(first, two)]);
    assert_eq!(hands(&host.see(second, &seconds("/dev/pts/1"), 1)), [(second, one)]);
}

#[test]
fn a_terminal_that_a_converter_still_reads_is_never_anothers() {
    let (mut host, [first, second]) = two_serving();
    // Its key names another one while it reads pts/1: until that has hung up it keeps it.
    assert_eq!(hands(&host.see(first, &sighting("/dev/pts/3"), 1)).len(), 1);
    let effects = host.see(second, &seconds("/dev/pts/1"), 1);
    assert!(!stops(&effects) && hands(&effects).is_empty(), "{effects:?}");
    let effects = host.lose_terminal(first, terminal("/dev/pts/1"));
    assert_eq!(effects, [Effect::Look { domain: domain(2) }]);
}

#[test]
fn a_hang_up_of_an_earlier_terminal_strands_nobody() {
    let (mut host, life) = serving();
    host.see(life, &sighting("/dev/pts/3"), 1);
    assert_eq!(host.lose_terminal(life, terminal("/dev/pts/1")), []);
    assert!(matches!(host.entry(life).unwrap().state, Domain::Serving { .. }));
    host.lose_terminal(life, terminal("/dev/pts/3"));
    assert!(matches!(host.entry(life).unwrap().state, Domain::Stranded { .. }));
}

#[test]
fn whoever_is_missing_from_an_empty_store_is_unknown_until_it_is_seen() {
    let (mut host, life) = serving();
    host.doubt_others(&BTreeSet::new());
    // The same store, with the agent's mark by now, after another reconnect.
    assert_eq!(host.compare(&BTreeSet::new()), []);
    host.see(life, &sighting("/dev/pts/1"), 0);
    assert!(stops(&host.compare(&BTreeSet::new())));
}

#[test]
fn a_start_that_was_put_off_takes_no_terminal_that_another_domain_has_got_since() {
    let (mut host, first) = serving();
    host.hear(first, Event::Ended(Served::Briefly));
    let (second, _) = host.meet(domain(2), uuid(2), uuid(2), Wanted::On, SavedBy::This);
    assert_eq!(starts(&host.see(second, &seconds("/dev/pts/1"), 0)), [second]);
    let effects = host.hear(first, Event::Due);
    assert!(matches!(effects.as_slice(), [Effect::Report { doubt: Doubt::Taken(2), .. }]));
    let effects = host.hear(second, Event::NotStarted(Failure::Failed));
    assert!(effects.contains(&Effect::Look { domain: domain(1) }));
    assert_eq!(starts(&host.see(first, &sighting("/dev/pts/1"), 0)), [first]);
}

#[test]
fn a_name_that_changes_reaches_the_converter_once_it_serves() {
    let renames = |effects: Vec<Effect>| -> Vec<String> {
        let title = |effect| match effect {
            Effect::Rename { title, .. } => Some(title),
            _ => None,
        };
        effects.into_iter().filter_map(title).collect()
    };
    let named = |name: &str| Sighting {
        name: name.into(),
        vnc_port: PORTS.vnc,
        text_port: Some(PORTS.text),
        ..sighting("/dev/pts/1")
    };
    let mut host = Host::default();
    let (life, _) = host.meet(domain(1), uuid(1), uuid(1), Wanted::On, SavedBy::This);
    assert_eq!(renames(host.see(life, &sighting("/dev/pts/1"), 0)), [""; 0]);
    assert_eq!(renames(host.see(life, &Sighting { vnc_port: None, ..named("g1") }, 0)), [""; 0]);
    assert_eq!(renames(host.started(life, PORTS)), ["g1"]);
    assert_eq!(renames(host.see(life, &named("g1"), 0)), [""; 0]);
    assert_eq!(renames(host.see(life, &named("g2"), 0)), ["g2"]);
}
