//! Traffic control: the filters that copy a bridge's frames to a port that asked for them all
//! (linux/pkt_sched.h, pkt_cls.h, tc_act/tc_mirred.h).
//!
//! They are known by their priorities, and nobody else's are touched. They come last among a
//! device's filters, so that those of the host's administrator have their say before.

use nix::errno::Errno;
use xenwarden_nic::{Direction, Frames, Rule};

use crate::fault::Fault;
use crate::message::{attribute, attributes, text, u32_at};
use crate::route::Route;

/// Priorities of our filters: the last of those that there are. More than a bridge can have.
const FIRST: u16 = 0xfe00;
/// The qdisc that holds filters of both directions, and needs no other.
const CLSACT: &str = "clsact";
const CLSACT_HANDLE: u32 = 0xffff_0000;
const CLSACT_PARENT: u32 = 0xffff_fff1;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
/// Every protocol, ETH_P_ALL.
const EVERY_PROTOCOL: u16 = 3;
/// The class of a frame that a filter fits: any, since none is looked for.
const CLASS: u32 = 0x1_0001;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_U32_CLASSID: u16 = 1;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
const TCA_MATCHALL_CLASSID: u16 = 1;
const TCA_MATCHALL_ACT: u16 = 2;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// The frame goes on to the next action, and then its way.
const TC_ACT_PIPE: u32 = 3;
/// A copy goes out at another device.
const TCA_EGRESS_MIRROR: u32 = 2;
/// The first filter that fits decides.
const TC_U32_TERMINAL: u8 = 1;
/// Where a frame's receiver stands, seen from its network header.
const RECEIVER: i32 = -14;

fn parent(direction: Direction) -> u32 {
    match direction {
        Direction::In => INGRESS,
        Direction::Out => EGRESS,
    }
}

