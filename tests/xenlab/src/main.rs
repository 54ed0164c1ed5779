//! `xenlab`: runs scenarios in the control domain of a real Xen, each in a process of its own.
//!
//! How that control domain is made and booted is in the shell scripts beside this crate.

mod dom0;
mod flood;
mod guest;
mod report;
mod scenario;
mod scenarios;
mod supervise;
mod tool;

use std::process::ExitCode;

use scenario::{Scenario, find};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["all"] => supervise::run_wanted(),
        ["one", name] => match find(name) {
            Some(scenario) => {
                (scenario.run)();
                ExitCode::SUCCESS
            }
            None => usage(),
        },
        ["flood", seconds] => seconds.parse().map_or_else(|_| usage(), flood::run),
        ["list"] => {
            let line = |scenario: &Scenario| format!("{:<24} {}\n", scenario.name, scenario.shows);
            // At once: whoever looks for one of them may not listen to the end.
            print!("{}", scenarios::ALL.iter().map(line).collect::<String>());
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: xenlab all | one SCENARIO | list; in a guest: xenlab flood SECONDS");
    ExitCode::from(2)
}
