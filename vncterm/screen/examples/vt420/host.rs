//! The screen and what is around it: a window, its titles, and the reports.

use std::collections::{BTreeMap, BTreeSet};

use vncterm_screen::Screen;

use crate::sequences::{Control, Piece, Stream};

pub(crate) const COLUMNS: u16 = 80;
pub(crate) const ROWS: u16 = 25;

/// The size of a cell, and of the display that the window is on, in pixels.
const CELL: (u32, u32) = (8, 16);
const DISPLAY: (u32, u32) = (1280, 1024);

/// Titles that a guest may push.
const TITLES_MAX: usize = 10;

/// A mode's private character, if any, and its number.
type Mode = (Option<u8>, u32);

/// A VT420's modes that mean nothing to a screen: KAM and SRM; DECCOLM, whose part is done here,
/// DECSCLM, DECPFF, DECPEX and DECNRCM. They are kept to be told.
const IDLE_MODES: [Mode; 7] = [
    (None, 2),
    (None, 12),
    (Some(b'?'), 3),
    (Some(b'?'), 4),
    (Some(b'?'), 18),
    (Some(b'?'), 19),
    (Some(b'?'), 42),
];

/// How many colours `OSC 4` numbers before the special ones; `436F` asks for it.
const INDEXED_COLOURS: u32 = 256;

/// The longest selection that is kept.
const SELECTION_MAX: usize = 4096;

/// A window with a screen in it.
pub(crate) struct Host {
    screen: Screen,
    stream: Stream,
    answers: Vec<u8>,
    /// VT100 is 1, VT420 is 4.
    level: u32,
    eight_bits: bool,
    icon: Vec<u8>,
    title: Vec<u8>,
    titles: Vec<(Vec<u8>, Vec<u8>)>,
    /// How titles are set and asked for: in hexadecimal, or as they are.
    hexadecimal: [bool; 2],
    iconified: bool,
    position: (u32, u32),
    /// The size before it was made as large as the display.
    restored: Option<(u16, u16)>,
    may_be_wide: bool,
    /// Of the modes in [`IDLE_MODES`], those that are set.
    idle_modes: BTreeSet<Mode>,
    /// What OSC 52 put into the selection, in base64.
    selection: String,
    colours: BTreeMap<String, String>,
    margins: [(u32, u32); 2],
    renditions: Vec<u32>,
    cursor: u32,
    protection: u32,
}

impl Default for Host {
    fn default() -> Self {
        let mut screen = Screen::new(COLUMNS, ROWS, 100);
        screen.feed(b"\x1b%@");
        Self {
            screen,
            stream: Stream::default(),
            answers: Vec::new(),
            level: 4,
            eight_bits: false,
            icon: Vec::new(),
            title: Vec::new(),
            titles: Vec::new(),
            hexadecimal: [false; 2],
            iconified: false,
            position: (0, 0),
            restored: None,
            may_be_wide: false,
            idle_modes: BTreeSet::new(),
            selection: String::new(),
            colours: BTreeMap::new(),
            margins: [(1, ROWS.into()), (1, COLUMNS.into())],
            renditions: Vec::new(),
            cursor: 1,
            protection: 0,
        }
    }
}

