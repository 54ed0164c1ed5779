//! Every Xen security advisory about xenstore daemons that a socket client could repeat, as a test
//! that bears its number.
//!
//! Those about bytes are elsewhere: 420 with the decoder, 324 with the server's output, 326 (replies
//! and events that nobody reads) and 206 with the program.

use xenstore_bucket::Rates;
use xenstore_store::{Limits, Outcome, Quota};

use crate::dialogue::Dialogue;

/// A store whose bucket is no hindrance, with homes for domains 5 and 6.
fn dialogue() -> Dialogue {
    dialogue_with(Quota::default())
}

fn dialogue_with(quota: Quota) -> Dialogue {
    let rates = Rates::new(1_000_000_000, 1_000_000_000, 1).expect("rates that make sense");
    let mut dialogue = Dialogue::new(Limits { quota, rates });
    for number in [5, 6] {
        introduce(&mut dialogue, number);
    }
    dialogue
}

fn introduce(dialogue: &mut Dialogue, number: u16) {
    for request in [
        format!("MKDIR /local/domain/{number}|"),
        format!("SET_PERMS /local/domain/{number}|n{number}|"),
        format!("INTRODUCE {number}|1|{number}|"),
    ] {
        assert_eq!(dialogue.reply("dom0", &request), "OK|");
    }
}

#[test]
fn xsa_72_a_list_that_does_not_fit_one_reply_is_too_big() {
    let mut dialogue = dialogue();
    // Names of 63 bytes, each with a NUL: 64 of them fill a reply to its last byte.
    let name = "n".repeat(61);
    for number in 10..74 {
        dialogue.say("dom0", &format!("MKDIR /wide/{name}{number}|"));
    }
    assert_eq!(dialogue.reply("dom0", "DIRECTORY /wide|").len(), 4096);
    dialogue.say("dom0", "MKDIR /wide/z|");
    assert_eq!(dialogue.reply("dom0", "DIRECTORY /wide|"), "E2BIG");
    dialogue.say("dom0", "RM /wide/z|");
    assert_eq!(dialogue.reply("dom0", "DIRECTORY /wide|").len(), 4096);
}

#[test]
fn xsa_72_a_list_that_does_not_fit_comes_in_parts_that_make_the_whole() {
    let mut dialogue = dialogue();
    let names: Vec<String> = (0..2000).map(|number| format!("child{number:05}")).collect();
    for name in &names {
        dialogue.say("dom0", &format!("MKDIR /wide/{name}|"));
    }
    let mut listed = String::new();
    loop {
        let reply = dialogue.reply("dom0", &format!("DIRECTORY_PART /wide|{}|", listed.len()));
        assert!(reply.len() <= 4096);
        let (_, part) = reply.split_once('|').expect("a generation");
        match part.strip_suffix("||").or((part == "|").then_some("")) {
            Some("") => break,
            Some(last) => {
                listed.push_str(last);
                listed.push('|');
                break;
            }
            None => listed.push_str(part),
        }
    }
    let listed: Vec<&str> = listed.split_terminator('|').collect();
    assert_eq!(listed, names);
}

#[test]
fn xsa_115_nobody_hears_of_nodes_that_it_may_not_read() {
    let mut dialogue = dialogue();
    for name in ["/", "/local/domain/6", "/new", "@introduceDomain", "@releaseDomain"] {
        assert_eq!(dialogue.reply("dom5", &format!("WATCH {name}|t|")), "OK|");
    }
    for request in [
        "WRITE /local/domain/6/x|1",
        "WRITE /new/y|1",
        "SET_PERMS /new|n0|r6|",
        "RM /new|",
        "RM /local/domain/6|",
        "INTRODUCE 7|1|1|",
        "RELEASE 7|",
    ] {
        assert_eq!(dialogue.say("dom0", request).notices, Vec::<String>::new(), "{request}");
    }
    assert_eq!(dialogue.reply("dom5", "IS_DOMAIN_INTRODUCED 6|"), "EACCES");
}

#[test]
fn xsa_115_taking_away_the_right_to_read_is_the_last_thing_heard() {
    let mut dialogue = dialogue();
    dialogue.say("dom0", "WRITE /n|1");
    dialogue.say("dom0", "SET_PERMS /n|n0|r5|");
    dialogue.say("dom5", "WATCH /n|t|");
    assert_eq!(dialogue.say("dom0", "SET_PERMS /n|n0|").notices, ["dom5 /n|t|"]);
    assert!(dialogue.say("dom0", "WRITE /n|2").notices.is_empty());
}

