//! What /proc says about a process, seen from outside of it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deadline::Deadline;

/// A process, told apart from a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

/// An open descriptor of a process.
#[derive(Debug)]
pub struct Descriptor {
    /// Its number.
    pub number: u32,
    /// What /proc calls it: `/dev/null`, `socket:[4711]`.
    pub name: String,
    /// What it leads to, where it can be followed.
    pub metadata: Option<Metadata>,
}

impl Process {
    /// The process that has this number now, unless it is gone or only waits to be reaped.
    #[must_use]
    pub fn find(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses, and may have anything in it.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let state = *fields.first()?;
        let started = fields.get(19)?.parse().ok()?;
        if state == "Z" || state == "X" { None } else { Some(Self { pid, started }) }
    }

    /// True while the process lives.
    #[must_use]
    pub fn lives(self) -> bool {
        Self::find(self.pid) == Some(self)
    }

    /// Every process of the system.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(Self::find).collect()
    }

    /// The processes that it started and that haven't been left to another.
    #[must_use]
    pub fn children(self) -> Vec<Self> {
        Self::all().into_iter().filter(|process| process.parent() == Some(self.pid)).collect()
    }

    /// Its children, theirs, and so on.
    #[must_use]
    pub fn descendants(self) -> Vec<Self> {
        let mut found = Vec::new();
        let mut next = self.children();
        while let Some(process) = next.pop() {
            next.extend(process.children());
            found.push(process);
        }
        found
    }

    fn parent(self) -> Option<u32> {
        self.status().ok()?.get("PPid")?.parse().ok()
    }

    /// A file or folder below its own in /proc.
    #[must_use]
    pub fn file(self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string()).join(name)
    }

    /// The lines of `status`, by their names.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn status(self) -> io::Result<BTreeMap<String, String>> {
        let text = fs::read_to_string(self.file("status"))?;
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    /// The hard limit of each resource, by its name in /proc; none is unlimited.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn limits(self) -> io::Result<BTreeMap<String, Option<u64>>> {
        let text = fs::read_to_string(self.file("limits"))?;
        // Names have blanks and a fixed width of 26 columns; then two columns of 21.
        let line = |line: &str| {
            let name = line.get(..26)?.trim().to_owned();
            Some((name, line.get(47..68)?.trim().parse().ok()))
        };
        Ok(text.lines().skip(1).filter_map(line).collect())
    }

    /// The words that it was started with.
    #[must_use]
    pub fn words(self) -> Vec<String> {
        let line = fs::read(self.file("cmdline")).unwrap_or_default();
        let words = line.split_inclusive(|byte| *byte == 0);
        words
            .map(|word| String::from_utf8_lossy(word.strip_suffix(b"\0").unwrap_or(word)).into())
            .collect()
    }

    /// Its environment, as it was when it started.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn environment(self) -> io::Result<Vec<(String, String)>> {
        let text = fs::read(self.file("environ"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The name of a namespace that it is in: `mnt:[4026531841]`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn namespace(self, kind: &str) -> io::Result<String> {
        let link = fs::read_link(self.file("ns").join(kind))?;
        Ok(link.to_string_lossy().into_owned())
    }

    /// Its open descriptors.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn descriptors(self) -> io::Result<Vec<Descriptor>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.file("fd"))? {
            let entry = entry?;
            let number = entry.file_name().to_string_lossy().parse().map_err(io::Error::other)?;
            let name = fs::read_link(entry.path())?.to_string_lossy().into_owned();
            found.push(Descriptor { number, name, metadata: fs::metadata(entry.path()).ok() });
        }
        Ok(found)
    }

    /// The user that owns its files in /proc: root where it can't be looked into by its own user.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn owner_in_proc(self) -> io::Result<u32> {
        Ok(fs::metadata(self.file("environ"))?.uid())
    }

    /// The memory that it has in use, in KiB.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_kib(self) -> io::Result<u64> {
        let status = self.status()?;
        let value = status.get("VmRSS").and_then(|value| value.split(' ').next()?.parse().ok());
        value.ok_or_else(|| io::Error::other("no VmRSS"))
    }

    /// How often any of its threads was given or lost a processor, in all.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn context_switches(self) -> io::Result<u64> {
        let mut switches = 0;
        for thread in fs::read_dir(self.file("task"))? {
            let status = fs::read_to_string(thread?.path().join("status"))?;
            let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:\t"));
            switches += counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum::<u64>();
        }
        Ok(switches)
    }

    /// True where its words, its environment or its working folder name a folder.
    #[must_use]
    pub fn is_about(self, folder: &Path) -> bool {
        let wanted = folder.to_string_lossy();
        self.words().iter().any(|word| word.contains(&*wanted))
            || self
                .environment()
                .is_ok_and(|pairs| pairs.iter().any(|(_, value)| value.contains(&*wanted)))
            || fs::read_link(self.file("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    }
}

/// Who does nothing for so long sleeps: the pauses with which the agent lists domains again after
/// one was introduced are shorter, and so is the rest of a thread that has waited for a device.
const ASLEEP: Duration = Duration::from_secs(12);
/// How long it may take to settle.
const SETTLED_S: u64 = 240;

/// Waits until none of the processes has run for a while.
///
/// # Panics
/// When they go on being woken.
pub fn sleep(processes: &[Process]) {
    let deadline = Deadline::seconds(SETTLED_S);
    let switches = || -> u64 {
        processes.iter().map(|process| process.context_switches().expect("it runs")).sum()
    };
    loop {
        let before = switches();
        std::thread::sleep(ASLEEP);
        // A thread that ends takes its count along.
        let woken = switches().abs_diff(before);
        if woken == 0 {
            return;
        }
        assert!(deadline.left().is_some(), "woken {woken} times while nothing happened");
    }
}

/// The loopback or other addresses that TCP port listeners of a process's network are bound to, as
/// `(address, port)`, from /proc/<pid>/net/tcp and tcp6 (an IPv6 address is 32 hexadecimal digits).
///
/// # Errors
/// When the process is gone.
pub fn listeners(process: Process) -> io::Result<Vec<(String, u16)>> {
    let mut found = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        let text = fs::read_to_string(process.file(table))?;
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // State 0A is LISTEN.
            if let [_, local, _, "0A", ..] = fields.as_slice()
                && let Some((address, port)) = local.split_once(':')
            {
                let port = u16::from_str_radix(port, 16).map_err(io::Error::other)?;
                found.push((address.to_owned(), port));
            }
        }
    }
    Ok(found)
}

/// The names of the network interfaces that a process sees.
///
/// # Errors
/// When the process is gone.
pub fn interfaces(process: Process) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(process.file("net/dev"))?;
    let names = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    Ok(names.map(|(name, _)| name.trim().to_owned()).collect())
}
