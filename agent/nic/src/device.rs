//! The names of guests' interfaces in the control domain.

use alloc::format;
use alloc::string::String;

/// A guest's interface: the domain, and the number that the toolstack gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestNic {
    /// The domain.
    pub domid: u16,
    /// Its number among the domain's.
    pub devid: u16,
}

/// Which of the two devices of a guest's interface: a guest has the emulated one until its drivers
/// take the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The paravirtual one: `vif7.0`.
    Vif,
    /// The emulated one: `vif7.0-emu` of libxl, `tap7.0` of xenopsd.
    Tap,
}

impl GuestNic {
    /// The name of its paravirtual device.
    #[must_use]
    pub fn vif(self) -> String {
        format!("vif{}.{}", self.domid, self.devid)
    }

    /// Whose device has this name, if a guest's has.
    #[must_use]
    pub fn parse(name: &str) -> Option<(Self, Side)> {
        if let Some(rest) = name.strip_prefix("tap") {
            return Some((Self::numbers(rest)?, Side::Tap));
        }
        let rest = name.strip_prefix("vif")?;
        match rest.strip_suffix("-emu") {
            Some(rest) => Some((Self::numbers(rest)?, Side::Tap)),
            None => Some((Self::numbers(rest)?, Side::Vif)),
        }
    }

    fn numbers(text: &str) -> Option<Self> {
        let (domid, devid) = text.split_once('.')?;
        let number = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            let padded = text.len() > 1 && text.starts_with('0');
            (plain && !padded).then(|| text.parse().ok()).flatten()
        };
        Some(Self { domid: number(domid)?, devid: number(devid)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_devices_are_known_by_name() {
        let nic = GuestNic { domid: 7, devid: 0 };
        assert_eq!(GuestNic::parse(&nic.vif()), Some((nic, Side::Vif)));
        assert_eq!(GuestNic::parse("tap7.0"), Some((nic, Side::Tap)));
        assert_eq!(GuestNic::parse("vif7.0-emu"), Some((nic, Side::Tap)));
        for other in [
            "",
            "vif",
            "vif7",
            "vif7.",
            "vif07.0",
            "vif7.0.1",
            "vif-1.0",
            "tap0",
            "vif70000.0",
            "eth0",
            "vif7.0-gone",
        ] {
            assert_eq!(GuestNic::parse(other), None, "{other}");
        }
    }
}