/// `struct tcmsg`.
fn head(device: u32, handle: u32, parent: u32, info: u32) -> Vec<u8> {
    let words = [0, device, handle, parent, info];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Priority and protocol of a filter.
fn info(priority: u16, protocol: u16) -> u32 {
    u32::from(priority) << 16 | u32::from(protocol.to_be())
}

/// Puts exactly these rules at a place, in the order given; none takes all of ours away.
pub(crate) fn put(
    route: &mut Route,
    device: u32,
    direction: Direction,
    rules: &[Rule],
) -> Result<(), Fault> {
    for priority in ours(route, device, direction)? {
        let head = head(device, 0, parent(direction), info(priority, 0));
        match route.order(libc::RTM_DELTFILTER, 0, &head, &[]) {
            // Somebody was faster.
            Err(fault) if fault.errno() == Some(Errno::ENOENT) => {}
            other => other?,
        }
    }
    if rules.is_empty() {
        return Ok(());
    }
    let clsact = [(TCA_KIND, text(CLSACT))];
    let head_of_qdisc = head(device, CLSACT_HANDLE, CLSACT_PARENT, 0);
    let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    match route.order(libc::RTM_NEWQDISC, flags, &head_of_qdisc, &clsact) {
        // There is one, or its older kind for one direction: either takes filters.
        Err(fault) if fault.errno() == Some(Errno::EEXIST) => {}
        other => other?,
    }
    for (priority, rule) in (FIRST..=u16::MAX).zip(rules) {
        let head = head(device, 0, parent(direction), info(priority, EVERY_PROTOCOL));
        add(route, &head, rule)?;
    }
    Ok(())
}

/// One filter. Where the kernel has no `matchall`, `u32` with nothing to compare is the same.
fn add(route: &mut Route, head: &[u8], rule: &Rule) -> Result<(), Fault> {
    let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    if rule.frames == Frames::Others {
        let mut options = attribute(TCA_MATCHALL_CLASSID, &CLASS.to_ne_bytes());
        options.extend(copies(TCA_MATCHALL_ACT, &rule.copies));
        let filter = [(TCA_KIND, text("matchall")), (TCA_OPTIONS, options)];
        match route.order(libc::RTM_NEWTFILTER, flags, head, &filter) {
            Err(fault) if fault.errno() == Some(Errno::ENOENT) => {}
            other => return other,
        }
    }
    let mut options = attribute(TCA_U32_CLASSID, &CLASS.to_ne_bytes());
    options.extend(attribute(TCA_U32_SEL, &selector(rule.frames)));
    options.extend(copies(TCA_U32_ACT, &rule.copies));
    let filter = [(TCA_KIND, text("u32")), (TCA_OPTIONS, options)];
    route.order(libc::RTM_NEWTFILTER, flags, head, &filter)
}

/// The actions that copy a frame; with none it only goes its way.
fn copies(kind: u16, devices: &[u32]) -> Vec<u8> {
    let mut actions = Vec::new();
    for (number, device) in (1..).zip(devices) {
        // struct tc_mirred: index, capabilities, action, references, bindings, where to, device.
        let words = [0, 0, TC_ACT_PIPE, 0, 0, TCA_EGRESS_MIRROR, *device];
        let parameters: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut action = attribute(TCA_ACT_KIND, &text("mirred"));
        action.extend(attribute(TCA_ACT_OPTIONS, &attribute(TCA_MIRRED_PARMS, &parameters)));
        actions.extend(attribute(number, &action));
    }
    if actions.is_empty() { actions } else { attribute(kind, &actions) }
}

/// `struct tc_u32_sel` with its keys: masks and values are big-endian, places are not.
fn selector(frames: Frames) -> Vec<u8> {
    let key = |mask: [u8; 4], value: [u8; 4], place: i32| {
        [&mask[..], &value, &place.to_ne_bytes(), &[0; 4]].concat()
    };
    let keys = match frames {
        // The bit that says so is the lowest of an address' first byte (IEEE 802).
        Frames::ForMany => vec![key([1, 0, 0, 0], [1, 0, 0, 0], RECEIVER)],
        Frames::For([a, b, c, d, e, f]) => vec![
            key([0xff; 4], [a, b, c, d], RECEIVER),
            key([0xff, 0xff, 0, 0], [e, f, 0, 0], RECEIVER + 4),
        ],
        Frames::Others => vec![key([0; 4], [0; 4], 0)],
    };
    let count = u8::try_from(keys.len()).unwrap_or_default();
    let head = [TC_U32_TERMINAL, 0, count, 0];
    [&head[..], &[0; 12], &keys.concat()].concat()
}

/// The priorities of our filters at a place.
fn ours(route: &mut Route, device: u32, direction: Direction) -> Result<Vec<u16>, Fault> {
    let head = head(device, 0, parent(direction), 0);
    let listed = match route.list(libc::RTM_GETTFILTER, &head) {
        // A device without such a qdisc has no filters.
        Err(fault) if matches!(fault.errno(), Some(Errno::ENOENT | Errno::EINVAL)) => Vec::new(),
        other => other?,
    };
    let mut priorities: Vec<u16> = listed
        .iter()
        .filter(|payload| u32_at(payload, 4) == Some(device))
        .filter(|payload| u32_at(payload, 12) == Some(parent(direction)))
        // Without a kind it is the end of a list.
        .filter(|payload| attributes(payload, 20).any(|(kind, _)| kind == TCA_KIND))
        .filter_map(|payload| u16::try_from(u32_at(payload, 16)? >> 16).ok())
        .filter(|priority| *priority >= FIRST)
        .collect();
    priorities.sort_unstable();
    priorities.dedup();
    Ok(priorities)
}

/// Whether a place has filters of ours.
pub(crate) fn any(route: &mut Route, device: u32, direction: Direction) -> Result<bool, Fault> {
    Ok(!ours(route, device, direction)?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_whole_from_where_a_frame_begins() {
        let bytes = selector(Frames::For([0, 0x16, 0x3e, 1, 2, 3]));
        assert_eq!(bytes.len(), 16 + 2 * 16);
        assert_eq!(bytes[..4], [TC_U32_TERMINAL, 0, 2, 0]);
        assert_eq!(bytes[16..24], [0xff, 0xff, 0xff, 0xff, 0, 0x16, 0x3e, 1]);
        assert_eq!(bytes[32..40], [0xff, 0xff, 0, 0, 2, 3, 0, 0]);
        assert_eq!(bytes[40..44], (-10_i32).to_ne_bytes());
    }
}
