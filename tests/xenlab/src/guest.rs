//! A paravirtual guest of the lab: its configuration, its life by `xl`, and where its console is.

use std::fs;

use acceptance::rfb::Viewer;

use crate::dom0::{soon, store, view};
use crate::report::fact;
use crate::tool::{must, tool};

/// The kernel that guests start, unpacked, and their initial file system.
const KERNEL: &str = "/lab/guest/vmlinux";
const RAMDISK: &str = "/lab/guest/guest.cpio.gz";
/// How often a creation is tried on a busy machine.
const CREATIONS_MAX: u32 = 3;
/// What a guest's shell prompts with, as its init sets it.
pub(crate) const PROMPT: &str = "guest#";

/// A guest, whether it runs or not.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    /// Its name.
    pub(crate) name: String,
    /// Its uuid.
    pub(crate) uuid: String,
    /// The file of its configuration.
    pub(crate) config: String,
}

impl Guest {
    /// Writes the configuration of a small paravirtual guest; its uuid follows from its number.
    ///
    /// # Panics
    /// When the disk is full.
    pub(crate) fn new(name: &str, number: u16) -> Self {
        Self::with(name, number, "")
    }

    /// The same, with further lines of configuration.
    ///
    /// # Panics
    /// When the disk is full.
    pub(crate) fn with(name: &str, number: u16, lines: &str) -> Self {
        let lines = format!(
            "kernel = '{KERNEL}'\nramdisk = '{RAMDISK}'\nextra = 'console=hvc0 quiet'\n{lines}"
        );
        Self::bare(name, number, &lines)
    }

    /// A guest of these lines, without a kernel of the lab's.
    ///
    /// # Panics
    /// When the disk is full.
    pub(crate) fn bare(name: &str, number: u16, lines: &str) -> Self {
        let uuid = format!("c0a80101-0000-4000-8000-{number:012x}");
        let config = format!("/run/xenlab-{name}.cfg");
        let text = format!("name = '{name}'\nuuid = '{uuid}'\nmemory = 128\nvcpus = 1\n{lines}\n");
        fs::write(&config, text).expect("a file in /run");
        Self { name: name.to_owned(), uuid, config }
    }

    /// Starts it; returns the number of its domain.
    pub(crate) fn create(&self) -> u16 {
        must("xl", ["create", &self.config]);
        self.domid()
    }

    /// Starts it beside others: libxl gives up on xenconsoled after a few seconds, which a busy
    /// emulated machine may take.
    ///
    /// # Panics
    /// When it can't be started.
    pub(crate) fn create_patiently(&self) {
        for attempt in 1..=CREATIONS_MAX {
            if tool("xl", ["create", "-q", &self.config]).status.success() {
                return;
            }
            fact(&format!("xl create {} failed, attempt {attempt}", self.name));
        }
        panic!("{} can't be created", self.name);
    }

    /// Says a word of xl's to it.
    pub(crate) fn xl(&self, word: &str) {
        must("xl", [word, &self.name]);
    }

    /// The number of its domain now.
    ///
    /// # Panics
    /// When it has none.
    pub(crate) fn domid(&self) -> u16 {
        must("xl", ["domid", &self.name]).trim().parse().expect("a domid")
    }

    /// The number of its domain, once that is another than `before`.
    pub(crate) fn domid_after(&self, before: u16) -> u16 {
        soon().until("the guest has another domain", || {
            let text = tool("xl", ["domid", &self.name]).output;
            text.trim().parse().ok().filter(|next| *next != before)
        })
    }

    /// Starts it, and opens its screen once its shell is there.
    pub(crate) fn start(&self) -> (u16, Viewer) {
        let domid = self.create();
        let mut viewer = view(vnc_port(domid));
        viewer.wait_for_text(soon(), PROMPT);
        (domid, viewer)
    }
}

/// A node of a domain's home.
pub(crate) fn node(domid: u16, name: &str) -> String {
    format!("/local/domain/{domid}/{name}")
}

/// The port of a domain's screen, as soon as the store has it.
pub(crate) fn vnc_port(domid: u16) -> u16 {
    store().wait_until(soon(), &node(domid, "console/vnc-port"), |value| value?.parse().ok())
}

/// Types a sum into the guest's shell, and sees its answer: the echo alone would not have it.
///
/// # Panics
/// When it does not come.
pub(crate) fn ask_shell(viewer: &mut Viewer, number: u32) {
    viewer.type_text(&format!("echo answer $(({number} * 3))\n")).expect("the viewer is served");
    viewer.wait_for_text(soon(), &format!("answer {}", number * 3));
}
