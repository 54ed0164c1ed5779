//! Bytes on the wire, for a full screen of text and for one echoed key.

use std::io::{Read, Write};
use std::time::Duration;
use std::{iter, thread};

use crate::Failure;
use crate::converter::Converter;
use crate::viewer::{Encoding, Pixels, Viewer};

/// Longer than the pace of updates, so that a key's echo is an update of its own.
const PAUSE: Duration = Duration::from_millis(20);

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    let mut converter = Converter::start(30)?;
    let lines = iter::successors(Some(0), |line| Some(line + 1)).take(40).map(|line: u32| {
        format!(
            "\r\n[    {line}.{:06}] pci 0000:00:1{}.0: BAR {line}: assigned",
            line * 731,
            line % 10
        )
    });
    converter.terminal.print_and_settle(lines.collect::<String>().as_bytes())?;
    println!("\nBytes on the wire");
    println!("  {:<22} {:>12} {:>14}", "", "full screen", "echoed key");
    for (name, encoding, pixels) in [
        ("Raw, 8 bits (announced)", Encoding::Raw, Pixels::Announced),
        ("Raw, 32 bits", Encoding::Raw, Pixels::True),
        ("Hextile, 8 bits", Encoding::Hextile, Pixels::Announced),
        ("Hextile, 32 bits", Encoding::Hextile, Pixels::True),
    ] {
        let mut viewer = Viewer::connect(converter.port, encoding, pixels)?;
        viewer.request(false)?;
        let full = viewer.update()?;
        viewer.request(true)?;
        thread::sleep(PAUSE);
        viewer.key(b'k')?;
        let mut key = [0];
        converter.terminal.guest.read_exact(&mut key)?;
        converter.terminal.guest.write_all(&key)?;
        let echoed = viewer.update()?;
        println!("  {name:<22} {full:>12} {echoed:>14}");
    }
    Ok(())
}
