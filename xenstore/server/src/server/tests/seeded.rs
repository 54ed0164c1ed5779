//! Several guests that do whatever comes, in any order: honest ones that cut their requests anywhere,
//! liars, and some that begin anew or die in the middle. After every step the laws hold.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use xenstore_hypervisor::fake::{Guest, Word};
use xenstore_store::{Life, Limits, Quota, Rates};

use super::world::{Speaker, World};
use crate::faults;

/// The guests' domids.
const DOMAINS: std::ops::Range<u16> = 5..8;
/// In which a token comes.
const A_TOKEN: Duration = Duration::from_millis(100);

/// What a guest does, or what happens to it.
#[derive(Clone, Debug)]
enum Step {
    /// It has a request to make.
    Want,
    /// It writes so many bytes of what it has to say, and may kick.
    Write(usize, bool),
    Kick,
    Hear,
    /// It claims to have written, or read, what it can't have.
    Lie(bool),
    BeginAnew,
    IntroducedAgain,
    /// It dies, and another comes under its number.
    Die,
    /// The store's process is killed, and another one goes on.
    Kill,
    /// The next calls that move bytes of sockets are interrupted, and further ones move few bytes.
    Disturb(u32, usize),
    /// Time passes, for all.
    Wait(u64),
}

/// A guest, and what it is owed.
struct Actor {
    speaker: Speaker<Guest>,
    /// Bytes that are not written yet.
    unsaid: VecDeque<u8>,
    /// The answers that it has not heard yet, in order.
    owed: VecDeque<String>,
    /// It has lied, and is not listened to.
    is_silenced: bool,
}

impl Actor {
    fn new(speaker: Speaker<Guest>) -> Self {
        Self { speaker, unsaid: VecDeque::new(), owed: VecDeque::new(), is_silenced: false }
    }

    fn want(&mut self, number: u16) {
        // Every other request changes something; each answer tells whose it is.
        let (request, answer) = match number % 2 {
            0 => (format!("GET_DOMAIN_PATH {number}|"), format!("/local/domain/{number}|")),
            _ => (format!("WRITE data/{}|{number}", number % 16), "OK|".to_owned()),
        };
        self.unsaid.extend(self.speaker.encode(&request));
        self.owed.push_back(answer);
    }

    fn write(&mut self, length: usize) {
        let length = length.min(self.unsaid.len()).min(self.speaker.end.room());
        let bytes: Vec<u8> = self.unsaid.drain(..length).collect();
        assert_eq!(self.speaker.end.write(&bytes), length);
    }

    /// Hears what has come: exactly what it is owed, in order, or nothing yet.
    fn hear(&mut self) {
        for heard in self.speaker.hear() {
            assert_eq!(Some(heard), self.owed.pop_front());
        }
    }

    fn begin_anew(&mut self) {
        self.speaker.begin_anew();
        self.unsaid.clear();
        self.owed.clear();
        self.is_silenced = false;
    }
}

fn take(step: &Step, number: u16, actor: &mut Actor, world: &mut World, wanted: &mut u16) {
    match step {
        Step::Wait(milliseconds) => world.pass(Duration::from_millis(*milliseconds)),
        Step::Want => {
            *wanted += 1;
            actor.want(*wanted);
        }
        Step::Write(..) | Step::Lie(_) if actor.is_silenced => (),
        Step::Write(length, kicks) => {
            actor.write(*length);
            if *kicks {
                actor.speaker.end.kick();
            }
        }
        Step::Kick => actor.speaker.end.kick(),
        Step::Hear if actor.is_silenced => (),
        Step::Hear => actor.hear(),
        Step::Lie(about_requests) => {
            let word = match about_requests {
                true => Word::RequestProducer,
                false => Word::ResponseConsumer,
            };
            let value = actor.speaker.end.word(word);
            actor.speaker.end.set(word, value.wrapping_add(5000));
            actor.is_silenced = true;
        }
        Step::BeginAnew => {
            actor.speaker.end.set(Word::Connection, 1);
            actor.speaker.end.kick();
            // Its port is heard when everything that waits before has its tokens: at most what fits
            // the ring and one read of it.
            for _ in 0..200 {
                world.pass(A_TOKEN);
            }
            assert_eq!(actor.speaker.end.word(Word::Connection), 0);
            actor.begin_anew();
        }
        Step::IntroducedAgain => {
            assert_eq!(world.introduce(&actor.speaker), "OK|");
            actor.begin_anew();
        }
        Step::Kill => world.kill(),
        // dom0, on its socket, is asked for the books after each step: it must get its answer.
        Step::Disturb(interrupted, bytes) => faults::befall(*interrupted, 30, *bytes),
        Step::Die => {
            world.machine.set_life(actor.speaker.end.domain(), Life::Gone);
            world.run();
            *actor = Actor::new(world.guest(number));
        }
    }
    world.run();
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Want),
        12 => (prop_oneof![1..40_usize, 1..1024_usize], any::<bool>())
            .prop_map(|(length, kicks)| Step::Write(length, kicks)),
        4 => Just(Step::Kick),
        8 => Just(Step::Hear),
        1 => any::<bool>().prop_map(Step::Lie),
        1 => Just(Step::BeginAnew),
        1 => Just(Step::IntroducedAgain),
        1 => Just(Step::Die),
        1 => Just(Step::Kill),
        2 => (0..4_u32, 1..20_usize)
            .prop_map(|(interrupted, bytes)| Step::Disturb(interrupted, bytes)),
        2 => (1..300_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_guests_do_each_gets_its_own_answers_in_order_and_the_books_are_right(
        steps in prop::collection::vec((DOMAINS, any_step()), 1..150),
    ) {
        // So few that everybody waits again and again.
        let rates = Rates::new(10, 3, 1).expect("rates that make sense");
        let mut world = World::with(Limits { rates, quota: Quota::default() });
        let mut actors: Vec<(u16, Actor)> =
            DOMAINS.map(|number| (number, Actor::new(world.guest(number)))).collect();
        let mut wanted = 100;
        for (number, step) in &steps {
            for (own, actor) in &mut actors {
                if own == number {
                    take(step, *number, actor, &mut world, &mut wanted);
                }
            }
            assert_eq!(world.dom0("CONTROL check|"), "OK|");
            assert_eq!(world.machine.ports(), 2 + actors.len());
        }
        // Who didn't lie gets everything that it is owed in the end.
        for (_, actor) in actors.iter_mut().filter(|(_, actor)| !actor.is_silenced) {
            for _ in 0..2000 {
                actor.write(usize::MAX);
                actor.speaker.end.kick();
                world.pass(A_TOKEN);
                actor.hear();
                if actor.owed.is_empty() {
                    break;
                }
            }
            assert!(actor.owed.is_empty(), "{:?} never came", actor.owed);
        }
    }
}
