//! A stand-alone converter under measurement, on a terminal of the bench.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::Failure;
use crate::terminal::Terminal;
use crate::viewer::Viewer;

/// A converter is up by then, or the bench fails.
const START_MAX: Duration = Duration::from_secs(10);

/// Display numbers of the bench: away from what people use.
const DISPLAY_FIRST: u16 = 700;

/// User ids of the bench: a range that neither an agent nor a demo takes.
const UID_FIRST: u32 = 1_900_000_000;

/// A running converter.
#[derive(Debug)]
pub(crate) struct Converter {
    starter: Child,
    /// The confined process.
    pub(crate) pid: i32,
    /// Its RFB port.
    pub(crate) port: u16,
    /// The guest's side.
    pub(crate) terminal: Terminal,
}

/// The program under measurement: beside this one.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    let program = own.parent().unwrap_or(Path::new(".")).join("vncterm");
    if program.exists() { Ok(program) } else { Err(format!("no {}", program.display()).into()) }
}

impl Converter {
    /// Starts the `index`th converter of this run.
    pub(crate) fn start(index: u16) -> Result<Self, Failure> {
        let terminal = Terminal::open()?;
        let display = DISPLAY_FIRST + index;
        let uid = UID_FIRST + u32::from(index);
        let mut starter = Command::new(program()?)
            .arg("-p")
            .arg(&terminal.name)
            .args(["-v", &format!("127.0.0.1:{display}"), "--uid", &uid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // It says where it serves, which would stand between the figures.
            .stderr(Stdio::null())
            .spawn()?;
        let port = 5900 + display;
        let began = Instant::now();
        let pid = loop {
            if let Some(status) = starter.try_wait()? {
                return Err(format!("the converter ended at once: {status}").into());
            }
            if let Some(pid) = confined_child(starter.id())
                && Viewer::answers(port)
            {
                break pid;
            }
            if began.elapsed() > START_MAX {
                starter.kill()?;
                return Err("the converter does not come up".into());
            }
            thread::sleep(Duration::from_millis(5));
        };
        Ok(Self { starter, pid, port, terminal })
    }
}

impl Drop for Converter {
    fn drop(&mut self) {
        // Without its starter a converter is an orphan, and ends by itself.
        let _ = self.starter.kill();
        let _ = self.starter.wait();
        while Path::new(&format!("/proc/{}", self.pid)).exists() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The confined process that the starter waits for.
fn confined_child(starter: u32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{starter}/task/{starter}/children")).ok()?;
    let pid: i32 = children.split_whitespace().next()?.parse().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().any(|line| line == "Seccomp:\t2").then_some(pid)
}
