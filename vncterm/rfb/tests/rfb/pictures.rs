//! Pictures arrive whole: after any drawing, asking, reading and changing of mind, in every
//! pixel format and encoding, the viewer shows what is there.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use vncterm_rfb::{Limits, Look, Picture, Rgb, Session, Size, output_max};

use crate::canvas::Canvas;
use crate::viewer::{Format, Notice, Viewer, request};

const COLUMNS: u16 = 11;
const ROWS: u16 = 5;

/// A step of a picture's and a viewer's life.
#[derive(Clone, Debug)]
enum Step {
    Put { row: u16, column: u16, look: Look },
    Line { row: u16, look: Look },
    Scroll,
    ScrollRegion { top: u16, bottom: u16, down: bool },
    Resize { columns: u16, rows: u16 },
    Ask { incremental: bool, area: [u16; 4] },
    AskAll { incremental: bool },
    Update,
    Read { bytes: usize },
    Bell,
    Format(usize),
    Encodings(usize),
}

fn look() -> impl Strategy<Value = Look> {
    // Few colours, so that some are equal.
    let colour = prop_oneof![
        Just(Rgb { red: 0, green: 0, blue: 0 }),
        Just(Rgb { red: 0xaa, green: 0xaa, blue: 0xaa }),
        Just(Rgb { red: 0xaa, green: 0x55, blue: 0 }),
        any::<[u8; 3]>().prop_map(|[red, green, blue]| Rgb { red, green, blue }),
    ];
    (0..9_u32, colour.clone(), colour).prop_map(|(glyph, ink, paper)| Look { glyph, ink, paper })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..ROWS, 0..COLUMNS, look()).prop_map(|(row, column, look)| Step::Put { row, column, look }),
        2 => (0..ROWS, look()).prop_map(|(row, look)| Step::Line { row, look }),
        3 => Just(Step::Scroll),
        2 => (0..ROWS, 0..ROWS, any::<bool>())
            .prop_map(|(top, bottom, down)| Step::ScrollRegion { top, bottom, down }),
        1 => (1..=COLUMNS + 2, 1..=ROWS + 2).prop_map(|(columns, rows)| Step::Resize { columns, rows }),
        2 => (any::<bool>(), [0..100_u16, 0..100, 0..100, 0..100])
            .prop_map(|(incremental, area)| Step::Ask { incremental, area }),
        4 => any::<bool>().prop_map(|incremental| Step::AskAll { incremental }),
        4 => Just(Step::Update),
        4 => (1..3000_usize).prop_map(|bytes| Step::Read { bytes }),
        1 => Just(Step::Bell),
        1 => (0..formats().len()).prop_map(Step::Format),
        1 => (0..ENCODINGS.len()).prop_map(Step::Encodings),
    ]
}

/// Every size in both byte orders, the usual maxima and shifts and some others, a colour map.
fn formats() -> Vec<Format> {
    let rgb332 = [(7, 5), (7, 2), (3, 0)];
    let bgr233 = [(7, 0), (7, 3), (3, 6)];
    let rgb565 = [(31, 11), (63, 5), (31, 0)];
    let rgb555 = [(31, 10), (31, 5), (31, 0)];
    let rgb888 = [(255, 16), (255, 8), (255, 0)];
    let bgr888 = [(255, 0), (255, 8), (255, 16)];
    let high = [(255, 24), (255, 16), (255, 8)];
    let deep = [(1023, 20), (1023, 10), (1023, 0)];
    let true_colours = [
        (8, rgb332),
        (8, bgr233),
        (16, rgb565),
        (16, rgb555),
        (32, rgb888),
        (32, bgr888),
        (32, high),
        (32, deep),
    ];
    let mut formats = Vec::new();
    for big_endian in [false, true] {
        formats.extend(
            true_colours.map(|(bits, channels)| Format::new(bits, big_endian, Some(channels))),
        );
        formats.extend([8, 16, 32].map(|bits| Format::new(bits, big_endian, None)));
    }
    formats
}

