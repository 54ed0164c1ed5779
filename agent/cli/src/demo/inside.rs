//! The process that becomes a simulated guest: a program with users, processes and a name of its
//! own, and no rights on the host.
//!
//! Whoever may connect to a demo's console may type into this program, so it must be harmless: it
//! runs as a uid that owns nothing but its home folder, "root" in a user namespace. When this
//! process dies, whatever the program has started dies with it: they share a pid namespace. Where
//! the host allows no namespaces, the program is unprivileged all the same.
//!
//! This is no confinement to build on: converters have a real one (`restrict`).
#![allow(unsafe_code, reason = "a program's terminal is chosen between fork and exec")]

use std::ffi::CString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgroups, sethostname, setresgid, setresuid, setsid};

/// Where the guest's home is seen from inside.
const HOME: &str = "/root";

/// What a guest is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GuestArgs {
    /// Its name
    #[arg(long)]
    name: String,
    /// Its user and group on the host
    #[arg(long)]
    uid: u32,
    /// Its home folder on the host
    #[arg(long)]
    home: PathBuf,
    /// What it runs, by /bin/sh [default: a shell]
    #[arg(long, conflicts_with = "drawing")]
    command: Option<String>,
    /// Run the drawing program
    #[arg(long)]
    drawing: bool,
}

impl GuestArgs {
    pub(super) fn new(name: &str, uid: u32, home: &Path) -> Self {
        let (name, home) = (name.to_owned(), home.to_path_buf());
        Self { name, uid, home, command: None, drawing: false }
    }

    pub(super) fn with_command(self, command: String) -> Self {
        Self { command: Some(command), ..self }
    }

    pub(super) fn drawing(self) -> Self {
        Self { drawing: true, ..self }
    }

    /// The words that bring the same guest about.
    pub(super) fn words(&self) -> Vec<std::ffi::OsString> {
        let mut words: Vec<std::ffi::OsString> = vec![
            "demo-guest".into(),
            "--name".into(),
            self.name.clone().into(),
            "--uid".into(),
            self.uid.to_string().into(),
            "--home".into(),
            self.home.clone().into(),
        ];
        if let Some(command) = &self.command {
            words.push(format!("--command={command}").into());
        }
        if self.drawing {
            words.push("--drawing".into());
        }
        words
    }

    fn program(&self) -> Command {
        if self.drawing {
            let mut drawing = Command::new("/proc/self/exe");
            drawing.arg("demo-drawing");
            return drawing;
        }
        if let Some(command) = &self.command {
            let mut shell = Command::new("/bin/sh");
            // A pid namespace's first process ignores the signals that it has no handler for:
            // the trap and the last line keep `sh` in that place, and Ctrl-C for the command.
            shell.arg("-c").arg(format!("trap : INT QUIT TSTP\n{command}\nexit $?"));
            return shell;
        }
        match ["/bin/bash", "/usr/bin/bash"].into_iter().find(|path| Path::new(path).exists()) {
            Some(bash) => {
                let mut shell = Command::new(bash);
                shell.args(["--norc", "--noprofile", "-i"]);
                shell.env("PS1", format!(r"root@{}:\w# ", self.name));
                shell
            }
            None => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-i").env("PS1", format!("root@{}:~# ", self.name));
                shell
            }
        }
    }
}

/// Runs the guest's program on standard input, a terminal, and ends as it does.
pub(super) fn become_guest(args: &GuestArgs) -> io::Result<ExitCode> {
    die_with_parent()?;
    prctl::set_no_new_privs()?;
    // What lists of processes show; a name with a NUL in it can't be given.
    if let Ok(name) = CString::new(args.name.as_str()) {
        prctl::set_name(&name)?;
    }
    let has_home = show_home(&args.home).is_ok();
    drop_rights(args.uid)?;
    let has_world = enter_world(args).is_ok();

    // A console shows what an earlier boot has left on its screen: this one begins on a new line.
    println!("\r\n{} is a simulated guest; its root has no rights on the host", args.name);
    let mut program = args.program();
    let kept: Vec<(std::ffi::OsString, Option<std::ffi::OsString>)> =
        program.get_envs().map(|(name, value)| (name.into(), value.map(Into::into))).collect();
    program.env_clear();
    for (name, value) in kept {
        program.envs(value.map(|value| (name, value)));
    }
    let home = if has_home { Path::new(HOME) } else { &args.home };
    program
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("LOGNAME", "root")
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("SHELL", "/bin/sh")
        .env("TERM", "linux")
        // The host's /tmp is not this root's; tmux would refuse it.
        .env("TMUX_TMPDIR", home)
        .env("USER", "root")
        .current_dir(home);
    // SAFETY: the closure makes system calls only; it neither allocates nor takes a lock.
    unsafe {
        program.pre_exec(move || {
            die_with_parent()?;
            setsid()?;
            take_terminal()?;
            if has_world {
                // Programs that list processes then see the guest's. Where /proc is partly
                // covered (in a container) the kernel refuses, and they see the host's.
                let nothing = None::<&str>;
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
                let _ = mount(Some("proc"), "/proc", Some("proc"), flags, nothing);
            }
            Ok(())
        });
    }
    let status = program.status()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Whoever started this process may be killed: then it goes too.
pub(super) fn die_with_parent() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
}

/// Shows the home folder at [`HOME`], in a mount namespace of this process.
fn show_home(home: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    mount(Some(home), HOME, nothing, MsFlags::MS_BIND, nothing)?;
    Ok(())
}

fn drop_rights(uid: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    // A change of user takes both back.
    prctl::set_dumpable(true)?;
    die_with_parent()
}

/// Enters a user namespace in which the guest is root, and the namespaces that this allows.
fn enter_world(args: &GuestArgs) -> io::Result<()> {
    unshare(
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {} 1", args.uid))?;
    std::fs::write("/proc/self/gid_map", format!("0 {} 1", args.uid))?;
    sethostname(&args.name)?;
    Ok(())
}

/// Makes standard input this session's terminal.
fn take_terminal() -> io::Result<()> {
    nix::ioctl_write_int_bad!(set_terminal, libc::TIOCSCTTY);
    // SAFETY: TIOCSCTTY takes a number and touches no memory of ours.
    unsafe { set_terminal(libc::STDIN_FILENO, 0) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Whole {
        #[command(flatten)]
        args: GuestArgs,
    }

    #[test]
    fn a_guests_words_bring_the_same_guest_about() {
        let plain = GuestArgs::new("demo1", 1_979_711_488, Path::new("/tmp/a b/demo1"));
        for args in [
            plain.with_command("--x 'y'; z".into()),
            GuestArgs::new("d", 1, Path::new("/")).drawing(),
        ] {
            let parsed = Whole::try_parse_from(args.words()).expect("the words are the program's");
            assert_eq!(parsed.args.words(), args.words());
        }
    }
}
