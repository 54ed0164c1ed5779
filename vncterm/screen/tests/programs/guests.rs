//! Programs that people run in guests, live: what they show is what they were asked to show.

use std::process::Command;

use vncterm_screen::Colour;

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
        let home = [("TERM", term), ("HOME", "/nonexistent")];
        let mut mc = Program::start("mc", &words, &home);
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
        let home = [("TERM", term), ("HOME", "/nonexistent")];
        let mut htop = Program::start("htop", &["htop", "--readonly"], &home);
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
    let mut tmux = Program::start("tmux", &words, &[("TERM", "xterm-256color"), ("HOME", "/")]);
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
