//! What the store says of one domain, parsed at the door: raw values in, a [`Sighting`] out.
//!
//! No reading happens here, and no doubt about two domains: that is the host's.

use uuid::Uuid;
use vncterm_launch::{Disbelief, Terminal, believe, control_domain_alone_writes};
use xenstore_wire::Permissions;

use crate::console::Line;

/// The most bytes of a domain's name that are kept: names are for people, and xl's are shorter.
pub(crate) const NAME_MAX: usize = 255;
/// Where a domain's `vm` key leads.
const VM_FOLDER: &str = "/vm/";
/// `/vm/` and a uuid: a longer value is none.
const VM_BYTES: usize = VM_FOLDER.len() + 36;
/// Digits of a port.
const PORT_DIGITS_MAX: usize = 5;
/// Digits of a process id: Linux has fewer than 2^22.
const PID_DIGITS_MAX: usize = 7;

/// The values of one domain as they were read; absent where the node is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    /// `vm`
    pub(crate) vm: Option<Vec<u8>>,
    /// `name`
    pub(crate) name: Option<Vec<u8>>,
    /// `/vm/<uuid>/name`, read where `name` is missing.
    pub(crate) vm_name: Option<Vec<u8>>,
    /// `console/tty`, and the permissions of its node.
    pub(crate) console_tty: Option<Node>,
    /// `serial/0/tty`, and the permissions of its node.
    pub(crate) serial_tty: Option<Node>,
    /// `console/vnc-port`
    pub(crate) vnc_port: Option<Vec<u8>>,
    /// `console/tc-port`
    pub(crate) text_port: Option<Vec<u8>>,
    /// `image/device-model-pid`, and the permissions of its node.
    pub(crate) device_model_pid: Option<Node>,
}

/// A node's value and permissions.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its value.
    pub(crate) value: Vec<u8>,
    /// Who may write it.
    pub(crate) permissions: Permissions,
}

/// One domain, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The VM's uuid as the toolstack says it.
    pub(crate) uuid: Uuid,
    /// Its name; empty where there is none.
    pub(crate) name: String,
    /// Its console.
    pub(crate) tty: Tty,
    /// The port that stands for its screen.
    pub(crate) vnc_port: Option<u16>,
    /// The port that stands for its text.
    pub(crate) text_port: Option<u16>,
    /// The process of its device model; absent where the control domain alone could not say so.
    pub(crate) device_model_pid: Option<i32>,
}

/// What stands where a console's tty should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tty {
    /// Nothing, or an empty value.
    Absent,
    /// A terminal that the control domain alone could name.
    Named(Terminal, Line),
    /// Something that isn't believed.
    Unbelieved(Disbelief),
}

impl Values {
    /// The domain that the values show; none while its uuid is missing, as a toolstack is still
    /// at work on it.
    pub(crate) fn parse(&self) -> Option<Sighting> {
        let uuid = parse_vm(self.vm.as_deref()?)?;
        let name = [&self.name, &self.vm_name].into_iter().flatten().find(|name| !name.is_empty());
        Some(Sighting {
            uuid,
            name: name.map(|name| bounded_name(name)).unwrap_or_default(),
            tty: self.tty(),
            vnc_port: self.vnc_port.as_deref().and_then(parse_port),
            text_port: self.text_port.as_deref().and_then(parse_port),
            device_model_pid: self.device_model_pid.as_ref().and_then(parse_pid),
        })
    }

    /// The emulated serial port where the toolstack gave the guest one, as xenconsole has it; else
    /// the paravirtual console, which such a guest has too.
    fn tty(&self) -> Tty {
        let console = self.console_tty.as_ref().map(|node| (node, Line::Paravirtual));
        let serial = self.serial_tty.as_ref().map(|node| (node, Line::Serial));
        // xl writes an empty tty first, and the real one half a second later.
        let named =
            [serial, console].into_iter().flatten().find(|(node, _)| !node.value.is_empty());
        match named {
            None => Tty::Absent,
            Some((node, line)) => match believe(&node.value, &node.permissions) {
                Ok(terminal) => Tty::Named(terminal, line),
                Err(disbelief) => Tty::Unbelieved(disbelief),
            },
        }
    }
}

