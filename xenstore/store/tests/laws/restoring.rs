//! Whatever happened to a store, what was written down of it leads to the same store again; and what
//! makes no sense is refused, whatever it is.

use std::time::Duration;

use proptest::prelude::*;
use xenstore_store::{Caller, ConnectionId, Introduction, Life, Limits, Outcome, Store, Way};
use xenstore_wire::{DomainId, Message, Operation, TransactionId};

/// Requests, with `|` for NUL; `@N` stands for an open transaction's number.
const REQUESTS: &[&str] = &[
    "WRITE /a/b/c|one",
    "WRITE /a/b|two",
    "WRITE /a|",
    "WRITE data/x|three",
    "MKDIR /local/domain/5/data|",
    "MKDIR /local/domain/6/data|",
    "RM /a|",
    "RM /a/b|",
    "RM /local/domain/5|",
    "SET_PERMS /a|n0|r5|b6|",
    "SET_PERMS /a/b|b5|r6|",
    "SET_PERMS /local/domain/5|n5|",
    "SET_PERMS /local/domain/6|n6|r5|",
    "SET_PERMS /|n0|w6|",
    "SET_PERMS @releaseDomain|n0|r5|",
    "WATCH /a|token|",
    "WATCH /a|token|2|",
    "WATCH data|relative|",
    "WATCH @releaseDomain|t|",
    "WATCH @introduceDomain|t|1|",
    "UNWATCH /a|token|",
    "UNWATCH data|relative|",
    "RESET_WATCHES |",
    "TRANSACTION_START |",
    "TRANSACTION_END T|",
    "TRANSACTION_END F|",
    "READ /a|",
    "INTRODUCE 5|1|3|",
    "INTRODUCE 6|1|3|",
    "RELEASE 5|",
    "RESUME 6|",
    "SET_TARGET 5|6|",
    "SET_FEATURE 7|3|",
    "SET_QUOTA 6|nodes|7|",
    "SET_QUOTA watches|9|",
    "RESTRICT 5|",
    "CONTROL rate|set|burst|300|",
];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Connect(u16),
    Leave(usize),
    Ask { who: usize, within: u32, request: &'static str },
    Die(u16, u128),
    Pass(u64),
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop::sample::select(vec![0_u16, 0, 5, 6]).prop_map(Step::Connect),
        1 => (0..8_usize).prop_map(Step::Leave),
        20 => (0..8_usize, 0..3_u32, prop::sample::select(REQUESTS))
            .prop_map(|(who, within, request)| Step::Ask { who, within, request }),
        1 => (5..7_u16, 0..3_u128).prop_map(|(domain, identity)| Step::Die(domain, identity)),
        2 => (0..2_000_000_000_u64).prop_map(Step::Pass),
    ]
}

fn domain(number: u16) -> DomainId {
    DomainId::new(number).expect("a domain's number")
}

pub(crate) fn message(request: &str, within: u32) -> Message {
    let (operation, payload) = request.split_once(' ').expect("an operation and a payload");
    let known = Operation::ALL.iter().find(|known| known.name() == operation);
    Message {
        number: known.expect("an operation's name").number(),
        request_id: 1,
        transaction: TransactionId(if operation == "TRANSACTION_START" { 0 } else { within }),
        payload: payload.replace('|', "\0").into_bytes(),
    }
}

