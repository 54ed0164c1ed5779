//! `make bench`: figures of the converter and of the store, each beside a floor taken in the same run.
//!
//! Times are of this machine at this moment; read the ratios. Medians of [`ROUNDS`].

mod absorb;
mod converter;
mod crowd;
mod idle;
mod latency;
mod launched;
mod memory;
mod peer;
mod qemu;
mod reach;
mod start;
mod store;
mod terminal;
mod viewer;
mod wire;

/// How often each figure is taken.
const ROUNDS: usize = 5;

/// What went wrong, as one line.
type Failure = Box<dyn std::error::Error>;

/// Takes figures and prints them.
type Table = fn() -> Result<(), Failure>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (role, socket) = (arguments.next(), arguments.next());
    match (role.as_deref(), socket) {
        (Some(peer::GUEST), Some(socket)) => return peer::be_guest(socket.as_ref()),
        (Some(store::echo::ECHO), Some(socket)) => return store::echo::serve(socket.as_ref()),
        _ => (),
    }
    if !nix::unistd::geteuid().is_root() {
        return Err("the bench needs root: a converter starts as root and gives it up".into());
    }
    println!("converter: {}", converter::program()?.display());
    let tables: [(&str, Table); 8] = [
        ("absorb", absorb::table),
        ("latency", latency::table),
        ("wire", wire::table),
        ("idle", idle::table),
        ("memory", memory::table),
        ("start", start::table),
        ("crowd", crowd::table),
        ("store", store::table),
    ];
    // All of them, or those that are named.
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for (name, table) in tables {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            table()?;
        }
    }
    Ok(())
}

/// The middle one of several figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
