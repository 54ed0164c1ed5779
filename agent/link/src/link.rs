//! One link, as rtnetlink tells of it.

use xenwarden_nic::{GuestNic, Mac, Side};

use crate::message::{attributes, read_text, u16_at, u32_at};

/// Bytes of `struct ifinfomsg`, which every message on a link begins with.
const HEADER: usize = 16;

/// Parts of a link's messages (linux/if_link.h).
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_MAX_MTU: u16 = 51;
const IFLA_PERM_ADDRESS: u16 = 54;

/// What a device is, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A guest's, by its name.
    Guest(GuestNic, Side),
    /// The host's: a card, a bond of cards, or a VLAN on one.
    Host,
    /// A Linux bridge.
    Bridge,
    /// A device of Open vSwitch.
    OpenVswitch,
    /// Another one.
    Other,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its index: no other device has it until the host starts again.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its address, where it has one of Ethernet's.
    pub address: Option<Mac>,
    /// The address that it was made with, where the kernel says so.
    pub permanent: Option<Mac>,
    /// Its MTU.
    pub mtu: u32,
    /// The largest MTU; none where the kernel doesn't say.
    pub mtu_max: Option<u32>,
    /// The bridge or bond that it belongs to.
    pub controller: Option<u32>,
    /// Where it is a VLAN on another device, that one.
    pub vlan_of: Option<u32>,
    /// Whether it is switched on.
    pub is_up: bool,
    /// Whether somebody has asked for frames for others.
    pub is_promiscuous: bool,
    /// What it is.
    pub kind: Kind,
}

impl Link {
    /// Parses what rtnetlink says of a link.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let ethernet = u16_at(payload, 2)? == libc::ARPHRD_ETHER;
        let index = u32_at(payload, 4).filter(|index| *index != 0)?;
        let flags = u32_at(payload, 8)?.cast_signed();
        let (mut name, mut made_as) = (String::new(), None);
        let mut link = Self {
            index,
            name: String::new(),
            address: None,
            permanent: None,
            mtu: 0,
            mtu_max: None,
            controller: None,
            vlan_of: None,
            is_up: flags & libc::IFF_UP != 0,
            is_promiscuous: flags & libc::IFF_PROMISC != 0,
            kind: Kind::Other,
        };
        for (kind, value) in attributes(payload, HEADER) {
            match kind {
                IFLA_ADDRESS => link.address = value.try_into().ok(),
                IFLA_PERM_ADDRESS => link.permanent = value.try_into().ok(),
                IFLA_IFNAME => name = read_text(value),
                IFLA_MTU => link.mtu = u32_at(value, 0)?,
                IFLA_MAX_MTU => link.mtu_max = u32_at(value, 0).filter(|max| *max != 0),
                // Of other kinds it is something else: a veth's is its peer.
                IFLA_LINK => link.vlan_of = u32_at(value, 0),
                IFLA_MASTER => link.controller = u32_at(value, 0),
                IFLA_LINKINFO => {
                    let said = attributes(value, 0).find(|(kind, _)| *kind == IFLA_INFO_KIND);
                    made_as = said.map(|(_, value)| read_text(value));
                }
                _ => {}
            }
        }
        link.vlan_of = link.vlan_of.filter(|_| made_as.as_deref() == Some("vlan"));
        link.kind = kind_of(&name, made_as.as_deref(), ethernet);
        link.name = name;
        Some(link)
    }
}

fn kind_of(name: &str, made_as: Option<&str>, ethernet: bool) -> Kind {
    if let Some((nic, side)) = GuestNic::parse(name) {
        return Kind::Guest(nic, side);
    }
    match made_as {
        Some("bridge") => Kind::Bridge,
        Some("openvswitch") => Kind::OpenVswitch,
        Some("bond" | "team" | "vlan") => Kind::Host,
        // A driver of hardware makes its devices without being asked for a kind.
        None if ethernet => Kind::Host,
        Some(_) | None => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_by_its_name_and_what_it_was_made_as() {
        let nic = GuestNic { domid: 7, devid: 0 };
        assert_eq!(kind_of("vif7.0", None, true), Kind::Guest(nic, Side::Vif));
        assert_eq!(kind_of("vif7.0-emu", Some("tun"), true), Kind::Guest(nic, Side::Tap));
        assert_eq!(kind_of("eth0", None, true), Kind::Host);
        assert_eq!(kind_of("bond0", Some("bond"), true), Kind::Host);
        assert_eq!(kind_of("xenbr0", Some("bridge"), true), Kind::Bridge);
        assert_eq!(kind_of("ovs-system", Some("openvswitch"), true), Kind::OpenVswitch);
        for (name, made_as, ethernet) in
            [("lo", None, false), ("veth0", Some("veth"), true), ("tun0", Some("tun"), false)]
        {
            assert_eq!(kind_of(name, made_as, ethernet), Kind::Other, "{name}");
        }
    }

    #[test]
    fn what_is_no_link_is_none() {
        assert_eq!(Link::parse(&[]), None);
        assert_eq!(Link::parse(&[0; 16]), None, "no device has the index 0");
    }
}
