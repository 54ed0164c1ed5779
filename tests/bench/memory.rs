//! Memory of converters: one, and twenty that share their program's pages.

use std::fs;

use crate::Failure;
use crate::converter::Converter;

/// How many run at once.
const MANY: u16 = 20;

/// Prints the table.
pub(crate) fn table() -> Result<(), Failure> {
    println!("\nMemory of idle converters, KiB each");
    println!("  {:<10} {:>8} {:>8} {:>8}", "running", "RSS", "PSS", "USS");
    for count in [1, MANY] {
        let mut running = Vec::new();
        for index in 0..count {
            let mut converter = Converter::start(50 + index)?;
            converter.terminal.print_and_settle(b"login: ")?;
            running.push(converter);
        }
        let mut sums = [0_u64; 3];
        for converter in &running {
            for (sum, figure) in sums.iter_mut().zip(rollup(converter.pid)?) {
                *sum += figure;
            }
        }
        let [rss, pss, uss] = sums.map(|sum| sum / u64::from(count));
        println!("  {count:<10} {rss:>8} {pss:>8} {uss:>8}");
    }
    Ok(())
}

/// Resident, proportional and private memory of a process, in KiB.
fn rollup(pid: i32) -> Result<[u64; 3], Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Ok([field("Rss:"), field("Pss:"), field("Private_Clean:") + field("Private_Dirty:")])
}
