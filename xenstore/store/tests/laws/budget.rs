//! The token bucket as callers meet it: they wait, exactly as long as they must, and in order.

use std::time::Duration;

use xenstore_bucket::Rates;
use xenstore_store::{Limits, Outcome, Quota};

use crate::dialogue::Dialogue;

/// Ten operations a second, twenty at once, twenty for a transaction.
fn dialogue() -> Dialogue {
    let rates = Rates::new(10, 20, 20).expect("rates that make sense");
    Dialogue::new(Limits { rates, quota: Quota::default() })
}

const TENTH: Duration = Duration::from_millis(100);

fn waits(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Outcome::Waiting(wait) => Some(*wait),
        Outcome::Answered(_) | Outcome::Introduce(_) | Outcome::Process(_) | Outcome::Ended => None,
    }
}

#[test]
fn an_operation_takes_one_token_whatever_comes_of_it() {
    let mut dialogue = dialogue();
    for request in ["READ /|", "READ nonsense", "99999", "RESTRICT 5|", "CONTROL check|"] {
        for _ in 0..4 {
            assert_eq!(waits(&dialogue.ask("dom5", 0, request)), None);
        }
    }
    assert_eq!(waits(&dialogue.ask("dom5", 0, "READ /|")), Some(TENTH));
}

#[test]
fn opening_a_transaction_takes_twenty() {
    let mut dialogue = dialogue();
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    assert_eq!(waits(&dialogue.ask("dom5", 1, "READ /|")), Some(TENTH));
    assert_eq!(waits(&dialogue.ask("dom5", 0, "TRANSACTION_START |")), Some(20 * TENTH));
    dialogue.now = 20 * TENTH;
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "2|");
}

#[test]
fn a_refused_transaction_has_been_paid_for() {
    let mut dialogue = dialogue();
    assert_eq!(dialogue.ask("dom5", 99, "TRANSACTION_START |"), {
        use xenstore_store::Answer;
        use xenstore_wire::{ErrorCode, Reply};
        let reply = Reply::Error(ErrorCode::Enoent);
        Outcome::Answered(Answer { reply, notices: vec![], ended: vec![] })
    });
    assert_eq!(waits(&dialogue.ask("dom5", 0, "READ /|")), Some(TENTH));
}

#[test]
fn the_answer_comes_exactly_when_the_token_does() {
    let mut dialogue = dialogue();
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    dialogue.now = TENTH - Duration::from_nanos(1);
    let rest = Some(Duration::from_nanos(1));
    assert_eq!(waits(&dialogue.ask("dom5", 0, "READ /|")), rest);
    dialogue.now = TENTH;
    assert_eq!(dialogue.reply("dom5", "READ /|"), "EACCES");
}

#[test]
fn all_connections_of_a_domain_share_one_bucket() {
    let mut dialogue = dialogue();
    assert_eq!(dialogue.reply("dom0.qemu", "RESTRICT 5|"), "OK|");
    for _ in 0..10 {
        assert_eq!(dialogue.reply("dom5", "READ /|"), "EACCES");
        assert_eq!(dialogue.reply("dom0.qemu", "READ /|"), "EACCES");
    }
    assert_eq!(waits(&dialogue.ask("dom5", 0, "READ /|")), Some(TENTH));
    assert_eq!(waits(&dialogue.ask("dom0.qemu", 0, "READ /|")), Some(TENTH));
    assert_eq!(dialogue.reply("dom6", "READ /|"), "EACCES");
}

#[test]
fn dom0_never_waits() {
    let mut dialogue = dialogue();
    for _ in 0..1000 {
        assert_eq!(dialogue.reply("dom0", "READ /tool|"), "");
    }
}

#[test]
fn a_new_connection_of_a_domain_finds_the_bucket_as_the_last_one_left_it() {
    let mut dialogue = dialogue();
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    let gone = dialogue.caller("dom5");
    dialogue.store.disconnect(gone);
    assert_eq!(waits(&dialogue.ask("dom5.again", 0, "READ /|")), Some(TENTH));
}

#[test]
fn the_next_domain_of_the_same_number_inherits_no_debt() {
    let mut dialogue = dialogue();
    assert_eq!(dialogue.reply("dom0", "INTRODUCE 5|1|1|"), "OK|");
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    assert!(waits(&dialogue.ask("dom5", 0, "READ /|")).is_some());
    assert_eq!(dialogue.reply("dom0", "RELEASE 5|"), "OK|");
    assert_eq!(dialogue.ask("dom5", 0, "READ /|"), Outcome::Ended);
    assert_eq!(dialogue.reply("dom0", "INTRODUCE 5|1|1|"), "OK|");
    assert_eq!(dialogue.reply("dom5.next", "TRANSACTION_START |"), "1|");
}
