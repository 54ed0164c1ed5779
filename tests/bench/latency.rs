//! From a key to its picture, beside a bare echo through the same kind of pty and socket.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::converter::Converter;
use crate::peer::{self, Peer};
use crate::qemu::{self, Qemu};
use crate::reach::Reach;
use crate::terminal::Terminal;
use crate::viewer::{Encoding, Pixels, Viewer};

/// Keys pressed.
const KEYS: usize = 400;

/// The console is quiet for so long before a key, give or take, as when a person types.
const GAP: Duration = Duration::from_millis(11);

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    let mut converter = Converter::start(20)?;
    let mut guest = converter.terminal.guest.try_clone()?;
    converter.terminal.print_and_settle(b"\x1b[2J\x1b[H")?;
    let echo = thread::spawn(move || echo(&mut guest));
    let mut viewer = Viewer::connect(converter.port, Encoding::Zrle, Pixels::True)?;
    let mut ours = pressed(&mut viewer)?;
    drop(viewer);
    // The echo ends with the last other holder of the slave.
    drop(converter);
    echo.join().map_err(|_| "the echo's thread failed")?;
    let mut floor = bare_echo()?;
    let (ours, floor) = (percentiles(&mut ours), percentiles(&mut floor));
    let theirs = match Peer::start()? {
        Some(mut peer) => {
            let mut viewer = Viewer::connect(peer::PORT, Encoding::Zrle, Pixels::True)?;
            // Keys go to the window under the pointer.
            viewer.point(20, 20)?;
            peer.echo()?;
            percentiles(&mut pressed(&mut viewer)?)
        }
        None => (f64::NAN, f64::NAN),
    };
    let qemus = match Qemu::start(b"")? {
        Some(mut qemu) => {
            let mut viewer = Viewer::connect(qemu::PORT, Encoding::Zrle, Pixels::True)?;
            qemu.echo()?;
            percentiles(&mut pressed(&mut viewer)?)
        }
        None => (f64::NAN, f64::NAN),
    };
    println!("\nKey to update, microseconds (ratio to a bare echo through a pty and a socket)");
    println!("  {:<6} {:>8} {:>8} {:>18} {:>10}", "", "floor", "ours", "Xvnc+xterm", "QEMU");
    for (name, floor, ours, theirs, qemus) in
        [("p50", floor.0, ours.0, theirs.0, qemus.0), ("p99", floor.1, ours.1, theirs.1, qemus.1)]
    {
        let ratio = ours / floor;
        println!("  {name:<6} {floor:>8.0} {ours:>8.0} ({ratio:.2}) {theirs:>11.0} {qemus:>10.0}");
    }
    Reach::AtMost(2.0).judge("p50, times an echo", ours.0 / floor.0);
    Reach::AtMost(6.0).judge("p99, times an echo", ours.1 / floor.1);
    Ok(())
}

/// Presses keys one after another, and times each until its picture is there.
fn pressed(viewer: &mut Viewer) -> Result<Vec<Duration>, Failure> {
    viewer.request(false)?;
    viewer.update()?;
    let mut times = Vec::new();
    for index in 0..KEYS {
        viewer.request(true)?;
        thread::sleep(GAP + Duration::from_micros(u64::try_from(index * 37 % 5000)?));
        let began = Instant::now();
        viewer.key(b'a' + u8::try_from(index % 26)?)?;
        viewer.update()?;
        times.push(began.elapsed());
    }
    Ok(times)
}

/// A guest that sends back what it is sent.
fn echo(guest: &mut std::fs::File) {
    let mut buffer = [0; 64];
    while let Ok(length) = guest.read(&mut buffer) {
        if length == 0 || guest.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// The floor: socket, copy to a pty, echo, copy from the pty, socket.
fn bare_echo() -> Result<Vec<Duration>, Failure> {
    let terminal = Terminal::open()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    near.set_nodelay(true)?;
    let (far, _) = listener.accept()?;
    far.set_nodelay(true)?;
    let mut guest = terminal.guest.try_clone()?;
    let mut slave = terminal.slave.try_clone()?;
    let threads =
        [thread::spawn(move || echo(&mut guest)), thread::spawn(move || relay(far, &mut slave))];
    let mut times = Vec::new();
    for index in 0..KEYS {
        thread::sleep(GAP + Duration::from_micros(u64::try_from(index * 37 % 5000)?));
        let began = Instant::now();
        near.write_all(b"a")?;
        near.read_exact(&mut [0])?;
        times.push(began.elapsed());
    }
    drop(near);
    drop(terminal);
    for thread in threads {
        thread.join().map_err(|_| "the floor's thread failed")?;
    }
    Ok(times)
}

/// One process with one key at a time on its way needs no poll: a key in, its echo out.
fn relay(mut socket: TcpStream, slave: &mut std::fs::File) {
    let mut byte = [0];
    while socket.read_exact(&mut byte).is_ok() {
        let echoed = slave.write_all(&byte).and_then(|()| slave.read_exact(&mut byte));
        if echoed.and_then(|()| socket.write_all(&byte)).is_err() {
            return;
        }
    }
}

/// The median and the 99th percentile, in microseconds.
fn percentiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at = |index: usize| times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6);
    (at(times.len() / 2), at(times.len() * 99 / 100))
}
