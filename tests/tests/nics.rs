//! The agent and network interfaces, in a network namespace of the test's own: a toolstack is
//! played in the store, `ip`, `ethtool` and `tc` are the judges.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use acceptance::deadline::Deadline;
use acceptance::proc::{Process, sleep};
use acceptance::program::{self, Finished, Running};
use acceptance::store::Store;
use acceptance::world::kill_9;
use acceptance::xenstored::Server;
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

/// How long anything may take.
const SOON: u64 = 60;
/// User ids of this test's own converters: none are started.
const UID_BASE: u32 = 2_100_100_000;
const VM: &str = "1c3a0f2e-5d7b-4b8e-9a3c-0d6e8f1b2a4c";

/// Runs a test in a thread with a network of its own, which its programs share.
fn in_own_network(test: impl FnOnce() + Send + 'static) {
    assert!(nix::unistd::geteuid().is_root(), "a network of its own needs root");
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn said(program: &str, package: &str, words: &str) -> String {
    let mut command = program::system(program, package);
    program::run_well(command.args(words.split_whitespace()), Deadline::seconds(SOON))
}

fn ip(words: &str) -> String {
    said("ip", "iproute2", words)
}

/// What `ethtool -k` says of a device's feature.
fn feature(device: &str, label: &str) -> String {
    let features = said("ethtool", "ethtool", &format!("-k {device}"));
    let line = features.lines().find_map(|line| line.trim().strip_prefix(label));
    let word = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    word.unwrap_or_else(|| panic!("no {label}: {features}")).to_owned()
}

fn tx(device: &str) -> String {
    feature(device, "tx-checksumming")
}

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    Deadline::seconds(SOON).until(what, || is_so().then_some(()));
}

struct Host {
    server: Server,
    folder: TempDir,
    agent: Option<Running>,
}

impl Host {
    fn start() -> Self {
        ip("link add xenbr0 type bridge");
        ip("link set dev xenbr0 up");
        ip("link add eth0 type veth peer name cable");
        ip("link set dev eth0 master xenbr0 up");
        let server = Server::start();
        server.store().write("/local/domain/0/name", "Domain-0").expect("written");
        let folder = tempfile::tempdir().expect("a folder");
        let mut host = Self { server, folder, agent: None };
        let path = |path: PathBuf| format!("{:?}", path.display().to_string());
        let configuration = format!(
            "[agent]\nrun_dir = {}\nstate_dir = {}\n[xenstore]\nsocket = {}\n\
             [consoles]\nlock_dir = {}\n\
             [converters]\nprogram = {}\nuid_base = {UID_BASE}\n\
             [host_console]\nlogin = \"\"\n\
             [nics]\nhost_devices = \"eth0\"\n",
            path(host.at("run")),
            path(host.at("state")),
            path(host.server.socket()),
            path(host.folder.path().to_owned()),
            path(program::path_of("vncterm")),
        );
        fs::write(host.at("xenwarden.toml"), configuration).expect("written");
        host.start_agent();
        host
    }

    fn start_agent(&mut self) {
        let mut command = program::command("xenwardend", ["--config"]);
        command.arg(self.at("xenwarden.toml"));
        self.agent = Some(Running::start(&mut command));
        until("the agent answers", || self.run(&["status"]).errors.is_empty());
    }

