//! Many guests at once: all served, nothing lost when programs are killed, nothing left at the end.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use acceptance::proc::Process;
use acceptance::world::kill_9;

use crate::dom0::{
    agent, converters, domains, soon, store, try_xenwarden, view, wait_for_converters, xenwarden,
};
use crate::guest::{Guest, PROMPT, ask_shell, node, vnc_port};
use crate::report::fact;

/// As many as the lab's memory holds with room to spare.
const GUESTS: u16 = 20;
/// How many `xl create` at a time: more are not faster on two processors.
const AT_ONCE: usize = 2;
/// How long nobody does anything while wake-ups are counted, in seconds.
const IDLE_S: u64 = 30;
/// By when nothing is left of guests that have gone, and how often that is looked at.
const SETTLED_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a domain is introduced the agent looks again a few times; then nothing wakes it.
const SETTLED_S: u64 = 15;

pub(super) fn twenty() {
    // What is compared in the end is an agent that was killed as well: it keeps no log of the
    // converters that it found.
    kill_9(agent().expect("the agent runs"));
    wait_for_agent();
    let before = Traces::of_dom0();
    let guests: Vec<Guest> =
        (0..GUESTS).map(|number| Guest::new(&format!("crowd{number}"), 100 + number)).collect();
    let began = Instant::now();
    create_all(&guests);
    fact(&format!("{GUESTS} guests were created in {} s", began.elapsed().as_secs()));
    let domids: Vec<u16> = guests.iter().map(Guest::domid).collect();
    let ports: Vec<u16> = domids.iter().map(|domid| vnc_port(*domid)).collect();
    assert_eq!(BTreeSet::from_iter(&ports).len(), ports.len(), "each has a port of its own");
    for port in &ports {
        view(*port).wait_for_text(soon(), PROMPT);
    }
    wait_for_converters(usize::from(GUESTS));
    xenwarden(["audit"]);

    count_wake_ups();

    // Consoles that live stay open through the agent's restart.
    let mut open: Vec<_> = ports.iter().take(3).map(|port| view(*port)).collect();
    let served = converters();
    kill_9(agent().expect("the agent runs"));
    for viewer in &mut open {
        ask_shell(viewer, 61);
    }
    wait_for_agent();
    for viewer in &mut open {
        ask_shell(viewer, 62);
    }
    assert_eq!(converters(), served, "no converter was started again");

    // Converters that are killed come back, at the ports that the store names then.
    served.iter().for_each(|converter| kill_9(*converter));
    for domid in &domids {
        let mut viewer = soon().until("a console is back", || {
            let port = store().read(&node(*domid, "console/vnc-port")).ok()?.parse().ok()?;
            acceptance::rfb::Viewer::connect(acceptance::world::local(port)).ok()
        });
        ask_shell(&mut viewer, 63);
    }

    for guest in &guests {
        guest.xl("destroy");
    }
    assert!(domains().is_empty(), "all guests have gone");
    wait_for_converters(0);
    for domid in domids {
        assert!(store().read(&node(domid, "console/vnc-port")).is_err(), "no key is left");
    }
    let end = Instant::now() + SETTLED_MAX;
    let mut after = Traces::of_dom0();
    while after != before && Instant::now() < end {
        sleep(LOOK_EVERY);
        after = Traces::of_dom0();
    }
    assert_eq!(after, before, "nothing is left");
    fact(&format!("before and after: {after:?}"));
}

fn wait_for_agent() {
    soon().until("the agent is back", agent);
    soon().until("it serves what it served", || {
        try_xenwarden(["status"]).status.success().then_some(())
    });
}

fn create_all(guests: &[Guest]) {
    std::thread::scope(|scope| {
        for part in guests.chunks(guests.len().div_ceil(AT_ONCE)) {
            scope.spawn(|| part.iter().for_each(Guest::create_patiently));
        }
    });
}

/// Counts how often the agent and the converters run while nobody does anything.
fn count_wake_ups() {
    let watched: Vec<Process> = converters().into_iter().chain(agent()).collect();
    let switches = || watched.iter().map(|process| context_switches(*process)).sum::<u64>();
    sleep(Duration::from_secs(SETTLED_S));
    let before = switches();
    sleep(Duration::from_secs(IDLE_S));
    let count = switches() - before;
    fact(&format!("agent and {GUESTS} converters, {IDLE_S} s idle: {count} context switches"));
}

fn context_switches(process: Process) -> u64 {
    let status = process.status().expect("it runs");
    let of = |name: &str| status.get(name).and_then(|value| value.parse::<u64>().ok());
    of("voluntary_ctxt_switches").unwrap_or(0) + of("nonvoluntary_ctxt_switches").unwrap_or(0)
}

/// What would be there more of if something leaked.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    converters: usize,
    converter_folders: usize,
    agent_descriptors: usize,
    listeners: usize,
}

impl Traces {
    fn of_dom0() -> Self {
        let agent = agent().expect("the agent runs");
        let folders = fs::read_dir("/run/xenwarden/converters");
        Self {
            converters: converters().len(),
            converter_folders: folders.map(Iterator::count).unwrap_or(0),
            agent_descriptors: agent.descriptors().expect("it runs").len(),
            listeners: acceptance::proc::listeners(agent).expect("it runs").len(),
        }
    }
}
