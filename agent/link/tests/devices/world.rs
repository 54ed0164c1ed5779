//! A network namespace for one test, and the judges that look at its devices.

use std::collections::BTreeMap;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use xenwarden_link::{Devices, Link};
use xenwarden_nic::{Key, Line, Setting, Wanted, account};

/// Runs a test in a thread that has a network of its own; it goes with the thread.
pub(crate) fn in_own_network(test: impl FnOnce(&mut World) + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: a network of its own needs root");
        return;
    }
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let mut world = World { devices: Devices::open().expect("sockets") };
        test(&mut world);
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The network, and our hands on it.
pub(crate) struct World {
    pub(crate) devices: Devices,
}

/// What a judge prints; none where it fails.
fn said(program: &str, words: &str) -> Option<String> {
    let done = Command::new(program)
        .args(words.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("{program} runs ({error}); tests/setup installs it"));
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Makes the world as a toolstack would.
pub(crate) fn ip(words: &str) {
    assert!(said("ip", words).is_some(), "ip {words}");
}

impl World {
    pub(crate) fn link(&mut self, name: &str) -> Link {
        let links = self.devices.links().expect("links");
        links.into_iter().find(|link| link.name == name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// Applies settings, and accounts for them.
    pub(crate) fn apply(&mut self, name: &str, settings: &[Setting]) -> BTreeMap<Key, Line> {
        let wanted: Wanted = settings.iter().copied().collect();
        let link = self.link(name);
        let failures = self.devices.apply(&link, &wanted);
        let link = self.link(name);
        let active = self.devices.read(&link).expect("it is read back");
        account(&wanted, &active, &failures).into_iter().map(|line| (line.key, line)).collect()
    }
}

/// What a judge says of one key, in our words; none where it has no word for it.
pub(crate) fn judged(name: &str, key: Key) -> Option<String> {
    let after = |text: String, label: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(label).map(str::to_owned));
        line.and_then(|rest| rest.split_whitespace().next().map(str::to_owned))
    };
    match key {
        Key::Offload(_) => {
            let label = match key.name() {
                "ethtool-rx" => "rx-checksumming:",
                "ethtool-tx" => "tx-checksumming:",
                "ethtool-sg" => "scatter-gather:",
                "ethtool-tso" => "tcp-segmentation-offload:",
                "ethtool-ufo" => "udp-fragmentation-offload:",
                "ethtool-gso" => "generic-segmentation-offload:",
                "ethtool-gro" => "generic-receive-offload:",
                _ => "large-receive-offload:",
            };
            after(said("ethtool", &format!("-k {name}"))?, label)
        }
        Key::Autoneg => after(said("ethtool", name)?, "Auto-negotiation:"),
        Key::Duplex => {
            let duplex = after(said("ethtool", name)?, "Duplex:")?.to_lowercase();
            ["half", "full"].contains(&duplex.as_str()).then_some(duplex)
        }
        Key::Speed => {
            let speed = after(said("ethtool", name)?, "Speed:")?;
            speed.strip_suffix("Mb/s").map(str::to_owned)
        }
        Key::Mtu => word_after(&said("ip", &format!("link show dev {name}"))?, "mtu"),
        Key::Promiscuous => {
            let flags = said("ip", &format!("link show dev {name}"))?;
            Some(if flags.contains("PROMISC") { "on" } else { "off" }.to_owned())
        }
        Key::Advertise => None,
    }
}

/// The largest MTU by the judge's word.
pub(crate) fn judged_mtu_max(name: &str) -> Option<u32> {
    word_after(&said("ip", &format!("-d link show dev {name}"))?, "maxmtu")?.parse().ok()
}

fn word_after(text: &str, label: &str) -> Option<String> {
    let mut words = text.split_whitespace().skip_while(|word| *word != label);
    words.nth(1).map(str::to_owned)
}
