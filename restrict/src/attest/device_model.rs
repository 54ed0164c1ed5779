//! Looks at a QEMU device model from outside: what [`crate::Wrap`] did, and what QEMU did itself.
//!
//! It has more than a converter: threads, the host's network, whatever it has opened, and the
//! environment that Xen's toolstack gave it. None of that is claimed here.

use std::io;

use super::{Attestation, Look, Property, four_times, is, look_at_namespace, shown};
use super::{namespace_name, process::Process};
use crate::identity::Uid;
use crate::status;
use crate::wrap::Wrap;

/// Looks at every property of the process. An error means that there is no such process.
///
/// `user` is whom it should have become; none if it stays root, and in the host's root.
pub fn look_at_device_model(pid: i32, wrap: &Wrap, user: Option<Uid>) -> io::Result<Attestation> {
    let process = Process::open(pid)?;
    let own = Process::open_own()?;
    let mut properties = Vec::new();
    let mut note = |name, claim: String, look: Look| {
        let (holds, found) = look.unwrap_or_else(|error| (false, error.to_string()));
        properties.push(Property { name, claim, holds, found });
    };
    let text = process.read("status");
    let status = || text.as_deref().map_err(|error| io::Error::from(error.kind()));

    if let Some(uid) = user {
        note("user", format!("its user is {uid}, in all four ids"), {
            status().map(|text| four_times(text, "Uid", uid.number()))
        });
        note("group", format!("its group is {uid}, in all four ids"), {
            status().map(|text| four_times(text, "Gid", uid.number()))
        });
        note("capabilities", "it has no capability in force".into(), {
            status().map(|text| within(text, "CapEff", 0))
        });
    }
    let kept = wrap.capabilities.iter().map(|kept| kept.bitmask()).fold(0, |set, bit| set | bit);
    note("bounding-set", "it can have no capability but those of its start".into(), {
        status().map(|text| within(text, "CapBnd", kept))
    });
    note("no-new-privileges", "it cannot gain privileges by executing".into(), {
        status().map(|text| is(text, "NoNewPrivs", "1"))
    });
    note("seccomp", "a filter judges its system calls".into(), {
        status().map(|text| is(text, "Seccomp", "2"))
    });
    for (name, kind) in [("mount", "mnt"), ("ipc", "ipc"), ("uts", "uts")] {
        note(namespace_name(kind), format!("its {name} namespace is its own"), {
            look_at_namespace(&process, &own, kind)
        });
    }
    if let Some(stage) = &wrap.stage {
        let entries = usize::from(!stage.devices.is_empty());
        note("root", "its root is a read-only tmpfs with no more than late devices".into(), {
            process.root().map(|root| {
                let holds = root.entries == entries && root.is_tmpfs && root.is_read_only;
                (holds, format!("{} entries, tmpfs: {}", root.entries, root.is_tmpfs))
            })
        });
    }
    note("limits", "its resource limits are at most those of its plan".into(), {
        process.read("limits").map(|text| look_at_limits(&text, wrap))
    });
    Ok(Attestation { properties })
}

/// A set of capabilities holds nothing but `kept`.
fn within(text: &str, name: &str, kept: u64) -> (bool, String) {
    let set = status::field(text, name).and_then(|set| u64::from_str_radix(set, 16).ok());
    (set.is_some_and(|set| set & !kept == 0), shown(text, name))
}

fn look_at_limits(text: &str, wrap: &Wrap) -> (bool, String) {
    let above = |value: &str, most: u64| value.parse::<u64>().map_or(true, |value| value > most);
    let mut wrong = Vec::new();
    for (limit, most) in &wrap.limits {
        match status::limit(text, limit.proc_name()) {
            Some((_, hard)) if above(hard, *most) => {
                wrong.push(format!("{} {hard}", limit.proc_name()));
            }
            Some(_) => {}
            None => wrong.push(format!("no {}", limit.proc_name())),
        }
    }
    (wrong.is_empty(), if wrong.is_empty() { "as planned".into() } else { wrong.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::Part;

    #[test]
    fn a_set_is_within_what_is_kept() {
        let text = "CapBnd:\t00000000000000c0\nCapEff:\tnone\n";
        assert!(within(text, "CapBnd", 0xC2).0);
        assert!(!within(text, "CapBnd", 0x40).0);
        assert!(!within(text, "CapEff", u64::MAX).0);
        assert!(!within(text, "CapPrm", u64::MAX).0);
    }

    #[test]
    fn a_limit_may_be_lower_than_planned_and_not_higher() {
        let wrap = Wrap::device_model(&Part::Backends, true, false).unwrap();
        let text = |files: &str| {
            format!(
                "Max core file size 0 0 bytes\nMax msgqueue size 0 0 bytes\nMax file locks 0 0 locks\n\
                 Max open files {files} files\n"
            )
        };
        assert!(look_at_limits(&text("64 1024"), &wrap).0);
        assert!(!look_at_limits(&text("64 4096"), &wrap).0);
        assert!(!look_at_limits(&text("64 unlimited"), &wrap).0);
        assert!(!look_at_limits("", &wrap).0);
    }
}
