//! SGR, the palette, and how cells are drawn.

use super::*;

fn pen(bytes: &str) -> Cell {
    cell(&screen(&(String::from(bytes) + "x")), 0, 0)
}

#[test]
fn sgr_sets_and_resets_each_attribute() {
    let attributes = [
        ("1", "22", Attributes::BOLD),
        ("2", "22", Attributes::FAINT),
        ("3", "23", Attributes::ITALIC),
        ("4", "24", Attributes::UNDERLINE),
        ("21", "24", Attributes::UNDERLINE),
        ("4:3", "4:0", Attributes::UNDERLINE),
        ("5", "25", Attributes::BLINK),
        ("7", "27", Attributes::INVERSE),
        ("8", "28", Attributes::INVISIBLE),
        ("9", "29", Attributes::STRIKE),
    ];
    for (on, off, attribute) in attributes {
        let set = alloc::format!("\x1b[{on}m");
        assert_eq!(pen(&set).attributes(), attribute, "{on}");
        assert_eq!(pen(&alloc::format!("{set}\x1b[{off}m")).attributes(), Attributes::NONE);
        assert_eq!(pen(&alloc::format!("{set}\x1b[m")).attributes(), Attributes::NONE);
    }
}

#[test]
fn sgr_takes_colours_in_every_form() {
    let inks = [
        ("31", Colour::Indexed(1)),
        ("97", Colour::Indexed(15)),
        ("31;39", Colour::Default),
        ("38;5;200", Colour::Indexed(200)),
        ("38:5:200", Colour::Indexed(200)),
        ("38;2;1;2;3", Colour::Rgb(Rgb::new(1, 2, 3))),
        ("38:2:1:2:3", Colour::Rgb(Rgb::new(1, 2, 3))),
        ("38:2::1:2:3", Colour::Rgb(Rgb::new(1, 2, 3))),
        ("38:2:0:1:2:3:4:5", Colour::Rgb(Rgb::new(1, 2, 3))),
        ("38;5;256", Colour::Default),
        ("38;2;1;2", Colour::Default),
        ("38;9", Colour::Default),
        ("38", Colour::Default),
    ];
    for (codes, ink) in inks {
        assert_eq!(pen(&alloc::format!("\x1b[{codes}m")).ink(), ink, "{codes}");
    }
    let papers = [
        ("41", Colour::Indexed(1)),
        ("107", Colour::Indexed(15)),
        ("48;5;200", Colour::Indexed(200)),
        ("48:2::1:2:3", Colour::Rgb(Rgb::new(1, 2, 3))),
        ("41;49", Colour::Default),
    ];
    for (codes, paper) in papers {
        assert_eq!(pen(&alloc::format!("\x1b[{codes}m")).paper(), paper, "{codes}");
    }
    let both = pen("\x1b[38;5;1;48;5;2;1m");
    assert_eq!((both.ink(), both.paper()), (Colour::Indexed(1), Colour::Indexed(2)));
    assert_eq!(both.attributes(), Attributes::BOLD);
    assert_eq!(pen("\x1b[58;5;1;31m").ink(), Colour::Indexed(1));
    assert_eq!(pen("\x1b[>4;1m").attributes(), Attributes::NONE);
}

#[test]
fn sgr_10_to_12_are_the_linux_consoles_glyph_numbers() {
    let mut bytes = b"\x1b[11mA\x01\xb0\x1b[12m0\xc1\x1b[10m\xc3\xa9".to_vec();
    let mut screen = Screen::new(10, 1, 0);
    screen.feed(&bytes);
    assert_eq!(screen.text(), "A☺░░Aé\n");
    bytes.clear();
}

#[test]
fn attributes_act_on_the_colours() {
    let colours = |bytes: &str| {
        let screen = screen(&(String::from(bytes) + "x"));
        screen.colours(&cell(&screen, 0, 0))
    };
    let (grey, white) = (Rgb::new(0xb2, 0xb2, 0xb2), Rgb::new(0xff, 0xff, 0xff));
    let (black, red) = (Rgb::new(0, 0, 0), Rgb::new(0xb2, 0x18, 0x18));
    assert_eq!(colours(""), (grey, black));
    assert_eq!(colours("\x1b[1m"), (white, black));
    assert_eq!(colours("\x1b[7m"), (black, grey));
    assert_eq!(colours("\x1b[?5h"), (black, grey));
    assert_eq!(colours("\x1b[?5h\x1b[7m"), (grey, black));
    assert_eq!(colours("\x1b[8;31m"), (black, black));
    assert_eq!(colours("\x1b[7;8;31m"), (red, red));
    assert_eq!(colours("\x1b[2m").0, Rgb::new(118, 118, 118));
    assert_eq!(colours("\x1b[1;31m").0, Rgb::new(0xff, 0x54, 0x54));
}

#[test]
fn commands_set_the_palette() {
    let ink = |bytes: &str| {
        let screen = screen(&(String::from(bytes) + "\x1b[31mx"));
        screen.colours(&cell(&screen, 0, 0)).0
    };
    let teal = Rgb::new(0, 0x80, 0x80);
    let red = ink("");
    assert_eq!(ink("\x1b]4;1;rgb:00/80/80\x07"), teal);
    assert_eq!(ink("\x1b]4;2;#111111;1;#008080\x1b\\"), teal);
    assert_eq!(ink("\x1b]4;1;#008080\x07\x1b]104;1\x07"), red);
    assert_eq!(ink("\x1b]4;1;#008080\x07\x1b]104\x07"), red);
    assert_eq!(ink("\x1b]4;1;?\x07"), red);
    assert_eq!(ink("\x1b]P1008080"), teal);
    assert_eq!(ink("\x1b]P1008080\x1b]R"), red);
    let screen = screen("\x1b]10;#008080;#111111\x07x");
    assert_eq!(screen.colours(&cell(&screen, 0, 0)), (teal, Rgb::new(17, 17, 17)));
    let screen = super::screen("\x1b]10;#008080\x07\x1b]11;#008080\x07\x1b]110\x07\x1b]111\x07x");
    assert_eq!(screen.colours(&cell(&screen, 0, 0)).1, Rgb::new(0, 0, 0));
}

#[test]
fn a_change_of_all_colours_changes_the_look() {
    for bytes in ["\x1b]4;1;#008080\x07", "\x1b]P1008080", "\x1b]R", "\x1b[?5h", "\x1b]11;#111\x07"]
    {
        assert_ne!(screen(bytes).look(), 0, "{}", bytes.escape_debug());
    }
    assert_eq!(screen("\x1b[31mtext\x1b[2J\x1b]0;title\x07").look(), 0);
}

#[test]
fn titles_are_swallowed() {
    assert_eq!(rows("\x1b]0;title\x07a\x1b]2;title\x1b\\bc"), "abc");
}