#[test]
fn xsa_272_the_quota_is_exact() {
    let mut dialogue = dialogue_with(Quota { nodes: 10, ..Quota::default() });
    // The home is the domain's too.
    for number in 1..10 {
        assert_eq!(dialogue.reply("dom5", &format!("WRITE n{number}|x")), "OK|");
    }
    assert_eq!(dialogue.reply("dom5", "WRITE n10|x"), "ENOSPC");
    assert_eq!(dialogue.reply("dom5", "WRITE n1|again"), "OK|");
    assert_eq!(dialogue.reply("dom5", "RM n1|"), "OK|");
    assert_eq!(dialogue.reply("dom5", "WRITE a/b|x"), "ENOSPC");
    assert_eq!(dialogue.reply("dom5", "MKDIR n10|"), "OK|");
}

#[test]
fn every_quota_of_n_allows_n() {
    let quota =
        Quota { watches: 3, transactions: 2, node_size: 8, permissions: 2, ..Quota::default() };
    let mut dialogue = dialogue_with(quota);
    for (number, reply) in [(1, "OK|"), (2, "OK|"), (3, "OK|"), (4, "ENOSPC")] {
        assert_eq!(dialogue.reply("dom5", &format!("WATCH x|{number}|")), reply);
    }
    for reply in ["1|", "2|", "ENOSPC"] {
        assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), reply);
    }
    assert_eq!(dialogue.reply("dom5", "WRITE x|12345678"), "OK|");
    assert_eq!(dialogue.reply("dom5", "WRITE x|123456789"), "ENOSPC");
    assert_eq!(dialogue.reply("dom5", "SET_PERMS x|n5|r6|"), "OK|");
    assert_eq!(dialogue.reply("dom5", "SET_PERMS x|n5|r6|r7|"), "ENOSPC");
    assert_eq!(dialogue.reply("dom0", "WRITE /y|123456789"), "OK|");
}

#[test]
fn xsa_322_the_next_domain_of_a_number_has_no_rights_of_the_last() {
    let mut dialogue = dialogue();
    dialogue.say("dom0", "WRITE /granted|1");
    dialogue.say("dom0", "SET_PERMS /granted|n0|r6|");
    dialogue.say("dom0", "SET_PERMS @introduceDomain|n0|r6|");
    dialogue.say("dom0", "SET_PERMS @releaseDomain|n6|");
    assert_eq!(dialogue.reply("dom6", "READ /granted|"), "1");
    assert_eq!(dialogue.reply("dom0", "RELEASE 6|"), "OK|");
    assert_eq!(dialogue.ask("dom6", 0, "READ /granted|"), Outcome::Ended);
    introduce(&mut dialogue, 6);
    assert_eq!(dialogue.reply("dom6.next", "READ /granted|"), "EACCES");
    assert_eq!(dialogue.reply("dom6.next", "GET_PERMS @introduceDomain|"), "EACCES");
    assert_eq!(dialogue.reply("dom6.next", "GET_PERMS @releaseDomain|"), "EACCES");
}

#[test]
fn xsa_323_what_a_domain_can_make_dom0_can_remove() {
    let mut dialogue = dialogue();
    let longest = ["a"; 1024].join("/") + "b";
    assert_eq!(longest.len(), 2048);
    let quota = Quota { nodes: 2000, ..Quota::default() };
    let mut roomy = dialogue_with(quota);
    assert_eq!(roomy.reply("dom5", &format!("WRITE {longest}|x")), "OK|");
    assert_eq!(roomy.reply("dom0", &format!("READ /local/domain/5/{longest}|")), "x");
    assert_eq!(roomy.reply("dom0", "RM /local/domain/5/a|"), "OK|");
    assert_eq!(dialogue.reply("dom5", &format!("WRITE {longest}b|x")), "EINVAL");
    let absolute = format!("/local/domain/5/{longest}b");
    assert_eq!(dialogue.reply("dom5", &format!("WRITE {absolute}|x")), "EINVAL");
}