const ENCODINGS: [&[i32]; 13] = [
    &[0],
    &[5, 0],
    &[5, 0, -223],
    &[0, -223],
    &[21, -239],
    &[4, 2, 1, 0, -223],
    &[2],
    &[1, 16, -223],
    &[16],
    &[1, 7, 16, 5, -224, -223],
    &[7, -224],
    &[7, 1, 5],
    &[16, 1, -308, -239, -258, -224],
];

/// A session, its picture and its viewer.
pub(crate) struct World {
    session: Session,
    picture: Canvas,
    pub(crate) viewer: Viewer,
    requests: usize,
    /// All that the viewer was sent since the handshake.
    pub(crate) heard: Vec<u8>,
}

impl World {
    fn new() -> Self {
        Self::of(COLUMNS, ROWS)
    }

    pub(crate) fn of(columns: u16, rows: u16) -> Self {
        let size = Size::new(columns, rows).unwrap();
        let mut world = Self {
            session: Session::new("world", size, Limits::default()),
            picture: Canvas::new(columns, rows),
            viewer: Viewer::new(size),
            requests: 0,
            heard: Vec::new(),
        };
        world.say(b"RFB 003.003\n\x01");
        world.session.wrote(usize::MAX);
        world
    }

    pub(crate) fn say(&mut self, mut bytes: &[u8]) {
        while self.session.receive(&mut bytes).unwrap().is_some() {}
    }

    fn ask(&mut self, incremental: bool, area: [u16; 4]) {
        self.requests += 1;
        self.say(&request(incremental, area));
    }

    fn ask_all(&mut self, incremental: bool) {
        let [width, height] = [self.viewer.width, self.viewer.height];
        self.ask(incremental, [0, 0, width.try_into().unwrap(), height.try_into().unwrap()]);
    }

    fn update(&mut self) {
        let busy = !self.session.output().is_empty();
        let more = self.session.update(&self.picture);
        assert!(!(busy && more), "output was added to output");
    }

    fn read(&mut self, bytes: usize) {
        let count = bytes.min(self.session.output().len());
        let sent = &self.session.output()[..count];
        self.viewer.receive(sent);
        self.heard.extend_from_slice(sent);
        self.session.wrote(count);
    }

    /// Reads all that comes.
    fn drain(&mut self) {
        loop {
            self.update();
            if self.session.output().is_empty() {
                return;
            }
            self.read(usize::MAX);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Put { row, column, look } => self.picture.put(row, column, look),
            Step::Line { row, look } => {
                (0..COLUMNS).for_each(|column| self.picture.put(row, column, look));
            }
            Step::Scroll => self.picture.scroll(0, u16::MAX, false),
            Step::ScrollRegion { top, bottom, down } => self.picture.scroll(top, bottom, down),
            Step::Resize { columns, rows } => self.picture.resize(columns, rows),
            Step::Ask { incremental, area } => self.ask(incremental, area),
            Step::AskAll { incremental } => self.ask_all(incremental),
            Step::Update => self.update(),
            Step::Read { bytes } => self.read(bytes),
            Step::Bell => self.session.bell(),
            Step::Format(at) => self.set_format(formats()[at].clone()),
            Step::Encodings(at) => {
                let message = self.viewer.set_encodings(ENCODINGS[at]);
                self.say(&message);
            }
        }
        assert!(self.session.output().len() <= output_max(self.picture.size()));
        let updates = self.viewer.notices.iter().filter(|n| matches!(n, Notice::Update(_))).count();
        assert!(updates <= self.requests, "an update that nobody asked for");
    }

    /// A viewer changes its format when it has read what was sent before.
    pub(crate) fn set_format(&mut self, format: Format) {
        self.read(usize::MAX);
        let message = self.viewer.set_format(format);
        self.say(&message);
    }

