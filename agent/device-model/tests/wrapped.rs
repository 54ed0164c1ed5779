//! A stand-in for QEMU, started by the wrapper as libxl would: what it was given, what it can do,
//! and what is seen of it from outside. Needs root, and no Xen.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use restrict::{Attestation, Part, Uid, Wrap, look_at_device_model};

/// Runs the rest of its words where `/dev` is a private one that has what Xen's would.
const WITH_DEVICES: &str = "\
mount -t tmpfs -o mode=755 none /dev && mkdir /dev/xen && mknod -m 666 /dev/null c 1 3 && \
mknod -m 600 /dev/xen/evtchn c 1 3 && mknod -m 600 /dev/xen/gntdev c 1 5 && \
mknod -m 600 /dev/xen/privcmd c 1 3 && exec \"$@\"";

const FRAMEBUFFER: &str = include_str!("golden/framebuffer.argv");
const HVM: &str = include_str!("golden/hvm.argv");

/// A host with a configuration and a QEMU.
struct Host {
    folder: tempfile::TempDir,
    base: u32,
}

/// A wrapper that has become a stand-in, or has not.
struct Started {
    child: Child,
    said: Vec<String>,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let qemu = folder.path().join("qemu");
        fs::copy(profile.join("examples/stand-in"), &qemu).unwrap();
        fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
        // Tests that run beside this one must not end its processes, nor this one theirs.
        static HOSTS: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() * 16 + HOSTS.fetch_add(1, Ordering::Relaxed);
        let base = 2_010_000_000 + (number % 1000) * 32_768;
        let config = format!(
            "[agent]\nrun_dir = \"{0}/run\"\n[device_models]\nprogram = \"{0}/qemu\"\nuid_base = {base}\n",
            folder.path().display()
        );
        fs::write(folder.path().join("xenwarden.toml"), config).unwrap();
        Self { folder, base }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn uid(&self, domid: u32) -> Uid {
        Uid::new(self.base + domid).unwrap()
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", WITH_DEVICES, "sh"]);
        command.arg(env!("CARGO_BIN_EXE_device-model")).args(words.split_whitespace());
        command.env("XENWARDEN_CONFIG", self.path("xenwarden.toml"));
        command.env("XEN_DOMAIN_ID", "5").env("LD_LIBRARY_PATH", "/tmp");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it has said everything.
    fn start(&self, words: &str) -> Started {
        let mut child = self.command(words).spawn().unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if line == "ready" {
                return Started { child, said };
            }
            said.push(line);
        }
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        panic!("it ended with {:?}: {said:#?}\n{errors}", child.wait());
    }

    /// The one line that it says when there is no QEMU.
    fn refusal(&self, words: &str) -> String {
        let output = self.command(words).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert_eq!(output.stdout, b"", "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        errors.trim_end().to_owned()
    }

    fn wrap(&self, part: &Part) -> Wrap {
        Wrap::device_model(part, false, false).unwrap()
    }
}

impl Started {
    fn words(&self) -> Vec<&str> {
        self.said.iter().filter_map(|line| line.strip_prefix("word ")).collect()
    }

