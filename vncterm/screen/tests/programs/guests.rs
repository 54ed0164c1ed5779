//! Programs that people run in guests, live: what they show is what they were asked to show.

use std::process::Command;

use vncterm_screen::{Attributes, Colour, Rgb, Screen};

use crate::pty::Program;

/// A screen that holds no piece of an escape sequence, a title or a reply.
fn is_clean(program: &Program) {
    let text = program.screen.text();
    for junk in ["[?", "[0m", "]0;", "]2;", "\u{fffd}", ";1R", "[>"] {
        assert!(!text.contains(junk), "{junk:?} on:\n{text}");
    }
}

#[test]
fn vim_edits_and_leaves_the_screen_as_it_was() {
    for term in ["vt220", "linux", "xterm-256color"] {
        let script =
            "echo before; vim -u NONE -N --cmd 'set title titlestring=junk ruler'; echo after";
        let mut vim = Program::start("vim", &["sh", "-c", script], &[("TERM", term)]);
        vim.until("vim", |screen, _| screen.text().contains("0,0-1"));
        vim.type_bytes("ione\rtwo \u{e9}\u{4e2d}\u{2500}\x1b".as_bytes());
        vim.shows("two \u{e9}\u{4e2d}\u{2500}");
        vim.type_bytes(b":1d\r");
        vim.until("one line less", |screen, _| !screen.text().contains("one"));
        is_clean(&vim);
        assert!(vim.screen.text().starts_with("two"), "{term}:\n{}", vim.screen.text());
        vim.type_bytes(b":q!\r");
        vim.shows("after");
        is_clean(&vim);
        if term == "xterm-256color" {
            assert!(vim.screen.text().starts_with("before\nafter\n"), "{}", vim.screen.text());
        }
    }
}

#[test]
fn less_pages_and_searches() {
    let script = "seq -f 'line %g of many' 1 200 | less";
    let mut less = Program::start("less", &["sh", "-c", script], &[("TERM", "vt220")]);
    less.shows("line 23 of many");
    less.type_bytes(b" ");
    less.shows("line 46 of many");
    assert!(less.screen.text().starts_with("line 24 of many\n"), "{}", less.screen.text());
    less.type_bytes(b"/line 150\r");
    less.until("line 150", |screen, _| screen.text().starts_with("line 150 of many\n"));
    less.type_bytes(b"k");
    less.until("line 149", |screen, _| screen.text().starts_with("line 149 of many\n"));
    is_clean(&less);
}

#[test]
fn dialog_draws_boxes_that_close() {
    for term in ["vt220", "linux", "xterm-256color"] {
        let words = ["dialog", "--backtitle", "installer", "--yesno", "Go on?", "8", "30"];
        let mut dialog = Program::start("dialog", &words, &[("TERM", term)]);
        // Its last lines are drawn after its buttons, in an order of curses' own.
        dialog.until("a closed box with both buttons", |screen, _| {
            let text = screen.text();
            let corners = ['\u{250c}', '\u{2510}', '\u{2514}', '\u{2518}'];
            corners.iter().all(|corner| text.contains(*corner))
                && ["installer", "Go on?", "Yes", "No"].iter().all(|word| text.contains(word))
        });
        is_clean(&dialog);
        // A terminal of colours gets the shadow and the blue screen.
        let paper = dialog.screen.row(0, 10).cells.first().map(vncterm_screen::Cell::paper);
        assert_eq!(paper == Some(Colour::Indexed(4)), term != "vt220", "{term}: {paper:?}");
    }
}

#[test]
fn mc_draws_two_panels_with_lines_and_a_menu() {
    let words = ["sh", "-c", "cd /; exec mc --nomouse --nosubshell / /usr"];
    for term in ["linux", "xterm-256color"] {
        let mut mc = Program::start("mc", &words, &[("TERM", term)]);
        mc.until("both panels, menu and keys", |screen, _| {
            let text = screen.text();
            let corners = ['\u{250c}', '\u{2510}', '\u{2514}', '\u{2518}'];
            let whole = corners.iter().all(|corner| text.matches(*corner).count() == 2);
            whole && ["Left", "Options", "10Quit"].iter().all(|word| text.contains(word))
        });
        is_clean(&mc);
    }
}