pub(crate) fn take(
    store: &mut Store,
    clients: &mut Vec<ConnectionId>,
    step: &Step,
    now: &mut Duration,
) {
    match step {
        Step::Connect(0) => clients.push(store.connect(Caller::Dom0, Way::Socket, *now)),
        Step::Connect(number) => {
            clients.push(store.connect(Caller::Domain(domain(*number)), Way::Ring, *now));
        }
        Step::Leave(who) if *who < clients.len() => store.disconnect(clients.remove(*who)),
        Step::Leave(_) => (),
        Step::Ask { who, within, request } => {
            let Some(from) = clients.get(*who) else { return };
            match store.handle(*from, &message(request, *within), *now) {
                Outcome::Introduce(Introduction { domain, port }) => {
                    store.introduce(Introduction { domain, port }, *now);
                }
                Outcome::Waiting(_)
                | Outcome::Answered(_)
                | Outcome::Process(_)
                | Outcome::Ended => (),
            }
        }
        Step::Die(number, 0) => {
            store.hear_of_lives(&[(domain(*number), Life::Gone)]);
        }
        Step::Die(number, identity) => {
            store.hear_of_lives(&[(domain(*number), Life::ShutDown(*identity))]);
        }
        Step::Pass(nanoseconds) => *now += Duration::from_nanos(*nanoseconds),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_store_that_goes_on_from_a_journal_is_as_the_one_that_wrote_it(
        before in prop::collection::vec(any_step(), 0..60),
        after in prop::collection::vec(any_step(), 0..120),
    ) {
        let mut store = Store::new(Limits::default());
        let (mut clients, mut now) = (vec![], Duration::ZERO);
        clients.push(store.connect(Caller::Dom0, Way::Socket, now));
        for step in &before {
            take(&mut store, &mut clients, step, &mut now);
        }
        let mut records = store.image();
        store.keep_journal();
        for step in &after {
            take(&mut store, &mut clients, step, &mut now);
            records.extend(store.take_journal());
            clients.retain(|client| store.caller(*client).is_some());
        }
        let restored = Store::restore(&records, 1).expect("it wrote it itself");
        prop_assert_eq!(restored.image(), store.image());
        let again = Store::restore(&restored.image(), 2).expect("it wrote it itself");
        prop_assert_eq!(again.image(), store.image());
    }

    #[test]
    fn no_bytes_bring_the_reader_down(
        steps in prop::collection::vec(any_step(), 0..60),
        spoiled in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut store = Store::new(Limits::default());
        let (mut clients, mut now) = (vec![], Duration::ZERO);
        clients.push(store.connect(Caller::Dom0, Way::Socket, now));
        for step in &steps {
            take(&mut store, &mut clients, step, &mut now);
        }
        let mut records = store.image();
        for (at, byte) in &spoiled {
            let at = at.index(records.len());
            records[at] = *byte;
        }
        records.truncate(cut.index(records.len() + 1));
        let _ = Store::restore(&records, 1);
        let _ = Store::restore(&noise, 1);
    }
}

#[test]
fn a_transaction_that_was_open_goes_on_and_ends_in_a_conflict() {
    let mut store = Store::new(Limits::default());
    let client = store.connect(Caller::Dom0, Way::Socket, Duration::ZERO);
    store.handle(client, &message("TRANSACTION_START |", 0), Duration::ZERO);
    store.handle(client, &message("WRITE /a|1", 1), Duration::ZERO);
    let mut next = Store::restore(&store.image(), 1).expect("it wrote it itself");
    let asked = [("READ /a|", 0), ("WRITE /a|1", 1), ("TRANSACTION_END T|", 1), ("READ /a|", 0)];
    let answers = asked.map(|(request, within)| {
        match next.handle(client, &message(request, within), Duration::ZERO) {
            Outcome::Answered(answer) => format!("{:?}", answer.reply),
            other => format!("{other:?}"),
        }
    });
    assert_eq!(answers, ["Error(Enoent)", "Done(Write)", "Error(Eagain)", "Error(Enoent)"]);
}

#[test]
fn refuses_a_record_that_was_cut_and_says_where() {
    let image = Store::new(Limits::default()).image();
    let refused = Store::restore(&image[..image.len() - 1], 1);
    assert!(refused.is_err_and(|refused| refused.at > 0 && refused.at < image.len()));
}

#[test]
fn refuses_a_number_of_connections_that_would_begin_again_at_nought() {
    const LAST_CONNECTION: u8 = 14;
    let record = |number: u64| {
        let mut record = vec![LAST_CONNECTION, 8, 0, 0, 0];
        record.extend(number.to_le_bytes());
        record
    };
    assert!(Store::restore(&record(u64::MAX), 1).is_err());
    let mut next = Store::restore(&record(1 << 40), 1).expect("many, but no more than can be");
    assert!(next.connect(Caller::Dom0, Way::Socket, Duration::ZERO).number() > 1 << 40);
}
