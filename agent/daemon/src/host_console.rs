//! The control domain's own console: a pty whose one end is a converter's, and a login at the other.
//!
//! The login runs outside of this program's unit, so that its shell is a whole one and outlives the
//! agent. When there is to be a converter is decided as for every domain.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::{OpenptyResult, Winsize, openpty};
use vncterm_launch::Terminal;

/// There where systemd is the init system (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
/// systemd's unit for a login on a pseudo-terminal, and where it may be; old releases have none.
const GETTY: &str = "container-getty@.service";
const UNIT_FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// The same as a unit of our own: a new login whenever one has ended, on a terminal that keeps
/// nothing of the last.
const GETTY_PROPERTIES: [&str; 8] = [
    "Restart=always",
    "RestartSec=0",
    "StandardInput=tty",
    "StandardOutput=tty",
    "TTYReset=yes",
    "TTYVHangup=yes",
    "IgnoreSIGPIPE=no",
    "SendSIGHUP=yes",
];

/// Who puts a login at the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// Nobody: there is no such console.
    Off,
    /// systemd.
    Systemd,
    /// A program that is given the terminal's path, and ends once a login runs there.
    Program(PathBuf),
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The program doesn't run.
    #[error("run {program}")]
    Run {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It says no.
    #[error("{program}: {said}")]
    Failed {
        /// Which.
        program: String,
        /// What it says, cut.
        said: String,
    },
}

/// Bytes of a program's complaint that are told.
const SAID_MAX: usize = 300;

impl Login {
    /// As configured, unless this host has no systemd to do it: then there is none, and one line
    /// in the log.
    pub(crate) fn on_this_host(self) -> Self {
        if self == Self::Systemd && !Path::new(SYSTEMD).is_dir() {
            tracing::warn!("the control domain has no console here: systemd does not run");
            return Self::Off;
        }
        self
    }

    /// Has a login started at a terminal. Waits for the program that does it.
    pub(crate) fn start(&self, terminal: Terminal) -> Result<(), LoginError> {
        let mut command = match self {
            Self::Off => return Ok(()),
            Self::Systemd => by_systemd(terminal, has_getty_unit()),
            Self::Program(program) => {
                let mut command = Command::new(program);
                command.arg(terminal.path());
                command
            }
        };
        run(&mut command)
    }

    /// Ends the login at a terminal that has gone: left to itself it begins again wherever that
    /// number leads then.
    pub(crate) fn stop(&self, terminal: Terminal) -> Result<(), LoginError> {
        match self {
            Self::Systemd => run(Command::new("systemctl").args([
                "stop".to_owned(),
                "--no-block".to_owned(),
                unit(terminal, has_getty_unit()),
            ])),
            Self::Off | Self::Program(_) => Ok(()),
        }
    }
}

/// Runs a program to its end; one that fails is quoted.
fn run(command: &mut Command) -> Result<(), LoginError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source| LoginError::Run { program: program.clone(), source };
    // What it starts must not hold this process's own output.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let done = command.output().map_err(failed)?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said: String = said.trim().chars().take(SAID_MAX).collect();
    Err(LoginError::Failed { program, said: format!("{}, {said}", done.status) })
}

/// The unit of a login.
fn unit(terminal: Terminal, has_unit: bool) -> String {
    let path = terminal.path();
    let number = path.file_name().unwrap_or_default().to_string_lossy();
    match has_unit {
        true => format!("container-getty@{number}.service"),
        false => format!("xenwarden-login-{number}.service"),
    }
}

fn has_getty_unit() -> bool {
    UNIT_FOLDERS.iter().any(|folder| Path::new(folder).join(GETTY).exists())
}

/// A restart, as a login on an earlier terminal of the same number may be about to end.
fn by_systemd(terminal: Terminal, has_unit: bool) -> Command {
    let unit = unit(terminal, has_unit);
    if has_unit {
        let mut command = Command::new("systemctl");
        command.args(["restart", "--no-block", &unit]);
        return command;
    }
    let mut command = Command::new("systemd-run");
    command.args(["--quiet", &format!("--unit={unit}")]);
    for property in GETTY_PROPERTIES {
        command.arg(format!("--property={property}"));
    }
    command.arg(format!("--property=TTYPath={terminal}"));
    command.args(["--setenv=TERM=linux", "/sbin/agetty", "--noclear", "-", "linux"]);
    command
}

/// The pty. Both ends are kept for as long as the agent runs, so that a login outlives a converter;
/// the converter holds both as well, so that it outlives the agent.
#[derive(Debug)]
pub(crate) struct HostConsole {
    master: OwnedFd,
    slave: OwnedFd,
    /// Where the login is.
    pub(crate) terminal: Terminal,
}

impl HostConsole {
    /// Opens one.
    pub(crate) fn open(columns: u16, rows: u16) -> io::Result<Self> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None)?;
        for end in [&master, &slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        let path = nix::unistd::ttyname(&slave)?;
        let name = path.as_os_str().as_encoded_bytes();
        let terminal = Terminal::parse(name).map_err(io::Error::other)?;
        Ok(Self { master, slave, terminal })
    }

    /// The end that a converter reads, and the other, which it only holds: a terminal that nobody
    /// has open hangs up between two logins.
    pub(crate) fn ends(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((self.master.try_clone()?, self.slave.try_clone()?))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn words(command: &Command) -> String {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_login_runs_outside_of_this_unit() {
        let terminal = Terminal::parse(b"/dev/pts/7").unwrap();
        assert_eq!(
            words(&by_systemd(terminal, true)),
            "systemctl restart --no-block container-getty@7.service"
        );
        let transient = words(&by_systemd(terminal, false));
        assert!(transient.starts_with("systemd-run --quiet --unit=xenwarden-login-7.service "));
        assert!(transient.contains(" --property=TTYPath=/dev/pts/7 "));
        assert!(transient.ends_with(" /sbin/agetty --noclear - linux"));
    }

    #[test]
    fn a_program_that_says_no_is_quoted() {
        let terminal = Terminal::parse(b"/dev/pts/7").unwrap();
        assert!(Login::Program("/bin/true".into()).start(terminal).is_ok());
        let failed = Login::Program("/bin/ls/none".into()).start(terminal).unwrap_err();
        assert!(matches!(failed, LoginError::Run { .. }), "{failed}");
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("login");
        std::fs::write(&program, "#!/bin/sh\necho no $1 >&2\nexit 3\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let failed = Login::Program(program).start(terminal).unwrap_err();
        assert!(failed.to_string().contains("no /dev/pts/7"), "{failed}");
    }

    #[test]
    fn a_held_terminal_survives_whoever_leaves_it() {
        let console = HostConsole::open(80, 24).unwrap();
        let (master, held) = console.ends().unwrap();
        let path = console.terminal.path();
        drop(console);
        for _ in 0..2 {
            std::fs::File::options().write(true).open(&path).unwrap().write_all(b"x").unwrap();
            let mut byte = [0];
            assert_eq!(nix::unistd::read(&master, &mut byte), Ok(1));
            assert_eq!(nix::unistd::read(&master, &mut byte), Err(nix::errno::Errno::EAGAIN));
        }
        drop(held);
        assert_eq!(nix::unistd::read(&master, &mut [0]), Err(nix::errno::Errno::EIO));
    }
}