#[test]
fn xsa_326_a_transaction_keeps_a_bounded_record() {
    let quota = Quota { memory: 64 << 10, ..Quota::default() };
    let mut dialogue = dialogue_with(quota);
    let value = "v".repeat(2000);
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    let mut done = 0;
    while dialogue.say_in("dom5", 1, &format!("WRITE x|{value}")).reply == "OK|" {
        done += 1;
        assert!(done < 40, "the record grows without end");
    }
    assert!(done > 20);
    assert_eq!(dialogue.say_in("dom5", 1, "READ x|").reply, "ENOSPC");
    assert_eq!(dialogue.say_in("dom5", 1, "TRANSACTION_END T|").reply, "OK|");
    assert_eq!(dialogue.reply("dom5", "READ x|"), value);
}

#[test]
fn xsa_326_a_transaction_looks_at_a_bounded_number_of_nodes() {
    let mut dialogue = dialogue_with(Quota { transaction_nodes: 3, ..Quota::default() });
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    for (request, reply) in [
        ("READ a|", "ENOENT"),
        ("WRITE b|1", "OK|"),
        ("DIRECTORY c|", "ENOENT"),
        ("READ d|", "ENOSPC"),
        ("READ b|", "1"),
        ("READ a|", "ENOENT"),
    ] {
        assert_eq!(dialogue.say_in("dom5", 1, request).reply, reply, "{request}");
    }
    assert_eq!(dialogue.say_in("dom5", 1, "TRANSACTION_END T|").reply, "OK|");
}

#[test]
fn xsa_326_nodes_watches_and_transactions_share_a_bounded_memory() {
    let quota = Quota { memory: 64 << 10, watches: 1000, ..Quota::default() };
    let value = "v".repeat(2000);
    let token = "t".repeat(2000);
    // Whatever it is filled with, it is full for everything that grows, and for nothing that shrinks.
    let fillings: [(&str, &dyn Fn(usize) -> String); 2] = [
        ("nodes", &|number| format!("WRITE n{number}|{value}")),
        ("watches", &|number| format!("WATCH n{number}|{token}|")),
    ];
    for (what, filling) in fillings {
        let mut dialogue = dialogue_with(quota);
        assert_eq!(dialogue.reply("dom5", "WRITE small|1"), "OK|");
        let mut held = 0;
        while dialogue.reply("dom5", &filling(held)) == "OK|" {
            held += 1;
            assert!(held < 40, "{what} grow without end");
        }
        assert!(held > 10, "{held} {what}");
        assert_eq!(dialogue.reply("dom5", &format!("WRITE small|{value}")), "ENOSPC");
        assert_eq!(dialogue.reply("dom5", &format!("WATCH one|{token}|")), "ENOSPC");
        assert_eq!(dialogue.reply("dom5", "WRITE small|"), "OK|");
        assert_eq!(dialogue.reply("dom5", "RESET_WATCHES |"), "OK|");
        assert_eq!(dialogue.reply("dom5", "RM n0|"), "OK|");
        assert_eq!(dialogue.reply("dom5", &format!("WRITE small|{value}")), "OK|");
        assert_eq!(dialogue.reply("dom6", &format!("WRITE small|{value}")), "OK|");
        assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
    }
}

#[test]
fn xsa_330_resetting_watches_gives_the_quota_back_and_they_never_fire() {
    let mut dialogue = dialogue();
    for _ in 0..10 {
        for number in 0..128 {
            assert_eq!(dialogue.reply("dom5", &format!("WATCH x|{number}|")), "OK|");
        }
        assert_eq!(dialogue.reply("dom5", "WATCH x|more|"), "ENOSPC");
        assert_eq!(dialogue.reply("dom5", "RESET_WATCHES |"), "OK|");
        assert!(dialogue.say("dom5", "WRITE x|1").notices.is_empty());
    }
}

#[test]
fn xsa_352_a_domain_gives_nothing_away() {
    let mut dialogue = dialogue();
    dialogue.say("dom5", "WRITE x|1");
    assert_eq!(dialogue.reply("dom5", "SET_PERMS x|n0|"), "EPERM");
    assert_eq!(dialogue.reply("dom5", "SET_PERMS x|n6|b5|"), "EPERM");
    assert_eq!(dialogue.reply("dom5", "GET_PERMS x|"), "n5|");
}

#[test]
fn xsa_353_the_root_is_not_for_domains() {
    let mut dialogue = dialogue();
    for request in
        ["READ /|", "DIRECTORY /|", "WRITE /|x", "SET_PERMS /|n5|", "RM /|", "GET_PERMS /|"]
    {
        assert_eq!(dialogue.reply("dom5", request), "EACCES", "{request}");
    }
}

