//! How fast a converter takes what its guest prints, beside a bare copy out of a pty.

use std::io::Read;
use std::os::fd::AsFd;
use std::thread;
use std::time::Instant;

use crate::converter::Converter;
use crate::peer::{self, Peer};
use crate::qemu::{self, Qemu};
use crate::reach::Reach;
use crate::terminal::Terminal;
use crate::viewer::{Encoding, Pixels, Viewer};
use crate::{Failure, ROUNDS, median};

/// Bytes printed in each round.
const PAYLOAD: usize = 8 << 20;

/// Bytes printed to the peer, which takes longer.
const PEER_PAYLOAD: usize = 1 << 20;

/// What is printed.
pub(crate) fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    let ascii = |line: usize| {
        format!(
            "[{line:12}.{:06}] usb 1-1: new high-speed device, address {}\r\n",
            line * 7,
            line % 127
        )
    };
    let colour = |line: usize| {
        let file = |n: usize| format!("\x1b[0m\x1b[01;3{}mfile-{line}-{n}\x1b[0m  ", n % 8);
        (0..5).map(file).chain(["\r\n".into()]).collect()
    };
    let fill = |line: &dyn Fn(usize) -> String| {
        let mut bytes = Vec::with_capacity(PAYLOAD + 256);
        for number in 0.. {
            if bytes.len() >= PAYLOAD {
                break;
            }
            bytes.extend_from_slice(line(number).as_bytes());
        }
        bytes
    };
    let unicode =
        |line: usize| format!("{line} Straße naïve Ωμέγα Кириллица ┌──┬──┐ █▓▒░ 漢字\r\n");
    // Every cell of the screen anew, each in other colours than the last, as vtebench's.
    let dense = |row: usize| {
        let cell = |column: usize| {
            let at = row * 80 + column;
            let letter = char::from(b'A' + u8::try_from(at % 26).unwrap_or(0));
            format!("\x1b[38;5;{};48;5;{};1m{letter}", at % 156, at * 7 % 100)
        };
        [format!("\x1b[{};1H", row % 24 + 1)].into_iter().chain((0..80).map(cell)).collect()
    };
    vec![
        ("ascii lines", fill(&ascii)),
        ("coloured listing", fill(&colour)),
        ("dense cells", fill(&dense)),
        ("unicode", fill(&unicode)),
        ("short lines (y)", fill(&|_| "y\r\n".into())),
    ]
}

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    println!("\nGuest output absorbed, MB/s (ratio to a bare copy out of a pty)");
    println!(
        "  {:<18} {:>10} {:>18} {:>18} {:>18}",
        "payload", "floor", "no viewer", "viewer asking", "Xvnc+xterm, asking"
    );
    let mut peer = Peer::start()?;
    if let Some(peer) = &mut peer {
        let mut viewer = Viewer::connect(peer::PORT, Encoding::Zrle, Pixels::True)?;
        viewer.request(false)?;
        peer.absorb(0, PEER_PAYLOAD)?;
        // Ends when the server does, which closes the connection.
        thread::spawn(move || while viewer.update().is_ok() && viewer.request(true).is_ok() {});
    }
    for (index, (name, payload)) in payloads().into_iter().enumerate() {
        let mut converter = Converter::start(u16::try_from(index)?)?;
        let mut floors = Vec::new();
        let mut detached = Vec::new();
        for _ in 0..ROUNDS {
            floors.push(bare_copy(&payload)?);
            detached.push(absorbed(&mut converter, &payload)?);
        }
        let mut viewer = Viewer::connect(converter.port, Encoding::Zrle, Pixels::True)?;
        viewer.request(false)?;
        let watching = thread::spawn(move || {
            // Ends when the converter does, which closes the connection.
            while viewer.update().is_ok() && viewer.request(true).is_ok() {}
        });
        let mut attached = Vec::new();
        for _ in 0..ROUNDS {
            attached.push(absorbed(&mut converter, &payload)?);
        }
        drop(converter);
        watching.join().map_err(|_| "the viewer's thread failed")?;
        let (floor, alone, seen) = (median(floors), median(detached), median(attached));
        print!(
            "  {name:<18} {floor:>10.1} {alone:>10.1} ({:.2}) {seen:>10.1} ({:.2})",
            alone / floor,
            seen / floor
        );
        if let Some(peer) = &mut peer {
            let mut rates = Vec::new();
            for _ in 0..ROUNDS {
                let took = peer.absorb(index, PEER_PAYLOAD)?;
                rates.push(
                    u32::try_from(PEER_PAYLOAD).map_or(f64::NAN, f64::from)
                        / 1e6
                        / took.as_secs_f64(),
                );
            }
            let rate = median(rates);
            println!(" {rate:>10.2} (x {:.0})", seen / rate);
            match name {
                "ascii lines" => Reach::AtLeast(10.0).judge("times Xvnc and xterm", seen / rate),
                "short lines (y)" => {
                    Reach::AtLeast(30.0).judge("times Xvnc and xterm", seen / rate)
                }
                _ => {}
            }
        } else {
            println!();
        }
        if let Some(rate) = qemus_rate(&payload)? {
            println!("    QEMU's console, asking: {rate:.2} MB/s (x {:.0})", seen / rate);
        }
        let floor_least = match name {
            "ascii lines" => 0.8,
            "short lines (y)" => 0.5,
            _ => 0.6,
        };
        Reach::AtLeast(floor_least).judge("viewer asking, of the floor", seen / floor);
        Reach::AtLeast(0.85).judge("viewer asking, of no viewer", seen / alone);
    }
    Ok(())
}