    fn kill_agent(&mut self) {
        let agent = self.agent.take().expect("it runs");
        kill_9(Process::find(agent.pid()).expect("it runs"));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = program::command("xenwarden", ["--agent"]);
        command.arg(self.at("run/agent.sock")).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Finished {
        program::run(&mut self.command(words), Deadline::seconds(SOON))
    }

    fn xe(&self, words: &[&str]) -> String {
        let words = [&["xe"], words].concat();
        program::run_well(&mut self.command(&words), Deadline::seconds(SOON))
    }

    /// The line of one setting.
    fn line(&self, device: &str, key: &str) -> String {
        let listed = self.run(&["nic", device]).output;
        let line = listed.lines().find(|line| line.contains(key));
        line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A domain with one network interface, as a toolstack makes it; its script isn't done yet.
fn make_domain(store: &mut Store, domid: u16) {
    let backend = format!("/local/domain/0/backend/vif/{domid}/0");
    for (path, value) in [
        (format!("/local/domain/{domid}/name"), "web01".to_owned()),
        (format!("/local/domain/{domid}/vm"), format!("/vm/{VM}")),
        (format!("{backend}/mac"), "00:16:3e:00:00:07".to_owned()),
        (format!("{backend}/bridge"), "xenbr0".to_owned()),
    ] {
        store.write(&path, &value).expect("written");
    }
    store.introduce(domid).expect("introduced");
    make_device(domid);
}

fn make_device(domid: u16) {
    ip(&format!("link add vif{domid}.0 type veth peer name guest{domid}"));
    ip(&format!("link set dev vif{domid}.0 master xenbr0 up"));
}

fn connect(store: &mut Store, domid: u16) {
    let status = format!("/local/domain/0/backend/vif/{domid}/0/hotplug-status");
    store.write(&status, "connected").expect("written");
}

fn end_domain(store: &mut Store, domid: u16) {
    store.remove(&format!("/local/domain/0/backend/vif/{domid}")).expect("removed");
    store.remove(&format!("/local/domain/{domid}")).expect("removed");
    store.release(domid).expect("released");
    ip(&format!("link del vif{domid}.0"));
}

#[test]
fn a_guests_settings_are_applied_when_its_script_is_done_and_at_every_change_after() {
    in_own_network(|| {
        let mut host = Host::start();
        let mut store = host.server.store();
        make_domain(&mut store, 7);
        let list = ["vif-list", "params=uuid", "--minimal", "vm-name-label=web01"];
        let uuid = Deadline::seconds(SOON)
            .until("the VIF is listed", || Some(host.xe(&list)).filter(|uuid| !uuid.is_empty()));
        let uuid = format!("uuid={uuid}");
        let set = |host: &Host, pair: &str| {
            host.xe(&["vif-param-set", &uuid, &format!("other-config:{pair}")])
        };

        for pair in ["ethtool-tx=off", "mtu=9000", "promiscuous=true", "ethtool-lro=on"] {
            set(&host, pair);
        }
        assert_eq!(
            host.line("vif7.0", "ethtool-tx"),
            "vif7.0 web01 0 xenbr0 1500 ethtool-tx off - not applied yet"
        );
        assert_eq!(tx("vif7.0"), "on", "its script would undo it");
        connect(&mut store, 7);
        until("tx is off", || tx("vif7.0") == "off");
        until("the MTU is set", || ip("link show dev vif7.0").contains("mtu 9000"));
        let mirrored = |device: &str| {
            said("tc", "iproute2", &format!("filter show dev {device} ingress"))
                .contains("device vif7.0")
        };
        until("another port is mirrored", || mirrored("eth0"));
        assert_eq!(
            host.line("vif7.0", "promiscuous"),
            "vif7.0 web01 0 xenbr0 9000 promiscuous on on"
        );
        assert_eq!(host.run(&["nic"]).status.code(), Some(1), "one key isn't as wanted");
        assert!(
            host.line("vif7.0", "ethtool-lro")
                .ends_with("on off fixed: the device never changes it")
        );
        assert_eq!(host.xe(&["vif-param-get", &uuid, "param-name=MTU"]), "9000");

        // A bad value is refused, and what was set stays.
        let words = ["xe", "vif-param-set", &uuid, "other-config:ethtool-tx=maybe"];
        let refused = host.run(&words);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            refused.errors.contains("ethtool-tx is \"maybe\"; it may be on or true, off or false"),
            "{}",
            refused.errors
        );
        assert_eq!(tx("vif7.0"), "off");

        // A key that changes is applied at once; a port that comes is mirrored from.
        set(&host, "ethtool-tx=on");
        until("tx is on again", || tx("vif7.0") == "on");
        set(&host, "ethtool-tx=off");
        until("tx is off again", || tx("vif7.0") == "off");
        ip("link add late type veth peer name later");
        ip("link set dev late master xenbr0 up");
        until("a late port is mirrored", || mirrored("late"));
        host.xe(&["vif-param-remove", &uuid, "param-name=other-config", "param-key=promiscuous"]);
        until("nothing is mirrored any more", || !mirrored("late") && !mirrored("eth0"));

        // A device that is made anew, a guest that reboots, an agent that was killed.
        ip("link del vif7.0");
        make_device(7);
        until("the new device is set", || tx("vif7.0") == "off");
        end_domain(&mut store, 7);
        make_domain(&mut store, 8);
        connect(&mut store, 8);
        until("the next domain's is set", || tx("vif8.0") == "off");
        host.kill_agent();
        ip("link del vif8.0");
        make_device(8);
        assert_eq!(tx("vif8.0"), "on");
        host.start_agent();
        until("the next agent sets it", || tx("vif8.0") == "off");
    });
}

#[test]
fn the_hosts_own_interfaces_are_set_and_say_why_they_are_not() {
    in_own_network(|| {
        let mut host = Host::start();
        let uuid = host.xe(&["pif-list", "params=uuid", "--minimal", "device=eth0"]);
        let uuid = format!("uuid={uuid}");
        let set = |host: &Host, pair: &str| {
            host.xe(&["pif-param-set", &uuid, &format!("other-config:{pair}")])
        };
        let is_promiscuous = || ip("link show dev eth0").contains("PROMISC");
        assert!(!is_promiscuous());
        set(&host, "promiscuous=on");
        until("it is promiscuous", is_promiscuous);
        set(&host, "mtu=70000");
        let why = "too large: the device's maximum is 65535";
        until("the MTU is too large", || host.line("eth0", "mtu").ends_with(why));
        assert_eq!(host.line("eth0", "promiscuous"), "eth0 host xenbr0 1500 promiscuous on on");
        // It holds over the host's own restart: a device without it, and another agent.
        host.kill_agent();
        ip("link set dev eth0 promisc off");
        host.start_agent();
        until("it is promiscuous again", is_promiscuous);
        host.xe(&["pif-param-remove", &uuid, "param-name=other-config", "param-key=promiscuous"]);
        until("it is not any more", || !is_promiscuous());
    });
}

#[test]
fn a_thousand_interfaces_wake_nobody() {
    in_own_network(|| {
        let host = Host::start();
        let mut store = host.server.store();
        let mut script = String::new();
        for domid in 1..=4 {
            for devid in 0..250 {
                let backend = format!("/local/domain/0/backend/vif/{domid}/{devid}");
                store.write(&format!("{backend}/hotplug-status"), "connected").expect("written");
                script +=
                    &format!("link add vif{domid}.{devid} type veth peer name g{domid}x{devid}\n");
            }
            let vm = format!("/vm/00000000-0000-0000-0000-{domid:012}");
            store
                .write(&format!("/local/domain/{domid}/name"), &format!("guest{domid}"))
                .expect("written");
            store.write(&format!("/local/domain/{domid}/vm"), &vm).expect("written");
            store.introduce(domid).expect("introduced");
        }
        fs::write(host.at("links"), script).expect("written");
        ip(&format!("-batch {}", host.at("links").display()));
        until("all are listed", || {
            let listed = host.run(&["xe", "vif-list", "params=uuid", "--minimal"]).output;
            listed.split(',').count() == 1000
        });
        let agent = Process::find(host.agent.as_ref().expect("it runs").pid()).expect("it runs");
        sleep(&[agent]);
    });
}