#[test]
fn xsa_414_and_415_what_fails_half_way_leaves_nothing() {
    let mut dialogue = dialogue_with(Quota { nodes: 4, ..Quota::default() });
    assert_eq!(dialogue.reply("dom5", "WRITE a/b/c/d|x"), "ENOSPC");
    assert_eq!(dialogue.reply("dom5", "READ a|"), "ENOENT");
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    assert_eq!(dialogue.say_in("dom5", 1, "WRITE a/b/c/d|x").reply, "ENOSPC");
    assert_eq!(dialogue.say_in("dom5", 1, "WRITE a/b|x").reply, "OK|");
    assert_eq!(dialogue.say_in("dom5", 1, "TRANSACTION_END T|").reply, "OK|");
    assert_eq!(dialogue.reply("dom5", "DIRECTORY a|"), "b|");
    assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
}

#[test]
fn xsa_417_rights_of_a_dead_domain_are_gone_though_nobody_looked() {
    let mut dialogue = dialogue();
    dialogue.say("dom5", "WRITE x|1");
    dialogue.say("dom5", "SET_PERMS x|n5|b6|");
    dialogue.say("dom0", "RELEASE 6|");
    assert_eq!(dialogue.reply("dom5", "GET_PERMS x|"), "n5|");
    introduce(&mut dialogue, 6);
    assert_eq!(dialogue.reply("dom6", "READ /local/domain/5/x|"), "EACCES");
}

#[test]
fn xsa_418_the_deepest_tree_needs_no_stack() {
    // As much stack as a thread gets at least: deep recursion would not fit.
    let walk = || {
        let mut dialogue = dialogue_with(Quota { nodes: 2000, ..Quota::default() });
        let deepest = ["a"; 1500].join("/");
        assert_eq!(dialogue.reply("dom0", &format!("WRITE /{deepest}|x")), "OK|");
        assert_eq!(dialogue.reply("dom0", &format!("SET_PERMS /{deepest}|n5|b6|")), "OK|");
        assert_eq!(dialogue.reply("dom0", &format!("WATCH /{deepest}|t|")), "OK|");
        assert_eq!(dialogue.reply("dom0", "TRANSACTION_START |"), "1|");
        assert_eq!(dialogue.say_in("dom0", 1, &format!("WRITE /{deepest}|y")).reply, "OK|");
        assert_eq!(dialogue.say_in("dom0", 1, "TRANSACTION_END T|").reply, "OK|");
        assert_eq!(dialogue.reply("dom0", "RELEASE 6|"), "OK|");
        assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
        assert_eq!(dialogue.say("dom0", "RM /a|").notices.len(), 1);
        assert_eq!(dialogue.reply("dom5", &format!("WRITE {}|x", ["b"; 1000].join("/"))), "OK|");
        assert_eq!(dialogue.reply("dom0", "RELEASE 5|"), "OK|");
        assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
    };
    std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(walk)
        .expect("a thread")
        .join()
        .expect("no overflow");
}

#[test]
fn xsa_419_nodes_of_a_dead_domain_vanish_wherever_they_are() {
    let mut dialogue = dialogue();
    dialogue.say("dom5", "MKDIR open|");
    dialogue.say("dom5", "SET_PERMS open|n5|b6|");
    for round in 0..10 {
        let who = format!("dom6.{round}");
        for number in 0..50 {
            let request = format!("WRITE /local/domain/5/open/{number}|x");
            assert_eq!(dialogue.reply(&who, &request), "OK|");
        }
        assert_eq!(dialogue.reply("dom0", "RELEASE 6|"), "OK|");
        assert_eq!(dialogue.reply("dom5", "DIRECTORY open|"), "");
        introduce(&mut dialogue, 6);
        assert_eq!(dialogue.reply("dom5", "SET_PERMS open|n5|b6|"), "OK|");
    }
    assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
}

#[test]
fn xsa_421_making_and_removing_in_one_transaction_counts_nothing() {
    let mut dialogue = dialogue_with(Quota { nodes: 4, ..Quota::default() });
    for _ in 0..1000 {
        let id = dialogue.reply("dom5", "TRANSACTION_START |");
        let id: u32 = id.trim_end_matches('|').parse().expect("a number");
        assert_eq!(dialogue.say_in("dom5", id, "WRITE x/y|1").reply, "OK|");
        assert_eq!(dialogue.say_in("dom5", id, "RM x|").reply, "OK|");
        assert_eq!(dialogue.say_in("dom5", id, "TRANSACTION_END T|").reply, "OK|");
    }
    assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
    assert_eq!(dialogue.reply("dom5", "WRITE x/y/z|1"), "OK|");
}