impl Host {
    /// Takes what a program prints.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(piece) = self.stream.read(*byte) {
                self.act(piece);
            }
        }
    }

    /// What is answered.
    pub(crate) fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    fn answer(&mut self, text: &str) {
        let mut text = text.to_owned();
        if self.eight_bits {
            for (seven, eight) in
                [("\x1b[", 0x9b), ("\x1bP", 0x90), ("\x1b]", 0x9d), ("\x1b\\", 0x9c)]
            {
                text = text.replace(seven, &char::from(eight).to_string());
            }
        }
        self.answers.extend(text.chars().filter_map(|c| u8::try_from(c).ok()));
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
        while let Some(reply) = self.screen.take_reply() {
            let reply = String::from_utf8_lossy(&reply).into_owned();
            self.answer(&reply);
        }
    }

    fn act(&mut self, piece: Piece) {
        match piece {
            Piece::Plain(bytes) => self.pass(&bytes),
            Piece::Escape(bytes) => self.escape(&bytes),
            Piece::Control(control) => {
                if !self.control(&control) {
                    self.pass(&control.bytes);
                }
            }
            Piece::Command(text) => self.command(&text),
            Piece::Device(text) => self.device(&text),
        }
    }

    fn escape(&mut self, bytes: &[u8]) {
        match bytes {
            b"\x1b F" => self.eight_bits = false,
            b"\x1b G" => self.eight_bits = true,
            b"\x1bZ" => self.attributes(),
            b"\x1bc" => {
                self.pass(bytes);
                self.pass(b"\x1b%@");
                self.level = 4;
                if self.may_be_wide && self.idle_modes.contains(&(Some(b'?'), 3)) {
                    self.resize(COLUMNS.into(), self.screen.rows().into());
                }
                self.may_be_wide = false;
                self.idle_modes.clear();
                self.hexadecimal = [false; 2];
                (self.icon, self.title) = (Vec::new(), Vec::new());
                self.reset_settings();
            }
            _ => self.pass(bytes),
        }
    }

    fn reset_settings(&mut self) {
        self.margins = [(1, self.screen.rows().into()), (1, self.screen.columns().into())];
        self.renditions.clear();
        self.protection = 0;
    }

    fn attributes(&mut self) {
        self.answer("\x1b[?64;1;2;6;9;15;16;17;18;21;22;28;29c");
    }

    /// Whether a control sequence was acted on; else it is the screen's.
    fn control(&mut self, control: &Control) -> bool {
        let number = |place| control.number(place, 0);
        match (control.private, &control.intermediates[..], control.last) {
            (None, b"*", b'y') => self.checksum(control),
            (None, b"", b't') => return self.window(control),
            (Some(b'>'), b"", b't' | b'T') => {
                for mode in control.numbers.iter().flatten() {
                    let on = control.last == b't';
                    match (mode, on) {
                        (0, on) => self.hexadecimal[0] = on,
                        (1, on) => self.hexadecimal[1] = on,
                        _ => {}
                    }
                }
            }
            (None, b"", b'c') if number(0) == 0 => self.attributes(),
            (Some(b'>'), b"", b'c') if number(0) == 0 => self.answer("\x1b[>41;379;0c"),
            (None, b"\"", b'p') => {
                self.level = number(0).clamp(61, 64) - 60;
                self.eight_bits = self.level > 1 && number(1) != 1;
                self.reset_settings();
                self.pass(b"\x1b[!p");
            }
            (None, b"!", b'p') => {
                self.reset_settings();
                return false;
            }
            (None | Some(b'?'), b"$", b'p') if self.level < 3 => {}
            (private, b"$", b'p') if IDLE_MODES.contains(&(private, number(0))) => {
                let mode = (private, number(0));
                let state = if self.idle_modes.contains(&mode) { 1 } else { 2 };
                let private = if private.is_some() { "?" } else { "" };
                self.answer(&format!("\x1b[{private}{};{state}$y", mode.1));
            }
            (None | Some(b'?'), b"", b'h' | b'l') => return self.mode(control),
            (Some(b'?'), b"", b'n') => return self.device_status(control),
            (None, b"*", b'|') => self.resize(self.screen.columns().into(), number(0)),
            (None, b"", b's') if !self.is_set("?69") => return false,
            (None, b"", b'r' | b's') => {
                let side = usize::from(control.last == b's');
                let last = [self.screen.rows(), self.screen.columns()].map(u32::from)[side];
                self.margins[side] = (control.number(0, 1), control.number(1, last));
                return false;
            }
            (None, b"", b'm') => {
                for code in &control.numbers {
                    match code.unwrap_or(0) {
                        0 => self.renditions.clear(),
                        code => self.renditions.push(code),
                    }
                }
                return false;
            }
            (None, b" ", b'q') => {
                self.cursor = number(0);
                return false;
            }
            (None, b"\"", b'q') => {
                self.protection = number(0);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Whether a mode of the screen's is on, as the screen itself tells.
    fn is_set(&mut self, mode: &str) -> bool {
        self.screen.feed(format!("\x1b[{mode}$p").as_bytes());
        self.screen.take_reply().is_some_and(|reply| reply.ends_with(b";1$y"))
    }

    /// DECRQCRA: what stands in a rectangle, summed up as DEC's terminals do.
    fn checksum(&mut self, control: &Control) {
        let whole = [(1, self.screen.rows().into()), (1, self.screen.columns().into())];
        let page = if self.is_set("?6") { self.margins } else { whole };
        let [(first_row, last_row), (first_column, last_column)] = page;
        let top = first_row + control.number(2, 1).max(1) - 1;
        let left = first_column + control.number(3, 1).max(1) - 1;
        let bottom = (first_row + control.number(4, last_row).max(1) - 1).min(last_row);
        let right = (first_column + control.number(5, last_column).max(1) - 1).min(last_column);
        let mut sum = 0_u32;
        for row in top..=bottom {
            let view = self.screen.row(0, u16::try_from(row - 1).unwrap_or(u16::MAX));
            let cells =
                view.cells.iter().zip(1..).filter(|(_, column)| (left..=right).contains(column));
            sum = cells.fold(sum, |sum, (cell, _)| sum.wrapping_sub(u32::from(cell.character())));
        }
        let sum = sum & 0xffff;
        let text = format!("\x1bP{}!~{sum:04X}\x1b\\", control.number(0, 0));
        self.answer(&text);
    }

    fn resize(&mut self, columns: u32, rows: u32) {
        let within = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        self.screen.resize(within(columns), within(rows));
        self.margins = [(1, self.screen.rows().into()), (1, self.screen.columns().into())];
    }

    fn mode(&mut self, control: &Control) -> bool {
        let on = control.last == b'h';
        let mode = (control.private, control.number(0, 0));
        match mode {
            (Some(b'?'), 40) => self.may_be_wide = on,
            (Some(b'?'), 3) if !self.may_be_wide => return true,
            (Some(b'?'), 3) => {
                self.resize(if on { 132 } else { 80 }, self.screen.rows().into());
                self.pass(b"\x1b[?69l\x1b[r\x1b[2J\x1b[H");
            }
            (Some(b'?'), 69) if self.level < 4 => {}
            (Some(b'?'), 69) => {
                self.margins[1] = (1, self.screen.columns().into());
                return false;
            }
            _ if IDLE_MODES.contains(&mode) => {}
            _ => return false,
        }
        if on {
            self.idle_modes.insert(mode);
        } else {
            self.idle_modes.remove(&mode);
        }
        true
    }

    fn device_status(&mut self, control: &Control) -> bool {
        let text = match control.number(0, 0) {
            53 | 55 => "\x1b[?50n".into(),
            56 => "\x1b[?57;0n".into(),
            62 => "\x1b[0*{".into(),
            63 => format!("\x1bP{}!~0000\x1b\\", control.number(1, 0)),
            75 => "\x1b[?70n".into(),
            85 => "\x1b[?83n".into(),
            _ => return false,
        };
        self.answer(&text);
        true
    }

    /// xterm's window operations.
    fn window(&mut self, control: &Control) -> bool {
        let (columns, rows) = (u32::from(self.screen.columns()), u32::from(self.screen.rows()));
        let display = (DISPLAY.0 / CELL.0, DISPLAY.1 / CELL.1);
        let given = |place, now: u32, most: u32| match control.numbers.get(place).copied().flatten()
        {
            None => now,
            Some(0) => most,
            Some(count) => count,
        };
        match control.number(0, 0) {
            1 => self.iconified = false,
            2 => self.iconified = true,
            3 => self.position = (control.number(1, 0), control.number(2, 0)),
            4 => {
                let height = given(1, rows * CELL.1, DISPLAY.1);
                let width = given(2, columns * CELL.0, DISPLAY.0);
                self.resize(width / CELL.0, height / CELL.1);
            }
            8 => self.resize(given(2, columns, display.0), given(1, rows, display.1)),
            9 | 10 => self.maximize(control),
            11 => self.answer(if self.iconified { "\x1b[2t" } else { "\x1b[1t" }),
            13 => self.answer(&format!("\x1b[3;{};{}t", self.position.0, self.position.1)),
            14 => self.answer(&format!("\x1b[4;{};{}t", rows * CELL.1, columns * CELL.0)),
            15 => self.answer(&format!("\x1b[5;{};{}t", DISPLAY.1, DISPLAY.0)),
            16 => self.answer(&format!("\x1b[6;{};{}t", CELL.1, CELL.0)),
            19 => self.answer(&format!("\x1b[9;{};{}t", display.1, display.0)),
            20 => self.tell_title('L', self.icon.clone()),
            21 => self.tell_title('l', self.title.clone()),
            22 if self.titles.len() < TITLES_MAX => {
                self.titles.push((self.icon.clone(), self.title.clone()));
            }
            22 => {}
            23 => {
                if let Some((icon, title)) = self.titles.pop() {
                    if control.number(1, 0) != 2 {
                        self.icon = icon;
                    }
                    if control.number(1, 0) != 1 {
                        self.title = title;
                    }
                }
            }
            lines @ 24.. => self.resize(columns, lines),
            _ => return false,
        }
        true
    }

    fn maximize(&mut self, control: &Control) {
        let (columns, rows) = (self.screen.columns(), self.screen.rows());
        let display = (DISPLAY.0 / CELL.0, DISPLAY.1 / CELL.1);
        let (what, how) = (control.number(0, 0), control.number(1, 0));
        let enters = match (what, how) {
            (_, 0) => false,
            (10, 2) => self.restored.is_none(),
            _ => true,
        };
        if !enters {
            if let Some((columns, rows)) = self.restored.take() {
                self.resize(columns.into(), rows.into());
            }
            return;
        }
        self.restored.get_or_insert((columns, rows));
        let wide = what == 10 || how != 2;
        let high = what == 10 || how != 3;
        self.resize(
            if wide { display.0 } else { columns.into() },
            if high { display.1 } else { rows.into() },
        );
    }

    fn tell_title(&mut self, kind: char, title: Vec<u8>) {
        let title: String = if self.hexadecimal[1] {
            title.iter().map(|byte| format!("{byte:02X}")).collect()
        } else {
            title.into_iter().map(char::from).collect()
        };
        self.answer(&format!("\x1b]{kind}{title}\x1b\\"));
    }

    fn command(&mut self, text: &[u8]) {
        let text: String = text.iter().copied().map(char::from).collect();
        let (kind, rest) = text.split_once(';').unwrap_or((&text, ""));
        match kind {
            "0" | "1" | "2" => {
                let title = if self.hexadecimal[0] { from_hexadecimal(rest) } else { rest.into() };
                let title: Vec<u8> = title.chars().filter_map(|c| u8::try_from(c).ok()).collect();
                if kind != "2" {
                    self.icon.clone_from(&title);
                }
                if kind != "1" {
                    self.title = title;
                }
            }
            "4" | "5" => {
                let parts: Vec<&str> = rest.split(';').collect();
                for pair in parts.chunks_exact(2) {
                    self.colour(&format!("{kind};{}", pair[0]), pair[1]);
                }
            }
            "52" => match rest.split_once(';') {
                Some((_, "?")) => {
                    let text = format!("\x1b]52;s0;{}\x1b\\", self.selection);
                    self.answer(&text);
                }
                Some((_, data)) if data.len() <= SELECTION_MAX => {
                    // Whoever decodes base64 skips what is none.
                    let digits = data.chars();
                    let is_digit = |c: &char| c.is_ascii_alphanumeric() || "+/=".contains(*c);
                    self.selection = digits.filter(is_digit).collect();
                }
                _ => {}
            },
            "104" | "105" => {
                let list: Vec<&str> = rest.split(';').filter(|number| !number.is_empty()).collect();
                let prefix = format!("{};", &kind[2..]);
                self.colours.retain(|name, _| {
                    let number = name.strip_prefix(&prefix);
                    number.is_none_or(|number| !list.is_empty() && !list.contains(&number))
                });
            }
            dynamic => match dynamic.parse::<u32>() {
                Ok(first @ 10..=19) => {
                    for (number, colour) in (first..).zip(rest.split(';')) {
                        self.colour(&number.to_string(), colour);
                    }
                }
                Ok(number @ 110..=119) => {
                    self.colours.remove(&(number - 100).to_string());
                }
                Ok(_) | Err(_) => {}
            },
        }
        self.screen.feed(format!("\x1b]{text}\x1b\\").as_bytes());
    }

    /// Sets a colour, or tells what it is set to.
    fn colour(&mut self, name: &str, value: &str) {
        let index = name.strip_prefix("4;").and_then(|index| index.parse::<u32>().ok());
        // The special colours are those after the indexed ones, too.
        let special = index.and_then(|index| index.checked_sub(INDEXED_COLOURS));
        let kept = special.map_or_else(|| name.to_owned(), |special| format!("5;{special}"));
        if value == "?" {
            let value = self.colours.get(&kept).cloned();
            let value = value.unwrap_or_else(|| "rgb:0000/0000/0000".into());
            self.answer(&format!("\x1b]{name};{value}\x1b\\"));
        } else if let Some(value) = colour_of(value) {
            self.colours.insert(kept, value);
        }
    }

    fn device(&mut self, text: &[u8]) {
        let text: String = text.iter().copied().map(char::from).collect();
        if text == "+q436F" {
            self.answer("\x1bP1+r436F=323536\x1b\\");
        }
        let Some(setting) = text.strip_prefix("$q") else { return };
        let value = match setting {
            "\"p" => format!("6{};{}", self.level, u32::from(!self.eight_bits)),
            "\"q" => self.protection.to_string(),
            " q" => self.cursor.to_string(),
            "r" => format!("{};{}", self.margins[0].0, self.margins[0].1),
            "s" => format!("{};{}", self.margins[1].0, self.margins[1].1),
            "t" | "*|" => self.screen.rows().to_string(),
            "$}" | "$~" | "*x" => "0".into(),
            "m" => self.renditions.iter().fold("0".into(), |all, code| format!("{all};{code}")),
            _ => return self.answer("\x1bP0$r\x1b\\"),
        };
        self.answer(&format!("\x1bP1$r{value}{setting}\x1b\\"));
    }
}

fn from_hexadecimal(text: &str) -> String {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).filter_map(|pair| char::from_u32(pair[0] * 16 + pair[1])).collect()
}

/// A colour in X11's `rgb:` and `#` forms, as it is told: of 8 bits a part, as the screen keeps it.
fn colour_of(text: &str) -> Option<String> {
    let parts: Vec<u32> = if let Some(digits) = text.strip_prefix('#') {
        let len = digits.len() / 3;
        if len == 0 || digits.len() % 3 != 0 || !digits.is_ascii() {
            return None;
        }
        // Without slashes the digits are the highest ones of a part.
        let part = |place: usize| u32::from_str_radix(&digits[place * len..][..len], 16).ok();
        let scale = |value: u32| value << 16 >> (4 * len) >> 8;
        (0..3).map(|place| part(place).map(scale)).collect::<Option<_>>()?
    } else {
        let part = |digits: &str| {
            let value = u32::from_str_radix(digits, 16).ok()?;
            Some(value * 255 / ((1 << (4 * digits.len().min(4))) - 1))
        };
        text.strip_prefix("rgb:")?.split('/').map(part).collect::<Option<_>>()?
    };
    let [red, green, blue] = parts[..] else { return None };
    Some(format!("rgb:{red:02x}{red:02x}/{green:02x}{green:02x}/{blue:02x}{blue:02x}"))
}
