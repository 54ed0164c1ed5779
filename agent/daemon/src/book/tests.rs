//! The life of records, as scenes.

use super::*;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// A host whose domains come and go.
struct Host {
    book: Book,
    live: BTreeSet<Uuid>,
    boot: Uuid,
    now_ms: u64,
    made: u128,
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

impl Host {
    fn new() -> Self {
        Self::bounded(10_000)
    }

    fn bounded(records_max: usize) -> Self {
        let bounds = Bounds { records_max, keep_untouched_ms: 30 * DAY_MS };
        let book = Book::new(BTreeMap::new(), bounds);
        Self { book, live: BTreeSet::new(), boot: uuid(99), now_ms: 1000, made: 1 << 64 }
    }

    fn start(&mut self, domid: u16, number: u128, name: &str) -> Welcome {
        self.now_ms += 1;
        self.made += 1;
        let newcomer = Newcomer { domid, uuid: uuid(number), name, boot: self.boot };
        let welcome = self.book.welcome(newcomer, &self.live, uuid(self.made), self.now_ms);
        self.book.apply(welcome.changes.clone());
        self.live.insert(welcome.vm);
        welcome
    }

    fn end(&mut self, vm: Uuid) {
        self.now_ms += 1;
        self.live.remove(&vm);
        let changes = self.book.ended(vm, self.now_ms);
        self.book.apply(changes);
    }

    fn register(&mut self, name: &str, number: Option<u128>) -> Result<Uuid, RefusalCode> {
        self.made += 1;
        let (new, uuid) = (uuid(self.made), number.map(uuid));
        let registered = self.book.register(name, uuid, &self.live, new, self.now_ms);
        registered
            .map(|(vm, changes)| {
                self.book.apply(changes);
                vm
            })
            .map_err(|refusal| refusal.code)
    }

    fn set(&mut self, vm: Uuid, map: VmMap, key: &str, value: &str) -> Result<(), RefusalCode> {
        let set = self.book.set_key(vm, map, key, value);
        set.map(|changes| self.book.apply(changes)).map_err(|refusal| refusal.code)
    }

    fn age(&mut self, days: u64) {
        self.now_ms += days * DAY_MS;
        let changes = self.book.age(&self.live, self.now_ms);
        self.book.apply(changes);
    }

