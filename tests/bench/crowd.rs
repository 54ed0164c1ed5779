//! A thousand idle converters: their memory in all, and what the kernel needs for them.

use std::fs;
use std::time::Duration;

use crate::Failure;
use crate::launched::Launcher;
use crate::memory::rollup;
use crate::reach::Reach;

/// How many run at once.
const MANY: u16 = 1000;

/// What ended processes leave to the kernel is given back by then.
const SETTLED: Duration = Duration::from_secs(1);

/// Descriptors of the bench: a few for each converter.
const DESCRIPTORS: u64 = 16 * 1024;

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS)?;
    let launcher = Launcher::new()?;
    // The first brings caches and shared pages in that belong to none of the others.
    drop(launcher.launch(0)?);
    std::thread::sleep(SETTLED);
    let before = kernel_kib()?;
    let mut running = Vec::new();
    for index in 0..MANY {
        let mut launched = launcher.launch(index)?;
        launched.terminal.print_and_settle(b"login: ")?;
        running.push(launched);
    }
    std::thread::sleep(SETTLED);
    let kernel = kernel_kib()?.saturating_sub(before);
    let mut pss = 0;
    for launched in &running {
        pss += rollup(launched.pid())?[1];
    }
    println!("\n{MANY} idle converters, MB in all");
    Reach::AtMost(150.0).judge("PSS", megabytes(pss)?);
    Reach::AtMost(150.0).judge("kernel (Slab, KernelStack, PageTables)", megabytes(kernel)?);
    Ok(())
}

fn megabytes(kib: u64) -> Result<f64, Failure> {
    Ok(f64::from(u32::try_from(kib)?) * 1024.0 / 1e6)
}

/// The kernel's memory of the whole machine: what else runs should be quiet meanwhile.
fn kernel_kib() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let wanted = ["Slab:", "KernelStack:", "PageTables:"];
    let lines = text.lines().filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    Ok(lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum())
}