    fn result(&self, deed: &str) -> &str {
        let found = self.said.iter().find_map(|line| line.strip_prefix(deed)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("nothing of {deed} in {:#?}", self.said))
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// Lets it end, and says how it did and what it said on its other output.
    fn end(mut self) -> String {
        drop(self.child.stdin.take());
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(self.child.wait().unwrap().success(), "{errors}");
        errors
    }
}

fn assert_holds(attestation: &Attestation) {
    let failures: Vec<_> = attestation.failures().collect();
    assert!(attestation.holds(), "{failures:#?}");
    assert!(attestation.properties().len() > 6);
}

#[test]
fn an_hvm_guests_qemu_is_a_user_of_its_own_in_an_empty_root() {
    let host = Host::new();
    let started = host.start(HVM);
    let root = host.path("run/device-model");
    let user = format!("{0}:{0}", host.base + 5);
    let added = ["-xen-domid-restrict", "-chroot", root.to_str().unwrap(), "-runas", user.as_str()];
    let expected: Vec<&str> = HVM.split_whitespace().chain(added).collect();
    assert_eq!(started.words(), expected);

    let uid = host.uid(5);
    let wrap = host.wrap(&Part::Machine { uid, root: root.clone() });
    assert_holds(&look_at_device_model(started.pid(), &wrap, Some(uid)).unwrap());
    for (deed, result) in [
        ("evtchn", "ENOENT"),
        ("privcmd", "ENOENT"),
        ("passwd", "ENOENT"),
        ("make", "EROFS"),
        ("thread", "done"),
        ("root", "EPERM"),
        ("fork", "ENOSYS"),
        ("packets", "ENOSYS"),
        ("unshare", "ENOSYS"),
    ] {
        assert_eq!(started.result(deed), result, "{deed}");
    }
    // What was mounted was mounted for it alone.
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains("device-model"));
    assert_eq!(started.end(), "");
}

#[test]
fn a_framebuffers_qemu_can_open_its_late_devices_and_nothing_else() {
    let host = Host::new();
    let started = host.start(FRAMEBUFFER);
    let uid = host.uid(2);
    let wrap = host.wrap(&Part::Framebuffer { uid, root: host.path("run/device-model") });
    assert_holds(&look_at_device_model(started.pid(), &wrap, Some(uid)).unwrap());
    for (deed, result) in [
        ("evtchn", "done"),
        ("gntdev", "done"),
        ("privcmd", "ENOENT"),
        ("passwd", "ENOENT"),
        ("make", "EROFS"),
        ("root", "EPERM"),
        ("fork", "ENOSYS"),
    ] {
        assert_eq!(started.result(deed), result, "{deed}");
    }
    assert_eq!(started.end(), "");
}

#[test]
fn a_qemu_for_disks_stays_root_with_few_privileges_and_says_so() {
    let host = Host::new();
    let started = host.start("-xen-domid 9 -xen-attach -vnc none -machine xenpv");
    let wrap = host.wrap(&Part::Backends);
    assert_holds(&look_at_device_model(started.pid(), &wrap, None).unwrap());
    assert_eq!(started.result("passwd"), "done");
    assert_eq!(started.result("fork"), "ENOSYS");
    let errors = started.end();
    assert!(errors.starts_with("device-model: domain 9: its QEMU serves disks"), "{errors}");
}

#[test]
fn an_unconfined_process_is_found_out() {
    let host = Host::new();
    let uid = host.uid(5);
    let wrap = host.wrap(&Part::Machine { uid, root: host.path("run/device-model") });
    let own = i32::try_from(std::process::id()).unwrap();
    let found = look_at_device_model(own, &wrap, Some(uid)).unwrap();
    let failures: Vec<&str> = found.failures().map(|property| property.name).collect();
    for name in
        ["user", "group", "bounding-set", "no-new-privileges", "seccomp", "mount-namespace", "root"]
    {
        assert!(failures.contains(&name), "{name} holds: {failures:?}");
    }
}

#[test]
fn inherited_descriptors_and_libxls_environment_stay() {
    let host = Host::new();
    // As libxl hands the monitor's socket in: open across exec.
    let (socket, _peer) = nix::sys::socket::socketpair(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::Stream,
        None,
        nix::sys::socket::SockFlag::empty(),
    )
    .unwrap();
    let started = host.start(HVM);
    let descriptor = format!("descriptor {} socket:", socket.as_raw_fd());
    assert!(started.said.iter().any(|line| line.starts_with(&descriptor)), "{:#?}", started.said);
    let environment: Vec<&str> =
        started.said.iter().filter_map(|line| line.strip_prefix("environment ")).collect();
    assert!(environment.contains(&"XEN_DOMAIN_ID=5"));
    assert!(!environment.iter().any(|line| line.starts_with("LD_LIBRARY_PATH")));
    started.end();
}

#[test]
fn what_an_earlier_domain_of_that_number_left_is_ended_first() {
    let host = Host::new();
    let mut earlier = host.start(HVM);
    let later = host.start(HVM);
    assert!(!earlier.child.wait().unwrap().success());
    later.end();
}

#[test]
fn without_libxls_words_there_is_no_qemu() {
    let host = Host::new();
    for (words, refusal) in [
        ("-machine xenfv", "option -xen-domid is missing"),
        ("-machine xenfv -xen-domid 1 -xen-domid 2", "option -xen-domid is there twice"),
        (
            "-machine xenfv -xen-domid 0",
            "-xen-domid \"0\" is no guest's domid: those are 1 to 32751",
        ),
        (
            "-machine xenfv -xen-domid 40000",
            "-xen-domid \"40000\" is no guest's domid: those are 1 to 32751",
        ),
        (
            "-machine xenfv -xen-domid one",
            "-xen-domid \"one\" is no guest's domid: those are 1 to 32751",
        ),
        (
            "-machine xenfv -xen-domid 1 -daemonize",
            "option -daemonize is not for a device model that is confined from outside",
        ),
    ] {
        let expected = format!("device-model: read libxl's command line: {refusal}");
        assert_eq!(host.refusal(words), expected);
    }
    let half = host.refusal("-machine xenfv -xen-domid 1 -runas 7:7");
    assert!(half.contains("belong together"), "{half}");
}

#[test]
fn a_qemu_that_others_can_change_is_refused() {
    let host = Host::new();
    let qemu = host.path("qemu");
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o757)).unwrap();
    assert_eq!(
        host.refusal(HVM),
        format!(
            "device-model: find QEMU: {} is not root's alone: others may write to it",
            qemu.display()
        )
    );
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    chown(&qemu, Some(host.base), None).unwrap();
    assert!(host.refusal(HVM).ends_with("is not root's alone: another user owns it"));
    fs::remove_file(&qemu).unwrap();
    assert!(host.refusal(HVM).contains("find QEMU at "));
}

#[test]
fn a_root_that_cannot_be_made_ends_it() {
    let host = Host::new();
    fs::write(host.path("run"), "a file").unwrap();
    let refusal = host.refusal(HVM);
    assert!(refusal.starts_with("device-model: domain 5: confine QEMU: make a root"), "{refusal}");
}

#[test]
fn a_configuration_that_was_named_must_be_there() {
    let host = Host::new();
    fs::remove_file(host.path("xenwarden.toml")).unwrap();
    assert!(host.refusal(HVM).starts_with("device-model: read the configuration: read "));
}

#[test]
fn help_and_version_are_its_own() {
    for (option, begins) in
        [("--help", "device-model: confines"), ("--version", "device-model (xen")]
    {
        let words = [OsString::from(option)];
        let output = Command::new(env!("CARGO_BIN_EXE_device-model")).args(words).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(begins));
    }
}
