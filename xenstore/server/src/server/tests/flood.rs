//! What a guest costs that asks without end: a measure, on the machine's own clock, for `make bench`.
//!
//! That such a guest is held by its bucket at all is tested in `tokens`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use xenstore_hypervisor::fake::{FakeHypervisor, Guest, Machine};
use xenstore_store::{Caller, Limits};
use xenstore_wire::DomainId;

use super::world::Speaker;
use crate::guests::Guests;
use crate::server::Server;

/// How long each figure is taken, and how often.
const TIME: Duration = Duration::from_millis(500);
const ROUNDS: usize = 5;
/// The guest looks for room in its ring so often; its port is kicked each time.
const PAUSE: Duration = Duration::from_micros(500);
/// Dom0's client asks so often.
const GAP: Duration = Duration::from_micros(200);

/// Serves in a thread of its own; its number, and dom0's end.
fn serve(machine: &Machine) -> (i32, Speaker<UnixStream>) {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    far.set_nonblocking(true).expect("it need not block");
    let (machine, (told, hears)) = (machine.clone(), std::sync::mpsc::channel());
    thread::spawn(move || {
        told.send(nix::unistd::gettid().as_raw()).expect("somebody listens");
        let guests = Guests::new(Box::new(FakeHypervisor::new(&machine))).expect("a hypervisor");
        let mut server =
            Server::new(None, Some(guests), Limits::default(), None).expect("a server");
        server.welcome(far, Caller::Dom0, None, Duration::ZERO);
        // It ends with the process.
        server.serve()
    });
    (hears.recv().expect("a thread"), Speaker::new(near))
}

fn ask(dom0: &mut Speaker<UnixStream>, request: &str) {
    let bytes = dom0.encode(request);
    dom0.end.write_all(&bytes).expect("the store listens");
    let count = dom0.end.read(&mut [0; 4096]).expect("the store answers");
    assert!(count > 0, "the store has hung up");
}

/// Writes and kicks for as long as it is to.
fn flood(machine: &Machine, port: &std::sync::mpsc::Sender<u32>, on: &AtomicBool) {
    let domain = DomainId::new(5).expect("a domain's number");
    let mut guest: Speaker<Guest> = Speaker::new(machine.start(domain, 1));
    port.send(guest.end.port()).expect("somebody listens");
    let mut rest = Vec::new();
    loop {
        while on.load(Ordering::Relaxed) {
            loop {
                if rest.is_empty() {
                    rest = guest.encode("READ none|");
                }
                let taken = guest.end.write(&rest);
                rest.drain(..taken);
                if !rest.is_empty() {
                    break;
                }
            }
            guest.hear();
            guest.end.kick();
            thread::sleep(PAUSE);
        }
        thread::sleep(PAUSE);
    }
}

/// The share of a core that a thread takes while so much time passes.
fn busy(thread: i32) -> f64 {
    let spent = || {
        let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat"));
        let text = text.expect("the thread lives");
        let spent = text.split(' ').next().and_then(|word| word.parse().ok());
        Duration::from_nanos(spent.expect("a number"))
    };
    let (began, before) = (Instant::now(), spent());
    thread::sleep(TIME);
    (spent() - before).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// The 99th percentile of what dom0's client waits, in microseconds.
fn p99(dom0: &mut Speaker<UnixStream>) -> f64 {
    let began = Instant::now();
    let mut waits = Vec::new();
    while began.elapsed() < TIME {
        let asked = Instant::now();
        ask(dom0, "READ /tool|");
        waits.push(asked.elapsed().as_secs_f64() * 1e6);
        thread::sleep(GAP);
    }
    waits.sort_by(f64::total_cmp);
    waits[waits.len() * 99 / 100]
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[test]
#[ignore = "a measure, which `make bench` takes"]
fn what_a_flooding_guest_costs() {
    let machine = Machine::default();
    let _kernel = machine.start(DomainId::DOM0, 0);
    let (thread, mut dom0) = serve(&machine);
    let on = Arc::new(AtomicBool::new(false));
    let (told, port) = std::sync::mpsc::channel();
    let (guests, switch) = (machine.clone(), on.clone());
    thread::spawn(move || flood(&guests, &told, &switch));
    let port = port.recv().expect("a guest");
    ask(&mut dom0, "MKDIR /local/domain/5|");
    ask(&mut dom0, "SET_PERMS /local/domain/5|n5|");
    ask(&mut dom0, &format!("INTRODUCE 5|1|{port}|"));
    // What the guest has saved up is spent first.
    on.store(true, Ordering::Relaxed);
    thread::sleep(2 * TIME);

    let (mut shares, mut quiet, mut flooded) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        on.store(true, Ordering::Relaxed);
        thread::sleep(TIME / 5);
        shares.push(100.0 * busy(thread));
        flooded.push(p99(&mut dom0));
        on.store(false, Ordering::Relaxed);
        thread::sleep(TIME / 5);
        quiet.push(p99(&mut dom0));
    }
    let (share, quiet, flooded) = (median(shares), median(quiet), median(flooded));
    let verdict = |held| if held { "held" } else { "missed" };
    println!("\nA guest that asks without end, medians of {ROUNDS}");
    println!("  {:<40} {share:>9.2}  <= 1: {}", "share of a core, %", verdict(share <= 1.0));
    let ratio = flooded / quiet;
    println!(
        "  {:<40} {flooded:>9.0} beside {quiet:.0}, {ratio:.2}  <= 1.5: {}",
        "p99 of a client of dom0's, us",
        verdict(ratio <= 1.5)
    );
}