#[test]
fn xsa_440_counts_that_others_changed_meanwhile_come_out_right() {
    let mut dialogue = dialogue();
    for number in 0..5 {
        dialogue.say("dom5", &format!("WRITE open/{number}|x"));
    }
    assert_eq!(dialogue.reply("dom0", "TRANSACTION_START |"), "1|");
    assert_eq!(dialogue.say_in("dom0", 1, "RM /local/domain/5/open|").reply, "OK|");
    assert_eq!(dialogue.reply("dom5", "RM open|"), "OK|");
    assert_eq!(dialogue.say_in("dom0", 1, "TRANSACTION_END T|").reply, "OK|");
    assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
}

#[test]
fn xsa_481_a_path_that_ends_where_a_number_should_be_is_malformed() {
    let mut dialogue = dialogue();
    for operation in ["READ", "DIRECTORY", "RM", "MKDIR", "GET_PERMS"] {
        assert_eq!(dialogue.reply("dom5", &format!("{operation} /local/domain/|")), "EINVAL");
    }
    assert_eq!(dialogue.reply("dom5", "WATCH /local/domain/|t|"), "EINVAL");
    assert_eq!(dialogue.reply("dom5", "WRITE /local/domain/x/y|v"), "EACCES");
}

#[test]
fn xsa_483_the_next_domain_of_a_number_has_all_of_its_quotas() {
    let mut dialogue = dialogue();
    for number in 0..999 {
        assert_eq!(dialogue.reply("dom6", &format!("WRITE n{number}|x")), "OK|");
    }
    for number in 0..128 {
        assert_eq!(dialogue.reply("dom6", &format!("WATCH x|{number}|")), "OK|");
    }
    for _ in 0..10 {
        dialogue.reply("dom6", "TRANSACTION_START |");
    }
    for request in ["WRITE more|x", "WATCH x|more|", "TRANSACTION_START |"] {
        assert_eq!(dialogue.reply("dom6", request), "ENOSPC");
    }
    assert_eq!(dialogue.reply("dom0", "RELEASE 6|"), "OK|");
    introduce(&mut dialogue, 6);
    for number in 0..999 {
        assert_eq!(dialogue.reply("dom6.next", &format!("WRITE n{number}|x")), "OK|");
    }
    assert_eq!(dialogue.reply("dom6.next", "WATCH x|0|"), "OK|");
    assert_eq!(dialogue.reply("dom6.next", "TRANSACTION_START |"), "1|");
}

#[test]
fn xsa_484_resetting_within_a_transaction_ends_it() {
    let mut dialogue = dialogue();
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "1|");
    assert_eq!(dialogue.say_in("dom5", 1, "RESET_WATCHES |").reply, "OK|");
    assert_eq!(dialogue.say_in("dom5", 1, "TRANSACTION_END T|").reply, "ENOENT");
    assert_eq!(dialogue.reply("dom5", "TRANSACTION_START |"), "2|");
}

#[test]
fn a_warning_of_much_memory_is_given_once_in_a_domains_life() {
    let mut dialogue = dialogue_with(Quota { soft_memory: 2000, ..Quota::default() });
    let five = dialogue.caller("dom5");
    let large = format!("WRITE a|{}", "v".repeat(2000));
    assert_eq!(dialogue.reply("dom5", "WRITE a|1"), "OK|");
    assert_eq!(dialogue.store.take_warning(five), None);
    let mut warnings = 0;
    for _ in 0..10 {
        for request in [large.as_str(), "RM a|"] {
            assert_eq!(dialogue.reply("dom5", request), "OK|");
            warnings += usize::from(dialogue.store.take_warning(five).is_some());
        }
    }
    assert_eq!(warnings, 1);
    assert_eq!(dialogue.reply("dom0", "RELEASE 5|"), "OK|");
    introduce(&mut dialogue, 5);
    assert_eq!(dialogue.reply("dom5.next", &large), "OK|");
    let next = dialogue.caller("dom5.next");
    assert!(dialogue.store.take_warning(next).is_some());
}