#[test]
fn htop_shows_its_meters_and_keys() {
    for term in ["vt220", "linux", "xterm-256color"] {
        let mut htop = Program::start("htop", &["htop", "--readonly"], &[("TERM", term)]);
        htop.until("its keys", |screen, _| {
            let text = screen.text();
            text.contains("Load average") && text.contains("F10")
        });
        is_clean(&htop);
        htop.type_bytes(b"h");
        htop.shows("Process state");
        is_clean(&htop);
    }
}

#[test]
fn tmux_splits_the_screen_and_shows_what_runs_in_it() {
    let socket = format!("-Lvncterm-test-{}", std::process::id());
    let right = "printf '\\033]2;evil\\007right\\n'; exec cat";
    let words = [
        &["tmux", &socket, "-f/dev/null", "new-session", "echo left; exec cat", ";"][..],
        &["split-window", "-h", right],
    ]
    .concat();
    let mut tmux = Program::start("tmux", &words, &[("TERM", "xterm-256color")]);
    tmux.until("both panes", |screen, _| {
        let text = screen.text();
        let line = text.lines().next().unwrap_or_default().trim_end().to_owned();
        line.starts_with("left ") && line.ends_with("\u{2502}right")
    });
    is_clean(&tmux);
    tmux.type_bytes(b"typed\r");
    tmux.until("what is typed", |screen, _| screen.text().matches("typed").count() == 2);
    let ended = Command::new("tmux").args([&socket, "kill-server"]).status();
    assert!(ended.expect("tmux runs").success());
    tmux.until("the end", |_, since| since.windows(6).any(|bytes| bytes == b"exited"));
}

/// systemd's habits, from 252 to 257: what it resets a terminal with, how it asks for the size and the
/// name, its context marks, and the colours of its lines while it starts and waits.
#[test]
fn what_systemd_says_to_a_terminal_leaves_its_lines_and_no_junk() {
    let mut screen = Screen::new(80, 24, 64);
    screen.feed(b"\x1b[!p\x1b]104\x07\x1b[?7h\x1b[1G\x1b[0J");
    screen.feed(b"\x1bP+q544e\x1b\\\x1b[s\x1b[32766;32766H\x1b[6n\x1b[u");
    assert_eq!(screen.take_reply().as_deref(), Some(&b"\x1b[24;80R"[..]));
    assert_eq!(screen.take_reply(), None);
    screen.feed(b"\x1b]3008;start=0123;type=boot;comm=systemd\x1b\\\x1b]0;booting\x07");
    screen.feed("Welcome to \x1b[1;38;2;23;147;209mLinux\x1b[0m!\r\n\r\n".as_bytes());
    screen.feed(b"[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh.service\x1b[0m - Shell.\r\n");
    screen.feed(b"[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mfoo.service\x1b[0m.\r\n");
    for stars in ["\x1b[0;31m*     ", "\x1b[0;1;31m*\x1b[0m\x1b[0;31m*    "] {
        screen.feed(b"\r\x1b[K[");
        screen.feed(stars.as_bytes());
        screen.feed(b"\x1b[0m] A start job is running (5s / 1min)");
    }
    screen.feed(b"\r\x1b[K[\x1b[0;32m  OK  \x1b[0m] Finished it.\r\n");
    let expected = "Welcome to Linux!\n\n[  OK  ] Started ssh.service - Shell.\n\
                    [FAILED] Failed to start foo.service.\n[  OK  ] Finished it.\n";
    assert_eq!(screen.text().trim_end_matches('\n'), expected.trim_end());
    let cell = |row: u16, column: usize| screen.row(0, row).cells[column];
    assert_eq!(cell(2, 3).ink(), Colour::Indexed(2));
    assert_eq!(cell(3, 1).ink(), Colour::Indexed(1));
    assert!(cell(3, 1).attributes().contains(Attributes::BOLD));
    assert_eq!(cell(0, 11).ink(), Colour::Rgb(Rgb::new(23, 147, 209)));
    assert_eq!(cell(2, 20).ink(), Colour::Default);
}
