//! Two viewers of other people's, of two code bases, at a converter: what is typed in them is
//! shown in them, and what is selected in them is on the clipboard.

use std::net::SocketAddr;
use std::path::Path;

use acceptance::converter::Converter;
use acceptance::deadline::Deadline;
use acceptance::display::Display;
use acceptance::glyphs::{self, HEIGHT, WIDTH};
use acceptance::program::Running;
use acceptance::rfb::{Encoding, Version, Viewer};

/// How long a viewer may take to show something.
const SOON: u64 = 30;
/// The screen's size in cells.
const COLUMNS: usize = 80;
const LINES: usize = 24;

/// TigerVNC's viewer: C++ and FLTK.
fn tigervnc(display: &Display, home: &Path, address: SocketAddr) -> Running {
    tigervnc_with(&[], display, home, address)
}

/// The same, told more.
fn tigervnc_with(
    arguments: &[&str],
    display: &Display,
    home: &Path,
    address: SocketAddr,
) -> Running {
    let mut command = display.command("xtigervncviewer", "tigervnc-viewer");
    command.env("HOME", home).args(["-Shared", "-RemoteResize=0"]).args(arguments);
    Running::start(command.arg(format!("{}::{}", address.ip(), address.port())))
}

/// gtk-vnc's example viewer: C and GTK. It takes a display's number, which begins at port 5900.
fn gtk_vnc(display: &Display, home: &Path, address: SocketAddr) -> Running {
    let mut command = display.command("gvncviewer", "gvncviewer");
    command.env("HOME", home);
    let number = i32::from(address.port()) - 5900;
    Running::start(command.arg(format!("{}:{number}", address.ip())))
}

/// Where on the display the console's left upper pixel is, found by a text that it shows.
fn corner(display: &Display, viewer: &mut Viewer, text: &str) -> (usize, usize) {
    let line = viewer.screen().iter().position(|line| line.starts_with(text));
    let line = line.expect("our own viewer shows it");
    let (x, y) =
        display.wait_until(Deadline::seconds(SOON), text, |picture| glyphs::locate(picture, text));
    (x, y - line * HEIGHT)
}

/// Types a command in the viewer, and finds its output in the viewer's pixels.
fn types_and_shows(display: &Display, (x, y): (usize, usize), word: &str) {
    let shown = format!("{word}-42 and more");
    let before = glyphs::read(&display.look(), x, y, COLUMNS, LINES);
    assert!(!before.contains(&shown), "{before:#?}");
    display.point(x + 20 * WIDTH, y + 10 * HEIGHT);
    display.focus();
    display.type_text(&format!("echo {word}-$((40 + 2)) and more\n"));
    display.wait_until(Deadline::seconds(SOON), &shown, |picture| {
        glyphs::read(picture, x, y, COLUMNS, LINES).contains(&shown).then_some(())
    });
}

#[test]
fn two_foreign_viewers_show_what_is_typed_in_them() {
    let converter = Converter::start(60);
    let address = converter.screen;
    let mut ours = Viewer::connect(address).expect("a viewer connects");
    ours.type_text("clear; echo the top\n").expect("typed");
    ours.wait_until(Deadline::seconds(SOON), "the top", |picture| {
        glyphs::read_screen(picture).first().is_some_and(|line| line == "the top")
    });
    let home = tempfile::tempdir().expect("a folder");

    for (start, word) in [(tigervnc as fn(&_, &_, _) -> _, "tiger"), (gtk_vnc, "gtk")] {
        let display = Display::start();
        let viewer = start(&display, home.path(), address);
        let place = corner(&display, &mut ours, "the top");
        types_and_shows(&display, place, word);
        if word == "tiger" {
            // gtk-vnc's example does nothing with the server's clipboard.
            selects(&display, place);
        }
        drop(viewer);
        ours.wait_for_text(Deadline::seconds(SOON), &format!("{word}-42 and more"));
    }
    let selected = ours.select_all(Deadline::seconds(SOON));
    let lines: Vec<&str> = selected.lines().collect();
    assert_eq!(lines.first(), Some(&"the top"));
    assert!(
        lines.contains(&"tiger-42 and more") && lines.contains(&"gtk-42 and more"),
        "{lines:?}"
    );
    every_version_and_encoding_shows_the_same(address, &lines);
    converter.end();
}

/// Drags over the first line's words, and finds them on the display's clipboard.
fn selects(display: &Display, (x, y): (usize, usize)) {
    let middle = y + HEIGHT / 2;
    display.drag((x + WIDTH / 2, middle), (x + 6 * WIDTH + WIDTH / 2, middle));
    Deadline::seconds(SOON).until("the selection is on the clipboard", || {
        (display.clipboard() == "the top").then_some(())
    });
}

fn every_version_and_encoding_shows_the_same(address: SocketAddr, lines: &[&str]) {
    for version in [Version::V3_3, Version::V3_7, Version::V3_8] {
        for encoding in [Encoding::Raw, Encoding::Hextile] {
            let mut viewer = Viewer::connect_as(address, version, encoding).expect("it connects");
            viewer.wait_for_text(Deadline::seconds(SOON), "gtk-42 and more");
            let selected = viewer.select_all(Deadline::seconds(SOON));
            assert_eq!(selected.lines().collect::<Vec<_>>(), lines, "{version:?} {encoding:?}");
        }
    }
}

#[test]
fn a_foreign_viewer_shows_scrolls_and_colours_in_every_encoding_and_depth() {
    let converter = Converter::start(61);
    let address = converter.screen;
    let mut ours = Viewer::connect(address).expect("a viewer connects");
    let home = tempfile::tempdir().expect("a folder");
    let full = ["Tight", "ZRLE", "Hextile", "Raw"].map(|encoding| (encoding, "-FullColor=1"));
    let low = ["0", "1", "2"].map(|level| ("ZRLE", level)).into_iter();
    let low = low.chain([("Tight", "1")]);
    for (number, (encoding, depth)) in full.into_iter().chain(low).enumerate() {
        let top = format!("{encoding} {depth}");
        ours.type_text(&format!("clear; echo '{top}'\n")).expect("typed");
        ours.wait_until(Deadline::seconds(SOON), &top, |picture| {
            glyphs::read_screen(picture).first() == Some(&top)
        });
        let encoding = format!("-PreferredEncoding={encoding}");
        let level = format!("-LowColorLevel={depth}");
        let depth: &[&str] =
            if depth.starts_with('-') { &[depth] } else { &["-FullColor=0", &level] };
        let arguments = [&["-AutoSelect=0", &encoding], depth].concat();
        let display = Display::start();
        let viewer = tigervnc_with(&arguments, &display, home.path(), address);
        let (x, y) = corner(&display, &mut ours, &top);

        // Scrolls by lines and by screens, and colours in between.
        let last = format!("the end of {number}");
        ours.type_text(&format!(
            "seq 100 130; printf '\\033[3%dm%s\\033[0m \\033[7mturned\\033[0m\\n' 1 red 2 green 4 blue; \
             seq 200 210; echo {last}\n"
        ))
        .expect("typed");
        // Until the prompt is back, so that ours is whole too.
        ours.wait_until(Deadline::seconds(SOON), &last, |picture| {
            let lines = glyphs::read_screen(picture);
            let [.., end, prompt] = lines.as_slice() else { return false };
            *end == last && prompt.starts_with('$')
        });
        display.wait_until(Deadline::seconds(SOON), &top, |picture| {
            let shown = glyphs::read(picture, x, y, COLUMNS, LINES);
            (shown == ours.screen() && shown.contains(&last)).then_some(())
        });
        drop(viewer);
    }
    converter.end();
}
