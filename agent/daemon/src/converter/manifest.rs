//! What an agent leaves behind about a converter, so that the next one can adopt it.
//!
//! Written by rename before the converter may read its first byte. Whether the process is still
//! that one, and confined, is for [`super::adopt`] to find out.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use restrict::Child;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vncterm_control::Start;
use vncterm_launch::{Disbelief, Terminal};
use xenstore_wire::{DomainId, DomainIdRefusal};

use super::site::Site;
use crate::console::{Console, Line, Screen};
use crate::effect::Ports;

/// The form of manifests.
const FORM: u32 = 1;
/// A longer file is no manifest.
const BYTES_MAX: u64 = 16 * 1024;

/// A converter that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    form: u32,
    /// The release of the agent that wrote it; for people.
    version: String,
    pub(super) pid: i32,
    pub(super) start_time: u64,
    pub(super) domid: u16,
    /// The uuid that the domain came with.
    pub(super) domain_uuid: Uuid,
    /// The VM.
    pub(super) vm: Uuid,
    /// Its name.
    pub(super) name: String,
    pub(super) uid: u32,
    terminal: String,
    serial: bool,
    /// The control domain's.
    #[serde(default)]
    host: bool,
    vnc_port: Option<u16>,
    text_port: u16,
    pub(super) lock: bool,
    pub(super) program: FileNumbers,
    pub(super) network: FileNumbers,
}

/// A file, by its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileNumbers {
    device: u64,
    inode: u64,
}

impl FileNumbers {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }
}

