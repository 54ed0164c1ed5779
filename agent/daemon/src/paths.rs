//! The nodes of the store that the agent knows by name.
//!
//! Nodes that a guest's data names are not here: those paths are parsed, and may be refused.

use uuid::Uuid;
use xenstore_wire::{DomainId, Path};

/// Where every domain has its home.
pub(crate) fn domains() -> Path {
    known("/local/domain")
}

/// The agent's mark: a store that holds it has been seen whole before.
pub(crate) fn mark() -> Path {
    known("/tool/xenwarden")
}

/// The directory of a domain's console.
pub(crate) fn console(domain: DomainId) -> Path {
    below(domain, "console")
}

/// The terminal of a domain's console.
pub(crate) fn console_tty(domain: DomainId) -> Path {
    below(domain, "console/tty")
}

/// The directory of a domain's emulated serial ports.
pub(crate) fn serial(domain: DomainId) -> Path {
    below(domain, "serial")
}

/// The terminal of a domain's emulated serial port.
pub(crate) fn serial_tty(domain: DomainId) -> Path {
    below(domain, "serial/0/tty")
}

/// The port of a domain's screen.
pub(crate) fn vnc_port(domain: DomainId) -> Path {
    below(domain, "console/vnc-port")
}

/// The port of a domain's text console.
pub(crate) fn text_port(domain: DomainId) -> Path {
    below(domain, "console/tc-port")
}

/// The process of a domain's device model.
pub(crate) fn device_model_pid(domain: DomainId) -> Path {
    below(domain, "image/device-model-pid")
}

/// The path of a domain's VM.
pub(crate) fn vm(domain: DomainId) -> Path {
    below(domain, "vm")
}

/// A domain's name.
pub(crate) fn name(domain: DomainId) -> Path {
    below(domain, "name")
}

/// The name of a VM.
pub(crate) fn vm_name(vm: Uuid) -> Path {
    known(&format!("/vm/{vm}/name"))
}

/// The directory of the control domain's ends of a domain's network interfaces.
pub(crate) fn nics(domain: DomainId) -> Path {
    below(DomainId::DOM0, &format!("backend/vif/{domain}"))
}

/// A key of one of these.
pub(crate) fn nic_key(domain: DomainId, devid: u16, key: &'static str) -> Path {
    below(DomainId::DOM0, &format!("backend/vif/{domain}/{devid}/{key}"))
}

/// The directory of data for the guest.
pub(crate) fn vm_data(domain: DomainId) -> Path {
    below(domain, "vm-data")
}

fn below(domain: DomainId, rest: &str) -> Path {
    known(&format!("{}/{rest}", domain.home()))
}

/// A path of plain names and numbers, which no input can make otherwise.
fn known(text: &str) -> Path {
    Path::parse(text.as_bytes()).expect("plain names and numbers make a path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_path_is_one() {
        assert_eq!(domains().as_str(), "/local/domain");
        assert_eq!(mark().as_str(), "/tool/xenwarden");
        assert_eq!(vm_name(Uuid::nil()).components().count(), 3);
        assert_eq!(nic_key(DomainId::MAX, 0, "mac").components().count(), 8);
        for path in [
            console,
            console_tty,
            serial,
            serial_tty,
            vnc_port,
            text_port,
            device_model_pid,
            vm,
            name,
            vm_data,
        ] {
            assert!(path(DomainId::MAX).as_str().starts_with("/local/domain/32751/"));
        }
    }
}
