//! Bytes on the wire: for a full screen of boot text, for one echoed key, and for one new line at the
//! bottom of a full screen.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use crate::converter::Converter;
use crate::viewer::{Encoding, Pixels, Viewer};
use crate::{Failure, median};

/// Longer than the pace of updates, so that a key's echo is an update of its own.
const PAUSE: Duration = Duration::from_millis(20);

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    let mut converter = Converter::start(30)?;
    converter.terminal.print_and_settle(boot_text().as_bytes())?;
    println!("\nBytes on the wire");
    println!("  {:<28} {:>12} {:>12} {:>12}", "", "full screen", "echoed key", "new line");
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
    }
    Ok(())
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
