//! Bytes on the wire: for a full screen of boot text, for one echoed key, and for one new line at the
//! bottom of a full screen.

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use crate::converter::Converter;
use crate::reach::Reach;
use crate::viewer::{Encoding, Pixels, Viewer};
use crate::{Failure, median};

/// Longer than the pace of updates, so that a key's echo is an update of its own.
const PAUSE: Duration = Duration::from_millis(20);

/// Full screens of which the processor time is taken.
const SCREENS: usize = 21;

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    let mut converter = Converter::start(30)?;
    converter.terminal.print_and_settle(boot_text().as_bytes())?;
    println!("\nBytes on the wire");
    println!("  {:<28} {:>12} {:>12} {:>12}", "", "full screen", "echoed key", "new line");
    let mut echoed = f64::INFINITY;
    for (name, encoding, pixels) in [
        ("Raw, 8 bits (announced)", Encoding::Raw, Pixels::Announced),
        ("Raw, 32 bits", Encoding::Raw, Pixels::True),
        ("CoRRE, 8 bits (XenCenter)", Encoding::CoRre, Pixels::Announced),
        ("Hextile, 8 bits", Encoding::Hextile, Pixels::Announced),
        ("Hextile, 32 bits", Encoding::Hextile, Pixels::True),
        ("ZRLE, 32 bits", Encoding::Zrle, Pixels::True),
        ("Tight, 32 bits", Encoding::Tight, Pixels::True),
    ] {
        let mut viewer = Viewer::connect(converter.port, encoding, pixels)?;
        viewer.request(false)?;
        let full = viewer.update()?;
        let mut keys = Vec::new();
        // Each for the first time, as the viewer sees it.
        for letter in b"kwbq_" {
            viewer.request(true)?;
            thread::sleep(PAUSE);
            viewer.key(*letter)?;
            let mut key = [0];
            converter.terminal.guest.read_exact(&mut key)?;
            converter.terminal.guest.write_all(&key)?;
            keys.push(as_figure(viewer.update()?));
        }
        let mut lines = Vec::new();
        for line in 0..5 {
            viewer.request(true)?;
            thread::sleep(PAUSE);
            let text = format!("\r\n{}", boot_line(1000 + 77 * line));
            converter.terminal.guest.write_all(text.as_bytes())?;
            lines.push(as_figure(viewer.update()?));
        }
        let (key, line) = (median(keys), median(lines));
        println!("  {name:<28} {full:>12} {key:>12} {line:>12}");
        let full_max = match encoding {
            Encoding::Zrle | Encoding::Tight => 7_500.0,
            Encoding::CoRre => 45_000.0,
            Encoding::Raw | Encoding::Hextile => continue,
        };
        Reach::AtMost(full_max).judge("full screen, bytes", as_figure(full));
        if encoding != Encoding::CoRre {
            echoed = echoed.min(key);
            Reach::AtMost(380.0).judge("new line, bytes", line);
        }
        let ms = encoding_ms(&mut viewer, converter.pid)?;
        Reach::AtMost(0.2).judge("encode a full screen, ms of processor", ms);
    }
    Reach::AtMost(40.0).judge("echoed key, ZRLE or Tight, bytes", echoed);
    Ok(())
}

/// Processor time of the converter for a full screen: asked for, encoded and sent.
fn encoding_ms(viewer: &mut Viewer, pid: i32) -> Result<f64, Failure> {
    let spent = || -> Result<u64, Failure> {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
        Ok(text.split_whitespace().next().ok_or("no time spent")?.parse()?)
    };
    let mut times = Vec::new();
    for _ in 0..SCREENS {
        thread::sleep(PAUSE);
        let before = spent()?;
        viewer.request(false)?;
        viewer.update()?;
        // It is asleep again by then, so that all of it is counted.
        thread::sleep(PAUSE);
        times.push(as_figure(spent()? - before) / 1e6);
    }
    Ok(median(times))
}

fn as_figure(bytes: u64) -> f64 {
    u32::try_from(bytes).map_or(f64::NAN, f64::from)
}

/// What Linux and systemd print while they start, 80 columns wide where they can be.
pub(crate) fn boot_text() -> String {
    let kernel = (0..30).map(|line| format!("\r\n{}", boot_line(line)));
    let units = ["Journal Service", "Network Name Resolution", "User Login Management"];
    let systemd = (0..12).map(|line| {
        let unit = units[line % units.len()];
        format!("\r\n[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39m{unit}\x1b[0m ({line}).")
    });
    kernel.chain(systemd).collect()
}

fn boot_line(line: u32) -> String {
    let text = match line % 5 {
        0 => format!(
            "pci 0000:00:1{}.0: BAR {line}: assigned [mem 0xfe{line:04x}000-0xfe{line:04x}fff]",
            line % 10
        ),
        1 => format!("xen_netfront: backend {line} supports feature-split-event-channels, rx copy"),
        2 => format!(
            "blkfront: xvd{}: barrier: enabled; persistent grants: disabled",
            char::from(b'a' + u8::try_from(line % 26).unwrap_or(0))
        ),
        3 => format!(
            "EXT4-fs (xvda{line}): mounted filesystem with ordered data mode. Quota mode: none"
        ),
        _ => format!(
            "audit: type=1{line:03} audit(16{:08}.{}:{line}): state=initialized res=1",
            line * 31_337,
            line % 997
        ),
    };
    format!("[{:5}.{:06}] {text}", line / 7, line * 73_331 % 1_000_000).chars().take(79).collect()
}