/// What a manifest is written from.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) child: Child,
    pub(super) domain: DomainId,
    pub(super) domain_uuid: Uuid,
    pub(super) vm: Uuid,
    pub(super) start: &'a Start,
    pub(super) console: Console,
    pub(super) ports: Ports,
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ManifestError {
    /// It can't be read.
    #[error("read it")]
    Io(#[from] io::Error),
    /// It is not one, or of another form.
    #[error("it is no manifest of a converter")]
    Json(#[from] serde_json::Error),
    /// Another release wrote it.
    #[error("it has form {0}, and this release knows form {FORM}")]
    Form(u32),
    /// It names no terminal.
    #[error("its terminal")]
    Terminal(#[from] Disbelief),
    /// It names no domain.
    #[error("its domain")]
    Domain(#[from] DomainIdRefusal),
}

impl Manifest {
    /// The manifest of a converter that was just confined.
    pub(super) fn new(facts: &Facts<'_>) -> io::Result<Self> {
        let Facts { child, domain, domain_uuid, vm, start, console, ports } = *facts;
        let process = |what: &str| format!("/proc/{}/{what}", child.pid());
        Ok(Self {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: child.pid(),
            start_time: child.start_time(),
            domid: domain.number(),
            domain_uuid,
            vm,
            name: start.title.clone(),
            uid: start.uid,
            terminal: console.terminal.to_string(),
            serial: console.line == Line::Serial,
            host: console.line == Line::Host,
            vnc_port: ports.vnc,
            text_port: ports.text,
            lock: start.lock,
            program: FileNumbers::of(Path::new(&process("exe")))?,
            network: FileNumbers::of(Path::new(&process("ns/net")))?,
        })
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, site: &Site) -> io::Result<()> {
        let path = site.manifest(self.vm);
        let new = path.with_extension("json.new");
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }

    /// Reads one.
    pub(super) fn read(path: &Path) -> Result<Self, ManifestError> {
        let file = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
        let mut json = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut json)?;
        let manifest: Self = serde_json::from_slice(&json)?;
        match manifest.form {
            FORM => Ok(manifest),
            other => Err(ManifestError::Form(other)),
        }
    }

    /// The converter's process, if it is still there.
    pub(super) fn child(&self) -> Child {
        Child::known(self.pid, self.start_time)
    }

    /// Its domain.
    pub(super) fn domain(&self) -> Result<DomainId, ManifestError> {
        Ok(DomainId::new(self.domid)?)
    }

    /// The manifest of the same converter on another terminal.
    fn on(self, terminal: Terminal) -> Self {
        Self { terminal: terminal.to_string(), ..self }
    }

    /// Its ports.
    pub(super) fn ports(&self) -> Ports {
        Ports { vnc: self.vnc_port, text: self.text_port }
    }

    /// What it reads.
    pub(super) fn console(&self) -> Result<Console, ManifestError> {
        let line = match (self.host, self.serial) {
            (true, _) => Line::Host,
            (false, true) => Line::Serial,
            (false, false) => Line::Paravirtual,
        };
        let screen = if self.vnc_port.is_some() { Screen::Converter } else { Screen::Another };
        let terminal = Terminal::parse(self.terminal.as_bytes())?;
        Ok(Console { terminal, line, screen, written: 0 })
    }

    /// What it was started with, as far as its plan depends on it.
    pub(super) fn start(&self, site: &Site) -> Start {
        Start {
            uuid: *self.vm.as_bytes(),
            uid: self.uid,
            title: self.name.clone(),
            columns: site.consoles.columns,
            rows: site.consoles.rows,
            resize: site.consoles.resize,
            orphan_s: site.converters.orphan_s,
            tty_wait_s: site.converters.tty_wait_s,
            rfb: self.vnc_port.is_some(),
            text: true,
            lock: self.lock,
            pty: self.host,
        }
    }
}

/// Notes that a VM's converter reads another terminal from now on.
pub(super) fn note_terminal(
    site: &Site,
    vm: Uuid,
    terminal: Terminal,
) -> Result<(), ManifestError> {
    let manifest = Manifest::read(&site.manifest(vm))?.on(terminal);
    Ok(manifest.write(site)?)
}

/// Deletes what was left behind about a VM's converter, which has ended.
pub(super) fn remove_files(site: &Site, vm: Uuid) {
    for path in [site.manifest(vm), site.control_socket(vm)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "can't delete a converter's file");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let console = Console {
            terminal: Terminal::parse(b"/dev/pts/7").unwrap(),
            line: Line::Serial,
            screen: Screen::Another,
            written: 0,
        };
        let vm = Uuid::from_u128(7);
        let start = Start {
            uuid: *vm.as_bytes(),
            uid: 1_879_048_199,
            title: "web\u{fc}".into(),
            columns: 80,
            rows: 24,
            resize: false,
            orphan_s: 600,
            tty_wait_s: 60,
            rfb: false,
            text: true,
            lock: false,
            pty: false,
        };
        let pid = i32::try_from(std::process::id()).unwrap();
        Manifest::new(&Facts {
            child: Child::find(pid).unwrap(),
            domain: DomainId::new(7).unwrap(),
            domain_uuid: vm,
            vm,
            start: &start,
            console,
            ports: Ports { vnc: None, text: 9507 },
        })
        .unwrap()
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.json");
        let manifest = manifest();
        fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
        let read = Manifest::read(&path).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.console().unwrap().line, Line::Serial);
        assert_eq!(read.console().unwrap().screen, Screen::Another);
        assert!(read.child().is_alive());
        assert_eq!(read.ports().text, 9507);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.json");
        let mut later = manifest();
        later.form = FORM + 1;
        let json = serde_json::to_vec(&manifest()).unwrap();
        let overlong = [b" ".repeat(20_000), json.clone()].concat();
        for bytes in [&b""[..], b"{}", b"\xff", &json[..json.len() - 3], &overlong] {
            fs::write(&path, bytes).unwrap();
            assert!(Manifest::read(&path).is_err());
        }
        fs::write(&path, serde_json::to_vec(&later).unwrap()).unwrap();
        assert!(matches!(Manifest::read(&path), Err(ManifestError::Form(_))));
        let link = folder.path().join("link.json");
        fs::write(&path, &json).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(Manifest::read(&link), Err(ManifestError::Io(_))));
    }

    #[test]
    fn a_converter_that_got_a_new_terminal_is_found_on_it() {
        let terminal = Terminal::parse(b"/dev/pts/9").unwrap();
        let before = manifest();
        let after = before.clone().on(terminal);
        assert_eq!(after.console().unwrap().terminal, terminal);
        assert_eq!(after.on(before.console().unwrap().terminal), before);
    }

    #[test]
    fn a_manifest_with_a_hostile_terminal_names_no_console() {
        let mut hostile = manifest();
        hostile.terminal = "/etc/shadow".into();
        assert!(matches!(hostile.console(), Err(ManifestError::Terminal(_))));
    }
}
