//! Runs the wanted scenarios one after another, bounds each, and cleans up behind it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::dom0;
use crate::report::{Outcome, Report};
use crate::scenario::Scenario;
use crate::scenarios;
use crate::tool;

/// The file that says what is wanted: nothing for all, `--core`, or names.
const WANTED: &str = "/lab/wanted";
/// How often a running scenario is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs what is wanted; the report goes to standard output and to the lab's disk.
pub(crate) fn run_wanted() -> ExitCode {
    let wanted = std::fs::read_to_string(WANTED).unwrap_or_default();
    let names: Vec<&str> = wanted.split_whitespace().collect();
    let mut report = Report::begin();
    if let Some(unknown) = names.iter().find(|name| {
        **name != "--core" && scenarios::ALL.iter().all(|scenario| scenario.name != **name)
    }) {
        report.note(&format!("there is no scenario {unknown}"));
        return report.end(false);
    }
    report.note(&dom0::describe());
    for scenario in scenarios::ALL {
        let is_wanted = match names.as_slice() {
            [] => true,
            ["--core"] => scenario.core,
            names => names.contains(&scenario.name),
        };
        if is_wanted {
            run_one(scenario, &mut report);
        }
    }
    report.end(true)
}

fn run_one(scenario: &Scenario, report: &mut Report) {
    let begun = Instant::now();
    let mut outcome = attempt(scenario, 1);
    if outcome == Outcome::Crashed {
        report.note(&format!("{}: a tool of the system crashed; once more", scenario.name));
        dom0::clear();
        outcome = attempt(scenario, 2);
    }
    dom0::clear();
    report.add(scenario, outcome, begun.elapsed());
}

fn attempt(scenario: &Scenario, attempt: u32) -> Outcome {
    let path = format!("/lab/out/{}.{attempt}.log", scenario.name);
    let child = File::create(&path).and_then(|log| {
        Command::new("/proc/self/exe")
            .args(["one", scenario.name])
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .env("RUST_BACKTRACE", "0")
            .process_group(0)
            .spawn()
    });
    match child {
        Ok(child) => watch(child, Duration::from_secs(scenario.limit_s)),
        Err(error) => Outcome::Failed(format!("can't start it: {error}")),
    }
}

fn watch(mut child: Child, limit: Duration) -> Outcome {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Outcome::Passed,
            Ok(Some(status)) if status.code() == Some(i32::from(tool::CRASHED)) => {
                return Outcome::Crashed;
            }
            Ok(Some(status)) => return Outcome::Failed(status.to_string()),
            Ok(None) if begun.elapsed() < limit => std::thread::sleep(LOOK_EVERY),
            Ok(None) => {
                let group = Pid::from_raw(child.id().cast_signed());
                // It may end in this very moment.
                let _gone = killpg(group, Signal::SIGKILL);
                let _status = child.wait();
                return Outcome::Failed(format!("it took more than {} s", limit.as_secs()));
            }
            Err(error) => return Outcome::Failed(format!("can't wait for it: {error}")),
        }
    }
}