/// The uuid that a `vm` key leads to.
fn parse_vm(value: &[u8]) -> Option<Uuid> {
    if value.len() > VM_BYTES {
        return None;
    }
    let text = value.strip_prefix(VM_FOLDER.as_bytes())?;
    // Only the hyphenated form: a path of the store has no other.
    if text.len() == 36 { Uuid::try_parse_ascii(text).ok() } else { None }
}

/// A name that fits a record: text, bounded, without control characters.
fn bounded_name(value: &[u8]) -> String {
    let head = value.get(..NAME_MAX).unwrap_or(value);
    let mut name = String::new();
    for character in String::from_utf8_lossy(head).chars().filter(|c| !c.is_control()) {
        if name.len() + character.len_utf8() > NAME_MAX {
            break;
        }
        name.push(character);
    }
    name
}

/// The process that a node names which no guest can write.
fn parse_pid(node: &Node) -> Option<i32> {
    control_domain_alone_writes(&node.permissions).ok()?;
    let digits = &node.value;
    if digits.is_empty() || digits.len() > PID_DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let pid = std::str::from_utf8(digits).ok()?.parse().ok()?;
    if pid == 0 { None } else { Some(pid) }
}

fn parse_port(value: &[u8]) -> Option<u16> {
    if value.is_empty() || value.len() > PORT_DIGITS_MAX || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let port = std::str::from_utf8(value).ok()?.parse().ok()?;
    if port == 0 { None } else { Some(port) }
}

#[cfg(test)]
mod tests {
    use xenstore_wire::{Access, DomainId};

    use super::*;

    const UUID: &str = "1c3a0f2e-5d7b-4b8e-9a3c-0d6e8f1b2a4c";

    fn node(value: &str, owner: u16, default: Access, exceptions: &[(u16, Access)]) -> Node {
        let exceptions = exceptions
            .iter()
            .map(|(domain, access)| (DomainId::new(*domain).unwrap(), *access))
            .collect();
        let owner = DomainId::new(owner).unwrap();
        Node { value: value.into(), permissions: Permissions { owner, default, exceptions } }
    }

    fn toolstacks(value: &str) -> Node {
        node(value, 0, Access::None, &[(7, Access::Read)])
    }

    fn values() -> Values {
        Values {
            vm: Some(format!("/vm/{UUID}").into_bytes()),
            name: Some(b"web01".to_vec()),
            console_tty: Some(toolstacks("/dev/pts/3")),
            ..Values::default()
        }
    }

    fn tty(console: Option<Node>, serial: Option<Node>) -> Tty {
        let values = Values { console_tty: console, serial_tty: serial, ..values() };
        values.parse().unwrap().tty
    }

    #[test]
    fn reads_a_domain() {
        let sighting = values().parse().unwrap();
        assert_eq!(sighting.uuid.to_string(), UUID);
        assert_eq!(sighting.name, "web01");
        let terminal = Terminal::parse(b"/dev/pts/3").unwrap();
        assert_eq!(sighting.tty, Tty::Named(terminal, Line::Paravirtual));
    }

    #[test]
    fn a_domain_without_a_uuid_is_not_there_yet() {
        for vm in ["", "/vm/", "/vm/1", "1c3a0f2e-5d7b-4b8e-9a3c-0d6e8f1b2a4c"] {
            let values = Values { vm: Some(vm.into()), ..values() };
            assert_eq!(values.parse(), None, "{vm}");
        }
        let values = Values { vm: Some(format!("/vm/{UUID}/").into_bytes()), ..values() };
        assert_eq!(values.parse(), None);
    }

