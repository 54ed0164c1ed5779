//! What guests cost the store: honest ones, whom no limit ever meets, and one that floods it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::dom0::{our_store, soon, store, view};
use crate::guest::{Guest, ask_shell, vnc_port};
use crate::report::fact;
use crate::tool::must;

/// How long nothing more comes from a guest that has booted, or was asked something.
const SETTLED: Duration = Duration::from_secs(5);
/// How long an idle guest is looked at.
const IDLE: Duration = Duration::from_secs(30);
/// Honest use stays below a tenth of what a bucket holds when nothing else is configured.
const HONEST_MAX: u64 = 4000 / 10;
/// Tokens that come in a second when nothing else is configured.
const RATE: f64 = 1000.0;
/// How often a creation's time is taken.
const CREATIONS: usize = 5;
/// Longer than all that happens during a flood, in seconds.
const FLOOD_S: u64 = 300;
/// How long a flood's tokens are counted.
const COUNTED: Duration = Duration::from_secs(10);
/// X11's keysyms.
const CONTROL: u32 = 0xffe3;
const C: u32 = 'c' as u32;
/// Where a saved guest is put.
const SAVED: &str = "/var/tmp/xenlab.flooder";

/// What the store says that a domain has paid: tokens, and requests that had to wait.
///
/// # Panics
/// When it is not our store.
pub(super) fn paid(domid: u16) -> (u64, u64) {
    let text = store().control(&["rate", &domid.to_string()]).expect("our store counts");
    let mut numbers =
        text.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    (numbers.next().expect("tokens"), numbers.next().expect("waits"))
}

/// States what an honest domain has paid since `before`, and that it was never held up.
pub(super) fn state_honest(what: &str, domid: u16, before: u64) -> u64 {
    let (tokens, waits) = paid(domid);
    fact(&format!("{what}: {} tokens", tokens - before));
    assert_eq!(waits, 0, "{what}: no request had to wait");
    assert!(tokens - before <= HONEST_MAX, "{what}: a tenth of the bucket is enough");
    tokens
}

pub(super) fn honest() {
    if our_store().is_none() {
        fact("this store has no tokens to count");
        return;
    }
    let mut dom0 = Toolstack::begin();
    let guest = Guest::new("honest", 50);
    let (domid, _) = guest.start();
    sleep(SETTLED);
    dom0.state("xl create, to an idle guest");
    let booted = state_honest("a guest's boot", domid, 0);
    sleep(IDLE);
    assert_eq!(paid(domid).0, booted, "an idle guest asks nothing");
    must("xl", ["list"]);
    dom0.state("xl list");
    guest.xl("reboot");
    let again = guest.domid_after(domid);
    ask_shell(&mut viewer_of(again), 51);
    sleep(SETTLED);
    dom0.state("xl reboot, to an idle guest");
    state_honest("the boot after a reboot", again, 0);
    let before = paid(again).0;
    must("xl", ["save", "-c", &guest.name, SAVED]);
    sleep(SETTLED);
    dom0.state("xl save -c");
    state_honest("a save -c", again, before);
    guest.xl("destroy");
    dom0.state("xl destroy");
    must("rm", [SAVED]);
}

fn viewer_of(domid: u16) -> acceptance::rfb::Viewer {
    let mut viewer = view(vnc_port(domid));
    viewer.wait_for_text(soon(), crate::guest::PROMPT);
    viewer
}

/// What all of dom0 asks for, which pays nothing.
struct Toolstack {
    before: u64,
}

impl Toolstack {
    fn begin() -> Self {
        Self { before: paid(0).0 }
    }

    /// States what was asked for since the last time.
    fn state(&mut self, what: &str) {
        let now = paid(0).0;
        fact(&format!("dom0, {what}: {} tokens, if it had to pay", now - self.before));
        self.before = now;
    }
}

pub(super) fn flooded() {
    if our_store().is_none() {
        fact("nothing holds a flood here: with C xenstored xl doesn't end within two minutes");
        return;
    }
    let victim = Guest::new("victim", 51);
    let alone = creations(&victim);
    let flooder = Guest::new("flooder", 52);
    let (domid, mut viewer) = flooder.start();
    viewer.type_text(&format!("xenlab flood {FLOOD_S}\n")).expect("the viewer is served");
    viewer.wait_for_text(soon(), "flooding");
    soon().until("it is held up", || (paid(domid).1 > 0).then_some(()));
    let (before, began) = (paid(domid).0, Instant::now());
    sleep(COUNTED);
    let (tokens, time) = (paid(domid).0 - before, began.elapsed());
    let most = time.as_secs_f64() * RATE;
    fact(&format!("a flood gets {tokens} tokens in {:.1} s", time.as_secs_f64()));
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let tokens = tokens as f64;
    // A transaction's cost may come as a whole, before or after.
    assert!(tokens <= most + 40.0, "the bucket holds it");
    let beside = creations(&victim);
    fact(&format!(
        "xl create: {} ms alone, {} ms beside a flood ({:.2} times)",
        alone.as_millis(),
        beside.as_millis(),
        beside.as_secs_f64() / alone.as_secs_f64()
    ));
    // Right after the flood, with its last requests under way.
    for (keysym, down) in [(CONTROL, true), (C, true), (C, false), (CONTROL, false)] {
        viewer.key(keysym, down).expect("the viewer is served");
    }
    viewer.wait_for_text(soon(), "^C");
    let began = Instant::now();
    must("xl", ["save", &flooder.name, SAVED]);
    fact(&format!("xl save right after the flood: {} ms", began.elapsed().as_millis()));
    must("xl", ["restore", SAVED]);
    must("rm", [SAVED]);
    ask_shell(&mut view(vnc_port(flooder.domid())), 52);
}

/// The median time of a creation.
fn creations(guest: &Guest) -> Duration {
    let mut times: Vec<Duration> = (0..CREATIONS)
        .map(|_| {
            let began = Instant::now();
            guest.create();
            let time = began.elapsed();
            guest.xl("destroy");
            time
        })
        .collect();
    times.sort();
    times[CREATIONS / 2]
}
