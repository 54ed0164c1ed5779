//! `disable_pv_vnc`: whose the text console is.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use acceptance::deadline::Deadline;

use crate::dom0::{converters, keep_picture, soon, store, try_xenwarden, view, xenwarden};
use crate::guest::{Guest, PROMPT, ask_shell, node, vnc_port};
use crate::tool::must;

/// What a console that was left alone says within this time, it says.
const QUIET_S: u64 = 5;

pub(super) fn text_console() {
    let guest = Guest::new("plain", 10);
    xenwarden(["register", &guest.name, &guest.uuid]);
    let uuid = format!("uuid={}", guest.uuid);
    xenwarden(["xe", "vm-param-set", &uuid, "other-config:disable_pv_vnc=1"]);
    let domid = guest.create();
    let mut console = XlConsole::open(&guest.name);
    console.wait_for(PROMPT);
    console.type_text("echo answer $((41 * 3))\n");
    console.wait_for("answer 123");
    assert!(converters().is_empty(), "nobody else reads it");
    assert!(store().read(&node(domid, "console/vnc-port")).is_err(), "it has no screen");
    let refused = try_xenwarden(["console", &guest.name]);
    assert!(!refused.status.success() && refused.errors.contains("disable_pv_vnc"));
    drop(console);
    guest.xl("destroy");

    xenwarden([
        "xe",
        "vm-param-remove",
        &uuid,
        "param-name=other-config",
        "param-key=disable_pv_vnc",
    ]);
    let domid = guest.create();
    let mut viewer = view(vnc_port(domid));
    viewer.wait_for_text(soon(), PROMPT);
    ask_shell(&mut viewer, 77);
    let mut taken = XlConsole::open(&guest.name);
    taken.wait_for("Resource temporarily unavailable");
    let text = must("sh", ["-c", "xenwarden console plain < /dev/null"]);
    assert!(text.contains("answer 231"), "`xenwarden console` shows the same screen: {text}");
    keep_picture(&viewer, "no-vnc");
}

/// `xl console`, on a terminal of its own.
struct XlConsole {
    child: Child,
    log: String,
}

impl XlConsole {
    fn open(name: &str) -> Self {
        let log = format!("/run/xenlab-{name}.console");
        let _none_yet = std::fs::remove_file(&log);
        let child = Command::new("script")
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                &format!("xl console {name}"),
                &log,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("script runs");
        Self { child, log }
    }

    fn type_text(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(text.as_bytes()).expect("xl console reads");
        input.flush().expect("xl console reads");
    }

    fn wait_for(&mut self, text: &str) {
        soon().until(&format!("xl console says {text:?}"), || {
            let said = std::fs::read(&self.log).unwrap_or_default();
            String::from_utf8_lossy(&said).contains(text).then_some(())
        });
    }
}

impl Drop for XlConsole {
    fn drop(&mut self) {
        // Its escape key, and then without mercy.
        if let Some(mut input) = self.child.stdin.take() {
            let _gone = input.write_all(b"\x1d");
        }
        let deadline = Deadline::seconds(QUIET_S);
        while matches!(self.child.try_wait(), Ok(None)) && deadline.left().is_some() {
            std::thread::yield_now();
        }
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
