//! Shows what a terminal of 80 x 24 shows after the bytes on standard input.
//!
//! `script -qc 'ls --color' /dev/null | cargo run -p vncterm-screen --example replay`
//!
//! With `--bytes` it writes the bytes that repaint the screen instead of its text; with `--time`,
//! how fast the bytes were taken.

use std::io::{Read as _, Write as _};
use std::time::Instant;
use vncterm_screen::Screen;

fn main() -> std::io::Result<()> {
    let option = std::env::args().nth(1);
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let mut screen = Screen::new(80, 24, 512);
    let start = Instant::now();
    // As much at a time as a converter reads from its pty.
    for chunk in bytes.chunks(64 * 1024) {
        screen.feed(chunk);
    }
    let seconds = start.elapsed().as_secs_f64();
    let mut out = std::io::stdout();
    match option.as_deref() {
        Some("--bytes") => out.write_all(&screen.replay()),
        Some("--time") => {
            let megabytes = f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) / 1e6;
            writeln!(out, "{megabytes:.1} MB in {seconds:.3} s: {:.0} MB/s", megabytes / seconds)
        }
        _ => out.write_all(screen.text().as_bytes()),
    }
}
