//! An X display without a screen, and what a person does at one: look, type, drag, paste.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::deadline::Deadline;
use crate::picture::Picture;
use crate::program::{Running, run_well, system};

/// The display's size in pixels: a console and a viewer's frame around it.
const WIDTH: usize = 1024;
const HEIGHT: usize = 768;
/// How long any of the X tools may take.
const SLOW: u64 = 20;

/// A display of its own.
#[derive(Debug)]
pub struct Display {
    name: String,
    _server: Running,
}

impl Display {
    /// Starts an X server on a number that is free.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start() -> Self {
        let screen = format!("{WIDTH}x{HEIGHT}x24");
        let mut command = system("Xvfb", "xvfb");
        command.args(["-displayfd", "1", "-screen", "0", &screen, "-nolisten", "tcp"]);
        let server = Running::start(&mut command);
        let number = server.line(Deadline::seconds(SLOW), "a display's number", |line| {
            !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
        });
        Self { name: format!(":{number}"), _server: server }
    }

    /// A command of the system that will use this display.
    ///
    /// # Panics
    /// When it isn't installed: names the Debian package.
    #[must_use]
    pub fn command(&self, name: &str, package: &str) -> Command {
        let mut command = system(name, package);
        command.env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY");
        command
    }

    /// What the display shows.
    ///
    /// # Panics
    /// When it can't be had.
    #[must_use]
    pub fn look(&self) -> Picture {
        let mut command = self.command("import", "imagemagick");
        command.args(["-silent", "-window", "root", "-depth", "8", "rgb:-"]);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.expect("import can be started");
        Picture::from_rgb(WIDTH, HEIGHT, &output.stdout)
    }

    /// Saves what the display shows as a PNG.
    ///
    /// # Panics
    /// When it can't be saved.
    pub fn save(&self, file: &Path) {
        let mut command = self.command("import", "imagemagick");
        command.args(["-silent", "-window", "root"]).arg(file);
        run_well(&mut command, Deadline::seconds(SLOW));
    }

    /// Looks until the display is as wanted.
    ///
    /// # Panics
    /// When it isn't by the deadline; the last picture is saved beside the test, and named.
    pub fn wait_until<T>(
        &self,
        deadline: Deadline,
        what: &str,
        wanted: impl Fn(&Picture) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = wanted(&self.look()) {
                return found;
            }
            if deadline.left().is_none() {
                let file = std::env::temp_dir().join("xenwarden-display.png");
                self.save(&file);
                panic!("the display doesn't show {what}: see {}", file.display());
            }
        }
    }

    /// Moves the pointer.
    pub fn point(&self, x: usize, y: usize) {
        self.xdotool(&["mousemove", "--sync", &x.to_string(), &y.to_string()]);
    }

    /// Gives the keyboard to the only window, as a window manager would.
    pub fn focus(&self) {
        self.xdotool(&["search", "--onlyvisible", "--maxdepth", "1", ".", "windowfocus"]);
    }

    /// Types a text; a newline is Return.
    pub fn type_text(&self, text: &str) {
        self.xdotool(&["type", "--clearmodifiers", "--delay", "20", text]);
    }

    /// Drags with the left button from one point to another.
    pub fn drag(&self, from: (usize, usize), to: (usize, usize)) {
        self.point(from.0, from.1);
        self.xdotool(&["mousedown", "1"]);
        // A drag is a movement, not a jump.
        self.point(usize::midpoint(from.0, to.0), usize::midpoint(from.1, to.1));
        self.point(to.0, to.1);
        self.xdotool(&["mouseup", "1"]);
    }

    /// The text on the clipboard, or the empty text where there is none.
    #[must_use]
    pub fn clipboard(&self) -> String {
        let mut command = self.command("xclip", "xclip");
        command.args(["-selection", "clipboard", "-out"]);
        Running::start(&mut command).finish(Deadline::seconds(SLOW)).output
    }

    fn xdotool(&self, words: &[&str]) {
        run_well(self.command("xdotool", "xdotool").args(words), Deadline::seconds(SLOW));
    }
}