/// How fast QEMU's console takes the beginning of a payload, with a viewer asking.
fn qemus_rate(payload: &[u8]) -> Result<Option<f64>, Failure> {
    let Some(mut qemu) = Qemu::start(payload)? else { return Ok(None) };
    let mut viewer = Viewer::connect(qemu::PORT, Encoding::Zrle, Pixels::True)?;
    viewer.request(false)?;
    // Ends when the server does, which closes the connection.
    let watching =
        thread::spawn(move || while viewer.update().is_ok() && viewer.request(true).is_ok() {});
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let took = qemu.absorb()?;
        rates.push(f64::from(u32::try_from(qemu.printed)?) / 1e6 / took.as_secs_f64());
    }
    drop(qemu);
    watching.join().map_err(|_| "the viewer's thread failed")?;
    Ok(Some(median(rates)))
}

fn absorbed(converter: &mut Converter, payload: &[u8]) -> Result<f64, Failure> {
    let began = Instant::now();
    converter.terminal.print_and_settle(payload)?;
    Ok(rate(payload.len(), began))
}

/// The floor: a thread that reads a pty into a buffer and looks at nothing.
fn bare_copy(payload: &[u8]) -> Result<f64, Failure> {
    let terminal = Terminal::open()?;
    let mut slave = std::fs::File::from(terminal.slave.as_fd().try_clone_to_owned()?);
    let mut guest = std::fs::File::from(terminal.guest.as_fd().try_clone_to_owned()?);
    let length = payload.len();
    let began = Instant::now();
    let reader = thread::spawn(move || {
        let mut buffer = [0; 65536];
        let mut left = length;
        while left > 0 {
            match slave.read(&mut buffer) {
                Ok(read) if read > 0 => left = left.saturating_sub(read),
                Ok(_) | Err(_) => return,
            }
        }
    });
    std::io::Write::write_all(&mut guest, payload)?;
    reader.join().map_err(|_| "the floor's thread failed")?;
    Ok(rate(length, began))
}

fn rate(bytes: usize, began: Instant) -> f64 {
    let bytes = u32::try_from(bytes).map_or(f64::NAN, f64::from);
    bytes / 1e6 / began.elapsed().as_secs_f64()
}
