//! `xenlab`: runs scenarios in the control domain of a real Xen, each in a process of its own.
//!
//! How that control domain is made and booted is in the shell scripts beside this crate.

mod dom0;
mod guest;
mod report;
mod scenario;
mod scenarios;
mod supervise;
mod tool;

use std::process::ExitCode;

use scenario::find;

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
        ["list"] => {
            for scenario in scenarios::ALL {
                println!("{:<24} {}", scenario.name, scenario.shows);
            }
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: xenlab all | one SCENARIO | list");
    ExitCode::from(2)
}