    fn names(&self) -> Vec<&str> {
        self.book.records().map(|(_, record)| record.name.as_str()).collect()
    }
}

#[test]
fn a_record_appears_with_its_domain_and_stays_when_it_ends() {
    let mut host = Host::new();
    let welcome = host.start(1, 7, "web");
    assert_eq!((welcome.vm, welcome.wanted, welcome.first), (uuid(7), Wanted::On, true));
    host.end(welcome.vm);
    assert_eq!(host.names(), ["web"]);
}

#[test]
fn a_console_switched_off_while_the_vm_is_halted_is_off_when_it_starts() {
    let mut host = Host::new();
    let vm = host.start(1, 7, "web").vm;
    host.end(vm);
    // The value says no, and still the key is there.
    host.set(vm, VmMap::OtherConfig, "disable_pv_vnc", "0").unwrap();
    assert_eq!(host.start(2, 7, "web").wanted, Wanted::Off);
}

#[test]
fn a_console_switched_off_while_the_vm_runs_is_off_from_its_next_start() {
    let mut host = Host::new();
    let vm = host.start(1, 7, "web").vm;
    host.set(vm, VmMap::OtherConfig, "disable_pv_vnc", "1").unwrap();
    // A new agent sees the same domain.
    host.live.clear();
    let again = host.start(1, 7, "web");
    assert_eq!((again.wanted, again.first), (Wanted::On, false));
    host.end(vm);
    let next = host.start(2, 7, "web");
    assert_eq!((next.wanted, next.first), (Wanted::Off, true));
    // And the other way round.
    let changes = host.book.remove_key(vm, VmMap::OtherConfig, "disable_pv_vnc").unwrap();
    host.book.apply(changes);
    host.live.clear();
    assert_eq!(host.start(2, 7, "web").wanted, Wanted::Off);
}

#[test]
fn the_same_number_after_a_boot_is_another_domain() {
    let mut host = Host::new();
    host.start(1, 7, "web");
    host.live.clear();
    host.boot = uuid(100);
    assert!(host.start(1, 7, "web").first);
}

#[test]
fn a_record_registered_without_a_uuid_waits_for_a_domain_of_its_name() {
    let mut host = Host::new();
    let vm = host.register("web", None).unwrap();
    host.set(vm, VmMap::OtherConfig, "disable_pv_vnc", "1").unwrap();
    let welcome = host.start(1, 50, "web");
    assert_eq!((welcome.vm, welcome.wanted), (vm, Wanted::Off));
    host.end(vm);
    assert_eq!(host.start(2, 51, "web").vm, vm);
}

#[test]
fn a_record_registered_with_a_uuid_waits_for_that_uuid_only() {
    let mut host = Host::new();
    let vm = host.register("web", Some(7)).unwrap();
    assert_ne!(host.start(1, 50, "web").vm, vm);
    assert_eq!(host.start(2, 7, "web").vm, vm);
}

#[test]
fn a_name_whose_uuids_change_ends_up_with_one_record() {
    let mut host = Host::new();
    let first = host.start(1, 50, "web").vm;
    host.end(first);
    // One change may be another VM of that name: it gets a record of its own.
    let second = host.start(2, 51, "web").vm;
    assert_ne!(second, first);
    host.end(second);
    // From then on the name decides.
    for (domid, number) in [(3, 52), (4, 53)] {
        assert_eq!(host.start(domid, number, "web").vm, second);
        host.end(second);
    }
    // Its last uuid is known, too.
    assert_eq!(host.start(5, 53, "other name").vm, second);
}

#[test]
fn two_halted_records_of_one_name_are_taken_over_by_nobody() {
    let mut host = Host::new();
    let first = host.start(1, 50, "web").vm;
    host.end(first);
    let second = host.start(2, 51, "web").vm;
    let third = host.start(3, 52, "web").vm;
    host.end(second);
    host.end(third);
    assert_eq!(host.start(4, 53, "web").vm, uuid(53));
}

#[test]
fn a_live_record_is_taken_over_by_nobody() {
    let mut host = Host::new();
    let vm = host.register("web", None).unwrap();
    host.start(1, 50, "web");
    assert_ne!(host.start(2, 51, "web").vm, vm);
}

#[test]
fn the_record_stays_with_the_first_of_two_domains_of_one_uuid() {
    let mut host = Host::new();
    let vm = host.start(1, 7, "web").vm;
    let second = host.start(2, 7, "web--incoming");
    assert_eq!((second.vm, second.changes), (vm, Vec::new()));
    assert_eq!(host.book.get(vm).unwrap().tie.unwrap().domid, 1);
    assert_eq!(host.names(), ["web"]);
}

#[test]
fn untouched_records_go_thirty_days_after_the_last_sight() {
    let mut host = Host::new();
    let ended = host.start(1, 7, "ended").vm;
    let touched = host.start(2, 8, "touched").vm;
    host.start(3, 9, "running");
    host.register("registered", None).unwrap();
    host.set(touched, VmMap::OtherConfig, "note", "mine").unwrap();
    host.end(ended);
    host.end(touched);
    host.age(29);
    assert_eq!(host.names().len(), 4);
    host.age(2);
    let mut names = host.names();
    names.sort_unstable();
    assert_eq!(names, ["registered", "running", "touched"]);
}

#[test]
fn a_full_book_lets_go_of_the_untouched_record_seen_longest_ago() {
    let mut host = Host::bounded(3);
    let oldest = host.start(1, 1, "oldest").vm;
    let newer = host.start(2, 2, "newer").vm;
    host.end(oldest);
    host.end(newer);
    host.register("mine", None).unwrap();
    host.start(3, 3, "next");
    assert_eq!(host.book.get(oldest), None);
    assert!(host.book.get(newer).is_some());
    assert_eq!(host.book.records().count(), 3);
}

#[test]
fn a_book_full_of_touched_records_refuses_another_and_still_serves_a_domain() {
    let mut host = Host::bounded(2);
    host.register("a", None).unwrap();
    host.register("b", None).unwrap();
    assert_eq!(host.register("c", None), Err(RefusalCode::RecordLimit));
    let vm = host.start(1, 7, "d").vm;
    assert!(host.book.get(vm).is_some());
    host.end(vm);
    assert_eq!(host.book.get(vm), None);
}

#[test]
fn a_name_or_uuid_is_registered_once() {
    let mut host = Host::new();
    host.register("web", Some(7)).unwrap();
    assert_eq!(host.register("web", None), Err(RefusalCode::Exists));
    assert_eq!(host.register("other", Some(7)), Err(RefusalCode::Exists));
    assert_eq!(host.register("", None), Err(RefusalCode::Malformed));
    assert_eq!(host.register("a\nb", None), Err(RefusalCode::Malformed));
    assert_eq!(host.register(&"a".repeat(256), None), Err(RefusalCode::TooLong));
    assert_eq!(host.register("nil", Some(0)), Err(RefusalCode::Malformed));
}

#[test]
fn a_running_vm_is_neither_forgotten_nor_renamed() {
    let mut host = Host::new();
    let vm = host.start(1, 7, "web").vm;
    let refused = host.book.forget(vm, &host.live).unwrap_err();
    assert_eq!(refused.code, RefusalCode::Running);
    assert_eq!(host.book.rename(vm, "x", &host.live).unwrap_err().code, RefusalCode::Running);
    host.end(vm);
    let changes = host.book.rename(vm, "x", &host.live).unwrap();
    host.book.apply(changes);
    assert_eq!(host.names(), ["x"]);
    let changes = host.book.forget(vm, &host.live).unwrap();
    host.book.apply(changes);
    assert!(host.names().is_empty());
    assert_eq!(host.book.forget(vm, &host.live).unwrap_err().code, RefusalCode::UnknownVm);
}

#[test]
fn keys_values_and_maps_are_bounded() {
    let mut host = Host::new();
    let vm = host.register("web", None).unwrap();
    let map = VmMap::XenstoreData;
    assert_eq!(host.set(vm, map, "", "v"), Err(RefusalCode::Malformed));
    assert_eq!(host.set(vm, map, &"k".repeat(KEY_MAX + 1), ""), Err(RefusalCode::TooLong));
    assert_eq!(host.set(vm, map, "k", &"v".repeat(VALUE_MAX + 1)), Err(RefusalCode::TooLong));
    let value = "v".repeat(VALUE_MAX);
    let fitting = (0..1000).take_while(|n| host.set(vm, map, &n.to_string(), &value).is_ok());
    assert_eq!(fitting.count(), MAP_BYTES_MAX / (VALUE_MAX + 3));
    let other = VmMap::OtherConfig;
    let fitting = (0..2000).take_while(|n| host.set(vm, other, &n.to_string(), "").is_ok());
    assert_eq!(fitting.count(), MAP_KEYS_MAX);
    assert_eq!(host.set(uuid(1), map, "k", "v"), Err(RefusalCode::UnknownVm));
}

#[test]
fn the_control_domain_has_one_record_whatever_its_uuid() {
    let mut host = Host::new();
    let vm = host.start(0, 0, "Control domain on host: a").vm;
    assert!(!vm.is_nil());
    assert!(host.book.get(vm).unwrap().is_control_domain);
    host.live.clear();
    assert_eq!(host.start(0, 12, "Control domain on host: b").vm, vm);
    host.age(400);
    assert_eq!(host.names(), ["Control domain on host: b"]);
}

#[test]
fn a_network_interfaces_keys_outlive_the_domain_that_had_it() {
    let mut host = Host::new();
    let vm = host.start(1, 7, "web").vm;
    let vif = |bridge: &str| Vif {
        mac: Some([0, 0x16, 0x3e, 0, 0, 7]),
        bridge: Some(bridge.to_owned()),
        is_connected: false,
    };
    let seen = [(0, vif("xenbr0"))].into();
    let changes = host.book.see_vifs(vm, &seen);
    host.book.apply(changes);
    assert_eq!(host.book.see_vifs(vm, &seen), [], "what is known changes nothing");
    let change = |host: &mut Host, devid, key: &str, value: Option<&str>| {
        let changes = host.book.change_vif_key(vm, devid, key, value.map(str::to_owned));
        changes.map(|changes| host.book.apply(changes)).map_err(|refusal| refusal.code)
    };
    assert_eq!(change(&mut host, 0, "ethtool-tx", Some("off")), Ok(()));
    assert_eq!(change(&mut host, 1, "ethtool-tx", Some("off")), Err(RefusalCode::UnknownNic));
    assert_eq!(change(&mut host, 0, "", Some("off")), Err(RefusalCode::Malformed));
    assert_eq!(change(&mut host, 0, "a", Some(&"x".repeat(5000))), Err(RefusalCode::TooLong));

    // It ends, one interface after the other, and comes again at another bridge.
    let changes = host.book.see_vifs(vm, &BTreeMap::new());
    host.book.apply(changes);
    host.end(vm);
    assert_eq!(host.start(2, 7, "web").vm, vm);
    let changes = host.book.see_vifs(vm, &[(0, vif("xenbr1"))].into());
    host.book.apply(changes);
    let kept = &host.book.get(vm).unwrap().vifs[&0];
    assert_eq!(kept.other_config["ethtool-tx"], "off");
    assert_eq!(kept.network.as_deref(), Some("xenbr1"));
    assert_eq!(change(&mut host, 0, "ethtool-tx", None), Ok(()));
    assert!(host.book.get(vm).unwrap().vifs[&0].other_config.is_empty());
}

#[test]
fn a_network_interface_may_have_keys_before_it_is_plugged_and_there_are_not_too_many() {
    let mut host = Host::new();
    let vm = host.register("web", Some(7)).unwrap();
    for devid in 0..=u16::try_from(VIFS_MAX).unwrap() {
        let added = host.book.add_vif(vm, devid).map(|changes| host.book.apply(changes));
        assert_eq!(added.is_ok(), usize::from(devid) < VIFS_MAX, "{devid}");
    }
    assert_eq!(host.book.add_vif(vm, 0), Ok(Vec::new()));
    let seen = [(300, Vif::default())].into();
    assert_eq!(host.book.see_vifs(vm, &seen), [], "nor by being seen");
}
