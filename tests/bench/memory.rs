//! Memory of converters: one, twenty that share their program's pages, and one with a viewer that
//! has been shown a full screen.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::converter::Converter;
use crate::peer::Peer;
use crate::qemu::Qemu;
use crate::reach::Reach;
use crate::viewer::{Encoding, Pixels, Viewer};
use crate::wire::boot_text;

/// Sockets of a stand-alone converter without viewers: two listeners, and the control socket.
const OWN_SOCKETS: usize = 3;

/// A viewer that has left is known to have by then.
const LEAVE_MAX: Duration = Duration::from_secs(10);

/// How many run at once.
const MANY: u16 = 20;

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    println!("\nMemory of converters, KiB each");
    println!("  {:<26} {:>8} {:>8} {:>8}", "running", "RSS", "PSS", "USS");
    for count in [1, MANY] {
        let mut running = Vec::new();
        for index in 0..count {
            let mut converter = Converter::start(50 + index)?;
            converter.terminal.print_and_settle(b"login: ")?;
            running.push(converter);
        }
        let uss = row(&format!("{count} idle"), &pids(&running))?;
        if count == MANY {
            Reach::AtMost(150.0).judge("USS of an idle one", uss);
        }
    }
    for (name, encoding) in [("ZRLE", Encoding::Zrle), ("Tight", Encoding::Tight)] {
        let mut running = Vec::new();
        let mut viewers = Vec::new();
        let mut before = 0;
        for index in 0..MANY {
            let mut converter = Converter::start(50 + index)?;
            converter.terminal.print_and_settle(boot_text().as_bytes())?;
            before += rollup(converter.pid)?[2];
            let mut viewer = Viewer::connect(converter.port, encoding, Pixels::True)?;
            viewer.request(false)?;
            viewer.update()?;
            running.push(converter);
            viewers.push(viewer);
        }
        let uss = row(&format!("{MANY} with a viewer, {name}"), &pids(&running))?;
        Reach::AtMost(300.0).judge("USS of one with a viewer", uss);
        drop(viewers);
        for converter in &running {
            left_alone(converter.pid)?;
        }
        let uss = row(&format!("{MANY} after its visit, {name}"), &pids(&running))?;
        let before = f64::from(u32::try_from(before)?) / f64::from(MANY);
        Reach::AtMost(16.0).judge("more than before the visit, KiB each", uss - before);
    }
    if let Some(peer) = Peer::start()? {
        row("Xvnc, xterm: each of two", &peer.pids()?)?;
    }
    if let Some(qemu) = Qemu::start(b"")? {
        row("QEMU, 16 MB of guest", &[qemu.pid()?])?;
    }
    Ok(())
}

/// Waits until a converter has let go of its viewers' sockets: what is left are its listeners and its
/// control socket.
fn left_alone(pid: i32) -> Result<(), Failure> {
    let began = Instant::now();
    let sockets = || -> Result<usize, Failure> {
        let links = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
        let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
        Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
    };
    while sockets()? > OWN_SOCKETS {
        if began.elapsed() > LEAVE_MAX {
            return Err(format!("{} sockets are open after a visit", sockets()?).into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn pids(running: &[Converter]) -> Vec<i32> {
    running.iter().map(|converter| converter.pid).collect()
}

/// Prints the mean of the figures of some processes.
fn row(name: &str, pids: &[i32]) -> Result<f64, Failure> {
    let mut sums = [0_u64; 3];
    for pid in pids {
        for (sum, figure) in sums.iter_mut().zip(rollup(*pid)?) {
            *sum += figure;
        }
    }
    let count = u64::try_from(pids.len())?;
    let [rss, pss, uss] = sums.map(|sum| sum / count);
    println!("  {name:<26} {rss:>8} {pss:>8} {uss:>8}");
    Ok(f64::from(u32::try_from(uss)?))
}

/// Resident, proportional and private memory of a process, in KiB.
pub(crate) fn rollup(pid: i32) -> Result<[u64; 3], Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Ok([field("Rss:"), field("Pss:"), field("Private_Clean:") + field("Private_Dirty:")])
}
