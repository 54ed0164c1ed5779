//! Every key on every kind of device, on and off, as its judge sees it.

use xenwarden_nic::{Duplex, Key, Offload, Reason, Setting};

use crate::world::{in_own_network, ip, judged, judged_mtu_max};

/// Devices of every kind that a namespace may have, by the names that they have on a Xen host.
fn make_devices() -> [&'static str; 4] {
    ip("link add vif7.0 type veth peer name eth0");
    ip("tuntap add tap7.0 mode tap");
    ip("link add xenbr0 type bridge");
    ip("link add link vif7.0 name pub0 type macvlan");
    ["vif7.0", "tap7.0", "xenbr0", "pub0"]
}

fn settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    for on in [true, false, true] {
        settings.extend(Offload::ALL.map(|offload| Setting::Offload(offload, on)));
        settings.extend([Setting::Autoneg(on), Setting::Promiscuous(on)]);
    }
    settings.extend([10, 100, 1000, 2500].map(Setting::Speed));
    settings.extend([Duplex::Half, Duplex::Full].map(Setting::Duplex));
    settings.extend([68, 1280, 9000, 70_000, 4_000_000].map(Setting::Mtu));
    settings.push(Setting::Advertise(0x20));
    settings
}

#[test]
fn what_is_told_of_every_key_is_what_the_judges_see_on_every_device() {
    in_own_network(|world| {
        let (mut done, mut refused) = (0, 0);
        for name in make_devices() {
            for setting in settings() {
                let key = setting.key();
                let line = world.apply(name, &[setting]).remove(&key).expect("a line");
                let told = format!("{name} {} {setting}: {line:?}", key.name());
                let judge = judged(name, key);
                // Guests' devices are mirrored to, and their own flag is left alone.
                if key == Key::Promiscuous && name != "xenbr0" && name != "pub0" {
                    assert_eq!(judge.as_deref(), Some("off"), "{told}");
                    continue;
                }
                if let Some(seen) = &judge {
                    assert_eq!(line.active.as_ref(), Some(seen), "{told}");
                    assert_eq!(line.reason.is_none(), *seen == setting.to_string(), "{told}");
                }
                match line.reason {
                    None => done += 1,
                    Some(_) => refused += 1,
                }
            }
        }
        assert!(done > 60 && refused > 30, "{done} done, {refused} refused: the table has both");
    });
}

#[test]
fn a_veth_does_as_it_is_told_and_says_what_it_cannot() {
    in_own_network(|world| {
        make_devices();
        for offload in [Offload::Rx, Offload::Tx, Offload::Sg, Offload::Gso, Offload::Gro] {
            for on in [false, true] {
                let lines = world.apply("vif7.0", &[Setting::Offload(offload, on)]);
                assert_eq!(lines[&Key::Offload(offload)].reason, None, "{offload:?} {on}");
            }
        }
        let reason = |lines: &std::collections::BTreeMap<Key, xenwarden_nic::Line>, key| {
            lines[&key].reason.clone()
        };
        let (gso, lro, ufo) =
            (Key::Offload(Offload::Gso), Key::Offload(Offload::Lro), Key::Offload(Offload::Ufo));
        let lines = world.apply(
            "vif7.0",
            &[
                Setting::Offload(Offload::Sg, false),
                Setting::Offload(Offload::Gso, true),
                Setting::Offload(Offload::Lro, true),
                Setting::Offload(Offload::Ufo, true),
                Setting::Speed(100),
            ],
        );
        assert_eq!(reason(&lines, gso), Some(Reason::Needs(Key::Offload(Offload::Sg))));
        assert_eq!(reason(&lines, lro), Some(Reason::Fixed));
        assert_eq!(reason(&lines, ufo), Some(Reason::Unsupported));
        assert_eq!(reason(&lines, Key::Speed), Some(Reason::Unsupported));
        let lines = world.apply("vif7.0", &[Setting::Offload(Offload::Ufo, false)]);
        assert_eq!(reason(&lines, ufo), None, "what a device has nothing of is off");
    });
}

#[test]
fn one_key_that_is_refused_stops_no_other() {
    in_own_network(|world| {
        make_devices();
        let lines = world.apply(
            "tap7.0",
            &[
                Setting::Offload(Offload::Rx, true),
                Setting::Offload(Offload::Sg, false),
                Setting::Mtu(70_000),
                Setting::Speed(100),
                Setting::Duplex(Duplex::Half),
                Setting::Autoneg(false),
            ],
        );
        assert_eq!(lines[&Key::Offload(Offload::Rx)].reason, Some(Reason::Fixed));
        assert_eq!(lines[&Key::Offload(Offload::Sg)].reason, None);
        assert!(matches!(lines[&Key::Mtu].reason, Some(Reason::AboveMaximum(_))), "{lines:?}");
        for (key, seen) in [(Key::Speed, "100"), (Key::Duplex, "half"), (Key::Autoneg, "off")] {
            assert_eq!(lines[&key].reason, None, "{lines:?}");
            assert_eq!(judged("tap7.0", key).as_deref(), Some(seen));
        }
    });
}

#[test]
fn an_mtu_that_is_too_large_is_refused_with_the_devices_maximum() {
    in_own_network(|world| {
        make_devices();
        let max = judged_mtu_max("vif7.0").expect("ip tells the maximum");
        assert_eq!(world.apply("vif7.0", &[Setting::Mtu(max)])[&Key::Mtu].reason, None);
        let lines = world.apply("vif7.0", &[Setting::Mtu(max + 1)]);
        assert_eq!(lines[&Key::Mtu].reason, Some(Reason::AboveMaximum(max)));
        assert_eq!(lines[&Key::Mtu].active, judged("vif7.0", Key::Mtu));
    });
}

#[test]
fn a_device_that_has_gone_is_an_error_and_no_panic() {
    in_own_network(|world| {
        make_devices();
        let link = world.link("tap7.0");
        ip("link del tap7.0");
        let wanted = settings().into_iter().collect();
        let failures = world.devices.apply(&link, &wanted);
        assert!(
            failures.contains_key(&Key::Mtu) && failures.contains_key(&Key::Offload(Offload::Tx))
        );
        assert!(world.devices.read(&link).is_err());
    });
}
