//! Transactions against a naive model: a store that does one thing after the other, whole.
//!
//! Whoever commits must have seen what the model shows at that moment; whoever is told to try
//! again must not have.

use std::collections::BTreeMap;

use proptest::prelude::*;
use xenstore_bucket::Rates;
use xenstore_store::{Limits, Quota};

use crate::dialogue::Dialogue;

/// What clients do: on a tree so small that they meet.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    Commit,
    Abort,
    Do(Action),
}

#[derive(Clone, Debug)]
enum Action {
    Write(&'static str, u8),
    Mkdir(&'static str),
    Rm(&'static str),
    Read(&'static str),
    Directory(&'static str),
}

// One of them stands between a node and its child in the order of text.
const PATHS: [&str; 9] =
    ["/a", "/a/b", "/a/b-c", "/a/c", "/a/b/d", "/a/b/d/g", "/e", "/e/f", "/tool"];
const CLIENTS: usize = 3;

impl Action {
    fn request(&self) -> String {
        match self {
            Self::Write(path, value) => format!("WRITE {path}|{value}"),
            Self::Mkdir(path) => format!("MKDIR {path}|"),
            Self::Rm(path) => format!("RM {path}|"),
            Self::Read(path) => format!("READ {path}|"),
            Self::Directory(path) => format!("DIRECTORY {path}|"),
        }
    }
}

/// Paths and values, and nothing shared or clever.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Model(BTreeMap<String, String>);

impl Model {
    fn new() -> Self {
        let nodes = ["", "/tool", "/tool/xenstored"];
        Self(nodes.map(|path| (path.to_owned(), String::new())).into())
    }

    fn make(&mut self, path: &str) {
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            self.0.entry(path[..end].to_owned()).or_default();
        }
    }

    fn act(&mut self, action: &Action) -> String {
        let done = "OK|".to_owned();
        let missing = "ENOENT".to_owned();
        match action {
            Action::Write(path, value) => {
                self.make(path);
                self.0.insert((*path).to_owned(), value.to_string());
                done
            }
            Action::Mkdir(path) => {
                self.make(path);
                done
            }
            Action::Rm(path) => {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                if !self.0.contains_key(parent) {
                    return missing;
                }
                let below = format!("{path}/");
                self.0.retain(|each, _| each != path && !each.starts_with(&below));
                done
            }
            Action::Read(path) => self.0.get(*path).cloned().unwrap_or(missing),
            Action::Directory(path) if self.0.contains_key(*path) => {
                let below = format!("{path}/");
                let names = self.0.keys().filter_map(|each| each.strip_prefix(&below));
                let names = names.filter(|name| !name.contains('/'));
                names.map(|name| format!("{name}|")).collect()
            }
            Action::Directory(_) => missing,
        }
    }
}

/// A transaction as its client knows it.
struct Open {
    id: u32,
    seen: Vec<(Action, String)>,
    began: Model,
}

impl Open {
    /// What the model would be if all of it happened there, if it would have looked the same.
    fn replayed(&self, model: &Model) -> Option<Model> {
        let mut model = model.clone();
        let same = self.seen.iter().all(|(action, reply)| model.act(action) == *reply);
        same.then_some(model)
    }

    fn only_looked(&self) -> bool {
        let looks = |action: &Action| match action {
            Action::Read(_) | Action::Directory(_) => true,
            Action::Write(..) | Action::Mkdir(_) | Action::Rm(_) => false,
        };
        self.seen.iter().all(|(action, _)| looks(action))
    }

    /// It may still have written: what was there before.
    fn left_all_as_it_was(&self) -> bool {
        self.replayed(&self.began).as_ref() == Some(&self.began)
    }
}

fn any_action() -> impl Strategy<Value = Action> {
    let path = || prop::sample::select(PATHS.to_vec());
    prop_oneof![
        3 => (path(), 0..3_u8).prop_map(|(path, value)| Action::Write(path, value)),
        1 => path().prop_map(Action::Mkdir),
        1 => path().prop_map(Action::Rm),
        3 => path().prop_map(Action::Read),
        1 => path().prop_map(Action::Directory),
    ]
}

fn any_step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        2 => Just(Step::Begin),
        2 => Just(Step::Commit),
        1 => Just(Step::Abort),
        9 => any_action().prop_map(Step::Do),
    ];
    (0..CLIENTS, step)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_history_is_one_that_could_have_happened_one_after_the_other(
        steps in prop::collection::vec(any_step(), 1..80),
    ) {
        let mut dialogue = Dialogue::new(Limits::default());
        let mut model = Model::new();
        let mut open: [Option<Open>; CLIENTS] = [None, None, None];
        for (client, step) in steps {
            let who = format!("dom0.{client}");
            let open = &mut open[client];
            match step {
                Step::Begin => {
                    if open.is_none() {
                        let id = dialogue.reply(&who, "TRANSACTION_START |");
                        let id = id.trim_end_matches('|').parse().expect("a number");
                        *open = Some(Open { id, seen: vec![], began: model.clone() });
                    }
                }
                Step::Abort => {
                    if let Some(open) = open.take() {
                        let end = dialogue.say_in(&who, open.id, "TRANSACTION_END F|");
                        prop_assert_eq!(end.reply, "OK|");
                    }
                }
                Step::Commit => {
                    let Some(open) = open.take() else { continue };
                    let end = dialogue.say_in(&who, open.id, "TRANSACTION_END T|").reply;
                    match open.replayed(&model) {
                        Some(after) => {
                            prop_assert_eq!(end, "OK|", "it could have stood");
                            model = after;
                        }
                        // What only looked stands where it began.
                        None if open.only_looked() => prop_assert_eq!(end, "OK|"),
                        // So might this, but nobody has to find out.
                        None if open.left_all_as_it_was() => (),
                        None => prop_assert_eq!(end, "EAGAIN"),
                    }
                }
                Step::Do(action) => match open {
                    Some(open) => {
                        let reply = dialogue.say_in(&who, open.id, &action.request()).reply;
                        // It sees the store as it was when it began, and its own doings.
                        let mut seen = open.replayed(&open.began).expect("it saw one state");
                        prop_assert_eq!(&seen.act(&action), &reply);
                        open.seen.push((action, reply));
                    }
                    None => {
                        let reply = dialogue.reply(&who, &action.request());
                        prop_assert_eq!(model.act(&action), reply);
                    }
                },
            }
        }
        let mut stored = dialogue;
        for path in PATHS {
            for action in [Action::Read(path), Action::Directory(path)] {
                prop_assert_eq!(stored.reply("dom0", &action.request()), model.act(&action));
            }
        }
    }

    #[test]
    fn the_books_are_right_after_any_history_of_quarrelling_domains(
        steps in prop::collection::vec(
            (0..4_usize, 0..3_u32, any_request()), 1..120
        ),
    ) {
        let rates = Rates::new(1_000_000, 1_000_000, 1).expect("rates that make sense");
        let quota = Quota { nodes: 4, watches: 3, transactions: 2, ..Quota::default() };
        let mut dialogue = Dialogue::new(Limits { quota, rates });
        for path in ["/a", "/e"] {
            dialogue.say("dom0", &format!("MKDIR {path}|"));
            dialogue.say("dom0", &format!("SET_PERMS {path}|b0|"));
        }
        for (who, transaction, request) in steps {
            let who = ["dom0", "dom5", "dom6", "dom6.b"][who];
            if !matches!(dialogue.ask(who, transaction, &request), xenstore_store::Outcome::Ended) {
                prop_assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|", "{}", request);
            }
        }
    }
}

fn any_request() -> impl Strategy<Value = String> {
    let permissions = prop::sample::select(vec!["n0", "b5", "n6|b5", "b6|r5", "n5", "b0|n6"]);
    let path = || prop::sample::select(PATHS.to_vec());
    prop_oneof![
        8 => any_action().prop_map(|action| action.request()),
        3 => (path(), permissions).prop_map(|(path, text)| format!("SET_PERMS {path}|{text}|")),
        3 => Just("TRANSACTION_START |".to_owned()),
        3 => Just("TRANSACTION_END T|".to_owned()),
        1 => Just("RESET_WATCHES |".to_owned()),
        2 => path().prop_map(|path| format!("WATCH {path}|t|")),
        1 => path().prop_map(|path| format!("UNWATCH {path}|t|")),
        1 => Just("INTRODUCE 6|1|1|".to_owned()),
        1 => Just("RELEASE 6|".to_owned()),
    ]
}

#[test]
fn transactions_in_subtrees_of_their_own_both_commit_and_nothing_of_either_is_lost() {
    let mut dialogue = Dialogue::new(Limits::default());
    for path in ["/a/b/d", "/a/b-c", "/e/f"] {
        dialogue.say("dom0", &format!("WRITE {path}|0"));
    }
    for who in ["dom0.one", "dom0.other"] {
        assert_eq!(dialogue.reply(who, "TRANSACTION_START |"), "1|");
    }
    for path in ["/a/b", "/a/b-c", "/a/b/d"] {
        dialogue.say_in("dom0.one", 1, &format!("WRITE {path}|1"));
    }
    dialogue.say_in("dom0.other", 1, "WRITE /e/f/g|1");
    dialogue.say_in("dom0.other", 1, "SET_PERMS /e/f|n5|");
    for who in ["dom0.other", "dom0.one"] {
        assert_eq!(dialogue.say_in(who, 1, "TRANSACTION_END T|").reply, "OK|");
    }
    for path in ["/a/b", "/a/b-c", "/a/b/d", "/e/f/g"] {
        assert_eq!(dialogue.reply("dom0", &format!("READ {path}|")), "1", "{path}");
    }
    assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|");
}