    #[test]
    fn the_name_of_the_vm_stands_in_for_a_missing_one() {
        let vm_name = Some(b"g1--incoming".to_vec());
        let named = Values { vm_name: vm_name.clone(), ..values() };
        assert_eq!(named.parse().unwrap().name, "web01");
        let unnamed = Values { name: None, vm_name, ..values() };
        assert_eq!(unnamed.parse().unwrap().name, "g1--incoming");
    }

    #[test]
    fn a_name_is_bounded_and_has_no_control_characters() {
        let hostile = [b"\x1b]0;a\xff\n".as_slice(), &[b'x'; 5000]].concat();
        let name = Values { name: Some(hostile), ..values() }.parse().unwrap().name;
        assert!(name.starts_with("]0;a\u{fffd}xxx"));
        assert!(name.len() <= NAME_MAX);
    }

    #[test]
    fn an_empty_tty_is_an_absent_one() {
        assert_eq!(tty(None, None), Tty::Absent);
        assert_eq!(tty(Some(toolstacks("")), None), Tty::Absent);
        let serial = Terminal::parse(b"/dev/pts/4").unwrap();
        assert_eq!(
            tty(Some(toolstacks("")), Some(toolstacks("/dev/pts/4"))),
            Tty::Named(serial, Line::Serial)
        );
        let console = Terminal::parse(b"/dev/pts/3").unwrap();
        assert_eq!(
            tty(Some(toolstacks("/dev/pts/3")), Some(toolstacks(""))),
            Tty::Named(console, Line::Paravirtual)
        );
    }

    #[test]
    fn a_serial_port_comes_before_the_paravirtual_console() {
        let serial = Terminal::parse(b"/dev/pts/4").unwrap();
        assert_eq!(
            tty(Some(toolstacks("/dev/pts/3")), Some(toolstacks("/dev/pts/4"))),
            Tty::Named(serial, Line::Serial)
        );
    }

    #[test]
    fn a_tty_that_another_domain_can_write_is_not_believed() {
        let value = "/dev/pts/3";
        for (node, disbelief) in [
            (node(value, 7, Access::None, &[]), Disbelief::Writable(7)),
            (node(value, 0, Access::Write, &[]), Disbelief::WritableByAll),
            (node(value, 0, Access::Both, &[]), Disbelief::WritableByAll),
            (node(value, 0, Access::None, &[(7, Access::Both)]), Disbelief::Writable(7)),
            (
                node(value, 0, Access::None, &[(7, Access::Read), (9, Access::Write)]),
                Disbelief::Writable(9),
            ),
        ] {
            assert_eq!(tty(Some(node), None), Tty::Unbelieved(disbelief));
        }
    }

    #[test]
    fn a_tty_that_is_no_terminal_is_not_believed() {
        for value in ["/etc/shadow", "/dev/pts/../../etc/shadow", &"a".repeat(4096)] {
            let found = tty(Some(toolstacks(value)), None);
            assert_eq!(found, Tty::Unbelieved(Disbelief::NotATerminalName));
        }
    }

    #[test]
    fn a_device_model_is_named_by_the_control_domain_alone() {
        assert_eq!(parse_pid(&toolstacks("4711")), Some(4711));
        for value in ["", "0", "-1", "+1", "4711\n", "99999999", "self"] {
            assert_eq!(parse_pid(&toolstacks(value)), None, "{value:?}");
        }
        assert_eq!(parse_pid(&node("4711", 7, Access::None, &[])), None);
        assert_eq!(parse_pid(&node("4711", 0, Access::None, &[(7, Access::Both)])), None);
    }

    #[test]
    fn reads_ports_and_nothing_that_only_looks_like_one() {
        assert_eq!(parse_port(b"5901"), Some(5901));
        for value in [&b""[..], b"0", b"+1", b"-1", b"65536", b"5901\n", b"000001", b"x"] {
            assert_eq!(parse_port(value), None, "{value:?}");
        }
    }
}