    /// Asks until nothing is left, and compares.
    pub(crate) fn settle(&mut self) {
        self.drain();
        for _ in 0..3 {
            self.ask_all(true);
            self.drain();
        }
        let columns = u16::try_from(self.viewer.width / 8).unwrap();
        let rows = u16::try_from(self.viewer.height / 16).unwrap();
        let size = Size::new(columns, rows).unwrap();
        assert!(!self.viewer.is_mid_message());
        let expected = self.picture.rendered(&self.viewer.format, size);
        assert!(self.viewer.pixels == expected, "the viewer shows something else");
    }
}

#[test]
fn every_format_and_encoding_shows_the_picture_after_any_steps() {
    let mut runner = TestRunner::new(ProptestConfig { cases: 12, ..ProptestConfig::default() });
    let steps = prop::collection::vec(step(), 0..60);
    for format in formats() {
        for encodings in ENCODINGS {
            let world = |steps: Vec<Step>| {
                let mut world = World::new();
                world.set_format(format.clone());
                let message = world.viewer.set_encodings(encodings);
                world.say(&message);
                for step in steps {
                    match step {
                        Step::Format(_) | Step::Encodings(_) => {}
                        step => world.take(step),
                    }
                }
                world.settle();
                Ok(())
            };
            runner.run(&steps, world).unwrap();
        }
    }
}

/// Draws by random steps: text in few colours, lines of many, scrolls within margins, while the viewer
/// asks and reads as it likes.
pub(crate) fn scribble(world: &mut World, (columns, rows): (u16, u16), steps: usize, seed: u32) {
    let mut seed = seed;
    let mut small = |below: u16| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u16::try_from((seed >> 8) % u32::from(below)).unwrap()
    };
    let grey = Rgb { red: 0xb2, green: 0xb2, blue: 0xb2 };
    let black = Rgb { red: 0, green: 0, blue: 0 };
    for _ in 0..steps {
        let (row, column) = (small(rows), small(columns));
        match small(20) {
            0..=8 => {
                let length = small(columns);
                for column in column..(column + length).min(columns) {
                    let glyph = 3 + u32::from(small(40));
                    world.picture.put(row, column, Look { glyph, ink: grey, paper: black });
                }
            }
            9 => {
                for column in 0..columns {
                    let [red, green, blue] = [small(256), small(256), small(256)]
                        .map(|value| u8::try_from(value).unwrap());
                    let ink = Rgb { red, green, blue };
                    let paper = if small(2) == 0 { black } else { Rgb { red: blue, ..ink } };
                    world.picture.put(row, column, Look { glyph: small(60).into(), ink, paper });
                }
            }
            10..=12 => world.picture.scroll(row, small(rows), small(2) == 0),
            13 | 14 => world.ask_all(small(8) != 0),
            15 => {
                let area = [8 * column, 16 * row, 8 * small(columns), 16 * small(rows)];
                world.ask(true, area);
            }
            16 | 17 => world.update(),
            _ => world.read(usize::from(small(u16::MAX))),
        }
    }
}

/// A screen as wide as a guest's and wider than any encoder takes at once, drawn on by thousands of
/// steps.
#[test]
fn thousands_of_steps_on_a_large_screen_are_shown_in_every_encoding() {
    const STEPS: usize = 500;
    for (seed, (at, encodings)) in (1..).zip(ENCODINGS.into_iter().enumerate()) {
        let (columns, rows) = if at % 2 == 0 { (80, 24) } else { (300, 20) };
        let mut world = World::of(columns, rows);
        let formats = formats();
        world.set_format(formats[at % formats.len()].clone());
        let message = world.viewer.set_encodings(encodings);
        world.say(&message);
        scribble(&mut world, (columns, rows), STEPS, seed);
        world.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_viewer_that_changes_its_mind_is_shown_the_picture_all_the_same(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.settle();
    }

    #[test]
    fn what_has_not_changed_is_not_sent_again(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.settle();
        let before = world.viewer.notices.len();
        world.ask_all(true);
        world.drain();
        prop_assert_eq!(world.viewer.notices.len(), before);
    }
}
